//! Machine code for operations that take registers apart: bit fields, funnel shifts, bytes.

use cranelift_codegen::ir::types::{I32, I32X4};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

use super::translate::Translator;
use crate::ir::Slot;
use crate::scalar::Scalar;

impl Translator<'_, '_> {
    /// A bit field at a fixed place.
    pub fn extract(&mut self, ty: Type, s: [Slot; 3], signed: bool) -> Option<Value> {
        let (pos, len) = (self.known(s[1]).constant? & 255, self.known(s[2]).constant? & 255);
        let bits = u64::from(ty.bits());
        if len == 0 || pos >= bits {
            return None;
        }
        let a = self.bits(s[0], ty);
        let len = len.min(bits - pos);
        let left = self.b.ins().ishl_imm_u(a, (bits - pos - len) as i64);
        let right = (bits - len) as i64;
        Some(if signed { self.b.ins().sshr_imm_u(left, right) } else { self.b.ins().ushr_imm_u(left, right) })
    }

    /// Puts bits into a field at a fixed place.
    pub fn insert(&mut self, ty: Type, s: [Slot; 3]) -> Option<Value> {
        let packed = self.known(s[2]).constant? as u32;
        let (pos, len) = (packed & 0xff, packed >> 8 & 0xff);
        let bits = ty.bits();
        if pos >= bits {
            return None;
        }
        let low = if len >= bits { u64::MAX } else { (1 << len) - 1 };
        let (a, b) = (self.bits(s[0], ty), self.bits(s[1], ty));
        let (field, others) = (self.number(ty, low << pos), self.number(ty, !(low << pos)));
        let a = self.b.ins().ishl_imm_u(a, i64::from(pos));
        let (a, b) = (self.b.ins().band(a, field), self.b.ins().band(b, others));
        Some(self.b.ins().bor(a, b))
    }

    /// Any function of three bits, as a choice by the first between two functions of the others.
    pub fn logic(&mut self, s: [Slot; 3], table: u32) -> Value {
        let (a, b, c) = (self.word(s[0]), self.word(s[1]), self.word(s[2]));
        // Rows 4 to 7 of the table are those where `a` is set.
        let (set, clear) = (table >> 4 & 15, table & 15);
        if set == clear {
            return self.logic_of_two(set, b, c);
        }
        let other = self.logic_of_two(set ^ clear, b, c);
        let chosen = self.b.ins().band(a, other);
        let clear = self.logic_of_two(clear, b, c);
        self.b.ins().bxor(chosen, clear)
    }

    /// A function of two bits; bit 0 of the table is for both clear, bit 1 for the second alone.
    fn logic_of_two(&mut self, table: u32, b: Value, c: Value) -> Value {
        let ins = self.b.ins();
        match table {
            0 => self.number(I32, 0),
            15 => self.number(I32, u64::MAX),
            8 => ins.band(b, c),
            14 => ins.bor(b, c),
            6 => ins.bxor(b, c),
            12 => b,
            10 => c,
            4 => ins.band_not(b, c),
            2 => ins.band_not(c, b),
            _ => {
                let inverse = self.logic_of_two(!table & 15, b, c);
                self.b.ins().bnot(inverse)
            }
        }
    }

    pub fn funnel(&mut self, f: Scalar, s: [Slot; 3]) -> Value {
        let (joined, n) = (self.join(s), self.word(s[2]));
        let n = if matches!(f, Scalar::ShfLeftWrap | Scalar::ShfRightWrap) {
            self.b.ins().band_imm_u(n, 31)
        } else {
            let most = self.number(I32, 32);
            self.b.ins().umin(n, most)
        };
        let shifted = if matches!(f, Scalar::ShfLeftWrap | Scalar::ShfLeftClamp) {
            let shifted = self.b.ins().ishl(joined, n);
            self.b.ins().ushr_imm_u(shifted, 32)
        } else {
            self.b.ins().ushr(joined, n)
        };
        self.b.ins().ireduce(I32, shifted)
    }

    /// Picks bytes by a fixed selector.
    pub fn permute(&mut self, s: [Slot; 3]) -> Option<Value> {
        let selector = self.known(s[2]).constant? as u32;
        if selector & 0x8888 != 0 {
            return None;
        }
        let joined = self.join(s);
        let mut result = None;
        for i in 0..4 {
            let from = selector >> (4 * i) & 7;
            let byte = self.b.ins().ushr_imm_u(joined, i64::from(8 * from));
            let byte = self.b.ins().ireduce(I32, byte);
            let byte = self.b.ins().band_imm_u(byte, 0xff);
            let byte = self.b.ins().ishl_imm_u(byte, i64::from(8 * i));
            result = Some(result.map_or(byte, |result| self.b.ins().bor(result, byte)));
        }
        result
    }

    /// The dot product of four bytes with four bytes, plus a number.
    pub fn dot(&mut self, s: [Slot; 3], a_signed: bool, b_signed: bool) -> Value {
        let (a, b, c) = (self.word(s[0]), self.word(s[1]), self.word(s[2]));
        if self.features.vectors {
            let [a, b] = [(a, a_signed), (b, b_signed)].map(|(word, signed)| {
                let word = self.b.ins().scalar_to_vector(I32X4, word);
                self.first_bytes(word, signed)
            });
            let pairs = self.sums_of_products(a, b);
            let [first, second] = [0, 1].map(|lane| self.b.ins().extractlane(pairs, lane));
            let sum = self.b.ins().iadd(first, second);
            return self.b.ins().iadd(c, sum);
        }
        let byte = |this: &mut Self, value: Value, i: i64, signed: bool| {
            let top = this.b.ins().ishl_imm_u(value, 24 - 8 * i);
            if signed { this.b.ins().sshr_imm_u(top, 24) } else { this.b.ins().ushr_imm_u(top, 24) }
        };
        let mut sum = c;
        for i in 0..4 {
            let (a, b) = (byte(self, a, i, a_signed), byte(self, b, i, b_signed));
            let product = self.b.ins().imul(a, b);
            sum = self.b.ins().iadd(sum, product);
        }
        sum
    }
}
