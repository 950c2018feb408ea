//! Lowers arithmetic on integers, and hands on what else works on registers alone.

use super::builder::{Builder, class};
use crate::ast::{Instruction, Type};
use crate::error::Error;
use crate::ir::{Class, What};
use crate::opcode::Kind;
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

/// A sum that touches the carry flag.
#[derive(Clone, Copy)]
enum Sum {
    Add,
    AddCarry,
    Sub,
    SubCarry,
}

impl Builder<'_> {
    /// Lowers an instruction that is neither memory, nor control flow, nor a conversion.
    pub(super) fn arithmetic(&mut self, ins: &Instruction, kind: Kind) -> Result<()> {
        use Type::{F32, F64, S16, S32, S64, U16, U32, U64};
        let Some(ty) = ins.types().next() else { return Err(ins.unsupported("a type is missing")) };
        if ty.is_float() && !matches!(kind, Kind::Selp | Kind::Slct | Kind::Set | Kind::Setp | Kind::Testp) {
            return self.float(ins, kind, ty);
        }
        match (kind, ty) {
            (Kind::Add, S32) if ins.has("sat") => self.apply(Scalar::AddSaturate, ins, ty),
            (Kind::Sub, S32) if ins.has("sat") => self.apply(Scalar::SubSaturate, ins, ty),
            (Kind::Add | Kind::Sub | Kind::Mul, _) if ins.has("sat") => {
                Err(ins.unsupported(".sat is for s32 and floating point"))
            }
            (Kind::Add, _) if ins.has("cc") => self.with_carry(ins, ty, None, Sum::Add),
            (Kind::Sub, _) if ins.has("cc") => self.with_carry(ins, ty, None, Sum::Sub),
            (Kind::AddCarry, _) => self.with_carry(ins, ty, None, Sum::AddCarry),
            (Kind::SubCarry, _) => self.with_carry(ins, ty, None, Sum::SubCarry),
            (Kind::MadCarry, _) => self.mad_carry(ins, ty),
            (Kind::Mad, U32 | S32 | U64 | S64) if ins.has("cc") => self.mad_carry(ins, ty),

            (Kind::Add, U16 | S16) => self.apply_narrow(Scalar::Add32, ins, ty),
            (Kind::Add, U32 | S32) => self.apply(Scalar::Add32, ins, ty),
            (Kind::Add, U64 | S64) => self.apply(Scalar::Add64, ins, ty),
            (Kind::Sub, U16 | S16) => self.apply_narrow(Scalar::Sub32, ins, ty),
            (Kind::Sub, U32 | S32) => self.apply(Scalar::Sub32, ins, ty),
            (Kind::Sub, U64 | S64) => self.apply(Scalar::Sub64, ins, ty),

            (Kind::Mul, _) => self.multiply(ins, ty),
            (Kind::Mad, _) => self.multiply_add(ins, ty),
            (Kind::Mul24, U32 | S32) => self.apply(product24(ins, ty), ins, ty),
            (Kind::Mad24, U32 | S32) => self.multiply_add24(ins, ty),

            (Kind::Div | Kind::Rem, _) => self.division(ins, ty, kind == Kind::Rem),

            (Kind::Neg, S16) => self.apply_narrow(Scalar::Neg32, ins, ty),
            (Kind::Neg, S32) => self.apply(Scalar::Neg32, ins, ty),
            (Kind::Neg, S64) => self.apply(Scalar::Neg64, ins, ty),
            (Kind::Abs, S16) => self.apply_narrow(Scalar::Abs32, ins, ty),
            (Kind::Abs, S32) => self.apply(Scalar::Abs32, ins, ty),
            (Kind::Abs, S64) => self.apply(Scalar::Abs64, ins, ty),

            (Kind::Min, U16) => self.apply_narrow(Scalar::MinU32, ins, ty),
            (Kind::Min, S16) => self.apply_narrow(Scalar::MinS32, ins, ty),
            (Kind::Min, U32) => self.apply(Scalar::MinU32, ins, ty),
            (Kind::Min, S32) => self.apply(Scalar::MinS32, ins, ty),
            (Kind::Min, U64) => self.apply(Scalar::MinU64, ins, ty),
            (Kind::Min, S64) => self.apply(Scalar::MinS64, ins, ty),
            (Kind::Max, U16) => self.apply_narrow(Scalar::MaxU32, ins, ty),
            (Kind::Max, S16) => self.apply_narrow(Scalar::MaxS32, ins, ty),
            (Kind::Max, U32) => self.apply(Scalar::MaxU32, ins, ty),
            (Kind::Max, S32) => self.apply(Scalar::MaxS32, ins, ty),
            (Kind::Max, U64) => self.apply(Scalar::MaxU64, ins, ty),
            (Kind::Max, S64) => self.apply(Scalar::MaxS64, ins, ty),
            (Kind::Sad, U16) => self.apply_narrow(Scalar::SadU32, ins, ty),
            (Kind::Sad, S16) => self.apply_narrow(Scalar::SadS32, ins, ty),
            (Kind::Sad, U32) => self.apply(Scalar::SadU32, ins, ty),
            (Kind::Sad, S32) => self.apply(Scalar::SadS32, ins, ty),
            (Kind::Sad, U64) => self.apply(Scalar::SadU64, ins, ty),
            (Kind::Sad, S64) => self.apply(Scalar::SadS64, ins, ty),

            (Kind::Selp, _) => match class(ty) {
                Class::Long => self.apply(Scalar::Select64, ins, ty),
                _ => self.apply(Scalar::Select32, ins, ty),
            },
            (Kind::Slct, _) => self.select_by_sign(ins, ty),
            (Kind::Setp, _) => self.compare(ins, ty),
            (Kind::Set, _) => self.set(ins),
            (Kind::Testp, F32 | F64) => self.test(ins, ty),
            _ => self.bits(ins, kind, ty),
        }
    }

    fn multiply(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        use Type::{S16, S32, S64, U16, U32, U64};
        match ty {
            U16 | S16 if ins.has("wide") => {
                self.expect(ins, 3)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit(Scalar::Mul32, d, [a, b, 0]);
                Ok(())
            }
            U16 | S16 if ins.has("hi") => {
                self.expect(ins, 3)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit(Scalar::Mul32, d, [a, b, 0]);
                self.emit(Scalar::High16, d, [d, 0, 0]);
                Ok(())
            }
            U16 | S16 => self.apply_narrow(Scalar::Mul32, ins, ty),
            U32 if ins.has("wide") => self.apply(Scalar::MulWideU32, ins, ty),
            S32 if ins.has("wide") => self.apply(Scalar::MulWideS32, ins, ty),
            U32 if ins.has("hi") => self.apply(Scalar::MulHighU32, ins, ty),
            S32 if ins.has("hi") => self.apply(Scalar::MulHighS32, ins, ty),
            U64 if ins.has("hi") => self.apply(Scalar::MulHighU64, ins, ty),
            S64 if ins.has("hi") => self.apply(Scalar::MulHighS64, ins, ty),
            U32 | S32 if ins.has("lo") => self.apply(Scalar::Mul32, ins, ty),
            U64 | S64 if ins.has("lo") => self.apply(Scalar::Mul64, ins, ty),
            _ => Err(ins.unsupported("`.lo`, `.hi` or `.wide` is expected")),
        }
    }

    fn multiply_add(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        use Type::{S16, S32, S64, U16, U32, U64};
        match ty {
            U32 | S32 if ins.has("lo") => self.apply(Scalar::Mad32, ins, ty),
            U64 | S64 if ins.has("lo") => self.apply(Scalar::Mad64, ins, ty),
            U16 | S16 if ins.has("lo") => self.apply_narrow(Scalar::Mad32, ins, ty),
            U16 | S16 if ins.has("wide") => {
                self.expect(ins, 4)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let wide = if ty == S16 { S32 } else { U32 };
                let c = self.source(ins, &ins.operands[3], Class::Word, wide)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit(Scalar::Mad32, d, [a, b, c]);
                Ok(())
            }
            U32 | S32 if ins.has("wide") => {
                self.expect(ins, 4)?;
                let a = self.source(ins, &ins.operands[1], Class::Word, ty)?;
                let b = self.source(ins, &ins.operands[2], Class::Word, ty)?;
                let c = self.source(ins, &ins.operands[3], Class::Long, if ty == S32 { S64 } else { U64 })?;
                let d = self.target(ins, &ins.operands[0], Class::Long)?;
                if ty == S32 {
                    self.emit(Scalar::MadWideS32, d, [a, b, c]);
                } else {
                    self.emit(Scalar::MadWideU32, d, [a, b, c]);
                }
                Ok(())
            }
            U32 | S32 | U64 | S64 if ins.has("hi") => {
                self.expect(ins, 4)?;
                let class = class(ty);
                let product = self.product(ins, ty)?;
                let c = self.source(ins, &ins.operands[3], class, ty)?;
                let d = self.target(ins, &ins.operands[0], class)?;
                match (class, ins.has("sat")) {
                    (Class::Long, _) => self.emit(Scalar::Add64, d, [product, c, 0]),
                    (_, false) => self.emit(Scalar::Add32, d, [product, c, 0]),
                    (_, true) => self.emit(Scalar::AddSaturate, d, [product, c, 0]),
                }
                Ok(())
            }
            U16 | S16 if ins.has("hi") => {
                self.expect(ins, 4)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let c = self.source(ins, &ins.operands[3], Class::Word, ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                let product = self.scratch(Class::Word);
                self.emit(Scalar::Mul32, product, [a, b, 0]);
                self.emit(Scalar::High16, product, [product, 0, 0]);
                self.emit(Scalar::Add32, d, [product, c, 0]);
                self.emit(Scalar::ZeroExtend16, d, [d, 0, 0]);
                Ok(())
            }
            _ => Err(ins.unsupported("`.lo`, `.hi` or `.wide` is expected")),
        }
    }

    fn multiply_add24(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, 4)?;
        let mut sources = [0; 3];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..]) {
            *source = self.source(ins, operand, Class::Word, ty)?;
        }
        let [a, b, c] = sources;
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        let product = self.scratch(Class::Word);
        self.emit(product24(ins, ty), product, [a, b, 0]);
        let sum = if ins.has("sat") { Scalar::AddSaturate } else { Scalar::Add32 };
        self.emit(sum, d, [product, c, 0]);
        Ok(())
    }

    /// The low or the high half of a product of operands 1 and 2, in a scratch slot.
    fn product(&mut self, ins: &Instruction, ty: Type) -> Result<u32> {
        let class = class(ty);
        let a = self.source(ins, &ins.operands[1], class, ty)?;
        let b = self.source(ins, &ins.operands[2], class, ty)?;
        let slot = self.scratch(class);
        match (ins.has("hi"), ty) {
            (false, Type::U32 | Type::S32) => self.emit(Scalar::Mul32, slot, [a, b, 0]),
            (false, _) => self.emit(Scalar::Mul64, slot, [a, b, 0]),
            (true, Type::U32) => self.emit(Scalar::MulHighU32, slot, [a, b, 0]),
            (true, Type::S32) => self.emit(Scalar::MulHighS32, slot, [a, b, 0]),
            (true, Type::U64) => self.emit(Scalar::MulHighU64, slot, [a, b, 0]),
            (true, _) => self.emit(Scalar::MulHighS64, slot, [a, b, 0]),
        }
        Ok(slot)
    }

    fn mad_carry(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, 4)?;
        let product = self.product(ins, ty)?;
        let sum = if ins.name() == "madc" { Sum::AddCarry } else { Sum::Add };
        self.with_carry(ins, ty, Some(product), sum)
    }

    /// Sums that read or write the carry flag. `first` replaces operand 1; the second term is the last operand.
    fn with_carry(&mut self, ins: &Instruction, ty: Type, first: Option<u32>, sum: Sum) -> Result<()> {
        let class = class(ty);
        let last = if first.is_some() { 3 } else { 2 };
        self.expect(ins, last + 1)?;
        let a = match first {
            Some(slot) => slot,
            None => self.source(ins, &ins.operands[1], class, ty)?,
        };
        let b = self.source(ins, &ins.operands[last], class, ty)?;
        let d = self.target(ins, &ins.operands[0], class)?;
        let carry = self.carry();
        let sources = [a, b, carry];
        // The new carry is computed first: the destination may be one of the sources.
        let new = self.scratch(Class::Mask);
        if ins.has("cc") {
            match (sum, class) {
                (Sum::Add, Class::Long) => self.emit(Scalar::CarryAdd64, new, sources),
                (Sum::Add, _) => self.emit(Scalar::CarryAdd32, new, sources),
                (Sum::AddCarry, Class::Long) => self.emit(Scalar::CarryAddCarry64, new, sources),
                (Sum::AddCarry, _) => self.emit(Scalar::CarryAddCarry32, new, sources),
                (Sum::Sub, Class::Long) => self.emit(Scalar::Borrow64, new, sources),
                (Sum::Sub, _) => self.emit(Scalar::Borrow32, new, sources),
                (Sum::SubCarry, Class::Long) => self.emit(Scalar::BorrowBorrow64, new, sources),
                (Sum::SubCarry, _) => self.emit(Scalar::BorrowBorrow32, new, sources),
            }
        }
        match (sum, class) {
            (Sum::Add, Class::Long) => self.emit(Scalar::Add64, d, sources),
            (Sum::Add, _) => self.emit(Scalar::Add32, d, sources),
            (Sum::AddCarry, Class::Long) => self.emit(Scalar::AddCarry64, d, sources),
            (Sum::AddCarry, _) => self.emit(Scalar::AddCarry32, d, sources),
            (Sum::Sub, Class::Long) => self.emit(Scalar::Sub64, d, sources),
            (Sum::Sub, _) => self.emit(Scalar::Sub32, d, sources),
            (Sum::SubCarry, Class::Long) => self.emit(Scalar::SubBorrow64, d, sources),
            (Sum::SubCarry, _) => self.emit(Scalar::SubBorrow32, d, sources),
        }
        if ins.has("cc") {
            self.emit(Scalar::MovP, carry, [new, 0, 0]);
        }
        Ok(())
    }

    fn division(&mut self, ins: &Instruction, ty: Type, remainder: bool) -> Result<()> {
        self.expect(ins, 3)?;
        let class = class(ty);
        let narrow = ty.len() == 2;
        let mut sources = [0; 2];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..]) {
            *source = if narrow { self.narrow(ins, operand, ty)? } else { self.source(ins, operand, class, ty)? };
        }
        let d = self.target(ins, &ins.operands[0], class)?;
        let (signed, wide, [a, b]) = (ty.is_signed(), class == Class::Long, sources);
        self.push(What::Divide { remainder, signed, wide, d, a, b });
        if narrow {
            self.emit(Scalar::ZeroExtend16, d, [d, 0, 0]);
        }
        Ok(())
    }
}

/// The product of 24-bit numbers: bits 31 to 0, or 47 to 16.
fn product24(ins: &Instruction, ty: Type) -> Scalar {
    match (ty.is_signed(), ins.has("hi")) {
        (false, false) => Scalar::Mul24U,
        (false, true) => Scalar::Mul24HighU,
        (true, false) => Scalar::Mul24S,
        (true, true) => Scalar::Mul24HighS,
    }
}
