//! The sealed outputs of a lease as one blob, and answers to whoever doubts that they are there.
//!
//! In the blob every unit begins at a chunk of its own: its last chunk is filled up with zeros before it is sealed. So one
//! sealed chunk holds bytes of one unit, and an [`Answer`] can show by one chunk what it is in all four trees that its
//! provider has committed to: the sealed blob, the unit's output, the results of the lease, and the work.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Key,
    cid::{CHUNK_LEN, Cid, chunk_count, chunk_leaf},
    commitment::work_leaf,
    hash::Digest,
    merkle, seal,
};

/// How the outputs of a lease lie in its blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Units in the lease.
    pub units: u32,
    /// Bytes of the output of a unit.
    pub output_len: u64,
}

impl Layout {
    /// Chunks of one unit.
    #[must_use]
    pub const fn unit_chunks(&self) -> u64 {
        chunk_count(self.output_len)
    }

    /// Chunks of all units. `None` on overflow.
    #[must_use]
    pub fn chunks(&self) -> Option<u64> {
        self.unit_chunks().checked_mul(u64::from(self.units))
    }

    /// Bytes of the blob. `None` on overflow.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.chunks()?.checked_mul(CHUNK_LEN as u64)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.units == 0
    }

    /// The bytes that fill up the last chunk of a unit.
    #[must_use]
    pub const fn padding(&self) -> u64 {
        self.unit_chunks() * CHUNK_LEN as u64 - self.output_len
    }

    /// Unit and chunk of it that chunk `index` of the blob holds, and how many bytes of it are output.
    #[must_use]
    fn place(&self, index: u64) -> (u64, u64, usize) {
        let (unit, chunk) = (index / self.unit_chunks(), index % self.unit_chunks());
        let left = self.output_len - (chunk * CHUNK_LEN as u64).min(self.output_len);
        (unit, chunk, left.min(CHUNK_LEN as u64) as usize)
    }
}

/// What a provider has committed to and revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Address of the provider account.
    pub provider: Key,
    /// Units in the lease.
    pub units: u32,
    /// Content id of the sealed blob.
    pub sealed: Cid,
    /// What opens it.
    pub key: Digest,
    /// Tree over the unit hashes.
    pub result_root: Digest,
    /// Tree over the work leaves.
    pub work_root: Digest,
}

/// One chunk of the sealed outputs, and its place in all trees.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// Bytes of the output of a unit.
    pub output_len: u64,
    /// The sealed chunk.
    pub chunk: Vec<u8>,
    /// From it to the root of the sealed blob.
    pub sealed: Vec<Digest>,
    /// From the opened chunk to the root of the unit's output.
    pub unit: Vec<Digest>,
    /// From the unit's hash to the result root.
    pub result: Vec<Digest>,
    /// From its work leaf to the work root.
    pub work: Vec<Digest>,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The lease has no such chunk, or it has another length.
    Place,
    /// It is not that chunk of the sealed blob.
    Sealed,
    /// Opened, it is not filled up with zeros.
    Padding,
    /// Opened, it is not that chunk of what the result root names.
    Result,
    /// Opened, it is not what the work root was made from.
    Work,
}

/// Makes the answer for chunk `index`, from the blob as it was sealed. `None` if it has no such chunk.
#[must_use]
pub fn answer(provider: &Key, key: &Digest, layout: &Layout, sealed: &[u8], index: u64) -> Option<Answer> {
    if layout.len()? != sealed.len() as u64 || index >= layout.chunks()? {
        return None;
    }
    let mut plain = sealed.to_vec();
    seal::apply(key, 0, &mut plain);
    let at = usize::try_from(index).ok()?;
    let chunks = |bytes: &[u8], leaf: &dyn Fn(u64, &[u8]) -> Digest| -> Vec<Digest> {
        (0..).zip(bytes.chunks(CHUNK_LEN)).map(|(i, chunk)| leaf(i, chunk)).collect()
    };
    let output = |i: u64, chunk: &'_ [u8]| chunk[..layout.place(i).2].to_vec();
    let (unit, place, _) = layout.place(index);
    let per_unit = usize::try_from(layout.unit_chunks()).ok()?;
    let opened = chunks(&plain, &|i, chunk| chunk_leaf(&output(i, chunk)));
    let units: Vec<Digest> = opened
        .chunks(per_unit)
        .map(|leaves| Some(Cid::from_root(layout.output_len, &merkle::root(leaves.iter().copied())?).0))
        .collect::<Option<_>>()?;
    let first = usize::try_from(unit).ok()? * per_unit;
    Some(Answer {
        output_len: layout.output_len,
        chunk: sealed.chunks(CHUNK_LEN).nth(at)?.to_vec(),
        sealed: merkle::proof(&chunks(sealed, &|_, chunk| chunk_leaf(chunk)), at)?,
        unit: merkle::proof(&opened[first..first + per_unit], usize::try_from(place).ok()?)?,
        result: merkle::proof(&units, usize::try_from(unit).ok()?)?,
        work: merkle::proof(&chunks(&plain, &|i, chunk| work_leaf(provider, &output(i, chunk))), at)?,
    })
}

/// Checks an answer for chunk `index`.
///
/// # Errors
/// What is wrong with it.
pub fn check(shown: &Shown, index: u64, answer: &Answer) -> Result<(), Wrong> {
    let layout = Layout { units: shown.units, output_len: answer.output_len };
    let (count, len) = layout.chunks().zip(layout.len()).ok_or(Wrong::Place)?;
    if index >= count || answer.chunk.len() != CHUNK_LEN {
        return Err(Wrong::Place);
    }
    let root = merkle::climb(&chunk_leaf(&answer.chunk), index, count, &answer.sealed).ok_or(Wrong::Sealed)?;
    if Cid::from_root(len, &root) != shown.sealed {
        return Err(Wrong::Sealed);
    }
    let mut plain = answer.chunk.clone();
    seal::apply(&shown.key, index, &mut plain);
    let (unit, place, used) = layout.place(index);
    let (output, padding) = plain.split_at(used);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Wrong::Padding);
    }
    let leaf = chunk_leaf(output);
    let root = merkle::climb(&leaf, place, layout.unit_chunks(), &answer.unit).ok_or(Wrong::Result)?;
    let hash = Cid::from_root(layout.output_len, &root);
    if !merkle::verify(&shown.result_root, &hash.0, unit, u64::from(layout.units), &answer.result) {
        return Err(Wrong::Result);
    }
    let work = work_leaf(&shown.provider, output);
    if !merkle::verify(&shown.work_root, &work, index, count, &answer.work) {
        return Err(Wrong::Work);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::commitment::LeaseHasher;

    const KEY: Digest = [7; 32];
    const PROVIDER: Key = [8; 32];

    /// A lease, what its provider shows, and the sealed blob.
    fn lease(units: u32, output_len: usize) -> (Layout, Shown, Vec<u8>) {
        let layout = Layout { units, output_len: output_len as u64 };
        let (mut hasher, mut blob) = (LeaseHasher::new(PROVIDER), vec![]);
        for unit in 0..units {
            let output: Vec<u8> = (0..output_len).map(|i| (i as u32 ^ unit.wrapping_mul(77)) as u8).collect();
            hasher.push(&output);
            blob.extend(&output);
            blob.resize(blob.len() + layout.padding() as usize, 0);
        }
        seal::apply(&KEY, 0, &mut blob);
        let (result_root, work_root) = hasher.roots().unwrap();
        let shown = Shown { provider: PROVIDER, units, sealed: Cid::of(&blob), key: KEY, result_root, work_root };
        (layout, shown, blob)
    }

    proptest! {
        #[test]
        fn every_chunk_can_be_answered_for(units in 1u32..6, output_len in 0usize..5_000, pick: u64) {
            let (layout, shown, blob) = lease(units, output_len);
            prop_assert_eq!(layout.len(), Some(blob.len() as u64));
            let index = pick % layout.chunks().unwrap();
            let answer = answer(&PROVIDER, &KEY, &layout, &blob, index).unwrap();
            prop_assert_eq!(check(&shown, index, &answer), Ok(()));
            if layout.chunks().unwrap() > 1 {
                prop_assert!(check(&shown, (index + 1) % layout.chunks().unwrap(), &answer).is_err());
            }
            prop_assert!(borsh::to_vec(&answer).unwrap().len() < 2_600);
        }

        #[test]
        fn no_other_answer_will_do(units in 1u32..5, output_len in 1usize..3_000, pick: u64, bit: usize, what in 0usize..6) {
            let (layout, shown, blob) = lease(units, output_len);
            let index = pick % layout.chunks().unwrap();
            let mut answer = answer(&PROVIDER, &KEY, &layout, &blob, index).unwrap();
            let paths = [&mut answer.sealed, &mut answer.unit, &mut answer.result, &mut answer.work];
            match what {
                0 => answer.output_len ^= 1 << (bit % 64),
                1 => answer.chunk[bit / 8 % CHUNK_LEN] ^= 1 << (bit % 8),
                _ => {
                    let path = paths.into_iter().nth(what - 2).unwrap();
                    match path.get_mut(bit % 7) {
                        Some(digest) => digest[bit / 8 % 32] ^= 1 << (bit % 8),
                        None => path.push([0; 32]),
                    }
                }
            }
            prop_assert!(check(&shown, index, &answer).is_err());
        }
    }

    #[test]
    fn lies_are_told_apart() {
        let (layout, shown, blob) = lease(3, 1_500);
        let good = answer(&PROVIDER, &KEY, &layout, &blob, 3).unwrap();
        assert_eq!(check(&shown, 6, &good), Err(Wrong::Place));
        assert_eq!(check(&Shown { sealed: Cid([1; 32]), ..shown }, 3, &good), Err(Wrong::Sealed));
        assert_eq!(check(&Shown { key: [9; 32], ..shown }, 3, &good), Err(Wrong::Padding));
        assert_eq!(check(&Shown { result_root: [9; 32], ..shown }, 3, &good), Err(Wrong::Result));
        // Who copied a root knows no work root of its own.
        assert_eq!(check(&Shown { provider: [9; 32], ..shown }, 3, &good), Err(Wrong::Work));
        assert_eq!(answer(&PROVIDER, &KEY, &layout, &blob, 6), None);
        assert_eq!(answer(&PROVIDER, &KEY, &layout, &blob[1..], 0), None);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let (_, shown, _) = lease(1, 10);
        for output_len in [u64::MAX, u64::MAX - 1_023, 1 << 60] {
            let answer = Answer {
                output_len,
                chunk: vec![0; CHUNK_LEN],
                sealed: vec![],
                unit: vec![],
                result: vec![],
                work: vec![],
            };
            assert!(check(&Shown { units: u32::MAX, ..shown }, 0, &answer).is_err());
        }
    }
}
