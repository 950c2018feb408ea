//! The loop: look at the leases in hand, decide, act; claim more.
//!
//! One task owns everything there is to know about leases in hand. Whatever takes time (asking the chain, computing,
//! sending) runs in tasks of its own, at most one per lease, and reports back.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    claimer::{ClaimError, Claimer, Found, InHand},
    compute::{Computer, moment},
    context::Context,
    jobs::Jobs,
    observe::{self, Observed},
    report::{Counts, Reporter},
    steps::{StepError, Steps},
};
use crate::{
    backoff,
    journal::{Entry, JournalError, LeaseId, Phase},
    lifecycle::{Action, Exit, LeaseView, Mood, SeatState, View, decide},
};

/// How often provider and market are looked up again.
const REFRESH: Duration = Duration::from_secs(30);
/// After so many failed tries a lease is given back.
const GIVE_UP: u32 = 3;
/// Leases that only wait for their rent, or for others to disagree no more, are looked at this much less often.
const RARELY: u32 = 10;
/// How long a worker that leaves goes on returning leases.
const LEAVING: Duration = Duration::from_secs(30);
/// Longest pause of the loop.
const PAUSE: Duration = Duration::from_secs(1);

/// What a task reports.
enum News {
    Observed(Result<Vec<Observed>, tessera_sdk::Error>),
    Stepped(Box<Entry>, Result<(), StepError>),
    Claimed(Result<Found, ClaimError>),
    Refreshed(Result<()>),
}

/// A lease in hand.
struct Slot {
    entry: Entry,
    /// The task that works on it.
    task: Option<AbortHandle>,
    /// Whether that task computes, so that it may be broken off.
    computing: bool,
    /// When to look at it again.
    due: Instant,
    absent_since: Option<Instant>,
    failures: u32,
    /// It failed too often: give it back.
    give_up: bool,
    /// Nothing is expected of us soon.
    idle: bool,
}

impl Slot {
    fn new(entry: Entry) -> Self {
        Self {
            entry,
            task: None,
            computing: false,
            due: Instant::now(),
            absent_since: None,
            failures: 0,
            give_up: false,
            idle: false,
        }
    }
}

/// The loop's state.
pub struct Engine {
    context: Arc<Context>,
    jobs: Jobs,
    steps: Steps,
    claimer: Arc<Claimer>,
    slots: HashMap<LeaseId, Slot>,
    mood: Mood,
    /// When the mood gets worse, or the engine stops.
    until: Option<Instant>,
    observing: bool,
    claiming: bool,
    claim_after: Instant,
    claim_failures: u32,
    refreshing: bool,
    refresh_after: Instant,
    counts: Counts,
    reporter: Reporter,
    news: mpsc::UnboundedSender<News>,
    inbox: mpsc::UnboundedReceiver<News>,
}

impl Engine {
    /// Takes up what the journal holds.
    ///
    /// # Errors
    /// If the journal fails.
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Result<Self, JournalError> {
        let entries = context.journal.entries()?;
        super::outbox::tidy(&context.outbox, &entries);
        for entry in &entries {
            tracing::info!(lease = %entry.id, phase = entry.phase.name(), "going on with a lease of the journal");
        }
        let slots = entries.into_iter().map(|entry| (entry.id, Slot::new(entry))).collect();
        let computer = Arc::new(Computer::new(Arc::clone(&context), jobs.clone()));
        // Bounded by the leases in hand: every task reports once.
        let (news, inbox) = mpsc::unbounded_channel();
        let now = Instant::now();
        Ok(Self {
            steps: Steps::new(Arc::clone(&context), jobs.clone(), computer),
            claimer: Arc::new(Claimer::new(Arc::clone(&context), jobs.clone())),
            reporter: Reporter::new(&context.config.data.directory),
            context,
            jobs,
            slots,
            mood: Mood::Working,
            until: None,
            observing: false,
            claiming: false,
            claim_after: now,
            claim_failures: 0,
            refreshing: false,
            refresh_after: now + REFRESH,
            counts: Counts::default(),
            news,
            inbox,
        })
    }

    /// Adds leases that the journal does not know of.
    pub fn adopt(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.slots.entry(entry.id).or_insert_with(|| Slot::new(entry));
        }
    }

    /// Works until `stop` tells it to leave (again: to leave at once), and everything is finished or returned.
    ///
    /// # Errors
    /// If the journal fails: nothing may go on without it.
    pub async fn run(mut self, wake: Arc<Notify>, stop: Arc<Notify>) -> Result<Counts, JournalError> {
        loop {
            let now = Instant::now();
            self.grow_impatient(now);
            if self.mood > Mood::Working && self.is_done(now) {
                self.report();
                return Ok(self.counts);
            }
            self.observe(now);
            self.claim(now);
            self.refresh(now);
            self.report();
            let next = self.slots.values().filter(|slot| slot.task.is_none()).map(|slot| slot.due).min();
            let look = next.filter(|_| !self.observing);
            let claim = Some(self.claim_after).filter(|after| !self.claiming && *after > now);
            let pause = [look, claim].into_iter().flatten().fold(now + PAUSE, Instant::min);
            tokio::select! {
                Some(news) = self.inbox.recv() => {
                    self.take(news)?;
                    // Several may have come; look once for all of them.
                    while let Ok(news) = self.inbox.try_recv() {
                        self.take(news)?;
                    }
                }
                () = wake.notified() => self.claim_after = self.claim_after.min(Instant::now() + Duration::from_millis(50)),
                () = stop.notified() => self.leave(),
                () = sleep_until(pause.max(now + Duration::from_millis(5))) => {}
            }
        }
    }

    fn leave(&mut self) {
        let now = Instant::now();
        if self.mood == Mood::Working {
            tracing::info!("stopping: finishing what has begun; ask again to return everything now");
            self.mood = Mood::Draining;
            self.until = Some(now + Duration::from_secs(self.context.config.work.shutdown_seconds));
        } else {
            self.until = Some(now);
        }
        for slot in self.slots.values_mut().filter(|slot| slot.task.is_none()) {
            slot.due = now;
        }
    }

    fn grow_impatient(&mut self, now: Instant) {
        if self.mood == Mood::Draining && self.until.is_some_and(|until| now >= until) {
            tracing::info!("returning what is not finished");
            self.mood = Mood::Leaving;
            self.until = Some(now + LEAVING);
            for slot in self.slots.values_mut() {
                if slot.computing
                    && let Some(task) = slot.task.take()
                {
                    // Its child process dies with it.
                    task.abort();
                    slot.computing = false;
                }
                (slot.due, slot.idle) = (now, false);
            }
        }
    }

    /// Whether nothing is left that this worker can do now.
    fn is_done(&self, now: Instant) -> bool {
        let late = self.mood == Mood::Leaving && self.until.is_some_and(|until| now >= until);
        let quiet = |slot: &Slot| slot.task.is_none() && slot.idle;
        late || (!self.claiming && self.slots.values().all(quiet))
    }

    /// Asks the chain about the leases that are due.
    fn observe(&mut self, now: Instant) {
        if self.observing {
            return;
        }
        let due: Vec<LeaseId> =
            self.slots.iter().filter(|(_, slot)| slot.task.is_none() && slot.due <= now).map(|(id, _)| *id).collect();
        if due.is_empty() {
            return;
        }
        self.observing = true;
        let (tessera, news) = (self.context.tessera.clone(), self.news.clone());
        tokio::spawn(async move {
            // A closed inbox means that the engine is gone, and its news with it. The same below.
            let _ = news.send(News::Observed(observe::observe(&tessera, due).await));
        });
    }

    /// Looks for another lease if there is room for one.
    fn claim(&mut self, now: Instant) {
        let standing = self.context.standing();
        let in_hand = self.slots.values().filter(|slot| slot.entry.phase != Phase::Leaving).count();
        // A seat that is not to be seen any more has most likely been expired while this worker was away.
        let ahead = |phase| matches!(phase, Phase::Claiming | Phase::Leased);
        let leased = |slot: &&Slot| ahead(slot.entry.phase) && slot.absent_since.is_none();
        let to_compute = self.slots.values().filter(leased).filter(|slot| !slot.give_up);
        let work = &self.context.config.work;
        let open = usize::try_from(standing.open_leases).unwrap_or(usize::MAX).max(in_hand);
        let allowed = usize::try_from(standing.max_open_leases).unwrap_or(usize::MAX);
        let room = work
            .max_leases
            .saturating_sub(in_hand)
            .min(allowed.saturating_sub(open))
            .min((work.prefetch + 1).saturating_sub(to_compute.count()));
        let wanted = self.mood == Mood::Working && standing.obstacle.is_none();
        if self.claiming || !wanted || room == 0 || now < self.claim_after {
            return;
        }
        self.claiming = true;
        let ahead = self.slots.values().filter(leased);
        let unit_time = |slot: &Slot| self.jobs.lease_estimate(&slot.entry.id).unwrap_or(f64::MAX);
        let ahead = ahead.map(unit_time).sum();
        let entries = self.slots.iter().map(|(id, slot)| (*id, slot.entry.clone())).collect();
        let (claimer, news) = (Arc::clone(&self.claimer), self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Claimed(claimer.claim(&InHand { entries, ahead, room }).await));
        });
    }

    fn refresh(&mut self, now: Instant) {
        if self.refreshing || now < self.refresh_after {
            return;
        }
        self.refreshing = true;
        let (context, news) = (Arc::clone(&self.context), self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Refreshed(context.refresh().await));
        });
    }

    fn take(&mut self, news: News) -> Result<(), JournalError> {
        match news {
            News::Observed(result) => {
                self.observing = false;
                match result {
                    Ok(seen) => seen.into_iter().try_for_each(|seen| self.act(seen))?,
                    Err(e) => {
                        tracing::warn!(error = %e, "cannot look at the leases in hand");
                        let later = Instant::now() + backoff::after(2);
                        self.slots.values_mut().for_each(|slot| slot.due = slot.due.max(later));
                    }
                }
            }
            News::Stepped(entry, result) => self.stepped(*entry, result)?,
            News::Claimed(result) => self.claimed(result)?,
            News::Refreshed(result) => {
                self.refreshing = false;
                self.refresh_after = Instant::now() + REFRESH;
                match (result, self.context.standing().obstacle) {
                    (Err(e), _) => tracing::warn!(error = %format!("{e:#}"), "cannot look up provider and market"),
                    (Ok(()), Some(obstacle)) => tracing::warn!(%obstacle, "nothing can be claimed"),
                    (Ok(()), None) => {}
                }
            }
        }
        Ok(())
    }

    fn claimed(&mut self, result: Result<Found, ClaimError>) -> Result<(), JournalError> {
        self.claiming = false;
        let now = Instant::now();
        match result {
            Ok(Found::Claims(entries)) => {
                (self.claim_failures, self.claim_after) = (0, now);
                for entry in entries {
                    // One that was seen on the chain meanwhile is at work already.
                    let at_work = |slot: &Slot| slot.task.is_some() || slot.entry.phase != Phase::Leaving;
                    if !self.slots.get(&entry.id).is_some_and(at_work) {
                        self.slots.insert(entry.id, Slot::new(entry));
                    }
                }
            }
            Ok(Found::Nothing) => (self.claim_failures, self.claim_after) = (0, now + self.context.config.poll()),
            Ok(Found::Missed) => self.claim_after = now + Duration::from_millis(100).mul_f64(backoff::jitter()),
            Err(ClaimError::Journal(e)) => return Err(e),
            Err(e) => {
                self.claim_failures += 1;
                self.claim_after = now + backoff::after(self.claim_failures);
                tracing::warn!(error = %e, "cannot claim; is there SOL on the operator key? `tessera-worker doctor` tells");
            }
        }
        Ok(())
    }

    /// Decides about a lease, and starts what was decided.
    fn act(&mut self, seen: Observed) -> Result<(), JournalError> {
        let Observed { id, now, job, lease } = seen;
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.task.is_none()) else { return Ok(()) };
        let ours = lease.as_ref().and_then(|lease| lease.seat(&self.context.me.provider)).map(|seat| seat.state);
        slot.absent_since = if ours.is_some() { None } else { slot.absent_since.or_else(|| Some(Instant::now())) };
        let absent_for = slot.absent_since.map_or(0, |since| since.elapsed().as_secs());
        let view = View { now, job, lease, absent_for };
        let mood = if slot.give_up { self.mood.max(Mood::Draining) } else { self.mood };
        let action = decide(&slot.entry, &view, &self.context.me, mood);
        match action {
            Action::Wait => {
                let rare = slot.entry.phase == Phase::Leaving || ours == Some(SeatState::Rejected);
                let wait = self.context.config.poll() * if rare { RARELY } else { 1 };
                slot.due = Instant::now() + wait.mul_f64(backoff::jitter());
                slot.idle = rare || self.mood == Mood::Leaving;
            }
            Action::Adopt { attempt, pay } => {
                adopt(&mut slot.entry, &self.context, attempt, pay)?;
                slot.due = Instant::now();
            }
            Action::Finish(exit) => self.finish(&id, exit)?,
            action => self.start(&id, action, view),
        }
        Ok(())
    }

    fn finish(&mut self, id: &LeaseId, exit: Exit) -> Result<(), JournalError> {
        let Some(slot) = self.slots.remove(id) else { return Ok(()) };
        self.counts.add(exit, slot.entry.pay);
        if exit == Exit::Gone && slot.entry.phase != Phase::Leaving {
            tracing::warn!(lease = %id, phase = slot.entry.phase.name(), "the seat is gone: settled or expired by others");
        }
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

    fn stepped(&mut self, entry: Entry, result: Result<(), StepError>) -> Result<(), JournalError> {
        let Some(slot) = self.slots.get_mut(&entry.id).filter(|slot| slot.task.is_some()) else { return Ok(()) };
        (slot.task, slot.computing, slot.due) = (None, false, Instant::now());
        // A lease that was just settled or returned leaves a place free.
        if entry.phase == Phase::Leaving {
            self.claim_after = self.claim_after.min(Instant::now());
        }
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
                slot.give_up |= e.refuses_job() || (unfinished && slot.failures >= GIVE_UP);
                slot.due = Instant::now() + if slot.give_up { Duration::ZERO } else { backoff::after(slot.failures) };
                if e.refuses_job() {
                    self.jobs.refuse(&id.job());
                }
            }
        }
        Ok(())
    }

    fn report(&mut self) {
        let entries = self.slots.values().map(|slot| &slot.entry);
        self.reporter.report(entries, &self.counts, self.jobs.counts(), &self.context.standing(), self.mood);
    }
}

/// Notes the attempt number of our seat. A result that was done with too early comes back.
fn adopt(entry: &mut Entry, context: &Context, attempt: u32, pay: u64) -> Result<(), JournalError> {
    if entry.attempt != Some(attempt) {
        entry.result = context.journal.recall(&entry.id, attempt)?.and_then(|before| before.result);
    }
    (entry.attempt, entry.pay, entry.paid) = (Some(attempt), pay, false);
    entry.phase = if entry.result.is_some() { Phase::Executed } else { Phase::Leased };
    context.journal.put(entry)
}

async fn perform(steps: &Steps, entry: &mut Entry, action: Action, view: &View) -> Result<(), StepError> {
    let lease =
        || -> Result<&LeaseView, StepError> { view.lease.as_ref().ok_or(StepError::Unexpected("there is no lease")) };
    match action {
        Action::Execute { until } => {
            let seconds = view.job.as_ref().map_or(0, |job| job.lease_seconds);
            steps.execute(entry, moment(until, view.now, seconds)).await
        }
        Action::Commit => steps.commit(entry).await,
        Action::Reveal { with_key } => steps.reveal(entry, lease()?, with_key).await,
        Action::Open => steps.open(entry, lease()?).await,
        Action::Settle => steps.settle(entry, lease()?).await,
        Action::Return => steps.give_back(entry, lease()?).await,
        Action::Expire { provider, payer } => steps.expire(entry, &provider, &payer).await,
        Action::CloseLease => steps.close(entry).await,
        Action::Wait | Action::Adopt { .. } | Action::Finish(_) => Ok(()),
    }
}

/// The time of this machine, in Unix seconds.
#[must_use]
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
