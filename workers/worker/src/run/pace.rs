//! How fast slots go by, so that what waits for one is looked at when it is there, and not up to a poll later.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What public clusters aim at; taken for true until something else was seen.
const SLOT: Duration = Duration::from_millis(400);
/// What is believed at all.
const BELIEVED: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(2));
/// Slots over which the pace is measured: the moments at which slots are seen are uneven.
const SPAN: u64 = 16;
/// Shortest wait: so long at least until somebody who looks again sees anything new.
const SHORTEST: Duration = Duration::from_millis(20);

/// The pace of the cluster.
#[derive(Debug)]
pub struct Pace(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// A slot, and when it was seen.
    since: Option<(u64, Instant)>,
    slot: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Seen { since: None, slot: SLOT }))
    }
}

impl Pace {
    /// Takes note that the cluster has come to a slot.
    pub fn saw(&self, slot: u64) {
        let now = Instant::now();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.since {
            Some((since, _)) if (since..since + SPAN).contains(&slot) => {}
            Some((since, at)) if slot > since => {
                let slots = u32::try_from(slot - since).unwrap_or(u32::MAX);
                seen.slot = ((now - at) / slots).clamp(BELIEVED.0, BELIEVED.1);
                seen.since = Some((slot, now));
            }
            _ => seen.since = Some((slot, now)),
        }
    }

    /// How long it takes from a slot to another one.
    pub fn between(&self, from: u64, to: u64) -> Duration {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        seen.slot.saturating_mul(slots).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slots_are_timed() {
        let pace = Pace::default();
        assert_eq!(pace.between(10, 13), 3 * SLOT);
        assert_eq!(pace.between(13, 10), SHORTEST);
        for slot in 100..=140 {
            pace.saw(slot);
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert_eq!(pace.between(0, 10), Duration::from_millis(500));
        // Another cluster, or one that has forgotten.
        pace.saw(3);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        pace.saw(30);
        assert_eq!(pace.between(0, 1), BELIEVED.1);
    }
}
