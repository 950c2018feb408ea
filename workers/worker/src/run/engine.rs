//! The loop: look at the leases in hand, decide, act; claim more.
//!
//! One task owns everything there is to know about leases in hand. Whatever takes time (asking the chain, computing,
//! sending) runs in tasks of its own, at most one per lease, and reports back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{
    claimer::{AHEAD, ClaimError, Claimer, Found, InHand, Room},
    compute::{ComputeError, Computer},
    context::Context,
    inspection::Inspector,
    jobs::Jobs,
    observe::{self, Observed},
    proving::{Outcome, ProvingError},
    report::{Counts, Report, Reporter},
    steps::{StepError, Steps},
    supervisor::{self, Heartbeat},
};
use crate::{
    backoff, hint,
    journal::{Entry, JournalError, LeaseId, Phase},
    lifecycle::Mood,
};

mod care;
mod proving;
mod reporting;
mod slots;

use care::Care;
use proving::Proving;
use slots::Slot;

/// How often provider and market are looked up again.
const REFRESH: Duration = Duration::from_secs(30);
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
    /// The devices were tested: how many failed.
    Tested(Result<usize, ComputeError>),
    /// Memory was to be shown.
    Proved(Result<Outcome, ProvingError>),
    /// Outputs of others were looked at, and so many found missing or wrong.
    Inspected(u64),
}

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal fails: nothing may go on without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Only GPUs are to compute, and none can be used.
    #[error(
        "executor.backend is \"cuda\", and after {tries} tries no GPU can be used ({reason}); {} says what is missing; with executor.backend = \"auto\" the processor computes where there is no GPU",
        hint::command("doctor")
    )]
    NoDevice {
        /// How often it was tried.
        tries: u32,
        /// What the last one came to.
        reason: ComputeError,
    },
}

/// The loop's state.
pub struct Engine {
    context: Arc<Context>,
    jobs: Jobs,
    steps: Steps,
    computer: Arc<Computer>,
    care: Care,
    proving: Proving,
    heartbeat: Heartbeat,
    claimer: Arc<Claimer>,
    inspector: Arc<Inspector>,
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
            proving: Proving::new(&context, &computer),
            steps: Steps::new(Arc::clone(&context), jobs.clone(), Arc::clone(&computer)),
            computer,
            care: Care::new(context.config.executor.backend, context.standing().reputation.fault_slot),
            heartbeat: Heartbeat::default(),
            claimer: Arc::new(Claimer::new(Arc::clone(&context), jobs.clone())),
            inspector: Arc::new(Inspector::new(Arc::clone(&context), jobs.clone())),
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

    /// Where the newest report is, for those who ask over HTTP.
    pub fn newest_report(&self) -> Arc<Mutex<Option<Report>>> {
        self.reporter.newest()
    }

    /// Works until `stop` tells it to leave (again: to leave at once), and everything is finished or returned.
    ///
    /// # Errors
    /// If the journal fails, without which nothing may go on, or there is nothing to compute on.
    pub async fn run(mut self, wake: Arc<Notify>, stop: Arc<Notify>) -> Result<Counts, EngineError> {
        loop {
            let now = Instant::now();
            self.grow_impatient(now);
            if self.mood > Mood::Working && self.is_done(now) {
                self.warn_of_stakes();
                self.report();
                return Ok(self.counts);
            }
            self.look_around(now)?;
            self.observe(now);
            self.test(now);
            self.prove(now);
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
            supervisor::stopping();
            self.mood = Mood::Draining;
            self.until = Some(now + Duration::from_secs(self.context.live.get().work.shutdown_seconds));
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

    /// Says what is lost if this worker does not come back.
    fn warn_of_stakes(&self) {
        let begun = |slot: &&Slot| (Phase::Committing..Phase::Leaving).contains(&slot.entry.phase);
        for slot in self.slots.values().filter(begun) {
            tracing::warn!(
                lease = %slot.entry.id,
                "committed and not paid: start this worker again before its window for revealing ends and before its client may demand a chunk of its outputs, or the lock may be lost"
            );
        }
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
        let provider = self.context.me.provider;
        tokio::spawn(async move {
            // A closed inbox means that the engine is gone, and its news with it. The same below.
            let _ = news.send(News::Observed(observe::observe(&tessera, &provider, due).await));
        });
    }

    /// Looks for another lease if there is room for one.
    fn claim(&mut self, now: Instant) {
        let standing = self.context.standing();
        let phases = || self.slots.values().map(|slot| slot.entry.phase);
        let seated = phases().filter(|phase| *phase != Phase::Leaving).count();
        // What is opened only waits for its pay, perhaps for days.
        let in_hand = phases().filter(|phase| *phase < Phase::Opening).count();
        // A seat that is not to be seen any more has most likely been expired while this worker was away.
        let ahead = |phase| matches!(phase, Phase::Claiming | Phase::Leased);
        let leased = |slot: &&Slot| ahead(slot.entry.phase) && slot.absent_since.is_none();
        let to_compute = self.slots.values().filter(leased).filter(|slot| !slot.give_up);
        let config = self.context.live.get();
        let work = &config.work;
        let open = usize::try_from(standing.open_leases).unwrap_or(usize::MAX).max(seated);
        let allowed = usize::try_from(standing.max_open_leases).unwrap_or(usize::MAX);
        // One more of those that others wait for: they may come while all hands are full.
        let count = to_compute.count();
        let places = |more: usize| (work.max_leases + more).saturating_sub(in_hand);
        let (base, called) = standing.can_claim();
        let places = Room {
            base: if base { places(0).min(allowed.saturating_sub(open)) } else { 0 },
            called: if called { places(1) } else { 0 },
        };
        let room = Room {
            base: places.base.min((work.prefetch + 1).saturating_sub(count)),
            called: places.called.min((work.prefetch + 2).saturating_sub(count)),
        };
        let unit_time = |slot: &Slot| self.jobs.lease_estimate(&slot.entry.id).unwrap_or(f64::MAX);
        let ahead: f64 = self.slots.values().filter(leased).map(unit_time).sum();
        let wanted = self.mood == Mood::Working && (room.is_any() || places.is_any() && ahead < AHEAD);
        let wanted = wanted && self.care.lets_claim() && self.proving.lets_claim();
        if self.claiming || !wanted || now < self.claim_after {
            return;
        }
        self.claiming = true;
        let entries = self.slots.iter().map(|(id, slot)| (*id, slot.entry.clone())).collect();
        let (claimer, news) = (Arc::clone(&self.claimer), self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Claimed(claimer.claim(&InHand { entries, ahead, room, places }).await));
        });
    }

    fn refresh(&mut self, now: Instant) {
        if self.refreshing || now < self.refresh_after {
            return;
        }
        self.refreshing = true;
        let (context, news) = (Arc::clone(&self.context), self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Refreshed(context.refresh_all().await));
        });
    }

    fn take(&mut self, news: News) -> Result<(), EngineError> {
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
            News::Tested(result) => self.tested(result)?,
            News::Proved(result) => self.proved(result)?,
            News::Inspected(flawed) => self.counts.flawed += flawed,
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
            Ok(Found::Soon(wait)) => {
                (self.claim_failures, self.claim_after) = (0, now + wait.min(self.context.config.poll()));
            }
            Ok(Found::Missed) => self.claim_after = now + Duration::from_millis(100).mul_f64(backoff::jitter()),
            Err(ClaimError::Journal(e)) => return Err(e),
            Err(e) => {
                self.claim_failures += 1;
                self.claim_after = now + backoff::after(self.claim_failures);
                tracing::warn!(error = %e, "cannot claim; is there SOL on the operator key? {} tells", hint::command("doctor"));
            }
        }
        Ok(())
    }
}

/// The time of this machine, in Unix seconds.
#[must_use]
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
