//! Prepares a program for compilation: short-lived values get slots of their own, and the slots that a thread keeps while it
//! waits come first.

use super::flow::{Flow, Set};
use super::slots::{self, Use};
use crate::ir::{NO_SLOT, Program, Slot};

/// A program whose slots are renamed. Its blocks are those of the original.
pub(super) struct Prepared {
    pub program: Program,
    pub flow: Flow,
    pub live_in: Vec<Set>,
    /// Slots below this one may be kept in frames.
    pub kept: usize,
}

impl Prepared {
    pub fn new(original: &Program) -> Self {
        let mut program = original.clone();
        let flow = Flow::new(&program);
        let live_in = flow.live_in(&program);
        split(&mut program, &live_in);
        let kept = order(&mut program, &flow);
        let flow = Flow::new(&program);
        let live_in = flow.live_in(&program);
        Self { program, flow, live_in, kept }
    }
}

/// Gives every value that lives inside one block a slot of its own: registers and scratch slots are used for many
/// things, and what is known of a slot must hold for all of its values.
fn split(program: &mut Program, live_in: &[Set]) {
    let count = program.slots.len();
    let mut fixed = Set::new(count);
    live_in.iter().for_each(|set| set.iter().for_each(|slot| fixed.insert(slot)));
    program.constants.iter().for_each(|(slot, _)| fixed.insert(*slot));
    program.specials.iter().for_each(|(_, slot)| fixed.insert(*slot));
    for block in &program.blocks {
        if slots::resumes_at(&block.end).is_some() {
            slots::of_end(&block.end, |slot, _| fixed.insert(slot));
        } else {
            slots::of_end(&block.end, |slot, how| {
                if how == Use::Write {
                    fixed.insert(slot)
                }
            });
        }
    }
    let mut names: Vec<Slot> = (0..count as Slot).collect();
    for block in &mut program.blocks {
        let mut renamed = Vec::new();
        for op in &mut program.ops[block.ops.start as usize..block.ops.end as usize] {
            if let Some(guard) = &mut op.guard {
                guard.slot = names[guard.slot as usize];
            }
            let guarded = op.guard.is_some();
            slots::visit(&mut op.what, &mut |slot, how| {
                let old = *slot;
                if how == Use::Write && !guarded && !fixed.contains(old) {
                    program.slots.push(program.slots[old as usize]);
                    names[old as usize] = program.slots.len() as Slot - 1;
                    renamed.push(old);
                }
                *slot = names[old as usize];
            });
        }
        slots::rename_end(&mut block.end, &mut |slot| *slot = names[*slot as usize]);
        renamed.into_iter().for_each(|old| names[old as usize] = old);
    }
}

/// Renumbers slots so that those that frames hold come first; returns how many these are.
fn order(program: &mut Program, flow: &Flow) -> usize {
    let mut kept = Set::new(program.slots.len());
    let live_in = flow.live_in(program);
    for (at, block) in program.blocks.iter().enumerate().filter(|(at, _)| flow.reached[*at]) {
        let Some(next) = slots::resumes_at(&block.end) else { continue };
        slots::of_end(&program.blocks[at].end, |slot, _| kept.insert(slot));
        live_in[next as usize].iter().for_each(|slot| kept.insert(slot));
    }
    let all = 0..program.slots.len() as Slot;
    let order: Vec<Slot> =
        all.clone().filter(|slot| kept.contains(*slot)).chain(all.filter(|slot| !kept.contains(*slot))).collect();
    let mut names = vec![0; order.len()];
    order.iter().enumerate().for_each(|(new, old)| names[*old as usize] = new as Slot);
    let name = |slot: &mut Slot| {
        if *slot != NO_SLOT {
            *slot = names[*slot as usize];
        }
    };
    program.slots = order.iter().map(|old| program.slots[*old as usize]).collect();
    for op in &mut program.ops {
        slots::visit(&mut op.what, &mut |slot, _| name(slot));
        if let Some(guard) = &mut op.guard {
            name(&mut guard.slot);
        }
    }
    program.blocks.iter_mut().for_each(|block| slots::rename_end(&mut block.end, &mut |slot| name(slot)));
    program.constants.iter_mut().for_each(|(slot, _)| name(slot));
    program.specials.iter_mut().for_each(|(_, slot)| name(slot));
    kept.iter().count()
}
