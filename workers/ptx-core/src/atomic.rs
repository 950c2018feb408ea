//! The arithmetic of atomics.

use crate::ir::{Atomic, Change};

impl Atomic {
    /// Bytes of the number.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> u32 {
        if self.wide { 8 } else { 4 }
    }

    /// What it puts in place of the old value, from its operands.
    #[inline]
    #[must_use]
    pub fn changed(&self, old: u64, b: u64, c: u64) -> u64 {
        if self.wide { change(self, old, b, c) } else { u64::from(change(self, old as u32, b as u32, c as u32)) }
    }
}

/// An integer that atomics work on.
trait Number: Copy + Ord {
    fn less(self, other: Self, signed: bool) -> bool;
    fn add(self, other: Self) -> Self;
    fn bits(self, other: Self, change: Change) -> Self;
    const ZERO: Self;
    const ONE: Self;
    const MINUS_ONE: Self;
}

macro_rules! numbers {
    ($($int:ty, $signed:ty;)*) => { $(
        impl Number for $int {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const MINUS_ONE: Self = <$int>::MAX;
            fn less(self, other: Self, signed: bool) -> bool {
                if signed { (self as $signed) < (other as $signed) } else { self < other }
            }
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn bits(self, other: Self, change: Change) -> Self {
                match change {
                    Change::And => self & other,
                    Change::Or => self | other,
                    _ => self ^ other,
                }
            }
        }
    )* };
}

numbers! { u32, i32; u64, i64; }

fn change<N: Number>(atomic: &Atomic, old: N, b: N, c: N) -> N {
    let less = old.less(b, atomic.signed);
    let pick = |first: bool, a: N, b: N| if first { a } else { b };
    match atomic.change {
        Change::Add => old.add(b),
        Change::Min => pick(less, old, b),
        Change::Max => pick(less, b, old),
        Change::And | Change::Or | Change::Xor => old.bits(b, atomic.change),
        Change::Inc => pick(old >= b, N::ZERO, old.add(N::ONE)),
        Change::Dec => pick(old == N::ZERO || old > b, b, old.add(N::MINUS_ONE)),
        Change::Exchange => b,
        Change::Compare => pick(old == b, c, old),
    }
}
