//! Blocks of code, how they end, and whole kernels.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Class, Guard, Op, Slot, Special, Transfer, What};
use crate::collective::Collective;

/// Straight code and how it ends.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its operations, by their place in [`Program::ops`].
    pub ops: Range<u32>,
    /// Gas of a thread that runs it.
    pub gas: u32,
    /// PTX instructions in it.
    pub instructions: u32,
    /// What comes afterwards.
    pub end: End,
    /// Line of the instruction that ends it.
    pub line: u32,
}

/// What a barrier computes from the predicates of the threads that meet there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// For how many it holds.
    Count,
    /// Whether it holds for all.
    All,
    /// Whether it holds for any.
    Any,
}

impl Join {
    /// What every thread receives where the predicate holds for so many of those that met.
    #[must_use]
    pub fn result(self, holds: u64, met: u64) -> u64 {
        match self {
            Self::Count => holds,
            Self::All => u64::from(holds == met),
            Self::Any => u64::from(holds != 0),
        }
    }
}

/// A barrier that computes something: it reads slot `p` and writes slot `d` of every thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// What it computes.
    pub by: Join,
    /// Slot of the predicate.
    pub p: Slot,
    /// The predicate counts where it does not hold.
    pub negated: bool,
    /// Receives the result.
    pub d: Slot,
}

/// How a block ends. Numbers are blocks unless they are said to be slots.
#[derive(Clone, Debug)]
pub enum End {
    /// Goes on there.
    Jump(u32),
    /// Goes on in one of two blocks.
    Branch {
        /// Decides which.
        guard: Guard,
        /// Where it goes on if the guard lets it.
        taken: u32,
        /// Where it goes on otherwise.
        next: u32,
    },
    /// Goes on in one of many blocks.
    Switch {
        /// Slot of the index.
        index: Slot,
        /// The blocks, by the index.
        targets: Box<[u32]>,
    },
    /// Notes where to go on, then runs a function.
    Call {
        /// First block of the function.
        target: u32,
        /// Slot for the block to return to.
        link: Slot,
        /// The block to return to.
        back: u32,
    },
    /// Goes back to where a function was called.
    Return {
        /// Slot that says where.
        link: Slot,
    },
    /// Leaves the kernel.
    Exit,
    /// Waits for threads of the block.
    Barrier {
        /// Slot of the barrier's number.
        id: Slot,
        /// Slot of how many threads take part, or [`super::NO_SLOT`] for all of the block.
        count: Slot,
        /// What else the threads learn.
        reduction: Option<Reduction>,
        /// Where they go on.
        next: u32,
    },
    /// Waits for lanes of the warp, and executes something together.
    Collective {
        /// What they execute.
        what: Box<Collective>,
        /// Slot of the mask of lanes that take part.
        members: Slot,
        /// Where they go on.
        next: u32,
    },
    /// Gives up.
    Trap,
    /// A condition that the kernel asserts does not hold.
    Assert,
}

impl End {
    /// Whether a jump from block `from` goes back, so that the block may run again: there the gas is compared with its
    /// limit.
    #[inline]
    #[must_use]
    pub fn goes_back(&self, from: u32) -> bool {
        match self {
            Self::Jump(target) => *target <= from,
            Self::Branch { taken, next, .. } => *taken <= from || *next <= from,
            Self::Switch { targets, .. } => targets.iter().any(|target| *target <= from),
            Self::Call { target, .. } => *target <= from,
            Self::Return { .. } => true,
            Self::Exit | Self::Barrier { .. } | Self::Collective { .. } | Self::Trap | Self::Assert => false,
        }
    }
}

/// What a function has of its own: each call starts with all of it unwritten.
#[derive(Clone, Debug)]
pub struct Called {
    /// Its first block.
    pub entry: u32,
    /// Its registers, by their place in [`Program::names`].
    pub registers: Range<usize>,
    /// Its arrays and the parameters that it hands on, in local memory.
    pub local: Range<usize>,
}

/// A kernel, ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The operations of all blocks.
    pub ops: Vec<Op>,
    /// The blocks, by their number.
    pub blocks: Vec<Block>,
    /// The block at which threads start.
    pub entry: u32,
    /// What each slot holds.
    pub slots: Vec<Class>,
    /// Values that slots have from the start.
    pub constants: Vec<(Slot, u64)>,
    /// Slots of the special registers that it reads.
    pub specials: Vec<(Special, Slot)>,
    /// Slots that are registers of the text, ascending, with their names.
    pub names: Vec<(Slot, Box<str>)>,
    /// The kernel and the functions that it calls, by their first blocks, ascending.
    pub functions: Vec<Called>,
    /// Static shared memory of a block in bytes.
    pub shared_len: usize,
    /// Local memory of a thread in bytes.
    pub local_len: usize,
    /// Whether threads ever wait at a barrier.
    pub has_barriers: bool,
    /// Whether lanes of a warp ever execute something together.
    pub has_collectives: bool,
}

impl Program {
    /// The name of a slot that is a register of the text.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<&str> {
        let at = self.names.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.names[at].1)
    }

    /// Whether it copies asynchronously.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.ops.iter().any(|op| matches!(op.what, What::Load(Transfer { later: true, .. })))
    }

    /// Whether a thread ever waits for another.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.has_barriers || self.has_collectives
    }
}
