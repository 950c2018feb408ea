//! Reputation: what a provider's past says, in fixed point and forgotten by half every 21 days.

use crate::chance::Chance;

/// Time in which past successes and failures lose half their weight, in seconds.
pub const HALF_LIFE: i64 = 21 * 86_400;
/// Weight of one whole event.
pub const EVENT: u64 = 1 << 32;
/// Failure weight of a fault, in events.
const FAULT_EVENTS: u64 = 16;
/// Events of unknown outcome that every history is diluted with.
const PRIOR_EVENTS: u64 = 8;

/// `2^(−i/32)` in units of 2⁻³², for i = 0..=32.
#[rustfmt::skip]
const POWERS: [u64; 33] = [
    0x1_0000_0000, 0xfa83_b2db, 0xf525_7d15, 0xefe4_b99c, 0xeac0_c6e8, 0xe5b9_06e7, 0xe0cc_deec, 0xdbfb_b798,
    0xd744_fccb, 0xd2a8_1d92, 0xce24_8c15, 0xc9b9_bd86, 0xc567_2a11, 0xc12c_4cca, 0xbd08_a39f, 0xb8fb_af47,
    0xb504_f334, 0xb123_f582, 0xad58_3eea, 0xa9a1_5ab5, 0xa5fe_d6aa, 0xa270_4303, 0x9ef5_3261, 0x9b8d_39ba,
    0x9837_f052, 0x94f4_efa9, 0x91c3_d374, 0x8ea4_398b, 0x8b95_c1e4, 0x8898_0e81, 0x85aa_c368, 0x82cd_8699,
    0x8000_0000,
];

/// What is remembered of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// Results since the last fault that seats drawn from the whole market confirmed.
    pub consecutive: u32,
    /// Faults ever: wrong, or committed and never revealed.
    pub faults: u32,
    /// Seats that expired, ever.
    pub expiries: u32,
    /// Weight of confirmed results at `at`, in units of 2⁻³² events.
    pub success: u64,
    /// Weight of faults and expiries at `at`, in units of 2⁻³² events.
    pub failure: u64,
    /// Unix time up to which the weights are decayed.
    pub at: i64,
    /// Slot of the last fault, 0 without one; see [`crate::audit::reopened`].
    pub fault_slot: u64,
}

impl Reputation {
    /// The same history, its weights decayed to `now`. A clock that stands still or runs back changes nothing.
    #[must_use]
    pub fn at(self, now: i64) -> Self {
        let elapsed = now.saturating_sub(self.at);
        if elapsed <= 0 {
            return self;
        }
        Self { success: decay(self.success, elapsed), failure: decay(self.failure, elapsed), at: now, ..self }
    }

    /// A result was confirmed by a seat drawn from the whole market, in a job that burned `fee_burned` for it.
    ///
    /// Credit is in proportion to what was burned, up to one event for `full_fee`: jobs that somebody posts to itself
    /// to look good cost as much as the look is worth.
    #[must_use]
    pub fn confirmed(self, now: i64, fee_burned: u64, full_fee: u64) -> Self {
        let weight = match full_fee {
            0 => EVENT,
            _ => (u128::from(fee_burned.min(full_fee)) * u128::from(EVENT) / u128::from(full_fee)) as u64,
        };
        let was = self.at(now);
        Self { consecutive: was.consecutive.saturating_add(1), success: was.success.saturating_add(weight), ..was }
    }

    /// A vote went against the provider, or a commitment was not revealed: nothing good is remembered.
    #[must_use]
    pub fn fault(self, now: i64, slot: u64) -> Self {
        let was = self.at(now);
        Self {
            consecutive: 0,
            faults: was.faults.saturating_add(1),
            success: 0,
            failure: was.failure.saturating_add(FAULT_EVENTS * EVENT),
            fault_slot: slot,
            ..was
        }
    }

    /// A seat was claimed and not committed in time.
    #[must_use]
    pub fn expiry(self, now: i64) -> Self {
        let was = self.at(now);
        Self { expiries: was.expiries.saturating_add(1), failure: was.failure.saturating_add(EVENT), ..was }
    }

    /// `success / (success + failure + prior)` at `now`, exact to 2⁻³⁰; a beginner has 0.
    #[must_use]
    pub fn score(self, now: i64) -> Chance {
        if self.success == 0 {
            return Chance::ZERO;
        }
        let now = self.at(now);
        // Without their last bits both fit a division of 64 bits, which is all that a program pays for gladly.
        let sum = now.success.saturating_add(now.failure).saturating_add(PRIOR_EVENTS * EVENT);
        let dropped = 32 - sum.leading_zeros().min(32);
        Chance::from_units(((now.success >> dropped) << 32) / (sum >> dropped))
    }
}

/// `weight · 2^(−elapsed / HALF_LIFE)`, rounded down: exact for whole half-lives; between them a table with linear
/// interpolation, at most 6·10⁻⁵ too much.
fn decay(weight: u64, elapsed: i64) -> u64 {
    let halvings = elapsed / HALF_LIFE;
    if halvings >= 64 || weight == 0 {
        return 0;
    }
    // Position between two whole half-lives in units of 2⁻³² table steps: under 2²¹ · 2³⁷.
    let position = (elapsed % HALF_LIFE) as u64 * (32u64 << 32) / HALF_LIFE as u64;
    let (step, between) = ((position >> 32) as usize, position & 0xffff_ffff);
    let (high, low) = (POWERS[step], POWERS[step + 1]);
    let factor = high - (((high - low) * between) >> 32);
    // weight · factor / 2³², in two halves that fit.
    ((weight >> 32) * factor + (((weight & 0xffff_ffff) * factor) >> 32)) >> halvings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_is_the_power_of_two() {
        for (i, power) in POWERS.iter().enumerate() {
            let exact = (-(i as f64) / 32.0).exp2() * 4_294_967_296.0;
            assert!((*power as f64 - exact).abs() <= 1.0, "{i}: {power} {exact}");
        }
    }

    #[test]
    fn whole_half_lives_are_exact() {
        for halvings in 0..=64 {
            let expected = 0xdead_beef_0000_0001u64.checked_shr(halvings).unwrap_or(0);
            assert_eq!(decay(0xdead_beef_0000_0001, i64::from(halvings) * HALF_LIFE), expected);
        }
        assert_eq!(decay(u64::MAX, i64::MAX), 0);
        assert_eq!(decay(u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn a_life() {
        let beginner = Reputation { at: 1_000, ..Default::default() };
        assert_eq!(beginner.score(1_000), Chance::ZERO);
        let mut good = beginner;
        for _ in 0..8 {
            good = good.confirmed(1_000, 50, 50);
        }
        assert_eq!((good.consecutive, good.success), (8, 8 * EVENT));
        assert_eq!(good.score(1_000), Chance::from_bps(5_000));
        assert!(good.score(1_000 + HALF_LIFE) < good.score(1_000), "what is not renewed is forgotten");
        assert_eq!(good.score(999), good.score(1_000));
        let cheap = beginner.confirmed(1_000, 5, 50);
        assert_eq!((cheap.consecutive, cheap.success), (1, EVENT / 10));
        assert_eq!(beginner.confirmed(1_000, 1 << 60, 50).success, EVENT);
        let late = good.expiry(1_000);
        assert_eq!((late.expiries, late.consecutive), (1, 8));
        assert!(late.score(1_000) < good.score(1_000));
        let caught = good.fault(1_000, 77);
        assert_eq!((caught.consecutive, caught.faults, caught.success, caught.fault_slot), (0, 1, 0, 77));
        assert_eq!(caught.score(1_000), Chance::ZERO);
    }

    proptest! {
        #[test]
        fn decay_follows_the_exponential(weight in 1u64 << 32..1 << 50, elapsed in 0i64..20 * HALF_LIFE) {
            let exact = weight as f64 * (-(elapsed as f64) / HALF_LIFE as f64).exp2();
            let got = decay(weight, elapsed) as f64;
            prop_assert!(got >= exact - 1.0 - exact * 1e-9 && got <= exact * (1.0 + 6e-5) + 1.0, "{} {}", got, exact);
        }

        #[test]
        fn decay_is_monotone(weight: u64, elapsed in 0i64..80 * HALF_LIFE, more in 0i64..HALF_LIFE, less: u64) {
            prop_assert!(decay(weight, elapsed + more) <= decay(weight, elapsed));
            prop_assert!(decay(weight.min(less), elapsed) <= decay(weight, elapsed));
        }

        #[test]
        fn decay_in_steps_is_decay_at_once(weight in 1u64 << 40..1 << 60, a in 0i64..5 * HALF_LIFE, b in 0i64..5 * HALF_LIFE) {
            // Each interpolation may be 6·10⁻⁵ too much, never too little but for rounding.
            let (steps, once) = (decay(decay(weight, a), b) as f64, decay(weight, a + b) as f64);
            prop_assert!((steps - once).abs() <= once * 1.3e-4 + 2.0);
        }

        #[test]
        fn scores_stay_in_range_and_move_the_right_way(success: u64, failure: u64, at in 0i64..1 << 40, later in 0i64..1 << 30,
                                                     fee: u64, full: u64) {
            let was = Reputation { success, failure, at, ..Default::default() };
            let now = at + later;
            prop_assert!(was.score(now) <= Chance::ONE);
            prop_assert!(was.confirmed(now, fee, full).score(now).units() + 4 >= was.score(now).units());
            prop_assert!(was.expiry(now).score(now).units() <= was.score(now).units() + 4);
            prop_assert_eq!(was.fault(now, 1).score(now), Chance::ZERO);
        }
    }
}
