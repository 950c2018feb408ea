//! Reading the SlotHashes sysvar where it lies: the hashes of the last 512 slots that were not skipped, newest first.

use crate::hash::Digest;

/// Bytes of the number of entries.
const HEAD: usize = 8;
/// Bytes of an entry: a slot and its hash.
const ENTRY: usize = 8 + 32;

/// What the sysvar says about the first slot at or after a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// No such slot has ended yet.
    TooEarly,
    /// This slot, and its hash.
    Found(u64, Digest),
    /// It is no longer there, or it cannot be told whether it is.
    Missed,
}

/// Looks up the first slot at or after `target` in the data of the sysvar account. Data that are no such sysvar hold nothing.
#[must_use]
pub fn first_at_or_after(data: &[u8], target: u64) -> Lookup {
    let entries = data.get(HEAD..).unwrap_or_default().as_chunks::<ENTRY>().0;
    let len = data.first_chunk().map_or(0, |len| u64::from_le_bytes(*len));
    let entries = &entries[..entries.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
    // Descending slots: the last of those that are not below the target.
    let reached = entries.partition_point(|entry| slot(entry) >= target);
    match reached.checked_sub(1) {
        None if entries.is_empty() => Lookup::Missed,
        None => Lookup::TooEarly,
        // With nothing older behind it, an earlier one at or after the target may have been dropped.
        Some(last) if reached == entries.len() && slot(&entries[last]) != target => Lookup::Missed,
        Some(last) => {
            let hash = core::array::from_fn(|i| entries[last][8 + i]);
            Lookup::Found(slot(&entries[last]), hash)
        }
    }
}

fn slot(entry: &[u8; ENTRY]) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|i| entry[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn hash(slot: u64) -> Digest {
        crate::hash::sha256(&[&slot.to_le_bytes()])
    }

    /// The data of a sysvar with these slots, newest first, and room for more as the account has it.
    fn sysvar(slots: &[u64]) -> Vec<u8> {
        let mut data = (slots.len() as u64).to_le_bytes().to_vec();
        for slot in slots {
            data.extend(slot.to_le_bytes());
            data.extend(hash(*slot));
        }
        data.resize(HEAD + 512 * ENTRY, 0);
        data
    }

    #[test]
    fn skipped_slots_are_passed_over() {
        let data = sysvar(&[20, 19, 15, 14, 10]);
        assert_eq!(first_at_or_after(&data, 21), Lookup::TooEarly);
        assert_eq!(first_at_or_after(&data, 20), Lookup::Found(20, hash(20)));
        assert_eq!(first_at_or_after(&data, 16), Lookup::Found(19, hash(19)));
        assert_eq!(first_at_or_after(&data, 11), Lookup::Found(14, hash(14)));
        assert_eq!(first_at_or_after(&data, 10), Lookup::Found(10, hash(10)));
        // Whether 9 was skipped or dropped cannot be seen.
        assert_eq!(first_at_or_after(&data, 9), Lookup::Missed);
        assert_eq!(first_at_or_after(&data, 0), Lookup::Missed);
    }

    #[test]
    fn other_data_hold_nothing() {
        for data in [&[][..], &[1, 0, 0], &[0; 8], &[9; 30], &sysvar(&[])] {
            assert_eq!(first_at_or_after(data, 5), Lookup::Missed);
        }
        let mut longer = sysvar(&[7]);
        longer[..8].fill(0xff);
        assert_eq!(first_at_or_after(&longer, 7), Lookup::Found(7, hash(7)));
    }

    proptest! {
        #[test]
        fn it_is_the_first(mut slots in prop::collection::btree_set(0u64..2_000, 1..512), target in 0u64..2_100) {
            let newest_first: Vec<u64> = slots.iter().rev().copied().collect();
            let oldest = *newest_first.last().unwrap();
            let expected = slots.split_off(&target).first().copied();
            let found = first_at_or_after(&sysvar(&newest_first), target);
            match expected {
                None => prop_assert_eq!(found, Lookup::TooEarly),
                Some(first) if first == oldest && first != target => prop_assert_eq!(found, Lookup::Missed),
                Some(first) => prop_assert_eq!(found, Lookup::Found(first, hash(first))),
            }
        }
    }
}
