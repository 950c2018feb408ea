//! What lowering keeps while it works: slots, constants, the operations and blocks made so far.

use alloc::collections::BTreeMap;

use super::EFFORT;
use super::layout::{Area, Layout};
use crate::ast::{Ast, Function, Instruction, Operand, RegId, Type, VarId};
use crate::error::{Error, Space};
use crate::ir::{Block, Called, Class, End, Guard, Op, Program, Slot, Special, What};
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

/// Most bytes of local memory of a thread: parameters and arrays of a kernel and all it calls.
const MAX_LOCAL: u64 = 64 << 10;
/// Most static shared memory.
const MAX_SHARED: u64 = 48 << 10;

pub(crate) fn class(ty: Type) -> Class {
    match ty {
        Type::Pred => Class::Mask,
        _ if ty.len() == 8 => Class::Long,
        _ => Class::Word,
    }
}

pub(super) struct Builder<'a> {
    pub ast: &'a Ast,
    pub layout: &'a Layout,
    /// What lowering may still take.
    effort: &'a mut u64,
    pub ops: Vec<Op>,
    pub blocks: Vec<Block>,
    slots: Vec<Class>,
    constants: BTreeMap<(u64, bool), Slot>,
    pub specials: BTreeMap<Special, Slot>,
    /// Scratch slots, used anew by each instruction: by class, and how many are taken.
    temporary: [Vec<u32>; 3],
    taken: [usize; 3],
    shared: Area,
    local: Area,
    /// Addresses of variables that are not the module's.
    addresses: BTreeMap<VarId, u64>,
    /// The function at work.
    pub function: &'a Function,
    registers: Vec<u32>,
    /// Slots of registers with their names.
    names: Vec<(Slot, Box<str>)>,
    functions: Vec<Called>,
    /// The carry flag of the function.
    carry: Option<u32>,
    /// For the instruction at work.
    pub guard: Option<Guard>,
    pub line: u32,
}

impl<'a> Builder<'a> {
    pub fn new(ast: &'a Ast, layout: &'a Layout, effort: &'a mut u64) -> Self {
        static NOTHING: std::sync::OnceLock<Function> = std::sync::OnceLock::new();
        let function = NOTHING.get_or_init(|| Function {
            name: String::new(),
            entry: false,
            params: Vec::new(),
            returns: Vec::new(),
            registers: Vec::new(),
            register_names: Vec::new(),
            body: Vec::new(),
            max_threads: None,
            required_threads: None,
            line: 0,
        });
        Self {
            ast,
            layout,
            effort,
            ops: Vec::new(),
            blocks: Vec::new(),
            slots: Vec::new(),
            constants: BTreeMap::new(),
            specials: BTreeMap::new(),
            temporary: Default::default(),
            taken: [0; 3],
            shared: Area::default(),
            local: Area::default(),
            addresses: BTreeMap::new(),
            function,
            registers: Vec::new(),
            names: Vec::new(),
            functions: Vec::new(),
            carry: None,
            guard: None,
            line: 0,
        }
    }

    /// Counts what is done, so that it ends soon.
    pub fn charge(&mut self, cost: u64, line: u32) -> Result<()> {
        match self.effort.checked_sub(cost) {
            Some(left) => *self.effort = left,
            None => {
                *self.effort = 0;
                let what = "the size of all kernels, each with what it calls";
                return Err(Error::Limit { line, column: 0, what, found: EFFORT + 1, limit: EFFORT });
            }
        }
        Ok(())
    }

    /// Starts a function: its registers have no slots yet.
    pub fn enter(&mut self, function: &'a Function) {
        self.function = function;
        self.registers = vec![u32::MAX; function.registers.len()];
        self.carry = None;
    }

    /// Where the registers and the local memory of the function at work start, if it is lowered next.
    pub fn mark(&self) -> (usize, usize) {
        (self.names.len(), self.local.len as usize)
    }

    /// Notes what a function has of its own: all since a mark.
    pub fn note(&mut self, entry: u32, (names, local): (usize, usize)) {
        let (registers, local) = (names..self.names.len(), local..self.local.len as usize);
        self.functions.push(Called { entry, registers, local });
    }

    pub fn finish(self, entry: u32) -> Program {
        let has_barriers = self.blocks.iter().any(|block| matches!(block.end, End::Barrier { .. }));
        let has_collectives = self.blocks.iter().any(|block| matches!(block.end, End::Collective { .. }));
        Program {
            has_barriers,
            has_collectives,
            ops: self.ops,
            blocks: self.blocks,
            entry,
            slots: self.slots,
            constants: self.constants.into_iter().map(|((value, _), slot)| (slot, value)).collect(),
            specials: self.specials.into_iter().collect(),
            names: self.names,
            functions: self.functions,
            shared_len: self.shared.len as usize,
            local_len: self.local.len.next_multiple_of(16) as usize,
        }
    }

    pub fn fresh(&mut self, class: Class) -> Slot {
        self.slots.push(class);
        self.slots.len() as Slot - 1
    }

    /// A slot of its own, for good.
    pub fn word_slot(&mut self) -> u32 {
        self.fresh(Class::Word)
    }

    /// A scratch slot for the instruction at work.
    pub fn scratch(&mut self, class: Class) -> u32 {
        let kind = match class {
            Class::Word => 0,
            Class::Long => 1,
            Class::Mask => 2,
        };
        if self.taken[kind] == self.temporary[kind].len() {
            let slot = self.fresh(class);
            self.temporary[kind].push(slot);
        }
        self.taken[kind] += 1;
        self.temporary[kind][self.taken[kind] - 1]
    }

    /// Forgets the scratch slots of the instruction before.
    pub fn next_instruction(&mut self, line: u32) {
        self.taken = [0; 3];
        self.line = line;
        self.guard = None;
    }

    pub fn register_type(&self, id: RegId) -> Type {
        self.function.registers[id.0 as usize]
    }

    pub fn register(&mut self, id: RegId) -> u32 {
        if self.registers[id.0 as usize] == u32::MAX {
            let slot = self.fresh(class(self.register_type(id)));
            self.registers[id.0 as usize] = slot;
            self.names.push((slot, self.function.register_name(id).into()));
        }
        self.registers[id.0 as usize]
    }

    pub fn carry(&mut self) -> u32 {
        if let Some(slot) = self.carry {
            return slot;
        }
        let slot = self.fresh(Class::Mask);
        self.carry = Some(slot);
        self.names.push((slot, "CC.CF".into()));
        slot
    }

    /// The slot of a constant. Words and predicates may share one: their bits mean the same.
    pub fn constant(&mut self, value: u64, class: Class) -> Slot {
        let key = (value, class == Class::Long);
        if let Some(slot) = self.constants.get(&key) {
            return *slot;
        }
        let slot = self.fresh(class);
        self.constants.insert(key, slot);
        slot
    }

    pub fn word_constant(&mut self, value: u32) -> Slot {
        self.constant(value.into(), Class::Word)
    }

    pub fn long_constant(&mut self, value: u64) -> Slot {
        self.constant(value, Class::Long)
    }

    /// Whether a variable is a parameter of the kernel at work.
    pub fn is_kernel_param(&self, id: VarId) -> bool {
        let variable = self.ast.variable(id);
        self.function.entry && variable.space == Space::Param && variable.constant
    }

    /// The address of a variable in its space; local memory holds parameters of functions too.
    pub fn address(&mut self, id: VarId) -> Result<u64> {
        if let Some(at) = self.layout.addresses.get(&id).or_else(|| self.addresses.get(&id)) {
            return Ok(*at);
        }
        let variable = self.ast.variable(id);
        let at = match variable.space {
            Space::Global => {
                return Err(Error::Name {
                    line: self.line,
                    column: 0,
                    name: variable.name.clone(),
                    problem: "has no address",
                });
            }
            // Dynamic shared memory has no length; `shared_end` places it.
            Space::Shared if variable.len == 0 => 0,
            Space::Shared => self.shared.take(variable.len, variable.align),
            Space::Local => self.local.take(variable.len, variable.align),
            Space::Param if self.is_kernel_param(id) => {
                // All at once: the place of one depends on those before it.
                let (mut area, mut found) = (Area::default(), 0);
                for param in &self.function.params {
                    let variable = self.ast.variable(*param);
                    let at = area.take(variable.len, variable.align);
                    self.addresses.insert(*param, at);
                    if *param == id {
                        found = at;
                    }
                }
                found
            }
            Space::Param => self.local.take(variable.len, variable.align),
        };
        for (area, limit, what) in
            [(&self.local, MAX_LOCAL, "local memory"), (&self.shared, MAX_SHARED, "shared memory")]
        {
            if area.len > limit {
                return Err(Error::Limit {
                    line: variable.line,
                    column: variable.column,
                    what,
                    found: area.len,
                    limit,
                });
            }
        }
        self.addresses.insert(id, at);
        Ok(at)
    }

    /// Places dynamic shared memory behind all static shared memory.
    pub fn place_dynamic_shared(&mut self, ids: &[VarId]) {
        let align = ids.iter().map(|id| self.ast.variable(*id).align).max().unwrap_or(16).max(16);
        if ids.is_empty() {
            return;
        }
        let at = self.shared.take(0, align);
        for id in ids {
            self.addresses.insert(*id, at);
        }
    }

    /// Adds an operation.
    pub fn push(&mut self, what: What) {
        self.ops.push(Op { what, guard: self.guard, line: self.line });
    }

    /// Adds an operation on slots.
    pub fn emit(&mut self, f: Scalar, d: Slot, sources: [Slot; 3]) {
        self.emit_imm(f, d, sources, 0);
    }

    pub fn emit_imm(&mut self, f: Scalar, d: Slot, mut s: [Slot; 3], imm: u32) {
        // Operands that the operation does not have repeat one that it has, so that every slot named is one that is read.
        for unused in f.operands().len()..3 {
            s[unused] = s[0];
        }
        self.push(What::Scalar { f, d, s, imm });
    }

    /// The slot of an operand that is read as a value of a class. `ty` tells how to read a number.
    pub fn source(&mut self, ins: &Instruction, operand: &Operand, wanted: Class, ty: Type) -> Result<u32> {
        match operand {
            Operand::Reg(id) => {
                let found = class(self.register_type(*id));
                if found != wanted {
                    return Err(ins.unsupported(format!(
                        "register of type {:?} where {} is expected",
                        self.register_type(*id),
                        match wanted {
                            Class::Word => "at most 32 bits",
                            Class::Long => "64 bits",
                            _ => "a predicate",
                        }
                    )));
                }
                Ok(self.register(*id))
            }
            Operand::Not(id) if wanted == Class::Mask => {
                let source = self.register(*id);
                let slot = self.scratch(Class::Mask);
                let guard = self.guard.take();
                self.emit(Scalar::NotP, slot, [source, 0, 0]);
                self.guard = guard;
                Ok(slot)
            }
            Operand::Special(name) if wanted == Class::Word => self.special(name, ins),
            Operand::Special(name) if wanted == Class::Long => {
                let source = self.special(name, ins)?;
                let slot = self.scratch(Class::Long);
                self.emit(Scalar::ZeroExtend32, slot, [source, 0, 0]);
                Ok(slot)
            }
            Operand::Symbol(id, offset) if wanted == Class::Long || wanted == Class::Word => {
                let at = self.address(*id)?.wrapping_add(*offset as u64);
                Ok(if wanted == Class::Long { self.long_constant(at) } else { self.word_constant(at as u32) })
            }
            Operand::Int(value) if wanted == Class::Mask => Ok(self.constant(u64::from(*value != 0), Class::Mask)),
            Operand::Int(_) | Operand::Single(_) | Operand::Double(_) => {
                let bits = self.number(ins, operand, ty)?;
                Ok(if wanted == Class::Long { self.long_constant(bits) } else { self.word_constant(bits as u32) })
            }
            _ => Err(ins.unsupported("an operand of this form is not possible here")),
        }
    }

    /// The bits of a number as a value of a type.
    pub fn number(&self, ins: &Instruction, operand: &Operand, ty: Type) -> Result<u64> {
        let half = ty.is_float() && !matches!(ty, Type::F32 | Type::F64);
        if half && matches!(operand, Operand::Single(_) | Operand::Double(_)) {
            return Err(ins.unsupported("a 16-bit float is written as its bits, as 0x3C00 for 1.0"));
        }
        let bits = match *operand {
            Operand::Int(value) => match ty {
                Type::F32 => u64::from((value as i64 as f32).to_bits()),
                Type::F64 => (value as i64 as f64).to_bits(),
                _ => value,
            },
            Operand::Single(bits) if ty != Type::F64 => u64::from(bits),
            Operand::Single(bits) => f64::from(f32::from_bits(bits)).to_bits(),
            Operand::Double(bits) if ty == Type::F32 => u64::from((f64::from_bits(bits) as f32).to_bits()),
            Operand::Double(bits) => bits,
            _ => return Err(ins.unsupported("a number is expected")),
        };
        Ok(match ty.len() {
            1 => bits & 0xff,
            2 => bits & 0xffff,
            4 => bits & 0xffff_ffff,
            _ => bits,
        })
    }

    /// The slot of an operand that is written.
    pub fn target(&mut self, ins: &Instruction, operand: &Operand, wanted: Class) -> Result<u32> {
        match operand {
            Operand::Sink => Ok(self.scratch(wanted)),
            Operand::Reg(id) if class(self.register_type(*id)) == wanted => Ok(self.register(*id)),
            Operand::Reg(id) => {
                Err(ins.unsupported(format!("cannot write to a register of type {:?}", self.register_type(*id))))
            }
            _ => Err(ins.unsupported("a register is expected as destination")),
        }
    }
}
