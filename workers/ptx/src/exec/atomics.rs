//! Atomic operations on integers.
//!
//! Operands: `r[0]` receives the old value (or nothing), `r[1]` and `r[2]` are operands, `r[4]` and `imm` the address.

use super::access::{NO_SLOT, ONLY_GLOBAL, SHORT_ADDRESS};
use super::lanes::{Context, LANES, Op, Run};
use crate::error::{FaultKind, Space};
use crate::memory::{Cell, OFFSET_BITS, SHARED_WINDOW};

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

/// An integer that atomics work on.
trait Number: Cell + Ord {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
    fn signed_less(self, other: Self) -> bool;
    fn change(self, change: u8, b: Self, c: Self, signed: bool) -> Self;
}

macro_rules! number {
    ($($int:ty, $signed:ty;)*) => { $(
        impl Number for $int {
            fn of(bits: u64) -> Self { bits as Self }
            fn bits(self) -> u64 { self.into() }
            fn signed_less(self, other: Self) -> bool { (self as $signed) < (other as $signed) }
            fn change(self, change: u8, b: Self, c: Self, signed: bool) -> Self {
                let less = if signed { self.signed_less(b) } else { self < b };
                match change {
                    ADD => self.wrapping_add(b),
                    MIN => if less { self } else { b },
                    MAX => if less { b } else { self },
                    AND => self & b,
                    OR => self | b,
                    XOR => self ^ b,
                    INC => if self >= b { 0 } else { self + 1 },
                    DEC => if self == 0 || self > b { b } else { self - 1 },
                    EXCHANGE => b,
                    _ => if self == b { c } else { self },
                }
            }
        }
    )* };
}

number! { u32, i32; u64, i64; }

const ADD: u8 = 0;
const MIN: u8 = 1;
const MAX: u8 = 2;
const AND: u8 = 3;
const OR: u8 = 4;
const XOR: u8 = 5;
const INC: u8 = 6;
const DEC: u8 = 7;
const EXCHANGE: u8 = 8;
const COMPARE: u8 = 9;

fn atomic<N: Number, const CHANGE: u8, const SIGNED: bool, const IN_SHARED: bool>(
    context: &mut Context<'_>,
    op: &Op,
    mask: u32,
) {
    let size = size_of::<N>();
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let base = if op.n & SHORT_ADDRESS != 0 {
            u64::from(context.registers.words[op.r[4] as usize].0[lane].wrapping_add(op.imm as u32))
        } else {
            context.registers.longs[op.r[4] as usize].0[lane].wrapping_add(op.imm)
        };
        let operand = |slot: u32| {
            if slot == NO_SLOT {
                N::of(0)
            } else if size == 8 {
                N::of(context.registers.longs[slot as usize].0[lane])
            } else {
                N::of(u64::from(context.registers.words[slot as usize].0[lane]))
            }
        };
        let (b, c) = (operand(op.r[1]), operand(op.r[2]));
        let in_window = !IN_SHARED
            && op.n & ONLY_GLOBAL == 0
            && base >> OFFSET_BITS == 0
            && base & !u64::from(u32::MAX) == SHARED_WINDOW;
        let done = if IN_SHARED || in_window {
            let address = if in_window { base - SHARED_WINDOW } else { base };
            let space = Space::Shared;
            let start = usize::try_from(address).unwrap_or(usize::MAX);
            let target = context.shared.get_mut(start..).and_then(|rest| rest.get_mut(..size));
            match target {
                _ if !address.is_multiple_of(size as u64) => {
                    Err(FaultKind::Misaligned { space, address, len: size as u32 })
                }
                None => Err(FaultKind::OutOfBounds { space, address, len: size as u32 }),
                Some(target) => {
                    let mut bytes = [0; 8];
                    bytes[..size].copy_from_slice(target);
                    let old = N::of(u64::from_le_bytes(bytes));
                    target.copy_from_slice(&old.change(CHANGE, b, c, SIGNED).bits().to_le_bytes()[..size]);
                    Ok(old)
                }
            }
        } else {
            context.env.memory.update::<N>(base, |old| old.change(CHANGE, b, c, SIGNED))
        };
        match done {
            Ok(_) if op.r[0] == NO_SLOT => {}
            Ok(old) if size == 8 => context.registers.longs[op.r[0] as usize].0[lane] = old.bits(),
            Ok(old) => context.registers.words[op.r[0] as usize].0[lane] = old.bits() as u32,
            Err(kind) => return context.fail(op, lane as u32, kind),
        }
    }
}

/// The function for an atomic.
pub(crate) fn run(change: Change, wide: bool, signed: bool, in_shared: bool) -> Run {
    macro_rules! by_shape {
        ($change:expr) => {
            match (wide, signed, in_shared) {
                (false, false, false) => atomic::<u32, { $change }, false, false>,
                (false, false, true) => atomic::<u32, { $change }, false, true>,
                (false, true, false) => atomic::<u32, { $change }, true, false>,
                (false, true, true) => atomic::<u32, { $change }, true, true>,
                (true, false, false) => atomic::<u64, { $change }, false, false>,
                (true, false, true) => atomic::<u64, { $change }, false, true>,
                (true, true, false) => atomic::<u64, { $change }, true, false>,
                (true, true, true) => atomic::<u64, { $change }, true, true>,
            }
        };
    }
    match change {
        Change::Add => by_shape!(ADD),
        Change::Min => by_shape!(MIN),
        Change::Max => by_shape!(MAX),
        Change::And => by_shape!(AND),
        Change::Or => by_shape!(OR),
        Change::Xor => by_shape!(XOR),
        Change::Inc => by_shape!(INC),
        Change::Dec => by_shape!(DEC),
        Change::Exchange => by_shape!(EXCHANGE),
        Change::Compare => by_shape!(COMPARE),
    }
}
