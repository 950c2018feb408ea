//! Lowers control flow: blocks, branches, calls, barriers and what a warp does together.

use alloc::collections::BTreeMap;

use super::barrier::Barrier;
use super::builder::Builder;
use super::call::{ASSERT, Callee};
use crate::ast::{Function, Instruction, Operand, Statement, Type, VarId};
use crate::collective::Collective;
use crate::error::{Error, Space};
use crate::ir::{Block, Class, Copies, End, Guard, Program, What};
use crate::opcode::{self, Kind, Opcode};

type Result<T> = std::result::Result<T, Error>;

/// Blocks whose targets are labels until the function is complete.
pub(super) struct Open {
    labels: BTreeMap<String, u32>,
    tables: BTreeMap<String, Vec<String>>,
    /// Block and label of every jump that is not yet known.
    jumps: Vec<(u32, Vec<String>, u32)>,
    /// First operation of the block at work.
    first: u32,
    gas: u32,
    instructions: u32,
}

impl<'a> Builder<'a> {
    pub fn program(mut self, kernel: &'a Function) -> Result<Program> {
        let order = self.reachable(kernel)?;
        // Static shared memory is placed first, so that dynamic shared memory can lie behind it.
        for function in &order {
            self.enter(function);
            self.place_shared(function)?;
        }
        self.place_dynamic_shared(&self.layout.dynamic);
        let mut callees: BTreeMap<&str, Callee> = BTreeMap::new();
        let mut entry = 0;
        for function in order {
            entry = self.blocks.len() as u32;
            let link = self.word_slot();
            self.enter(function);
            // Callers fill parameters before the function starts: they are not among what it starts without.
            for id in function.params.iter().filter(|_| !function.entry) {
                self.address(*id)?;
            }
            let mark = self.mark();
            self.body(function, link, &callees)?;
            self.note(entry, mark);
            callees.insert(&function.name, Callee { entry, link });
        }
        Ok(self.finish(entry))
    }

    fn place_shared(&mut self, function: &Function) -> Result<()> {
        let symbols = function.body.iter().filter_map(|s| match s {
            Statement::Instruction(ins) => Some(ins),
            _ => None,
        });
        let mut ids = Vec::new();
        for ins in symbols {
            for operand in &ins.operands {
                collect_variables(operand, &mut ids);
            }
        }
        for id in ids {
            let variable = self.ast.variable(id);
            if variable.space == Space::Shared && variable.len > 0 {
                self.address(id)?;
            }
        }
        Ok(())
    }

    fn body(&mut self, function: &'a Function, link: u32, callees: &BTreeMap<&str, Callee>) -> Result<()> {
        let mut open = Open {
            labels: BTreeMap::new(),
            tables: BTreeMap::new(),
            jumps: Vec::new(),
            first: self.ops.len() as u32,
            gas: 0,
            instructions: 0,
        };
        let mut pending: Vec<&str> = Vec::new();
        for statement in &function.body {
            match statement {
                Statement::Label(name, line) => {
                    let next = self.blocks.len() as u32 + u32::from(!self.is_empty(&open));
                    if !self.is_empty(&open) {
                        self.close(&mut open, End::Jump(next), *line);
                    }
                    if open.labels.insert(name.clone(), next).is_some() {
                        return Err(Error::Name {
                            line: *line,
                            column: 0,
                            name: name.clone(),
                            problem: "stands twice in a function",
                        });
                    }
                    pending.push(name);
                }
                Statement::Targets(targets) => {
                    let name = pending.last().copied().unwrap_or_default().to_string();
                    open.tables.insert(name, targets.clone());
                }
                Statement::Instruction(ins) => {
                    pending.clear();
                    self.next_instruction(ins.line);
                    let op = opcode::find(&ins.text).ok_or_else(|| ins.unsupported("unknown instruction"))?;
                    if let Some(reason) = op.refused {
                        return Err(ins.unsupported(reason));
                    }
                    open.gas = open.gas.saturating_add(op.gas(ins));
                    open.instructions += 1;
                    let guard = ins.guard.map(|(id, negated)| Guard { slot: self.register(id), negated });
                    self.instruction(ins, op, guard, &mut open, link, callees)?;
                }
            }
        }
        // Falling off the end is the same as returning.
        let end = self.leaving(link);
        self.close(&mut open, end, function.line);
        for (block, names, line) in std::mem::take(&mut open.jumps) {
            let mut targets = Vec::with_capacity(names.len());
            for name in &names {
                let target = open.labels.get(name).copied();
                targets.push(target.ok_or_else(|| Error::Name {
                    line,
                    column: 0,
                    name: name.clone(),
                    problem: "is not a label of this function",
                })?);
            }
            match &mut self.blocks[block as usize].end {
                End::Jump(target) | End::Branch { taken: target, .. } => *target = targets[0],
                End::Switch { targets: table, .. } => *table = targets.into(),
                _ => {}
            }
        }
        Ok(())
    }

    fn is_empty(&self, open: &Open) -> bool {
        open.first == self.ops.len() as u32 && open.instructions == 0
    }

    /// Ends the block at work and starts the next one.
    pub(super) fn close(&mut self, open: &mut Open, end: End, line: u32) {
        let last = self.ops.len() as u32;
        self.blocks.push(Block { ops: open.first..last, gas: open.gas, instructions: open.instructions, end, line });
        (open.first, open.gas, open.instructions) = (last, 0, 0);
    }

    fn leaving(&self, link: u32) -> End {
        if self.function.entry { End::Exit } else { End::Return { link } }
    }

    /// Ends the block with something that only lanes within a guard do; the others go to the next block.
    fn close_guarded(&mut self, open: &mut Open, guard: Option<Guard>, end: impl FnOnce(u32) -> End, line: u32) {
        if let Some(guard) = guard {
            let own = self.blocks.len() as u32 + 1;
            self.close(open, End::Branch { guard, taken: own, next: own + 1 }, line);
        }
        let next = self.blocks.len() as u32 + 1;
        self.close(open, end(next), line);
    }

    fn instruction(
        &mut self,
        ins: &Instruction,
        op: &Opcode,
        guard: Option<Guard>,
        open: &mut Open,
        link: u32,
        callees: &BTreeMap<&str, Callee>,
    ) -> Result<()> {
        match op.kind {
            Kind::Bra => {
                let [Operand::Name(label)] = &ins.operands[..] else {
                    return Err(ins.unsupported("a label is expected"));
                };
                let block = self.blocks.len() as u32;
                open.jumps.push((block, vec![label.clone()], ins.line));
                let end = match guard {
                    Some(guard) => End::Branch { guard, taken: 0, next: block + 1 },
                    None => End::Jump(0),
                };
                self.close(open, end, ins.line);
            }
            Kind::Brx => {
                let [index, Operand::Name(table)] = &ins.operands[..] else {
                    return Err(ins.unsupported("an index and a table are expected"));
                };
                let index = self.source(ins, index, Class::Word, Type::U32)?;
                let targets = open.tables.get(table).cloned();
                let targets = targets.ok_or_else(|| ins.unsupported("its .branchtargets must stand before it"))?;
                self.charge(8 * targets.len() as u64, ins.line)?;
                self.close_guarded(open, guard, |_| End::Switch { index, targets: Box::default() }, ins.line);
                open.jumps.push((self.blocks.len() as u32 - 1, targets, ins.line));
            }
            Kind::Ret | Kind::Exit => {
                let end = if op.kind == Kind::Exit { End::Exit } else { self.leaving(link) };
                self.close_guarded(open, guard, |_| end, ins.line);
            }
            Kind::Trap => self.close_guarded(open, guard, |_| End::Trap, ins.line),
            Kind::Bar if ins.has("warp") => {
                let [members] = &ins.operands[..] else { return Err(ins.unsupported("a mask of lanes is expected")) };
                let members = self.source(ins, members, Class::Word, Type::B32)?;
                self.collective(open, guard, Collective::Sync, members, ins.line);
            }
            Kind::Bar => {
                let Barrier { id, count, reduction } = self.barrier(ins)?;
                self.close_guarded(open, guard, |next| End::Barrier { id, count, reduction, next }, ins.line);
            }
            Kind::Call if ins.operands.contains(&Operand::Name(ASSERT.into())) => {
                self.close_guarded(open, guard, |_| End::Assert, ins.line);
            }
            Kind::Call => self.call(ins, guard, open, callees)?,
            Kind::Shfl | Kind::Vote | Kind::Match | Kind::Redux | Kind::Mma | Kind::Ldmatrix => {
                let (what, members) = self.collective_of(ins, op.kind)?;
                self.collective(open, guard, what, members, ins.line);
            }
            Kind::Fence | Kind::Nop => {}
            kind => {
                self.guard = guard;
                match kind {
                    Kind::Mov => self.mov(ins)?,
                    Kind::Cvt => self.cvt(ins)?,
                    Kind::Cvta => self.cvta(ins)?,
                    Kind::Ld => self.load(ins)?,
                    Kind::St => self.store(ins)?,
                    Kind::Atom => self.atomic(ins, true)?,
                    Kind::Red => self.atomic(ins, false)?,
                    Kind::CpAsync => self.copy_async(ins)?,
                    Kind::CpCommit => self.push(What::Copies(Copies::Commit)),
                    Kind::CpWait => self.wait_copies(ins)?,
                    _ => self.arithmetic(ins, kind)?,
                }
            }
        }
        Ok(())
    }

    /// A collective gets a block of its own, so that lanes can wait at its start.
    fn collective(&mut self, open: &mut Open, guard: Option<Guard>, what: Collective, members: u32, line: u32) {
        if guard.is_none() {
            let own = self.blocks.len() as u32 + 1;
            self.close(open, End::Jump(own), line);
        }
        self.close_guarded(open, guard, |next| End::Collective { what: Box::new(what), members, next }, line);
    }
}

fn collect_variables(operand: &Operand, ids: &mut Vec<VarId>) {
    match operand {
        Operand::Symbol(id, _) | Operand::Address(crate::ast::Base::Var(id), _) => ids.push(*id),
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| collect_variables(part, ids)),
        Operand::Pair(first, second) => [first, second].into_iter().for_each(|part| collect_variables(part, ids)),
        _ => {}
    }
}
