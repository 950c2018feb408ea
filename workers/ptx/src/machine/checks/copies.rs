//! Asynchronous copies (`cp.async`): they take place at some time until the thread that issued them waits. Until then their
//! destination must not be touched and their source must not be changed, by any thread.

use super::written::Bytes;
use crate::error::{Space, Touch};
use crate::ir::Copies;

/// One side of a copy: the read of its source, or the write of its destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub line: u32,
    pub space: Space,
    pub address: u64,
    pub len: u32,
    pub touch: Touch,
    /// Groups that the thread had closed before.
    group: u32,
}

/// The copies of a block that nobody waited for yet.
pub(super) struct Unfinished {
    /// By thread: how many groups it has closed, and what is on its way.
    threads: Vec<(u32, Vec<Side>)>,
    /// Sides in all of them.
    count: usize,
    /// Bytes of shared memory that copies write.
    shared: Bytes,
}

impl Unfinished {
    pub fn new(threads: usize, shared_len: usize) -> Self {
        Self { threads: vec![(0, Vec::new()); threads], count: 0, shared: Bytes::new(shared_len) }
    }

    /// A block of the grid starts.
    pub fn start(&mut self) {
        self.threads.iter_mut().for_each(|(closed, sides)| {
            *closed = 0;
            sides.clear();
        });
        self.count = 0;
        self.shared.clear();
    }

    /// A thread issues one side of a copy.
    pub fn issue(&mut self, thread: u32, line: u32, space: Space, address: u64, len: u32, touch: Touch) {
        let (closed, sides) = &mut self.threads[thread as usize];
        sides.push(Side { line, space, address, len, touch, group: *closed });
        self.count += 1;
        if space == Space::Shared && self.shared.has(address as usize, len as usize) {
            self.shared.set(address as usize, len as usize, true);
        }
    }

    /// A side of a copy that an access disturbs, and its thread.
    #[inline]
    pub fn disturbed(&self, space: Space, address: u64, len: u32, touch: Touch) -> Option<(u32, Side)> {
        // Sources may be read.
        let harmless = space == Space::Global && touch == Touch::Read;
        if self.count == 0 || harmless {
            return None;
        }
        if space == Space::Shared && !self.shared.any(address as usize, len as usize) {
            return None;
        }
        self.find(space, address, len)
    }

    #[cold]
    fn find(&self, space: Space, address: u64, len: u32) -> Option<(u32, Side)> {
        let meets = |side: &&Side| {
            side.space == space
                && side.address < address.saturating_add(len.into())
                && address < side.address.saturating_add(side.len.into())
        };
        let mut threads = self.threads.iter().enumerate();
        threads.find_map(|(thread, (_, sides))| Some((thread as u32, *sides.iter().find(meets)?)))
    }

    /// A thread closes a group or waits; returns the sides that are done then.
    pub fn hear(&mut self, thread: u32, copies: Copies) -> Vec<Side> {
        let (closed, sides) = &mut self.threads[thread as usize];
        let groups = match copies {
            Copies::Commit => {
                *closed += 1;
                return Vec::new();
            }
            Copies::Wait(groups) => groups,
        };
        let end = closed.saturating_sub(groups);
        let done: Vec<Side> = sides.extract_if(.., |side| side.group < end).collect();
        self.count -= done.len();
        for side in done.iter().filter(|side| side.space == Space::Shared) {
            self.shared.set(side.address as usize, side.len as usize, false);
        }
        done
    }
}
