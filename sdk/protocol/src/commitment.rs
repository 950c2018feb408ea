//! Commitments: what a provider fixes before anybody shows a result.
//!
//! A commitment binds the place (job, lease, attempt), the provider and everything it will reveal, so neither a copied
//! commitment nor a root seen on chain is of use to anybody else.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Key,
    cid::{CHUNK_LEN, Cid},
    hash::{Digest, WORK, sha256},
    merkle::{self, Accumulator},
};

/// Domain of commitments; a change of the layout changes it.
const DOMAIN: &[u8] = b"tessera-commitment-1";

/// Where a result belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// Address of the job account.
    pub job: Key,
    /// Number of the lease in the job.
    pub lease: u32,
    /// Number of the claim in the lease; no two claims of a lease share one.
    pub attempt: u32,
    /// Address of the provider account.
    pub provider: Key,
}

/// What a reveal shows and a commitment binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reveal {
    /// Tree over the unit hashes of the lease.
    pub result_root: Digest,
    /// Tree over the [`work_leaf`]s of all chunks of the lease's outputs.
    pub work_root: Digest,
    /// Hash of the key that opens the sealed outputs, see [`key_hash`].
    pub key_hash: Digest,
    /// 32 random bytes.
    pub nonce: Digest,
}

/// The commitment to `reveal` at `place`.
#[must_use]
pub fn commit(place: &Place, reveal: &Reveal) -> Digest {
    sha256(&[
        DOMAIN,
        &place.job,
        &place.lease.to_le_bytes(),
        &place.attempt.to_le_bytes(),
        &place.provider,
        &reveal.result_root,
        &reveal.work_root,
        &reveal.key_hash,
        &reveal.nonce,
    ])
}

/// Hash under which a key is committed.
#[must_use]
pub fn key_hash(key: &Digest) -> Digest {
    sha256(&[b"tessera-key-1", key])
}

/// The root over the unit hashes (the content ids of the units' outputs) of a lease, in unit order.
/// `None` if there are no units.
#[must_use]
pub fn result_root<I: IntoIterator<Item = Cid>>(unit_hashes: I) -> Option<Digest> {
    merkle::root(unit_hashes.into_iter().map(|cid| cid.0))
}

/// `H(0x03 ‖ provider ‖ chunk)`: a leaf that only someone who has the bytes can make.
#[must_use]
pub fn work_leaf(provider: &Key, chunk: &[u8]) -> Digest {
    sha256(&[&[WORK], provider, chunk])
}

/// Computes the roots of a lease while its outputs are produced, unit by unit and in order.
#[derive(Clone, Default)]
pub struct LeaseHasher {
    provider: Key,
    units: Vec<Cid>,
    work: Accumulator,
}

impl LeaseHasher {
    /// A hasher for a lease of `provider`.
    #[must_use]
    pub fn new(provider: Key) -> Self {
        Self { provider, ..Self::default() }
    }

    /// Adds the output of the next unit and returns its hash.
    pub fn push(&mut self, output: &[u8]) -> Cid {
        let cid = Cid::of(output);
        self.units.push(cid);
        if output.is_empty() {
            self.work.push(work_leaf(&self.provider, &[]));
        }
        for chunk in output.chunks(CHUNK_LEN) {
            self.work.push(work_leaf(&self.provider, chunk));
        }
        cid
    }

    /// Unit hashes so far.
    #[must_use]
    pub fn unit_hashes(&self) -> &[Cid] {
        &self.units
    }

    /// Result root and work root; `None` if no unit was added.
    #[must_use]
    pub fn roots(&self) -> Option<(Digest, Digest)> {
        Some((result_root(self.units.iter().copied())?, self.work.root()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_bound() {
        let place = Place { job: [1; 32], lease: 2, attempt: 3, provider: [4; 32] };
        let reveal = Reveal { result_root: [5; 32], work_root: [6; 32], key_hash: [7; 32], nonce: [8; 32] };
        let base = commit(&place, &reveal);
        let others = [
            commit(&Place { job: [9; 32], ..place }, &reveal),
            commit(&Place { lease: 9, ..place }, &reveal),
            commit(&Place { attempt: 9, ..place }, &reveal),
            commit(&Place { provider: [9; 32], ..place }, &reveal),
            commit(&place, &Reveal { result_root: [9; 32], ..reveal }),
            commit(&place, &Reveal { work_root: [9; 32], ..reveal }),
            commit(&place, &Reveal { key_hash: [9; 32], ..reveal }),
            commit(&place, &Reveal { nonce: [9; 32], ..reveal }),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn the_work_root_depends_on_who_did_it() {
        let (mut a, mut b) = (LeaseHasher::new([1; 32]), LeaseHasher::new([2; 32]));
        assert!(a.roots().is_none());
        assert_eq!(a.push(&[3; 3000]), b.push(&[3; 3000]));
        let (a, b) = (a.roots().unwrap(), b.roots().unwrap());
        assert_eq!(a.0, b.0);
        assert_ne!(a.1, b.1);
    }
}
