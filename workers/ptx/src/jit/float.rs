//! Machine code for arithmetic on floats. A NaN that comes out may be any: [`Translator::set_real`] knows where it shows.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

use super::translate::Translator;
use crate::ir::Slot;
use crate::scalar::Scalar;

impl Translator<'_, '_> {
    /// Computes an operation on floats into its slot, if there is machine code for it.
    pub fn float(&mut self, f: Scalar, d: Slot, s: [Slot; 3]) -> bool {
        if let Some(value) = self.arithmetic(f, s) {
            self.set_real(d, value);
            return true;
        }
        let value = self.comparison(f, s).or_else(|| self.conversion(f, s)).or_else(|| self.sign(f, s));
        if let Some(value) = value {
            self.set(d, value);
        }
        value.is_some()
    }

    fn arithmetic(&mut self, f: Scalar, s: [Slot; 3]) -> Option<Value> {
        use Scalar as S;
        let ty = match f.result() {
            crate::scalar::Kind::Single => F32,
            crate::scalar::Kind::Double => F64,
            _ => return None,
        };
        macro_rules! two {
            ($method:ident) => {{
                let (a, b) = (self.real(s[0], ty), self.real(s[1], ty));
                self.b.ins().$method(a, b)
            }};
        }
        macro_rules! one {
            ($method:ident) => {{
                let a = self.real(s[0], ty);
                self.b.ins().$method(a)
            }};
        }
        let round = self.features.round;
        Some(match f {
            S::AddF32 | S::AddF64 => two!(fadd),
            S::SubF32 | S::SubF64 => two!(fsub),
            S::MulF32 | S::MulF64 => two!(fmul),
            S::DivF32 | S::DivF64 => two!(fdiv),
            S::FmaF32 | S::FmaF64 if self.features.fma => {
                let (a, b, c) = (self.real(s[0], ty), self.real(s[1], ty), self.real(s[2], ty));
                self.b.ins().fma(a, b, c)
            }
            S::RcpF32 | S::RcpF64 => {
                let (one, a) = (self.whole(ty, 1.0), self.real(s[0], ty));
                self.b.ins().fdiv(one, a)
            }
            S::SqrtF32 | S::SqrtF64 => one!(sqrt),
            S::NegF32 | S::NegF64 => one!(fneg),
            S::AbsF32 | S::AbsF64 => one!(fabs),
            S::MinF32 | S::MinF64 => self.least(ty, s, false),
            S::MaxF32 | S::MaxF64 => self.least(ty, s, true),
            S::NearestF32 | S::NearestF64 if round => one!(nearest),
            S::TruncF32 | S::TruncF64 if round => one!(trunc),
            S::FloorF32 | S::FloorF64 if round => one!(floor),
            S::CeilF32 | S::CeilF64 if round => one!(ceil),
            S::SaturateF32 | S::SaturateF64 => {
                let (a, zero, one) = (self.real(s[0], ty), self.whole(ty, 0.0), self.whole(ty, 1.0));
                let a = self.pick(FloatCC::LessThan, zero, a, a, zero);
                self.pick(FloatCC::LessThan, a, one, a, one)
            }
            S::F32FromU32 | S::F64FromU32 => {
                let a = self.word(s[0]);
                self.b.ins().fcvt_from_uint(ty, a)
            }
            S::F32FromS32 | S::F64FromS32 => {
                let a = self.word(s[0]);
                self.b.ins().fcvt_from_sint(ty, a)
            }
            S::F32FromU64 | S::F64FromU64 => {
                let a = self.long(s[0]);
                self.b.ins().fcvt_from_uint(ty, a)
            }
            S::F32FromS64 | S::F64FromS64 => {
                let a = self.long(s[0]);
                self.b.ins().fcvt_from_sint(ty, a)
            }
            S::F64FromF32 => {
                let a = self.real(s[0], F32);
                self.b.ins().fpromote(F64, a)
            }
            S::F32FromF64 => {
                let a = self.real(s[0], F64);
                self.b.ins().fdemote(F32, a)
            }
            _ => return None,
        })
    }

    fn whole(&mut self, ty: Type, value: f32) -> Value {
        self.real_number(ty, if ty == F32 { value.to_bits().into() } else { f64::from(value).to_bits() })
    }

    fn pick(&mut self, code: FloatCC, a: Value, b: Value, yes: Value, no: Value) -> Value {
        let holds = self.b.ins().fcmp(code, a, b);
        self.b.ins().select(holds, yes, no)
    }

    /// The smaller or larger number; NaN only where both are; -0 below +0.
    fn least(&mut self, ty: Type, s: [Slot; 3], largest: bool) -> Value {
        // With a number that is constant, one comparison says all: where the other is NaN or equal, the constant is right.
        for (constant, other) in [(s[1], s[0]), (s[0], s[1])] {
            let Some(bits) = self.known(constant).constant else { continue };
            let number = if ty == F32 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) };
            if number.is_nan() || number == 0.0 && number.is_sign_negative() == largest {
                continue;
            }
            let (a, c) = (self.real(other, ty), self.real(constant, ty));
            return if largest {
                self.pick(FloatCC::LessThan, c, a, a, c)
            } else {
                self.pick(FloatCC::LessThan, a, c, a, c)
            };
        }
        let (a, b) = (self.real(s[0], ty), self.real(s[1], ty));
        // Each of these gives its second operand where neither is smaller; so they differ in zeros, or where one is NaN.
        let (first, second) = if largest {
            (self.pick(FloatCC::LessThan, b, a, a, b), self.pick(FloatCC::LessThan, a, b, b, a))
        } else {
            (self.pick(FloatCC::LessThan, a, b, a, b), self.pick(FloatCC::LessThan, b, a, b, a))
        };
        let both = if largest { self.b.ins().band(first, second) } else { self.b.ins().bor(first, second) };
        // `first` is `b` where one is NaN.
        let dropped = self.pick(FloatCC::Unordered, b, b, a, b);
        self.pick(FloatCC::Unordered, a, b, dropped, both)
    }

    fn comparison(&mut self, f: Scalar, s: [Slot; 3]) -> Option<Value> {
        use Scalar as S;
        let (ty, code) = match f {
            S::EqF32 => (F32, FloatCC::Equal),
            S::LtF32 => (F32, FloatCC::LessThan),
            S::LeF32 => (F32, FloatCC::LessThanOrEqual),
            S::NanF32 => (F32, FloatCC::Unordered),
            S::NotEqF32 => (F32, FloatCC::NotEqual),
            S::NotLtF32 => (F32, FloatCC::UnorderedOrGreaterThanOrEqual),
            S::NotLeF32 => (F32, FloatCC::UnorderedOrGreaterThan),
            S::NumF32 => (F32, FloatCC::Ordered),
            S::NeF32 => (F32, FloatCC::OrderedNotEqual),
            S::EqOrNanF32 => (F32, FloatCC::UnorderedOrEqual),
            S::EqF64 => (F64, FloatCC::Equal),
            S::LtF64 => (F64, FloatCC::LessThan),
            S::LeF64 => (F64, FloatCC::LessThanOrEqual),
            S::NanF64 => (F64, FloatCC::Unordered),
            S::NotEqF64 => (F64, FloatCC::NotEqual),
            S::NotLtF64 => (F64, FloatCC::UnorderedOrGreaterThanOrEqual),
            S::NotLeF64 => (F64, FloatCC::UnorderedOrGreaterThan),
            S::NumF64 => (F64, FloatCC::Ordered),
            S::NeF64 => (F64, FloatCC::OrderedNotEqual),
            S::EqOrNanF64 => (F64, FloatCC::UnorderedOrEqual),
            S::NotAtLeastZero => {
                let (a, zero) = (self.real(s[0], F32), self.whole(F32, 0.0));
                return Some(self.b.ins().fcmp(FloatCC::UnorderedOrLessThan, a, zero));
            }
            S::FiniteF32 => return Some(self.size(F32, s, FloatCC::LessThan)),
            S::FiniteF64 => return Some(self.size(F64, s, FloatCC::LessThan)),
            S::InfiniteF32 => return Some(self.size(F32, s, FloatCC::Equal)),
            S::InfiniteF64 => return Some(self.size(F64, s, FloatCC::Equal)),
            _ => return None,
        };
        let (a, b) = (self.real(s[0], ty), self.real(s[1], ty));
        Some(self.b.ins().fcmp(code, a, b))
    }

    /// Compares the size of a number with infinity.
    fn size(&mut self, ty: Type, s: [Slot; 3], code: FloatCC) -> Value {
        let (a, infinity) = (self.real(s[0], ty), self.whole(ty, f32::INFINITY));
        let size = self.b.ins().fabs(a);
        self.b.ins().fcmp(code, size, infinity)
    }

    /// Floats to integers.
    fn conversion(&mut self, f: Scalar, s: [Slot; 3]) -> Option<Value> {
        use Scalar as S;
        let single = matches!(
            f,
            S::U8FromF32
                | S::S8FromF32
                | S::U16FromF32
                | S::S16FromF32
                | S::U32FromF32
                | S::S32FromF32
                | S::U64FromF32
                | S::S64FromF32
        );
        // The type, whether it has a sign, and the largest number where that is not the type's.
        let (ty, signed, most) = match f {
            S::U8FromF32 | S::U8FromF64 => (I32, false, Some(0xff)),
            S::S8FromF32 | S::S8FromF64 => (I32, true, Some(0x7f)),
            S::U16FromF32 | S::U16FromF64 => (I32, false, Some(0xffff)),
            S::S16FromF32 | S::S16FromF64 => (I32, true, Some(0x7fff)),
            S::U32FromF32 | S::U32FromF64 => (I32, false, None),
            S::S32FromF32 | S::S32FromF64 => (I32, true, None),
            S::U64FromF32 | S::U64FromF64 => (I64, false, None),
            S::S64FromF32 | S::S64FromF64 => (I64, true, None),
            _ => return None,
        };
        let a = self.real(s[0], if single { F32 } else { F64 });
        let mut value =
            if signed { self.b.ins().fcvt_to_sint_sat(ty, a) } else { self.b.ins().fcvt_to_uint_sat(ty, a) };
        match most {
            Some(most) if signed => value = self.clamp_value(value, most),
            Some(most) => {
                let most = self.number(ty, most);
                value = self.b.ins().umin(value, most);
            }
            None => {}
        }
        if single && ty == I32 {
            return Some(value);
        }
        // NaN gives the top bit alone.
        let top = match (most, signed) {
            (None, _) => 1u64 << (ty.bits() - 1),
            (Some(most), true) => !most,
            (Some(most), false) => most ^ most >> 1,
        };
        let top = self.number(ty, top);
        let is_nan = self.b.ins().fcmp(FloatCC::Unordered, a, a);
        Some(self.b.ins().select(is_nan, top, value))
    }

    /// The second operand with the sign of the first, bit by bit.
    fn sign(&mut self, f: Scalar, s: [Slot; 3]) -> Option<Value> {
        let (ty, sign) = match f {
            Scalar::CopysignF32 => (I32, 1u64 << 31),
            Scalar::CopysignF64 => (I64, 1u64 << 63),
            _ => return None,
        };
        let (a, b) = (self.bits(s[0], ty), self.bits(s[1], ty));
        let (sign, rest) = (self.number(ty, sign), self.number(ty, !sign));
        let (a, b) = (self.b.ins().band(a, sign), self.b.ins().band(b, rest));
        Some(self.b.ins().bor(a, b))
    }
}
