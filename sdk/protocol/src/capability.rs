//! Proof of capability: what a device has is shown, not told.
//!
//! A provider that says that it has so much memory fills it, and is timed by the chain. The filling is a table of digests in
//! [`PASSES`] generations: each digest of a generation hashes two of the generation before, the one at its own place and one at a
//! place that the first one names. So a generation has to lie in memory, to be read at random places, while the next is written:
//!
//! ```text
//! y₀[i]   = H(seed ‖ i)
//! yₚ₊₁[i] = H(yₚ[i] ‖ yₚ[parent(yₚ[i])])
//! ```
//!
//! The seed is a slot hash that nobody knew when the proof began. Of the last generation about [`EXPECTED`] digests lie under a
//! [`target`]; whoever shows the places of [`SHOWN`] of them has, most likely, computed all. The program checks every place that
//! is shown by itself, without a table: one digest depends on 2⁶ digests of the first generation ([`last`]). Who has no memory
//! has to go that way for every digest, which takes nine times as many hashes as the table does; who has half of it, and keeps
//! the generation in the middle only, more than twice as many. What was saved in memory is lost in [`speed`].

use crate::{
    Key,
    hash::{Digest, sha256},
};

/// Generations after the first.
pub const PASSES: u32 = 6;
/// Places that a proof shows.
pub const SHOWN: usize = 16;
/// Digests of the last generation that lie under the target, on average. Of Poisson's distribution with this mean 0.6 % is below
/// [`SHOWN`]: then the proof is begun once more, with another seed.
pub const EXPECTED: u64 = 28;
/// Bytes of memory for each digest: two generations at a time.
pub const BYTES_PER_PLACE: u64 = 64;
/// Least and most memory that can be shown, in MiB. The most is 2³² digests.
pub const MEMORY_MIB: (u32, u32) = (1, 1 << 18);
/// Shortest and longest time for which a proof counts, in seconds.
pub const PROOF_SECONDS: (u32, u32) = (60, 31_536_000);

/// The seed of a proof by `provider` of `memory_mib`, out of a slot's hash.
#[must_use]
pub fn seed(slot_hash: &Digest, provider: &Key, memory_mib: u32) -> Digest {
    sha256(&[b"tessera-capability-1", slot_hash, provider, &memory_mib.to_le_bytes()])
}

/// Digests of a generation in `memory_mib`.
#[must_use]
pub fn places(memory_mib: u32) -> u64 {
    (u64::from(memory_mib) << 20) / BYTES_PER_PLACE
}

/// Digest `place` of the first generation. Places are below 2³².
#[must_use]
pub fn first(seed: &Digest, place: u64) -> Digest {
    sha256(&[seed, &place.to_le_bytes()[..4]])
}

/// The other place that the next digest at this one's place depends on, of so many.
#[must_use]
pub fn parent(digest: &Digest, places: u64) -> u64 {
    let number = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (u64::from(number) * places) >> 32
}

/// Digest `place` of the last generation, without a table: in 2⁶ first digests and 2⁶ − 1 others.
#[must_use]
pub fn last(seed: &Digest, places: u64, place: u64) -> Digest {
    at(seed, places, place, PASSES)
}

fn at(seed: &Digest, places: u64, place: u64, generation: u32) -> Digest {
    let Some(before) = generation.checked_sub(1) else { return first(seed, place) };
    let own = at(seed, places, place, before);
    let other = at(seed, places, parent(&own, places), before);
    sha256(&[&own, &other])
}

/// What the last eight bytes of a shown digest, as a little-endian number, lie under.
#[must_use]
pub fn target(places: u64) -> u64 {
    (((EXPECTED << 32) / places.max(1)).min(u32::MAX.into())) << 32
}

/// Whether a digest of the last generation may be shown.
#[must_use]
pub fn is_hit(digest: &Digest, places: u64) -> bool {
    let end = [24, 25, 26, 27, 28, 29, 30, 31].map(|i| digest[i]);
    u64::from_le_bytes(end) < target(places)
}

/// Checks a proof: the places shown ascend, and all of them are hits.
#[must_use]
pub fn is_proof(seed: &Digest, memory_mib: u32, shown: &[u32; SHOWN]) -> bool {
    let places = places(memory_mib);
    let ascend = shown.is_sorted_by(|a, b| a < b) && u64::from(shown[SHOWN - 1]) < places;
    ascend && shown.iter().all(|place| is_hit(&last(seed, places, u64::from(*place)), places))
}

/// Thousands of digests a second: of all generations, in the time from the slot of the seed to now.
///
/// The clock of a chain counts in seconds: it cannot tell which part of the first and of the last had gone by, so one more is
/// counted than has passed. `slots` are those since the proof began, `since_seed` those of them after the seed.
#[must_use]
pub fn speed(memory_mib: u32, seconds: u64, slots: u64, since_seed: u64) -> u32 {
    let digests = places(memory_mib) * u64::from(PASSES + 1);
    let took = seconds.saturating_add(1).saturating_mul(since_seed).div_ceil(slots.max(1)).max(1);
    u32::try_from(digests / took / 1_000).unwrap_or(u32::MAX)
}

/// Memory that counts at `now` (Unix seconds): what was told, as far as it was shown not longer than `valid_seconds` ago. In a
/// market that wants no proofs (0) it is what was told.
#[must_use]
pub fn memory_mib(told: u32, shown: u32, shown_at: i64, valid_seconds: u32, now: i64) -> u32 {
    match valid_seconds {
        0 => told,
        _ if now < shown_at.saturating_add(valid_seconds.into()) => told.min(shown),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const MIB: u32 = 1;

    /// The last generation, by the table.
    fn table(seed: &Digest, places: u64) -> Vec<Digest> {
        let mut table: Vec<Digest> = (0..places).map(|place| first(seed, place)).collect();
        for _ in 0..PASSES {
            table = table.iter().map(|own| sha256(&[own, &table[parent(own, places) as usize]])).collect();
        }
        table
    }

    fn hits(seed: &Digest) -> Vec<u32> {
        let places = places(MIB);
        let table = table(seed, places);
        (0..).zip(&table).filter(|(_, digest)| is_hit(digest, places)).map(|(place, _)| place).collect()
    }

    #[test]
    fn whoever_has_the_table_has_the_proof() {
        let seed = seed(&[1; 32], &[2; 32], MIB);
        let places = places(MIB);
        let table = table(&seed, places);
        for place in [0, 1, places / 2, places - 1] {
            assert_eq!(last(&seed, places, place), table[place as usize]);
        }
        let hits = hits(&seed);
        let shown: [u32; SHOWN] = *hits.first_chunk().unwrap();
        assert!(is_proof(&seed, MIB, &shown));

        let with = |at: usize, place: u32| {
            let mut shown = shown;
            shown[at] = place;
            shown
        };
        let miss = (shown[7] + 1..).find(|place| !hits.contains(place)).unwrap();
        assert!(!is_proof(&seed, MIB, &with(8, miss)), "a place that is no hit");
        assert!(!is_proof(&seed, MIB, &with(8, shown[7])), "one twice");
        let mut turned = shown;
        turned.reverse();
        assert!(!is_proof(&seed, MIB, &turned), "out of order");
        assert!(!is_proof(&seed, MIB, &with(SHOWN - 1, u32::MAX)), "no place");
        assert!(!is_proof(&super::seed(&[1; 32], &[3; 32], MIB), MIB, &shown), "of somebody else");
        assert!(!is_proof(&seed, MIB + 1, &shown), "of other memory");
    }

    #[test]
    fn there_are_as_many_hits_as_expected() {
        let counts: Vec<usize> = (0..8).map(|n| hits(&seed(&[n; 32], &[2; 32], MIB)).len()).collect();
        let all: usize = counts.iter().sum();
        // Four standard deviations of a sum with mean 224.
        assert!((164..=284).contains(&all), "{counts:?}");
    }

    #[test]
    fn bounds() {
        assert_eq!((places(1), places(MEMORY_MIB.1)), (1 << 14, 1 << 32));
        assert_eq!(parent(&[0xff; 32], 1 << 32), u64::from(u32::MAX));
        assert_eq!(parent(&[0xff; 32], 1 << 14), (1 << 14) - 1);
        assert_eq!(target(1 << 32), EXPECTED << 32);
        assert_eq!(target(1), u64::from(u32::MAX) << 32);
        assert!(!is_proof(&[0; 32], 0, &[0; SHOWN]));
    }

    #[test]
    fn speeds() {
        // 64 GiB in 10 s after the seed, of 20 slots that took 19 s and a part of a second.
        let digests = places(64 << 10) * 7;
        assert_eq!(u64::from(speed(64 << 10, 19, 20, 10)), digests / 10 / 1_000);
        assert_eq!(speed(64 << 10, 0, 0, 0), u32::try_from(digests / 1_000).unwrap());
        assert_eq!(speed(MEMORY_MIB.1, 0, 9, 9), u32::try_from((7u64 << 32) / 1_000).unwrap());
        assert_eq!(speed(1, u64::MAX, 3, 2), 0);
    }

    #[test]
    fn memory_is_what_was_shown() {
        assert_eq!(memory_mib(8, 0, 0, 0, 5), 8, "told, where nobody asks for a proof");
        assert_eq!(memory_mib(8, 4, 100, 50, 149), 4);
        assert_eq!(memory_mib(2, 4, 100, 50, 149), 2);
        assert_eq!(memory_mib(8, 4, 100, 50, 150), 0, "a proof ends");
    }
}
