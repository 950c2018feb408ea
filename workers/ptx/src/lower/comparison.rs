//! Lowers comparisons, tests and selections by sign.

use super::builder::{Builder, class};
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::{Class, Guard};
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    pub(super) fn select_by_sign(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, 4)?;
        let class = class(ty);
        let selector = ins.types().nth(1);
        let a = self.source(ins, &ins.operands[1], class, ty)?;
        let b = self.source(ins, &ins.operands[2], class, ty)?;
        let c = self.source(ins, &ins.operands[3], Class::Word, selector.unwrap_or(ty))?;
        let d = self.target(ins, &ins.operands[0], class)?;
        let second = self.scratch(Class::Mask);
        match selector {
            Some(Type::S32) => self.emit(Scalar::Negative32, second, [c, 0, 0]),
            Some(Type::F32) => self.emit(Scalar::NotAtLeastZero, second, [c, 0, 0]),
            _ => return Err(ins.unsupported("the selector is s32 or f32")),
        }
        if class == Class::Long {
            self.emit(Scalar::Select64, d, [b, a, second]);
        } else {
            self.emit(Scalar::Select32, d, [b, a, second]);
        }
        Ok(())
    }

    pub(super) fn test(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, 2)?;
        let class = class(ty);
        let a = self.source(ins, &ins.operands[1], class, ty)?;
        let d = self.target(ins, &ins.operands[0], Class::Mask)?;
        let property = ins.modifiers().find(|m| Type::parse(m).is_none()).unwrap_or_default();
        macro_rules! by_type {
            ($single:ident, $double:ident, $sources:expr) => {
                if class == Class::Long {
                    self.emit(Scalar::$double, d, $sources)
                } else {
                    self.emit(Scalar::$single, d, $sources)
                }
            };
        }
        match property {
            "finite" => by_type!(FiniteF32, FiniteF64, [a, 0, 0]),
            "infinite" => by_type!(InfiniteF32, InfiniteF64, [a, 0, 0]),
            "number" => by_type!(NumF32, NumF64, [a, a, 0]),
            "notanumber" => by_type!(NanF32, NanF64, [a, a, 0]),
            "normal" => by_type!(NormalF32, NormalF64, [a, 0, 0]),
            "subnormal" => by_type!(SubnormalF32, SubnormalF64, [a, 0, 0]),
            _ => return Err(ins.unsupported("a property such as .finite is expected")),
        }
        Ok(())
    }

    /// `setp.cmp{.bool}.type p|q, a, b, c`
    pub(super) fn compare(&mut self, ins: &Instruction, ty: Type) -> Result<()> {
        let combine = ins.modifiers().find_map(|m| match m {
            "and" => Some(Scalar::AndP),
            "or" => Some(Scalar::OrP),
            "xor" => Some(Scalar::XorP),
            _ => None,
        });
        self.expect(ins, if combine.is_some() { 4 } else { 3 })?;
        let class = class(ty);
        let narrow = ty.len() == 2;
        let mut sources = [0; 2];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..]) {
            *source = if narrow { self.narrow(ins, operand, ty)? } else { self.source(ins, operand, class, ty)? };
        }
        let (p, q) = match &ins.operands[0] {
            Operand::Pair(p, q) => (self.target(ins, p, Class::Mask)?, Some(self.target(ins, q, Class::Mask)?)),
            p => (self.target(ins, p, Class::Mask)?, None),
        };
        let condition = ins.modifiers().next().unwrap_or_default();
        if combine.is_none() && q.is_none() {
            return self.condition(ins, condition, ty, p, sources);
        }
        let found = self.scratch(Class::Mask);
        let inverse = self.scratch(Class::Mask);
        // Two predicates are written one after the other, and either may be the guard or an operand: scratch first.
        let guard = self.guard.take();
        self.condition(ins, condition, ty, found, sources)?;
        self.emit(Scalar::NotP, inverse, [found, 0, 0]);
        if let Some(combine) = combine {
            let c = self.source(ins, &ins.operands[3], Class::Mask, Type::Pred)?;
            self.emit(combine, found, [found, c, 0]);
            self.emit(combine, inverse, [inverse, c, 0]);
        }
        if let Some(guard) = guard {
            let copy = self.scratch(Class::Mask);
            self.emit(Scalar::MovP, copy, [guard.slot, 0, 0]);
            self.guard = Some(Guard { slot: copy, ..guard });
        }
        self.emit(Scalar::MovP, p, [found, 0, 0]);
        if let Some(q) = q {
            self.emit(Scalar::MovP, q, [inverse, 0, 0]);
        }
        Ok(())
    }

    fn condition(&mut self, ins: &Instruction, condition: &str, ty: Type, d: u32, [a, b]: [u32; 2]) -> Result<()> {
        use Type::{F32, F64};
        let (same, swapped) = ([a, b, 0], [b, a, 0]);
        if matches!(ty, F32 | F64) {
            macro_rules! by_type {
                ($single:ident, $double:ident, $sources:expr) => {
                    if ty == F64 {
                        self.emit(Scalar::$double, d, $sources)
                    } else {
                        self.emit(Scalar::$single, d, $sources)
                    }
                };
            }
            match condition {
                "eq" => by_type!(EqF32, EqF64, same),
                "ne" => by_type!(NeF32, NeF64, same),
                "lt" => by_type!(LtF32, LtF64, same),
                "le" => by_type!(LeF32, LeF64, same),
                "gt" => by_type!(LtF32, LtF64, swapped),
                "ge" => by_type!(LeF32, LeF64, swapped),
                "equ" => by_type!(EqOrNanF32, EqOrNanF64, same),
                "neu" => by_type!(NotEqF32, NotEqF64, same),
                "ltu" => by_type!(NotLeF32, NotLeF64, swapped),
                "leu" => by_type!(NotLtF32, NotLtF64, swapped),
                "gtu" => by_type!(NotLeF32, NotLeF64, same),
                "geu" => by_type!(NotLtF32, NotLtF64, same),
                "num" => by_type!(NumF32, NumF64, same),
                "nan" => by_type!(NanF32, NanF64, same),
                _ => return Err(ins.unsupported("this comparison is not for floating point")),
            }
            return Ok(());
        }
        let signed = ty.is_signed() && !matches!(condition, "lo" | "ls" | "hi" | "hs");
        macro_rules! by_type {
            ($u32:ident, $s32:ident, $u64:ident, $s64:ident, $sources:expr) => {
                match (ty.len() == 8, signed) {
                    (false, false) => self.emit(Scalar::$u32, d, $sources),
                    (false, true) => self.emit(Scalar::$s32, d, $sources),
                    (true, false) => self.emit(Scalar::$u64, d, $sources),
                    (true, true) => self.emit(Scalar::$s64, d, $sources),
                }
            };
        }
        match condition {
            "eq" => by_type!(Eq32, Eq32, Eq64, Eq64, same),
            "ne" => by_type!(Ne32, Ne32, Ne64, Ne64, same),
            "lt" | "lo" => by_type!(LtU32, LtS32, LtU64, LtS64, same),
            "le" | "ls" => by_type!(LeU32, LeS32, LeU64, LeS64, same),
            "gt" | "hi" => by_type!(LtU32, LtS32, LtU64, LtS64, swapped),
            "ge" | "hs" => by_type!(LeU32, LeS32, LeU64, LeS64, swapped),
            _ => return Err(ins.unsupported("this comparison is not for integers")),
        }
        Ok(())
    }
}
