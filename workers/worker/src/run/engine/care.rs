//! Looking after the devices: tests while nothing else is done, heat and errors, and the hours in which the worker works.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{super::compute::ComputeError, Engine, EngineError, News, unix_now};
use crate::{
    backoff,
    config::{Backend, hours},
    gpu::{Guard, Pause, Reading, Sensors},
    hint,
    journal::{JournalError, Phase},
    lifecycle::Mood,
    machine,
    self_test::Depth,
};

/// How often GPUs, disk and clock are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of the disk that are kept for what is leased already: its outputs, and the journal without which nothing may go on.
const KEPT: u64 = 256 << 20;

/// Tries after which a worker that is to compute on GPUs alone gives up where none can be used: half a minute, in which a driver
/// is there after a start of the machine.
const TRIES: u32 = 6;

/// What is known about the devices and the hours.
pub(super) struct Care {
    backend: Backend,
    sensors: Option<Sensors>,
    guard: Guard,
    /// The newest readings, for reports.
    pub readings: Arc<Vec<Reading>>,
    /// Why nothing is claimed now.
    pub pauses: Vec<Pause>,
    look_after: Instant,
    testing: bool,
    /// When the devices have passed a test: on this machine's clock, and in Unix seconds.
    pub tested: Option<(Instant, i64)>,
    test_after: Instant,
    failures: u32,
    /// The provider's last fault that the devices were tested for.
    fault_slot: u64,
}

impl Care {
    pub fn new(backend: Backend, fault_slot: u64) -> Self {
        let now = Instant::now();
        Self {
            backend,
            sensors: (backend != Backend::Cpu).then(Sensors::start),
            guard: Guard::default(),
            readings: Arc::default(),
            pauses: vec![],
            look_after: now,
            testing: false,
            tested: None,
            test_after: now,
            failures: 0,
            fault_slot,
        }
    }

    /// Whether something may be claimed.
    pub fn lets_claim(&self) -> bool {
        self.pauses.is_empty() && self.tested.is_some() && !self.testing
    }
}

impl Engine {
    /// Looks at GPUs and clock.
    pub(super) fn look_around(&mut self, now: Instant) -> Result<(), JournalError> {
        if now < self.care.look_after {
            return Ok(());
        }
        self.care.look_after = now + LOOK;
        let config = self.context.live.get();
        let only = &config.executor.devices;
        if let Some(readings) = self.care.sensors.as_mut().and_then(Sensors::take_new) {
            let before = std::mem::replace(&mut self.care.readings, readings);
            let mut accused = false;
            for reading in self.care.readings.iter().filter(|reading| only.is_empty() || only.contains(&reading.id)) {
                let old = before.iter().find(|old| old.id == reading.id);
                if let Some(reason) = reading.accuses(old) {
                    self.context.health.put(&reading.id, &reading.name, &reason, unix_now());
                    accused = true;
                }
            }
            if accused {
                self.break_off();
                self.distrust()?;
            }
        }
        let fault_slot = self.context.standing().reputation.fault_slot;
        if fault_slot != self.care.fault_slot {
            self.care.fault_slot = fault_slot;
            tracing::warn!("a result of this provider was judged wrong: its devices are tested");
            self.context.health.doubt();
        }

        let mut pauses = Vec::new();
        if !hours::are_open(&config.work.hours, &config.work.time_zone, jiff::Timestamp::now()) {
            pauses.push(Pause::Hours);
        }
        if self.context.health.is_hopeless() {
            pauses.push(Pause::Quarantine);
        }
        if let Some(free) = machine::disk(&self.context.config.data.directory).filter(|free| *free < KEPT) {
            pauses.push(Pause::Disk(free >> 20, KEPT >> 20));
        }
        let used: Vec<Reading> =
            self.care.readings.iter().filter(|gpu| only.is_empty() || only.contains(&gpu.id)).cloned().collect();
        let users = used.iter().flat_map(|gpu| &gpu.users).map(|user| user.pid);
        let own: Vec<u32> = users.filter(|pid| machine::parent(*pid) == Some(std::process::id())).collect();
        pauses.extend(self.care.guard.look(&used, &config.gpu, &own));
        let names = |pauses: &[Pause]| pauses.iter().map(Pause::name).collect::<Vec<_>>();
        if names(&pauses) != names(&self.care.pauses) {
            match &pauses[..] {
                [] => tracing::info!("claiming again"),
                pauses => {
                    let reasons: Vec<String> = pauses.iter().map(ToString::to_string).collect();
                    tracing::warn!(reasons = reasons.join("; "), "claiming pauses; what is leased is finished");
                }
            }
        }
        self.care.pauses = pauses;
        Ok(())
    }

    /// Has the devices tested if it is time and nothing is computed.
    pub(super) fn test(&mut self, now: Instant) {
        let every = Duration::from_secs(self.context.live.get().work.self_test_minutes.saturating_mul(60));
        let due = match self.care.tested {
            None => true,
            Some((last, _)) => (!every.is_zero() && now >= last + every) || self.context.health.depth() == Depth::Long,
        };
        let computing = self.slots.values().any(|slot| slot.computing);
        let hopeless = self.care.pauses.contains(&Pause::Quarantine);
        if self.care.testing
            || !due
            || computing
            || hopeless
            || now < self.care.test_after
            || self.mood != Mood::Working
        {
            return;
        }
        self.care.testing = true;
        let (computer, news) = (Arc::clone(&self.computer), self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Tested(computer.test().await));
        });
    }

    pub(super) fn tested(&mut self, result: Result<usize, ComputeError>) -> Result<(), EngineError> {
        let now = Instant::now();
        (self.care.testing, self.care.look_after) = (false, now);
        match result {
            Ok(failed) => {
                (self.care.tested, self.care.failures) = (Some((now, unix_now())), 0);
                self.claim_after = self.claim_after.min(now);
                if failed > 0 {
                    self.distrust()?;
                }
            }
            Err(ComputeError::Quarantined) => self.distrust()?,
            Err(error) => {
                self.care.failures = self.care.failures.saturating_add(1);
                let tries = self.care.failures;
                if is_hopeless(self.care.backend, self.care.tested.is_some(), tries, self.slots.len()) {
                    return Err(EngineError::NoDevice { tries, reason: error });
                }
                let wait = backoff::after(self.care.failures);
                tracing::warn!(%error, ?wait, "the devices cannot be tested now; {} says what may be missing", hint::command("doctor"));
                self.care.test_after = now + wait;
            }
        }
        Ok(())
    }

    /// Breaks off what is being computed.
    fn break_off(&mut self) {
        for slot in self.slots.values_mut().filter(|slot| slot.computing) {
            if let Some(task) = slot.task.take() {
                task.abort();
            }
            (slot.computing, slot.due) = (false, Instant::now());
        }
    }

    /// What was computed since the last test may be wrong, and what is not committed yet is computed again, if there is a device
    /// for it, or given back.
    pub(super) fn distrust(&mut self) -> Result<(), JournalError> {
        let hopeless = self.context.health.is_hopeless();
        for slot in self.slots.values_mut().filter(|slot| slot.task.is_none()) {
            if slot.entry.phase == Phase::Executed {
                tracing::warn!(lease = %slot.entry.id, "its result is not trusted any more");
                (slot.entry.result, slot.entry.phase) = (None, Phase::Leased);
                self.context.journal.put(&slot.entry)?;
            }
            if hopeless && slot.entry.phase == Phase::Leased {
                slot.give_up = true;
            }
            slot.due = Instant::now();
        }
        Ok(())
    }
}

/// Whether a worker whose devices cannot be tested ends: one that may compute on the processor, has computed before, or has leases in
/// hand, whose results are to be shown, waits for better times.
fn is_hopeless(backend: Backend, has_passed: bool, tries: u32, in_hand: usize) -> bool {
    backend == Backend::Cuda && !has_passed && in_hand == 0 && tries >= TRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_with_nothing_in_hand_gives_up() {
        assert!(is_hopeless(Backend::Cuda, false, TRIES, 0));
        assert!(!is_hopeless(Backend::Cuda, false, TRIES - 1, 0), "the driver may come");
        assert!(!is_hopeless(Backend::Cuda, false, u32::MAX, 1), "a result is to be shown");
        assert!(!is_hopeless(Backend::Cuda, true, u32::MAX, 0));
        assert!(!is_hopeless(Backend::Auto, false, u32::MAX, 0));
    }
}
