//! Collecting the outputs of a job as its leases settle.
//!
//! Everything needed stands in the settlement events: which sealed blob, which key, which root. A provider's blob that is
//! missing or wrong does not hold a lease up where another replica of it settles. Where chunks can be demanded before
//! anybody is paid, outputs are fetched as soon as they are opened: later it would be too late to ask for them.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, commitment, hash::Digest, outputs::Layout, seal, spec::JobSpec, verdict::VOID_ROOT};
use tokio::time::{Instant, sleep};

use crate::{
    Error, Event, Job, JobUpdate, Missing, SeatState, Tessera,
    program_events::{LeaseSettled, ResultOpened},
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
    /// Seats that are opened and not paid, and until when chunks of their outputs can be demanded.
    unpaid: HashMap<(u32, Pubkey), i64>,
    /// Leases whose dispute ended without a decision.
    undecided: HashSet<u32>,
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

    fn fail(&mut self, event: &LeaseSettled, why: String) {
        let LeaseSettled { job, index, provider, .. } = *event;
        tracing::warn!(lease = index, why, "output is of no use");
        if let Some(until) = self.unpaid.remove(&(index, provider)) {
            // Whoever waits for the outputs has to know while there is time.
            tracing::error!("{}", Missing { job, index, provider, until });
        }
        match self.others.get_mut(&index).and_then(Vec::pop) {
            Some(other) => self.queue.push_back(other),
            None => {
                self.busy.remove(&index);
                self.failed.insert(index, why);
            }
        }
    }

    fn undecided(&mut self, index: u32) {
        self.undecided.insert(index);
        self.failed.insert(index, "the dispute about it was not decided, so nobody is paid for it".into());
    }

    /// Whether nothing more will come of a job: all leases are decided, everybody is paid, and something is of no use.
    fn is_over(&self, job: &Job) -> bool {
        let decided = job.settled_leases as usize + self.undecided.len() >= job.leases as usize;
        decided && job.owed_seats == 0 && !self.failed.is_empty()
    }

    fn incomplete(&self, job: &Pubkey, units: u64) -> Error {
        let detail = self.failed.iter().next().map_or(String::new(), |(index, why)| format!(": lease {index}: {why}"));
        Error::Incomplete { job: *job, missing: units.saturating_sub(self.units_done), units, detail }
    }
}

type Fetch<'a> = BoxFuture<'a, (LeaseSettled, Result<LeaseOutput, Error>)>;

impl Tessera {
    /// Follows a job and hands each lease's outputs to `on_lease` as soon as it has settled, in any order, once; leases in
    /// `done` are left out. Returns when all units are there. Works after the job was closed. Of a job whose client may demand
    /// chunks, outputs are fetched when they are opened, and an error is logged that says what to do where they are missing.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use tessera_sdk::{Error, StoreClient};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let network = tessera_testing::Network::start().await?;
    /// # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
    /// # let store_url = network.store_url();
    /// # let (spec, blobs) = tessera_testing::sample::job(8);
    /// # let terms = tessera_testing::sample::terms(network.store_url());
    /// # let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
    /// # let job = posted.job;
    /// # tessera.cancel_job(wallet, &job).await?;
    /// # tessera.close_job(wallet, &job).await?;
    /// let (store, done) = (StoreClient::new(store_url)?, HashSet::new());
    /// let collected = tessera.collect(&job, &spec, &store, &done, |lease| {
    ///     for (unit, output) in lease.units() {
    ///         std::fs::write(format!("unit-{unit}"), output)?;
    ///     }
    ///     Ok(())
    /// });
    /// # let limit = std::time::Duration::from_secs(60);
    /// # let collected = async { tokio::time::timeout(limit, collected).await.expect("it comes to an end") };
    /// match collected.await {
    ///     Ok(collected) => println!("{} units, {} bytes", collected.units, collected.bytes),
    ///     // This one was closed before anybody took a lease of it.
    ///     Err(Error::Incomplete { missing, .. }) => assert_eq!(missing, spec.units),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If `on_lease` fails, if `spec` is not that of the job, if the market finds that it cannot be computed, or if the job
    /// ends with units missing.
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
        // Set when the events were read once more after that.
        let mut certain = false;
        // The job, if its seats are not paid at once.
        let mut challenged = None;
        loop {
            while fetches.len() < AT_ONCE
                && let Some(event) = progress.queue.pop_front()
            {
                fetches.push(self.fetch(store, spec, event).boxed());
            }
            if progress.units_done == spec.units {
                return Ok(collected);
            }
            if ended && fetches.is_empty() && !certain {
                // The account may have told of the end before the events did.
                certain = true;
                for recorded in self.job_history(job).await? {
                    if let Event::LeaseSettled(event) = recorded.event {
                        progress.settled(event, done);
                    }
                }
                continue;
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
                    Err(error) => progress.fail(&event, error.to_string()),
                },
                update = updates.next(), if !ended => match update {
                    Some(JobUpdate::Event(recorded)) => match recorded.event {
                        Event::LeaseSettled(event) if event.result_root == VOID_ROOT => {
                            return Err(Error::NotComputable { job: *job, index: event.index });
                        }
                        Event::LeaseSettled(event) => progress.settled(event, done),
                        Event::ResultOpened(opened) => {
                            if let Some(job) = &challenged
                                && let Some((event, until)) = self.unpaid(job, &opened).await?
                            {
                                if event.result_root == VOID_ROOT {
                                    return Err(Error::NotComputable { job: job.address, index: event.index });
                                }
                                progress.unpaid.insert((event.index, event.provider), until);
                                progress.settled(event, done);
                            }
                        }
                        Event::LeaseVoided(event) => progress.undecided(event.index),
                        _ => {}
                    },
                    Some(JobUpdate::Job(found)) => {
                        if found.spec != spec_cid.0 {
                            let found = Cid(found.spec);
                            return Err(Error::Invalid(format!("job {job} computes specification {found}, not {spec_cid}")));
                        }
                        ended = progress.is_over(&found);
                        challenged = (found.challenge_seconds > 0).then_some(found);
                    }
                    Some(JobUpdate::Closed) | None => ended = true,
                },
            }
        }
    }

    /// What will be said of an opened seat when it settles, and until when chunks can be demanded; `None` if it is not there
    /// any more.
    async fn unpaid(&self, job: &Job, opened: &ResultOpened) -> Result<Option<(LeaseSettled, i64)>, Error> {
        let Some(lease) = self.lease(&job.address, opened.index).await? else { return Ok(None) };
        let is_it = |seat: &&crate::Seat| seat.provider == opened.provider && seat.state == SeatState::Opened;
        Ok(lease.seats.iter().find(is_it).map(|seat| (job.settlement(&lease, seat), seat.payable_at)))
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
    let layout = Layout { units: event.units, output_len: spec.output_len() };
    let len = layout.len().ok_or_else(too_long)?;
    let sealed = store.get(&Cid(event.sealed), len).await?;
    let outputs = unseal(sealed, &layout, event).map_err(Error::Invalid)?;
    let LeaseSettled { index, provider, first_unit, result_root, .. } = *event;
    Ok(LeaseOutput { index, provider, first_unit, result_root, outputs })
}

/// The outputs in a sealed blob; the reason if they are not what the providers agreed on.
fn unseal(sealed: Bytes, layout: &Layout, event: &LeaseSettled) -> Result<Vec<Bytes>, String> {
    let expected = layout.len().unwrap_or(u64::MAX);
    if sealed.len() as u64 != expected {
        return Err(format!("sealed blob of {} bytes, expected {expected}", sealed.len()));
    }
    let mut plain = BytesMut::from(sealed);
    seal::apply(&event.key, 0, &mut plain);
    let plain = plain.freeze();
    // The whole blob fits this machine, so its parts do. What fills up the last chunk of a unit is left away.
    let (len, padding) = (layout.output_len as usize, layout.padding() as usize);
    let units = (0..plain.len()).step_by(len + padding);
    let outputs: Vec<Bytes> = units.map(|at| plain.slice(at..at + len)).collect();
    let root = commitment::result_root(outputs.iter().map(|output| Cid::of(output)));
    if root == Some(event.result_root) {
        Ok(outputs)
    } else {
        Err("outputs are not those of the agreed result root".into())
    }
}

#[cfg(test)]
mod tests {
    use tessera_protocol::cid::CHUNK_LEN;

    use super::*;

    const LAYOUT: Layout = Layout { units: 2, output_len: 1_500 };

    fn event(outputs: &[&[u8]], index: u32) -> (Bytes, LeaseSettled) {
        let mut sealed = Vec::new();
        for output in outputs {
            sealed.extend_from_slice(output);
            sealed.resize(sealed.len().next_multiple_of(CHUNK_LEN), 0);
        }
        let key = [7; 32];
        seal::apply(&key, 0, &mut sealed);
        let root = commitment::result_root(outputs.iter().map(|output| Cid::of(output))).unwrap();
        let event = LeaseSettled {
            job: Pubkey::new_from_array([1; 32]),
            index,
            provider: Pubkey::new_from_array([2; 32]),
            kind: 0,
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
        assert_eq!(unseal(sealed, &LAYOUT, &event).unwrap(), [vec![1; 1500], vec![2; 1500]]);
    }

    #[test]
    fn anything_else_is_refused() {
        let (sealed, good) = event(&[&[1; 1500], &[2; 1500]], 0);
        assert!(
            unseal(sealed.clone(), &Layout { output_len: 1_000, ..LAYOUT }, &good)
                .unwrap_err()
                .contains("expected 2048")
        );
        let wrong_key = LeaseSettled { key: [8; 32], ..good };
        assert!(unseal(sealed.clone(), &LAYOUT, &wrong_key).unwrap_err().contains("root"));
        let swapped = event(&[&[2; 1500], &[1; 1500]], 0).0;
        assert!(unseal(swapped, &LAYOUT, &good).unwrap_err().contains("root"));
    }

    #[test]
    fn another_replica_replaces_a_bad_one() {
        let mut progress = Progress::default();
        let (_, first) = event(&[b"a"], 3);
        let skip = HashSet::from([4]);
        progress.settled(first, &skip);
        progress.settled(first, &skip);
        assert_eq!(progress.queue.drain(..).count(), 1);
        progress.fail(&first, "bad".into());
        assert_eq!(progress.queue.drain(..).count(), 1, "the other replica is tried");
        progress.fail(&first, "bad too".into());
        assert!(progress.queue.is_empty());
        assert!(progress.incomplete(&first.job, 2).to_string().contains("bad too"));
        progress.settled(first, &skip);
        assert_eq!(progress.queue.drain(..).count(), 1, "a late replica is tried");
        progress.finish(3, 1);
        progress.settled(event(&[b"a"], 4).1, &skip);
        assert_eq!((progress.units_done, progress.queue.len()), (2, 0), "what the caller has is left out");
    }
}
