//! How much each key may put in a day.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use solana_pubkey::Pubkey;

const DAY: u64 = 86_400;

/// Counts bytes per key and day (UTC). Only members are counted, so the table has at most as many rows as the market has members.
pub struct Quota {
    limit: u64,
    used: Mutex<(u64, HashMap<Pubkey, u64>)>,
}

impl Quota {
    /// Allows every key `limit` bytes a day.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::default() }
    }

    /// Takes `len` bytes from the quota of `key` at Unix time `now`; false, and nothing is taken, if they are not left.
    #[must_use]
    pub fn take(&self, key: &Pubkey, len: u64, now: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now / DAY;
        if used.0 != day {
            *used = (day, HashMap::new());
        }
        let sum = used.1.entry(*key).or_default();
        match sum.checked_add(len).filter(|sum| *sum <= self.limit) {
            Some(more) => {
                *sum = more;
                true
            }
            None => false,
        }
    }

    /// Gives back what was taken at `now` for a blob that could not be stored through no fault of the sender.
    pub fn give_back(&self, key: &Pubkey, len: u64, now: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.0 == now / DAY
            && let Some(sum) = used.1.get_mut(key)
        {
            *sum = sum.saturating_sub(len);
        }
    }

    /// Seconds from `now` until the quota is full again.
    #[must_use]
    pub fn renews_in(now: u64) -> u64 {
        DAY - now % DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_per_key_and_day() {
        let quota = Quota::new(10);
        let (a, b) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        assert!(quota.take(&a, 10, 0));
        assert!(!quota.take(&a, 1, DAY - 1));
        assert!(quota.take(&b, 4, 5));
        assert!(!quota.take(&b, u64::MAX, 5));
        quota.give_back(&a, 3, 6);
        assert!(quota.take(&a, 3, 7));
        assert!(!quota.take(&a, 1, 8));
        assert_eq!(Quota::renews_in(DAY - 1), 1);
        assert!(quota.take(&a, 10, DAY));
    }
}
