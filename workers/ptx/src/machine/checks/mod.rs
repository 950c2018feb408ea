//! Checks of what only a run can show: races, and reads of memory that was never written.

mod across;
mod marks;
mod order;
mod within;
mod written;

pub(crate) use across::Across;

use super::launch::Launch;
use super::observer::Observer;
use super::threads::Shape;
use crate::error::{FaultKind, Race, Space, Touch, Toucher};
use crate::ir::Program;
use crate::memory::SHARED_WINDOW;
use marks::{GROUP_BITS, Mark};
use within::{Before, Within};
use written::Bytes;

/// Most blocks of a launch whose races can be told.
pub(super) const MAX_BLOCKS: u64 = 1 << GROUP_BITS;

/// What the interpreter looks for beside the faults that it always finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Accesses to the same bytes of shared or global memory, at least one of which writes, by threads that nothing
    /// orders. Whether a launch races does not depend on the host; two atomics do not race with each other.
    pub races: bool,
    /// Reads of bytes of shared or local memory that nobody wrote since the block or the thread started.
    pub unwritten: bool,
}

impl Checks {
    /// All checks.
    pub const ALL: Self = Self { races: true, unwritten: true };
    /// None of them.
    pub const NONE: Self = Self { races: false, unwritten: false };

    pub(super) fn any(self) -> bool {
        self.races || self.unwritten
    }
}

/// Watches one block after the other.
pub(super) struct Checker<'a> {
    shape: &'a Launch<'a>,
    block: u64,
    within: Option<Within>,
    across: Option<&'a Across<'a>>,
    /// Written bytes of shared memory, and of the local memory of each thread.
    written: Option<(Bytes, Vec<Bytes>)>,
}

impl<'a> Checker<'a> {
    pub fn new(checks: Checks, program: &Program, launch: &'a Launch<'a>, across: &'a Across<'a>) -> Self {
        let (threads, shared_len) = (launch.threads(), program.shared_len + launch.shared_len as usize);
        Self {
            shape: launch,
            block: 0,
            within: checks.races.then(|| Within::new(program, threads)),
            across: checks.races.then_some(across),
            written: checks.unwritten.then(|| {
                let local = (0..threads).map(|_| Bytes::new(program.local_len)).collect();
                (Bytes::new(shared_len), local)
            }),
        }
    }

    fn race(&self, space: Space, address: u64, first: (u64, u32, u32, Touch), second: (u32, u32, Touch)) -> FaultKind {
        let toucher = |block: u64, thread: u32, line, touch| {
            let shape = Shape { grid: self.shape.grid, threads: self.shape.block, block: [0; 3] };
            Toucher { block: self.shape.coordinates(block), thread: shape.thread(thread as usize), line, touch }
        };
        FaultKind::Race(Box::new(Race {
            space,
            address,
            first: toucher(first.0, first.1, first.2, first.3),
            second: toucher(self.block, second.0, second.1, second.2),
        }))
    }

    /// An access to shared or global memory.
    fn races(
        &mut self,
        thread: u32,
        line: u32,
        space: Space,
        address: u64,
        len: u32,
        touch: Touch,
    ) -> Result<(), FaultKind> {
        let (Some(within), Some(across)) = (&mut self.within, self.across) else { return Ok(()) };
        let mut place = None;
        let mut at = address;
        match space {
            Space::Shared => at |= SHARED_WINDOW,
            _ => {
                // Another block's race ends the launch for this one too.
                if across.found() {
                    return Err(FaultKind::Cancelled);
                }
                place = across.place(address, len);
                if place.is_none() {
                    return Ok(());
                }
            }
        }
        if self.shape.threads() > 1
            && let Err(Before { thread: other, line: other_line, touch: other_touch, address }) =
                within.touch(thread, line, at, len, touch)
        {
            let address = if space == Space::Shared { address & !SHARED_WINDOW } else { address };
            let first = (self.block, other, other_line, other_touch);
            return Err(self.race(space, address, first, (thread, line, touch)));
        }
        if let Some(place) = place.filter(|_| self.shape.blocks() > 1) {
            let mark = Mark::new(self.block as u32, thread, line, touch);
            if let Err((before, address)) = across.touch(&place, mark, address, len, touch) {
                let first =
                    (before.group().into(), before.thread(), before.line(), before.touch().unwrap_or(Touch::Write));
                return Err(self.race(space, address, first, (thread, line, touch)));
            }
        }
        Ok(())
    }
}

impl Observer for Checker<'_> {
    const OBSERVES: bool = true;

    fn start(&mut self, block: u64) {
        self.block = block;
        if let Some(within) = &mut self.within {
            within.start();
        }
        if let Some((shared, local)) = &mut self.written {
            shared.clear();
            local.iter_mut().for_each(Bytes::clear);
        }
    }

    fn access(
        &mut self,
        thread: u32,
        line: u32,
        space: Space,
        address: u64,
        len: u32,
        touch: Touch,
    ) -> Result<(), FaultKind> {
        if matches!(space, Space::Shared | Space::Local)
            && let Some((shared, local)) = &mut self.written
        {
            let bytes = if space == Space::Shared { shared } else { &mut local[thread as usize] };
            let at = usize::try_from(address).unwrap_or(usize::MAX);
            // The memory itself finds what is outside.
            if !bytes.has(at, len as usize) {
                return Ok(());
            }
            if touch != Touch::Write
                && let Some(at) = bytes.missing(at, len as usize)
            {
                return Err(FaultKind::UnwrittenMemory { space, address: at as u64 });
            }
            bytes.write(at, len as usize);
        }
        match space {
            Space::Shared | Space::Global => self.races(thread, line, space, address, len, touch),
            Space::Local | Space::Param => Ok(()),
        }
    }

    fn copied(&mut self, thread: u32, to: u64, from: u64, len: u32) {
        if let Some((_, local)) = &mut self.written {
            local[thread as usize].copy(to as usize, from as usize, len as usize);
        }
    }

    fn met(&mut self, threads: &[usize], all: bool) {
        match &mut self.within {
            Some(within) if all => within.meet_all(),
            Some(within) => within.meet(threads),
            None => {}
        }
    }

    fn met_in_warp(&mut self, first: usize, lanes: u32, all: bool) {
        if let Some(within) = &mut self.within {
            within.meet_in_warp(first, lanes, all);
        }
    }
}
