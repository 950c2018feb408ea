//! Lowers logic, shifts and what else works on bits.

use super::builder::{Builder, class};
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::Class;
use crate::opcode::Kind;
use crate::scalar::{PRMT_MODES, Scalar};

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    pub(super) fn bits(&mut self, ins: &Instruction, kind: Kind, ty: Type) -> Result<()> {
        use Type::{B16, B32, B64, Pred, S16, S32, S64, U16, U32, U64};
        match (kind, ty) {
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
            (Kind::Prmt, B32) => match PRMT_MODES.iter().position(|mode| ins.has(mode)) {
                Some(mode) => self.apply_imm(Scalar::PrmtMode, ins, ty, mode as u32).map(drop),
                None => self.apply(Scalar::Prmt, ins, ty),
            },
            (Kind::Bmsk, B32) => self.apply_imm(Scalar::Bmsk, ins, ty, ins.has("wrap").into()).map(drop),
            (Kind::Szext, U32) => self.apply_imm(Scalar::SzextU32, ins, ty, ins.has("wrap").into()).map(drop),
            (Kind::Szext, S32) => self.apply_imm(Scalar::SzextS32, ins, ty, ins.has("wrap").into()).map(drop),
            (Kind::Fns, B32) => self.apply(Scalar::Fns, ins, ty),
            (Kind::Lop3, B32) => self.lop3(ins),
            (Kind::Shf, B32) => match (ins.has("l"), ins.has("clamp")) {
                (true, false) => self.apply(Scalar::ShfLeftWrap, ins, ty),
                (true, true) => self.apply(Scalar::ShfLeftClamp, ins, ty),
                (false, false) => self.apply(Scalar::ShfRightWrap, ins, ty),
                (false, true) => self.apply(Scalar::ShfRightClamp, ins, ty),
            },
            (Kind::Dp4a | Kind::Dp2a, U32 | S32) => self.dot(ins, kind == Kind::Dp4a),
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

    /// `lop3{.op}.b32 d{|p}, a, b, c, table{, q}`: with `.and` or `.or`, p = (d != 0) op q.
    fn lop3(&mut self, ins: &Instruction) -> Result<()> {
        let combine = if ins.has("and") {
            Some(Scalar::AndP)
        } else if ins.has("or") {
            Some(Scalar::OrP)
        } else {
            None
        };
        self.expect(ins, 5 + usize::from(combine.is_some()))?;
        let table = self.number(ins, &ins.operands[4], Type::U32)? as u32;
        if table > 255 {
            return Err(ins.unsupported(format!("the table is {table}, at most 255 is possible")));
        }
        let mut sources = [0; 3];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..4]) {
            *source = self.source(ins, operand, Class::Word, Type::B32)?;
        }
        let Some(combine) = combine else {
            let d = self.target(ins, &ins.operands[0], Class::Word)?;
            self.emit_imm(Scalar::Lop3, d, sources, table);
            return Ok(());
        };
        let Operand::Pair(d, p) = &ins.operands[0] else {
            return Err(ins.unsupported("a register and a predicate are expected: d|p"));
        };
        let q = self.source(ins, &ins.operands[5], Class::Mask, Type::Pred)?;
        let (d, p) = (self.target(ins, d, Class::Word)?, self.target(ins, p, Class::Mask)?);
        let (value, found) = (self.scratch(Class::Word), self.scratch(Class::Mask));
        let zero = self.word_constant(0);
        self.emit_imm(Scalar::Lop3, value, sources, table);
        self.emit(Scalar::Ne32, found, [value, zero, 0]);
        self.emit(Scalar::Mov32, d, [value, 0, 0]);
        // Last, because the predicate may be the guard.
        self.emit(combine, p, [found, q, 0]);
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
