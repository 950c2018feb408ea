//! A kernel after lowering: straight code in blocks over numbered slots. The interpreter and the JIT both run this.
//!
//! A slot holds one value of one thread as a `u64` (see [`crate::scalar`]). Registers, constants, special registers and
//! intermediate values all are slots; constants and special registers are never written.

mod memory;
mod program;

pub use memory::{Atomic, Change, Copies, Place, Transfer, Via};
pub use program::{Block, Called, End, Join, Program, Reduction};

use crate::scalar::Scalar;

/// Number of a slot.
pub type Slot = u32;

/// In place of a slot: the result is not wanted.
pub const NO_SLOT: Slot = u32::MAX;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// At most 32 bits.
    Word,
    /// 64 bits.
    Long,
    /// A predicate.
    Mask,
}

/// A special register. The number is an axis: 0, 1, 2 for x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Special {
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
pub struct Guard {
    /// Slot of the predicate.
    pub slot: Slot,
    /// It lets act where it does not hold.
    pub negated: bool,
}

impl Guard {
    /// Whether it lets act, with these values in the slots of the thread.
    #[inline(always)]
    #[must_use]
    pub fn holds(&self, slots: &[u64]) -> bool {
        (slots[self.slot as usize] != 0) != self.negated
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// `d = f(s0, s1, s2, imm)`
    Scalar {
        /// The operation.
        f: Scalar,
        /// Receives the result.
        d: Slot,
        /// The operands; those that the operation does not have are ignored.
        s: [Slot; 3],
        /// The immediate of operations that have one.
        imm: u32,
    },
    /// An integer quotient or remainder; zero divides nothing.
    Divide {
        /// The remainder, else the quotient.
        remainder: bool,
        /// The operands have signs.
        signed: bool,
        /// 64 bits, else 32.
        wide: bool,
        /// Receives the result.
        d: Slot,
        /// The dividend.
        a: Slot,
        /// The divisor.
        b: Slot,
    },
    /// Reads memory.
    Load(Transfer),
    /// Writes memory.
    Store(Transfer),
    /// Changes a number in memory.
    Atomic(Atomic),
    /// Copies bytes of local memory: arguments of a call.
    CopyLocal {
        /// Where the copy starts.
        to: u32,
        /// Where the bytes lie.
        from: u32,
        /// How many there are.
        len: u32,
    },
    /// Speaks of the thread's asynchronous copies, which took place already: only checks look at it.
    Copies(Copies),
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// What it does.
    pub what: What,
    /// Whether it does it.
    pub guard: Option<Guard>,
    /// Line of the module.
    pub line: u32,
}

impl Op {
    /// Whether its guard, if it has one, lets it act.
    #[inline(always)]
    #[must_use]
    pub fn acts(&self, slots: &[u64]) -> bool {
        match &self.guard {
            Some(guard) => guard.holds(slots),
            None => true,
        }
    }
}
