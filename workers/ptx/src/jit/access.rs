//! Loads, stores and atomics. Where an access fits, and is aligned, it takes a few instructions; otherwise the function
//! that the interpreter uses too executes it, or finds the fault.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{AtomicRmwOp, BlockArg, InstBuilder, MemFlagsData, Type, Value};

use super::context::{Context, Region};
use super::kinds::MOST_ALIGN;
use super::translate::{FIXED, SHARED, Translator};
use crate::address::OFFSET_BITS;
use crate::ir::{Atomic, Change, NO_SLOT, Place, Slot, Transfer, Via};

/// Flags of accesses that were checked.
const CHECKED: MemFlagsData = MemFlagsData::new().with_notrap();

/// When the short way may be taken.
enum Fits {
    Always,
    Never,
    If(Value),
}

/// Where an access goes on the host, if it fits.
struct Found {
    fits: Fits,
    at: Value,
    /// It surely exists and never changes during the launch.
    fixed: bool,
}

impl Translator<'_, '_> {
    fn find(&mut self, place: &Place, len: u32, write: bool) -> Found {
        let zero = self.context;
        let never = Found { fits: Fits::Never, at: zero, fixed: false };
        let log = len.trailing_zeros() as u8;
        if !len.is_power_of_two() || log > MOST_ALIGN {
            return never;
        }
        let constant = self.known(place.base).constant.map(|base| place.address(base));
        let inside = |limit: usize| {
            constant.is_some_and(|at| {
                at.is_multiple_of(len.into()) && at.checked_add(len.into()).is_some_and(|end| end <= limit as u64)
            })
        };
        let (first, always, limit) = match place.via {
            Via::Param if write => return never,
            Via::Param => {
                let limit = self.number(I64, (self.params_len >> log << log) as u64);
                (self.fixed(I64, offset_of!(Context, params)), inside(self.params_len), limit)
            }
            Via::Local => {
                let limit = self.number(I64, (self.program.local_len >> log << log) as u64);
                (self.local(), inside(self.program.local_len), limit)
            }
            Via::Shared => {
                let limit = self.fixed(I64, offset_of!(Context, shared_len));
                let limit = self.b.ins().band_imm_s(limit, -1 << log);
                (self.fixed(I64, offset_of!(Context, shared)), inside(self.program.shared_len), limit)
            }
            Via::Generic | Via::Global => return self.find_global(place, log, write),
        };
        if always {
            let at = self.b.ins().iadd_imm_u(first, constant.unwrap_or_default() as i64);
            return Found { fits: Fits::Always, at, fixed: place.via == Via::Param };
        }
        let known = self.known(place.base);
        let align = if known.root.is_some() { 0 } else { known.align };
        let offset = self.address(place);
        let fits = self.fits(offset, limit, log, align, place.offset);
        let at = self.b.ins().iadd(first, offset);
        Found { fits: Fits::If(fits), at, fixed: false }
    }

    fn find_global(&mut self, place: &Place, log: u8, write: bool) -> Found {
        let limits = if write { offset_of!(Region, store) } else { offset_of!(Region, load) };
        let limits = limits + 8 * usize::from(log);
        let known = self.known(place.base);
        let (offset, limit, host, align) = match known.root.filter(|_| !place.short) {
            Some(root) => {
                let offset = self.raw(place.base);
                let offset = self.b.ins().iadd_imm_s(offset, place.offset as i64);
                let limit = self.of_root(root, limits);
                (offset, limit, self.of_root(root, offset_of!(Region, host)), known.align)
            }
            None => {
                let address = self.address(place);
                let number = self.b.ins().ushr_imm_u(address, i64::from(OFFSET_BITS));
                let count = self.fixed(I64, offset_of!(Context, region_count));
                let exists = self.b.ins().icmp(IntCC::UnsignedLessThan, number, count);
                // Nothing fits in number 0.
                let zero = self.number(I64, 0);
                let number = self.b.ins().select(exists, number, zero);
                let number = self.b.ins().imul_imm_u(number, size_of::<Region>() as i64);
                let regions = self.fixed(I64, offset_of!(Context, regions));
                let region = self.b.ins().iadd(regions, number);
                let limit = self.b.ins().load(I64, SHARED, region, limits as i32);
                let host = self.b.ins().load(I64, SHARED, region, offset_of!(Region, host) as i32);
                let offset = self.b.ins().band_imm_u(address, (1 << OFFSET_BITS) - 1);
                (offset, limit, host, if known.root.is_some() { 0 } else { known.align })
            }
        };
        let fits = self.fits(offset, limit, log, align, place.offset);
        let at = self.b.ins().iadd(host, offset);
        Found { fits: Fits::If(fits), at, fixed: false }
    }

    fn address(&mut self, place: &Place) -> Value {
        if place.short {
            let base = self.word(place.base);
            let sum = self.b.ins().iadd_imm_s(base, i64::from(place.offset as i32));
            self.b.ins().uextend(I64, sum)
        } else {
            let base = self.long(place.base);
            self.b.ins().iadd_imm_s(base, place.offset as i64)
        }
    }

    /// Whether an offset is aligned and below a limit, which is aligned.
    fn fits(&mut self, offset: Value, limit: Value, log: u8, align: u8, more: u64) -> Value {
        let align = align.min(more.trailing_zeros().min(u32::from(MOST_ALIGN)) as u8);
        if align >= log {
            return self.b.ins().icmp(IntCC::UnsignedLessThan, offset, limit);
        }
        // Low bits that are set make it too large.
        let offset = self.b.ins().rotr_imm_u(offset, i64::from(log));
        let limit = self.b.ins().ushr_imm_u(limit, i64::from(log));
        self.b.ins().icmp(IntCC::UnsignedLessThan, offset, limit)
    }

    /// Calls the function that executes operation `op` the long way.
    fn slow(&mut self, op: u32, place: &Place) {
        let (number, address) = (self.number(I32, op.into()), self.address(place));
        self.b.ins().call(self.callees.access, &[self.context, number, address]);
        self.leave_on_fault();
    }

    fn slow_value(&mut self, ty: Type, i: usize) -> Value {
        self.b.ins().load(ty, SHARED, self.context, offset_of!(Context, values) as i32 + 8 * i as i32)
    }

    fn put_slow_value(&mut self, slot: Slot, i: usize) {
        let value = self.bits(slot, I64);
        self.b.ins().store(SHARED, value, self.context, offset_of!(Context, values) as i32 + 8 * i as i32);
    }

    pub fn load(&mut self, op: u32, transfer: &Transfer) {
        let found = self.find(&transfer.at, transfer.bytes(), false);
        if let Some((vector, ty)) = self.packs.loaded(transfer) {
            let value = self.load_vector(op, transfer, ty, &found);
            self.b.def_var(self.vectors[vector], value);
            return;
        }
        let slots = &transfer.data[..transfer.count.into()];
        let types: Vec<Type> = slots.iter().map(|slot| self.loaded(transfer, *slot)).collect();
        let fast = |this: &mut Self| -> Vec<Value> {
            let flags = if found.fixed { FIXED } else { CHECKED };
            let offsets = (0..).step_by(transfer.size.into());
            types.iter().zip(offsets).map(|(ty, at)| this.load_element(transfer, *ty, flags, found.at, at)).collect()
        };
        let slow = |this: &mut Self| -> Vec<Value> {
            this.slow(op, &transfer.at);
            types.iter().enumerate().map(|(i, ty)| this.slow_value(*ty, i)).collect()
        };
        let values = match found.fits {
            Fits::Always => fast(self),
            Fits::Never => slow(self),
            Fits::If(fits) => self.either(fits, &types, fast, slow),
        };
        slots.iter().zip(values).for_each(|(slot, value)| self.set(*slot, value));
    }

    /// Four elements as a vector.
    fn load_vector(&mut self, op: u32, transfer: &Transfer, ty: Type, found: &Found) -> Value {
        let fast = |this: &mut Self| vec![this.b.ins().load(ty, CHECKED, found.at, 0)];
        let slow = |this: &mut Self| {
            this.slow(op, &transfer.at);
            let lanes = [0, 1, 2, 3].map(|i| this.slow_value(ty.lane_type(), i));
            vec![this.joined(ty, &lanes)]
        };
        match found.fits {
            Fits::Always => fast(self)[0],
            Fits::Never => slow(self)[0],
            Fits::If(fits) => self.either(fits, &[ty], fast, slow)[0],
        }
    }

    /// The type as which an element is loaded.
    fn loaded(&self, transfer: &Transfer, slot: Slot) -> Type {
        match (transfer.size, self.known(slot).ty) {
            (4, F32) => F32,
            (8, F64) => F64,
            (8, _) => I64,
            _ => I32,
        }
    }

    fn load_element(&mut self, transfer: &Transfer, ty: Type, flags: MemFlagsData, at: Value, offset: i32) -> Value {
        match (transfer.size, transfer.signed) {
            (1, false) => self.b.ins().uload8(ty, flags, at, offset),
            (1, true) => self.b.ins().sload8(ty, flags, at, offset),
            (2, false) => self.b.ins().uload16(ty, flags, at, offset),
            (2, true) => self.b.ins().sload16(ty, flags, at, offset),
            _ => self.b.ins().load(ty, flags, at, offset),
        }
    }

    /// Takes the short way or the long one.
    fn either(
        &mut self,
        fits: Value,
        types: &[Type],
        fast: impl FnOnce(&mut Self) -> Vec<Value>,
        slow: impl FnOnce(&mut Self) -> Vec<Value>,
    ) -> Vec<Value> {
        let (short, long, join) = (self.b.create_block(), self.cold_block(), self.b.create_block());
        let results: Vec<Value> = types.iter().map(|ty| self.b.append_block_param(join, *ty)).collect();
        self.b.ins().brif(fits, short, &[], long, &[]);
        self.enter(short);
        let values: Vec<BlockArg> = fast(self).into_iter().map(BlockArg::Value).collect();
        self.b.ins().jump(join, &values);
        self.enter(long);
        let values: Vec<BlockArg> = slow(self).into_iter().map(BlockArg::Value).collect();
        self.b.ins().jump(join, &values);
        self.enter(join);
        results
    }

    pub fn store(&mut self, op: u32, transfer: &Transfer) {
        let found = self.find(&transfer.at, transfer.bytes(), true);
        let slots = &transfer.data[..transfer.count.into()];
        let fast = |this: &mut Self| {
            let offsets = (0..).step_by(transfer.size.into());
            for (slot, at) in slots.iter().zip(offsets) {
                this.store_element(transfer, *slot, found.at, at);
            }
            Vec::new()
        };
        let slow = |this: &mut Self| {
            slots.iter().enumerate().for_each(|(i, slot)| this.put_slow_value(*slot, i));
            this.slow(op, &transfer.at);
            Vec::new()
        };
        match found.fits {
            Fits::Always => fast(self),
            Fits::Never => slow(self),
            Fits::If(fits) => self.either(fits, &[], fast, slow),
        };
    }

    fn store_element(&mut self, transfer: &Transfer, slot: Slot, at: Value, offset: i32) {
        let known = self.known(slot);
        // A float whose bits are exact goes as it is.
        let exact = known.constant.is_none() && !known.loose;
        let value = match (transfer.size, known.ty) {
            (4, F32) | (8, F64) if exact => self.raw(slot),
            (8, _) => self.long(slot),
            _ => self.word(slot),
        };
        match transfer.size {
            1 => self.b.ins().istore8(CHECKED, value, at, offset),
            2 => self.b.ins().istore16(CHECKED, value, at, offset),
            _ => self.b.ins().store(CHECKED, value, at, offset),
        };
    }

    pub fn atomic(&mut self, op: u32, atomic: &Atomic) {
        let (ty, len) = if atomic.wide { (I64, 8) } else { (I32, 4) };
        let mut found = self.find(&atomic.at, len, true);
        let change = rmw(atomic);
        if change.is_none() && atomic.change != Change::Compare || matches!(atomic.at.via, Via::Local | Via::Param) {
            found.fits = Fits::Never;
        }
        let fast = |this: &mut Self| {
            let b = this.bits(atomic.b, ty);
            // One thread of a block runs at a time, and others do not reach its shared memory.
            let alone = atomic.at.via == Via::Shared;
            let old = match change {
                Some(change) if !alone => this.b.ins().atomic_rmw(ty, SHARED, change, found.at, b),
                Some(change) => {
                    let old = this.b.ins().load(ty, CHECKED, found.at, 0);
                    let new = this.changed(change, old, b);
                    this.b.ins().store(CHECKED, new, found.at, 0);
                    old
                }
                None => {
                    let c = this.bits(atomic.c, ty);
                    if alone {
                        let old = this.b.ins().load(ty, CHECKED, found.at, 0);
                        let equal = this.b.ins().icmp(IntCC::Equal, old, b);
                        let new = this.b.ins().select(equal, c, old);
                        this.b.ins().store(CHECKED, new, found.at, 0);
                        old
                    } else {
                        this.b.ins().atomic_cas(SHARED, found.at, b, c)
                    }
                }
            };
            vec![old]
        };
        let slow = |this: &mut Self| {
            this.put_slow_value(atomic.b, 0);
            if atomic.c != NO_SLOT {
                this.put_slow_value(atomic.c, 1);
            }
            this.slow(op, &atomic.at);
            vec![this.slow_value(ty, 0)]
        };
        let old = match found.fits {
            Fits::Always => fast(self),
            Fits::Never => slow(self),
            Fits::If(fits) => self.either(fits, &[ty], fast, slow),
        };
        if atomic.d != NO_SLOT {
            self.set(atomic.d, old[0]);
        }
    }

    fn changed(&mut self, change: AtomicRmwOp, old: Value, b: Value) -> Value {
        let ins = self.b.ins();
        match change {
            AtomicRmwOp::Add => ins.iadd(old, b),
            AtomicRmwOp::And => ins.band(old, b),
            AtomicRmwOp::Or => ins.bor(old, b),
            AtomicRmwOp::Xor => ins.bxor(old, b),
            AtomicRmwOp::Umin => ins.umin(old, b),
            AtomicRmwOp::Umax => ins.umax(old, b),
            AtomicRmwOp::Smin => ins.smin(old, b),
            AtomicRmwOp::Smax => ins.smax(old, b),
            _ => b,
        }
    }

    /// Copies local memory of the thread; the lowering has placed both ends inside.
    pub fn copy_local(&mut self, op: u32, to: u32, from: u32, len: u32) {
        if len > 64 {
            let (number, none) = (self.number(I32, op.into()), self.number(I64, 0));
            self.b.ins().call(self.callees.access, &[self.context, number, none]);
            return;
        }
        let local = self.local();
        let (mut at, mut values) = (0, Vec::new());
        while at < len {
            let ty = match len - at {
                8.. => I64,
                4.. => I32,
                _ => I8,
            };
            values.push((at, self.b.ins().load(ty, CHECKED, local, (from + at) as i32)));
            at += ty.bytes();
        }
        for (at, value) in values {
            self.b.ins().store(CHECKED, value, local, (to + at) as i32);
        }
    }
}

/// What the processor does in one step.
fn rmw(atomic: &Atomic) -> Option<AtomicRmwOp> {
    Some(match (atomic.change, atomic.signed) {
        (Change::Add, _) => AtomicRmwOp::Add,
        (Change::And, _) => AtomicRmwOp::And,
        (Change::Or, _) => AtomicRmwOp::Or,
        (Change::Xor, _) => AtomicRmwOp::Xor,
        (Change::Exchange, _) => AtomicRmwOp::Xchg,
        (Change::Min, false) => AtomicRmwOp::Umin,
        (Change::Max, false) => AtomicRmwOp::Umax,
        (Change::Min, true) => AtomicRmwOp::Smin,
        (Change::Max, true) => AtomicRmwOp::Smax,
        (Change::Inc | Change::Dec | Change::Compare, _) => return None,
    })
}
