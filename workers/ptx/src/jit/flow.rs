//! Control flow and liveness of a program.

use std::collections::BTreeMap;

use super::slots::{self, Use};
use crate::ir::{End, Program, Slot};

/// A set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set(Vec<u64>);

impl Set {
    pub fn new(slots: usize) -> Self {
        Self(vec![0; slots.div_ceil(64)])
    }

    pub fn insert(&mut self, slot: Slot) {
        self.0[slot as usize / 64] |= 1 << (slot % 64);
    }

    pub fn remove(&mut self, slot: Slot) {
        self.0[slot as usize / 64] &= !(1 << (slot % 64));
    }

    pub fn contains(&self, slot: Slot) -> bool {
        self.0[slot as usize / 64] >> (slot % 64) & 1 != 0
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// The slots in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(i, word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| i as u32 * 64 + bit))
    }
}

/// The control flow of a program.
#[derive(Debug)]
pub(super) struct Flow {
    /// Blocks that may run after a block, for every block.
    pub successors: Vec<Vec<u32>>,
    /// Whether a block is ever reached.
    pub reached: Vec<bool>,
    /// Where the functions with a link return to.
    pub returns: BTreeMap<Slot, Vec<u32>>,
}

impl Flow {
    pub fn new(program: &Program) -> Self {
        let mut returns: BTreeMap<Slot, Vec<u32>> = BTreeMap::new();
        for block in &program.blocks {
            if let End::Call { link, back, .. } = block.end {
                returns.entry(link).or_default().push(back);
            }
        }
        let successors: Vec<Vec<u32>> = program
            .blocks
            .iter()
            .map(|block| slots::successors(&block.end, |link| returns.get(&link).cloned().unwrap_or_default()))
            .collect();
        let mut reached = vec![false; program.blocks.len()];
        let mut work = vec![program.entry];
        while let Some(block) = work.pop() {
            if !std::mem::replace(&mut reached[block as usize], true) {
                work.extend(&successors[block as usize]);
            }
        }
        Self { successors, reached, returns }
    }

    /// The slots whose values a block and those after it may read, for every block.
    pub fn live_in(&self, program: &Program) -> Vec<Set> {
        let slots = program.slots.len();
        // Constants and special registers need no keeping.
        let mut fixed = Set::new(slots);
        program.constants.iter().for_each(|(slot, _)| fixed.insert(*slot));
        program.specials.iter().for_each(|(_, slot)| fixed.insert(*slot));
        let read = |live: &mut Set, slot: Slot| {
            if !fixed.contains(slot) {
                live.insert(slot);
            }
        };
        let mut live = vec![Set::new(slots); program.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for at in (0..program.blocks.len()).rev().filter(|at| self.reached[*at]) {
                let block = &program.blocks[at];
                let mut now = Set::new(slots);
                self.successors[at].iter().for_each(|next| now.add(&live[*next as usize]));
                slots::of_end(&block.end, |slot, how| {
                    if how == Use::Write {
                        now.remove(slot)
                    }
                });
                slots::of_end(&block.end, |slot, how| {
                    if how == Use::Read {
                        read(&mut now, slot)
                    }
                });
                for op in program.ops[block.ops.start as usize..block.ops.end as usize].iter().rev() {
                    slots::of(&op.what, |slot, how| {
                        if how == Use::Write && op.guard.is_none() {
                            now.remove(slot);
                        }
                    });
                    slots::of(&op.what, |slot, how| {
                        if how == Use::Read {
                            read(&mut now, slot)
                        }
                    });
                    if let Some(guard) = op.guard {
                        read(&mut now, guard.slot);
                    }
                }
                if now != live[at] {
                    live[at] = now;
                    changed = true;
                }
            }
        }
        live
    }
}
