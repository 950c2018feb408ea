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
        let combine = combination(ins);
        self.expect(ins, if combine.is_some() { 4 } else { 3 })?;
        let (p, q) = match &ins.operands[0] {
            Operand::Pair(p, q) => (self.target(ins, p, Class::Mask)?, Some(self.target(ins, q, Class::Mask)?)),
            p => (self.target(ins, p, Class::Mask)?, None),
        };
        if combine.is_none() && q.is_none() && !ty.is_pair() {
            let sources = self.compared(ins, ty)?[0];
            return self.condition(ins, relation(ins), ty, p, sources);
        }
        // Two predicates are written one after the other, and either may be the guard or an operand: scratch first.
        let guard = self.guard.take();
        let outcomes = match (&self.outcomes(ins, ty)?[..], q) {
            ([low, high], Some(_)) => [*low, *high],
            ([_, _], None) => return Err(ins.unsupported("a pair is compared into two predicates: p|q")),
            (found, _) => {
                let inverse = self.scratch(Class::Mask);
                self.emit(Scalar::NotP, inverse, [found[0], 0, 0]);
                [found[0], inverse]
            }
        };
        self.combine(ins, combine, &outcomes)?;
        if let Some(guard) = guard {
            let copy = self.scratch(Class::Mask);
            self.emit(Scalar::MovP, copy, [guard.slot, 0, 0]);
            self.guard = Some(Guard { slot: copy, ..guard });
        }
        self.emit(Scalar::MovP, p, [outcomes[0], 0, 0]);
        if let Some(q) = q {
            self.emit(Scalar::MovP, q, [outcomes[1], 0, 0]);
        }
        Ok(())
    }

    /// `set.cmp{.bool}.type.type d, a, b, c`: ones or 1.0 where the comparison holds.
    pub(super) fn set(&mut self, ins: &Instruction) -> Result<()> {
        use Type::{F16, F16x2, F32, S16, S32, U16, U32};
        let types: Vec<Type> = ins.types().collect();
        let [to, from] = types[..] else { return Err(ins.unsupported("two types are expected")) };
        let combine = combination(ins);
        self.expect(ins, if combine.is_some() { 4 } else { 3 })?;
        let yes = match (to, from) {
            (F16x2, F16x2) => 0x3c00,
            (U32 | S32, F16x2) => 0xffff,
            (_, F16x2) | (F16x2, _) => return Err(ins.unsupported("a pair is compared into f16x2, u32 or s32")),
            (U16 | S16, F16) => 0xffff,
            (U32 | S32, _) => u32::MAX,
            (F32, _) => 1f32.to_bits(),
            (F16, _) => 0x3c00,
            _ => return Err(ins.unsupported("the result is u32, s32, f32 or f16, of f16 also u16 or s16")),
        };
        let (yes, no) = (self.word_constant(yes), self.word_constant(0));
        let guard = self.guard.take();
        let outcomes = self.outcomes(ins, from)?;
        self.combine(ins, combine, &outcomes)?;
        self.guard = guard;
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        match outcomes[..] {
            [low, high] => {
                let (first, second) = (self.scratch(Class::Word), self.scratch(Class::Word));
                self.emit(Scalar::Select32, first, [yes, no, low]);
                self.emit(Scalar::Select32, second, [yes, no, high]);
                self.emit(Scalar::Join16, d, [first, second, 0]);
            }
            _ => self.emit(Scalar::Select32, d, [yes, no, outcomes[0]]),
        }
        Ok(())
    }

    /// Combines outcomes with the predicate that is the last operand.
    fn combine(&mut self, ins: &Instruction, combine: Option<Scalar>, outcomes: &[u32]) -> Result<()> {
        let Some(combine) = combine else { return Ok(()) };
        let c = self.source(ins, &ins.operands[3], Class::Mask, Type::Pred)?;
        for outcome in outcomes {
            self.emit(combine, *outcome, [*outcome, c, 0]);
        }
        Ok(())
    }

    /// Whether the comparison holds, in scratch slots: one, or one for each half of a pair.
    fn outcomes(&mut self, ins: &Instruction, ty: Type) -> Result<Vec<u32>> {
        let mut outcomes = Vec::new();
        for sources in self.compared(ins, ty)? {
            let found = self.scratch(Class::Mask);
            self.condition(ins, relation(ins), ty, found, sources)?;
            outcomes.push(found);
        }
        Ok(outcomes)
    }

    /// What is compared: operands 1 and 2, or their halves.
    fn compared(&mut self, ins: &Instruction, ty: Type) -> Result<Vec<[u32; 2]>> {
        if matches!(ty, Type::Bf16 | Type::Bf16x2) {
            return Err(ins.unsupported("comparing bf16 needs a newer GPU than sm_80: shift it into f32"));
        }
        let class = class(ty);
        let mut halves = vec![[0; 2]; if ty.is_pair() { 2 } else { 1 }];
        for (i, operand) in ins.operands[1..3].iter().enumerate() {
            if !matches!(ty, Type::F16 | Type::F16x2) {
                halves[0][i] =
                    if ty.len() == 2 { self.narrow(ins, operand, ty)? } else { self.source(ins, operand, class, ty)? };
                continue;
            }
            // f32 has every value of f16, so it compares alike.
            let mut source = self.source(ins, operand, Class::Word, ty)?;
            for half in &mut halves {
                half[i] = self.scratch(Class::Word);
                self.emit(Scalar::F32FromF16, half[i], [source, 0, 0]);
                let upper = self.scratch(Class::Word);
                if ty.is_pair() {
                    self.emit(Scalar::High16, upper, [source, 0, 0]);
                }
                source = upper;
            }
        }
        Ok(halves)
    }

    fn condition(&mut self, ins: &Instruction, condition: &str, ty: Type, d: u32, [a, b]: [u32; 2]) -> Result<()> {
        use Type::F64;
        let (same, swapped) = ([a, b, 0], [b, a, 0]);
        if ty.is_float() {
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

/// The comparison that an instruction names.
fn relation(ins: &Instruction) -> &str {
    ins.modifiers().next().unwrap_or_default()
}

/// How the outcome is combined with a predicate.
fn combination(ins: &Instruction) -> Option<Scalar> {
    ins.modifiers().find_map(|modifier| match modifier {
        "and" => Some(Scalar::AndP),
        "or" => Some(Scalar::OrP),
        "xor" => Some(Scalar::XorP),
        _ => None,
    })
}
