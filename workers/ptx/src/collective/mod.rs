//! Instructions that the lanes of a warp execute together.

mod matrix;

pub(crate) use matrix::{Product, ROW, Tile};

use crate::error::FaultKind;
use crate::ir::{NO_SLOT, Place, Slot};

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;
/// The mask of all lanes.
pub(crate) const ALL: u32 = u32::MAX;

/// The slots of the threads of one warp, one thread after the other.
pub(crate) struct Warp<'a> {
    values: &'a mut [u64],
    /// Slots of a thread.
    slots: usize,
}

impl<'a> Warp<'a> {
    pub fn new(values: &'a mut [u64], slots: usize) -> Self {
        Self { values, slots }
    }

    pub fn word(&self, slot: Slot, lane: usize) -> u32 {
        self.values[lane * self.slots + slot as usize] as u32
    }

    pub fn long(&self, slot: Slot, lane: usize) -> u64 {
        self.values[lane * self.slots + slot as usize]
    }

    fn put(&mut self, slot: Slot, lane: usize, value: impl Into<u64>) {
        self.values[lane * self.slots + slot as usize] = value.into();
    }

    /// The lanes of a mask whose predicate holds.
    fn vote(&self, active: u32, p: Slot, negate: bool) -> u32 {
        lanes_of(active).fold(0, |bits, lane| bits | u32::from((self.long(p, lane) != 0) != negate) << lane)
    }

    /// The same value in all lanes of a mask.
    fn put_all(&mut self, slot: Slot, active: u32, value: impl Into<u64>) {
        let value = value.into();
        lanes_of(active).for_each(|lane| self.put(slot, lane, value));
    }
}

/// How a shuffle finds the lane to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

impl Shuffle {
    /// The lane that a lane reads, and whether that lies in its segment: where it does not, a lane reads itself.
    pub fn source(self, lane: usize, b: u32, c: u32) -> (usize, bool) {
        let (own, b) = (lane as i32, (b & 31) as i32);
        let (clamp, segment) = ((c & 31) as i32, (c >> 8 & 31) as i32);
        let last = (own & segment) | (clamp & !segment);
        let first = own & segment;
        let (from, valid) = match self {
            Self::Up => (own - b, own - b >= last),
            Self::Down => (own + b, own + b <= last),
            Self::Butterfly => (own ^ b, own ^ b <= last),
            Self::Index => (first | (b & !segment), first | (b & !segment) <= last),
        };
        (if valid { from as usize & 31 } else { lane }, valid)
    }
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
        d: Slot,
        mask: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Ballot {
        d: Slot,
        p: Slot,
        negate: bool,
    },
    All {
        d: Slot,
        p: Slot,
        negate: bool,
    },
    Any {
        d: Slot,
        p: Slot,
        negate: bool,
    },
    Uniform {
        d: Slot,
        p: Slot,
        negate: bool,
    },
    MatchAny {
        d: Slot,
        a: Slot,
    },
    MatchAll {
        d: Slot,
        mask: Slot,
        a: Slot,
    },
    Reduce {
        d: Slot,
        a: Slot,
        by: Reduce,
    },
    Sync,
    /// Registers of D, A, B and C; the tile says how many of them there are.
    Mma {
        tile: Tile,
        d: [Slot; 4],
        a: [Slot; 4],
        b: [Slot; 2],
        c: [Slot; 4],
    },
    /// `ldmatrix`: lane i names row i % 8 of matrix i / 8.
    LoadMatrix {
        at: Place,
        transposed: bool,
        /// One for each matrix; the rest is [`NO_SLOT`].
        d: [Slot; 4],
    },
}

fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

impl Collective {
    /// Slots that it reads in each lane, then those that it writes.
    pub fn slots(&self) -> ([Slot; 10], [Slot; 4]) {
        let (mut reads, mut writes) = ([NO_SLOT; 10], [NO_SLOT; 4]);
        match *self {
            Self::Sync => {}
            Self::Shuffle { d, mask, a, b, c, .. } => {
                reads[..3].copy_from_slice(&[a, b, c]);
                writes[..2].copy_from_slice(&[d, mask]);
            }
            Self::Ballot { d, p, .. }
            | Self::All { d, p, .. }
            | Self::Any { d, p, .. }
            | Self::Uniform { d, p, .. } => {
                (reads[0], writes[0]) = (p, d);
            }
            Self::MatchAny { d, a, .. } | Self::Reduce { d, a, .. } => (reads[0], writes[0]) = (a, d),
            Self::MatchAll { d, mask, a, .. } => {
                reads[0] = a;
                writes[..2].copy_from_slice(&[d, mask]);
            }
            Self::Mma { d, a, b, c, .. } => {
                reads[..4].copy_from_slice(&a);
                reads[4..6].copy_from_slice(&b);
                reads[6..].copy_from_slice(&c);
                writes = d;
            }
            Self::LoadMatrix { at, d, .. } => (reads[0], writes) = (at.base, d),
        }
        (reads, writes)
    }

    /// Whether what a lane did before is ordered before what the others do afterwards. Shuffles, votes and the like wait for
    /// each other but order no memory.
    pub fn orders_memory(&self) -> bool {
        matches!(self, Self::Sync)
    }

    /// Changes the names of its slots.
    #[cfg(jit)]
    pub fn rename(&mut self, name: &mut impl FnMut(&mut Slot)) {
        match self {
            Self::Sync => {}
            Self::Shuffle { d, mask, a, b, c, .. } => [d, mask, a, b, c].into_iter().for_each(name),
            Self::Ballot { d, p, .. }
            | Self::All { d, p, .. }
            | Self::Any { d, p, .. }
            | Self::Uniform { d, p, .. } => [d, p].into_iter().for_each(name),
            Self::MatchAny { d, a } | Self::Reduce { d, a, .. } => [d, a].into_iter().for_each(name),
            Self::MatchAll { d, mask, a } => [d, mask, a].into_iter().for_each(name),
            Self::LoadMatrix { d, at, .. } => d.iter_mut().chain([&mut at.base]).for_each(name),
            Self::Mma { d, a, b, c, .. } => d.iter_mut().chain(a).chain(b).chain(c).for_each(name),
        }
    }

    /// Where in shared memory lanes read a row of [`ROW`] bytes each, and the lanes that do.
    pub fn rows(&self) -> Option<(&Place, u32)> {
        match self {
            Self::LoadMatrix { at, d, .. } => {
                let matrices = d.iter().filter(|slot| **slot != NO_SLOT).count();
                Some((at, ALL >> (LANES - 8 * matrices)))
            }
            _ => None,
        }
    }

    /// Executes for the lanes of a mask, all of which are here, with the rows that they read of shared memory.
    pub fn run(&self, warp: &mut Warp<'_>, active: u32, rows: &[[u8; ROW]; LANES]) -> Result<(), (u32, FaultKind)> {
        match *self {
            Self::Sync => {}
            Self::Shuffle { mode, d, mask, a, b, c } => return shuffle(warp, active, mode, [d, mask, a, b, c]),
            Self::Ballot { d, p, negate } => {
                let bits = warp.vote(active, p, negate);
                warp.put_all(d, active, bits);
            }
            Self::All { d, p, negate } => {
                let bits = warp.vote(active, p, negate);
                warp.put_all(d, active, bits == active);
            }
            Self::Any { d, p, negate } => {
                let bits = warp.vote(active, p, negate);
                warp.put_all(d, active, bits != 0);
            }
            Self::Uniform { d, p, negate } => {
                let bits = warp.vote(active, p, negate);
                warp.put_all(d, active, bits == active || bits == 0);
            }
            Self::MatchAny { d, a, .. } => {
                let values = values(warp, a, active);
                for lane in lanes_of(active) {
                    let equal = lanes_of(active)
                        .fold(0, |bits, other| bits | u32::from(values[other] == values[lane]) << other);
                    warp.put(d, lane, equal);
                }
            }
            Self::MatchAll { d, mask, a, .. } => {
                let values = values(warp, a, active);
                let first = values[active.trailing_zeros() as usize & 31];
                let equal = lanes_of(active).all(|lane| values[lane] == first);
                if d != NO_SLOT {
                    warp.put_all(d, active, if equal { active } else { 0 });
                }
                if mask != NO_SLOT {
                    warp.put_all(mask, active, equal);
                }
            }
            Self::Reduce { d, a, by } => {
                let words = lanes_of(active).map(|lane| warp.word(a, lane));
                let result = words.reduce(|x, y| by.apply(x, y)).unwrap_or_default();
                warp.put_all(d, active, result);
            }
            Self::Mma { .. } | Self::LoadMatrix { .. } if active != ALL => {
                return Err((active.trailing_zeros(), FaultKind::Warp("matrices need all 32 lanes of the warp")));
            }
            Self::Mma { tile, d, a, b, c } => tile.run(warp, d, a, b, c),
            Self::LoadMatrix { transposed, d, .. } => matrix::load(warp, rows, transposed, d),
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

fn values(warp: &Warp<'_>, slot: Slot, active: u32) -> [u64; LANES] {
    let mut values = [0; LANES];
    lanes_of(active).for_each(|lane| values[lane] = warp.long(slot, lane));
    values
}

fn shuffle(
    warp: &mut Warp<'_>,
    active: u32,
    mode: Shuffle,
    [d, mask, a, b, c]: [Slot; 5],
) -> Result<(), (u32, FaultKind)> {
    let [a, b, c] = [a, b, c].map(|slot| values(warp, slot, active).map(|value| value as u32));
    for lane in lanes_of(active) {
        let (from, valid) = mode.source(lane, b[lane], c[lane]);
        if active >> from & 1 == 0 {
            return Err((lane as u32, FaultKind::InactiveLane { lane: from as u32 }));
        }
        if d != NO_SLOT {
            warp.put(d, lane, a[from]);
        }
        if mask != NO_SLOT {
            warp.put(mask, lane, valid);
        }
    }
    Ok(())
}
