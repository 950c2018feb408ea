//! Somebody does not compute, and commits to what others have committed to, or to what it has committed to before.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use tessera_protocol::{
    bonds,
    commitment::{Place, Reveal, commit},
};
use tessera_sdk::{Event, Job, Kind, Ledger, SeatState, ix, pda};

use crate::{
    attacker::{Attacker, Loss},
    history::{count, settlements},
    jobs::{LEASES, PAY, Rendering},
    network::Network,
    pictures,
};

/// The lease in which an old result is shown once more; in all others those of others are.
const REPLAYED: u32 = 3;

/// A job of two replicas, one of which copies.
pub struct Copies {
    rendering: Rendering,
    job: Job,
    honest: Pubkey,
    /// What was committed to in an attempt that has ended.
    old: Reveal,
}

impl Copies {
    /// Posts a job for somebody honest that does not work yet and the attacker, which has no free returns left. In all leases the
    /// attacker has a seat then; in one of them it is the second, for which it has committed to the result of the first.
    pub async fn begin(network: &Network, attacker: &Attacker, by: [u16; 2]) -> Self {
        // Nobody waits for their end.
        let options = ["--lease-seconds", "600"];
        let mut rendering = network.render_with("copied", &pictures::scene(), 2, &by, &options);
        let job = rendering.posted(network, &attacker.tessera, |job| job.replicas == 2).await;
        attacker.seed(&job.address).await;
        let old = Reveal { result_root: [1; 32], work_root: [2; 32], key_hash: [3; 32], nonce: [4; 32] };
        let copies = Self { rendering, job, honest: network.provider(by[0]), old };
        copies.replay(attacker).await;
        for lease in (0..LEASES as u32).filter(|lease| *lease != REPLAYED) {
            attacker.send(&[attacker.claiming(&copies.job.address, lease)]).await;
        }
        copies
    }

    /// Commits, gives the seat back, and sends commit and reveal again: without a seat, and with another one.
    async fn replay(&self, attacker: &Attacker) {
        let (job, provider) = (self.job.address, attacker.provider);
        let place = Place { job: job.to_bytes(), lease: REPLAYED, attempt: 0, provider: provider.to_bytes() };
        let again = attacker.committing(&job, REPLAYED, commit(&place, &self.old), [5; 32]);
        let reveal = attacker.revealing(&job, REPLAYED, self.old);
        attacker.send(&[attacker.claiming(&job, REPLAYED)]).await;
        attacker.send(std::slice::from_ref(&again)).await;
        attacker.send(&[ix::draw_audit(&job, REPLAYED, &provider)]).await;
        attacker.send(&[attacker.returning(&job, REPLAYED)]).await;

        // Nobody else is at work here, so all can be compared.
        let state = async || {
            let lease = attacker.tessera.lease(&job, REPLAYED).await.unwrap();
            format!("{lease:?} {:?}", attacker.account().await)
        };
        let before = state().await;
        attacker.refused(std::slice::from_ref(&reveal), "SeatNotFound").await;
        attacker.refused(std::slice::from_ref(&again), "SeatNotFound").await;
        assert_eq!(state().await, before);

        attacker.send(&[attacker.claiming(&job, REPLAYED)]).await;
        let before = state().await;
        attacker.refused(&[reveal], "SeatNotCommitted").await;
        assert_eq!(state().await, before);
        // Any bytes are a commitment. These are to an attempt that has ended.
        attacker.send(std::slice::from_ref(&again)).await;
        attacker.refused(&[again], "SeatNotLeased").await;
        let seat = attacker.seat(&job, REPLAYED, &provider, |seat| seat.state == SeatState::Committed).await;
        assert_eq!(seat.attempt, 1);
    }

    /// While the honest provider works: copies its commitments, then all that its reveals show.
    pub async fn copy(&self, network: &Network, attacker: &Attacker) {
        let job = self.job.address;
        let reveal = async |lease| {
            attacker.seat(&job, lease, &self.honest, |seat| seat.result_root != [0; 32]).await;
            let shown = self.shown(network, attacker, lease).await;
            // Both at once, for the window is short.
            let refused = async |reveal| {
                attacker.refused(&[attacker.revealing(&job, lease, reveal)], "CommitmentMismatch").await;
            };
            tokio::join!(refused(shown), refused(self.old));
        };
        let copy = async |lease| {
            let seat = attacker.seat(&job, lease, &self.honest, |seat| seat.commitment != [0; 32]).await;
            attacker.send(&[attacker.committing(&job, lease, seat.commitment, seat.sealed)]).await;
            let own = attacker.seat(&job, lease, &attacker.provider, |seat| seat.state == SeatState::Committed).await;
            assert_eq!((own.commitment, own.sealed), (seat.commitment, seat.sealed));
            reveal(lease).await;
        };
        // Each as soon as it may be: they reveal in any order, and not for long.
        tokio::join!(copy(0), copy(1), copy(2), reveal(REPLAYED));
    }

    /// What the honest provider has revealed in a lease, nonce included, which stands in its transaction alone.
    async fn shown(&self, network: &Network, attacker: &Attacker, lease: u32) -> Reveal {
        // Of this lease alone: that of the job is long, and there is not much time.
        let job = self.job.address;
        let mut history = attacker.tessera.history(&pda::lease(&job, lease)).await.unwrap();
        history.retain(|recorded| recorded.event.job() == Some(job));
        let (signature, roots) = history
            .iter()
            .find_map(|recorded| match &recorded.event {
                Event::ResultRevealed(e) if (e.index, e.provider) == (lease, self.honest) => {
                    Some((recorded.signature, (e.result_root, e.work_root)))
                }
                _ => None,
            })
            .unwrap();
        let bytes = transaction(network, signature).await;
        let reveal = attacker.revealing(&job, lease, self.old);
        let (name, len) = (&reveal.data[..8], 4 * 32);
        // Those of several leases may have gone in one transaction.
        let all = bytes.windows(8 + len).filter(|bytes| bytes.starts_with(name)).map(|bytes| {
            let [result_root, work_root, key_hash, nonce] =
                [0, 1, 2, 3].map(|i| bytes[8 + 32 * i..][..32].try_into().unwrap());
            Reveal { result_root, work_root, key_hash, nonce }
        });
        all.into_iter().find(|reveal| (reveal.result_root, reveal.work_root) == roots).unwrap()
    }

    /// Waits until the job has ended, and returns what the attack has cost the attacker.
    pub async fn end(self, attacker: &Attacker) -> (Ledger, Loss) {
        let Self { rendering, job, honest, .. } = self;
        let (address, stem) = rendering.wait();
        assert_eq!(address, job.address);
        let history = attacker.tessera.job_history(&address).await.unwrap();
        let lock = bonds::lock(job.lock_multiple, job.expiry_bond_bps, PAY).unwrap();
        let slashed = |event: &Event| {
            let Event::SeatSlashed(e) = event else { return false };
            e.provider == attacker.provider && (e.awarded, e.burned) == (PAY, lock - PAY)
        };
        assert_eq!(count(&history, slashed), LEASES);
        assert_eq!(count(&history, |event| matches!(event, Event::SeatSlashed(_))), LEASES);
        // The honest replica is paid by the client, and who answers for the silent one by that.
        let paid = settlements(&history);
        let seats = |kind| paid.iter().filter(move |seat| seat.kind == kind && seat.pay == PAY);
        assert!(paid.iter().all(|seat| (seat.kind == Kind::Base) == (seat.provider == honest)), "{paid:?}");
        assert!(paid.iter().all(|seat| seat.provider != attacker.provider), "{paid:?}");
        assert_eq!([Kind::Base, Kind::Dispute].map(|kind| seats(kind).count()), [LEASES; 2], "{paid:?}");
        assert_eq!(paid.len(), 2 * LEASES, "{paid:?}");
        pictures::assert_as_computed_here(&stem);
        let each = LEASES as u64;
        let bonds = bonds::expiry_bond(job.expiry_bond_bps, PAY);
        let loss = Loss { bonds, awarded: each * PAY, burned: each * (lock - PAY) };
        (attacker.tessera.ledger(&address).await.unwrap(), loss)
    }
}

/// A transaction as the node gives it to anybody.
async fn transaction(network: &Network, signature: Signature) -> Vec<u8> {
    let options = json!({ "encoding": "base64", "commitment": "confirmed", "maxSupportedTransactionVersion": 1 });
    let params = json!([signature.to_string(), options]);
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": params });
    let answer = reqwest::Client::new().post(network.env("TESSERA_URL")).json(&request).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    BASE64_STANDARD.decode(answer["result"]["transaction"][0].as_str().expect("a transaction")).unwrap()
}
