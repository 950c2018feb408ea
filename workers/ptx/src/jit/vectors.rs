//! Machine code on vectors: packs, and what one step of bytes is.

use cranelift_codegen::ir::types::{F32, F32X4, I8X16, I32X4};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value};

use super::packs::{LANES, Own, Pack};
use super::translate::Translator;
use crate::ir::Slot;
use crate::scalar::Scalar;

/// Vectors of one form taken as another.
const SAME_BYTES: MemFlagsData = MemFlagsData::new().with_endianness(Endianness::Little);

impl Translator<'_, '_> {
    /// Nothing that vectors held before is wanted: neither by a thread that starts nor by one that goes on with what it has kept.
    pub fn clear_vectors(&mut self) {
        for (vector, ty) in self.packs.types().enumerate() {
            let zero = self.b.func.dfg.constants.insert(vec![0; LANES * 4].into());
            let zero = self.b.ins().vconst(ty, zero);
            self.b.def_var(self.vectors[vector], zero);
        }
    }

    /// Four operations as one.
    pub fn pack(&mut self, pack: &Pack) {
        let ty = if pack.f == Scalar::FmaF32 { F32X4 } else { I32X4 };
        let c = self.b.use_var(self.vectors[pack.c]);
        let own = match pack.own {
            Own::Vector(vector) => self.b.use_var(self.vectors[vector]),
            Own::Joined(slots) => {
                let lanes = slots.map(|slot| self.lane_of(slot, ty));
                self.joined(ty, &lanes)
            }
        };
        let shared = self.in_all_lanes(pack.shared, ty);
        let (a, b) = if pack.is_second { (own, shared) } else { (shared, own) };
        let value = match pack.f {
            Scalar::FmaF32 => self.b.ins().fma(a, b, c),
            f => {
                let a_signed = matches!(f, Scalar::Dp4aSU | Scalar::Dp4aSS);
                let b_signed = matches!(f, Scalar::Dp4aUS | Scalar::Dp4aSS);
                let product = self.dots((a, a_signed), (b, b_signed));
                self.b.ins().iadd(c, product)
            }
        };
        self.b.def_var(self.vectors[pack.d], value);
    }

    /// A slot in all lanes of a vector.
    fn in_all_lanes(&mut self, slot: Slot, ty: Type) -> Value {
        if let Some((vector, lane)) = self.packs.place(slot) {
            let whole = self.b.use_var(self.vectors[vector]);
            if self.b.func.dfg.value_type(whole) == ty {
                let bytes = self.b.ins().bitcast(I8X16, SAME_BYTES, whole);
                let order: [u8; 16] = std::array::from_fn(|byte| 4 * lane + byte as u8 % 4);
                let order = self.b.func.dfg.immediates.push(order.as_slice().into());
                let all = self.b.ins().shuffle(bytes, bytes, order);
                return self.b.ins().bitcast(ty, SAME_BYTES, all);
            }
        }
        let value = self.lane_of(slot, ty);
        self.b.ins().splat(ty, value)
    }

    /// A slot as a lane of a vector of some type.
    fn lane_of(&mut self, slot: Slot, ty: Type) -> Value {
        if ty == F32X4 { self.real(slot, F32) } else { self.word(slot) }
    }

    /// Four numbers as a vector.
    pub fn joined(&mut self, ty: Type, lanes: &[Value]) -> Value {
        let first = self.b.ins().scalar_to_vector(ty, lanes[0]);
        (1..).zip(&lanes[1..]).fold(first, |vector, (lane, value)| self.b.ins().insertlane(vector, *value, lane))
    }

    /// In each lane the dot product of four bytes with four bytes.
    fn dots(&mut self, a: (Value, bool), b: (Value, bool)) -> Value {
        let [first_a, first_b] = [a, b].map(|(vector, signed)| self.first_bytes(vector, signed));
        let [last_a, last_b] = [a, b].map(|(vector, signed)| self.last_bytes(vector, signed));
        let (first, last) = (self.sums_of_products(first_a, first_b), self.sums_of_products(last_a, last_b));
        self.b.ins().iadd_pairwise(first, last)
    }

    /// The bytes of the first two lanes as eight half words.
    pub fn first_bytes(&mut self, vector: Value, signed: bool) -> Value {
        let bytes = self.b.ins().bitcast(I8X16, SAME_BYTES, vector);
        if signed { self.b.ins().swiden_low(bytes) } else { self.b.ins().uwiden_low(bytes) }
    }

    /// Those of the last two lanes.
    fn last_bytes(&mut self, vector: Value, signed: bool) -> Value {
        let bytes = self.b.ins().bitcast(I8X16, SAME_BYTES, vector);
        if signed { self.b.ins().swiden_high(bytes) } else { self.b.ins().uwiden_high(bytes) }
    }

    /// The products of eight half words, added by twos: one instruction on x86-64. None is too long, since they were bytes.
    pub fn sums_of_products(&mut self, a: Value, b: Value) -> Value {
        let [low_a, low_b] = [a, b].map(|halves| self.b.ins().swiden_low(halves));
        let low = self.b.ins().imul(low_a, low_b);
        let [high_a, high_b] = [a, b].map(|halves| self.b.ins().swiden_high(halves));
        let high = self.b.ins().imul(high_a, high_b);
        self.b.ins().iadd_pairwise(low, high)
    }
}
