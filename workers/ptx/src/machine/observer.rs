//! What may watch the interpreter: checks of memory, traces.

use crate::error::{FaultKind, Space};
use crate::ir::Op;

/// How memory is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Read,
    Write,
    Atomic,
}

/// Watches the threads of one block of the grid after the other.
pub(crate) trait Observer {
    /// Whether it wants to know of accesses.
    const OBSERVES: bool;
    /// Whether it wants to know of every operation.
    const TRACES: bool = false;

    /// A block of the grid starts.
    fn start(&mut self, _block: u64) {}

    /// A thread touches memory that exists. Local addresses are the thread's own.
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

    /// These threads met at a barrier: what any of them did before, all of them see now.
    fn met(&mut self, _threads: &[usize]) {}

    /// The same for lanes of the warp that starts with thread `first`, at a warp instruction.
    fn met_in_warp(&mut self, _first: usize, _lanes: u32) {}

    /// A thread executed an operation; its slots hold the results.
    fn step(&mut self, _thread: u32, _op: &Op, _slots: &[u64]) {}
}

/// Watches nothing.
pub(crate) struct Nobody;

impl Observer for Nobody {
    const OBSERVES: bool = false;
}
