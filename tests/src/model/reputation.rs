//! What is remembered of a provider.

use super::chance::ratio;

/// Seconds in which weights lose half.
const HALF_LIFE: i64 = 21 * 86_400;
/// One event.
const EVENT: u64 = 1 << 32;

/// What is remembered. Weights are in units of 2⁻³² events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// Confirmed results since the last fault.
    pub consecutive: u32,
    /// Faults ever.
    pub faults: u32,
    /// Seats ever that expired.
    pub expiries: u32,
    /// Weight of what was good.
    pub success: u64,
    /// Weight of what was not.
    pub failure: u64,
    /// Up to when the weights have decayed.
    pub at: i64,
    /// Slot of the last fault, 0 without one.
    pub fault_slot: u64,
}

/// What is left of a weight after a time: 2 to the power of minus the half-lives, by a table of 32 steps in each with straight
/// lines between them. The table itself is made here, from the square root of the square root of ... one half.
fn decay(weight: u64, elapsed: i64) -> u64 {
    let (halvings, rest) = (elapsed / HALF_LIFE, elapsed % HALF_LIFE);
    let position = rest as u128 * (32 << 32) / HALF_LIFE as u128;
    let (step, between) = (position >> 32, position & 0xffff_ffff);
    let table = |step: u128| (2f64.powf(-(step as f64) / 32.0) * EVENT as f64).round() as u128;
    let (high, low) = (table(step), table(step + 1));
    let factor = high - (((high - low) * between) >> 32);
    let decayed = (u128::from(weight) * factor) >> 32;
    if halvings >= 64 { 0 } else { (decayed >> halvings) as u64 }
}

impl Reputation {
    fn decayed(self, now: i64) -> Self {
        if now <= self.at {
            return self;
        }
        let elapsed = now - self.at;
        Self { success: decay(self.success, elapsed), failure: decay(self.failure, elapsed), at: now, ..self }
    }

    /// A result was confirmed; `burned` of `full` earns so much of an event.
    pub(super) fn confirm(&mut self, now: i64, burned: u64, full: u64) {
        *self = self.decayed(now);
        self.consecutive += 1;
        let part = if full == 0 { 1 << 32 } else { (u128::from(burned.min(full)) << 32) / u128::from(full) };
        self.success += part as u64;
    }

    /// It was wrong, or silent where that counts as wrong.
    pub(super) fn fault(&mut self, now: i64, slot: u64) {
        *self = self.decayed(now);
        (self.consecutive, self.success, self.fault_slot) = (0, 0, slot);
        self.faults += 1;
        self.failure += 16 * EVENT;
    }

    /// It was late.
    pub(super) fn expiry(&mut self, now: i64) {
        *self = self.decayed(now);
        self.expiries += 1;
        self.failure += EVENT;
    }

    /// The good part of everything, eight events of unknown outcome added.
    pub(super) fn score(self, now: i64) -> u64 {
        let now = self.decayed(now);
        let all = u128::from(now.success) + u128::from(now.failure) + 8 * u128::from(EVENT);
        ratio(now.success.into(), all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::reputation::Reputation as Theirs;

    #[test]
    fn decay_is_what_it_should_be() {
        assert_eq!(decay(1 << 40, 0), 1 << 40);
        assert_eq!(decay(1 << 40, 3 * HALF_LIFE), 1 << 37);
        let quarter = decay(1 << 40, HALF_LIFE / 4) as f64 / (1u64 << 40) as f64;
        assert!((quarter - 0.5f64.powf(0.25)).abs() < 1e-4);
        assert_eq!(decay(u64::MAX, 64 * HALF_LIFE), 0);
    }

    #[test]
    fn two_writers_one_reputation() {
        let (mut mine, mut theirs) = (Reputation::default(), Theirs::default());
        for (i, now) in [100, 1_000, 5_000_000, 5_000_001, 9_000_000, 9_000_000].into_iter().enumerate() {
            if i % 3 == 1 {
                mine.expiry(now);
                theirs = theirs.expiry(now);
            } else {
                mine.confirm(now, i as u64, 4);
                theirs = theirs.confirmed(now, i as u64, 4);
            }
            assert_eq!((mine.success, mine.failure, mine.at), (theirs.success, theirs.failure, theirs.at));
            // Theirs is exact to 2⁻³⁰.
            assert!(mine.score(now + 777_777).abs_diff(theirs.score(now + 777_777).units()) <= 4);
        }
        mine.fault(9_000_001, 7);
        theirs = theirs.fault(9_000_001, 7);
        assert_eq!((mine.success, mine.failure, mine.fault_slot), (theirs.success, theirs.failure, theirs.fault_slot));
    }
}
