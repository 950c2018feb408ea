//! Results that providers commit to, made from numbers: outputs of every unit, and all that is computed from them.

use std::{cell::RefCell, collections::HashMap};

use tessera_protocol::{
    cid::Cid,
    commitment::{LeaseHasher, Place, Reveal, commit, key_hash},
    hash::{Digest, sha256},
    outputs::{self, Answer, Layout},
    seal,
    verdict::VOID_ROOT,
};

/// Number of the result which says that the module cannot be computed.
pub const VOID: u8 = 255;
/// Bytes of the output of a unit, in leases of even and of odd numbers: two chunks, or a part of one.
const OUTPUT_LENS: [u64; 2] = [1_500, 100];
/// Works that are remembered at once.
const REMEMBERED: usize = 20_000;

/// A result of a lease: two with the same number agree, whoever made them.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Where it belongs.
    pub place: Place,
    /// Which result it is.
    pub result: u8,
    /// How its outputs lie in the sealed blob.
    pub layout: Layout,
    /// What will be revealed.
    pub reveal: Reveal,
    /// What opens the sealed outputs.
    pub key: Digest,
    /// Content id of the sealed outputs.
    pub sealed: Digest,
}

/// A place, the units there, and the number of a result.
type Memory = HashMap<([u8; 72], u32, u8), Work>;

thread_local! {
    /// A test asks for the same work many times, and sealing takes its time.
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// The output of a unit.
fn output(place: &Place, result: u8, unit: u32, len: u64) -> Vec<u8> {
    let seed = sha256(&[b"output", &place.job, &place.lease.to_le_bytes(), &[result], &unit.to_le_bytes()]);
    seed.into_iter().cycle().take(usize::try_from(len).expect("a short output")).collect()
}

impl Work {
    /// Result number `result` of a lease of `units` at `place`.
    ///
    /// # Panics
    /// If the lease has no units.
    #[must_use]
    pub fn new(place: Place, units: u32, result: u8) -> Self {
        let mut bytes = [0; 72];
        bytes[..32].copy_from_slice(&place.job);
        bytes[32..64].copy_from_slice(&place.provider);
        bytes[64..68].copy_from_slice(&place.lease.to_le_bytes());
        bytes[68..].copy_from_slice(&place.attempt.to_le_bytes());
        MEMORY.with_borrow_mut(|memory| {
            if memory.len() > REMEMBERED {
                memory.clear();
            }
            *memory.entry((bytes, units, result)).or_insert_with(|| Self::compute(place, units, result))
        })
    }

    fn compute(place: Place, units: u32, result: u8) -> Self {
        let own = |what: &[u8]| {
            sha256(&[what, &place.provider, &place.job, &place.lease.to_le_bytes(), &place.attempt.to_le_bytes()])
        };
        let (key, layout) = (own(b"key"), Layout { units, output_len: OUTPUT_LENS[place.lease as usize % 2] });
        let mut hasher = LeaseHasher::new(place.provider);
        for unit in 0..units {
            hasher.push(&output(&place, result, unit, layout.output_len));
        }
        let (result_root, work_root) = hasher.roots().expect("a lease has units");
        let mut work = Self {
            place,
            result,
            layout,
            reveal: Reveal { result_root, work_root, key_hash: key_hash(&key), nonce: own(b"nonce") },
            key,
            sealed: [0; 32],
        };
        work.sealed = Cid::of(&work.blob()).0;
        if result == VOID {
            work.reveal.result_root = VOID_ROOT;
        }
        work
    }

    /// The sealed outputs.
    #[must_use]
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        for unit in 0..self.layout.units {
            blob.extend(output(&self.place, self.result, unit, self.layout.output_len));
            blob.extend((0..self.layout.padding()).map(|_| 0));
        }
        seal::apply(&self.key, 0, &mut blob);
        blob
    }

    /// The answer for the chunk that `demand` means.
    ///
    /// # Panics
    /// Never: each demand means a chunk.
    #[must_use]
    pub fn answer(&self, demand: u64) -> Answer {
        let chunks = self.layout.chunks().expect("a small lease");
        let answer = outputs::answer(&self.place.provider, &self.key, &self.layout, &self.blob(), demand % chunks);
        answer.expect("it has this chunk")
    }

    /// The commitment to it.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        commit(&self.place, &self.reveal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_what_was_committed_to() {
        for (lease, units) in [(0, 1), (0, 5), (1, 3)] {
            let place = Place { job: [1; 32], lease, attempt: 2, provider: [3; 32] };
            let (work, other) = (Work::new(place, units, 4), Work::new(Place { provider: [9; 32], ..place }, units, 4));
            assert_eq!(work.reveal.result_root, other.reveal.result_root);
            assert_ne!(work.reveal.result_root, Work::new(place, units, 5).reveal.result_root);
            let shown = outputs::Shown {
                provider: place.provider,
                units,
                sealed: Cid(work.sealed),
                key: work.key,
                result_root: work.reveal.result_root,
                work_root: work.reveal.work_root,
            };
            let chunks = work.layout.chunks().unwrap();
            for demand in 0..chunks + 2 {
                assert_eq!(outputs::check(&shown, demand % chunks, &work.answer(demand)), Ok(()));
            }
        }
    }
}
