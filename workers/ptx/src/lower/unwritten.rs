//! Watches registers that may be read before they are written: what they then hold differs between GPUs.
//!
//! Ordinary code writes every register before it reads it, which is shown here once for all runs. Only for the registers
//! of which it cannot be shown are operations added that note the writes and check the reads while a kernel runs.

use alloc::collections::BTreeMap;

use crate::ir::{Class, End, Guard, NO_SLOT, Op, Program, Slot, What};
use crate::scalar::Scalar;

/// Most steps along jumps that the proofs of a kernel may take. What is not shown by then is checked while it runs, so a
/// kernel made to be hard costs no more than others, and its faults are the same.
const MAX_STEPS: u64 = 1 << 26;

/// Adds the operations to a kernel that is to run with this check. Without it a register that was not written is zero.
pub(crate) fn watch(mut program: Program) -> Program {
    let flow = Flow::new(&program);
    let found = flow.unproven(&program);
    if !found.is_empty() {
        insert(&mut program, &flow, &found);
    }
    program
}

/// Reads of a register to check: those in some blocks, or all (`None`) that no write in their own block precedes.
type Unproven = BTreeMap<Slot, Option<Vec<u32>>>;

/// What of a block matters here: whether slots are read before they are written in it, and whether it surely writes them.
struct Flow {
    /// Whether a slot is a register.
    register: Vec<bool>,
    /// Register and block, ascending.
    exposed: Vec<(Slot, u32)>,
    written: Vec<(Slot, u32)>,
    before: Vec<Vec<u32>>,
    after: Vec<Vec<u32>>,
    /// First blocks of the functions, ascending: a function's blocks lie together.
    starts: Vec<u32>,
}

impl Flow {
    fn new(program: &Program) -> Self {
        let mut register = vec![false; program.slots.len()];
        program.names.iter().for_each(|(slot, _)| register[*slot as usize] = true);
        let (mut exposed, mut written) = (Vec::new(), Vec::new());
        let (mut before, mut after) = (vec![Vec::new(); program.blocks.len()], Vec::new());
        let mut starts = vec![program.entry];
        let mut scan = Scan::new(program.slots.len());
        for (number, block) in program.blocks.iter().enumerate() {
            let number = number as u32;
            scan.next_block();
            for op in &program.ops[block.ops.start as usize..block.ops.end as usize] {
                scan.reads(op, &register, |slot, _| exposed.push((slot, number)));
                scan.writes(op, &register, |slot| written.push((slot, number)));
            }
            scan.reads_of_end(&block.end, &register, |slot| exposed.push((slot, number)));
            scan.writes_of_end(&block.end, &register, |slot| written.push((slot, number)));
            let targets = match &block.end {
                End::Jump(target) => vec![*target],
                End::Branch { taken, next, .. } => vec![*taken, *next],
                End::Switch { targets, .. } => targets.to_vec(),
                // The function has registers of its own, so those of its caller stay as they are.
                End::Call { target, back, .. } => {
                    starts.push(*target);
                    vec![*back]
                }
                End::Barrier { next, .. } | End::Collective { next, .. } => vec![*next],
                End::Return { .. } | End::Exit | End::Trap | End::Assert => Vec::new(),
            };
            targets.iter().for_each(|target| before[*target as usize].push(number));
            after.push(targets);
        }
        for list in [&mut exposed, &mut written] {
            list.sort_unstable();
            list.dedup();
        }
        starts.sort_unstable();
        starts.dedup();
        Self { register, exposed, written, before, after, starts }
    }

    /// The first block of the function in which a block lies.
    fn start(&self, block: u32) -> u32 {
        self.starts[self.starts.partition_point(|start| *start <= block).saturating_sub(1)]
    }

    fn unproven(&self, program: &Program) -> Unproven {
        let mut found = Unproven::new();
        let mut steps = 0;
        // For each block the last register for which it was visited, or known to be written.
        let (mut seen, mut stops) = (vec![NO_SLOT; program.blocks.len()], vec![NO_SLOT; program.blocks.len()]);
        let mut work = Vec::new();
        for group in self.exposed.chunk_by(|a, b| a.0 == b.0) {
            let slot = group[0].0;
            if steps > MAX_STEPS {
                found.insert(slot, None);
                continue;
            }
            let first = self.written.partition_point(|(other, _)| *other < slot);
            let writers = self.written[first..].iter().take_while(|(other, _)| *other == slot);
            writers.for_each(|(_, block)| stops[*block as usize] = slot);
            // Back from the reads: is the start of the function reached without a write?
            let start = self.start(group[0].1);
            work.extend(group.iter().map(|(_, block)| *block));
            group.iter().for_each(|(_, block)| seen[*block as usize] = slot);
            while let Some(block) = work.pop() {
                steps += 1 + self.before[block as usize].len() as u64;
                for previous in &self.before[block as usize] {
                    let at = *previous as usize;
                    if stops[at] != slot && seen[at] != slot {
                        seen[at] = slot;
                        work.push(*previous);
                    }
                }
            }
            if seen[start as usize] != slot {
                continue;
            }
            // Forward from there, along what was seen: these reads are to be checked.
            let mut reads = Vec::new();
            work.push(start);
            seen[start as usize] = NO_SLOT;
            while let Some(block) = work.pop() {
                steps += 1 + self.after[block as usize].len() as u64;
                if group.binary_search(&(slot, block)).is_ok() {
                    reads.push(block);
                }
                if stops[block as usize] == slot {
                    continue;
                }
                for next in &self.after[block as usize] {
                    if seen[*next as usize] == slot {
                        seen[*next as usize] = NO_SLOT;
                        work.push(*next);
                    }
                }
            }
            if !reads.is_empty() {
                reads.sort_unstable();
                found.insert(slot, Some(reads));
            }
        }
        found
    }
}

/// When a slot was written in a block.
#[derive(Clone, Copy, Default)]
struct Written {
    /// The block, counted from 1; 0 for never.
    block: u32,
    /// Written under this guard, whose slot had been written so many times; `None` for always.
    guard: Option<(Guard, u32)>,
}

/// Goes through a block and knows which slots it has written so far.
struct Scan {
    block: u32,
    written: Vec<Written>,
    /// How often each slot was written: a guard means the same only while its slot stays.
    changes: Vec<u32>,
}

impl Scan {
    fn new(slots: usize) -> Self {
        Self { block: 0, written: vec![Written::default(); slots], changes: vec![0; slots] }
    }

    fn next_block(&mut self) {
        self.block += 1;
    }

    fn is_written(&self, slot: Slot, guard: Option<Guard>) -> bool {
        let written = self.written[slot as usize];
        written.block == self.block
            && written
                .guard
                .is_none_or(|(under, change)| guard == Some(under) && self.changes[under.slot as usize] == change)
    }

    /// Registers that an operation reads and that this block has not surely written; whether its guard lets it read them.
    fn reads(&self, op: &Op, register: &[bool], mut report: impl FnMut(Slot, Option<Guard>)) {
        if let Some(guard) = op.guard
            && register[guard.slot as usize]
            && !self.is_written(guard.slot, None)
        {
            report(guard.slot, None);
        }
        let mut all = reads(&op.what);
        if let What::Scalar { f: Scalar::Select32 | Scalar::Select64, s: [a, b, p], .. } = op.what
            && op.guard.is_none()
        {
            // Compilers let the side that is not taken be anything: only what is selected is read.
            for (slot, negated) in [(a, false), (b, true)] {
                let side = Some(Guard { slot: p, negated });
                if register[slot as usize] && !self.is_written(slot, side) {
                    report(slot, side);
                }
            }
            all = [p, NO_SLOT, NO_SLOT, NO_SLOT, NO_SLOT];
        }
        for slot in all.into_iter().filter(|slot| *slot != NO_SLOT) {
            if register[slot as usize] && !self.is_written(slot, op.guard) {
                report(slot, op.guard);
            }
        }
    }

    /// Notes the writes of an operation; reports registers that are now surely written.
    fn writes(&mut self, op: &Op, register: &[bool], report: impl FnMut(Slot)) {
        self.write(writes(&op.what).into_iter().filter(|slot| *slot != NO_SLOT), op.guard, register, report);
    }

    fn write(
        &mut self,
        slots: impl Iterator<Item = Slot>,
        guard: Option<Guard>,
        register: &[bool],
        mut report: impl FnMut(Slot),
    ) {
        for slot in slots {
            let at = slot as usize;
            // Both sides of the same guard make it sure.
            let other = guard.map(|guard| Guard { negated: !guard.negated, ..guard });
            let sure = guard.is_none() || self.is_written(slot, None) || self.is_written(slot, other);
            let under = guard.filter(|_| !sure).map(|guard| (guard, self.changes[guard.slot as usize]));
            self.changes[at] = self.changes[at].wrapping_add(1);
            self.written[at] = Written { block: self.block, guard: under };
            if sure && register[at] {
                report(slot);
            }
        }
    }

    fn reads_of_end(&self, end: &End, register: &[bool], mut report: impl FnMut(Slot)) {
        let mut read = |slot: Slot| {
            if slot != NO_SLOT && register[slot as usize] && !self.is_written(slot, None) {
                report(slot);
            }
        };
        match end {
            End::Branch { guard, .. } => read(guard.slot),
            End::Switch { index, .. } => read(*index),
            End::Barrier { id, count, reduction, .. } => {
                [*id, *count, reduction.map_or(NO_SLOT, |reduction| reduction.p)].into_iter().for_each(read);
            }
            End::Collective { what, members, .. } => {
                read(*members);
                what.slots().0.into_iter().for_each(read);
            }
            End::Jump(_) | End::Call { .. } | End::Return { .. } | End::Exit | End::Trap | End::Assert => {}
        }
    }

    fn writes_of_end(&mut self, end: &End, register: &[bool], report: impl FnMut(Slot)) {
        self.write(written_by_end(end), None, register, report);
    }
}

fn written_by_end(end: &End) -> impl Iterator<Item = Slot> {
    let slots = match end {
        End::Collective { what, .. } => what.slots().1,
        End::Barrier { reduction: Some(reduction), .. } => [reduction.d, NO_SLOT, NO_SLOT, NO_SLOT],
        _ => [NO_SLOT; 4],
    };
    slots.into_iter().filter(|slot| *slot != NO_SLOT)
}

/// Slots that an operation reads, beside its guard.
fn reads(what: &What) -> [Slot; 5] {
    let mut slots = [NO_SLOT; 5];
    match what {
        What::Scalar { f, s, .. } => {
            let count = f.operands().len();
            slots[..count].copy_from_slice(&s[..count]);
        }
        What::Divide { a, b, .. } => slots[..2].copy_from_slice(&[*a, *b]),
        What::Load(transfer) => slots[0] = transfer.at.base,
        What::Store(transfer) => {
            slots[..4].copy_from_slice(&transfer.data);
            slots[4] = transfer.at.base;
        }
        What::Atomic(atomic) => slots[..3].copy_from_slice(&[atomic.at.base, atomic.b, atomic.c]),
        What::CopyLocal { .. } | What::Written { .. } | What::Check { .. } => {}
    }
    slots
}

/// Slots that an operation writes.
fn writes(what: &What) -> [Slot; 4] {
    match what {
        What::Scalar { d, .. } | What::Divide { d, .. } => [*d, NO_SLOT, NO_SLOT, NO_SLOT],
        What::Load(transfer) => transfer.data,
        What::Atomic(atomic) => [atomic.d, NO_SLOT, NO_SLOT, NO_SLOT],
        What::Store(_) | What::CopyLocal { .. } | What::Written { .. } | What::Check { .. } => [NO_SLOT; 4],
    }
}

/// Rewrites the operations of a program with checks of what is not proven.
fn insert(program: &mut Program, flow: &Flow, found: &Unproven) {
    let fresh = |slots: &mut Vec<Class>| {
        slots.push(Class::Mask);
        slots.len() as Slot - 1
    };
    // By register: its flag, its number among the names, the first block of its function.
    let mut flags = BTreeMap::new();
    for slot in found.keys() {
        let flag = fresh(&mut program.slots);
        let name =
            program.names.binary_search_by_key(slot, |(slot, _)| *slot).map(|at| program.names[at].1.to_string());
        let read = flow.exposed.partition_point(|(other, _)| other < slot);
        flags.insert(*slot, (flag, program.registers.len() as u32, flow.start(flow.exposed[read].1)));
        program.flags.push(flag);
        program.registers.push(name.unwrap_or_default());
    }
    let zero = fresh(&mut program.slots);
    program.constants.push((zero, 0));
    let checked = |slot: Slot, block: u32| {
        let blocks = found.get(&slot)?;
        let here = blocks.as_ref().is_none_or(|blocks| blocks.binary_search(&block).is_ok());
        let (flag, register, _) = flags.get(&slot)?;
        here.then_some(What::Check { flag: *flag, register: *register })
    };
    let old = core::mem::take(&mut program.ops);
    let ops = &mut program.ops;
    let mut scan = Scan::new(flow.register.len());
    for (number, block) in program.blocks.iter_mut().enumerate() {
        let (number, line, first) = (number as u32, block.line, ops.len() as u32);
        scan.next_block();
        // Writes are noted before they happen: the operation may change its own guard.
        for op in &old[block.ops.start as usize..block.ops.end as usize] {
            scan.reads(op, &flow.register, |slot, guard| {
                ops.extend(checked(slot, number).map(|what| Op { what, guard, line: op.line }));
            });
            let noted = writes(&op.what).into_iter().filter_map(|slot| flags.get(&slot));
            ops.extend(noted.map(|(flag, ..)| Op { what: What::Written { flag: *flag }, ..*op }));
            ops.push(*op);
            scan.writes(op, &flow.register, |_| {});
        }
        scan.reads_of_end(&block.end, &flow.register, |slot| {
            ops.extend(checked(slot, number).map(|what| Op { what, guard: None, line }));
        });
        let noted = written_by_end(&block.end).filter_map(|slot| flags.get(&slot));
        ops.extend(noted.map(|(flag, ..)| Op { what: What::Written { flag: *flag }, guard: None, line }));
        if let End::Call { target, .. } = block.end {
            // Each call has registers of its own.
            let own = flags.values().filter(|(.., start)| *start == target);
            ops.extend(own.map(|(flag, ..)| Op {
                what: What::Scalar { f: Scalar::MovP, d: *flag, s: [zero; 3], imm: 0 },
                guard: None,
                line,
            }));
        }
        block.ops = first..ops.len() as u32;
    }
}

#[cfg(test)]
mod tests {
    use crate::module::Module;

    /// What compilers make of ordinary code needs no checks. (The renderer's kernel does: its paths carry variables that
    /// only a state of another variable says to be set.)
    #[test]
    fn ordinary_kernels_have_no_flags() {
        let texts = [
            include_str!("../../../executor/tests/kernels/suite.ptx"),
            include_str!("../../examples/kernels/bench.ptx"),
        ];
        for text in texts {
            let module = Module::parse(text).unwrap();
            assert!(!module.kernels().is_empty());
            for kernel in module.kernels() {
                assert_eq!(kernel.program().unwrap().registers, [""; 0], "{}", kernel.name());
            }
        }
    }
}
