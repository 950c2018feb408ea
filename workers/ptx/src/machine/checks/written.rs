//! Which bytes were written.

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

    fn is_set(&self, at: usize) -> bool {
        self.bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 != 0)
    }

    fn put(&mut self, at: usize, written: bool) {
        if let Some(word) = self.bits.get_mut(at / 64) {
            *word = *word & !(1 << (at % 64)) | u64::from(written) << (at % 64);
        }
    }

    /// Notes that bytes were written.
    pub fn write(&mut self, at: usize, len: usize) {
        // Accesses are aligned, so all bits are in the same word but for those of a copy.
        match self.bits.get_mut(at / 64) {
            Some(word) if at % 64 + len <= 64 => *word |= (u64::MAX >> (64 - len.max(1))) << (at % 64),
            _ => (at..at + len).for_each(|at| self.put(at, true)),
        }
    }

    /// The first of some bytes that was not written.
    pub fn missing(&self, at: usize, len: usize) -> Option<usize> {
        match self.bits.get(at / 64) {
            Some(word) if at % 64 + len <= 64 => {
                let missing = !(word >> (at % 64)) & (u64::MAX >> (64 - len.max(1)));
                (missing != 0).then(|| at + missing.trailing_zeros() as usize)
            }
            _ => (at..at + len).find(|at| !self.is_set(*at)),
        }
    }

    /// Copies what is known of bytes along with them.
    pub fn copy(&mut self, to: usize, from: usize, len: usize) {
        let known: Vec<bool> = (from..from + len).map(|at| self.is_set(at)).collect();
        known.into_iter().enumerate().for_each(|(i, written)| self.put(to + i, written));
    }
}
