//! Lowers arithmetic, logic, comparisons and selections.

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
        use Type::{B16, B32, B64, F32, F64, Pred, S16, S32, S64, U16, U32, U64};
        let Some(ty) = ins.types().next() else { return Err(ins.unsupported("a type is missing")) };
        match (kind, ty) {
            (Kind::Add, _) if ins.has("cc") => self.with_carry(ins, ty, None, Sum::Add),
            (Kind::Sub, _) if ins.has("cc") => self.with_carry(ins, ty, None, Sum::Sub),
            (Kind::AddCarry, _) => self.with_carry(ins, ty, None, Sum::AddCarry),
            (Kind::SubCarry, _) => self.with_carry(ins, ty, None, Sum::SubCarry),
            (Kind::MadCarry, _) => self.mad_carry(ins, ty),
            (Kind::Mad, U32 | S32 | U64 | S64) if ins.has("cc") => self.mad_carry(ins, ty),

            (Kind::Add, U16 | S16) => self.apply_narrow(Scalar::Add32, ins, ty),
            (Kind::Add, U32 | S32) => self.apply(Scalar::Add32, ins, ty),
            (Kind::Add, U64 | S64) => self.apply(Scalar::Add64, ins, ty),
            (Kind::Add, F32) => self.apply(Scalar::AddF32, ins, ty),
            (Kind::Add, F64) => self.apply(Scalar::AddF64, ins, ty),
            (Kind::Sub, U16 | S16) => self.apply_narrow(Scalar::Sub32, ins, ty),
            (Kind::Sub, U32 | S32) => self.apply(Scalar::Sub32, ins, ty),
            (Kind::Sub, U64 | S64) => self.apply(Scalar::Sub64, ins, ty),
            (Kind::Sub, F32) => self.apply(Scalar::SubF32, ins, ty),
            (Kind::Sub, F64) => self.apply(Scalar::SubF64, ins, ty),

            (Kind::Mul, F32) => self.apply(Scalar::MulF32, ins, ty),
            (Kind::Mul, F64) => self.apply(Scalar::MulF64, ins, ty),
            (Kind::Mul, _) => self.multiply(ins, ty),
            (Kind::Mad, F32) | (Kind::Fma, F32) => self.apply(Scalar::FmaF32, ins, ty),
            (Kind::Mad, F64) | (Kind::Fma, F64) => self.apply(Scalar::FmaF64, ins, ty),
            (Kind::Mad, _) => self.multiply_add(ins, ty),
            (Kind::Mul24, U32) => self.apply(Scalar::Mul24U, ins, ty),
            (Kind::Mul24, S32) => self.apply(Scalar::Mul24S, ins, ty),
            (Kind::Mad24, U32 | S32) => {
                self.expect(ins, 4)?;
                let a = self.source(ins, &ins.operands[1], Class::Word, ty)?;
                let b = self.source(ins, &ins.operands[2], Class::Word, ty)?;
                let c = self.source(ins, &ins.operands[3], Class::Word, ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                let product = self.scratch(Class::Word);
                if ty == S32 {
                    self.emit(Scalar::Mul24S, product, [a, b, 0]);
                } else {
                    self.emit(Scalar::Mul24U, product, [a, b, 0]);
                }
                self.emit(Scalar::Add32, d, [product, c, 0]);
                Ok(())
            }

            (Kind::Div, F32) => self.apply(Scalar::DivF32, ins, ty),
            (Kind::Div, F64) => self.apply(Scalar::DivF64, ins, ty),
            (Kind::Div | Kind::Rem, _) => self.division(ins, ty, kind == Kind::Rem),
            (Kind::Rcp, F32) => self.apply(Scalar::RcpF32, ins, ty),
            (Kind::Rcp, F64) => self.apply(Scalar::RcpF64, ins, ty),
            (Kind::Sqrt, F32) => self.apply(Scalar::SqrtF32, ins, ty),
            (Kind::Sqrt, F64) => self.apply(Scalar::SqrtF64, ins, ty),

            (Kind::Neg, S16) => self.apply_narrow(Scalar::Neg32, ins, ty),
            (Kind::Neg, S32) => self.apply(Scalar::Neg32, ins, ty),
            (Kind::Neg, S64) => self.apply(Scalar::Neg64, ins, ty),
            (Kind::Neg, F32) => self.apply(Scalar::NegF32, ins, ty),
            (Kind::Neg, F64) => self.apply(Scalar::NegF64, ins, ty),
            (Kind::Abs, S16) => self.apply_narrow(Scalar::Abs32, ins, ty),
            (Kind::Abs, S32) => self.apply(Scalar::Abs32, ins, ty),
            (Kind::Abs, S64) => self.apply(Scalar::Abs64, ins, ty),
            (Kind::Abs, F32) => self.apply(Scalar::AbsF32, ins, ty),
            (Kind::Abs, F64) => self.apply(Scalar::AbsF64, ins, ty),
            (Kind::Copysign, F32) => self.apply(Scalar::CopysignF32, ins, ty),
            (Kind::Copysign, F64) => self.apply(Scalar::CopysignF64, ins, ty),

            (Kind::Min, U16) => self.apply_narrow(Scalar::MinU32, ins, ty),
            (Kind::Min, S16) => self.apply_narrow(Scalar::MinS32, ins, ty),
            (Kind::Min, U32) => self.apply(Scalar::MinU32, ins, ty),
            (Kind::Min, S32) => self.apply(Scalar::MinS32, ins, ty),
            (Kind::Min, U64) => self.apply(Scalar::MinU64, ins, ty),
            (Kind::Min, S64) => self.apply(Scalar::MinS64, ins, ty),
            (Kind::Min, F32) => self.apply(Scalar::MinF32, ins, ty),
            (Kind::Min, F64) => self.apply(Scalar::MinF64, ins, ty),
            (Kind::Max, U16) => self.apply_narrow(Scalar::MaxU32, ins, ty),
            (Kind::Max, S16) => self.apply_narrow(Scalar::MaxS32, ins, ty),
            (Kind::Max, U32) => self.apply(Scalar::MaxU32, ins, ty),
            (Kind::Max, S32) => self.apply(Scalar::MaxS32, ins, ty),
            (Kind::Max, U64) => self.apply(Scalar::MaxU64, ins, ty),
            (Kind::Max, S64) => self.apply(Scalar::MaxS64, ins, ty),
            (Kind::Max, F32) => self.apply(Scalar::MaxF32, ins, ty),
            (Kind::Max, F64) => self.apply(Scalar::MaxF64, ins, ty),
            (Kind::Sad, U16) => self.apply_narrow(Scalar::SadU32, ins, ty),
            (Kind::Sad, S16) => self.apply_narrow(Scalar::SadS32, ins, ty),
            (Kind::Sad, U32) => self.apply(Scalar::SadU32, ins, ty),
            (Kind::Sad, S32) => self.apply(Scalar::SadS32, ins, ty),
            (Kind::Sad, U64) => self.apply(Scalar::SadU64, ins, ty),
            (Kind::Sad, S64) => self.apply(Scalar::SadS64, ins, ty),

            (Kind::And, Pred) => self.mask_logic(ins, Scalar::AndP),
            (Kind::Or, Pred) => self.mask_logic(ins, Scalar::OrP),
            (Kind::Xor, Pred) => self.mask_logic(ins, Scalar::XorP),
            (Kind::Not, Pred) => self.mask_logic(ins, Scalar::NotP),
            (Kind::And, B16 | B32) => self.apply(Scalar::And32, ins, ty),
            (Kind::And, B64) => self.apply(Scalar::And64, ins, ty),
            (Kind::Or, B16 | B32) => self.apply(Scalar::Or32, ins, ty),
            (Kind::Or, B64) => self.apply(Scalar::Or64, ins, ty),
            (Kind::Xor, B16 | B32) => self.apply(Scalar::Xor32, ins, ty),
            (Kind::Xor, B64) => self.apply(Scalar::Xor64, ins, ty),
            (Kind::Not, B16) => self.apply_narrow(Scalar::Not32, ins, ty),
            (Kind::Not, B32) => self.apply(Scalar::Not32, ins, ty),
            (Kind::Not, B64) => self.apply(Scalar::Not64, ins, ty),
            (Kind::Cnot, B16 | B32) => self.apply(Scalar::Cnot32, ins, ty),
            (Kind::Cnot, B64) => self.apply(Scalar::Cnot64, ins, ty),
            (Kind::Shl | Kind::Shr, B16 | U16 | S16) => self.narrow_shift(ins, ty, kind == Kind::Shl),
            (Kind::Shl, B32) => self.apply(Scalar::Shl32, ins, ty),
            (Kind::Shl, B64) => self.apply(Scalar::Shl64, ins, ty),
            (Kind::Shr, B32 | U32) => self.apply(Scalar::ShrU32, ins, ty),
            (Kind::Shr, S32) => self.apply(Scalar::ShrS32, ins, ty),
            (Kind::Shr, B64 | U64) => self.apply(Scalar::ShrU64, ins, ty),
            (Kind::Shr, S64) => self.apply(Scalar::ShrS64, ins, ty),

            (Kind::Popc, B32) => self.apply(Scalar::Popc32, ins, ty),
            (Kind::Popc, B64) => self.apply(Scalar::Popc64, ins, ty),
            (Kind::Clz, B32) => self.apply(Scalar::Clz32, ins, ty),
            (Kind::Clz, B64) => self.apply(Scalar::Clz64, ins, ty),
            (Kind::Brev, B32) => self.apply(Scalar::Brev32, ins, ty),
            (Kind::Brev, B64) => self.apply(Scalar::Brev64, ins, ty),
            (Kind::Bfind, U32) if ins.has("shiftamt") => self.apply(Scalar::BfindShiftU32, ins, ty),
            (Kind::Bfind, S32) if ins.has("shiftamt") => self.apply(Scalar::BfindShiftS32, ins, ty),
            (Kind::Bfind, U64) if ins.has("shiftamt") => self.apply(Scalar::BfindShiftU64, ins, ty),
            (Kind::Bfind, S64) if ins.has("shiftamt") => self.apply(Scalar::BfindShiftS64, ins, ty),
            (Kind::Bfind, U32) => self.apply(Scalar::BfindU32, ins, ty),
            (Kind::Bfind, S32) => self.apply(Scalar::BfindS32, ins, ty),
            (Kind::Bfind, U64) => self.apply(Scalar::BfindU64, ins, ty),
            (Kind::Bfind, S64) => self.apply(Scalar::BfindS64, ins, ty),
            (Kind::Bfe, U32) => self.apply(Scalar::BfeU32, ins, ty),
            (Kind::Bfe, S32) => self.apply(Scalar::BfeS32, ins, ty),
            (Kind::Bfe, U64) => self.apply(Scalar::BfeU64, ins, ty),
            (Kind::Bfe, S64) => self.apply(Scalar::BfeS64, ins, ty),
            (Kind::Bfi, B32 | B64) => self.insert_bits(ins, ty),
            (Kind::Prmt, B32) => self.apply(Scalar::Prmt, ins, ty),
            (Kind::Lop3, B32) => {
                self.expect(ins, 5)?;
                let table = self.number(ins, &ins.operands[4], U32)? as u32;
                let mut sources = [0; 3];
                for (source, operand) in sources.iter_mut().zip(&ins.operands[1..4]) {
                    *source = self.source(ins, operand, Class::Word, ty)?;
                }
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit_imm(Scalar::Lop3, d, sources, table);
                Ok(())
            }
            (Kind::Shf, B32) => match (ins.has("l"), ins.has("clamp")) {
                (true, false) => self.apply(Scalar::ShfLeftWrap, ins, ty),
                (true, true) => self.apply(Scalar::ShfLeftClamp, ins, ty),
                (false, false) => self.apply(Scalar::ShfRightWrap, ins, ty),
                (false, true) => self.apply(Scalar::ShfRightClamp, ins, ty),
            },
            (Kind::Dp4a | Kind::Dp2a, U32 | S32) => self.dot(ins, kind == Kind::Dp4a),

            (Kind::Selp, _) => match class(ty) {
                Class::Long => self.apply(Scalar::Select64, ins, ty),
                _ => self.apply(Scalar::Select32, ins, ty),
            },
            (Kind::Slct, _) => self.select_by_sign(ins, ty),
            (Kind::Setp, _) => self.compare(ins, ty),
            (Kind::Testp, F32 | F64) => self.test(ins, ty),
            _ => Err(ins.unsupported("not in this combination of types and modifiers")),
        }
    }

    fn mask_logic(&mut self, ins: &Instruction, f: Scalar) -> Result<()> {
        let sources = if ins.name() == "not" { 1 } else { 2 };
        self.expect(ins, sources + 1)?;
        let a = self.source(ins, &ins.operands[1], Class::Mask, Type::Pred)?;
        let b = if sources == 2 { self.source(ins, &ins.operands[2], Class::Mask, Type::Pred)? } else { a };
        let d = self.target(ins, &ins.operands[0], Class::Mask)?;
        self.emit(f, d, [a, b, 0]);
        Ok(())
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
                if class == Class::Long {
                    self.emit(Scalar::Add64, d, [product, c, 0]);
                } else {
                    self.emit(Scalar::Add32, d, [product, c, 0]);
                }
                Ok(())
            }
            _ => Err(ins.unsupported("`.lo`, `.hi` or `.wide` is expected")),
        }
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

    fn narrow_shift(&mut self, ins: &Instruction, ty: Type, left: bool) -> Result<()> {
        self.expect(ins, 3)?;
        let a = self.narrow(ins, &ins.operands[1], ty)?;
        let b = self.source(ins, &ins.operands[2], Class::Word, Type::U32)?;
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        match (left, ty.is_signed()) {
            (true, _) => self.emit(Scalar::Shl32, d, [a, b, 0]),
            (false, true) => self.emit(Scalar::ShrS32, d, [a, b, 0]),
            (false, false) => self.emit(Scalar::ShrU32, d, [a, b, 0]),
        }
        self.emit(Scalar::ZeroExtend16, d, [d, 0, 0]);
        Ok(())
    }

    fn insert_bits(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, 5)?;
        let class = class(ty);
        let a = self.source(ins, &ins.operands[1], class, ty)?;
        let b = self.source(ins, &ins.operands[2], class, ty)?;
        let position = self.source(ins, &ins.operands[3], Class::Word, Type::U32)?;
        let len = self.source(ins, &ins.operands[4], Class::Word, Type::U32)?;
        let d = self.target(ins, &ins.operands[0], class)?;
        let both = self.scratch(Class::Word);
        self.emit(Scalar::PackBytes, both, [position, len, 0]);
        if class == Class::Long {
            self.emit(Scalar::Bfi64, d, [a, b, both]);
        } else {
            self.emit(Scalar::Bfi32, d, [a, b, both]);
        }
        Ok(())
    }

    fn dot(&mut self, ins: &Instruction, four: bool) -> Result<()> {
        let signs: Vec<bool> = ins.types().map(Type::is_signed).collect();
        let [a, b] = signs[..] else { return Err(ins.unsupported("two types are expected")) };
        let ty = if a || b { Type::S32 } else { Type::U32 };
        match (four, ins.has("hi"), a, b) {
            (true, _, false, false) => self.apply(Scalar::Dp4aUU, ins, ty),
            (true, _, false, true) => self.apply(Scalar::Dp4aUS, ins, ty),
            (true, _, true, false) => self.apply(Scalar::Dp4aSU, ins, ty),
            (true, _, true, true) => self.apply(Scalar::Dp4aSS, ins, ty),
            (false, false, false, false) => self.apply(Scalar::Dp2aLowUU, ins, ty),
            (false, false, false, true) => self.apply(Scalar::Dp2aLowUS, ins, ty),
            (false, false, true, false) => self.apply(Scalar::Dp2aLowSU, ins, ty),
            (false, false, true, true) => self.apply(Scalar::Dp2aLowSS, ins, ty),
            (false, true, false, false) => self.apply(Scalar::Dp2aHighUU, ins, ty),
            (false, true, false, true) => self.apply(Scalar::Dp2aHighUS, ins, ty),
            (false, true, true, false) => self.apply(Scalar::Dp2aHighSU, ins, ty),
            (false, true, true, true) => self.apply(Scalar::Dp2aHighSS, ins, ty),
        }
    }
}
