//! Somebody takes as many leases as it may and does nothing with them.

use solana_pubkey::Pubkey;
use tessera_protocol::bonds;
use tessera_sdk::{Event, Job, Ledger};

use crate::{
    attacker::{Attacker, Loss},
    history::{count, settlements},
    jobs::{LEASES, Rendering, UNITS},
    network::{Network, TOKEN},
    pictures,
};

/// Tokens for a unit, at which the stake of a provider is enough for the locks of so many leases, and of no more.
const PRICE: u64 = 1;
const MOST: u32 = 2;

/// A job, two leases of which somebody holds.
pub struct Hoard {
    rendering: Rendering,
    job: Job,
    /// What a lease pays.
    pay: u64,
    /// What it costs to be late with one.
    bond: u64,
}

impl Hoard {
    /// Posts a job for somebody honest that does not work yet and the attacker, and claims until the chain refuses; then gives a
    /// lease back and takes it again, twice. The market lets it do so once for nothing.
    pub async fn begin(network: &Network, attacker: &Attacker, by: [u16; 2]) -> Self {
        let options = ["--price", &PRICE.to_string()];
        let mut rendering = network.render_with("hoarded", &pictures::scene(), 1, &by, &options);
        let job = rendering.posted(network, &attacker.tessera, |job| job.price_per_unit == PRICE * TOKEN).await;
        let pay = PRICE * TOKEN * UNITS;
        let lock = bonds::lock(job.lock_multiple, job.expiry_bond_bps, pay).unwrap();
        let bond = bonds::expiry_bond(job.expiry_bond_bps, pay);
        let before = attacker.account().await;

        attacker.seed(&job.address).await;
        for lease in 0..MOST {
            attacker.send(&[attacker.claiming(&job.address, lease)]).await;
        }
        attacker.refused(&[attacker.claiming(&job.address, MOST)], "StakeLocked").await;
        for lost in [0, bond] {
            let account = attacker.account().await;
            assert_eq!(account.locked, u64::from(MOST) * lock);
            attacker.send(&[attacker.returning(&job.address, 0)]).await;
            let returned = attacker.account().await;
            assert_eq!((account.stake - returned.stake, account.locked - returned.locked), (lost, lock));
            attacker.send(&[attacker.claiming(&job.address, 0)]).await;
        }
        attacker.refused(&[attacker.claiming(&job.address, MOST)], "StakeLocked").await;
        assert_eq!(attacker.account().await.lost - before.lost, bond);
        Self { rendering, job, pay, bond }
    }

    /// Waits until the honest provider has done all of it, and returns what the attack has cost the attacker.
    pub async fn end(self, attacker: &Attacker, honest: &Pubkey) -> (Ledger, Loss) {
        let Self { rendering, job, pay, bond } = self;
        let (address, stem) = rendering.wait();
        assert_eq!(address, job.address);
        let history = attacker.tessera.job_history(&address).await.unwrap();
        let paid = settlements(&history);
        assert!(
            paid.len() == LEASES && paid.iter().all(|seat| seat.provider == *honest && seat.pay == pay),
            "{paid:?}"
        );
        let late = |event: &Event| matches!(event, Event::LeaseExpired(e) if e.provider == attacker.provider && e.lost == bond);
        assert_eq!(count(&history, late), MOST as usize);
        pictures::assert_as_computed_here(&stem);
        let loss = Loss { bonds: bond * u64::from(1 + MOST), ..Loss::default() };
        (attacker.tessera.ledger(&address).await.unwrap(), loss)
    }
}
