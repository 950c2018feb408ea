//! Collecting the outputs of a job as its leases settle.
//!
//! Everything needed stands in the settlement events: which sealed blob, which key, which root. A provider's blob that is
//! missing or wrong does not hold a lease up where another replica of it settles.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, commitment, hash::Digest, seal, spec::JobSpec};
use tokio::time::{Instant, sleep};

use crate::{
    Error, Event, JobUpdate, Tessera,
    program_events::LeaseSettled,
    store::{StoreClient, StoreError},
};

/// Sealed blobs fetched at once.
const AT_ONCE: usize = 4;

/// The outputs of one lease, checked against its result root.
#[derive(Clone, Debug)]
pub struct LeaseOutput {
    /// Number of the lease.
    pub index: u32,
    /// The provider whose blob it was.
    pub provider: Pubkey,
    /// Number of the first unit.
    pub first_unit: u64,
    /// Root over the hashes of the units, as the chain has it.
    pub result_root: Digest,
    /// Outputs in unit order.
    pub outputs: Vec<Bytes>,
}

impl LeaseOutput {
    /// Unit numbers and outputs.
    pub fn units(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        (self.first_unit..).zip(&self.outputs)
    }
}

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Leases handed to the caller.
    pub leases: u32,
    /// Their units.
    pub units: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Leases that are being fetched, and what to do when that fails.
#[derive(Default)]
struct Progress {
    /// Leases that the caller has.
    done: HashSet<u32>,
    /// Units of settled leases that the caller has.
    units_done: u64,
    /// Leases being fetched or waiting for it.
    busy: HashSet<u32>,
    /// Other replicas of busy leases.
    others: HashMap<u32, Vec<LeaseSettled>>,
    /// Why the last replica of a lease was of no use.
    failed: HashMap<u32, String>,
    /// To be fetched.
    queue: VecDeque<LeaseSettled>,
}

impl Progress {
    fn settled(&mut self, event: LeaseSettled, skip: &HashSet<u32>) {
        let index = event.index;
        if self.done.contains(&index) {
            return;
        }
        if skip.contains(&index) {
            self.finish(index, u64::from(event.units));
        } else if self.busy.insert(index) {
            self.queue.push_back(event);
        } else {
            self.others.entry(index).or_default().push(event);
        }
    }

    fn finish(&mut self, index: u32, units: u64) {
        self.busy.remove(&index);
        self.others.remove(&index);
        self.failed.remove(&index);
        if self.done.insert(index) {
            self.units_done += units;
        }
    }

    fn fail(&mut self, index: u32, why: String) {
        tracing::warn!(lease = index, why, "output is of no use");
        match self.others.get_mut(&index).and_then(Vec::pop) {
            Some(other) => self.queue.push_back(other),
            None => {
                self.busy.remove(&index);
                self.failed.insert(index, why);
            }
        }
    }

    fn incomplete(&self, job: &Pubkey, units: u64) -> Error {
        let detail = self.failed.iter().next().map_or(String::new(), |(index, why)| format!(": lease {index}: {why}"));
        Error::Incomplete { job: *job, missing: units.saturating_sub(self.units_done), units, detail }
    }
}

type Fetch<'a> = BoxFuture<'a, (LeaseSettled, Result<LeaseOutput, Error>)>;

impl Tessera {
    /// Follows a job and hands each lease's outputs to `on_lease` as soon as it has settled, in any order, once; leases in
    /// `done` are left out. Returns when all units are there. Works after the job was closed.
    ///
    /// # Errors
    /// If `on_lease` fails, if `spec` is not that of the job, or if the job ends with units missing.
    pub async fn collect<F>(
        &self,
        job: &Pubkey,
        spec: &JobSpec,
        store: &StoreClient,
        done: &HashSet<u32>,
        mut on_lease: F,
    ) -> Result<Collected, Error>
    where
        F: FnMut(LeaseOutput) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
    {
        let spec_cid = Cid::of(&spec.encode()?);
        let mut progress = Progress::default();
        let mut collected = Collected::default();
        let mut fetches: FuturesUnordered<Fetch<'_>> = FuturesUnordered::new();
        let mut updates = self.watch_job(job);
        // Set when no further settlement can come.
        let mut ended = false;
        loop {
            while fetches.len() < AT_ONCE
                && let Some(event) = progress.queue.pop_front()
            {
                fetches.push(self.fetch(store, spec, event).boxed());
            }
            if progress.units_done == spec.units {
                return Ok(collected);
            }
            if ended && fetches.is_empty() {
                return Err(progress.incomplete(job, spec.units));
            }
            tokio::select! {
                Some((event, fetched)) = fetches.next() => match fetched {
                    Ok(output) => {
                        collected.leases += 1;
                        collected.units += u64::from(event.units);
                        collected.bytes += output.outputs.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
                        progress.finish(event.index, u64::from(event.units));
                        on_lease(output).map_err(Error::Caller)?;
                    }
                    Err(error) => progress.fail(event.index, error.to_string()),
                },
                update = updates.next(), if !ended => match update {
                    Some(JobUpdate::Event(recorded)) => {
                        if let Event::LeaseSettled(event) = recorded.event {
                            progress.settled(event, done);
                        }
                    }
                    Some(JobUpdate::Job(found)) => {
                        if found.spec != spec_cid.0 {
                            let found = Cid(found.spec);
                            return Err(Error::Invalid(format!("job {job} computes specification {found}, not {spec_cid}")));
                        }
                        // Everybody is paid, and what was found is of no use.
                        ended = found.is_complete() && found.owed == 0 && !progress.failed.is_empty();
                    }
                    Some(JobUpdate::Closed) | None => ended = true,
                },
            }
        }
    }

    async fn fetch(
        &self,
        store: &StoreClient,
        spec: &JobSpec,
        event: LeaseSettled,
    ) -> (LeaseSettled, Result<LeaseOutput, Error>) {
        let give_up = Instant::now() + self.config().patience;
        loop {
            let fetched = open(store, spec, &event).await;
            match fetched {
                Err(Error::Store(error)) if error.is_transient() && Instant::now() < give_up => {
                    sleep(self.config().poll).await
                }
                done => return (event, done),
            }
        }
    }
}

/// Fetches, opens and checks the outputs of a lease.
pub(crate) async fn open(store: &StoreClient, spec: &JobSpec, event: &LeaseSettled) -> Result<LeaseOutput, Error> {
    let too_long = || StoreError::TooLong { cid: Cid(event.sealed), limit: u64::MAX };
    let len = spec.output_len().checked_mul(u64::from(event.units)).ok_or_else(too_long)?;
    let sealed = store.get(&Cid(event.sealed), len).await?;
    let outputs = unseal(sealed, spec.output_len(), event).map_err(Error::Invalid)?;
    let LeaseSettled { index, provider, first_unit, result_root, .. } = *event;
    Ok(LeaseOutput { index, provider, first_unit, result_root, outputs })
}

/// The outputs in a sealed blob; the reason if they are not what the providers agreed on.
fn unseal(sealed: Bytes, output_len: u64, event: &LeaseSettled) -> Result<Vec<Bytes>, String> {
    let expected = output_len.saturating_mul(u64::from(event.units));
    if sealed.len() as u64 != expected || output_len == 0 {
        return Err(format!("sealed blob of {} bytes, expected {expected}", sealed.len()));
    }
    let mut plain = BytesMut::from(sealed);
    seal::apply(&event.key, 0, &mut plain);
    let plain = plain.freeze();
    let each =
        usize::try_from(output_len).map_err(|_| format!("outputs of {output_len} bytes do not fit this machine"))?;
    let outputs: Vec<Bytes> = (0..plain.len()).step_by(each).map(|at| plain.slice(at..at + each)).collect();
    let root = commitment::result_root(outputs.iter().map(|output| Cid::of(output)));
    if root == Some(event.result_root) {
        Ok(outputs)
    } else {
        Err("outputs are not those of the agreed result root".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(outputs: &[&[u8]], index: u32) -> (Bytes, LeaseSettled) {
        let mut sealed = outputs.concat();
        let key = [7; 32];
        seal::apply(&key, 0, &mut sealed);
        let root = commitment::result_root(outputs.iter().map(|output| Cid::of(output))).unwrap();
        let event = LeaseSettled {
            job: Pubkey::new_from_array([1; 32]),
            index,
            provider: Pubkey::new_from_array([2; 32]),
            pay: 5,
            first_unit: 10,
            units: u32::try_from(outputs.len()).unwrap(),
            result_root: root,
            sealed: Cid::of(&sealed).0,
            key,
        };
        (sealed.into(), event)
    }

    #[test]
    fn what_the_providers_agreed_on_is_opened() {
        let (sealed, event) = event(&[&[1; 1500], &[2; 1500]], 0);
        assert_eq!(unseal(sealed, 1500, &event).unwrap(), [vec![1; 1500], vec![2; 1500]]);
    }

    #[test]
    fn anything_else_is_refused() {
        let (sealed, good) = event(&[&[1; 1500], &[2; 1500]], 0);
        assert!(unseal(sealed.clone(), 1000, &good).unwrap_err().contains("expected 2000"));
        let wrong_key = LeaseSettled { key: [8; 32], ..good };
        assert!(unseal(sealed.clone(), 1500, &wrong_key).unwrap_err().contains("root"));
        let swapped = event(&[&[2; 1500], &[1; 1500]], 0).0;
        assert!(unseal(swapped, 1500, &good).unwrap_err().contains("root"));
    }

    #[test]
    fn another_replica_replaces_a_bad_one() {
        let mut progress = Progress::default();
        let (_, first) = event(&[b"a"], 3);
        let skip = HashSet::from([4]);
        progress.settled(first, &skip);
        progress.settled(first, &skip);
        assert_eq!(progress.queue.drain(..).count(), 1);
        progress.fail(3, "bad".into());
        assert_eq!(progress.queue.drain(..).count(), 1, "the other replica is tried");
        progress.fail(3, "bad too".into());
        assert!(progress.queue.is_empty());
        assert!(progress.incomplete(&first.job, 2).to_string().contains("bad too"));
        progress.settled(first, &skip);
        assert_eq!(progress.queue.drain(..).count(), 1, "a late replica is tried");
        progress.finish(3, 1);
        progress.settled(event(&[b"a"], 4).1, &skip);
        assert_eq!((progress.units_done, progress.queue.len()), (2, 0), "what the caller has is left out");
    }
}
