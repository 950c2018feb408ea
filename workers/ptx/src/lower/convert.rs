//! Lowers `mov`, `cvt` and `cvta`.

use super::builder::{Builder, class};
use crate::ast::{Base, Instruction, Operand, Type};
use crate::error::{Error, Space};
use crate::ir::Class;
use crate::memory::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    pub(super) fn mov(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let Some(ty) = ins.types().next() else { return Err(ins.unsupported("a type is missing")) };
        match (&ins.operands[0], &ins.operands[1]) {
            (Operand::Vector(parts), source) => self.unpack(ins, parts, source, ty),
            (target, Operand::Vector(parts)) => self.pack(ins, target, parts, ty),
            (target, source) if ty == Type::Pred => {
                let a = self.source(ins, source, Class::Mask, ty)?;
                let d = self.target(ins, target, Class::Mask)?;
                self.emit(Scalar::MovP, d, [a, 0, 0]);
                Ok(())
            }
            (target, source) => {
                let class = class(ty);
                let a = self.source(ins, source, class, ty)?;
                let d = self.target(ins, target, class)?;
                self.copy(class, d, a);
                Ok(())
            }
        }
    }

    fn copy(&mut self, class: Class, d: u32, a: u32) {
        if class == Class::Long {
            self.emit(Scalar::Mov64, d, [a, 0, 0]);
        } else {
            self.emit(Scalar::Mov32, d, [a, 0, 0]);
        }
    }

    /// `mov {a, b}, c`: the low part first.
    fn unpack(&mut self, ins: &Instruction, parts: &[Operand], source: &Operand, ty: Type) -> Result<()> {
        match (parts, ty.len()) {
            ([low, high], 8) => {
                let a = self.source(ins, source, Class::Long, ty)?;
                let (low, high) = (self.target(ins, low, Class::Word)?, self.target(ins, high, Class::Word)?);
                self.emit(Scalar::Low32, low, [a, 0, 0]);
                self.emit(Scalar::High32, high, [a, 0, 0]);
            }
            ([p, q, r, s], 8) => {
                let a = self.source(ins, source, Class::Long, ty)?;
                let half = self.scratch(Class::Word);
                for (pair, high) in [([p, q], false), ([r, s], true)] {
                    let (low, up) = (self.target(ins, pair[0], Class::Word)?, self.target(ins, pair[1], Class::Word)?);
                    if high {
                        self.emit(Scalar::High32, half, [a, 0, 0]);
                    } else {
                        self.emit(Scalar::Low32, half, [a, 0, 0]);
                    }
                    self.emit(Scalar::ZeroExtend16, low, [half, 0, 0]);
                    self.emit(Scalar::High16, up, [half, 0, 0]);
                }
            }
            ([low, high], 4) => {
                let a = self.source(ins, source, Class::Word, ty)?;
                let (low, high) = (self.target(ins, low, Class::Word)?, self.target(ins, high, Class::Word)?);
                let copy = self.scratch(Class::Word);
                self.emit(Scalar::Mov32, copy, [a, 0, 0]);
                self.emit(Scalar::ZeroExtend16, low, [copy, 0, 0]);
                self.emit(Scalar::High16, high, [copy, 0, 0]);
            }
            _ => return Err(ins.unsupported("a value is taken apart into 2 or 4 registers of 16 or 32 bits")),
        }
        Ok(())
    }

    fn pack(&mut self, ins: &Instruction, target: &Operand, parts: &[Operand], ty: Type) -> Result<()> {
        let part = match (parts.len(), ty.len()) {
            (2, 8) => Type::U32,
            (4, 8) | (2, 4) => Type::U16,
            _ => return Err(ins.unsupported("a value is put together from 2 or 4 registers of 16 or 32 bits")),
        };
        let mut sources = Vec::with_capacity(4);
        for operand in parts {
            sources.push(self.source(ins, operand, Class::Word, part)?);
        }
        let d = self.target(ins, target, class(ty))?;
        match sources[..] {
            [low, high] if ty.len() == 8 => self.emit(Scalar::Join32, d, [low, high, 0]),
            [low, high] => self.emit(Scalar::Join16, d, [low, high, 0]),
            [p, q, r, s] => {
                let (low, high) = (self.scratch(Class::Word), self.scratch(Class::Word));
                self.emit(Scalar::Join16, low, [p, q, 0]);
                self.emit(Scalar::Join16, high, [r, s, 0]);
                self.emit(Scalar::Join32, d, [low, high, 0]);
            }
            _ => return Err(ins.unsupported("a value is put together from 2 or 4 registers")),
        }
        Ok(())
    }

    /// Between generic addresses and those of a space.
    pub(super) fn cvta(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let base = if ins.has("shared") || ins.has("shared::cta") {
            SHARED_WINDOW
        } else if ins.has("local") {
            LOCAL_WINDOW
        } else if ins.has("param") {
            PARAM_WINDOW
        } else {
            0
        };
        let a = match &ins.operands[1] {
            Operand::Symbol(id, _) if self.ast.variable(*id).space == Space::Param && !self.is_kernel_param(*id) => {
                return Err(ins.unsupported("the address of a parameter of a function"));
            }
            operand => self.source(ins, operand, Class::Long, Type::U64)?,
        };
        let d = self.target(ins, &ins.operands[0], Class::Long)?;
        if base == 0 {
            self.emit(Scalar::Mov64, d, [a, 0, 0]);
            return Ok(());
        }
        let window = self.long_constant(base);
        if ins.has("to") {
            self.emit(Scalar::Sub64, d, [a, window, 0]);
        } else {
            self.emit(Scalar::Add64, d, [a, window, 0]);
        }
        Ok(())
    }

    /// `cvt.mode.d.a`
    pub(super) fn cvt(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let types: Vec<Type> = ins.types().collect();
        let [to, from] = types[..] else { return Err(ins.unsupported("two types are expected")) };
        // Sources may be wider registers; only their low part counts.
        let source = match &ins.operands[1] {
            Operand::Reg(id) if class(self.register_type(*id)) == Class::Long && class(from) == Class::Word => {
                let wide = self.register(*id);
                let slot = self.scratch(Class::Word);
                self.emit(Scalar::Low32, slot, [wide, 0, 0]);
                slot
            }
            operand => self.source(ins, operand, class(from), from)?,
        };
        let Operand::Reg(id) = &ins.operands[0] else {
            return Err(ins.unsupported("a register is expected as destination"));
        };
        let d = self.register(*id);
        let register = self.register_type(*id);
        match (to.is_float(), from.is_float()) {
            (true, true) => self.float_to_float(ins, to, from, d, source, register),
            (true, false) => {
                if !ins.has("rn") {
                    return Err(ins.unsupported("an integer becomes a float only with .rn"));
                }
                self.require(ins, register, class(to))?;
                self.integer_to_float(ins, to, from, d, source)
            }
            (false, true) => self.float_to_integer(ins, to, from, d, source, register),
            (false, false) => self.integer_to_integer(ins, to, from, d, source, register),
        }
    }

    fn require(&self, ins: &Instruction, register: Type, wanted: Class) -> Result<()> {
        if class(register) == wanted {
            return Ok(());
        }
        Err(ins.unsupported(format!("cannot write to a register of type {register:?}")))
    }

    /// Rounds to a whole number by `.rni`, `.rzi`, `.rmi` or `.rpi`. Returns whether there was such a modifier.
    fn round(&mut self, ins: &Instruction, ty: Type, d: u32, a: u32) -> bool {
        macro_rules! by_type {
            ($single:ident, $double:ident) => {
                if ty == Type::F64 {
                    self.emit(Scalar::$double, d, [a, 0, 0])
                } else {
                    self.emit(Scalar::$single, d, [a, 0, 0])
                }
            };
        }
        if ins.has("rni") {
            by_type!(NearestF32, NearestF64);
        } else if ins.has("rzi") {
            by_type!(TruncF32, TruncF64);
        } else if ins.has("rmi") {
            by_type!(FloorF32, FloorF64);
        } else if ins.has("rpi") {
            by_type!(CeilF32, CeilF64);
        } else {
            return false;
        }
        true
    }

    fn float_to_float(
        &mut self,
        ins: &Instruction,
        to: Type,
        from: Type,
        d: u32,
        source: u32,
        register: Type,
    ) -> Result<()> {
        self.require(ins, register, class(to))?;
        match (to, from) {
            (Type::F32, Type::F64) if ins.has("rn") => self.emit(Scalar::F32FromF64, d, [source, 0, 0]),
            (Type::F32, Type::F64) => return Err(ins.unsupported("f64 becomes f32 only with .rn")),
            (Type::F64, Type::F32) => self.emit(Scalar::F64FromF32, d, [source, 0, 0]),
            _ => {
                let rounded = self.round(ins, to, d, source);
                if !rounded {
                    self.copy(class(to), d, source);
                }
            }
        }
        if ins.has("sat") {
            if to == Type::F64 {
                self.emit(Scalar::SaturateF64, d, [d, 0, 0]);
            } else {
                self.emit(Scalar::SaturateF32, d, [d, 0, 0]);
            }
        }
        Ok(())
    }

    /// Extends an integer of 8 or 16 bits in a word to 32 bits; others stay.
    fn extend(&mut self, from: Type, source: u32) -> u32 {
        if from.len() >= 4 {
            return source;
        }
        let slot = self.scratch(Class::Word);
        self.extend_into(from, slot, source);
        slot
    }

    fn extend_into(&mut self, from: Type, d: u32, source: u32) {
        match (from.len(), from.is_signed()) {
            (1, true) => self.emit(Scalar::SignExtend8, d, [source, 0, 0]),
            (1, false) => self.emit(Scalar::ZeroExtend8, d, [source, 0, 0]),
            (2, true) => self.emit(Scalar::SignExtend16, d, [source, 0, 0]),
            (2, false) => self.emit(Scalar::ZeroExtend16, d, [source, 0, 0]),
            _ => self.emit(Scalar::Mov32, d, [source, 0, 0]),
        }
    }

    fn integer_to_float(&mut self, ins: &Instruction, to: Type, from: Type, d: u32, source: u32) -> Result<()> {
        let source = if class(from) == Class::Word { self.extend(from, source) } else { source };
        let sources = [source, 0, 0];
        match (to, from.len() == 8, from.is_signed()) {
            (Type::F32, false, false) => self.emit(Scalar::F32FromU32, d, sources),
            (Type::F32, false, true) => self.emit(Scalar::F32FromS32, d, sources),
            (Type::F32, true, false) => self.emit(Scalar::F32FromU64, d, sources),
            (Type::F32, true, true) => self.emit(Scalar::F32FromS64, d, sources),
            (Type::F64, false, false) => self.emit(Scalar::F64FromU32, d, sources),
            (Type::F64, false, true) => self.emit(Scalar::F64FromS32, d, sources),
            (Type::F64, true, false) => self.emit(Scalar::F64FromU64, d, sources),
            (Type::F64, true, true) => self.emit(Scalar::F64FromS64, d, sources),
            _ => return Err(ins.unsupported("this floating-point type is not in the profile")),
        }
        Ok(())
    }

    fn float_to_integer(
        &mut self,
        ins: &Instruction,
        to: Type,
        from: Type,
        d: u32,
        source: u32,
        register: Type,
    ) -> Result<()> {
        let whole = self.scratch(class(from));
        if !self.round(ins, from, whole, source) {
            return Err(ins.unsupported("a float becomes an integer only with .rni, .rzi, .rmi or .rpi"));
        }
        let value = self.scratch(class(to));
        let sources = [whole, 0, 0];
        match (from, to) {
            (Type::F32, Type::U8) => self.emit(Scalar::U8FromF32, value, sources),
            (Type::F32, Type::S8) => self.emit(Scalar::S8FromF32, value, sources),
            (Type::F32, Type::U16) => self.emit(Scalar::U16FromF32, value, sources),
            (Type::F32, Type::S16) => self.emit(Scalar::S16FromF32, value, sources),
            (Type::F32, Type::U32) => self.emit(Scalar::U32FromF32, value, sources),
            (Type::F32, Type::S32) => self.emit(Scalar::S32FromF32, value, sources),
            (Type::F32, Type::U64) => self.emit(Scalar::U64FromF32, value, sources),
            (Type::F32, Type::S64) => self.emit(Scalar::S64FromF32, value, sources),
            (Type::F64, Type::U8) => self.emit(Scalar::U8FromF64, value, sources),
            (Type::F64, Type::S8) => self.emit(Scalar::S8FromF64, value, sources),
            (Type::F64, Type::U16) => self.emit(Scalar::U16FromF64, value, sources),
            (Type::F64, Type::S16) => self.emit(Scalar::S16FromF64, value, sources),
            (Type::F64, Type::U32) => self.emit(Scalar::U32FromF64, value, sources),
            (Type::F64, Type::S32) => self.emit(Scalar::S32FromF64, value, sources),
            (Type::F64, Type::U64) => self.emit(Scalar::U64FromF64, value, sources),
            (Type::F64, Type::S64) => self.emit(Scalar::S64FromF64, value, sources),
            _ => return Err(ins.unsupported("this floating-point type is not in the profile")),
        }
        self.write_register(ins, to, d, value, register)
    }

    fn integer_to_integer(
        &mut self,
        ins: &Instruction,
        to: Type,
        from: Type,
        d: u32,
        source: u32,
        register: Type,
    ) -> Result<()> {
        if ins.has("sat") {
            return self.saturate(ins, to, from, d, source, register);
        }
        match (class(from), class(to)) {
            (Class::Word, Class::Word) => {
                // The narrower of the two decides which bits count; its sign, or the target's, how they are extended.
                let by = if to.len() <= from.len() { to } else { from };
                let value = self.scratch(Class::Word);
                self.extend_into(by, value, source);
                self.write_register(
                    ins,
                    if by.is_signed() == to.is_signed() { to } else { Type::U32 },
                    d,
                    value,
                    register,
                )
            }
            (Class::Word, _) => {
                self.require(ins, register, Class::Long)?;
                let value = self.extend(from, source);
                if from.is_signed() {
                    self.emit(Scalar::SignExtend32, d, [value, 0, 0]);
                } else {
                    self.emit(Scalar::ZeroExtend32, d, [value, 0, 0]);
                }
                Ok(())
            }
            (_, Class::Long) => {
                self.require(ins, register, Class::Long)?;
                self.emit(Scalar::Mov64, d, [source, 0, 0]);
                Ok(())
            }
            _ => {
                let value = self.scratch(Class::Word);
                self.emit(Scalar::Low32, value, [source, 0, 0]);
                self.extend_into(to, value, value);
                self.write_register(ins, to, d, value, register)
            }
        }
    }

    fn saturate(&mut self, ins: &Instruction, to: Type, from: Type, d: u32, source: u32, register: Type) -> Result<()> {
        if class(from) != Class::Word || class(to) != Class::Word {
            return Err(ins.unsupported(".sat between integers is possible up to 32 bits"));
        }
        let value = self.extend(from, source);
        let clamped = self.scratch(Class::Word);
        match (to, from.is_signed()) {
            (Type::U8, false) => self.emit(Scalar::SaturateU8, clamped, [value, 0, 0]),
            (Type::U16, false) => self.emit(Scalar::SaturateU16, clamped, [value, 0, 0]),
            (Type::U8 | Type::U16 | Type::U32, true) => {
                self.emit(Scalar::NotNegative32, clamped, [value, 0, 0]);
                if to.len() < 4 {
                    let most = self.word_constant((1 << (8 * to.len())) - 1);
                    self.emit(Scalar::MinU32, clamped, [clamped, most, 0]);
                }
            }
            (Type::S8 | Type::S16 | Type::S32, false) => {
                let most = self.word_constant((1 << (8 * to.len() - 1)) - 1);
                self.emit(Scalar::MinU32, clamped, [value, most, 0]);
            }
            (Type::S8, true) => self.emit(Scalar::SaturateS8, clamped, [value, 0, 0]),
            (Type::S16, true) => self.emit(Scalar::SaturateS16, clamped, [value, 0, 0]),
            _ => self.emit(Scalar::Mov32, clamped, [value, 0, 0]),
        }
        self.write_register(ins, to, d, clamped, register)
    }

    /// Moves a value of a type, extended to 32 or 64 bits, into a register that may be wider or 16 bits short.
    fn write_register(&mut self, ins: &Instruction, ty: Type, d: u32, value: u32, register: Type) -> Result<()> {
        match (class(ty), class(register)) {
            (Class::Long, Class::Long) => self.emit(Scalar::Mov64, d, [value, 0, 0]),
            (Class::Word, Class::Long) if ty.is_signed() => self.emit(Scalar::SignExtend32, d, [value, 0, 0]),
            (Class::Word, Class::Long) => self.emit(Scalar::ZeroExtend32, d, [value, 0, 0]),
            (Class::Word, Class::Word) if register.len() == 2 => self.emit(Scalar::ZeroExtend16, d, [value, 0, 0]),
            (Class::Word, Class::Word) if register.len() == 4 => self.emit(Scalar::Mov32, d, [value, 0, 0]),
            _ => return Err(ins.unsupported(format!("cannot write to a register of type {register:?}"))),
        }
        Ok(())
    }

    /// Whether a base is a parameter of the kernel at work.
    pub(super) fn in_kernel_params(&self, base: &Base) -> bool {
        match base {
            Base::Var(id) => self.is_kernel_param(*id),
            Base::Reg(_) | Base::Absolute => self.function.entry,
        }
    }
}
