//! Runs one warp: lanes that stand at the same block of code run together.
//!
//! Groups of lanes are kept in the order of their blocks, and the group with the lowest block runs first; so lanes that
//! part at a branch meet again as soon as the code lets them.

use super::collective::Collective;
use super::lanes::{ALL, Context, LaneFault, NO_GUARD, Op};
use crate::error::FaultKind;

/// Straight code and how it ends.
#[derive(Clone)]
pub(crate) struct Block {
    pub ops: std::ops::Range<u32>,
    /// Gas of one lane that runs it.
    pub gas: u32,
    /// PTX instructions in it.
    pub instructions: u32,
    pub end: End,
    /// Line of the instruction that ends it.
    pub line: u32,
}

/// How a block ends. Numbers are blocks unless they are said to be slots.
#[derive(Clone)]
pub(crate) enum End {
    Jump(u32),
    Branch {
        /// Slot of a predicate.
        mask: u32,
        negated: bool,
        taken: u32,
        next: u32,
    },
    Switch {
        /// Slot of the index.
        index: u32,
        targets: Box<[u32]>,
    },
    /// Lanes note where to go on, then run a function.
    Call {
        target: u32,
        /// Slot for the block to return to.
        link: u32,
        back: u32,
    },
    Return {
        link: u32,
    },
    Exit,
    Barrier {
        /// Slot of the barrier's number.
        id: u32,
        next: u32,
    },
    Collective {
        what: Box<Collective>,
        /// Slot of the mask of lanes that take part.
        members: u32,
        next: u32,
    },
    Trap,
}

/// Groups of lanes of one warp.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// Ready to run: (block, lanes), highest block first.
    ready: Vec<(u32, u32)>,
    /// Waiting at a collective for other lanes.
    parked: Vec<(u32, u32)>,
    /// Waiting at a barrier: (block after it, lanes, number of the barrier).
    pub waiting: Vec<(u32, u32, u32)>,
    /// Lanes that exist and have not exited.
    pub live: u32,
}

impl Groups {
    /// All lanes at the first block.
    pub fn start(&mut self, entry: u32, lanes: u32) {
        self.ready.clear();
        self.parked.clear();
        self.waiting.clear();
        self.ready.push((entry, lanes));
        self.live = lanes;
    }

    fn insert(&mut self, block: u32, lanes: u32) {
        let at = self.ready.partition_point(|(other, _)| *other > block);
        match self.ready.get_mut(at) {
            Some((other, mask)) if *other == block => *mask |= lanes,
            _ => self.ready.insert(at, (block, lanes)),
        }
    }

    /// Lets the lanes go on that wait at a barrier.
    pub fn release(&mut self) {
        for (block, lanes, _) in std::mem::take(&mut self.waiting) {
            self.insert(block, lanes);
        }
    }
}

/// What a launch counts and limits while warps run.
pub(crate) trait Meter {
    /// Adds what a block cost; says why to stop, if so.
    fn spend(&mut self, gas: u64, instructions: u64) -> Result<(), FaultKind>;
}

/// Runs a warp until each of its lanes has exited or waits at a barrier.
pub(crate) fn run(
    ops: &[Op],
    blocks: &[Block],
    context: &mut Context<'_>,
    groups: &mut Groups,
    meter: &mut impl Meter,
) -> Result<(), LaneFault> {
    while let Some((mut block, mut mask)) = groups.ready.pop() {
        loop {
            let code = &blocks[block as usize];
            let lanes = u64::from(mask.count_ones());
            let at_end = |kind| LaneFault { lane: Some(mask.trailing_zeros() & 31), line: code.line, kind };
            meter.spend(lanes * u64::from(code.gas), lanes * u64::from(code.instructions)).map_err(at_end)?;
            straight(&ops[code.ops.start as usize..code.ops.end as usize], context, mask, groups.live);
            if let Some(fault) = context.fault.take() {
                return Err(fault);
            }
            let next = match &code.end {
                End::Jump(next) => *next,
                End::Branch { mask: slot, negated, taken, next } => {
                    let bits = context.registers.masks[*slot as usize];
                    let jump = mask & if *negated { !bits } else { bits };
                    if jump == mask {
                        *taken
                    } else if jump == 0 {
                        *next
                    } else {
                        let (low, high) =
                            if taken < next { (jump, (*next, mask & !jump)) } else { (mask & !jump, (*taken, jump)) };
                        groups.insert(high.0, high.1);
                        mask = low;
                        (*taken).min(*next)
                    }
                }
                End::Switch { index, targets } => {
                    let indices = context.registers.words[*index as usize].0;
                    for lane in (0..32).filter(|lane| mask >> lane & 1 != 0) {
                        let index = indices[lane as usize];
                        let Some(target) = targets.get(index as usize) else {
                            let kind = FaultKind::BranchIndex { index, targets: targets.len() as u32 };
                            return Err(LaneFault { lane: Some(lane), line: code.line, kind });
                        };
                        groups.insert(*target, 1 << lane);
                    }
                    break;
                }
                End::Call { target, link, back } => {
                    let links = &mut context.registers.words[*link as usize].0;
                    for (lane, link) in links.iter_mut().enumerate() {
                        *link = if mask >> lane & 1 != 0 { *back } else { *link };
                    }
                    *target
                }
                End::Return { link } => {
                    let links = context.registers.words[*link as usize].0;
                    for lane in (0..32).filter(|lane| mask >> lane & 1 != 0) {
                        groups.insert(links[lane as usize], 1 << lane);
                    }
                    break;
                }
                End::Exit => {
                    groups.live &= !mask;
                    // Lanes that waited for those that left may be complete now.
                    for (block, lanes) in std::mem::take(&mut groups.parked) {
                        groups.insert(block, lanes);
                    }
                    break;
                }
                End::Barrier { id, next } => {
                    let id = context.registers.words[*id as usize].0[mask.trailing_zeros() as usize & 31];
                    groups.waiting.push((*next, mask, id));
                    break;
                }
                End::Collective { what, members, next } => {
                    let members = context.registers.words[*members as usize].0;
                    mask = together(what, &members, block, mask, *next, context, groups)
                        .map_err(|(lane, kind)| LaneFault { lane: Some(lane), line: code.line, kind })?;
                    if mask == 0 {
                        break;
                    }
                    *next
                }
                End::Trap => return Err(at_end(FaultKind::Trap)),
            };
            // Go on unless another group stands at a lower block; one at the same block joins.
            match groups.ready.last() {
                Some((other, _)) if *other < next => {
                    groups.insert(next, mask);
                    break;
                }
                Some((other, lanes)) if *other == next => {
                    mask |= lanes;
                    groups.ready.pop();
                }
                _ => {}
            }
            block = next;
        }
    }
    if groups.parked.is_empty() {
        return Ok(());
    }
    let (block, lanes) = groups.parked[0];
    Err(LaneFault { lane: Some(lanes.trailing_zeros()), line: blocks[block as usize].line, kind: FaultKind::Deadlock })
}

/// Runs straight code for the lanes of a mask.
#[inline]
fn straight(ops: &[Op], context: &mut Context<'_>, mask: u32, live: u32) {
    let dead = !live;
    if mask | dead == ALL {
        for op in ops {
            if op.guard == NO_GUARD {
                // SAFETY: lowering chose functions whose CPU features this machine has.
                unsafe { (op.full)(context, op, mask) };
            } else {
                guarded(op, context, mask, dead);
            }
        }
    } else {
        for op in ops {
            if op.guard == NO_GUARD {
                // SAFETY: as above.
                unsafe { (op.masked)(context, op, mask) };
            } else {
                guarded(op, context, mask, dead);
            }
        }
    }
}

#[inline]
fn guarded(op: &Op, context: &mut Context<'_>, mask: u32, dead: u32) {
    let bits = context.registers.masks[(op.guard >> 1) as usize];
    let mask = mask & if op.guard & 1 != 0 { !bits } else { bits };
    if mask != 0 {
        let run = if mask | dead == ALL { op.full } else { op.masked };
        // SAFETY: lowering chose functions whose CPU features this machine has.
        unsafe { run(context, op, mask) };
    }
}

/// Executes a collective for every set of lanes that is complete; the others wait. Returns the lanes that go on.
fn together(
    what: &Collective,
    members: &[u32; 32],
    block: u32,
    mut mask: u32,
    next: u32,
    context: &mut Context<'_>,
    groups: &mut Groups,
) -> Result<u32, (u32, FaultKind)> {
    groups.parked.retain(|(other, lanes)| {
        mask |= if *other == block { *lanes } else { 0 };
        *other != block
    });
    let (mut left, mut done, mut incomplete) = (mask, 0, 0);
    while left != 0 {
        let first = left.trailing_zeros();
        let wanted = members[first as usize];
        let class = (0..32)
            .filter(|lane| left >> lane & 1 != 0 && members[*lane] == wanted)
            .fold(0, |bits, lane| bits | 1u32 << lane);
        left &= !class;
        if class & !wanted != 0 {
            let lane = (class & !wanted).trailing_zeros();
            return Err((lane, FaultKind::Warp("a lane executes a warp instruction whose mask does not name it")));
        }
        if class == wanted & groups.live {
            what.run(&mut context.registers, class)?;
            done |= class;
        } else {
            incomplete |= class;
        }
    }
    if incomplete != 0 {
        groups.parked.push((block, incomplete));
        if done != 0 {
            groups.insert(next, done);
        }
        return Ok(0);
    }
    Ok(done)
}
