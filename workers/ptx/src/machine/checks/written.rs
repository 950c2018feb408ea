//! What of a memory was written.

use std::collections::HashMap;

use super::origin::Origin;
use crate::error::Space;

/// One bit for each byte.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    bits: Vec<u64>,
    len: usize,
}

impl Bytes {
    pub fn new(len: usize) -> Self {
        Self { bits: vec![0; len.div_ceil(64)], len }
    }

    pub fn clear(&mut self) {
        self.bits.fill(0);
    }

    /// Whether there are such bytes.
    pub fn has(&self, at: usize, len: usize) -> bool {
        at <= self.len && self.len - at >= len
    }

    pub fn is_set(&self, at: usize) -> bool {
        self.bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 != 0)
    }

    fn put(&mut self, at: usize, set: bool) {
        if let Some(word) = self.bits.get_mut(at / 64) {
            *word = *word & !(1 << (at % 64)) | u64::from(set) << (at % 64);
        }
    }

    /// Sets or clears some bytes.
    pub fn set(&mut self, at: usize, len: usize, set: bool) {
        // Accesses are aligned, so all bits are in the same word but for those of a copy.
        match self.bits.get_mut(at / 64) {
            Some(word) if at % 64 + len <= 64 => {
                let bits = (u64::MAX >> (64 - len.max(1))) << (at % 64);
                *word = if set { *word | bits } else { *word & !bits };
            }
            _ => (at..at + len).for_each(|at| self.put(at, set)),
        }
    }

    /// Whether any of some bytes is set.
    pub fn any(&self, at: usize, len: usize) -> bool {
        match self.bits.get(at / 64) {
            Some(word) if at % 64 + len <= 64 => word >> (at % 64) & (u64::MAX >> (64 - len.max(1))) != 0,
            _ => (at..at.saturating_add(len)).any(|at| self.is_set(at)),
        }
    }

    /// Whether all of some bytes are set.
    pub fn all(&self, at: usize, len: usize) -> bool {
        match self.bits.get(at / 64) {
            Some(word) if at % 64 + len <= 64 => !(word >> (at % 64)) & (u64::MAX >> (64 - len.max(1))) == 0,
            _ => (at..at + len).all(|at| self.is_set(at)),
        }
    }
}

/// Memory of a block or a thread: which bytes hold what somebody wrote, and where the others come from.
#[derive(Debug)]
pub(super) struct Written {
    space: Space,
    bytes: Bytes,
    /// Of bytes that hold a copy of something unwritten.
    origins: HashMap<usize, Origin>,
}

impl Written {
    pub fn new(space: Space, len: usize) -> Self {
        Self { space, bytes: Bytes::new(len), origins: HashMap::new() }
    }

    /// Nothing is written.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.origins.clear();
    }

    /// Some bytes become unwritten.
    pub fn forget(&mut self, at: usize, len: usize) {
        self.bytes.set(at, len, false);
        self.origins.retain(|byte, _| !(at..at + len).contains(byte));
    }

    /// The unwritten bits of a number that is read at a line, and the origin of the first.
    #[inline]
    pub fn load(&self, at: u64, len: usize, line: u32) -> (u64, Origin) {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        // The memory itself finds what is outside.
        if !self.bytes.has(at, len) || self.bytes.all(at, len) {
            return (0, Origin::default());
        }
        let missing = |i: &usize| !self.bytes.is_set(at + i);
        let bits = (0..len).filter(missing).fold(0, |bits, i| bits | 0xff << (8 * i));
        let first = at + (0..len).find(missing).unwrap_or_default();
        let origin = self.origins.get(&first).copied();
        (bits, origin.unwrap_or_else(|| Origin::memory(self.space, first as u64, line)))
    }

    /// A number is written, some bits of which are unwritten themselves.
    #[inline]
    pub fn store(&mut self, at: u64, len: usize, bits: u64, origin: Origin) {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if !self.bytes.has(at, len) {
            return;
        }
        self.bytes.set(at, len, true);
        for i in (0..len).filter(|i| bits >> (8 * i) & 0xff != 0) {
            self.bytes.put(at + i, false);
            self.origins.insert(at + i, origin);
        }
    }

    /// What is known of bytes goes along with them.
    pub fn copy(&mut self, to: usize, from: usize, len: usize, line: u32) {
        let known: Vec<_> = (from..from + len).map(|at| self.load(at as u64, 1, line)).collect();
        known.into_iter().enumerate().for_each(|(i, (bits, origin))| self.store((to + i) as u64, 1, bits, origin));
    }
}
