//! What may watch the interpreter: checks of memory, traces.

use super::checks::Together;
use crate::error::{FaultKind, Space, Touch};
use crate::ir::{Copies, End, Op, Slot};

/// Watches the threads of one block of the grid after the other.
pub(crate) trait Observer {
    /// Whether it wants to know of accesses, and of operations before they take place.
    const OBSERVES: bool;
    /// Whether it wants to know of every operation that took place.
    const TRACES: bool = false;

    /// A block of the grid starts.
    fn start(&mut self, _block: u64) {}

    /// A thread of the block starts.
    fn enter(&mut self, _thread: u32) {}

    /// A thread is about to look at an operation and its guard, with these values in its slots.
    fn before(&mut self, _thread: u32, _op: &Op, _slots: &[u64]) -> Result<(), FaultKind> {
        Ok(())
    }

    /// A thread is about to end a block of code.
    fn ending(&mut self, _thread: u32, _end: &End, _line: u32) -> Result<(), FaultKind> {
        Ok(())
    }

    /// Lanes of a warp are about to execute an instruction together. An error names the lane.
    fn before_together(&mut self, _at: &Together<'_>) -> Result<(), (u32, FaultKind)> {
        Ok(())
    }

    /// A thread touches memory: has read it, or is about to change it. A change may still turn out to be impossible, which
    /// ends the launch. Local addresses are the thread's own.
    fn access(
        &mut self,
        _thread: u32,
        _line: u32,
        _space: Space,
        _address: u64,
        _len: u32,
        _touch: Touch,
    ) -> Result<(), FaultKind> {
        Ok(())
    }

    /// The access before was one side of an asynchronous copy.
    fn issued(&mut self, _thread: u32, _line: u32, _space: Space, _address: u64, _len: u32, _touch: Touch) {}

    /// A thread speaks of its asynchronous copies.
    fn copies(&mut self, _thread: u32, _said: Copies) -> Result<(), FaultKind> {
        Ok(())
    }

    /// These threads met at a barrier: what any of them did before, all of them see now. `all`: no other is left.
    fn met(&mut self, _threads: &[usize], _all: bool) {}

    /// The same for lanes of the warp that starts with thread `first`.
    fn met_in_warp(&mut self, _first: usize, _lanes: u32, _all: bool) {}

    /// A thread executed an operation; its slots hold the results.
    fn step(&mut self, _thread: u32, _op: &Op, _slots: &[u64]) {}

    /// A thread took part in an instruction of its warp, which wrote these slots.
    fn together(&mut self, _thread: u32, _line: u32, _results: &[Slot], _slots: &[u64]) {}
}

/// Watches nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    const OBSERVES: bool = false;
}
