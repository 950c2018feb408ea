use solana_pubkey::Pubkey;
use tessera_protocol::{audit, verdict::Kind};

use super::view::{LeaseState, LeaseView, Seat, SeatState, View};
use crate::journal::{Entry, Phase};

/// A sent claim can land this long after it was sent: as long as its blockhash lives, and a margin.
const CLAIM_LANDS_WITHIN: i64 = 180;
/// A seat has to be missing for so long before it is believed to be gone: endpoints lag behind one another.
const BELIEVE_ABSENCE: u64 = 20;
/// A lease with less time left than this is given back rather than started.
const LEAST_TIME: i64 = 3;
/// Slots for which others may leave undone what is theirs to do before it is done for them.
const PATIENCE: u64 = 12;

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do now; somebody else, or the clock, has to move.
    Wait,
    /// Our seat is on chain under this attempt number: note it. A result of another attempt is void.
    Adopt {
        /// Number of the claim.
        attempt: u32,
        /// How we came to the lease.
        kind: Kind,
        /// What the seat pays.
        pay: u64,
    },
    /// Compute the units, by `until`.
    Execute {
        /// End of the window for committing.
        until: i64,
        /// Look for everything that makes a lease void: somebody says that this one is.
        closely: bool,
    },
    /// Put the sealed outputs into the store and commit.
    Commit,
    /// Read whether a committed seat is audited: ours, or another that keeps the lease from going on.
    Draw {
        /// Whose seat.
        provider: Pubkey,
        /// Reveal ours in the same transaction: if there is no audit, that is next.
        reveal: Option<Reveal>,
    },
    /// Reveal the roots.
    Reveal(Reveal),
    /// Show the key.
    Open {
        /// And settle: nobody may demand anything first.
        settle: bool,
    },
    /// Show a chunk of our outputs that the client demands.
    Answer,
    /// Have a seat convicted that has not shown what was demanded of it, and keeps the lease from its end.
    Convict {
        /// Whose seat.
        provider: Pubkey,
    },
    /// Collect the pay.
    Settle,
    /// Give the seat back.
    Return,
    /// Remove a seat whose window has passed: ours, or another that blocks the lease.
    Expire {
        /// Whose seat.
        provider: Pubkey,
        /// Who gets its rent.
        payer: Pubkey,
    },
    /// Take the lock of a convicted seat: ours, which gives its rent back, or one that our pay comes from.
    Slash {
        /// Whose seat.
        provider: Pubkey,
        /// Who gets its rent.
        payer: Pubkey,
    },
    /// Let the lease go on without those who are late.
    Advance,
    /// Send the seed of the open group, which nobody has done.
    Seed,
    /// Close the empty lease account: its rent is ours.
    CloseLease,
    /// Nothing is left to do.
    Finish(Exit),
}

/// How the roots are revealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reveal {
    /// With the key: this reveal decides the lease.
    pub key: bool,
    /// And settling at once.
    pub settle: bool,
}

/// How a lease ended for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The claim never took place.
    NotClaimed,
    /// Paid.
    Paid,
    /// The seat is gone: returned, expired, slashed, or settled by somebody else.
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
        let lost = view.now.time > entry.claimed_at + CLAIM_LANDS_WITHIN;
        return if lost { Action::Finish(Exit::NotClaimed) } else { Action::Wait };
    }
    if !entry.paid && entry.phase != Phase::Leaving && view.absent_for < BELIEVE_ABSENCE {
        return Action::Wait;
    }
    match &view.lease {
        // Our rent comes back when the account closes, which the last settlement does, and else we do.
        Some(lease) if lease.payer == me.operator => clear(lease, view),
        _ => Action::Finish(if entry.paid { Exit::Paid } else { Exit::Gone }),
    }
}

/// What brings a lease that we have left nearer to its end. Those who are still in it come first.
fn clear(lease: &LeaseView, view: &View) -> Action {
    let over = lease.is_over(view.job.as_ref(), view.now);
    let ended = over || (lease.state != LeaseState::Open && lease.open_by < view.now.time);
    if lease.seats.is_empty() {
        return if over || lease.state == LeaseState::Settled { Action::CloseLease } else { Action::Wait };
    }
    let left = lease.seats.iter().find_map(|seat| match seat.state {
        SeatState::Convicted => Some(slash(seat)),
        SeatState::Opened if view.job.is_some() => lease.demand_passed(seat, view.now).then(|| convict(seat)),
        _ => lease.expirable(seat, view.job.as_ref(), view.now).then(|| expire(seat)),
    });
    left.filter(|_| ended).unwrap_or(Action::Wait)
}

fn seated(entry: &Entry, view: &View, lease: &LeaseView, seat: &Seat, mood: Mood) -> Action {
    if entry.attempt != Some(seat.attempt) || entry.phase == Phase::Claiming {
        return Action::Adopt { attempt: seat.attempt, kind: seat.kind, pay: seat.pay };
    }
    // A result counts only if it is what the chain holds us to.
    let ours = entry.commitment() == Some(seat.commitment);
    let gone = lease.expirable(seat, view.job.as_ref(), view.now);
    match seat.state {
        SeatState::Leased if gone => expire(seat),
        SeatState::Leased if entry.result.is_some() => Action::Commit,
        SeatState::Leased if mood == Mood::Leaving || seat.commit_by - view.now.time < LEAST_TIME => {
            if lease.lets_go(seat) { Action::Return } else { Action::Wait }
        }
        // Those who are called to audit or to decide are waited for by others.
        SeatState::Leased if mood == Mood::Draining && lease.lets_go(seat) => Action::Return,
        SeatState::Leased => Action::Execute { until: seat.commit_by, closely: lease.is_called_void() },

        SeatState::Committed if gone => expire(seat),
        // Nothing that it says counts any more; it is judged with the others.
        SeatState::Committed if seat.silent => others(view, lease, seat).unwrap_or(Action::Wait),
        // Once anybody has revealed it is too late for this. Who means to stop has no time for an audit more.
        SeatState::Committed
            if mood == Mood::Working
                && let Some(provider) = at_fault(view, lease, seat) =>
        {
            Action::Draw { provider, reveal: None }
        }
        // A late reveal counts until somebody closes the window, so try as long as it is there.
        SeatState::Committed if lease.reveal_by != 0 && ours => Action::Reveal(how_to_reveal(entry, view, lease, seat)),
        SeatState::Committed if lease.reveal_passed(view.now) => Action::Advance,
        SeatState::Committed if lease.reveal_by != 0 => Action::Wait,
        SeatState::Committed if seat.awaits_draw() && seat.can_be_drawn(view.now, 0) => {
            draw(entry, view, lease, seat, ours)
        }
        SeatState::Committed if lease.lets_go(seat) && (!ours || mood == Mood::Leaving) => Action::Return,
        SeatState::Committed => others(view, lease, seat).unwrap_or_else(|| {
            if lease.lets_go(seat) && is_hopeless(entry, view, lease) { Action::Return } else { Action::Wait }
        }),

        SeatState::Revealed if lease.is_decided() && ours && !lease.is_over(view.job.as_ref(), view.now) => {
            let clear = debtor(lease, seat).is_none() && convicted(view, lease).is_none();
            Action::Open { settle: is_paid_at_once(view) && clear }
        }
        SeatState::Revealed if gone => expire(seat),
        SeatState::Revealed => others(view, lease, seat).unwrap_or(Action::Wait),

        SeatState::Opened if gone => expire(seat),
        // The whole lock is at stake, and an answer counts until somebody has said that it is late.
        SeatState::Opened if seat.answer_by != 0 => Action::Answer,
        SeatState::Opened if let Some(debtor) = debtor(lease, seat) => slash(debtor),
        SeatState::Opened if let Some(convicted) = convicted(view, lease) => slash(convicted),
        SeatState::Opened if view.now.time < seat.payable_at => silent_ones(view, lease).unwrap_or(Action::Wait),
        SeatState::Opened => Action::Settle,

        SeatState::Convicted => slash(seat),
        SeatState::Late | SeatState::Released => expire(seat),
    }
}

fn expire(seat: &Seat) -> Action {
    Action::Expire { provider: seat.provider, payer: seat.payer }
}

fn slash(seat: &Seat) -> Action {
    Action::Slash { provider: seat.provider, payer: seat.payer }
}

fn convict(seat: &Seat) -> Action {
    Action::Convict { provider: seat.provider }
}

/// A seat that has not shown what was demanded of it.
fn silent_ones(view: &View, lease: &LeaseView) -> Option<Action> {
    lease.seats.iter().find(|seat| lease.demand_passed(seat, view.now)).map(convict)
}

/// Whether outputs of the job are paid as soon as they are opened.
fn is_paid_at_once(view: &View) -> bool {
    view.job.as_ref().is_some_and(|job| job.challenge_seconds == 0)
}

/// Whether a replica is missing that nobody can take any more. Who has waited as long as others had to commit goes without
/// using up a free return.
fn is_hopeless(entry: &Entry, view: &View, lease: &LeaseView) -> bool {
    let now = view.now.time;
    view.job.as_ref().is_none_or(|job| {
        let committed_by = entry.claimed_at.saturating_add(job.lease_seconds.into());
        let waited = now > committed_by.saturating_add(job.lease_seconds.into());
        lease.missing > 0 && !job.takes_claims(now) && waited
    })
}

fn how_to_reveal(entry: &Entry, view: &View, lease: &LeaseView, seat: &Seat) -> Reveal {
    let root = entry.result.as_ref().map(|result| result.result_root);
    let params = view.job.as_ref().map(|job| &job.audit);
    let key = root.zip(params).is_some_and(|(root, params)| lease.is_decided_by(seat, root, params));
    // Those who were called to decide are paid by the losers, whose locks have to be taken first.
    Reveal { key, settle: key && seat.kind != Kind::Dispute && is_paid_at_once(view) }
}

/// Our own draw. Where nobody else is waited for, the reveal goes along: most draws call no audit, and then it is next.
fn draw(entry: &Entry, view: &View, lease: &LeaseView, seat: &Seat, ours: bool) -> Action {
    let certain = view.job.as_ref().is_none_or(|job| {
        let begins = seat.kind == Kind::Base && view.record.consecutive < job.audit.probation.into();
        begins || audit::reopened(seat.slot, view.record.fault_slot)
    });
    let next = ours && !certain && lease.waits_only_for(seat);
    Action::Draw { provider: seat.provider, reveal: next.then(|| how_to_reveal(entry, view, lease, seat)) }
}

/// Another provider that has been at fault since it committed here and was drawn without an audit: read once more, its draw
/// calls one. That is one transaction in the life of a lease, and may keep a lie from being paid beside us.
fn at_fault(view: &View, lease: &LeaseView, ours: &Seat) -> Option<Pubkey> {
    let may = !view.failing && lease.has_time_to_reveal(view.now) && !lease.is_over(view.job.as_ref(), view.now);
    let others = lease.passed().filter(|seat| may && seat.provider != ours.provider);
    others.filter(|seat| audit::reopened(seat.slot, seat.fault_slot)).map(|seat| seat.provider).next()
}

/// What others have not done in time and the lease waits for.
fn others(view: &View, lease: &LeaseView, ours: &Seat) -> Option<Action> {
    let (job, now) = (view.job.as_ref(), view.now);
    if lease.reveal_passed(now) || lease.is_stuck() || job.is_some_and(|job| lease.is_overdue(job, now)) {
        return Some(Action::Advance);
    }
    if lease.wants_seed(now, PATIENCE) {
        return Some(Action::Seed);
    }
    lease.seats.iter().filter(|seat| seat.provider != ours.provider).find_map(|seat| match seat.state {
        SeatState::Leased => lease.expirable(seat, job, now).then(|| expire(seat)),
        SeatState::Committed if lease.gathers() && seat.awaits_draw() => {
            seat.can_be_drawn(now, PATIENCE).then_some(Action::Draw { provider: seat.provider, reveal: None })
        }
        _ => None,
    })
}

/// A convicted seat whose lock has to be taken before we can be paid.
fn debtor<'a>(lease: &'a LeaseView, ours: &Seat) -> Option<&'a Seat> {
    let missing = ours.kind == Kind::Dispute && !ours.paid_by_rest && lease.awards < ours.pay;
    lease.seats.iter().find(|seat| missing && seat.state == SeatState::Convicted && seat.pay > 0)
}

/// A convicted seat. Its provider may never come back to it, and until somebody takes its lock the fault is not on record.
fn convicted<'a>(view: &View, lease: &'a LeaseView) -> Option<&'a Seat> {
    lease.seats.iter().find(|seat| !view.failing && seat.state == SeatState::Convicted)
}

#[cfg(test)]
mod tests;
