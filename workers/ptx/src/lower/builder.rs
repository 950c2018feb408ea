//! What lowering keeps while it works: slots, constants, the operations and blocks made so far.

use std::collections::HashMap;

use super::layout::{Area, Layout};
use super::{Program, Special};
use crate::ast::{Ast, Function, Instruction, Operand, RegId, Type, VarId};
use crate::error::{Error, Space};
use crate::exec::lanes::{Lanewise, NO_GUARD, Op, Run, pick};
use crate::exec::masks;
use crate::exec::warp::Block;

type Result<T> = std::result::Result<T, Error>;

/// Most bytes of local memory of a thread: parameters and arrays of a kernel and all it calls.
const MAX_LOCAL: u64 = 64 << 10;
/// Most static shared memory.
const MAX_SHARED: u64 = 48 << 10;

/// Which file a register lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    None,
    Word,
    Long,
    Mask,
}

/// The class of a lane's value.
pub(crate) trait Classed {
    const CLASS: Class;
}
impl Classed for () {
    const CLASS: Class = Class::None;
}
impl Classed for u32 {
    const CLASS: Class = Class::Word;
}
impl Classed for u64 {
    const CLASS: Class = Class::Long;
}
impl Classed for bool {
    const CLASS: Class = Class::Mask;
}

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
    pub wide: bool,
    pub ops: Vec<Op>,
    pub blocks: Vec<Block>,
    words: u32,
    longs: u32,
    masks: u32,
    word_constants: HashMap<u32, u32>,
    long_constants: HashMap<u64, u32>,
    specials: HashMap<Special, u32>,
    /// Scratch slots, used anew by each instruction: by class, and how many are taken.
    temporary: [Vec<u32>; 3],
    taken: [usize; 3],
    shared: Area,
    local: Area,
    /// Addresses of variables that are not the module's.
    addresses: HashMap<VarId, u64>,
    /// The function at work.
    pub function: &'a Function,
    registers: Vec<u32>,
    /// The carry flag of the function.
    carry: Option<u32>,
    /// For the instruction at work.
    pub guard: u32,
    pub line: u32,
}

impl<'a> Builder<'a> {
    pub fn new(ast: &'a Ast, layout: &'a Layout, wide: bool) -> Self {
        static NOTHING: std::sync::OnceLock<Function> = std::sync::OnceLock::new();
        let function = NOTHING.get_or_init(|| Function {
            name: String::new(),
            entry: false,
            params: Vec::new(),
            returns: Vec::new(),
            registers: Vec::new(),
            body: Vec::new(),
            max_threads: None,
            required_threads: None,
            line: 0,
        });
        Self {
            ast,
            layout,
            wide,
            ops: Vec::new(),
            blocks: Vec::new(),
            words: 0,
            longs: 0,
            masks: 0,
            word_constants: HashMap::new(),
            long_constants: HashMap::new(),
            specials: HashMap::new(),
            temporary: Default::default(),
            taken: [0; 3],
            shared: Area::default(),
            local: Area::default(),
            addresses: HashMap::new(),
            function,
            registers: Vec::new(),
            carry: None,
            guard: NO_GUARD,
            line: 0,
        }
    }

    /// Starts a function: its registers have no slots yet.
    pub fn enter(&mut self, function: &'a Function) {
        self.function = function;
        self.registers = vec![u32::MAX; function.registers.len()];
        self.carry = None;
    }

    pub fn finish(self, entry: u32) -> Program {
        Program {
            ops: self.ops,
            blocks: self.blocks,
            entry,
            words: self.words as usize,
            longs: self.longs as usize,
            masks: self.masks as usize,
            word_constants: self.word_constants.into_iter().collect(),
            long_constants: self.long_constants.into_iter().collect(),
            specials: self.specials.into_iter().collect(),
            shared_len: self.shared.len as usize,
            local_len: self.local.len.next_multiple_of(16) as usize,
        }
    }

    fn fresh(&mut self, class: Class) -> u32 {
        let count = match class {
            Class::Long => &mut self.longs,
            Class::Mask => &mut self.masks,
            Class::Word | Class::None => &mut self.words,
        };
        *count += 1;
        *count - 1
    }

    /// A slot of its own, for good.
    pub fn word_slot(&mut self) -> u32 {
        self.fresh(Class::Word)
    }

    /// A scratch slot for the instruction at work.
    pub fn scratch(&mut self, class: Class) -> u32 {
        let kind = match class {
            Class::Word | Class::None => 0,
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
        self.guard = NO_GUARD;
    }

    pub fn register_type(&self, id: RegId) -> Type {
        self.function.registers[id.0 as usize]
    }

    pub fn register(&mut self, id: RegId) -> u32 {
        if self.registers[id.0 as usize] == u32::MAX {
            self.registers[id.0 as usize] = self.fresh(class(self.register_type(id)));
        }
        self.registers[id.0 as usize]
    }

    pub fn carry(&mut self) -> u32 {
        if let Some(slot) = self.carry {
            return slot;
        }
        let slot = self.fresh(Class::Mask);
        self.carry = Some(slot);
        slot
    }

    pub fn word_constant(&mut self, value: u32) -> u32 {
        if let Some(slot) = self.word_constants.get(&value) {
            return *slot;
        }
        let slot = self.fresh(Class::Word);
        self.word_constants.insert(value, slot);
        slot
    }

    pub fn long_constant(&mut self, value: u64) -> u32 {
        if let Some(slot) = self.long_constants.get(&value) {
            return *slot;
        }
        let slot = self.fresh(Class::Long);
        self.long_constants.insert(value, slot);
        slot
    }

    fn special(&mut self, name: &str, ins: &Instruction) -> Result<u32> {
        let special = Special::parse(name).ok_or_else(|| ins.unsupported(format!("%{name} is not in the profile")))?;
        if let Some(slot) = self.specials.get(&special) {
            return Ok(*slot);
        }
        let slot = self.fresh(Class::Word);
        self.specials.insert(special, slot);
        Ok(slot)
    }

    /// Whether a variable is a parameter of the kernel at work.
    pub fn is_kernel_param(&self, id: VarId) -> bool {
        self.function.entry && self.function.params.contains(&id)
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
                let mut area = Area::default();
                let mut at = 0;
                for param in &self.function.params {
                    let variable = self.ast.variable(*param);
                    at = area.take(variable.len, variable.align);
                    if *param == id {
                        break;
                    }
                }
                at
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
    pub fn push(&mut self, (full, masked): (Run, Run), r: [u32; 5], n: u32, imm: u64) {
        self.ops.push(Op { full, masked, guard: self.guard, line: self.line, r, n, imm });
    }

    /// Adds a lane-by-lane operation on slots.
    pub fn emit<O: Lanewise>(&mut self, d: u32, sources: [u32; 3]) {
        self.push(pick::<O>(self.wide), [d, sources[0], sources[1], sources[2], 0], 0, 0);
    }

    pub fn emit_imm<O: Lanewise>(&mut self, d: u32, sources: [u32; 3], imm: u32) {
        self.push(pick::<O>(self.wide), [d, sources[0], sources[1], sources[2], 0], 0, u64::from(imm));
    }

    pub fn emit_mask(&mut self, run: Run, d: u32, a: u32, b: u32) {
        self.push((run, run), [d, a, b, 0, 0], 0, 0);
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
                let guard = std::mem::replace(&mut self.guard, NO_GUARD);
                self.emit_mask(masks::NOT, slot, source, source);
                self.guard = guard;
                Ok(slot)
            }
            Operand::Special(name) if wanted == Class::Word => self.special(name, ins),
            Operand::Special(name) if wanted == Class::Long => {
                let source = self.special(name, ins)?;
                let slot = self.scratch(Class::Long);
                self.emit::<crate::exec::ops::ZeroExtend32>(slot, [source, 0, 0]);
                Ok(slot)
            }
            Operand::Symbol(id, offset) if wanted == Class::Long || wanted == Class::Word => {
                let at = self.address(*id)?.wrapping_add(*offset as u64);
                Ok(if wanted == Class::Long { self.long_constant(at) } else { self.word_constant(at as u32) })
            }
            Operand::Int(value) if wanted == Class::Mask => {
                let slot = self.scratch(Class::Mask);
                let guard = std::mem::replace(&mut self.guard, NO_GUARD);
                self.emit_mask(masks::XOR, slot, slot, slot);
                if *value != 0 {
                    self.emit_mask(masks::NOT, slot, slot, slot);
                }
                self.guard = guard;
                Ok(slot)
            }
            Operand::Int(_) | Operand::Single(_) | Operand::Double(_) => {
                let bits = self.number(ins, operand, ty)?;
                Ok(if wanted == Class::Long { self.long_constant(bits) } else { self.word_constant(bits as u32) })
            }
            _ => Err(ins.unsupported("an operand of this form is not possible here")),
        }
    }

    /// The bits of a number as a value of a type.
    pub fn number(&self, ins: &Instruction, operand: &Operand, ty: Type) -> Result<u64> {
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

    /// Adds a lane-by-lane instruction whose operands have the classes of the operation.
    pub fn apply<O: Lanewise>(&mut self, ins: &Instruction, ty: Type) -> Result<()>
    where
        O::A: Classed,
        O::B: Classed,
        O::C: Classed,
        O::D: Classed,
    {
        let classes = [O::A::CLASS, O::B::CLASS, O::C::CLASS];
        let wanted = classes.iter().filter(|c| **c != Class::None).count();
        self.expect(ins, wanted + 1)?;
        let mut sources = [0; 3];
        for (i, class) in classes.into_iter().enumerate().filter(|(_, c)| *c != Class::None) {
            // Shift amounts and the like are u32 beside operands of another type.
            let ty = if class == Class::Word && ty.len() == 8 { Type::U32 } else { ty };
            sources[i] = self.source(ins, &ins.operands[i + 1], class, ty)?;
        }
        let d = self.target(ins, &ins.operands[0], O::D::CLASS)?;
        self.emit::<O>(d, sources);
        Ok(())
    }

    /// As [`Builder::apply`] for 16-bit operands: sources are extended first, the result is cut.
    pub fn apply_narrow<O: Lanewise<D = u32>>(&mut self, ins: &Instruction, ty: Type) -> Result<()>
    where
        O::A: Classed,
        O::B: Classed,
        O::C: Classed,
    {
        let wanted = [O::A::CLASS, O::B::CLASS, O::C::CLASS].iter().filter(|c| **c == Class::Word).count();
        self.expect(ins, wanted + 1)?;
        let mut sources = [0; 3];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..]) {
            *source = self.narrow(ins, operand, ty)?;
        }
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        self.emit::<O>(d, sources);
        self.emit::<crate::exec::ops::ZeroExtend16>(d, [d, 0, 0]);
        Ok(())
    }

    /// A 16-bit operand, extended to 32 bits by its sign or with zeros.
    pub fn narrow(&mut self, ins: &Instruction, operand: &Operand, ty: Type) -> Result<u32> {
        let source = self.source(ins, operand, Class::Word, ty)?;
        let slot = self.scratch(Class::Word);
        if ty.is_signed() {
            self.emit::<crate::exec::ops::SignExtend16>(slot, [source, 0, 0]);
        } else {
            self.emit::<crate::exec::ops::ZeroExtend16>(slot, [source, 0, 0]);
        }
        Ok(slot)
    }

    pub fn expect(&self, ins: &Instruction, operands: usize) -> Result<()> {
        if ins.operands.len() == operands {
            return Ok(());
        }
        Err(ins.unsupported(format!("{} operands, expected {operands}", ins.operands.len())))
    }
}
