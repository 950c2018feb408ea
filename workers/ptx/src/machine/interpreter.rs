//! The interpreter: runs one thread after the other, operation by operation. This is the reference of the profile.

use std::ops::Range;

use super::checks::Together;
use super::host::{Host, resolve};
use super::observer::Observer;
use super::schedule::{Engine, Stopped};
use super::threads::{Shape, State, Threads};
use crate::collective::{Collective, LANES};
use crate::error::{FaultKind, Space, Touch};
use crate::ir::{End, NO_SLOT, Op, Place, Program, Transfer, What};

pub(crate) struct Interpreter<'a, O> {
    pub program: &'a Program,
    pub observer: O,
}

impl<O: Observer> Engine for Interpreter<'_, O> {
    fn resume(
        &mut self,
        host: &mut Host<'_>,
        threads: &mut Threads,
        range: Range<usize>,
        shape: &Shape,
    ) -> Result<(), Stopped> {
        for thread in range {
            let State::Ready(block) = threads.states[thread] else { continue };
            if block == self.program.entry {
                threads.enter(self.program, thread, shape);
                self.observer.enter(thread as u32);
            }
            let (frame, local) = threads.of(thread);
            let mut run = Run { thread: thread as u32, host, frame, local, observer: &mut self.observer };
            let state = run.run(self.program, block);
            threads.states[thread] = state.map_err(|(line, kind)| Stopped { thread: Some(thread), line, kind })?;
        }
        Ok(())
    }

    fn start(&mut self, block: u64) {
        self.observer.start(block);
    }

    fn met(&mut self, threads: &[usize], all: bool) {
        self.observer.met(threads, all);
    }

    fn read_shared(&mut self, thread: usize, line: u32, address: u64, len: u32) -> Result<(), FaultKind> {
        self.observer.access(thread as u32, line, Space::Shared, address, len, Touch::Read)
    }

    fn before_together(&mut self, at: &Together<'_>) -> Result<(), (u32, FaultKind)> {
        self.observer.before_together(at)
    }

    fn together(&mut self, what: &Collective, line: u32, threads: &mut Threads, first: usize, lanes: u32, all: bool) {
        if what.orders_memory() {
            self.observer.met_in_warp(first, lanes, all);
        }
        if O::TRACES {
            for lane in (0..LANES).filter(|lane| lanes >> lane & 1 != 0) {
                let thread = first + lane;
                self.observer.together(thread as u32, line, &what.slots().1, threads.frame(thread));
            }
        }
    }
}

/// One thread that runs.
struct Run<'a, 'b, O> {
    thread: u32,
    host: &'a mut Host<'b>,
    frame: &'a mut [u64],
    local: &'a mut [u8],
    observer: &'a mut O,
}

impl<O: Observer> Run<'_, '_, O> {
    #[inline(always)]
    fn get(&self, slot: u32) -> u64 {
        self.frame[slot as usize]
    }

    #[inline(always)]
    fn put(&mut self, slot: u32, value: u64) {
        self.frame[slot as usize] = value;
    }

    /// Runs from a block of code to where the thread leaves or waits.
    fn run(&mut self, program: &Program, mut at: u32) -> Result<State, (u32, FaultKind)> {
        loop {
            let block = &program.blocks[at as usize];
            self.host.meter.gas += u64::from(block.gas);
            self.host.meter.instructions += u64::from(block.instructions);
            for op in &program.ops[block.ops.start as usize..block.ops.end as usize] {
                if O::OBSERVES {
                    self.observer.before(self.thread, op, self.frame).map_err(|kind| (op.line, kind))?;
                }
                if let Some(guard) = op.guard
                    && (self.get(guard.slot) != 0) == guard.negated
                {
                    continue;
                }
                self.op(op).map_err(|kind| (op.line, kind))?;
                if O::TRACES {
                    self.observer.step(self.thread, op, self.frame);
                }
            }
            let line = block.line;
            if O::OBSERVES {
                self.observer.ending(self.thread, &block.end, line).map_err(|kind| (line, kind))?;
            }
            if block.end.goes_back(at) {
                self.host.meter.check().map_err(|kind| (line, kind))?;
            }
            at = match &block.end {
                End::Jump(next) => *next,
                End::Branch { guard, taken, next } => {
                    if (self.get(guard.slot) != 0) != guard.negated {
                        *taken
                    } else {
                        *next
                    }
                }
                End::Switch { index, targets } => {
                    let index = self.get(*index) as u32;
                    let target = targets.get(index as usize).copied();
                    let targets = targets.len() as u32;
                    target.ok_or((line, FaultKind::BranchIndex { index, targets }))?
                }
                End::Call { target, link, back } => {
                    self.put(*link, u64::from(*back));
                    *target
                }
                End::Return { link } => self.get(*link) as u32,
                End::Exit => return Ok(State::Exited),
                End::Barrier { .. } => return Ok(State::Barrier(at)),
                End::Collective { .. } => return Ok(State::Collective(at)),
                End::Trap => return Err((line, FaultKind::Trap)),
                End::Assert => return Err((line, FaultKind::Assertion)),
            };
        }
    }

    #[inline(always)]
    fn op(&mut self, op: &Op) -> Result<(), FaultKind> {
        // Most are of this kind: told apart by a branch, which is predicted more often than a jump through a table.
        if let What::Scalar { f, d, s, imm } = &op.what {
            f.act(self.frame, *d, s, *imm);
            return Ok(());
        }
        self.other(op)
    }

    #[inline(never)]
    fn other(&mut self, op: &Op) -> Result<(), FaultKind> {
        match &op.what {
            What::Scalar { .. } => {}
            What::Divide { remainder, signed, wide, d, a, b } => {
                let (a, b) = (self.get(*a), self.get(*b));
                let value = divide(*remainder, *signed, *wide, a, b).ok_or(FaultKind::DivisionByZero)?;
                self.put(*d, value);
            }
            What::Load(transfer) => self.load(transfer, op.line)?,
            What::Store(transfer) => self.store(transfer, op.line)?,
            What::Atomic(atomic) => {
                let address = self.address(&atomic.at);
                let operand = |slot: u32| if slot == NO_SLOT { 0 } else { self.get(slot) };
                let (b, c) = (operand(atomic.b), operand(atomic.c));
                self.observe(&atomic.at, address, if atomic.wide { 8 } else { 4 }, Touch::Atomic, op.line)?;
                let old = self.host.atomic(atomic, address, b, c)?;
                if atomic.d != NO_SLOT {
                    self.put(atomic.d, old);
                }
            }
            What::CopyLocal { to, from, len } => {
                let [to, from, len] = [*to, *from, *len].map(|n| n as usize);
                self.local.copy_within(from..from + len, to);
            }
            What::Copies(said) => self.observer.copies(self.thread, *said)?,
        }
        Ok(())
    }

    #[inline(always)]
    fn address(&self, place: &Place) -> u64 {
        place.address(self.get(place.base))
    }

    fn load(&mut self, transfer: &Transfer, line: u32) -> Result<(), FaultKind> {
        let address = self.address(&transfer.at);
        let mut values = [0; 4];
        self.host.load(transfer, address, self.local, &mut values)?;
        self.observe(&transfer.at, address, transfer.len(), Touch::Read, line)?;
        self.issue(transfer, address, Touch::Read, line);
        for (slot, value) in transfer.data.into_iter().zip(values).take(transfer.count.into()) {
            self.put(slot, value);
        }
        Ok(())
    }

    fn store(&mut self, transfer: &Transfer, line: u32) -> Result<(), FaultKind> {
        let address = self.address(&transfer.at);
        let mut values = [0; 4];
        for (slot, value) in transfer.data.into_iter().zip(&mut values).take(transfer.count.into()) {
            *value = self.get(slot);
        }
        self.observe(&transfer.at, address, transfer.len(), Touch::Write, line)?;
        self.issue(transfer, address, Touch::Write, line);
        self.host.store(transfer, address, values, self.local)
    }

    /// Tells the observer of one side of an asynchronous copy.
    #[inline(always)]
    fn issue(&mut self, transfer: &Transfer, address: u64, touch: Touch, line: u32) {
        if O::OBSERVES && transfer.later {
            let (space, address) = resolve(transfer.at.via, address);
            self.observer.issued(self.thread, line, space, address, transfer.len(), touch);
        }
    }

    /// Tells the observer of an access.
    #[inline(always)]
    fn observe(&mut self, place: &Place, address: u64, len: u32, touch: Touch, line: u32) -> Result<(), FaultKind> {
        if !O::OBSERVES {
            return Ok(());
        }
        let (space, address) = resolve(place.via, address);
        if space == Space::Param {
            return Ok(());
        }
        self.observer.access(self.thread, line, space, address, len, touch)
    }
}

/// A quotient or a remainder; `None` for a division by zero, whose result PTX leaves open.
pub(crate) fn divide(remainder: bool, signed: bool, wide: bool, a: u64, b: u64) -> Option<u64> {
    if b == 0 {
        return None;
    }
    Some(match (remainder, signed, wide) {
        (false, false, _) => a / b,
        (true, false, _) => a % b,
        (false, true, false) => u64::from((a as i32).wrapping_div(b as i32) as u32),
        (true, true, false) => u64::from((a as i32).wrapping_rem(b as i32) as u32),
        (false, true, true) => (a as i64).wrapping_div(b as i64) as u64,
        (true, true, true) => (a as i64).wrapping_rem(b as i64) as u64,
    })
}
