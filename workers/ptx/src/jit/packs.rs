//! Packs: four operations in a row that do the same become one on a vector, as in the loop of a product of matrices, where a thread
//! multiplies one value with four that lie side by side, and adds to four sums (superword-level parallelism, Larsen and
//! Amarasinghe 2000). The slots of the four become lanes of one variable wherever they are used.
//!
//! Every lane rounds as its operation alone would, so no bit depends on what is packed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cranelift_codegen::ir::Type;
use cranelift_codegen::ir::types::{F32, F32X4, I32X4};
use cranelift_codegen::isa::TargetFrontendConfig;

use super::kinds::Kinds;
use super::loops;
use super::prepare::Prepared;
use super::slots;
use super::translate::Features;
use crate::ir::{Op, Slot, Transfer, What};
use crate::scalar::Scalar;

/// Lanes of a vector.
pub(super) const LANES: usize = 4;

/// The slots of a vector, lane by lane.
type Tuple = [Slot; LANES];

/// Operations that are saved by one that has four lanes.
const SAVED: i64 = LANES as i64 - 1;
/// How many times as often a loop runs as what is around it; and how deep loops are told apart.
const AROUND: i64 = 8;
const DEEPEST: u32 = 8;
/// Vectors times blocks of a program in which something is packed: no kernel has a tenth of it, and others would take long to compile.
const MOST_WORK: usize = 1 << 20;

/// Four operations as one: each lane of `d` is the operation of `shared` with that of `own` and `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pack {
    /// The operation of each lane.
    pub f: Scalar,
    /// The operand that all have in common.
    pub shared: Slot,
    /// Whether it is the second one.
    pub is_second: bool,
    pub own: Own,
    /// Numbers of vectors.
    pub c: usize,
    pub d: usize,
}

/// The operands that the four do not have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The number of their vector.
    Vector(usize),
    /// Slots of which a vector is made each time.
    Joined(Tuple),
}

/// What is packed in a program.
#[derive(Debug, Default)]
pub(super) struct Packs {
    /// The slots of each vector, and its type; none for those that do not pay.
    pub vectors: Vec<Option<(Tuple, Type)>>,
    /// The vector of a slot, and its lane there.
    places: BTreeMap<Slot, (usize, u8)>,
    /// By the number of the first of the four operations.
    packs: BTreeMap<u32, Pack>,
}

impl Packs {
    pub fn new(prepared: &Prepared, kinds: &Kinds, features: Features, config: TargetFrontendConfig) -> Self {
        let mut packs = Self::default();
        if !features.vectors {
            return packs;
        }
        let program = &prepared.program;
        for block in reached(prepared) {
            packs.find(&program.ops, program.blocks[block].ops.clone(), kinds, features);
        }
        if packs.packs.is_empty() || packs.vectors.len().saturating_mul(program.blocks.len()) > MOST_WORK {
            return Self::default();
        }
        packs.keep_what_pays(prepared, config);
        packs
    }

    /// The vector of a slot, and its lane.
    pub fn place(&self, slot: Slot) -> Option<(usize, u8)> {
        self.places.get(&slot).copied()
    }

    /// The pack that starts with an operation.
    pub fn at(&self, op: u32) -> Option<&Pack> {
        self.packs.get(&op)
    }

    /// The types of all vectors; those that are not used have one, too.
    pub fn types(&self) -> impl Iterator<Item = Type> + '_ {
        self.vectors.iter().map(|vector| vector.map_or(I32X4, |(_, ty)| ty))
    }

    /// The vector that a load fills, and its type.
    pub fn loaded(&self, transfer: &Transfer) -> Option<(usize, Type)> {
        let vector = self.vector(&transfer.data).filter(|_| is_of_vector(transfer))?;
        self.vectors[vector].map(|(_, ty)| (vector, ty))
    }

    /// The vector whose lanes are exactly these slots.
    fn vector(&self, data: &Tuple) -> Option<usize> {
        let (vector, _) = self.place(data[0])?;
        matches!(self.vectors[vector], Some((tuple, _)) if tuple == *data).then_some(vector)
    }

    /// Finds the packs of a block.
    fn find(&mut self, ops: &[Op], range: Range<u32>, kinds: &Kinds, features: Features) {
        let mut loaded = BTreeMap::new();
        let mut at = range.start;
        while at < range.end {
            if let Op { what: What::Load(transfer), guard: None, .. } = &ops[at as usize]
                && is_of_vector(transfer)
            {
                loaded.extend(transfer.data.map(|slot| (slot, transfer.data)));
            }
            let four = ops.get(at as usize..(at as usize + LANES).min(range.end as usize));
            match four.and_then(|four| self.four(four, &loaded, kinds, features)) {
                Some(pack) => {
                    self.packs.insert(at, pack);
                    at += LANES as u32;
                }
                None => at += 1,
            }
        }
    }

    /// These operations as one, if they can be.
    fn four(&mut self, ops: &[Op], loaded: &BTreeMap<Slot, Tuple>, kinds: &Kinds, features: Features) -> Option<Pack> {
        let mut operands = [[0; LANES]; 3];
        let (mut d, mut found) = ([0; LANES], None);
        for lane in 0..LANES {
            let Op { what: What::Scalar { f, d: to, s, .. }, guard: None, .. } = ops.get(lane)? else { return None };
            if *found.get_or_insert(*f) != *f {
                return None;
            }
            d[lane] = *to;
            (0..3).for_each(|i| operands[i][lane] = s[i]);
        }
        let f = found?;
        let ty = match f {
            Scalar::FmaF32 if features.fma => F32X4,
            Scalar::Dp4aUU | Scalar::Dp4aUS | Scalar::Dp4aSU | Scalar::Dp4aSS => I32X4,
            _ => return None,
        };
        let [a, b, c] = operands;
        let is_shared = |tuple: &Tuple| tuple.iter().all(|slot| *slot == tuple[0]);
        let is_loaded = |tuple: &Tuple| loaded.get(&tuple[0]) == Some(tuple);
        let (shared, own, is_second) = match (is_shared(&a), is_shared(&b)) {
            (true, false) => (a[0], b, false),
            (false, true) => (b[0], a, true),
            _ => return None,
        };
        // All lanes read before any writes.
        let touched = |lane: usize| [shared, own[lane], c[lane]];
        if (1..LANES).any(|lane| d[..lane].iter().any(|earlier| touched(lane).contains(earlier))) {
            return None;
        }
        let may_hold = |slot: &Slot| {
            let known = kinds.of(*slot);
            known.ty == ty.lane_type() && known.constant.is_none() && known.special.is_none() && known.root.is_none()
        };
        // The machine's NaN may be any; where that would show it is made canonical lane by lane, and not here.
        let any_nan = |slot: &Slot| ty.lane_type() != F32 || kinds.of(*slot).loose;
        let fit = |tuples: &[Tuple]| {
            tuples.iter().all(|tuple| tuple.iter().all(may_hold) && self.fits(tuple)) && apart(tuples)
        };
        if !fit(&[c, d]) || !d.iter().all(any_nan) {
            return None;
        }
        let is_vector = is_loaded(&own) && fit(&[own, c, d]);
        let [c, d] = [c, d].map(|tuple| self.number(tuple, ty));
        let own = if is_vector { Own::Vector(self.number(own, ty)) } else { Own::Joined(own) };
        // What is shared may be a lane of what was loaded as a whole.
        if let Some(tuple) = loaded.get(&shared).filter(|tuple| tuple.iter().all(may_hold) && self.fits(tuple)) {
            self.number(*tuple, ty);
        }
        Some(Pack { f, shared, is_second, own, c, d })
    }

    /// Whether the slots are those of a vector, or may become one.
    fn fits(&self, tuple: &Tuple) -> bool {
        let places = tuple.map(|slot| self.place(slot));
        let is_new = places.iter().all(Option::is_none);
        is_new && (1..LANES).all(|i| !tuple[..i].contains(&tuple[i])) || self.vector(tuple).is_some()
    }

    /// The number of the vector with these slots.
    fn number(&mut self, tuple: Tuple, ty: Type) -> usize {
        if let Some(vector) = self.vector(&tuple) {
            return vector;
        }
        let vector = self.vectors.len();
        self.vectors.push(Some((tuple, ty)));
        self.places.extend(tuple.iter().zip(0..).map(|(slot, lane)| (*slot, (vector, lane))));
        vector
    }

    /// Drops what costs more than it saves: a slot of a vector that an operation reads or writes alone is one more instruction.
    fn keep_what_pays(&mut self, prepared: &Prepared, config: TargetFrontendConfig) {
        let program = &prepared.program;
        let levels = loops::levels(prepared, config);
        let group = self.groups();
        let mut saved = vec![0i64; self.vectors.len()];
        for block in reached(prepared) {
            let weight = AROUND.pow(levels[block].min(DEEPEST));
            let of = |slot: Slot| self.place(slot).map(|(vector, _)| vector);
            let mut add = |vector: Option<usize>, operations: i64| {
                if let Some(vector) = vector {
                    saved[group[vector]] += operations * weight;
                }
            };
            let mut joined = BTreeSet::new();
            let mut at = program.blocks[block].ops.start;
            while at < program.blocks[block].ops.end {
                if let Some(pack) = self.packs.get(&at) {
                    // A lane that all share is as good as a value of its own.
                    add(Some(pack.d), SAVED);
                    // What is joined once serves the whole block.
                    if let Own::Joined(slots) = pack.own
                        && joined.insert(slots)
                    {
                        add(Some(pack.d), -(LANES as i64));
                        slots.iter().for_each(|slot| add(of(*slot), -1));
                    }
                    at += LANES as u32;
                    continue;
                }
                match &program.ops[at as usize].what {
                    What::Load(transfer) if self.loaded(transfer).is_some() => {
                        add(of(transfer.data[0]), SAVED);
                        add(of(transfer.at.base), -1);
                    }
                    what => slots::of(what, |slot, _| add(of(slot), -1)),
                }
                at += 1;
            }
            let end = &program.blocks[block].end;
            slots::of_end(end, |slot, _| add(of(slot), -1));
            // What is kept while a thread waits is stored and loaded one by one.
            if let Some(next) = slots::resumes_at(end) {
                prepared.live_in[next as usize].iter().for_each(|slot| add(of(slot), -2));
            }
        }
        let pays = |vector: usize| saved[group[vector]] > 0;
        self.packs.retain(|_, pack| pays(pack.d));
        self.places.retain(|_, (vector, _)| pays(*vector));
        for (vector, tuple) in self.vectors.iter_mut().enumerate() {
            if !pays(vector) {
                *tuple = None;
            }
        }
    }

    /// The group of each vector: those that packs join stay or go together.
    fn groups(&self) -> Vec<usize> {
        fn root(parents: &mut [usize], mut at: usize) -> usize {
            while parents[at] != at {
                parents[at] = parents[parents[at]];
                at = parents[at];
            }
            at
        }
        let mut parents: Vec<usize> = (0..self.vectors.len()).collect();
        for pack in self.packs.values() {
            let shared = self.place(pack.shared).map(|(vector, _)| vector);
            let own = if let Own::Vector(vector) = pack.own { Some(vector) } else { None };
            for other in [pack.c].into_iter().chain(own).chain(shared) {
                let (one, other) = (root(&mut parents, pack.d), root(&mut parents, other));
                parents[other] = one;
            }
        }
        (0..parents.len()).map(|vector| root(&mut parents, vector)).collect()
    }
}

/// Whether a transfer is as long as a vector, element by element.
fn is_of_vector(transfer: &Transfer) -> bool {
    (usize::from(transfer.count), transfer.size) == (LANES, 4)
}

/// Whether tuples that share a slot are the same.
fn apart(tuples: &[Tuple]) -> bool {
    (1..tuples.len()).all(|i| {
        tuples[..i].iter().all(|other| *other == tuples[i] || !other.iter().any(|slot| tuples[i].contains(slot)))
    })
}

fn reached(prepared: &Prepared) -> impl Iterator<Item = usize> + '_ {
    (0..prepared.program.blocks.len()).filter(|at| prepared.flow.reached[*at])
}

#[cfg(test)]
mod tests;
