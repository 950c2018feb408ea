//! Bonds: what a seat locks, what it burns when it is given up, and how often giving up is free.

use crate::{payout::share, verdict::Kind};

/// Stake that a seat locks until it is paid or leaves: `multiple` times its pay, and never less than its [`expiry_bond`], which
/// is all that it locks in a private job. `None` on overflow.
#[must_use]
pub fn lock(multiple: u16, bond_bps: u16, pay: u64) -> Option<u64> {
    Some(pay.checked_mul(u64::from(multiple))?.max(expiry_bond(bond_bps, pay)))
}

/// The bond that a seat burns when it expires. It is burned and not paid out, so nobody earns by making others late.
#[must_use]
pub fn expiry_bond(bond_bps: u16, pay: u64) -> u64 {
    share(pay, bond_bps)
}

/// Whether a provider with `stake`, of which `locked` is locked, may lock `lock` more for a seat of this kind.
///
/// A quarter of the stake stays free of base seats. Otherwise a busy market's honest providers could not audit, and whoever
/// keeps its stake idle would be drawn for nearly every audit.
#[must_use]
pub fn may_lock(stake: u64, locked: u64, lock: u64, kind: Kind) -> bool {
    let most = match kind {
        Kind::Base => stake - stake.div_ceil(4),
        Kind::Audit | Kind::Dispute => stake,
    };
    locked.checked_add(lock).is_some_and(|locked| locked <= most)
}

/// How often a provider may return seats for nothing: `free` in every `window` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Free returns in a window.
    pub free: u32,
    /// Length of the window in seconds.
    pub window: u32,
}

/// A provider's use of its [`Allowance`]: a token bucket that is kept as the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// Unix time at which all free returns are available again.
    pub full_at: i64,
}

impl Returns {
    /// Takes one free return at `now`. `None` if there is none left: the return burns the expiry bond.
    #[must_use]
    pub fn take(self, allowance: &Allowance, now: i64) -> Option<Self> {
        let each = i64::from(allowance.window).checked_div(i64::from(allowance.free))?.max(1);
        let full_at = self.full_at.max(now).checked_add(each)?;
        let latest = now.checked_add(i64::from(allowance.window))?;
        (full_at <= latest).then_some(Self { full_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts() {
        assert_eq!(lock(117, 1_000, 1_000), Some(117_000));
        assert_eq!(lock(117, 1_000, u64::MAX / 2), None);
        assert_eq!(lock(0, 1_000, 1_009), Some(100));
        assert_eq!(expiry_bond(1_000, 1_009), 100);
        assert_eq!(expiry_bond(1_000, u64::MAX), u64::MAX / 10);
    }

    #[test]
    fn a_quarter_is_kept_for_audits() {
        assert!(may_lock(100, 0, 75, Kind::Base));
        assert!(!may_lock(100, 0, 76, Kind::Base));
        assert!(!may_lock(100, 75, 1, Kind::Base));
        assert!(may_lock(100, 75, 25, Kind::Audit));
        assert!(!may_lock(100, 75, 26, Kind::Dispute));
        assert!(!may_lock(u64::MAX, u64::MAX, 1, Kind::Audit));
        assert!(may_lock(3, 0, 2, Kind::Base) && !may_lock(3, 0, 3, Kind::Base));
    }

    #[test]
    fn nothing_is_free_without_an_allowance() {
        assert_eq!(Returns::default().take(&Allowance { free: 0, window: 3_600 }, 100), None);
        assert_eq!(Returns::default().take(&Allowance { free: 3, window: 0 }, 100), None);
        assert_eq!(Returns::default().take(&Allowance { free: 3, window: 60 }, i64::MAX), None);
    }

    proptest! {
        #[test]
        fn never_more_than_allowed_in_a_window(free in 1u32..20, steps in prop::collection::vec(0i64..400, 1..200)) {
            let allowance = Allowance { free, window: 3_600 };
            let (mut returns, mut now) = (Returns::default(), 1_000_000);
            let mut taken = alloc::vec::Vec::new();
            for step in steps {
                now += step;
                if let Some(next) = returns.take(&allowance, now) {
                    returns = next;
                    taken.push(now);
                }
            }
            // A bucket that starts full and refills lets through at most twice its size in any window.
            for (i, first) in taken.iter().enumerate() {
                let within = taken[i..].iter().filter(|at| **at - first < 3_600).count();
                prop_assert!(within <= 2 * free as usize + 1);
            }
            prop_assert!(!taken.is_empty());
        }
    }
}
