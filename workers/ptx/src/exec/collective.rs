//! Instructions that the lanes of a warp execute together.

use super::access::NO_SLOT;
use super::lanes::{ALL, LANES, Registers};
use crate::error::FaultKind;

/// How a shuffle finds the lane to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// What a reduction over lanes computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduce {
    Add,
    MinU,
    MaxU,
    MinS,
    MaxS,
    And,
    Or,
    Xor,
}

/// A collective instruction; the fields are slots.
#[derive(Clone, Debug)]
pub(crate) enum Collective {
    /// `mask`: predicate that says whether the source lane was in range.
    Shuffle {
        mode: Shuffle,
        d: u32,
        mask: u32,
        a: u32,
        b: u32,
        c: u32,
    },
    Ballot {
        d: u32,
        p: u32,
        negate: bool,
    },
    All {
        d: u32,
        p: u32,
        negate: bool,
    },
    Any {
        d: u32,
        p: u32,
        negate: bool,
    },
    Uniform {
        d: u32,
        p: u32,
        negate: bool,
    },
    MatchAny {
        d: u32,
        a: u32,
        wide: bool,
    },
    MatchAll {
        d: u32,
        mask: u32,
        a: u32,
        wide: bool,
    },
    Reduce {
        d: u32,
        a: u32,
        by: Reduce,
    },
    Sync,
    /// `k`: 16 or 32. Registers of D, A, B and C.
    Mma {
        k: u32,
        a_signed: bool,
        b_signed: bool,
        d: [u32; 4],
        a: [u32; 4],
        b: [u32; 2],
        c: [u32; 4],
    },
}

fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

impl Collective {
    /// Executes for the lanes of a mask, all of which are here.
    pub fn run(&self, registers: &mut Registers, active: u32) -> Result<(), (u32, FaultKind)> {
        match *self {
            Self::Sync => {}
            Self::Shuffle { mode, d, mask, a, b, c } => return shuffle(registers, active, mode, [d, mask, a, b, c]),
            Self::Ballot { d, p, negate } => {
                let bits = vote(registers, active, p, negate);
                for lane in lanes_of(active) {
                    registers.words[d as usize].0[lane] = bits;
                }
            }
            Self::All { d, p, negate } => {
                let bits = vote(registers, active, p, negate);
                set(registers, d, active, bits == active);
            }
            Self::Any { d, p, negate } => {
                let bits = vote(registers, active, p, negate);
                set(registers, d, active, bits != 0);
            }
            Self::Uniform { d, p, negate } => {
                let bits = vote(registers, active, p, negate);
                set(registers, d, active, bits == active || bits == 0);
            }
            Self::MatchAny { d, a, wide } => {
                let values = values(registers, a, wide);
                for lane in lanes_of(active) {
                    let equal = lanes_of(active)
                        .fold(0, |bits, other| bits | u32::from(values[other] == values[lane]) << other);
                    registers.words[d as usize].0[lane] = equal;
                }
            }
            Self::MatchAll { d, mask, a, wide } => {
                let values = values(registers, a, wide);
                let first = values[active.trailing_zeros() as usize & 31];
                let equal = lanes_of(active).all(|lane| values[lane] == first);
                if d != NO_SLOT {
                    for lane in lanes_of(active) {
                        registers.words[d as usize].0[lane] = if equal { active } else { 0 };
                    }
                }
                if mask != NO_SLOT {
                    set(registers, mask, active, equal);
                }
            }
            Self::Reduce { d, a, by } => {
                let source = registers.words[a as usize].0;
                let result =
                    lanes_of(active).map(|lane| source[lane]).reduce(|x, y| by.apply(x, y)).unwrap_or_default();
                for lane in lanes_of(active) {
                    registers.words[d as usize].0[lane] = result;
                }
            }
            Self::Mma { k, a_signed, b_signed, d, a, b, c } => {
                if active != ALL {
                    return Err((active.trailing_zeros(), FaultKind::Warp("mma needs all 32 lanes of the warp")));
                }
                mma(registers, k, [a_signed, b_signed], d, a, b, c);
            }
        }
        Ok(())
    }
}

impl Reduce {
    fn apply(self, x: u32, y: u32) -> u32 {
        match self {
            Self::Add => x.wrapping_add(y),
            Self::MinU => x.min(y),
            Self::MaxU => x.max(y),
            Self::MinS => (x as i32).min(y as i32) as u32,
            Self::MaxS => (x as i32).max(y as i32) as u32,
            Self::And => x & y,
            Self::Or => x | y,
            Self::Xor => x ^ y,
        }
    }
}

fn vote(registers: &Registers, active: u32, p: u32, negate: bool) -> u32 {
    let bits = registers.masks[p as usize];
    active & if negate { !bits } else { bits }
}

fn set(registers: &mut Registers, slot: u32, active: u32, value: bool) {
    let target = &mut registers.masks[slot as usize];
    *target = (*target & !active) | if value { active } else { 0 };
}

fn values(registers: &Registers, slot: u32, wide: bool) -> [u64; LANES] {
    if wide { registers.longs[slot as usize].0 } else { registers.words[slot as usize].0.map(u64::from) }
}

fn shuffle(
    registers: &mut Registers,
    active: u32,
    mode: Shuffle,
    [d, mask, a, b, c]: [u32; 5],
) -> Result<(), (u32, FaultKind)> {
    let [a, b, c] = [a, b, c].map(|slot| registers.words[slot as usize].0);
    let mut inside = 0;
    for lane in lanes_of(active) {
        let (own, b, c) = (lane as i32, (b[lane] & 31) as i32, c[lane]);
        let (clamp, segment) = ((c & 31) as i32, (c >> 8 & 31) as i32);
        let last = (own & segment) | (clamp & !segment);
        let first = own & segment;
        let (from, valid) = match mode {
            Shuffle::Up => (own - b, own - b >= last),
            Shuffle::Down => (own + b, own + b <= last),
            Shuffle::Butterfly => (own ^ b, own ^ b <= last),
            Shuffle::Index => (first | (b & !segment), first | (b & !segment) <= last),
        };
        let from = if valid { from & 31 } else { own };
        if active >> from & 1 == 0 {
            return Err((lane as u32, FaultKind::InactiveLane { lane: from as u32 }));
        }
        if d != NO_SLOT {
            registers.words[d as usize].0[lane] = a[from as usize];
        }
        inside |= u32::from(valid) << lane;
    }
    if mask != NO_SLOT {
        let target = &mut registers.masks[mask as usize];
        *target = (*target & !active) | inside;
    }
    Ok(())
}

/// D = A × B + C over bytes. Fragments lie in registers as the PTX manual shows for m16n8k16 and m16n8k32.
fn mma(registers: &mut Registers, k: u32, signed: [bool; 2], d: [u32; 4], a: [u32; 4], b: [u32; 2], c: [u32; 4]) {
    let word = |slot: u32, lane: usize| registers.words[slot as usize].0[lane];
    let byte = |word: u32, i: usize, signed: bool| {
        let byte = (word >> (8 * i)) as u8;
        if signed { i32::from(byte as i8) } else { i32::from(byte) }
    };
    let (mut left, mut right) = ([[0i32; 32]; 16], [[0i32; 8]; 32]);
    for lane in 0..LANES {
        let (group, thread) = (lane >> 2, lane & 3);
        let halves = (k / 16) as usize;
        for half in 0..halves {
            for i in 0..4 {
                let column = thread * 4 + i + 16 * half;
                left[group][column] = byte(word(a[2 * half], lane), i, signed[0]);
                left[group + 8][column] = byte(word(a[2 * half + 1], lane), i, signed[0]);
                right[column][group] = byte(word(b[half], lane), i, signed[1]);
            }
        }
    }
    let mut results = [[0u32; LANES]; 4];
    for lane in 0..LANES {
        let (group, thread) = (lane >> 2, lane & 3);
        for (i, result) in results.iter_mut().enumerate() {
            let (row, column) = (group + 8 * (i >> 1), thread * 2 + (i & 1));
            let product = (0..k as usize).fold(0i32, |sum, at| sum.wrapping_add(left[row][at] * right[at][column]));
            result[lane] = word(c[i], lane).wrapping_add(product as u32);
        }
    }
    for (slot, result) in d.iter().zip(results) {
        registers.words[*slot as usize].0 = result;
    }
}
