//! The leases in hand, each with what is to be done about it next.

use std::{collections::HashSet, sync::Arc, time::Duration};

use solana_pubkey::Pubkey;
use tessera_protocol::{audit, verdict::Kind};
use tokio::{task::AbortHandle, time::Instant};

use super::{
    super::{
        compute::{ComputeError, moment},
        context::Context,
        inspection::Own,
        observe::Observed,
        outbox,
        steps::{StepError, Steps},
    },
    Engine, News, unix_now,
};
use crate::{
    backoff,
    journal::{Entry, JournalError, LeaseId, Phase},
    lifecycle::{Action, Exit, LeaseView, Mood, Seat, SeatState, View, decide},
};

/// After so many failed tries a lease is given back.
const GIVE_UP: u32 = 3;
/// Leases that only wait for their rent are looked at this much less often.
const RARELY: u32 = 10;

/// A lease in hand.
pub(super) struct Slot {
    pub entry: Entry,
    /// The task that works on it.
    pub task: Option<AbortHandle>,
    /// Whether that task computes, so that it may be broken off.
    pub computing: bool,
    /// When to look at it again.
    pub due: Instant,
    pub absent_since: Option<Instant>,
    pub failures: u32,
    /// It failed too often: give it back.
    pub give_up: bool,
    /// Nothing is expected of us soon.
    pub idle: bool,
    /// Those in the lease whose outputs were looked at.
    inspected: HashSet<Pubkey>,
}

impl Slot {
    /// One that is due at once.
    pub fn new(entry: Entry) -> Self {
        Self {
            entry,
            task: None,
            computing: false,
            due: Instant::now(),
            absent_since: None,
            failures: 0,
            give_up: false,
            idle: false,
            inspected: HashSet::new(),
        }
    }

    /// Seats whose outputs are opened and not yet looked at, while ours is and time is left to demand them.
    fn take_uninspected(&mut self, lease: &LeaseView, me: &Pubkey, now: i64) -> Option<(Own, Vec<Seat>)> {
        let open = |seat: &Seat| seat.state == SeatState::Opened && seat.answer_by == 0 && now < seat.payable_at;
        let result = self.entry.result.as_ref().filter(|result| !result.is_void())?;
        lease.seat(me).filter(|ours| open(ours))?;
        let others = lease.seats.iter().filter(|seat| seat.provider != *me && open(seat));
        let new: Vec<Seat> = others.filter(|seat| self.inspected.insert(seat.provider)).cloned().collect();
        let own = || Own { id: self.entry.id, units: lease.units, result: result.clone() };
        (!new.is_empty()).then(|| (own(), new))
    }
}

impl Engine {
    /// Decides about a lease, and starts what was decided.
    pub(super) fn act(&mut self, seen: Observed) -> Result<(), JournalError> {
        let Observed { id, now, job, lease } = seen;
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.task.is_none()) else { return Ok(()) };
        let ours = lease.as_ref().and_then(|lease| lease.seat(&self.context.me.provider)).map(|seat| seat.state);
        slot.absent_since = if ours.is_some() { None } else { slot.absent_since.or_else(|| Some(Instant::now())) };
        let absent_for = slot.absent_since.map_or(0, |since| since.elapsed().as_secs());
        let failing = slot.failures > 0;
        let view = View { now, job, lease, absent_for, record: self.context.standing().record(), failing };
        // The key may have gone along with the reveal.
        if ours == Some(SeatState::Opened) && slot.entry.phase < Phase::Opening {
            slot.entry.phase = Phase::Opening;
        }
        // What cannot be computed is given back at once, whatever it is for.
        let mood = if slot.give_up { Mood::Leaving } else { self.mood };
        let inspect =
            view.lease.as_ref().and_then(|lease| slot.take_uninspected(lease, &self.context.me.provider, now.time));
        if let Some((own, seats)) = inspect {
            let (inspector, news) = (Arc::clone(&self.inspector), self.news.clone());
            tokio::spawn(async move {
                let _ = news.send(News::Inspected(inspector.look(&own, &seats, now.time).await));
            });
        }
        self.context.pace.saw(now.slot);
        let seat = view.lease.as_ref().and_then(|lease| lease.seat(&self.context.me.provider));
        let drawn_in = seat
            .filter(|seat| seat.awaits_draw() && !seat.can_be_drawn(now, 0))
            .map(|seat| self.context.pace.between(now.slot, audit::draw_slot(seat.slot) + 1));
        let action = decide(&slot.entry, &view, &self.context.me, mood);
        match action {
            Action::Wait => {
                let rare = slot.entry.phase == Phase::Leaving;
                let wait = self.context.config.poll() * if rare { RARELY } else { 1 };
                let wait = wait.mul_f64(backoff::jitter());
                slot.due = Instant::now() + drawn_in.map_or(wait, |soon| wait.min(soon));
                // Who has committed and stays silent loses more than a worker in a hurry saves.
                let at_stake = matches!(ours, Some(SeatState::Committed | SeatState::Revealed));
                // Who waits for its pay waits longer than anybody does for a worker to stop.
                let waits_for_pay = ours == Some(SeatState::Opened);
                slot.idle = rare || waits_for_pay || (self.mood == Mood::Leaving && !at_stake);
            }
            Action::Adopt { attempt, kind, pay } => {
                adopt(&mut slot.entry, &self.context, (attempt, kind, pay))?;
                slot.due = Instant::now();
            }
            Action::Finish(exit) => self.finish(&id, exit)?,
            action => self.start(&id, action, view),
        }
        Ok(())
    }

    fn finish(&mut self, id: &LeaseId, exit: Exit) -> Result<(), JournalError> {
        let Some(slot) = self.slots.remove(id) else { return Ok(()) };
        self.counts.add(exit, slot.entry.kind, slot.entry.pay);
        if exit == Exit::Gone && slot.entry.phase != Phase::Leaving {
            tracing::warn!(lease = %id, phase = slot.entry.phase.name(), "the seat is gone: settled, expired or slashed by others");
        }
        outbox::forget(&self.context.outbox, &slot.entry);
        self.context.journal.finish(&slot.entry, unix_now())
    }

    fn start(&mut self, id: &LeaseId, action: Action, view: View) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        tracing::debug!(lease = %id, ?action, "next step");
        (slot.computing, slot.idle) = (matches!(action, Action::Execute { .. }), false);
        let (steps, news, entry) = (self.steps.clone(), self.news.clone(), slot.entry.clone());
        let task = tokio::spawn(async move {
            let mut entry = entry;
            let result = perform(&steps, &mut entry, action, &view).await;
            let _ = news.send(News::Stepped(Box::new(entry), result));
        });
        slot.task = Some(task.abort_handle());
    }

    pub(super) fn stepped(&mut self, entry: Entry, result: Result<(), StepError>) -> Result<(), JournalError> {
        let Some(slot) = self.slots.get_mut(&entry.id).filter(|slot| slot.task.is_some()) else { return Ok(()) };
        (slot.task, slot.computing, slot.due) = (None, false, Instant::now());
        // A lease that was just settled or returned leaves a place free.
        if entry.phase == Phase::Leaving {
            self.claim_after = self.claim_after.min(Instant::now());
            outbox::forget(&self.context.outbox, &entry);
        }
        self.counts.settled += u64::from(entry.paid && !slot.entry.paid);
        slot.entry = entry;
        let Err(e) = result else {
            slot.failures = 0;
            return Ok(());
        };
        slot.failures += 1;
        let id = slot.entry.id;
        match e {
            StepError::Journal(e) => return Err(e),
            // Somebody else was quicker, or our view was old: look again.
            StepError::Chain(ref error) if let tessera_sdk::Error::Program { name, .. } = &**error => {
                tracing::debug!(lease = %id, name, "the chain refuses the step");
                slot.due = Instant::now() + backoff::after(slot.failures).min(self.context.config.poll());
            }
            e => {
                tracing::warn!(lease = %id, error = %e, failures = slot.failures, "step failed");
                let unfinished = matches!(e, StepError::Compute(_)) && !e.is_waiting_for_files();
                let hopeless = matches!(e, StepError::Compute(ComputeError::Quarantined));
                slot.give_up |= hopeless || e.refuses_job() || (unfinished && slot.failures >= GIVE_UP);
                slot.due = Instant::now() + if slot.give_up { Duration::ZERO } else { backoff::after(slot.failures) };
                if e.refuses_job() {
                    self.jobs.refuse(&id.job());
                }
            }
        }
        Ok(())
    }
}

/// Notes the attempt number of our seat. A result that was done with too early comes back.
fn adopt(entry: &mut Entry, context: &Context, (attempt, kind, pay): (u32, Kind, u64)) -> Result<(), JournalError> {
    if entry.attempt != Some(attempt) {
        entry.result = context.journal.recall(&entry.id, attempt)?.and_then(|before| before.result);
    }
    (entry.attempt, entry.kind, entry.pay, entry.paid) = (Some(attempt), kind, pay, false);
    entry.phase = if entry.result.is_some() { Phase::Executed } else { Phase::Leased };
    context.journal.put(entry)
}

async fn perform(steps: &Steps, entry: &mut Entry, action: Action, view: &View) -> Result<(), StepError> {
    let lease =
        || -> Result<&LeaseView, StepError> { view.lease.as_ref().ok_or(StepError::Unexpected("there is no lease")) };
    match action {
        Action::Execute { until, closely } => {
            let seconds = view.job.as_ref().map_or(0, |job| job.lease_seconds);
            steps.execute(entry, moment(until, view.now.time, seconds), closely).await
        }
        Action::Commit => steps.commit(entry).await,
        Action::Draw { provider, reveal } => steps.draw(entry, lease()?, &provider, reveal).await,
        Action::Reveal(how) => steps.reveal(entry, lease()?, view.now.time, how).await,
        Action::Open { settle } => steps.open(entry, lease()?, settle).await,
        Action::Answer => steps.answer(entry, lease()?).await,
        Action::Convict { provider } => steps.convict(entry, &provider).await,
        Action::Settle => steps.settle(entry, lease()?).await,
        Action::Return => steps.give_back(entry, lease()?).await,
        Action::Expire { provider, payer } => steps.expire(entry, &provider, &payer).await,
        Action::Slash { provider, payer } => steps.slash(entry, &provider, &payer).await,
        Action::Advance => steps.advance(entry).await,
        Action::Seed => steps.seed(entry).await,
        Action::CloseLease => steps.close(entry).await,
        Action::Wait | Action::Adopt { .. } | Action::Finish(_) => Ok(()),
    }
}
