//! Content ids: the hash that names a blob.
//!
//! A blob is cut into chunks of 1 KiB (an empty blob is one empty chunk); `leaf = H(0x00 ‖ chunk)`, the tree is that of
//! [`crate::merkle`], and `cid = H(0x02 ‖ length as u64 little endian ‖ root)`.

use core::{fmt, str::FromStr};

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    hash::{CHUNK, CONTENT, Digest, sha256},
    merkle::{self, Accumulator},
};

/// Bytes in a chunk.
pub const CHUNK_LEN: usize = 1024;

/// The hash that names a blob. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Cid(pub Digest);

impl Cid {
    /// The content id of `blob`.
    #[must_use]
    pub fn of(blob: &[u8]) -> Self {
        let mut hasher = CidHasher::default();
        hasher.update(blob);
        hasher.finish()
    }

    /// The content id of a blob of `len` bytes whose chunk tree has `root`.
    #[must_use]
    pub fn from_root(len: u64, root: &Digest) -> Self {
        Self(sha256(&[&[CONTENT], &len.to_le_bytes(), root]))
    }
}

/// The tree leaf of a chunk.
#[must_use]
pub fn chunk_leaf(chunk: &[u8]) -> Digest {
    sha256(&[&[CHUNK], chunk])
}

/// How many chunks a blob of `len` bytes has.
#[must_use]
pub const fn chunk_count(len: u64) -> u64 {
    if len == 0 { 1 } else { len.div_ceil(CHUNK_LEN as u64) }
}

/// The siblings that prove chunk `index` of `blob`; `None` if there is no such chunk.
#[must_use]
pub fn prove_chunk(blob: &[u8], index: u64) -> Option<Vec<Digest>> {
    let leaves: Vec<Digest> =
        if blob.is_empty() { [chunk_leaf(&[])].into() } else { blob.chunks(CHUNK_LEN).map(chunk_leaf).collect() };
    merkle::proof(&leaves, usize::try_from(index).ok()?)
}

/// Whether `chunk` is chunk `index` of the blob of `len` bytes named `cid`. `root` is the root of its chunk tree.
#[must_use]
pub fn verify_chunk(cid: &Cid, len: u64, root: &Digest, index: u64, chunk: &[u8], path: &[Digest]) -> bool {
    Cid::from_root(len, root) == *cid && merkle::verify(root, &chunk_leaf(chunk), index, chunk_count(len), path)
}

/// Computes a content id while the bytes stream past.
#[derive(Clone, Default)]
pub struct CidHasher {
    tree: Accumulator,
    partial: Vec<u8>,
    len: u64,
}

impl CidHasher {
    /// Adds the next bytes, in pieces of any size.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if !self.partial.is_empty() {
            let take = bytes.len().min(CHUNK_LEN - self.partial.len());
            self.partial.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.partial.len() < CHUNK_LEN {
                return;
            }
            self.tree.push(chunk_leaf(&self.partial));
            self.partial.clear();
        }
        let mut chunks = bytes.chunks_exact(CHUNK_LEN);
        for chunk in &mut chunks {
            self.tree.push(chunk_leaf(chunk));
        }
        self.partial.extend_from_slice(chunks.remainder());
    }

    /// Bytes seen so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte was seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The content id of all bytes seen.
    #[must_use]
    pub fn finish(mut self) -> Cid {
        if self.len == 0 || !self.partial.is_empty() {
            self.tree.push(chunk_leaf(&self.partial));
        }
        let root = self.tree.root().unwrap_or_default();
        Cid::from_root(self.len, &root)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

/// Why a text is not a content id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCidError(String);

impl fmt::Display for ParseCidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a content id of 64 hexadecimal digits, found {:?}", self.0)
    }
}

impl core::error::Error for ParseCidError {}

impl FromStr for Cid {
    type Err = ParseCidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseCidError(text.chars().take(80).collect());
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = core::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    /// Golden values, computed by an independent program: a change here changes every content id in existence.
    #[test]
    fn golden() {
        assert_eq!(Cid::of(b"").to_string(), "c0e50f0d90d6e2fea1e6f53d4f758ed5fc9035a399a8eb215c29c6ff3ea05425");
        assert_eq!(Cid::of(&[7; 5000]).to_string(), "e2d3b15ee56a4dbdafe92ffd16edc16dcc3d48ae3246e6191652068adaa685bb");
    }

    #[test]
    fn text_form_is_strict() {
        let cid = Cid::of(b"tessera");
        assert_eq!(cid.to_string().parse::<Cid>(), Ok(cid));
        assert!(cid.to_string().to_uppercase().parse::<Cid>().is_err());
        assert!("".parse::<Cid>().is_err());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(len in 0usize..5000, cut in 0usize..5000) {
            let blob: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
            let cut = cut.min(len);
            let mut hasher = CidHasher::default();
            hasher.update(&blob[..cut]);
            hasher.update(&blob[cut..]);
            prop_assert_eq!(hasher.finish(), Cid::of(&blob));
        }

        #[test]
        fn chunks_prove_themselves(len in 0usize..9000, pick in 0usize..9) {
            let blob = vec![7u8; len];
            let count = chunk_count(len as u64);
            let index = pick as u64 % count;
            let leaves: Vec<Digest> = if len == 0 { vec![chunk_leaf(&[])] } else { blob.chunks(CHUNK_LEN).map(chunk_leaf).collect() };
            let root = merkle::root(leaves).unwrap();
            let from = index as usize * CHUNK_LEN;
            let chunk = &blob[from..(from + CHUNK_LEN).min(len)];
            let path = prove_chunk(&blob, index).unwrap();
            prop_assert!(verify_chunk(&Cid::of(&blob), len as u64, &root, index, chunk, &path));
            prop_assert!(!verify_chunk(&Cid::of(&blob), len as u64 + 1, &root, index, chunk, &path));
        }
    }
}
