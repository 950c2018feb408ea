//! What a provider has shown, as the chain remembers it, and when it is time for another proof.

use std::fmt;

use serde::{Deserialize, Serialize};
use tessera_protocol::{audit, capability};
use tessera_sdk::accounts;

/// Slots for which the hash that is a proof's seed can be read.
pub const READABLE: u64 = 512;

/// What a provider has shown of its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// For how many seconds a proof counts in the market; 0: it asks for none.
    pub seconds: u32,
    /// Memory in MiB that was announced.
    pub told_mib: u32,
    /// Memory in MiB that was shown last.
    pub shown_mib: u32,
    /// Thousands of digests a second.
    pub speed: u32,
    /// When it was shown, in Unix seconds; 0: never.
    pub at: i64,
    /// Slot in which a proof has begun that is not finished; 0: none.
    pub begun: u64,
}

impl Proof {
    /// That of a provider in its market.
    #[must_use]
    pub fn of(provider: &accounts::Provider, market: &accounts::Market) -> Self {
        Self {
            seconds: market.params.proof_seconds,
            told_mib: provider.memory_mib,
            shown_mib: provider.proven_mib,
            speed: provider.speed,
            at: provider.proven_at,
            begun: provider.proof_slot,
        }
    }

    /// Memory in MiB that counts at `now` (Unix seconds).
    #[must_use]
    pub fn memory_mib(&self, now: i64) -> u32 {
        capability::memory_mib(self.told_mib, self.shown_mib, self.at, self.seconds, now)
    }

    /// Until when the proof counts, in Unix seconds; 0 without one.
    #[must_use]
    pub fn until(&self) -> i64 {
        if self.at == 0 { 0 } else { self.at.saturating_add(self.seconds.into()) }
    }

    /// Whether the market asks for a proof and there is none that counts.
    #[must_use]
    pub fn is_missing(&self, now: i64) -> bool {
        self.seconds > 0 && now >= self.until()
    }

    /// Whether it is time for another: half of the time is gone for which the last one counts.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.seconds > 0 && self.left(now) <= i64::from(self.seconds / 2)
    }

    /// Whether it is time to make room for another: a quarter of the time is left.
    #[must_use]
    pub fn is_urgent(&self, now: i64) -> bool {
        self.seconds > 0 && self.left(now) <= i64::from(self.seconds / 4)
    }

    /// Whether a device that could show so much shows more than an eighth beyond what was shown.
    #[must_use]
    pub fn is_surpassed(&self, memory_mib: u32) -> bool {
        memory_mib.min(self.told_mib) > self.shown_mib.saturating_add(self.shown_mib / 8)
    }

    /// Until which slot a proof that has begun may still be finished; `None` if there is none at `slot`.
    #[must_use]
    pub fn under_way(&self, slot: u64) -> Option<u64> {
        let end = audit::draw_slot(self.begun).saturating_add(READABLE);
        Some(end).filter(|end| self.begun != 0 && slot < *end)
    }

    fn left(&self, now: i64) -> i64 {
        self.until().saturating_sub(now)
    }

    /// What there is to say at `now` (Unix seconds).
    #[must_use]
    pub fn describe(&self, now: i64) -> String {
        match (self.seconds, self.at) {
            (0, _) => "the market asks for none".to_owned(),
            (_, 0) => "none yet: jobs that ask for memory are left to others".to_owned(),
            _ if self.is_missing(now) => {
                format!("{self}; it has ended: jobs that ask for memory are left to others until the next")
            }
            _ => format!("{self}, counts until {}", time(self.until())),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB filled with {} thousand digests a second", self.shown_mib, self.speed)
    }
}

fn time(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).map_or_else(|_| format!("Unix time {unix}"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Proof = Proof { seconds: 100, told_mib: 900, shown_mib: 800, speed: 7, at: 1_000, begun: 0 };

    #[test]
    fn proofs_are_renewed_before_they_end() {
        let at = |now| (PROOF.memory_mib(now), PROOF.is_due(now), PROOF.is_urgent(now), PROOF.is_missing(now));
        assert_eq!(at(1_049), (800, false, false, false));
        assert_eq!(at(1_050), (800, true, false, false));
        assert_eq!(at(1_075), (800, true, true, false));
        assert_eq!(at(1_100), (0, true, true, true));
        let none = Proof { shown_mib: 0, at: 0, ..PROOF };
        assert!(none.is_due(5) && none.is_urgent(5) && none.is_missing(5) && none.memory_mib(5) == 0);
        let free = Proof { seconds: 0, ..none };
        assert!(!free.is_due(5) && !free.is_urgent(5) && !free.is_missing(5) && free.memory_mib(5) == 900);
    }

    #[test]
    fn more_memory_is_shown_at_once() {
        assert!(!PROOF.is_surpassed(900) && !PROOF.is_surpassed(2_000), "no more was announced");
        let more = Proof { told_mib: 4_000, ..PROOF };
        assert!(!more.is_surpassed(900) && more.is_surpassed(901));
        assert!(Proof { shown_mib: 0, ..PROOF }.is_surpassed(1));
    }

    #[test]
    fn what_a_sibling_has_begun_is_left_alone_for_a_while() {
        assert_eq!(PROOF.under_way(5), None);
        let begun = Proof { begun: 50, ..PROOF };
        let end = audit::draw_slot(50) + READABLE;
        assert_eq!((begun.under_way(50), begun.under_way(end - 1), begun.under_way(end)), (Some(end), Some(end), None));
    }

    #[test]
    fn it_is_said_until_when() {
        assert_eq!(
            PROOF.describe(1_099),
            "800 MiB filled with 7 thousand digests a second, counts until 1970-01-01T00:18:20Z"
        );
        assert!(PROOF.describe(1_100).contains("has ended"));
        assert!(Proof { at: 0, ..PROOF }.describe(5).contains("none yet"));
        assert_eq!(Proof { seconds: 0, ..PROOF }.describe(5), "the market asks for none");
    }
}
