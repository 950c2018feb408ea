//! A kernel after lowering: straight code in blocks over numbered slots. The interpreter and the JIT both run this.
//!
//! A slot holds one value of one thread as a `u64` (see [`crate::scalar`]). Registers, constants, special registers and
//! intermediate values all are slots; constants and special registers are never written.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use crate::collective::Collective;
use crate::scalar::Scalar;

/// Number of a slot.
pub(crate) type Slot = u32;

/// In place of a slot: the result is not wanted.
pub(crate) const NO_SLOT: Slot = u32::MAX;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// At most 32 bits.
    Word,
    /// 64 bits.
    Long,
    /// A predicate.
    Mask,
}

/// A special register. The number is an axis: 0, 1, 2 for x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Special {
    /// `%tid`
    Thread(u8),
    /// `%ntid`
    Threads(u8),
    /// `%ctaid`
    Block(u8),
    /// `%nctaid`
    Blocks(u8),
    /// `%laneid`
    Lane,
}

/// A predicate that lets an operation act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub slot: Slot,
    pub negated: bool,
}

/// Which memory an access names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// A buffer, or a generic address.
    Generic,
    /// A buffer: shared and local memory are out of reach.
    Global,
    Shared,
    Local,
    /// Parameters of the kernel.
    Param,
}

/// Where an access goes: the value of a slot plus an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub via: Via,
    pub base: Slot,
    pub offset: u64,
    /// The base has 32 bits, and so has the sum.
    pub short: bool,
}

impl Place {
    /// The address, from the value of the base.
    #[inline(always)]
    pub fn address(&self, base: u64) -> u64 {
        if self.short {
            u64::from((base as u32).wrapping_add(self.offset as u32))
        } else {
            base.wrapping_add(self.offset)
        }
    }
}

/// A load or a store of up to four elements that lie side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub at: Place,
    /// Bytes of an element: 1, 2, 4 or 8.
    pub size: u8,
    /// Loads extend the sign of elements of 1 or 2 bytes to 32 bits.
    pub signed: bool,
    pub count: u8,
    /// Slots of the elements.
    pub data: [Slot; 4],
    /// One side of `cp.async`: on a GPU it takes place at some time until the thread waits for it.
    pub later: bool,
}

impl Transfer {
    /// Bytes of all elements.
    pub fn len(&self) -> u32 {
        u32::from(self.size) * u32::from(self.count)
    }

    /// What a slot holds after an element with these bits is loaded.
    pub fn extend(&self, bits: u64) -> u64 {
        match (self.signed, self.size) {
            (true, 1) => u64::from(bits as i8 as u32),
            (true, 2) => u64::from(bits as i16 as u32),
            _ => bits,
        }
    }
}

/// What an atomic does with the old value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Inc,
    Dec,
    Exchange,
    Compare,
}

impl Change {
    /// The change with this name (without its dot).
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "add" => Self::Add,
            "min" => Self::Min,
            "max" => Self::Max,
            "and" => Self::And,
            "or" => Self::Or,
            "xor" => Self::Xor,
            "inc" => Self::Inc,
            "dec" => Self::Dec,
            "exch" => Self::Exchange,
            "cas" => Self::Compare,
            _ => return None,
        })
    }
}

/// An atomic operation on an integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atomic {
    pub at: Place,
    pub change: Change,
    /// 64 bits.
    pub wide: bool,
    pub signed: bool,
    /// Receives the old value, or [`NO_SLOT`].
    pub d: Slot,
    pub b: Slot,
    /// What [`Change::Compare`] writes, or [`NO_SLOT`].
    pub c: Slot,
}

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// `d = f(s0, s1, s2, imm)`
    Scalar {
        f: Scalar,
        d: Slot,
        s: [Slot; 3],
        imm: u32,
    },
    /// An integer quotient or remainder; zero divides nothing.
    Divide {
        remainder: bool,
        signed: bool,
        wide: bool,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Load(Transfer),
    Store(Transfer),
    Atomic(Atomic),
    /// Copies bytes of local memory: arguments of a call.
    CopyLocal {
        to: u32,
        from: u32,
        len: u32,
    },
    /// Speaks of the thread's asynchronous copies, which took place already: only checks look at it.
    Copies(Copies),
}

/// What a thread says of its asynchronous copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copies {
    /// Those since the last time are a group.
    Commit,
    /// Waits until all but so many of the last groups are done.
    Wait(u32),
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub what: What,
    pub guard: Option<Guard>,
    /// Line of the module.
    pub line: u32,
}

/// Straight code and how it ends.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub ops: Range<u32>,
    /// Gas of a thread that runs it.
    pub gas: u32,
    /// PTX instructions in it.
    pub instructions: u32,
    pub end: End,
    /// Line of the instruction that ends it.
    pub line: u32,
}

/// What a barrier computes from the predicates of the threads that meet there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// For how many it holds.
    Count,
    /// Whether it holds for all.
    All,
    /// Whether it holds for any.
    Any,
}

/// A barrier that computes something: it reads slot `p` and writes slot `d` of every thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reduction {
    pub by: Join,
    pub p: Slot,
    pub negated: bool,
    pub d: Slot,
}

/// How a block ends. Numbers are blocks unless they are said to be slots.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Jump(u32),
    Branch {
        guard: Guard,
        taken: u32,
        next: u32,
    },
    Switch {
        /// Slot of the index.
        index: Slot,
        targets: Box<[u32]>,
    },
    /// Notes where to go on, then runs a function.
    Call {
        target: u32,
        /// Slot for the block to return to.
        link: Slot,
        back: u32,
    },
    Return {
        link: Slot,
    },
    Exit,
    Barrier {
        /// Slot of the barrier's number.
        id: Slot,
        /// Slot of how many threads take part, or [`NO_SLOT`] for all of the block.
        count: Slot,
        /// What else the threads learn.
        reduction: Option<Reduction>,
        next: u32,
    },
    Collective {
        what: Box<Collective>,
        /// Slot of the mask of lanes that take part.
        members: Slot,
        next: u32,
    },
    Trap,
    /// A condition that the kernel asserts does not hold.
    Assert,
}

impl End {
    /// Whether a jump from block `from` goes back, so that the block may run again: there the gas is compared with its
    /// limit.
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
pub(crate) struct Called {
    /// Its first block.
    pub entry: u32,
    /// Its registers, by their place in [`Program::names`].
    pub registers: Range<usize>,
    /// Its arrays and the parameters that it hands on, in local memory.
    pub local: Range<usize>,
}

/// A kernel, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub ops: Vec<Op>,
    pub blocks: Vec<Block>,
    /// The block at which threads start.
    pub entry: u32,
    /// What each slot holds.
    pub slots: Vec<Class>,
    /// Values that slots have from the start.
    pub constants: Vec<(Slot, u64)>,
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
    pub fn name(&self, slot: Slot) -> Option<&str> {
        let at = self.names.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.names[at].1)
    }

    /// Whether it copies asynchronously.
    pub fn copies(&self) -> bool {
        self.ops.iter().any(|op| matches!(op.what, What::Load(Transfer { later: true, .. })))
    }

    /// Whether a thread ever waits for another.
    pub fn waits(&self) -> bool {
        self.has_barriers || self.has_collectives
    }
}
