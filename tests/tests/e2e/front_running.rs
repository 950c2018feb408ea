//! A stranger sends the settlement of a lease before the provider does that has earned it.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{Event, Job, Lease, Ledger, SeatState, ix, pda, token};

use crate::{
    attacker::Attacker,
    history::{count, settlements},
    jobs::{LEASES, PAY, Rendering},
    network::Network,
    pictures,
    process::{PATIENCE, Process, until},
};

/// Outputs are opened so long before they are paid: time to open those of all leases, to notice it, and to be first.
const CHALLENGE: &str = "60";

/// A job that somebody does alone and is paid for a little later.
pub struct Race {
    rendering: Rendering,
    honest: Pubkey,
}

impl Race {
    /// Posts the job for provider `honest`.
    pub fn begin(network: &Network, honest: u16) -> Self {
        let options = ["--challenge-seconds", CHALLENGE];
        let rendering = network.render_with("raced", &pictures::scene(), 1, &[honest], &options);
        Self { rendering, honest: network.provider(honest) }
    }

    /// Stops the honest worker between opening and settling, settles for it in the ways in which that might pay, and lets it go
    /// on.
    pub async fn run_ahead(&mut self, network: &Network, stranger: &Attacker, worker: &Process) {
        let tessera = &stranger.tessera;
        let job = self.rendering.posted(network, tessera, |job| job.challenge_seconds > 0).await;
        let leases = self.opened(stranger, &job).await;
        worker.signal("STOP");
        let payable = leases.iter().map(|lease| lease.seats[0].payable_at).max().unwrap();
        let over = async || (tessera.clock().await.unwrap().time >= payable).then_some(());
        until("the end of the time for demands", PATIENCE, over).await;

        let (own, mint) = (stranger.operator.pubkey(), network.mint(tessera).await);
        stranger.send(&[token::create_ata(&own, &own, &mint)]).await;
        let (purse, vault) = (token::ata(&own, &mint), pda::stake_vault(&stranger.provider));
        let before = stranger.account().await;
        for lease in &leases {
            let settle = self.settlement(&job.address, lease);
            let as_own = ix::settle_lease(&job.address, lease.index, &stranger.provider, &own, &lease.payer);
            stranger.refused(&[as_own], "SeatNotFound").await;
            for (position, account, reason) in [
                (2, stranger.provider, "WrongVault"),
                (3, purse, "WrongVault"),
                (4, purse, "WrongVault"),
                (4, vault, "WrongVault"),
                (5, own, "WrongRentPayer"),
                (6, own, "WrongRentPayer"),
            ] {
                let mut forged = settle.clone();
                forged.accounts[position].pubkey = account;
                stranger.refused(&[forged], reason).await;
            }

            // With the right accounts it is a service: the pay is the provider's, the rent its operator's.
            let state = async || {
                let earned = tessera.provider(&self.honest).await.unwrap().unwrap().earned;
                let held = tessera.token_balance(&pda::stake_vault(&self.honest)).await.unwrap().unwrap();
                let [theirs, own] = [&lease.payer, &own].map(|key| tessera.balance(key));
                [earned, held, theirs.await.unwrap(), own.await.unwrap()]
            };
            let (before, rent) = (state().await, tessera.balance(&lease.address).await.unwrap());
            let receipt = stranger.send(std::slice::from_ref(&settle)).await;
            let [earned, held, theirs, own] = before;
            assert_eq!(state().await, [earned + PAY, held + PAY, theirs + rent, own - receipt.fee]);
            stranger.refused(&[settle], "AccountOwnedByWrongProgram").await;
        }
        assert_eq!(format!("{before:?}"), format!("{:?}", stranger.account().await));
        assert_eq!(tessera.token_balance(&purse).await.unwrap(), Some(0));
        worker.signal("CONT");
    }

    /// All leases of the job, once they are opened and nothing of them is paid.
    async fn opened(&self, stranger: &Attacker, job: &Job) -> Vec<Lease> {
        until("the key of every lease", PATIENCE, async || {
            let leases = stranger.tessera.job_leases(&job.address).await.unwrap();
            let is_open = |lease: &&Lease| lease.seats.iter().any(|seat| seat.state == SeatState::Opened);
            (leases.iter().filter(is_open).count() == LEASES).then_some(leases)
        })
        .await
    }

    fn settlement(&self, job: &Pubkey, lease: &Lease) -> Instruction {
        ix::settle_lease(job, lease.index, &self.honest, &lease.seats[0].payer, &lease.payer)
    }

    /// Waits until the job has ended.
    pub async fn end(self, stranger: &Attacker) -> Ledger {
        let (job, stem) = self.rendering.wait();
        let history = stranger.tessera.job_history(&job).await.unwrap();
        let paid = settlements(&history);
        assert!(paid.len() == LEASES && paid.iter().all(|seat| seat.provider == self.honest && seat.pay == PAY));
        assert_eq!(count(&history, |event| matches!(event, Event::LeaseClaimed(_))), LEASES, "nothing was done twice");
        pictures::assert_as_computed_here(&stem);
        stranger.tessera.ledger(&job).await.unwrap()
    }
}
