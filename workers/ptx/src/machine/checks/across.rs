//! Races between blocks of a launch in global memory, where nothing orders one block before another.
//!
//! Blocks run in parallel, so which of two accesses comes second depends on the host. *Whether* any two of them are in
//! conflict does not. As long as none are, each block reads only what it wrote itself and what was there before the launch,
//! so it does what it does when blocks run one after the other; and of two accesses in conflict the second one, whichever
//! it is, finds the mark of the first. When that happens the launch stops, memory is put back to what it was, and blocks
//! run one after the other: what is reported is what this run finds, whatever it is. (Values that atomics return are the
//! exception, which is why the profile refuses to use them.)

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::marks::{self, Cells, Mark};
use super::within::PAGE;
use crate::address::OFFSET_BITS;
use crate::error::Touch;
use crate::memory::{Access, Memory};

struct Page {
    cells: Cells,
    /// The bytes before the launch, unless blocks run one after the other.
    bytes: Vec<u8>,
}

/// Marks for the pages of one buffer that may be written.
type Pages = Box<[OnceLock<Box<Mutex<Page>>>]>;

/// What all blocks of a launch touch.
pub(crate) struct Across<'a> {
    memory: &'a Memory,
    buffers: Vec<OnceLock<Pages>>,
    /// Whether blocks run one after the other.
    alone: bool,
    found: AtomicBool,
}

/// A page that can be read and written: its buffer, where it starts there, its bytes.
pub(super) struct Place {
    pub buffer: usize,
    pub page: usize,
    pub len: usize,
}

impl<'a> Across<'a> {
    pub fn new(memory: &'a Memory, alone: bool) -> Self {
        let buffers = (0..memory.count()).map(|_| OnceLock::new()).collect();
        Self { memory, buffers, alone, found: AtomicBool::new(false) }
    }

    /// Whether blocks were found in conflict.
    pub fn found(&self) -> bool {
        self.found.load(Relaxed)
    }

    /// Where an access goes, if writes can go there too and the memory will allow it.
    pub(super) fn place(&self, address: u64, len: u32) -> Option<Place> {
        let buffer = self.memory.buffer(address >> OFFSET_BITS).filter(|buffer| buffer.access == Access::ReadWrite)?;
        let (offset, all) = (address & ((1 << OFFSET_BITS) - 1), buffer.cells.len() as u64);
        let start = offset >> PAGE << PAGE;
        (offset.is_multiple_of(len.into()) && offset + u64::from(len) <= all).then(|| Place {
            buffer: (address >> OFFSET_BITS) as usize,
            page: (offset >> PAGE) as usize,
            len: (all - start).min(1 << PAGE) as usize,
        })
    }

    /// Adds an access of a block before it takes place. Returns one of another block with which it races, and where.
    pub(super) fn touch(
        &self,
        place: &Place,
        new: Mark,
        address: u64,
        len: u32,
        touch: Touch,
    ) -> Result<(), (Mark, u64)> {
        let buffer = self.memory.buffer(place.buffer as u64);
        let pages = self.buffers[place.buffer].get_or_init(|| {
            let count = buffer.map_or(0, |buffer| buffer.cells.len()).div_ceil(1 << PAGE);
            (0..count).map(|_| OnceLock::new()).collect()
        });
        let page = pages[place.page].get_or_init(|| {
            let mut bytes = vec![0; if self.alone { 0 } else { place.len }];
            buffer.and_then(|buffer| buffer.cells.read(place.page << PAGE, &mut bytes));
            Box::new(Mutex::new(Page { cells: Cells::new(1 << PAGE), bytes }))
        });
        let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
        let start = address >> PAGE << PAGE;
        for (at, cell) in page.cells.of((address - start) as usize, len as usize) {
            if let Err(mark) = marks::add(cell, new, touch, Mark::group) {
                self.found.store(true, Relaxed);
                return Err((mark, address.max(start + at as u64)));
            }
        }
        Ok(())
    }

    /// Puts memory back to what it was before the launch.
    pub fn restore(self) {
        for (number, pages) in self.buffers.into_iter().enumerate() {
            let Some(buffer) = self.memory.buffer(number as u64) else { continue };
            for (at, page) in pages.into_inner().unwrap_or_default().into_iter().enumerate() {
                if let Some(page) = page.into_inner() {
                    let page = page.into_inner().unwrap_or_else(PoisonError::into_inner);
                    // It fits: the bytes were read from there.
                    let _ = buffer.cells.write(at << PAGE, &page.bytes);
                }
            }
        }
    }
}
