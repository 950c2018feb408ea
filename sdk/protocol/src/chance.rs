//! Chances in fixed point: units of 2⁻³², so that program, worker and simulation round alike.

use crate::constants::BPS;

/// A probability between 0 and 1, in units of 2⁻³².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u64);

impl Chance {
    /// What never happens.
    pub const ZERO: Self = Self(0);
    /// What always happens.
    pub const ONE: Self = Self(1 << 32);

    /// `numerator / denominator`, rounded up. `None` if that is above one, the denominator is zero, or the numerator
    /// is 2⁹⁶ or more.
    #[must_use]
    pub const fn ratio_up(numerator: u128, denominator: u128) -> Option<Self> {
        if denominator == 0 || numerator > denominator || numerator >> 96 != 0 {
            return None;
        }
        Some(Self((numerator << 32).div_ceil(denominator) as u64))
    }

    /// Basis points as a chance, rounded up; more than 10⁴ are one.
    #[must_use]
    pub const fn from_bps(bps: u16) -> Self {
        if bps as u64 >= BPS {
            return Self::ONE;
        }
        Self(((bps as u64) << 32).div_ceil(BPS))
    }

    /// `1 / n`, rounded up; one for 0.
    #[must_use]
    pub const fn one_in(n: u32) -> Self {
        if n == 0 { Self::ONE } else { Self((1u64 << 32).div_ceil(n as u64)) }
    }

    /// From units of 2⁻³²; more than one is one.
    #[must_use]
    pub const fn from_units(units: u64) -> Self {
        if units > Self::ONE.0 { Self::ONE } else { Self(units) }
    }

    /// The chance in units of 2⁻³².
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Whether a uniform sample falls under the chance: `sample / 2⁶⁴ < chance`. One always draws, zero never.
    #[must_use]
    pub fn draws(self, sample: u64) -> bool {
        u128::from(sample) < u128::from(self.0) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        assert_eq!(Chance::from_bps(0), Chance::ZERO);
        assert_eq!(Chance::from_bps(10_000), Chance::ONE);
        assert_eq!(Chance::from_bps(u16::MAX), Chance::ONE);
        assert_eq!(Chance::from_bps(5_000).units(), 1 << 31);
        assert_eq!(Chance::ratio_up(1, 3).unwrap().units(), (1 << 32) / 3 + 1);
        assert_eq!(Chance::ratio_up(0, 0), None);
        assert_eq!(Chance::ratio_up(2, 1), None);
        assert_eq!(Chance::ratio_up(1 << 96, u128::MAX), None);
        assert!(Chance::ONE.draws(u64::MAX));
        assert!(!Chance::ZERO.draws(0));
        assert!(Chance::ratio_up(1, u128::MAX).unwrap().draws(0), "rounded up: what is possible can happen");
    }

    proptest! {
        #[test]
        fn draws_exactly_below(units in 0u64..=1 << 32, sample: u64) {
            let chance = Chance::ratio_up(u128::from(units), 1 << 32).unwrap();
            prop_assert_eq!(chance.units(), units);
            prop_assert_eq!(chance.draws(sample), sample >> 32 < units);
        }
    }
}
