//! What slots hold: reads and sets them in the form that code wants.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};

use super::context::Context;
use super::translate::Translator;
use crate::address::{OFFSET_BITS, VARIABLES};
use crate::ir::{Slot, Special};
use crate::scalar::{NAN32, NAN64};

impl Translator<'_, '_> {
    /// What the variable of a slot holds, as it is.
    pub fn raw(&mut self, slot: Slot) -> Value {
        let known = self.known(slot);
        if let Some(bits) = known.constant {
            return match known.root {
                Some(_) => self.number(I64, bits.wrapping_sub(VARIABLES << OFFSET_BITS)),
                None => self.number(known.ty, bits),
            };
        }
        if let Some(special) = known.special {
            return self.special(special);
        }
        match self.packs.place(slot) {
            Some((vector, lane)) => {
                let vector = self.b.use_var(self.vectors[vector]);
                self.b.ins().extractlane(vector, lane)
            }
            None => self.b.use_var(self.variables[slot as usize]),
        }
    }

    pub fn set_raw(&mut self, slot: Slot, value: Value) {
        match self.packs.place(slot) {
            Some((vector, lane)) => {
                let vector = self.vectors[vector];
                let before = self.b.use_var(vector);
                let after = self.b.ins().insertlane(before, value, lane);
                self.b.def_var(vector, after);
            }
            None => self.b.def_var(self.variables[slot as usize], value),
        }
    }

    fn special(&mut self, special: Special) -> Value {
        let axis = |field: usize, axis: u8| field + 4 * usize::from(axis);
        match special {
            Special::Thread(axis) => self.b.use_var(self.at[usize::from(axis)]),
            Special::Threads(n) => self.fixed(I32, axis(offset_of!(Context, threads), n)),
            Special::Block(n) => self.fixed(I32, axis(offset_of!(Context, block), n)),
            Special::Blocks(n) => self.fixed(I32, axis(offset_of!(Context, blocks), n)),
            Special::Lane => {
                let thread = self.b.use_var(self.thread);
                self.b.ins().band_imm_u(thread, 31)
            }
        }
    }

    /// The bits of a slot as an integer or a predicate of some type.
    pub fn bits(&mut self, slot: Slot, ty: Type) -> Value {
        let known = self.known(slot);
        if let Some(bits) = known.constant {
            return self.number(ty, if ty == I8 { u64::from(bits != 0) } else { bits });
        }
        let value = self.raw(slot);
        let value = match known.ty {
            F32 | F64 if known.loose => self.canonical_bits(value),
            F32 => self.b.ins().bitcast(I32, MemFlagsData::new(), value),
            F64 => self.b.ins().bitcast(I64, MemFlagsData::new(), value),
            _ => match known.root {
                Some(root) => {
                    let base = self.root_base(root);
                    self.b.ins().iadd(value, base)
                }
                None => value,
            },
        };
        let found = self.b.func.dfg.value_type(value);
        if found.bits() < ty.bits() {
            self.b.ins().uextend(ty, value)
        } else if found.bits() > ty.bits() {
            self.b.ins().ireduce(ty, value)
        } else {
            value
        }
    }

    pub fn word(&mut self, slot: Slot) -> Value {
        self.bits(slot, I32)
    }

    pub fn long(&mut self, slot: Slot) -> Value {
        self.bits(slot, I64)
    }

    pub fn mask(&mut self, slot: Slot) -> Value {
        self.bits(slot, I8)
    }

    /// The float in a slot, whose NaN may be any.
    pub fn real(&mut self, slot: Slot, ty: Type) -> Value {
        let known = self.known(slot);
        if let Some(bits) = known.constant {
            return self.real_number(ty, bits);
        }
        let value = self.raw(slot);
        if known.ty == ty { value } else { self.b.ins().bitcast(ty, MemFlagsData::new(), value) }
    }

    pub fn real_number(&mut self, ty: Type, bits: u64) -> Value {
        if ty == F32 {
            self.b.ins().f32const(Ieee32::with_bits(bits as u32))
        } else {
            self.b.ins().f64const(Ieee64::with_bits(bits))
        }
    }

    /// The bits of a float, those of the canonical NaN for any NaN.
    fn canonical_bits(&mut self, value: Value) -> Value {
        let (ty, nan) = if self.b.func.dfg.value_type(value) == F32 { (I32, u64::from(NAN32)) } else { (I64, NAN64) };
        let bits = self.b.ins().bitcast(ty, MemFlagsData::new(), value);
        let nan = self.number(ty, nan);
        let is_nan = self.b.ins().fcmp(FloatCC::Unordered, value, value);
        self.b.ins().select(is_nan, nan, bits)
    }

    /// A float with the canonical NaN for any NaN.
    pub fn canonical(&mut self, value: Value) -> Value {
        let ty = self.b.func.dfg.value_type(value);
        let nan = if ty == F32 { u64::from(NAN32) } else { NAN64 };
        let nan = self.real_number(ty, nan);
        let is_nan = self.b.ins().fcmp(FloatCC::Unordered, value, value);
        self.b.ins().select(is_nan, nan, value)
    }

    /// Sets a slot from its bits.
    pub fn set(&mut self, slot: Slot, value: Value) {
        let known = self.known(slot);
        let found = self.b.func.dfg.value_type(value);
        let value = match known.root {
            Some(root) => {
                let base = self.root_base(root);
                self.b.ins().isub(value, base)
            }
            None if found.is_float() != known.ty.is_float() => {
                self.b.ins().bitcast(known.ty, MemFlagsData::new(), value)
            }
            // A word in the slot of a predicate, or the other way round: only lowering gone wrong could ask for more.
            None if found.bits() < known.ty.bits() => self.b.ins().uextend(known.ty, value),
            None if found.bits() > known.ty.bits() => self.b.ins().ireduce(known.ty, value),
            None => value,
        };
        self.set_raw(slot, value);
    }

    /// Sets a slot to the result of arithmetic, any NaN of which stands for the canonical one.
    pub fn set_real(&mut self, slot: Slot, value: Value) {
        let known = self.known(slot);
        if known.loose {
            self.set_raw(slot, value);
        } else if known.ty.is_float() {
            let value = self.canonical(value);
            self.set_raw(slot, value);
        } else {
            let bits = self.canonical_bits(value);
            self.set(slot, bits);
        }
    }

    /// The value of one slot as the variable of another, to which it is copied, holds it.
    pub fn as_in(&mut self, source: Slot, target: Slot) -> Value {
        let (from, to) = (self.known(source), self.known(target));
        match to.ty {
            F32 | F64 if to.loose || from.constant.is_some() || !from.loose => self.real(source, to.ty),
            F32 | F64 => {
                let value = self.real(source, to.ty);
                self.canonical(value)
            }
            _ => match to.root {
                Some(root) if from.root == Some(root) => self.raw(source),
                Some(root) => {
                    let (value, base) = (self.long(source), self.root_base(root));
                    self.b.ins().isub(value, base)
                }
                None => self.bits(source, to.ty),
            },
        }
    }
}
