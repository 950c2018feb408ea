//! What may watch the interpreter: checks of memory, traces.

use crate::error::{FaultKind, Space, Touch};
use crate::ir::{Op, Slot};

/// Watches the threads of one block of the grid after the other.
pub(crate) trait Observer {
    /// Whether it wants to know of accesses.
    const OBSERVES: bool;
    /// Whether it wants to know of every operation.
    const TRACES: bool = false;

    /// A block of the grid starts.
    fn start(&mut self, _block: u64) {}

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

    /// A thread copied bytes of its local memory.
    fn copied(&mut self, _thread: u32, _to: u64, _from: u64, _len: u32) {}

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
