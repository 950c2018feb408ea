use solana_pubkey::Pubkey;

use super::view::{LeaseView, Seat, SeatState, View};
use crate::journal::{Entry, Phase};

/// A sent claim can land this long after it was sent: as long as its blockhash lives, and a margin.
const CLAIM_LANDS_WITHIN: i64 = 180;
/// A seat has to be missing for so long before it is believed to be gone: endpoints lag behind one another.
const BELIEVE_ABSENCE: u64 = 20;
/// A lease with less time left than this is given back rather than started.
const LEAST_TIME: i64 = 3;

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do now; somebody else, or the clock, has to move.
    Wait,
    /// Our seat is on chain under this attempt number: note it. A result of another attempt is void.
    Adopt {
        /// Number of the claim.
        attempt: u32,
        /// What the seat pays.
        pay: u64,
    },
    /// Compute the units, by `until`.
    Execute {
        /// End of the window for committing.
        until: i64,
    },
    /// Put the sealed outputs into the store and commit.
    Commit,
    /// Reveal the roots.
    Reveal {
        /// Reveal the key and settle in the same transaction: there is one replica only.
        with_key: bool,
    },
    /// Show the key, and settle.
    Open,
    /// Collect the pay.
    Settle,
    /// Give the seat back without loss.
    Return,
    /// Remove a seat whose window has passed: ours, or another that blocks the lease.
    Expire {
        /// Whose seat.
        provider: Pubkey,
        /// Who gets its rent.
        payer: Pubkey,
    },
    /// Close the empty lease account: its rent is ours.
    CloseLease,
    /// Nothing is left to do.
    Finish(Exit),
}

/// How a lease ended for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The claim never took place.
    NotClaimed,
    /// Paid.
    Paid,
    /// The seat is gone: returned, expired, or settled by somebody else.
    Gone,
}

/// Who we are.
#[derive(Clone, Copy, Debug)]
pub struct Me {
    /// Our provider account.
    pub provider: Pubkey,
    /// The key that pays our rents.
    pub operator: Pubkey,
}

/// Whether the worker means to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    /// It works.
    Working,
    /// It starts nothing new, and finishes what it has begun.
    Draining,
    /// It gives back everything that can be given back.
    Leaving,
}

/// What to do next with the lease of `entry`, given what the chain shows.
#[must_use]
pub fn decide(entry: &Entry, view: &View, me: &Me, mood: Mood) -> Action {
    match view.lease.as_ref().and_then(|lease| Some((lease, lease.seat(&me.provider)?))) {
        Some((lease, seat)) => seated(entry, view, lease, seat, mood),
        None => unseated(entry, view, me),
    }
}

/// No seat of ours is to be seen.
fn unseated(entry: &Entry, view: &View, me: &Me) -> Action {
    if entry.phase == Phase::Claiming {
        let lost = view.now > entry.claimed_at + CLAIM_LANDS_WITHIN;
        return if lost { Action::Finish(Exit::NotClaimed) } else { Action::Wait };
    }
    if !entry.paid && entry.phase != Phase::Leaving && view.absent_for < BELIEVE_ABSENCE {
        return Action::Wait;
    }
    if let Some(lease) = &view.lease
        && lease.payer == me.operator
    {
        // Our rent comes back when the account closes, which the last settlement does, and else we do.
        let done = lease.seats.is_empty() && (lease.settled || over(view));
        return if done { Action::CloseLease } else { Action::Wait };
    }
    Action::Finish(if entry.paid { Exit::Paid } else { Exit::Gone })
}

fn seated(entry: &Entry, view: &View, lease: &LeaseView, seat: &Seat, mood: Mood) -> Action {
    if entry.attempt != Some(seat.attempt) || entry.phase == Phase::Claiming {
        return Action::Adopt { attempt: seat.attempt, pay: seat.pay };
    }
    // A result counts only if it is what the chain holds us to.
    let ours = entry.commitment() == Some(seat.commitment);
    let gone = lease.expirable(seat, view.job.as_ref(), view.now);
    let leave = Action::Expire { provider: seat.provider, payer: seat.payer };
    match seat.state {
        SeatState::Leased if gone => leave,
        SeatState::Leased if entry.result.is_some() => Action::Commit,
        SeatState::Leased if mood > Mood::Working || seat.commit_by - view.now < LEAST_TIME => Action::Return,
        SeatState::Leased => Action::Execute { until: seat.commit_by },

        // A late reveal counts until somebody closes the window, so try it first and as long as the job is not over.
        SeatState::Committed if lease.reveal_by != 0 && ours && !over(view) => {
            Action::Reveal { with_key: lease.replicas == 1 }
        }
        SeatState::Committed if gone => leave,
        SeatState::Committed if lease.reveal_by != 0 => Action::Wait,
        SeatState::Committed if !ours || mood == Mood::Leaving => Action::Return,
        SeatState::Committed => others(view, lease, seat).unwrap_or_else(|| {
            let hopeless = lease.has_room() && view.job.as_ref().is_none_or(|job| !job.takes_claims(view.now));
            // Who has waited as long as others had to commit goes without using up a free return.
            let waited = view.job.as_ref().is_none_or(|job| {
                let committed_by = entry.claimed_at.saturating_add(job.lease_seconds.into());
                view.now > committed_by.saturating_add(job.lease_seconds.into())
            });
            if hopeless && waited { Action::Return } else { Action::Wait }
        }),

        SeatState::Revealed if (lease.agreed || lease.settled) && ours && !over(view) => Action::Open,
        SeatState::Revealed if gone => leave,
        SeatState::Revealed => others(view, lease, seat).unwrap_or(Action::Wait),

        SeatState::Opened if gone => leave,
        SeatState::Opened => Action::Settle,

        SeatState::Rejected if gone => leave,
        SeatState::Rejected => others(view, lease, seat).unwrap_or(Action::Wait),
    }
}

fn over(view: &View) -> bool {
    view.job.as_ref().is_none_or(|job| job.over(view.now))
}

/// Another seat whose window has passed keeps this lease from going on: remove it.
fn others(view: &View, lease: &LeaseView, ours: &Seat) -> Option<Action> {
    lease
        .seats
        .iter()
        .find(|seat| seat.provider != ours.provider && lease.expirable(seat, view.job.as_ref(), view.now))
        .map(|seat| Action::Expire { provider: seat.provider, payer: seat.payer })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
