//! Looking after endpoints: those that had to rest, those that nobody asked for a while, and those that may be of another cluster.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use solana_message::Hash;
use solana_rpc_client_api::client_error;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Pool,
    fault::{Fault, Verdict},
};

/// Longest wait for an endpoint that is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// An endpoint that nobody asks anything is looked at so often, while others are asked.
const IDLE: Duration = Duration::from_secs(5);
/// Slots are compared if answers told them within this time.
const AT_ONCE: Duration = Duration::from_secs(3);

impl Pool {
    /// Begins to look at those that have rested long enough, or were not asked for a while. One that is alone is just asked.
    pub(super) fn look_after(&self) {
        if self.is_alone() {
            return;
        }
        let now = Instant::now();
        for index in 0..self.0.endpoints.len() {
            if self.0.endpoints[index].health.begin_look(now, IDLE) {
                let pool = self.clone();
                tokio::spawn(async move {
                    pool.look_at(index).await;
                    pool.0.endpoints[index].health.end_look();
                });
            }
        }
    }

    /// Looks at all endpoints at once; done when all have answered, or some have and the others let wait for longer than `others`.
    pub async fn survey(&self, others: Duration) {
        let mut looks: FuturesUnordered<_> = (0..self.0.endpoints.len()).map(|index| self.look_at(index)).collect();
        let mut until = Instant::now() + LOOK;
        loop {
            tokio::select! {
                answered = looks.next() => match answered {
                    Some(true) => until = until.min(Instant::now() + others),
                    Some(false) => {}
                    None => return,
                },
                () = sleep_until(until) => return,
            }
        }
    }

    /// Asks an endpoint where it is. Returns whether it answered and is well.
    async fn look_at(&self, index: usize) -> bool {
        let endpoint = &self.0.endpoints[index];
        let look = async {
            self.admit(index).await?;
            endpoint.client.get_slot_with_commitment(self.0.commitment).await
        };
        let slot = match timeout(LOOK, look).await.unwrap_or_else(|_| Err(Fault::Silent(LOOK).into())) {
            Ok(slot) => slot,
            Err(error) => {
                self.failed(index, &error);
                return false;
            }
        };
        let best = self.best_slot();
        if slot + self.0.max_lag < best {
            self.lags(index, slot, best);
            return false;
        }
        endpoint.health.recovered();
        self.compare();
        true
    }

    fn lags(&self, index: usize, slot: u64, best: u64) {
        self.failed(index, &Fault::Behind { slot, floor: best }.into());
    }

    /// Finds those whose answers come from the past, though nobody who asks only them could know.
    fn compare(&self) {
        let (now, best) = (Instant::now(), self.best_slot());
        for (index, endpoint) in self.0.endpoints.iter().enumerate() {
            if let Some((slot, at)) = endpoint.health.slot()
                && now - at < AT_ONCE
                && slot + self.0.max_lag < best
                && endpoint.health.is_ready(now)
            {
                self.lags(index, slot, best);
            }
        }
    }

    fn cluster(&self) -> MutexGuard<'_, Option<Hash>> {
        self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster of the first endpoint whose answer was used is the one that counts.
    pub(super) fn settle_cluster(&self, index: usize) {
        if !self.is_alone() {
            let mut cluster = self.cluster();
            *cluster = cluster.or(self.0.endpoints[index].health.genesis());
        }
    }

    /// Makes sure that an endpoint belongs to the same cluster as the others, before its first answer is used.
    pub(super) async fn admit(&self, index: usize) -> Result<(), client_error::Error> {
        let endpoint = &self.0.endpoints[index];
        if self.is_alone() || endpoint.health.genesis().is_some() {
            return Ok(());
        }
        let found = endpoint.client.get_genesis_hash().await?;
        let Some((other, expected)) = self.judge(index, found) else { return Ok(()) };
        // A local cluster may have been made anew since.
        let witness = other.map(|other| &self.0.endpoints[other]);
        let now = match witness {
            Some(witness) => witness.client.get_genesis_hash().await.unwrap_or(expected),
            None => expected,
        };
        if now != found {
            return Err(Fault::OtherCluster { found, expected: now }.into());
        }
        witness.into_iter().chain([endpoint]).for_each(|endpoint| endpoint.health.set_genesis(found));
        *self.cluster() = Some(found);
        Ok(())
    }

    /// Takes an endpoint's genesis hash down if it is the one that counts, else tells that, and an endpoint that has it.
    fn judge(&self, index: usize, found: Hash) -> Option<(Option<usize>, Hash)> {
        let cluster = self.cluster();
        let others = (0..self.0.endpoints.len()).filter(|other| *other != index);
        let known = others.filter_map(|other| Some((other, self.0.endpoints[other].health.genesis()?)));
        let known: Vec<(usize, Hash)> = known.collect();
        let expected = match *cluster {
            Some(expected) => Some(expected),
            // As long as nothing was used, the one listed first counts.
            None => known.first().filter(|(first, _)| *first < index).map(|(_, hash)| *hash),
        };
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let witness = known.iter().find(|(_, hash)| *hash == expected);
            return Some((witness.map(|(other, _)| *other), expected));
        }
        self.0.endpoints[index].health.set_genesis(found);
        for (other, hash) in known.into_iter().filter(|(_, hash)| *hash != found) {
            let fault = client_error::Error::from(Fault::OtherCluster { found: hash, expected: found });
            self.0.endpoints[other].health.failed(Verdict::OtherCluster, fault.to_string(), self.0.max_lag);
        }
        None
    }
}
