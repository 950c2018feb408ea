//! Instructions that the lanes of a warp execute together.

mod matrix;
mod shuffle;

pub use matrix::{Product, ROW, Tile};
pub use shuffle::Shuffle;

use crate::address::aligned;
use crate::fault::{FaultKind, Space};
use crate::ir::{NO_SLOT, Place, Slot};

/// Lanes of a warp.
pub const LANES: usize = 32;
/// The mask of all lanes.
pub const ALL: u32 = u32::MAX;

/// The slots of the threads of one warp, one thread after the other.
pub struct Warp<'a> {
    values: &'a mut [u64],
    /// Slots of a thread.
    slots: usize,
}

impl<'a> Warp<'a> {
    /// The slots of the lanes, each of which has so many.
    #[must_use]
    pub fn new(values: &'a mut [u64], slots: usize) -> Self {
        Self { values, slots }
    }

    /// What a slot of a lane holds, as a word.
    #[must_use]
    pub fn word(&self, slot: Slot, lane: usize) -> u32 {
        self.values[lane * self.slots + slot as usize] as u32
    }

    /// What a slot of a lane holds.
    #[must_use]
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

/// What a reduction over lanes computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The sum; it wraps.
    Add,
    /// The smallest number without sign.
    MinU,
    /// The largest number without sign.
    MaxU,
    /// The smallest number with a sign.
    MinS,
    /// The largest number with a sign.
    MaxS,
    /// Bits that all have.
    And,
    /// Bits that any has.
    Or,
    /// Bits that an odd number of lanes has.
    Xor,
}

/// A collective instruction of the lanes that take part. Slots `d` receive results, `a`, `b`, `c` are operands, `p` are
/// predicates, which count where they do not hold if `negate` says so.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Collective {
    /// Reads another lane. `mask`: predicate that says whether the source lane was in range.
    Shuffle { mode: Shuffle, d: Slot, mask: Slot, a: Slot, b: Slot, c: Slot },
    /// The lanes for which the predicate holds.
    Ballot { d: Slot, p: Slot, negate: bool },
    /// Whether it holds for all.
    All { d: Slot, p: Slot, negate: bool },
    /// Whether it holds for any.
    Any { d: Slot, p: Slot, negate: bool },
    /// Whether it is the same for all.
    Uniform { d: Slot, p: Slot, negate: bool },
    /// The lanes with the same value.
    MatchAny { d: Slot, a: Slot },
    /// All lanes, or none if their values differ. `mask`: predicate that says whether they are equal.
    MatchAll { d: Slot, mask: Slot, a: Slot },
    /// One number made of those of all lanes.
    Reduce { d: Slot, a: Slot, by: Reduce },
    /// Nothing: lanes wait for each other.
    Sync,
    /// Registers of D, A, B and C; the tile says how many of them there are.
    Mma { tile: Tile, d: [Slot; 4], a: [Slot; 4], b: [Slot; 2], c: [Slot; 4] },
    /// `ldmatrix`: lane i names row i % 8 of matrix i / 8. Slots `d`: one for each matrix; the rest is [`NO_SLOT`].
    LoadMatrix { at: Place, transposed: bool, d: [Slot; 4] },
}

fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

impl Collective {
    /// Slots that it reads in each lane, then those that it writes.
    #[must_use]
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
    #[must_use]
    pub fn orders_memory(&self) -> bool {
        matches!(self, Self::Sync)
    }

    /// Changes the names of its slots.
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
    #[must_use]
    pub fn rows(&self) -> Option<(&Place, u32)> {
        match self {
            Self::LoadMatrix { at, d, .. } => {
                let matrices = d.iter().filter(|slot| **slot != NO_SLOT).count();
                Some((at, ALL >> (LANES - 8 * matrices)))
            }
            _ => None,
        }
    }

    /// The rows of shared memory that lanes of a mask read. `row` gives a lane the row at an address there, or its fault.
    ///
    /// # Errors
    /// The first lane whose row is not aligned, not in shared memory or not given, and its fault.
    pub fn read_rows(
        &self,
        warp: &Warp<'_>,
        active: u32,
        mut row: impl FnMut(usize, u64) -> Result<[u8; ROW], FaultKind>,
    ) -> Result<[[u8; ROW]; LANES], (u32, FaultKind)> {
        let mut rows = [[0; ROW]; LANES];
        let Some((place, named)) = self.rows() else { return Ok(rows) };
        for lane in lanes_of(active & named) {
            let (space, address) = place.resolve(warp.long(place.base, lane));
            let found = aligned(space, address, ROW as u32).and_then(|()| match space {
                Space::Shared => row(lane, address),
                _ => Err(FaultKind::OutOfBounds { space: Space::Shared, address, len: ROW as u32 }),
            });
            rows[lane] = found.map_err(|kind| (lane as u32, kind))?;
        }
        Ok(rows)
    }

    /// Executes for the lanes of a mask, all of which are here, with the rows that they read of shared memory.
    ///
    /// # Errors
    /// The lane that stops, and its fault.
    pub fn run(&self, warp: &mut Warp<'_>, active: u32, rows: &[[u8; ROW]; LANES]) -> Result<(), (u32, FaultKind)> {
        match *self {
            Self::Sync => {}
            Self::Shuffle { mode, d, mask, a, b, c } => return shuffle::run(warp, active, mode, [d, mask, a, b, c]),
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
