//! From a lease to a sealed result.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tessera_protocol::{cid::Cid, commitment::LeaseHasher, lease, seal};
use tokio::{sync::Mutex, time::Instant};

use super::{
    context::Context,
    jobs::{Jobs, PrepareError},
};
use crate::{
    cache::write_atomically,
    execution::{ExecutionError, Runner},
    fault,
    journal::{LeaseId, Sealed},
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
    /// The turn of this lease came too late.
    #[error("no time is left: other leases took longer than expected")]
    TooLate,
}

impl ComputeError {
    /// Whether nobody, or at least not this worker, can compute the job.
    #[must_use]
    pub const fn refuses_job(&self) -> bool {
        matches!(self, Self::Prepare(PrepareError::Refused(_)) | Self::Execution(ExecutionError::Job(_)))
    }
}

/// Computes leases, one at a time, in the order in which they come.
pub struct Computer {
    context: Arc<Context>,
    jobs: Jobs,
    runner: Mutex<Runner>,
}

impl Computer {
    /// A computer whose child process starts with the first lease.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Self {
        let runner = Mutex::new(context.new_runner());
        Self { context, jobs, runner }
    }

    /// Where the sealed outputs with this content id lie until they are committed.
    #[must_use]
    pub fn outbox(context: &Context, cid: &Cid) -> PathBuf {
        context.outbox.join(cid.to_string())
    }

    /// Computes a lease by `until`, seals its outputs under a fresh key and leaves them in the outbox.
    ///
    /// # Errors
    /// If that does not succeed in time.
    pub async fn compute(&self, id: &LeaseId, until: Instant) -> Result<Sealed, ComputeError> {
        let job = id.job();
        let prepared = self.jobs.prepared(&job).await?;
        let units = match self.context.tessera.job(&job).await {
            Ok(Some(job)) => lease::units(job.units, job.units_per_lease, id.index),
            Ok(None) => return Err(PrepareError::Refused("its account is gone".into()).into()),
            Err(e) => return Err(PrepareError::Later(e.to_string()).into()),
        };
        let count = u32::try_from(units.end - units.start).map_err(|e| PrepareError::Refused(e.to_string()))?;
        let output_len = prepared.work.output_len;

        let mut runner = self.runner.lock().await;
        if Instant::now() >= until {
            return Err(ComputeError::TooLate);
        }
        let start = Instant::now();
        let mut outputs = Vec::new();
        runner.run(&prepared.work, units.start, count, until, |output| outputs.extend_from_slice(output)).await?;
        drop(runner);
        let took = start.elapsed();
        self.jobs.measured(&job, count, took);
        tracing::info!(lease = %id, units = count, ?took, "computed");

        fault::flip(&mut outputs);
        let provider = self.context.me.provider.to_bytes();
        let outbox = self.context.outbox.clone();
        let sealing = tokio::task::spawn_blocking(move || seal_outputs(provider, outputs, output_len, &outbox));
        sealing.await.unwrap_or_else(|e| Err(std::io::Error::other(e).into()))
    }
}

/// Hashes and seals the outputs and writes them to disk.
fn seal_outputs(
    provider: [u8; 32],
    mut outputs: Vec<u8>,
    output_len: usize,
    outbox: &std::path::Path,
) -> Result<Sealed, ComputeError> {
    let mut hasher = LeaseHasher::new(provider);
    for output in outputs.chunks(output_len.max(1)) {
        hasher.push(output);
    }
    let (result_root, work_root) = hasher.roots().ok_or_else(|| std::io::Error::other("a lease without units"))?;
    let (mut key, mut nonce) = ([0; 32], [0; 32]);
    getrandom::fill(&mut key)?;
    getrandom::fill(&mut nonce)?;
    seal::apply(&key, 0, &mut outputs);
    let cid = Cid::of(&outputs);
    write_atomically(&outbox.join(cid.to_string()), &outputs)?;
    Ok(Sealed { result_root, work_root, key, nonce, cid, len: outputs.len() as u64 })
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
    fn sealed_outputs_open_to_what_was_hashed_and_keys_are_never_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let outputs: Vec<u8> = (0..3000u32).map(|i| i as u8).collect();
        let seal = || seal_outputs([7; 32], outputs.clone(), 1000, dir.path()).unwrap();
        let (one, two) = (seal(), seal());
        assert_eq!((one.result_root, one.work_root), (two.result_root, two.work_root));
        assert!(one.key != two.key && one.nonce != two.nonce && one.cid != two.cid);

        let mut opened = std::fs::read(dir.path().join(one.cid.to_string())).unwrap();
        assert_eq!(Cid::of(&opened), one.cid);
        seal::apply(&one.key, 0, &mut opened);
        assert_eq!(opened, outputs);
        let mut hasher = LeaseHasher::new([7; 32]);
        for output in opened.chunks(1000) {
            hasher.push(output);
        }
        assert_eq!(hasher.roots(), Some((one.result_root, one.work_root)));
    }
}
