//! Checks of what only a run can show: races, and what nobody wrote where it decides something.

mod across;
mod bits;
mod copies;
mod lanes;
mod marks;
mod order;
mod origin;
mod registers;
mod within;
mod written;

pub(crate) use across::Across;

use super::launch::Launch;
use super::observer::Observer;
use super::threads::Shape;
use crate::address::SHARED_WINDOW;
use crate::error::{FaultKind, Race, Space, Touch, Toucher};
use crate::ir::{Copies, End, Op, Program};
use copies::Unfinished;
pub(crate) use lanes::Together;
use marks::{GROUP_BITS, Mark};
use registers::Registers;
use within::{Before, Within};

/// Most blocks of a launch whose races can be told.
pub(super) const MAX_BLOCKS: u64 = 1 << GROUP_BITS;

/// What the interpreter looks for beside the faults that it always finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Accesses to the same bytes of shared or global memory, at least one of which writes, by threads that nothing
    /// orders, and asynchronous copies that are not waited for. Whether a launch races does not depend on the host; two
    /// atomics do not race with each other.
    pub races: bool,
    /// Values that nobody wrote since the thread or the block started, in registers, shared or local memory, where they
    /// decide something: an address, a branch, what a buffer holds. They may be copied and computed with.
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
    copies: Option<Unfinished>,
    registers: Option<Registers<'a>>,
}

impl<'a> Checker<'a> {
    pub fn new(checks: Checks, program: &'a Program, launch: &'a Launch<'a>, across: &'a Across<'a>) -> Self {
        let (threads, shared_len) = (launch.threads(), program.shared_len + launch.shared_len as usize);
        Self {
            shape: launch,
            block: 0,
            within: checks.races.then(|| Within::new(program, threads)),
            across: checks.races.then_some(across),
            copies: (checks.races && program.copies()).then(|| Unfinished::new(threads, shared_len)),
            registers: checks.unwritten.then(|| Registers::new(program, threads, shared_len)),
        }
    }

    fn race(&self, space: Space, address: u64, first: (u64, u32, u32, Touch), second: (u32, u32, Touch)) -> Box<Race> {
        let toucher = |block: u64, thread: u32, line, touch| {
            let shape = Shape { grid: self.shape.grid, threads: self.shape.block, block: [0; 3] };
            Toucher { block: self.shape.coordinates(block), thread: shape.thread(thread as usize), line, touch }
        };
        Box::new(Race {
            space,
            address,
            first: toucher(first.0, first.1, first.2, first.3),
            second: toucher(self.block, second.0, second.1, second.2),
        })
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
            return Err(FaultKind::Race(self.race(space, address, first, (thread, line, touch))));
        }
        if let Some(place) = place.filter(|_| self.shape.blocks() > 1) {
            let mark = Mark::new(self.block as u32, thread, line, touch);
            if let Err((before, address)) = across.touch(&place, mark, address, len, touch) {
                let first =
                    (before.group().into(), before.thread(), before.line(), before.touch().unwrap_or(Touch::Write));
                return Err(FaultKind::Race(self.race(space, address, first, (thread, line, touch))));
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
        if let Some(copies) = &mut self.copies {
            copies.start();
        }
        if let Some(registers) = &mut self.registers {
            registers.start();
        }
    }

    fn enter(&mut self, thread: u32) {
        if let Some(registers) = &mut self.registers {
            registers.enter(thread);
        }
    }

    fn before(&mut self, thread: u32, op: &Op, slots: &[u64]) -> Result<(), FaultKind> {
        self.registers.as_mut().map_or(Ok(()), |registers| registers.before(thread, op, slots))
    }

    fn ending(&mut self, thread: u32, end: &End, line: u32) -> Result<(), FaultKind> {
        self.registers.as_mut().map_or(Ok(()), |registers| registers.ending(thread, end, line))
    }

    fn before_together(&mut self, at: &Together<'_>) -> Result<(), (u32, FaultKind)> {
        self.registers.as_mut().map_or(Ok(()), |registers| registers.together(at))
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
        if matches!(space, Space::Local | Space::Param) {
            return Ok(());
        }
        let copies = self.copies.as_ref();
        if let Some((other, side)) = copies.and_then(|copies| copies.disturbed(space, address, len, touch)) {
            let first = (self.block, other, side.line, side.touch);
            let race = self.race(space, address.max(side.address), first, (thread, line, touch));
            return Err(FaultKind::UnfinishedCopy(race));
        }
        self.races(thread, line, space, address, len, touch)
    }

    fn issued(&mut self, thread: u32, line: u32, space: Space, address: u64, len: u32, touch: Touch) {
        if let Some(copies) = &mut self.copies {
            copies.issue(thread, line, space, address, len, touch);
        }
    }

    fn copies(&mut self, thread: u32, said: Copies) -> Result<(), FaultKind> {
        // A copy touches memory when it is issued, or as late as here.
        for side in self.copies.as_mut().map(|copies| copies.hear(thread, said)).unwrap_or_default() {
            self.races(thread, side.line, side.space, side.address, side.len, side.touch)?;
        }
        Ok(())
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
