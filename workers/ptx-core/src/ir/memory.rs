//! Operations on memory.

use super::Slot;

/// Which memory an access names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A buffer, or a generic address.
    Generic,
    /// A buffer: shared and local memory are out of reach.
    Global,
    /// Memory of the block.
    Shared,
    /// Memory of the thread.
    Local,
    /// Parameters of the kernel.
    Param,
}

/// Where an access goes: the value of a slot plus an offset.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which memory it is.
    pub via: Via,
    /// Slot of the base.
    pub base: Slot,
    /// What is added to the base.
    pub offset: u64,
    /// The base has 32 bits, and so has the sum.
    pub short: bool,
}

/// A load or a store of up to four elements that lie side by side.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Where the first element lies.
    pub at: Place,
    /// Bytes of an element: 1, 2, 4 or 8.
    pub size: u8,
    /// Loads extend the sign of elements of 1 or 2 bytes to 32 bits.
    pub signed: bool,
    /// How many elements there are.
    pub count: u8,
    /// Slots of the elements.
    pub data: [Slot; 4],
    /// One side of `cp.async`: on a GPU it takes place at some time until the thread waits for it.
    pub later: bool,
}

impl Transfer {
    /// Bytes of all elements.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> u32 {
        u32::from(self.size) * u32::from(self.count)
    }

    /// What a slot holds after an element with these bits is loaded.
    #[inline]
    #[must_use]
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
pub enum Change {
    /// The sum; it wraps.
    Add,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// Bits that both have.
    And,
    /// Bits that one has.
    Or,
    /// Bits that differ.
    Xor,
    /// One more, and 0 after the operand.
    Inc,
    /// One less, and the operand after 0 and where it was above the operand.
    Dec,
    /// The operand.
    Exchange,
    /// The second operand where the old value is the first.
    Compare,
}

/// An atomic operation on an integer.
#[derive(Clone, Copy, Debug)]
pub struct Atomic {
    /// Where it lies.
    pub at: Place,
    /// What becomes of it.
    pub change: Change,
    /// 64 bits, else 32.
    pub wide: bool,
    /// It has a sign.
    pub signed: bool,
    /// Receives the old value, or [`super::NO_SLOT`].
    pub d: Slot,
    /// The operand.
    pub b: Slot,
    /// What [`Change::Compare`] writes, or [`super::NO_SLOT`].
    pub c: Slot,
}

/// What a thread says of its asynchronous copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Those since the last time are a group.
    Commit,
    /// Waits until all but so many of the last groups are done.
    Wait(u32),
}
