//! Outputs that a client has to ask for.

use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};

use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{Event, JobFilter, Tessera, ix};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    history::{count, settlements},
    jobs::{LEASES, Rendering},
    network::{Network, STAKED},
    pictures,
    process::PATIENCE,
};

/// Time for demands: enough to notice that something is open, and short enough to wait until it is paid.
const CHALLENGE: &[&str] = &["--challenge-seconds", "30"];

/// Demands a chunk of up to `most` leases of the job that `provider` alone computes, each as soon as it is open, whatever becomes
/// of the others. Returns what was said of each demand, and the job.
async fn demand(
    network: &Network,
    tessera: &Tessera,
    provider: u16,
    most: usize,
    wait: bool,
) -> (Pubkey, Vec<serde_json::Value>) {
    let (market, address) = (network.market(), network.provider(provider));
    let end = Instant::now() + PATIENCE;
    let (mut asked, mut asking) = (BTreeSet::new(), vec![]);
    loop {
        let now = tessera.clock().await.unwrap().time;
        for job in tessera.jobs(&market, JobFilter::Open).await.unwrap() {
            if job.challenge_seconds == 0 || job.allowed.first() != Some(&address) {
                continue;
            }
            for lease in tessera.job_leases(&job.address).await.unwrap() {
                let open = lease.demandable(now).any(|seat| seat.provider == address);
                if !open || asked.len() == most || !asked.insert(lease.index) {
                    continue;
                }
                let mut command = network.tessera();
                command.args(["--json", "job", "demand", &job.address.to_string(), &lease.index.to_string(), "--yes"]);
                command.args(["--provider", &address.to_string()]).args((!wait).then_some("--no-wait"));
                asking.push(spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()));
            }
            if asked.len() == most {
                let mut said = vec![];
                for output in asking {
                    let output = output.await.unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                    said.push(serde_json::from_slice(&output.stdout).unwrap());
                }
                return (job.address, said);
            }
        }
        assert!(Instant::now() < end, "{asked:?} of {most} leases were opened within {PATIENCE:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// A job whose outputs are computed, opened and kept back, until somebody else computes them.
pub struct Withheld {
    rendering: Rendering,
    thief: Pubkey,
    other: Pubkey,
}

impl Withheld {
    /// Posts a job that provider `thief` does alone, which alone works, and demands its outputs. Later `other` may do it.
    ///
    /// The thief asks back what stake its seats do not lock. It could take the same leases once more otherwise, or judge others,
    /// and earn something: not a second demand is made here, and what it earns is to be compared.
    pub async fn begin(network: &Network, tessera: &Tessera, thief: u16, other: u16) -> Self {
        let rendering = network.render_with("withheld", &pictures::scene(), 1, &[thief, other], CHALLENGE);
        let (_, said) = demand(network, tessera, thief, LEASES, false).await;
        assert!(said.iter().all(|demand| demand["shown"].is_null() && demand["cost"].as_u64() > Some(0)), "{said:?}");
        let authority = network.authority(thief);
        let account = tessera.provider(&network.provider(thief)).await.unwrap().unwrap();
        let leave = ix::request_unstake(&authority.pubkey(), &network.market(), account.stake - account.locked);
        tessera.send(&[leave], &authority, &[]).await.unwrap();
        let (thief, other) = (network.provider(thief), network.provider(other));
        Self { rendering, thief, other }
    }

    /// Waits until it is there in spite of all.
    pub async fn end(self, network: &Network, tessera: &Tessera) {
        let Self { rendering, thief, other } = self;
        let log = fs::read_to_string(network.path("withheld.log")).unwrap();
        assert!(log.contains("tessera job demand"), "the client was not told what to do: {log}");
        let (job, stem) = rendering.wait();
        let history = tessera.job_history(&job).await.unwrap();
        let withheld = |event: &Event| matches!(event, Event::ChunkWithheld(e) if e.provider == thief);
        let slashed = |event: &Event| matches!(event, Event::SeatSlashed(e) if e.provider == thief && e.awarded == 0);
        assert_eq!((count(&history, withheld), count(&history, slashed)), (LEASES, LEASES));
        let paid = settlements(&history);
        assert!(paid.len() == LEASES && paid.iter().all(|seat| seat.provider == other), "{paid:?}");
        assert!(tessera.ledger(&job).await.unwrap().balances());
        let thief = tessera.provider(&thief).await.unwrap().unwrap();
        // All that its seats locked is lost, and the rest is what it has asked back.
        let (stake, slashed, faults) = (thief.stake, thief.slashed, thief.faults as usize);
        assert_eq!((stake, slashed, faults), (0, STAKED - thief.unstaking, LEASES));
        assert_eq!((thief.earned, thief.locked, thief.to_burn), (0, 0, slashed));
        pictures::assert_as_computed_here(&stem);
        assert!(network.path("withheld.png").is_file());
    }
}

/// An honest worker shows what is demanded, and is paid for it.
pub async fn answers_earn_the_bond(network: &Network, tessera: &Tessera, provider: u16) {
    let rendering = network.render_with("answered", &pictures::scene(), 1, &[provider], CHALLENGE);
    let (job, said) = demand(network, tessera, provider, 1, true).await;
    assert_eq!(said[0]["shown"], true, "{said:?}");
    let bond = tessera.job(&job).await.unwrap().unwrap().demand_bond;
    let (_, stem) = rendering.wait();
    let paid: Vec<u64> = settlements(&tessera.job_history(&job).await.unwrap()).iter().map(|seat| seat.pay).collect();
    let (least, most) = (paid.iter().min().unwrap(), paid.iter().max().unwrap());
    assert!(paid.len() == LEASES && bond > 0 && most - least == bond, "{paid:?}");
    assert!(tessera.ledger(&job).await.unwrap().balances());
    pictures::assert_as_computed_here(&stem);
}
