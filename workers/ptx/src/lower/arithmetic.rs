//! Lowers arithmetic, logic, comparisons and selections.

use super::builder::{Builder, Class, class};
use crate::ast::{Instruction, Type};
use crate::error::Error;
use crate::exec::lanes::Run;
use crate::exec::ops::*;
use crate::exec::{division, masks};
use crate::opcode::Kind;

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

            (Kind::Add, U16 | S16) => self.apply_narrow::<Add32>(ins, ty),
            (Kind::Add, U32 | S32) => self.apply::<Add32>(ins, ty),
            (Kind::Add, U64 | S64) => self.apply::<Add64>(ins, ty),
            (Kind::Add, F32) => self.apply::<AddF32>(ins, ty),
            (Kind::Add, F64) => self.apply::<AddF64>(ins, ty),
            (Kind::Sub, U16 | S16) => self.apply_narrow::<Sub32>(ins, ty),
            (Kind::Sub, U32 | S32) => self.apply::<Sub32>(ins, ty),
            (Kind::Sub, U64 | S64) => self.apply::<Sub64>(ins, ty),
            (Kind::Sub, F32) => self.apply::<SubF32>(ins, ty),
            (Kind::Sub, F64) => self.apply::<SubF64>(ins, ty),

            (Kind::Mul, F32) => self.apply::<MulF32>(ins, ty),
            (Kind::Mul, F64) => self.apply::<MulF64>(ins, ty),
            (Kind::Mul, _) => self.multiply(ins, ty),
            (Kind::Mad, F32) | (Kind::Fma, F32) => self.apply::<FmaF32>(ins, ty),
            (Kind::Mad, F64) | (Kind::Fma, F64) => self.apply::<FmaF64>(ins, ty),
            (Kind::Mad, _) => self.multiply_add(ins, ty),
            (Kind::Mul24, U32) => self.apply::<Mul24U>(ins, ty),
            (Kind::Mul24, S32) => self.apply::<Mul24S>(ins, ty),
            (Kind::Mad24, U32 | S32) => {
                self.expect(ins, 4)?;
                let a = self.source(ins, &ins.operands[1], Class::Word, ty)?;
                let b = self.source(ins, &ins.operands[2], Class::Word, ty)?;
                let c = self.source(ins, &ins.operands[3], Class::Word, ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                let product = self.scratch(Class::Word);
                if ty == S32 {
                    self.emit::<Mul24S>(product, [a, b, 0]);
                } else {
                    self.emit::<Mul24U>(product, [a, b, 0]);
                }
                self.emit::<Add32>(d, [product, c, 0]);
                Ok(())
            }

            (Kind::Div, F32) => self.apply::<DivF32>(ins, ty),
            (Kind::Div, F64) => self.apply::<DivF64>(ins, ty),
            (Kind::Div | Kind::Rem, _) => self.division(ins, ty, kind == Kind::Rem),
            (Kind::Rcp, F32) => self.apply::<RcpF32>(ins, ty),
            (Kind::Rcp, F64) => self.apply::<RcpF64>(ins, ty),
            (Kind::Sqrt, F32) => self.apply::<SqrtF32>(ins, ty),
            (Kind::Sqrt, F64) => self.apply::<SqrtF64>(ins, ty),

            (Kind::Neg, S16) => self.apply_narrow::<Neg32>(ins, ty),
            (Kind::Neg, S32) => self.apply::<Neg32>(ins, ty),
            (Kind::Neg, S64) => self.apply::<Neg64>(ins, ty),
            (Kind::Neg, F32) => self.apply::<NegF32>(ins, ty),
            (Kind::Neg, F64) => self.apply::<NegF64>(ins, ty),
            (Kind::Abs, S16) => self.apply_narrow::<Abs32>(ins, ty),
            (Kind::Abs, S32) => self.apply::<Abs32>(ins, ty),
            (Kind::Abs, S64) => self.apply::<Abs64>(ins, ty),
            (Kind::Abs, F32) => self.apply::<AbsF32>(ins, ty),
            (Kind::Abs, F64) => self.apply::<AbsF64>(ins, ty),
            (Kind::Copysign, F32) => self.apply::<CopysignF32>(ins, ty),
            (Kind::Copysign, F64) => self.apply::<CopysignF64>(ins, ty),

            (Kind::Min, U16) => self.apply_narrow::<MinU32>(ins, ty),
            (Kind::Min, S16) => self.apply_narrow::<MinS32>(ins, ty),
            (Kind::Min, U32) => self.apply::<MinU32>(ins, ty),
            (Kind::Min, S32) => self.apply::<MinS32>(ins, ty),
            (Kind::Min, U64) => self.apply::<MinU64>(ins, ty),
            (Kind::Min, S64) => self.apply::<MinS64>(ins, ty),
            (Kind::Min, F32) => self.apply::<MinF32>(ins, ty),
            (Kind::Min, F64) => self.apply::<MinF64>(ins, ty),
            (Kind::Max, U16) => self.apply_narrow::<MaxU32>(ins, ty),
            (Kind::Max, S16) => self.apply_narrow::<MaxS32>(ins, ty),
            (Kind::Max, U32) => self.apply::<MaxU32>(ins, ty),
            (Kind::Max, S32) => self.apply::<MaxS32>(ins, ty),
            (Kind::Max, U64) => self.apply::<MaxU64>(ins, ty),
            (Kind::Max, S64) => self.apply::<MaxS64>(ins, ty),
            (Kind::Max, F32) => self.apply::<MaxF32>(ins, ty),
            (Kind::Max, F64) => self.apply::<MaxF64>(ins, ty),
            (Kind::Sad, U16) => self.apply_narrow::<SadU32>(ins, ty),
            (Kind::Sad, S16) => self.apply_narrow::<SadS32>(ins, ty),
            (Kind::Sad, U32) => self.apply::<SadU32>(ins, ty),
            (Kind::Sad, S32) => self.apply::<SadS32>(ins, ty),
            (Kind::Sad, U64) => self.apply::<SadU64>(ins, ty),
            (Kind::Sad, S64) => self.apply::<SadS64>(ins, ty),

            (Kind::And, Pred) => self.mask_logic(ins, masks::AND),
            (Kind::Or, Pred) => self.mask_logic(ins, masks::OR),
            (Kind::Xor, Pred) => self.mask_logic(ins, masks::XOR),
            (Kind::Not, Pred) => self.mask_logic(ins, masks::NOT),
            (Kind::And, B16 | B32) => self.apply::<And32>(ins, ty),
            (Kind::And, B64) => self.apply::<And64>(ins, ty),
            (Kind::Or, B16 | B32) => self.apply::<Or32>(ins, ty),
            (Kind::Or, B64) => self.apply::<Or64>(ins, ty),
            (Kind::Xor, B16 | B32) => self.apply::<Xor32>(ins, ty),
            (Kind::Xor, B64) => self.apply::<Xor64>(ins, ty),
            (Kind::Not, B16) => self.apply_narrow::<Not32>(ins, ty),
            (Kind::Not, B32) => self.apply::<Not32>(ins, ty),
            (Kind::Not, B64) => self.apply::<Not64>(ins, ty),
            (Kind::Cnot, B16 | B32) => self.apply::<Cnot32>(ins, ty),
            (Kind::Cnot, B64) => self.apply::<Cnot64>(ins, ty),
            (Kind::Shl | Kind::Shr, B16 | U16 | S16) => self.narrow_shift(ins, ty, kind == Kind::Shl),
            (Kind::Shl, B32) => self.apply::<Shl32>(ins, ty),
            (Kind::Shl, B64) => self.apply::<Shl64>(ins, ty),
            (Kind::Shr, B32 | U32) => self.apply::<ShrU32>(ins, ty),
            (Kind::Shr, S32) => self.apply::<ShrS32>(ins, ty),
            (Kind::Shr, B64 | U64) => self.apply::<ShrU64>(ins, ty),
            (Kind::Shr, S64) => self.apply::<ShrS64>(ins, ty),

            (Kind::Popc, B32) => self.apply::<Popc32>(ins, ty),
            (Kind::Popc, B64) => self.apply::<Popc64>(ins, ty),
            (Kind::Clz, B32) => self.apply::<Clz32>(ins, ty),
            (Kind::Clz, B64) => self.apply::<Clz64>(ins, ty),
            (Kind::Brev, B32) => self.apply::<Brev32>(ins, ty),
            (Kind::Brev, B64) => self.apply::<Brev64>(ins, ty),
            (Kind::Bfind, U32) if ins.has("shiftamt") => self.apply::<BfindShiftU32>(ins, ty),
            (Kind::Bfind, S32) if ins.has("shiftamt") => self.apply::<BfindShiftS32>(ins, ty),
            (Kind::Bfind, U64) if ins.has("shiftamt") => self.apply::<BfindShiftU64>(ins, ty),
            (Kind::Bfind, S64) if ins.has("shiftamt") => self.apply::<BfindShiftS64>(ins, ty),
            (Kind::Bfind, U32) => self.apply::<BfindU32>(ins, ty),
            (Kind::Bfind, S32) => self.apply::<BfindS32>(ins, ty),
            (Kind::Bfind, U64) => self.apply::<BfindU64>(ins, ty),
            (Kind::Bfind, S64) => self.apply::<BfindS64>(ins, ty),
            (Kind::Bfe, U32) => self.apply::<BfeU32>(ins, ty),
            (Kind::Bfe, S32) => self.apply::<BfeS32>(ins, ty),
            (Kind::Bfe, U64) => self.apply::<BfeU64>(ins, ty),
            (Kind::Bfe, S64) => self.apply::<BfeS64>(ins, ty),
            (Kind::Bfi, B32 | B64) => self.insert_bits(ins, ty),
            (Kind::Prmt, B32) => self.apply::<Prmt>(ins, ty),
            (Kind::Lop3, B32) => {
                self.expect(ins, 5)?;
                let table = self.number(ins, &ins.operands[4], U32)? as u32;
                let mut sources = [0; 3];
                for (source, operand) in sources.iter_mut().zip(&ins.operands[1..4]) {
                    *source = self.source(ins, operand, Class::Word, ty)?;
                }
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit_imm::<Lop3>(d, sources, table);
                Ok(())
            }
            (Kind::Shf, B32) => match (ins.has("l"), ins.has("clamp")) {
                (true, false) => self.apply::<ShfLeftWrap>(ins, ty),
                (true, true) => self.apply::<ShfLeftClamp>(ins, ty),
                (false, false) => self.apply::<ShfRightWrap>(ins, ty),
                (false, true) => self.apply::<ShfRightClamp>(ins, ty),
            },
            (Kind::Dp4a | Kind::Dp2a, U32 | S32) => self.dot(ins, kind == Kind::Dp4a),

            (Kind::Selp, _) => match class(ty) {
                Class::Long => self.apply::<Select64>(ins, ty),
                _ => self.apply::<Select32>(ins, ty),
            },
            (Kind::Slct, _) => self.select_by_sign(ins, ty),
            (Kind::Setp, _) => self.compare(ins, ty),
            (Kind::Testp, F32 | F64) => self.test(ins, ty),
            _ => Err(ins.unsupported("not in this combination of types and modifiers")),
        }
    }

    fn mask_logic(&mut self, ins: &Instruction, run: Run) -> Result<()> {
        let sources = if ins.name() == "not" { 1 } else { 2 };
        self.expect(ins, sources + 1)?;
        let a = self.source(ins, &ins.operands[1], Class::Mask, Type::Pred)?;
        let b = if sources == 2 { self.source(ins, &ins.operands[2], Class::Mask, Type::Pred)? } else { a };
        let d = self.target(ins, &ins.operands[0], Class::Mask)?;
        self.emit_mask(run, d, a, b);
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
                self.emit::<Mul32>(d, [a, b, 0]);
                Ok(())
            }
            U16 | S16 if ins.has("hi") => {
                self.expect(ins, 3)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit::<Mul32>(d, [a, b, 0]);
                self.emit::<High16>(d, [d, 0, 0]);
                Ok(())
            }
            U16 | S16 => self.apply_narrow::<Mul32>(ins, ty),
            U32 if ins.has("wide") => self.apply::<MulWideU32>(ins, ty),
            S32 if ins.has("wide") => self.apply::<MulWideS32>(ins, ty),
            U32 if ins.has("hi") => self.apply::<MulHighU32>(ins, ty),
            S32 if ins.has("hi") => self.apply::<MulHighS32>(ins, ty),
            U64 if ins.has("hi") => self.apply::<MulHighU64>(ins, ty),
            S64 if ins.has("hi") => self.apply::<MulHighS64>(ins, ty),
            U32 | S32 if ins.has("lo") => self.apply::<Mul32>(ins, ty),
            U64 | S64 if ins.has("lo") => self.apply::<Mul64>(ins, ty),
            _ => Err(ins.unsupported("`.lo`, `.hi` or `.wide` is expected")),
        }
    }

    fn multiply_add(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        use Type::{S16, S32, S64, U16, U32, U64};
        match ty {
            U32 | S32 if ins.has("lo") => self.apply::<Mad32>(ins, ty),
            U64 | S64 if ins.has("lo") => self.apply::<Mad64>(ins, ty),
            U16 | S16 if ins.has("lo") => self.apply_narrow::<Mad32>(ins, ty),
            U16 | S16 if ins.has("wide") => {
                self.expect(ins, 4)?;
                let a = self.narrow(ins, &ins.operands[1], ty)?;
                let b = self.narrow(ins, &ins.operands[2], ty)?;
                let wide = if ty == S16 { S32 } else { U32 };
                let c = self.source(ins, &ins.operands[3], Class::Word, wide)?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                self.emit::<Mad32>(d, [a, b, c]);
                Ok(())
            }
            U32 | S32 if ins.has("wide") => {
                self.expect(ins, 4)?;
                let a = self.source(ins, &ins.operands[1], Class::Word, ty)?;
                let b = self.source(ins, &ins.operands[2], Class::Word, ty)?;
                let c = self.source(ins, &ins.operands[3], Class::Long, if ty == S32 { S64 } else { U64 })?;
                let d = self.target(ins, &ins.operands[0], Class::Long)?;
                if ty == S32 {
                    self.emit::<MadWideS32>(d, [a, b, c]);
                } else {
                    self.emit::<MadWideU32>(d, [a, b, c]);
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
                    self.emit::<Add64>(d, [product, c, 0]);
                } else {
                    self.emit::<Add32>(d, [product, c, 0]);
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
            (false, Type::U32 | Type::S32) => self.emit::<Mul32>(slot, [a, b, 0]),
            (false, _) => self.emit::<Mul64>(slot, [a, b, 0]),
            (true, Type::U32) => self.emit::<MulHighU32>(slot, [a, b, 0]),
            (true, Type::S32) => self.emit::<MulHighS32>(slot, [a, b, 0]),
            (true, Type::U64) => self.emit::<MulHighU64>(slot, [a, b, 0]),
            (true, _) => self.emit::<MulHighS64>(slot, [a, b, 0]),
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
                (Sum::Add, Class::Long) => self.emit::<CarryAdd64>(new, sources),
                (Sum::Add, _) => self.emit::<CarryAdd32>(new, sources),
                (Sum::AddCarry, Class::Long) => self.emit::<CarryAddCarry64>(new, sources),
                (Sum::AddCarry, _) => self.emit::<CarryAddCarry32>(new, sources),
                (Sum::Sub, Class::Long) => self.emit::<Borrow64>(new, sources),
                (Sum::Sub, _) => self.emit::<Borrow32>(new, sources),
                (Sum::SubCarry, Class::Long) => self.emit::<BorrowBorrow64>(new, sources),
                (Sum::SubCarry, _) => self.emit::<BorrowBorrow32>(new, sources),
            }
        }
        match (sum, class) {
            (Sum::Add, Class::Long) => self.emit::<Add64>(d, sources),
            (Sum::Add, _) => self.emit::<Add32>(d, sources),
            (Sum::AddCarry, Class::Long) => self.emit::<AddCarry64>(d, sources),
            (Sum::AddCarry, _) => self.emit::<AddCarry32>(d, sources),
            (Sum::Sub, Class::Long) => self.emit::<Sub64>(d, sources),
            (Sum::Sub, _) => self.emit::<Sub32>(d, sources),
            (Sum::SubCarry, Class::Long) => self.emit::<SubBorrow64>(d, sources),
            (Sum::SubCarry, _) => self.emit::<SubBorrow32>(d, sources),
        }
        if ins.has("cc") {
            self.emit_mask(masks::MOV, carry, new, new);
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
        let run = division::run(remainder, ty.is_signed(), class == Class::Long);
        self.push((run, run), [d, sources[0], sources[1], 0, 0], 0, 0);
        if narrow {
            self.emit::<ZeroExtend16>(d, [d, 0, 0]);
        }
        Ok(())
    }

    fn narrow_shift(&mut self, ins: &Instruction, ty: Type, left: bool) -> Result<()> {
        self.expect(ins, 3)?;
        let a = self.narrow(ins, &ins.operands[1], ty)?;
        let b = self.source(ins, &ins.operands[2], Class::Word, Type::U32)?;
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        match (left, ty.is_signed()) {
            (true, _) => self.emit::<Shl32>(d, [a, b, 0]),
            (false, true) => self.emit::<ShrS32>(d, [a, b, 0]),
            (false, false) => self.emit::<ShrU32>(d, [a, b, 0]),
        }
        self.emit::<ZeroExtend16>(d, [d, 0, 0]);
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
        self.emit::<PackBytes>(both, [position, len, 0]);
        if class == Class::Long {
            self.emit::<Bfi64>(d, [a, b, both]);
        } else {
            self.emit::<Bfi32>(d, [a, b, both]);
        }
        Ok(())
    }

    fn dot(&mut self, ins: &Instruction, four: bool) -> Result<()> {
        let signs: Vec<bool> = ins.types().map(Type::is_signed).collect();
        let [a, b] = signs[..] else { return Err(ins.unsupported("two types are expected")) };
        let ty = if a || b { Type::S32 } else { Type::U32 };
        match (four, ins.has("hi"), a, b) {
            (true, _, false, false) => self.apply::<Dp4aUU>(ins, ty),
            (true, _, false, true) => self.apply::<Dp4aUS>(ins, ty),
            (true, _, true, false) => self.apply::<Dp4aSU>(ins, ty),
            (true, _, true, true) => self.apply::<Dp4aSS>(ins, ty),
            (false, false, false, false) => self.apply::<Dp2aLowUU>(ins, ty),
            (false, false, false, true) => self.apply::<Dp2aLowUS>(ins, ty),
            (false, false, true, false) => self.apply::<Dp2aLowSU>(ins, ty),
            (false, false, true, true) => self.apply::<Dp2aLowSS>(ins, ty),
            (false, true, false, false) => self.apply::<Dp2aHighUU>(ins, ty),
            (false, true, false, true) => self.apply::<Dp2aHighUS>(ins, ty),
            (false, true, true, false) => self.apply::<Dp2aHighSU>(ins, ty),
            (false, true, true, true) => self.apply::<Dp2aHighSS>(ins, ty),
        }
    }
}
