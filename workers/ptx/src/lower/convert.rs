//! Lowers `cvt`.

use super::builder::{Builder, class};
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::Class;
use crate::scalar::{Mode, Scalar};

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    /// `cvt.mode.d.a`
    pub(super) fn cvt(&mut self, ins: &Instruction) -> Result<()> {
        let types: Vec<Type> = ins.types().collect();
        let [to, from] = types[..] else { return Err(ins.unsupported("two types are expected")) };
        if matches!(to, Type::F16x2 | Type::Bf16x2) && from == Type::F32 {
            return self.pack_halves(ins, to);
        }
        self.expect(ins, 2)?;
        if [to, from].contains(&Type::Bf16) && ![to, from].contains(&Type::F32) {
            return Err(ins.unsupported("bf16 becomes, and is made of, f32 alone: others need a newer GPU than sm_80"));
        }
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
        if to.is_float() {
            self.require(ins, register, class(to))?;
            if from.is_float() {
                self.float_to_float(ins, to, from, d, source)?;
            } else {
                self.integer_to_float(ins, to, from, d, source)?;
            }
            return self.clamp(ins, to, d);
        }
        if from.is_float() {
            self.float_to_integer(ins, to, from, d, source, register)
        } else {
            self.integer_to_integer(ins, to, from, d, source, register)
        }
    }

    /// `cvt.mode.f16x2.f32 d, a, b`: a becomes the upper half.
    fn pack_halves(&mut self, ins: &Instruction, to: Type) -> Result<()> {
        self.expect(ins, 3)?;
        let mode = self.mode(ins)?;
        if !matches!(mode, Mode::Nearest | Mode::Zero) {
            return Err(ins.unsupported("pairs are rounded with .rn or .rz"));
        }
        let f = if to == Type::F16x2 { Scalar::F16FromF32 } else { Scalar::Bf16FromF32 };
        let mut halves = [0; 2];
        for (half, operand) in halves.iter_mut().zip(&ins.operands[1..]) {
            let source = self.source(ins, operand, Class::Word, Type::F32)?;
            *half = self.scratch(Class::Word);
            self.emit_imm(f, *half, [source, 0, 0], mode as u32);
        }
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        self.emit(Scalar::Join16, d, [halves[1], halves[0], 0]);
        self.clamp(ins, to, d)
    }

    /// The rounding mode, which must be written.
    fn mode(&self, ins: &Instruction) -> Result<Mode> {
        super::float::mode(ins).ok_or_else(|| ins.unsupported("a rounding mode such as .rn is missing"))
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

    fn float_to_float(&mut self, ins: &Instruction, to: Type, from: Type, d: u32, source: u32) -> Result<()> {
        use Type::{Bf16, F16, F32, F64};
        let sources = [source, 0, 0];
        match (to, from) {
            (F32, F64) => match self.mode(ins)? {
                Mode::Nearest => self.emit(Scalar::F32FromF64, d, sources),
                mode => self.emit_imm(Scalar::F32ModeFromF64, d, sources, mode as u32),
            },
            (F16, F64) => self.emit_imm(Scalar::F16FromF64, d, sources, self.mode(ins)? as u32),
            (F16, F32) => self.emit_imm(Scalar::F16FromF32, d, sources, self.mode(ins)? as u32),
            (Bf16, F32) => match self.mode(ins)? {
                mode @ (Mode::Nearest | Mode::Zero) => self.emit_imm(Scalar::Bf16FromF32, d, sources, mode as u32),
                _ => return Err(ins.unsupported("bf16 is rounded with .rn or .rz")),
            },
            (F64, F32) => self.emit(Scalar::F64FromF32, d, sources),
            (F32, F16) => self.emit(Scalar::F32FromF16, d, sources),
            (F32, Bf16) => self.emit(Scalar::F32FromBf16, d, sources),
            (F64, F16) => {
                let single = self.scratch(Class::Word);
                self.emit(Scalar::F32FromF16, single, sources);
                self.emit(Scalar::F64FromF32, d, [single, 0, 0]);
            }
            (F16, F16) => {
                // Through f32, which has every value of f16 and every whole number among them.
                let single = self.scratch(Class::Word);
                self.emit(Scalar::F32FromF16, single, sources);
                if self.round(ins, F32, single, single) {
                    self.emit_imm(Scalar::F16FromF32, d, [single, 0, 0], Mode::Nearest as u32);
                } else {
                    self.copy(Class::Word, d, source);
                }
            }
            (F32, F32) | (F64, F64) => {
                if !self.round(ins, to, d, source) {
                    self.copy(class(to), d, source);
                }
            }
            _ => return Err(ins.unsupported("not between these types")),
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
        let mode = self.mode(ins)?;
        let source = if class(from) == Class::Word { self.extend(from, source) } else { source };
        let (sources, signed) = ([source, 0, 0], from.is_signed());
        if mode == Mode::Nearest {
            let native = match (to, from.len() == 8, signed) {
                (Type::F32, false, false) => Some(Scalar::F32FromU32),
                (Type::F32, false, true) => Some(Scalar::F32FromS32),
                (Type::F32, true, false) => Some(Scalar::F32FromU64),
                (Type::F32, true, true) => Some(Scalar::F32FromS64),
                (Type::F64, false, false) => Some(Scalar::F64FromU32),
                (Type::F64, false, true) => Some(Scalar::F64FromS32),
                (Type::F64, true, false) => Some(Scalar::F64FromU64),
                (Type::F64, true, true) => Some(Scalar::F64FromS64),
                _ => None,
            };
            if let Some(native) = native {
                self.emit(native, d, sources);
                return Ok(());
            }
        }
        let mut long = source;
        if class(from) == Class::Word {
            long = self.scratch(Class::Long);
            let widen = if signed { Scalar::SignExtend32 } else { Scalar::ZeroExtend32 };
            self.emit(widen, long, sources);
        }
        let f = match (to, signed) {
            (Type::F16, false) => Scalar::F16FromU64,
            (Type::F16, true) => Scalar::F16FromS64,
            (Type::F32, false) => Scalar::F32ModeFromU64,
            (Type::F32, true) => Scalar::F32ModeFromS64,
            (Type::F64, false) => Scalar::F64ModeFromU64,
            (Type::F64, true) => Scalar::F64ModeFromS64,
            _ => return Err(ins.unsupported("this floating-point type is not in the profile")),
        };
        self.emit_imm(f, d, [long, 0, 0], mode as u32);
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
        // Whole numbers of f16 are those of f32.
        let (mut from, mut source) = (from, source);
        if let Type::F16 | Type::Bf16 = from {
            let single = self.scratch(Class::Word);
            let widen = if from == Type::F16 { Scalar::F32FromF16 } else { Scalar::F32FromBf16 };
            self.emit(widen, single, [source, 0, 0]);
            (from, source) = (Type::F32, single);
        }
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
        if class(from) == Class::Long || class(to) == Class::Long {
            return self.saturate_long(ins, to, from, d, source, register);
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

    /// As [`Builder::saturate`], where 64 bits take part.
    fn saturate_long(
        &mut self,
        ins: &Instruction,
        to: Type,
        from: Type,
        d: u32,
        source: u32,
        register: Type,
    ) -> Result<()> {
        let mut value = source;
        let clamped = self.scratch(Class::Long);
        if class(from) == Class::Word {
            value = self.extend(from, source);
            let widen = if from.is_signed() { Scalar::SignExtend32 } else { Scalar::ZeroExtend32 };
            self.emit(widen, clamped, [value, 0, 0]);
            value = clamped;
        }
        let bits = 8 * to.len();
        let most = u64::MAX >> (64 - bits + u32::from(to.is_signed()));
        let most = self.long_constant(most);
        if from.is_signed() {
            let least = if to.is_signed() { i64::MIN >> (64 - bits) } else { 0 };
            let least = self.long_constant(least as u64);
            self.emit(Scalar::MaxS64, clamped, [value, least, 0]);
            // Nothing that is signed lies above the largest u64.
            if to != Type::U64 {
                self.emit(Scalar::MinS64, clamped, [clamped, most, 0]);
            }
        } else {
            self.emit(Scalar::MinU64, clamped, [value, most, 0]);
        }
        if class(to) == Class::Long {
            return self.write_register(ins, to, d, clamped, register);
        }
        let low = self.scratch(Class::Word);
        self.emit(Scalar::Low32, low, [clamped, 0, 0]);
        self.write_register(ins, to, d, low, register)
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
}
