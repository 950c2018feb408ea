//! From a lease to a sealed result.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tessera_protocol::lease;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::{
    context::Context,
    engine::unix_now,
    jobs::{Jobs, PrepareError},
    sealing::{self, Sealing},
};
use crate::{
    execution::{By, ExecutionError, Runner, Work},
    journal::{LeaseId, Sealed},
    private::Inputs,
    self_test::Depth,
};

/// Why a lease was not computed.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// Its files are not to be had.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The units failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The result could not be kept.
    #[error("cannot keep the sealed outputs: {0}")]
    Keep(#[from] std::io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The units come to a fault, and read private files.
    #[error(
        "its units come to a fault, and nothing is committed: that would say something of the private files that they read; do these fit the plan? {0}"
    )]
    PrivateFault(String),
    /// No device may compute.
    #[error("every device is in quarantine")]
    Quarantined,
    /// The turn of this lease came too late.
    #[error("no time is left: other leases took longer than expected")]
    TooLate,
}

impl ComputeError {
    /// Whether nobody, or at least not this worker, can compute the job.
    #[must_use]
    pub const fn refuses_job(&self) -> bool {
        matches!(
            self,
            Self::Prepare(PrepareError::Refused(_)) | Self::Execution(ExecutionError::Job(_)) | Self::PrivateFault(_)
        )
    }
}

/// Computes leases, one at a time, in the order in which they come.
pub struct Computer {
    context: Arc<Context>,
    jobs: Jobs,
    runner: Mutex<Runner>,
    gaps: std::sync::Mutex<Vec<String>>,
}

impl Computer {
    /// A computer whose child process starts with the first lease.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Self {
        let runner = Mutex::new(context.new_runner(By::Backend, &Inputs::default()));
        Self { context, jobs, runner, gaps: std::sync::Mutex::default() }
    }

    /// Computes a lease by `until`, seals its outputs under a fresh key and leaves them in the outbox. Where its units come to
    /// a fault on every machine, that is the result, unless they read private files. `closely`: by the interpreter with all its
    /// checks, for a lease of which somebody has said so.
    ///
    /// # Errors
    /// If that does not succeed in time.
    pub async fn compute(&self, id: &LeaseId, until: Instant, closely: bool) -> Result<Sealed, ComputeError> {
        let job = id.job();
        let prepared = self.jobs.prepared(&job).await?;
        let units = match self.context.tessera.job(&job).await {
            Ok(Some(job)) => lease::units(job.units, job.units_per_lease, id.index),
            Ok(None) => return Err(PrepareError::Refused("its account is gone".into()).into()),
            Err(e) => return Err(PrepareError::Later(e.to_string()).into()),
        };
        let count = u32::try_from(units.end - units.start).map_err(|e| PrepareError::Refused(e.to_string()))?;

        // Held to the end, whoever computes: the memory of this machine is for one at a time.
        let mut runner = self.runner.lock().await;
        if Instant::now() >= until {
            return Err(ComputeError::TooLate);
        }
        let units = Units { work: &prepared.work, first: units.start, count, until };
        if !closely {
            self.ready(&mut runner, false).await?;
        }
        let own = &prepared.own;
        self.context.private.use_up(&own.once, &job).map_err(PrepareError::from)?;
        // Private files are read by a process that computes nothing else and ends with the lease.
        let mut alone = own.all().next().map(|_| self.context.new_runner(By::Backend, own));
        let by_backend = alone.as_mut().unwrap_or(&mut *runner);
        let start = Instant::now();
        let mut done = if closely {
            let done = self.run(&mut self.context.new_runner(By::Checks, own), &units).await;
            // Where time has run out it is known how long it takes at least; a fault ends it before that shows.
            if !matches!(&done, Err(ComputeError::Execution(ExecutionError::Void(_) | ExecutionError::Job(_)))) {
                self.jobs.measured(&job, By::Checks, count, start.elapsed());
            }
            done
        } else {
            self.run(by_backend, &units).await
        };
        if closely && let Err(ComputeError::Execution(ExecutionError::Job(reason))) = &done {
            // Such a launch cannot be looked at, but perhaps computed.
            tracing::warn!(lease = %id, reason, "the interpreter cannot look for what makes the lease void");
            done = self.run(by_backend, &units).await;
        }
        let done = match done {
            Err(ComputeError::Execution(ExecutionError::Suspected { reason, units: suspects })) => {
                tracing::warn!(lease = %id, reason, "asking the processor about what the GPU reports");
                let mut processor = self.context.new_runner(By::Processor, own);
                let confirmed = processor.confirm(units.work, &suspects, units.until, &reason).await;
                if matches!(confirmed, ExecutionError::Device(_)) {
                    self.context.health.doubt();
                }
                Err(confirmed.into())
            }
            done => done,
        };
        drop(alone);
        drop(runner);
        let took = start.elapsed();
        match done {
            Ok(sealing) => {
                if !closely {
                    self.jobs.measured(&job, By::Backend, count, took);
                }
                tracing::info!(lease = %id, units = count, sealed = sealing.sealed(), ?took, "computed");
                sealing.finish().await
            }
            Err(ComputeError::Execution(ExecutionError::Void(reason))) => {
                tracing::warn!(lease = %id, reason, "the lease is void: no machine can compute it");
                void(own, reason)
            }
            Err(e) => Err(e),
        }
    }

    /// The execution process, with devices that have passed their tests. Nothing else is computed while it is lent.
    ///
    /// # Errors
    /// If there are no such devices.
    pub async fn lend(&self) -> Result<MutexGuard<'_, Runner>, ComputeError> {
        let mut runner = self.runner.lock().await;
        self.ready(&mut runner, false).await?;
        Ok(runner)
    }

    /// Has the devices compute units whose bits are known. Returns how many went into quarantine.
    ///
    /// # Errors
    /// If that says nothing about the devices, or all of them are in quarantine.
    pub async fn test(&self) -> Result<usize, ComputeError> {
        self.ready(&mut *self.runner.lock().await, true).await
    }

    /// Makes sure that a child runs, with those devices that may compute, and that they have passed a test: each time that a child
    /// is new, or when `asked`. A device that fails is left out, and the others are tested once more.
    async fn ready(&self, runner: &mut Runner, asked: bool) -> Result<usize, ComputeError> {
        let health = &self.context.health;
        let mut failed = 0;
        let mut asked = asked;
        loop {
            if health.is_hopeless() {
                return Err(ComputeError::Quarantined);
            }
            let (left_out, on_trial) = (health.left_out(), health.on_trial());
            let has = |id: &String| runner.devices().iter().any(|device| device.id == *id);
            // A child has the devices that it was started with.
            if runner.devices().is_empty() || left_out.iter().any(has) || !on_trial.iter().all(has) {
                runner.renew(self.context.child_command(By::Backend));
            }
            let depth = health.depth();
            let is_new = runner.ready().await?;
            health.see(runner.devices());
            self.tell_of_gaps(runner);
            if !(is_new || asked || depth == Depth::Long) {
                return Ok(failed);
            }
            let verdicts = runner.test(depth).await?;
            let new = health.judge(&verdicts, depth, unix_now());
            tracing::info!(?depth, devices = verdicts.len(), failed = new, "devices tested");
            if new == 0 {
                return Ok(failed);
            }
            // Every round takes a device out, so there is an end.
            (failed, asked) = (failed + new, true);
        }
    }

    /// What could not be done to lock the child in, told once.
    fn tell_of_gaps(&self, runner: &Runner) {
        let gaps = runner.unlocked();
        let mut told = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != gaps {
            if !gaps.is_empty() {
                tracing::warn!(gaps = gaps.join("; "), "the execution process is not locked in as it should be");
            }
            *told = gaps.to_vec();
        }
    }

    /// What could not be done to lock the child in.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has `runner` compute the units of a lease, which are sealed as they come.
    async fn run(&self, runner: &mut Runner, units: &Units<'_>) -> Result<Sealing, ComputeError> {
        let Units { work, first, count, until } = *units;
        let sealing = Sealing::start(self.context.me.provider.to_bytes(), count, self.context.outbox.clone())?;
        runner.run(work, first, count, until, |output| sealing.take(output)).await?;
        Ok(sealing)
    }
}

/// The units of a lease, and until when they may be computed.
struct Units<'a> {
    work: &'a Work,
    first: u64,
    count: u32,
    until: Instant,
}

/// The result of units that come to a fault. Whether they do depends on what they read, so of private files nothing is said.
fn void(own: &Inputs, reason: String) -> Result<Sealed, ComputeError> {
    if own.all().next().is_some() {
        return Err(ComputeError::PrivateFault(reason));
    }
    sealing::void()
}

/// Chain time `by` as a moment of this machine, less a margin of the lease's time for sealing, putting and committing.
#[must_use]
pub fn moment(by: i64, now: i64, lease_seconds: u32) -> Instant {
    let margin = (f64::from(lease_seconds) * 0.15).min(60.0);
    let left = (by.saturating_sub(now)) as f64 - margin;
    Instant::now() + Duration::from_secs_f64(left.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_private_files_by_a_fault() {
        let own = Inputs { files: vec![None, Some("own/data".into())], once: vec![] };
        let refused = void(&own, "reads beyond a buffer".into()).err().unwrap();
        assert!(refused.refuses_job(), "the lease is given back");
        assert!(refused.to_string().contains("nothing is committed") && refused.to_string().contains("beyond"));
        let none = Inputs { files: vec![None], once: vec![] };
        assert!(void(&none, String::new()).unwrap().is_void());
    }
}
