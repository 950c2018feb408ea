//! Places that many share: so many in all, and none for whom half of them are taken already.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Owners that are remembered before those without a place are forgotten.
const REMEMBERED: usize = 4096;

/// Places, taken by owners.
pub(crate) struct Places<K> {
    all: Arc<Semaphore>,
    share: u32,
    owners: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// Some places; dropping it frees them.
pub(crate) struct Place {
    _of_owner: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// So many places.
    pub(crate) fn new(most: u32) -> Self {
        let all = Arc::new(Semaphore::new(most.max(1) as usize));
        Self { all, share: (most / 2).max(1), owners: Mutex::default() }
    }

    /// Waits up to `patience` for `count` places, or as many as one owner gets, whichever is less.
    pub(crate) async fn take(&self, owner: K, count: u32, patience: Duration) -> Option<Place> {
        let count = count.min(self.share);
        let (of_owner, of_all) = (self.of(owner), Arc::clone(&self.all));
        // Its own first: who waits for those keeps nobody else waiting.
        let both = async {
            Some((of_owner.acquire_many_owned(count).await.ok()?, of_all.acquire_many_owned(count).await.ok()?))
        };
        let (of_owner, of_all) = tokio::time::timeout(patience, both).await.ok()??;
        Some(Place { _of_owner: of_owner, _of_all: of_all })
    }

    fn of(&self, owner: K) -> Arc<Semaphore> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= REMEMBERED {
            // Places, and whoever waits for them, hold on to their semaphore.
            owners.retain(|_, places| Arc::strong_count(places) > 1);
        }
        Arc::clone(owners.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.share as usize))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_more_than_half() {
        let places = Places::new(4);
        let first = places.take(1, 1, PATIENCE).await.unwrap();
        let second = places.take(1, 1, PATIENCE).await.unwrap();
        assert!(places.take(1, 1, PATIENCE).await.is_none());
        let other = places.take(2, 99, PATIENCE).await.expect("as many as one owner gets");
        assert!(places.take(3, 1, PATIENCE).await.is_none(), "all are taken");
        drop(first);
        let (again, late) = tokio::join!(places.take(1, 1, PATIENCE), async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(second);
        });
        assert!(again.is_some());
        let ((), ()) = (late, drop(other));
        assert!(places.take(3, 2, PATIENCE).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn owners_without_places_are_forgotten() {
        let places = Places::new(4);
        let held = places.take(usize::MAX, 2, PATIENCE).await;
        for owner in 0..2 * REMEMBERED {
            assert!(places.take(owner, 2, PATIENCE).await.is_some());
        }
        assert!(places.owners.lock().unwrap().len() <= REMEMBERED);
        assert!(places.take(usize::MAX, 1, PATIENCE).await.is_none());
        drop(held);
    }
}
