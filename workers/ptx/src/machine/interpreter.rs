//! The interpreter: runs one thread after the other, operation by operation, as `tessera-ptx-core` says. This is the
//! reference of the profile.

use std::ops::Range;

use tessera_ptx_core::{Next, Reach};

use super::checks::Together;
use super::host::{Host, Own};
use super::observer::Observer;
use super::schedule::{Engine, Stopped};
use super::threads::{Shape, State, Threads};
use crate::collective::{Collective, LANES};
use crate::error::{FaultKind, Space, Touch};
use crate::ir::{Copies, Program};

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
            let own = Own { host, local };
            let mut watched = Watched { own, observer: &mut self.observer, thread: thread as u32, line: 0 };
            let state = watched.run(self.program, frame, block);
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

/// What a thread that runs reaches, and who watches.
struct Watched<'a, 'b, O> {
    own: Own<'a, 'b>,
    observer: &'a mut O,
    thread: u32,
    /// Line of the operation at work, where it is observed.
    line: u32,
}

impl<O: Observer> Watched<'_, '_, O> {
    /// Runs from a block of code to where the thread leaves or waits.
    fn run(&mut self, program: &Program, frame: &mut [u64], mut at: u32) -> Result<State, (u32, FaultKind)> {
        loop {
            let block = &program.blocks[at as usize];
            self.own.host.meter.gas += u64::from(block.gas);
            self.own.host.meter.instructions += u64::from(block.instructions);
            for op in &program.ops[block.ops.start as usize..block.ops.end as usize] {
                if O::OBSERVES {
                    self.line = op.line;
                    self.observer.before(self.thread, op, frame).map_err(|kind| (op.line, kind))?;
                }
                if !op.acts(frame) {
                    continue;
                }
                op.act(frame, self).map_err(|kind| (op.line, kind))?;
                if O::TRACES {
                    self.observer.step(self.thread, op, frame);
                }
            }
            let line = block.line;
            if O::OBSERVES {
                self.observer.ending(self.thread, &block.end, line).map_err(|kind| (line, kind))?;
            }
            if block.end.goes_back(at) {
                self.own.host.meter.check().map_err(|kind| (line, kind))?;
            }
            at = match block.end.follow(frame).map_err(|kind| (line, kind))? {
                Next::Block(next) => next,
                Next::Exited => return Ok(State::Exited),
                Next::Barrier => return Ok(State::Barrier(at)),
                Next::Collective => return Ok(State::Collective(at)),
            };
        }
    }
}

impl<O: Observer> Reach for Watched<'_, '_, O> {
    #[inline(always)]
    fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind> {
        self.own.get(space, address, len)
    }

    #[inline(always)]
    fn put(&mut self, space: Space, address: u64, len: u32, value: u64) -> Result<(), FaultKind> {
        self.own.put(space, address, len, value)
    }

    #[inline(always)]
    fn update(
        &mut self,
        space: Space,
        address: u64,
        len: u32,
        change: impl FnMut(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        self.own.update(space, address, len, change)
    }

    fn copy_local(&mut self, to: u32, from: u32, len: u32) {
        self.own.copy_local(to, from, len);
    }

    #[inline(always)]
    fn touch(&mut self, space: Space, address: u64, len: u32, touch: Touch, later: bool) -> Result<(), FaultKind> {
        if !O::OBSERVES {
            return Ok(());
        }
        if space != Space::Param {
            self.observer.access(self.thread, self.line, space, address, len, touch)?;
        }
        if later {
            self.observer.issued(self.thread, self.line, space, address, len, touch);
        }
        Ok(())
    }

    fn copies(&mut self, said: Copies) -> Result<(), FaultKind> {
        self.observer.copies(self.thread, said)
    }
}
