//! Stories: leases as the simulation played them, told so that somebody else can play the same and say what came of it.
//!
//! The tests play them on the built program. So a story has the order of what happened and no times, and places of seats
//! instead of addresses; chances, draws and amounts are what the simulation says, and so what is compared.

use std::collections::HashMap;

use tessera_protocol::{
    audit::Funding,
    chance::Chance,
    hash::Digest,
    verdict::{Kind, Verdict},
};

use crate::{
    lease::{Lease, State},
    provider::{Provider, truth},
    scenario::{Scenario, Strategy},
};

/// A lease from its post to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// How the cheaters of its market cheat.
    pub strategy: Strategy,
    /// Seed of the run that it is from.
    pub seed: u64,
    /// Its number there.
    pub lease: u32,
    /// Replicas that were asked for.
    pub replicas: u8,
    /// Everybody who took a seat, in order.
    pub seats: Vec<Seat>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// The root that is right in the end; `None` if it was never decided.
    pub root: Option<u8>,
    /// What the job's reserve paid for its audits.
    pub reserve_paid: u64,
}

/// Who took a seat, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Number of the provider in its market. Nobody has two seats in a lease.
    pub provider: usize,
    /// Its stake.
    pub stake: u64,
    /// What the seat is for.
    pub kind: Kind,
    /// What it said.
    pub said: Said,
    /// What it has got and lost.
    pub outcome: Outcome,
}

/// What a seat said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It revealed a root: number 0 is what the lease really computes to, others are numbered as they come.
    Root(u8),
    /// It committed and revealed nothing that counts.
    Nothing,
    /// It did not commit in time.
    Expired,
}

/// What a seat has got and lost, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Paid to it.
    pub paid: u64,
    /// Lost by it: its lock, or its bond.
    pub lost: u64,
    /// Part of that which others are awarded; the rest is burned.
    pub awarded: u64,
    /// What is remembered.
    pub mark: Mark,
}

/// What is remembered of a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    Blank,
    /// Its result was confirmed, with this weight in units of 2⁻³² events.
    Confirmed(u64),
    /// It was late.
    Late,
    /// It was at fault.
    Fault,
}

/// Something that happened. Seats are told by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many seats opened for an audit or a dispute.
    Opened(Kind, u8),
    /// A seat was taken.
    Claimed(usize),
    /// It committed.
    Committed(usize),
    /// It did not commit in time.
    Expired(usize),
    /// Its draw was read.
    Drawn(usize, Draw),
    /// All who would had revealed, and the lease was judged.
    Judged,
}

/// What was read in a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// How.
    pub reading: Reading,
    /// Confirmed results of the provider, just then.
    pub history: u32,
    /// Who pays the audit that the seat has called; `None` if it was not drawn, or another of its group had called one.
    pub calls: Option<Funding>,
}

/// How a draw was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// In time: with this chance, the seat was drawn or not.
    Hash(Chance, bool),
    /// When its hash could no longer be read, so it was drawn.
    Missed,
    /// After its provider was found at fault somewhere else, so it was drawn.
    Fault,
}

impl Story {
    /// Tells a lease that has ended with `verdict`.
    pub(crate) fn of(scenario: &Scenario, providers: &[Provider], lease: &Lease, verdict: Verdict) -> Self {
        let mut numbers: HashMap<Digest, u8> = HashMap::from([(truth(lease.index), 0)]);
        let mut number = |root: Digest| {
            let next = numbers.len() as u8;
            *numbers.entry(root).or_insert(next)
        };
        let seats = lease.seats.iter().map(|seat| Seat {
            provider: seat.provider,
            stake: providers[seat.provider].stake,
            kind: seat.kind,
            said: match seat.answer.root {
                _ if seat.state == State::Expired => Said::Expired,
                Some(root) if seat.revealed => Said::Root(number(root)),
                _ => Said::Nothing,
            },
            outcome: seat.outcome,
        });
        let seats = seats.collect();
        let root = match verdict {
            Verdict::Agreed(root) | Verdict::Decided(root) => Some(number(root)),
            Verdict::Silent | Verdict::More(_) | Verdict::Undecided => None,
        };
        Self {
            strategy: scenario.strategy,
            seed: scenario.seed,
            lease: lease.index,
            replicas: scenario.replicas,
            seats,
            steps: lease.steps.clone(),
            root,
            reserve_paid: lease.reserve_paid,
        }
    }
}
