//! Races between threads of one block.

use std::collections::HashMap;

use super::marks::{self, Cells, GROUP_BITS, Mark, conflict};
use super::order::Order;
use crate::error::Touch;
use crate::ir::{End, NO_SLOT, Program};

/// Bytes of a page as a power of two.
pub(super) const PAGE: u32 = 12;
/// Pages that are kept from one block to the next.
const MAX_PAGES: usize = 1024;

/// An access that took place before, and where.
pub(super) struct Before {
    pub thread: u32,
    pub line: u32,
    pub touch: Touch,
    pub address: u64,
}

/// Watches the accesses of one block after the other.
///
/// Where threads only ever meet all at once, accesses since the last such meeting are unordered and all others are
/// ordered: two marks for each word tell all ([`marks::Cell`]). Kernels in which some threads meet without the others need
/// every access that may still race.
pub(super) struct Within {
    order: Order,
    /// Whether some threads may meet without the others.
    partial: bool,
    /// Number of the last meeting of all.
    epoch: u32,
    pages: HashMap<u64, Cells>,
    words: HashMap<u64, Word>,
}

impl Within {
    pub fn new(program: &Program, threads: usize) -> Self {
        let partial = program.blocks.iter().any(|block| match &block.end {
            End::Barrier { count, .. } => *count != NO_SLOT,
            End::Collective { what, .. } => what.orders_memory(),
            _ => false,
        });
        Self { order: Order::new(threads), partial, epoch: 0, pages: HashMap::new(), words: HashMap::new() }
    }

    /// A block starts.
    pub fn start(&mut self) {
        if self.pages.len() > MAX_PAGES {
            self.pages.clear();
        }
        self.words.clear();
        self.meet_all();
    }

    pub fn meet_all(&mut self) {
        self.order.meet_all();
        self.epoch += 1;
        if self.epoch >> GROUP_BITS != 0 {
            self.pages.values_mut().for_each(Cells::clear);
            self.epoch = 1;
        }
    }

    pub fn meet(&mut self, threads: &[usize]) {
        self.order.meet(threads);
    }

    pub fn meet_in_warp(&mut self, first: usize, lanes: u32, all: bool) {
        self.order.meet_in_warp(first, lanes, all);
    }

    /// An access to bytes of one page; addresses of different spaces differ.
    pub fn touch(&mut self, thread: u32, line: u32, address: u64, len: u32, touch: Touch) -> Result<(), Before> {
        if self.partial {
            return self.touch_words(thread, line, address, len, touch);
        }
        let (page, epoch) = (address >> PAGE, self.epoch);
        let cells = self.pages.entry(page).or_insert_with(|| Cells::new(1 << PAGE));
        let new = Mark::new(epoch, thread, line, touch);
        for (at, cell) in cells.of((address & ((1 << PAGE) - 1)) as usize, len as usize) {
            if cell[0].group() != epoch {
                *cell = marks::Cell::default();
            }
            marks::add(cell, new, touch, Mark::thread).map_err(|mark| Before {
                thread: mark.thread(),
                line: mark.line(),
                touch: mark.touch().unwrap_or(touch),
                address: address.max(page << PAGE | at as u64),
            })?;
        }
        Ok(())
    }

    fn touch_words(&mut self, thread: u32, line: u32, address: u64, len: u32, touch: Touch) -> Result<(), Before> {
        let end = address + u64::from(len);
        for word in address >> 2..end.div_ceil(4) {
            let bytes = (0..4).filter(|byte| (address..end).contains(&(word << 2 | byte)));
            let mask = bytes.fold(0, |mask, byte| mask | 1u8 << byte);
            let event = Event { time: self.order.now(thread as usize), thread: thread as u16, mask, touch, line };
            let found = self.words.entry(word).or_default().add(event, &self.order);
            found.map_err(|before| Before {
                thread: before.thread.into(),
                line: before.line,
                touch: before.touch,
                address: word << 2 | u64::from((before.mask & mask).trailing_zeros()),
            })?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Event {
    time: u64,
    thread: u16,
    /// Bytes of the word.
    mask: u8,
    touch: Touch,
    line: u32,
}

/// Accesses of a word that may still race.
#[derive(Default)]
struct Word {
    changes: Vec<Event>,
    reads: Vec<Event>,
}

impl Word {
    fn add(&mut self, new: Event, order: &Order) -> Result<(), Event> {
        let races = |old: &&Event| {
            old.mask & new.mask != 0
                && conflict(old.touch, new.touch)
                && !order.ordered(new.thread.into(), old.thread.into(), old.time)
        };
        let reads = if new.touch == Touch::Read { &[][..] } else { &self.reads };
        if let Some(old) = self.changes.iter().chain(reads).find(races) {
            return Err(*old);
        }
        // What the whole block has seen can race no more.
        self.changes.retain(|old| old.time >= order.base());
        let list = if new.touch == Touch::Read {
            &mut self.reads
        } else {
            self.reads.retain(|old| old.time >= order.base());
            &mut self.changes
        };
        let same = |old: &Event| (old.thread, old.mask, old.touch) == (new.thread, new.mask, new.touch);
        // A thread's last access stands for those before it. Long lists are searched only now and then.
        match list.iter_mut().rev().take(8).find(|old| same(old)) {
            Some(old) => *old = new,
            None => {
                if list.len() >= 4096 && list.len().is_power_of_two() {
                    list.retain(|old| old.time >= order.base() && !same(old));
                }
                list.push(new);
            }
        }
        Ok(())
    }
}
