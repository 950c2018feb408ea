//! Lease arithmetic: how a job's units are cut into ranges, and when a lease's windows end.

use core::ops::Range;

use crate::routing::LATE_STEPS;

/// How many leases a job of `units` has.
#[must_use]
pub const fn count(units: u64, units_per_lease: u32) -> u64 {
    units.div_ceil(units_per_lease as u64)
}

/// The units of lease `index`; empty if there is no such lease.
#[must_use]
pub fn units(units: u64, units_per_lease: u32, index: u32) -> Range<u64> {
    let first = (u64::from(index) * u64::from(units_per_lease)).min(units);
    first..(first + u64::from(units_per_lease)).min(units)
}

/// The longest time in seconds that one claim can take to run its course: commit, reveal and open windows, and the time in
/// which the client may demand chunks.
#[must_use]
pub const fn longest(lease_seconds: u32, reveal_seconds: u32, challenge_seconds: u32) -> i64 {
    lease_seconds as i64 + 2 * reveal_seconds as i64 + challenge_seconds as i64
}

/// Whether a claim at `now` still leaves room for all its windows before `deadline` (Unix seconds).
#[must_use]
pub const fn fits(now: i64, deadline: i64, lease_seconds: u32, reveal_seconds: u32, challenge_seconds: u32) -> bool {
    match now.checked_add(longest(lease_seconds, reveal_seconds, challenge_seconds)) {
        Some(end) => end <= deadline,
        None => false,
    }
}

/// Whether a window that ends at `by` (Unix seconds) has passed at `now`, for whoever would be punished for it.
///
/// It must have had a slot for each of its `seconds` too (less than half of what a healthy cluster makes): after a halt the
/// clock leaps to where it should be, and those who could send nothing in between are not late.
#[must_use]
pub const fn passed(by: i64, now: i64, since_slot: u64, slot: u64, seconds: u32) -> bool {
    now > by && slot >= since_slot.saturating_add(seconds as u64)
}

/// Seconds after its seed in which a group of audit or dispute seats should have been filled and committed: twice the steps
/// after which anybody may come, and the time for the work. Then the lease goes on without those who did not come.
#[must_use]
pub const fn group_seconds(step_seconds: u32, lease_seconds: u32) -> u32 {
    step_seconds.saturating_mul(2 * LATE_STEPS).saturating_add(lease_seconds)
}

/// Bytes of a bitmap with one bit per lease.
#[must_use]
pub const fn bitmap_len(leases: u32) -> usize {
    leases.div_ceil(8) as usize
}

/// Whether bit `index` is set; a bit outside the bitmap is not.
#[must_use]
pub fn is_settled(bitmap: &[u8], index: u32) -> bool {
    bitmap.get(index as usize / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Sets bit `index`. Returns false, and changes nothing, if it was set or lies outside the bitmap.
#[must_use]
pub fn mark_settled(bitmap: &mut [u8], index: u32) -> bool {
    match bitmap.get_mut(index as usize / 8) {
        Some(byte) if *byte >> (index % 8) & 1 == 0 => {
            *byte |= 1 << (index % 8);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn leases_tile_the_units(n in 1u64..100_000, per in 1u32..5_000) {
            let mut next = 0;
            for i in 0..count(n, per) {
                let range = units(n, per, i as u32);
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                next = range.end;
            }
            prop_assert_eq!(next, n);
            prop_assert!(units(n, per, count(n, per) as u32).is_empty());
        }

        #[test]
        fn a_bit_is_marked_once(leases in 1u32..300, pick in 0u32..400) {
            let mut map = alloc::vec![0u8; bitmap_len(leases)];
            let inside = (pick as usize) < map.len() * 8;
            prop_assert!(!is_settled(&map, pick));
            prop_assert_eq!(mark_settled(&mut map, pick), inside);
            prop_assert_eq!(is_settled(&map, pick), inside);
            prop_assert!(!mark_settled(&mut map, pick));
        }
    }

    #[test]
    fn a_window_needs_its_seconds_and_its_slots() {
        assert!(passed(100, 101, 1_000, 1_060, 60));
        assert!(!passed(100, 100, 1_000, 1_060, 60));
        assert!(!passed(100, 9_999, 1_000, 1_059, 60));
        assert!(!passed(100, 101, u64::MAX, 5, 60));
    }

    #[test]
    fn windows_must_fit() {
        assert!(fits(0, 50, 10, 20, 0));
        assert!(!fits(1, 50, 10, 20, 0) && !fits(0, 50, 10, 20, 1));
        assert!(!fits(i64::MAX, i64::MAX, 10, 20, 0));
    }
}
