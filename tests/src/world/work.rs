//! Results that providers commit to, made from numbers.

use tessera_protocol::{
    commitment::{Place, Reveal, commit, key_hash},
    hash::{Digest, sha256},
};

/// A result of a lease: two with the same number agree, whoever made them.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Where it belongs.
    pub place: Place,
    /// What will be revealed.
    pub reveal: Reveal,
    /// What opens the sealed outputs.
    pub key: Digest,
    /// Content id of the sealed outputs.
    pub sealed: Digest,
}

impl Work {
    /// Result number `result` at `place`.
    #[must_use]
    pub fn new(place: Place, result: u8) -> Self {
        let own = |what: &[u8]| {
            sha256(&[what, &place.provider, &place.job, &place.lease.to_le_bytes(), &place.attempt.to_le_bytes()])
        };
        let key = own(b"key");
        let reveal = Reveal {
            result_root: sha256(&[b"result", &place.job, &place.lease.to_le_bytes(), &[result]]),
            work_root: own(b"work"),
            key_hash: key_hash(&key),
            nonce: own(b"nonce"),
        };
        Self { place, reveal, key, sealed: own(b"sealed") }
    }

    /// The commitment to it.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        commit(&self.place, &self.reveal)
    }
}
