//! Machine code for operations on integers and predicates.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

use super::context::status;
use super::translate::Translator;
use crate::ir::Slot;
use crate::scalar::{Kind, Scalar};

impl Translator<'_, '_> {
    /// Computes an operation into its slot: by machine code where there is some here, else by its function.
    pub fn compute(&mut self, f: Scalar, d: Slot, s: [Slot; 3], imm: u32) {
        if let Some(value) = self.integer(f, s, imm) {
            self.set(d, value);
        } else if !self.float(f, d, s) {
            let value = self.call(f, s, imm);
            self.set(d, value);
        }
    }

    /// Calls the function of an operation.
    fn call(&mut self, f: Scalar, s: [Slot; 3], imm: u32) -> Value {
        let mut arguments: Vec<Value> = s[..f.operands().len()].iter().map(|slot| self.long(*slot)).collect();
        while arguments.len() < 3 {
            arguments.push(self.number(I64, 0));
        }
        // A predicate is 0 or 1, and so is what extends it.
        arguments.push(self.number(I32, imm.into()));
        let function = self.number(I64, f.function() as usize as u64);
        let call = self.b.ins().call_indirect(self.callees.scalar, function, &arguments);
        let result = self.b.inst_results(call)[0];
        match f.result() {
            Kind::Word | Kind::Single => self.b.ins().ireduce(I32, result),
            Kind::Mask => self.b.ins().ireduce(I8, result),
            Kind::Long | Kind::Double => result,
        }
    }

    /// An operation whose operands and result are integers or predicates.
    fn integer(&mut self, f: Scalar, s: [Slot; 3], imm: u32) -> Option<Value> {
        use Scalar as S;
        macro_rules! word {
            ($method:ident) => {{
                let (a, b) = (self.word(s[0]), self.word(s[1]));
                self.b.ins().$method(a, b)
            }};
        }
        macro_rules! long {
            ($method:ident) => {{
                let (a, b) = (self.long(s[0]), self.long(s[1]));
                self.b.ins().$method(a, b)
            }};
        }
        macro_rules! mask {
            ($method:ident) => {{
                let (a, b) = (self.mask(s[0]), self.mask(s[1]));
                self.b.ins().$method(a, b)
            }};
        }
        macro_rules! compare {
            ($($class:ident)?, $code:ident) => {{
                let (a, b) = (self.$($class)?(s[0]), self.$($class)?(s[1]));
                self.b.ins().icmp(IntCC::$code, a, b)
            }};
        }
        macro_rules! one {
            ($class:ident, $method:ident) => {{
                let a = self.$class(s[0]);
                self.b.ins().$method(a)
            }};
        }
        Some(match f {
            S::ZeroExtend8 => {
                let a = self.word(s[0]);
                self.b.ins().band_imm_u(a, 0xff)
            }
            S::ZeroExtend16 => {
                let a = self.word(s[0]);
                self.b.ins().band_imm_u(a, 0xffff)
            }
            S::SignExtend8 | S::SignExtend16 => {
                let a = self.word(s[0]);
                let short = self.b.ins().ireduce(if f == S::SignExtend8 { I8 } else { I16 }, a);
                self.b.ins().sextend(I32, short)
            }
            S::ZeroExtend32 => {
                let a = self.word(s[0]);
                self.b.ins().uextend(I64, a)
            }
            S::SignExtend32 => {
                let a = self.word(s[0]);
                self.b.ins().sextend(I64, a)
            }
            S::Low32 => self.word(s[0]),
            S::High32 => {
                let a = self.long(s[0]);
                let high = self.b.ins().ushr_imm_u(a, 32);
                self.b.ins().ireduce(I32, high)
            }
            S::High16 => {
                let a = self.word(s[0]);
                self.b.ins().ushr_imm_u(a, 16)
            }
            S::Join32 => self.join(s),
            S::Join16 => {
                let (a, b) = (self.word(s[0]), self.word(s[1]));
                let (low, high) = (self.b.ins().band_imm_u(a, 0xffff), self.b.ins().ishl_imm_u(b, 16));
                self.b.ins().bor(low, high)
            }
            S::PackBytes => {
                let (a, b) = (self.word(s[0]), self.word(s[1]));
                let (low, high) = (self.b.ins().band_imm_u(a, 0xff), self.b.ins().band_imm_u(b, 0xff));
                let high = self.b.ins().ishl_imm_u(high, 8);
                self.b.ins().bor(low, high)
            }
            S::Negative32 => {
                let a = self.word(s[0]);
                self.b.ins().icmp_imm_s(IntCC::SignedLessThan, a, 0)
            }
            S::NotP => {
                let a = self.mask(s[0]);
                self.b.ins().icmp_imm_u(IntCC::Equal, a, 0)
            }
            S::AndP => mask!(band),
            S::OrP => mask!(bor),
            S::XorP => mask!(bxor),
            S::Add32 => word!(iadd),
            S::Sub32 => word!(isub),
            S::Mul32 => word!(imul),
            S::And32 => word!(band),
            S::Or32 => word!(bor),
            S::Xor32 => word!(bxor),
            S::MinU32 => word!(umin),
            S::MaxU32 => word!(umax),
            S::MinS32 => word!(smin),
            S::MaxS32 => word!(smax),
            S::MulHighU32 => self.high(s, false),
            S::MulHighS32 => self.high(s, true),
            S::Mad32 => {
                let (product, c) = (word!(imul), self.word(s[2]));
                self.b.ins().iadd(product, c)
            }
            S::MulWideU32 => self.wide(s, false),
            S::MulWideS32 => self.wide(s, true),
            S::MadWideU32 | S::MadWideS32 => {
                let (product, c) = (self.wide(s, f == S::MadWideS32), self.long(s[2]));
                self.b.ins().iadd(product, c)
            }
            S::Neg32 => one!(word, ineg),
            S::Abs32 => one!(word, iabs),
            S::Not32 => one!(word, bnot),
            S::Popc32 => one!(word, popcnt),
            S::Clz32 => one!(word, clz),
            S::Brev32 => one!(word, bitrev),
            S::Cnot32 | S::Cnot64 => {
                let ty = if f == S::Cnot32 { I32 } else { I64 };
                let a = self.bits(s[0], ty);
                let zero = self.b.ins().icmp_imm_u(IntCC::Equal, a, 0);
                self.b.ins().uextend(ty, zero)
            }
            S::Shl32 | S::ShrU32 | S::ShrS32 => self.shift(f, I32, s),
            S::Shl64 | S::ShrU64 | S::ShrS64 => self.shift(f, I64, s),
            S::BfeU32 => return self.extract(I32, s, false),
            S::BfeS32 => return self.extract(I32, s, true),
            S::BfeU64 => return self.extract(I64, s, false),
            S::BfeS64 => return self.extract(I64, s, true),
            S::Bfi32 => return self.insert(I32, s),
            S::Bfi64 => return self.insert(I64, s),
            S::Lop3 => self.logic(s, imm),
            S::ShfLeftWrap | S::ShfLeftClamp | S::ShfRightWrap | S::ShfRightClamp => self.funnel(f, s),
            S::Prmt => return self.permute(s),
            S::Dp4aUU => self.dot(s, false, false),
            S::Dp4aUS => self.dot(s, false, true),
            S::Dp4aSU => self.dot(s, true, false),
            S::Dp4aSS => self.dot(s, true, true),
            S::Add64 => long!(iadd),
            S::Sub64 => long!(isub),
            S::Mul64 => long!(imul),
            S::And64 => long!(band),
            S::Or64 => long!(bor),
            S::Xor64 => long!(bxor),
            S::MinU64 => long!(umin),
            S::MaxU64 => long!(umax),
            S::MinS64 => long!(smin),
            S::MaxS64 => long!(smax),
            S::MulHighU64 => long!(umulhi),
            S::MulHighS64 => long!(smulhi),
            S::Mad64 => {
                let (product, c) = (long!(imul), self.long(s[2]));
                self.b.ins().iadd(product, c)
            }
            S::Neg64 => one!(long, ineg),
            S::Abs64 => one!(long, iabs),
            S::Not64 => one!(long, bnot),
            S::Brev64 => one!(long, bitrev),
            S::Popc64 => {
                let count = one!(long, popcnt);
                self.b.ins().ireduce(I32, count)
            }
            S::Clz64 => {
                let count = one!(long, clz);
                self.b.ins().ireduce(I32, count)
            }
            S::CarryAdd32 => {
                let (sum, a) = (word!(iadd), self.word(s[0]));
                self.b.ins().icmp(IntCC::UnsignedLessThan, sum, a)
            }
            S::CarryAdd64 => {
                let (sum, a) = (long!(iadd), self.long(s[0]));
                self.b.ins().icmp(IntCC::UnsignedLessThan, sum, a)
            }
            S::AddCarry32 | S::AddCarry64 | S::SubBorrow32 | S::SubBorrow64 => {
                let ty = if matches!(f, S::AddCarry32 | S::SubBorrow32) { I32 } else { I64 };
                let (a, b, p) = (self.bits(s[0], ty), self.bits(s[1], ty), self.mask(s[2]));
                let p = self.b.ins().uextend(ty, p);
                if matches!(f, S::AddCarry32 | S::AddCarry64) {
                    let sum = self.b.ins().iadd(a, b);
                    self.b.ins().iadd(sum, p)
                } else {
                    let rest = self.b.ins().isub(a, b);
                    self.b.ins().isub(rest, p)
                }
            }
            S::Eq32 => compare!(word, Equal),
            S::Ne32 => compare!(word, NotEqual),
            S::LtU32 | S::Borrow32 => compare!(word, UnsignedLessThan),
            S::LeU32 => compare!(word, UnsignedLessThanOrEqual),
            S::LtS32 => compare!(word, SignedLessThan),
            S::LeS32 => compare!(word, SignedLessThanOrEqual),
            S::Eq64 => compare!(long, Equal),
            S::Ne64 => compare!(long, NotEqual),
            S::LtU64 | S::Borrow64 => compare!(long, UnsignedLessThan),
            S::LeU64 => compare!(long, UnsignedLessThanOrEqual),
            S::LtS64 => compare!(long, SignedLessThan),
            S::LeS64 => compare!(long, SignedLessThanOrEqual),
            S::SaturateU8 | S::SaturateU16 => {
                let (a, most) = (self.word(s[0]), self.number(I32, if f == S::SaturateU8 { 0xff } else { 0xffff }));
                self.b.ins().umin(a, most)
            }
            S::SaturateS8 => self.clamp(s[0], 0x7f),
            S::SaturateS16 => self.clamp(s[0], 0x7fff),
            S::NotNegative32 => {
                let (a, zero) = (self.word(s[0]), self.number(I32, 0));
                self.b.ins().smax(a, zero)
            }
            _ => return None,
        })
    }

    /// A signed number within `-most - 1` and `most`.
    fn clamp(&mut self, a: Slot, most: u64) -> Value {
        let a = self.word(a);
        self.clamp_value(a, most)
    }

    pub fn clamp_value(&mut self, a: Value, most: u64) -> Value {
        let (most, least) = (self.number(I32, most), self.number(I32, !most));
        let a = self.b.ins().smin(a, most);
        self.b.ins().smax(a, least)
    }

    fn wide(&mut self, s: [Slot; 3], signed: bool) -> Value {
        let (a, b) = (self.word(s[0]), self.word(s[1]));
        let extend = |this: &mut Self, a| {
            if signed { this.b.ins().sextend(I64, a) } else { this.b.ins().uextend(I64, a) }
        };
        let (a, b) = (extend(self, a), extend(self, b));
        self.b.ins().imul(a, b)
    }

    fn high(&mut self, s: [Slot; 3], signed: bool) -> Value {
        let product = self.wide(s, signed);
        let high = self.b.ins().ushr_imm_u(product, 32);
        self.b.ins().ireduce(I32, high)
    }

    /// The word in `s[1]` above that in `s[0]`.
    pub fn join(&mut self, s: [Slot; 3]) -> Value {
        let (a, b) = (self.word(s[0]), self.word(s[1]));
        let (low, high) = (self.b.ins().uextend(I64, a), self.b.ins().uextend(I64, b));
        let high = self.b.ins().ishl_imm_u(high, 32);
        self.b.ins().bor(low, high)
    }

    fn shift(&mut self, f: Scalar, ty: Type, s: [Slot; 3]) -> Value {
        let (a, bits) = (self.bits(s[0], ty), u64::from(ty.bits()));
        let arithmetic = matches!(f, Scalar::ShrS32 | Scalar::ShrS64);
        let left = matches!(f, Scalar::Shl32 | Scalar::Shl64);
        if let Some(n) = self.known(s[1]).constant {
            let n = u64::from(n as u32);
            let by = self.number(I32, n.min(bits - 1));
            return match (left, arithmetic) {
                (_, true) => self.b.ins().sshr(a, by),
                _ if n >= bits => self.number(ty, 0),
                (true, _) => self.b.ins().ishl(a, by),
                (false, _) => self.b.ins().ushr(a, by),
            };
        }
        let n = self.word(s[1]);
        if arithmetic {
            let most = self.number(I32, bits - 1);
            let n = self.b.ins().umin(n, most);
            return self.b.ins().sshr(a, n);
        }
        let shifted = if left { self.b.ins().ishl(a, n) } else { self.b.ins().ushr(a, n) };
        let (inside, zero) = (self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, n, bits as i64), self.number(ty, 0));
        self.b.ins().select(inside, shifted, zero)
    }

    /// A quotient or a remainder of `slots[1]` by `slots[2]` into `slots[0]`; a fault where zero divides.
    pub fn divide(&mut self, remainder: bool, signed: bool, ty: Type, [d, a, b]: [Slot; 3], line: u32) {
        let constant = self.known(b).constant;
        let (a, mut b) = (self.bits(a, ty), self.bits(b, ty));
        if constant.is_none_or(|b| b == 0) {
            let (fine, zero) = (self.b.create_block(), self.cold_block());
            self.b.ins().brif(b, fine, &[], zero, &[]);
            self.enter(zero);
            self.fault(status::DIVISION, line);
            self.enter(fine);
        }
        let mut minus_one = None;
        if signed && constant.is_none_or(|b| self.is_minus_one(ty, b)) {
            // The processor faults where the smallest number is divided by -1.
            let one = self.number(ty, 1);
            let is = self.b.ins().icmp_imm_s(IntCC::Equal, b, -1);
            b = self.b.ins().select(is, one, b);
            minus_one = Some(is);
        }
        let mut value = match (remainder, signed) {
            (false, false) => self.b.ins().udiv(a, b),
            (true, false) => self.b.ins().urem(a, b),
            (false, true) => self.b.ins().sdiv(a, b),
            (true, true) => self.b.ins().srem(a, b),
        };
        if let Some(minus_one) = minus_one.filter(|_| !remainder) {
            let negated = self.b.ins().ineg(a);
            value = self.b.ins().select(minus_one, negated, value);
        }
        self.set(d, value);
    }

    fn is_minus_one(&self, ty: Type, value: u64) -> bool {
        if ty == I32 { value as u32 == u32::MAX } else { value == u64::MAX }
    }
}
