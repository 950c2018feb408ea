//! Bytes that several threads may access at the same time, with elements of 1, 2, 4 and 8 bytes.
//!
//! All accesses are relaxed atomics: on the machines we know they are plain loads and stores, and a kernel that races
//! gives some order of its accesses instead of undefined behaviour.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// An element of memory.
pub(crate) trait Cell: Copy + PartialEq {
    /// # Safety
    /// `at` must be aligned for `Self` and valid for reads and writes of `Self` that others access atomically.
    unsafe fn load(at: *mut u8) -> Self;
    /// # Safety
    /// As for [`Cell::load`].
    unsafe fn store(at: *mut u8, value: Self);
    /// # Safety
    /// As for [`Cell::load`].
    unsafe fn update(at: *mut u8, change: impl FnMut(Self) -> Self) -> Self;
}

macro_rules! cell {
    ($($int:ty: $atomic:ty),*) => { $(
        impl Cell for $int {
            #[inline(always)]
            unsafe fn load(at: *mut u8) -> Self {
                // SAFETY: the caller passes an aligned pointer to memory that is only accessed atomically.
                unsafe { <$atomic>::from_ptr(at.cast()) }.load(Relaxed)
            }
            #[inline(always)]
            unsafe fn store(at: *mut u8, value: Self) {
                // SAFETY: as in `load`.
                unsafe { <$atomic>::from_ptr(at.cast()) }.store(value, Relaxed);
            }
            unsafe fn update(at: *mut u8, mut change: impl FnMut(Self) -> Self) -> Self {
                // SAFETY: as in `load`.
                let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                let mut old = cell.load(Relaxed);
                loop {
                    match cell.compare_exchange_weak(old, change(old), Relaxed, Relaxed) {
                        Ok(old) => return old,
                        Err(found) => old = found,
                    }
                }
            }
        }
    )* };
}

cell!(u8: AtomicU8, u16: AtomicU16, u32: AtomicU32, u64: AtomicU64);

#[derive(Debug)]
pub(crate) struct Cells {
    /// At least `len` bytes.
    words: Box<[AtomicU64]>,
    len: usize,
}

impl Cells {
    pub fn new(len: usize) -> Self {
        Self { words: (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect(), len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// A pointer to an element, if it lies inside and is aligned.
    #[inline(always)]
    fn at<T: Cell>(&self, offset: usize) -> Option<*mut u8> {
        let inside = offset <= self.len && self.len - offset >= size_of::<T>() && offset.is_multiple_of(size_of::<T>());
        // The words are atomics, so writing through a shared reference to them is allowed.
        inside.then(|| self.words.as_ptr().cast_mut().cast::<u8>().wrapping_add(offset))
    }

    /// Where they lie, and how many there are.
    #[cfg(jit)]
    pub fn span(&self) -> (*mut u8, usize) {
        // The words are atomics, so writing through a shared reference to them is allowed.
        (self.words.as_ptr().cast_mut().cast(), self.len)
    }

    #[inline(always)]
    pub fn load<T: Cell>(&self, offset: usize) -> Option<T> {
        // SAFETY: `at` gives aligned pointers inside `words`, which are only accessed atomically.
        self.at::<T>(offset).map(|at| unsafe { T::load(at) })
    }

    #[inline(always)]
    pub fn store<T: Cell>(&self, offset: usize, value: T) -> Option<()> {
        // SAFETY: as in `load`.
        self.at::<T>(offset).map(|at| unsafe { T::store(at, value) })
    }

    #[inline]
    pub fn update<T: Cell>(&self, offset: usize, change: impl FnMut(T) -> T) -> Option<T> {
        // SAFETY: as in `load`.
        self.at::<T>(offset).map(|at| unsafe { T::update(at, change) })
    }

    fn inside(&self, offset: usize, len: usize) -> Option<()> {
        (offset <= self.len && self.len - offset >= len).then_some(())
    }

    pub fn read(&self, mut offset: usize, mut bytes: &mut [u8]) -> Option<()> {
        self.inside(offset, bytes.len())?;
        while !bytes.is_empty() {
            if offset.is_multiple_of(8) && bytes.len() >= 8 {
                let (words, rest) = bytes.split_at_mut(bytes.len() & !7);
                for (chunk, word) in words.chunks_exact_mut(8).zip(&self.words[offset / 8..]) {
                    chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes());
                }
                offset += words.len();
                bytes = rest;
            } else {
                bytes[0] = self.load(offset)?;
                offset += 1;
                bytes = &mut bytes[1..];
            }
        }
        Some(())
    }

    pub fn write(&self, mut offset: usize, mut bytes: &[u8]) -> Option<()> {
        self.inside(offset, bytes.len())?;
        while !bytes.is_empty() {
            if offset.is_multiple_of(8) && bytes.len() >= 8 {
                let (words, rest) = bytes.split_at(bytes.len() & !7);
                for (chunk, word) in words.as_chunks::<8>().0.iter().zip(&self.words[offset / 8..]) {
                    word.store(u64::from_le_bytes(*chunk), Relaxed);
                }
                offset += words.len();
                bytes = rest;
            } else {
                self.store(offset, bytes[0])?;
                offset += 1;
                bytes = &bytes[1..];
            }
        }
        Some(())
    }

    pub fn fill(&self, offset: usize, len: usize, value: u8) -> Option<()> {
        self.inside(offset, len)?;
        let (start, end) = (offset.next_multiple_of(8).min(offset + len), (offset + len) & !7);
        for at in (offset..start).chain(end.max(start)..offset + len) {
            self.store(at, value)?;
        }
        if end > start {
            let word = u64::from_le_bytes([value; 8]);
            self.words[start / 8..end / 8].iter().for_each(|cell| cell.store(word, Relaxed));
        }
        Some(())
    }
}
