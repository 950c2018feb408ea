//! Providers: their stake, their books, and what each strategy answers.

use tessera_protocol::{
    Key,
    hash::{Digest, sha256},
    reputation::Reputation,
    routing::Standing,
    verdict::Kind,
};

use crate::scenario::{COST, IDENTITIES, LOCKS, PAY, Scenario, Strategy, UNITS};

/// What a provider earned and spent, in base units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Seats that were committed.
    pub seats: u64,
    /// Pay and awards.
    pub earned: i64,
    /// Cost of computing.
    pub cost: i64,
    /// Locks lost.
    pub slashed: i64,
    /// Bonds burned.
    pub bonds: i64,
    /// Seats on which it cheated.
    pub cheated: u64,
    /// Times it was found at fault.
    pub faults: u64,
    /// Cheated seats before each time it was found, summed.
    pub cheated_until_found: u64,
    /// Seconds from the first lie to being found, summed.
    pub seconds_until_found: f64,
    /// What chance alone did at its draws: the loss at stake × (drawn − chance), summed. Its mean is zero whatever the
    /// strategy, so adding it to the profit removes the noise of the draws and nothing else (a control variate).
    pub luck: f64,
}

impl Ledger {
    /// What is left.
    #[must_use]
    pub fn profit(&self) -> f64 {
        (self.earned - self.cost - self.slashed - self.bonds) as f64 + self.luck
    }
}

/// A provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// How it behaves.
    pub strategy: Strategy,
    /// Its address; a Sybil's changes.
    pub key: Key,
    /// Stake in all.
    pub stake: u64,
    /// Part of it that seats lock.
    pub locked: u64,
    /// Slot in which stake was added last.
    pub staked_slot: u64,
    /// What the chain remembers.
    pub reputation: Reputation,
    /// Its machine computes until then, in milliseconds.
    pub busy_until: u64,
    /// How far its clock is behind, in milliseconds; negative if it is ahead.
    pub behind: i64,
    /// Books.
    pub ledger: Ledger,
    /// Since when it lies without having been found, and on how many seats.
    pub lying: Option<(u64, u64)>,
}

impl Provider {
    /// What routing has to know.
    #[must_use]
    pub fn standing(&self, now: i64) -> Standing {
        Standing {
            score: self.reputation.score(now),
            stake: self.stake,
            locked: self.locked,
            staked_slot: self.staked_slot,
        }
    }
}

/// The providers of a scenario.
#[must_use]
pub fn population(scenario: &Scenario, rng: &mut fastrand::Rng) -> Vec<Provider> {
    let stake = scenario.lock() * LOCKS;
    let full = f64::from(scenario.providers);
    let cheaters = (full * scenario.share).round() as usize;
    let flaky = (full * scenario.flaky).round() as usize;
    let mut providers = Vec::new();
    for i in 0..scenario.providers as usize {
        let (strategy, parts) = match i {
            i if i < cheaters && scenario.strategy == Strategy::Sybil => (Strategy::Sybil, IDENTITIES),
            i if i < cheaters => (scenario.strategy, 1),
            i if i < cheaters + flaky => (Strategy::Flaky, 1),
            _ => (Strategy::Honest, 1),
        };
        for _ in 0..parts {
            providers.push(Provider {
                strategy,
                key: fresh_key(rng),
                stake: stake / parts,
                locked: 0,
                staked_slot: 0,
                reputation: Reputation { consecutive: scenario.history, ..Default::default() },
                busy_until: 0,
                behind: if strategy == Strategy::Flaky { rng.i64(-30_000..=30_000) } else { 0 },
                ledger: Ledger::default(),
                lying: None,
            });
        }
    }
    providers
}

/// A new address.
#[must_use]
pub fn fresh_key(rng: &mut fastrand::Rng) -> Key {
    core::array::from_fn(|_| rng.u8(..))
}

/// What a seat will say.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The root it will show. `None`: what it commits to was copied, so its work root is refuted or it opens nothing.
    pub root: Option<Digest>,
    /// What it costs to make.
    pub cost: u64,
    /// Whether it is meant to deceive.
    pub cheats: bool,
    /// Whether it is revealed once the lease has been drawn.
    pub shown_if_drawn: bool,
}

/// The right root of a lease.
#[must_use]
pub fn truth(lease: u32) -> Digest {
    sha256(&[b"truth", &lease.to_le_bytes()])
}

/// What a strategy knows of the lease when it answers.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Number of the lease.
    pub lease: u32,
    /// What the seat is for.
    pub kind: Kind,
    /// A friend has lied on this lease.
    pub lie: bool,
    /// Others have committed or revealed something.
    pub others: bool,
}

/// What `strategy` answers.
pub fn answer(strategy: Strategy, rate: f64, view: &View, rng: &mut fastrand::Rng) -> Answer {
    let lease = view.lease.to_le_bytes();
    let honest = Answer { root: Some(truth(view.lease)), cost: COST, cheats: false, shown_if_drawn: true };
    let cheat = Answer { root: None, cost: 0, cheats: true, shown_if_drawn: true };
    let shared = Answer { root: Some(sha256(&[b"lie", &lease])), ..cheat };
    let base = view.kind == Kind::Base;
    match strategy {
        Strategy::Honest | Strategy::Flaky => honest,
        Strategy::Lazy => match (0..UNITS).filter(|_| rng.f64() < rate).count() as u64 {
            0 => honest,
            guessed => Answer {
                root: Some(sha256(&[b"guess", &rng.u128(..).to_le_bytes()])),
                cost: COST - COST * guessed / u64::from(UNITS),
                ..cheat
            },
        },
        Strategy::Random | Strategy::Withholding => {
            let noise = Some(sha256(&[b"noise", &rng.u128(..).to_le_bytes()]));
            let shown_if_drawn = strategy == Strategy::Random;
            if rng.f64() < rate { Answer { root: noise, shown_if_drawn, ..cheat } } else { honest }
        }
        // Friends are left alone in disputes: voting along costs a lock for each vote, voting for the truth earns an award.
        Strategy::Colluding | Strategy::Sybil => {
            let helps = view.lie && view.kind == Kind::Audit;
            if helps || base && rng.f64() < rate { shared } else { honest }
        }
        Strategy::Framing => {
            if !base && (view.lie || view.kind == Kind::Audit && rng.f64() < rate) {
                shared
            } else {
                honest
            }
        }
        Strategy::Copying => {
            if view.others && rng.f64() < rate {
                cheat
            } else {
                honest
            }
        }
    }
}

/// What is at stake in a draw: the pay and the lock.
#[must_use]
pub fn at_stake(lock: u64) -> f64 {
    (PAY + lock) as f64
}
