//! Lowers `cp.async`: copies from global to shared memory.
//!
//! A copy is made where it is issued, and waiting does nothing. Where a kernel neither changes the source nor touches the
//! destination before it waits, this is what a GPU does; checks find kernels that do.

use super::builder::Builder;
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::{Class, Copies, Guard, NO_SLOT, Place, Slot, Transfer, Via, What};
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    /// `cp.async.ca.shared.global [d], [a], n{, m}`: m bytes are copied, up to n are filled with zeros. With a predicate in
    /// place of m, nothing is copied where it holds.
    pub(super) fn copy_async(&mut self, ins: &Instruction) -> Result<()> {
        if !ins.has("async") || !ins.has("global") || ins.has("bulk") || ins.has("mbarrier") {
            return Err(ins.unsupported("of asynchronous copies only cp.async.ca and .cg into .shared are possible"));
        }
        if !(3..=4).contains(&ins.operands.len()) {
            return Err(ins.unsupported(format!("{} operands, expected 3 or 4", ins.operands.len())));
        }
        let len = match ins.operands[2] {
            Operand::Int(len @ (4 | 8)) if ins.has("ca") => len as u32,
            Operand::Int(16) => 16,
            _ => return Err(ins.unsupported("4, 8 or 16 bytes are copied, with .cg 16")),
        };
        let to = self.place_via(ins, &ins.operands[0], Via::Shared)?;
        let from = self.place_via(ins, &ins.operands[1], Via::Global)?;
        let guard = self.guard;
        match ins.operands.get(3) {
            None => self.copy_all(to, from, len),
            Some(Operand::Int(bytes)) if *bytes == u64::from(len) => self.copy_all(to, from, len),
            Some(Operand::Int(bytes)) if *bytes > u64::from(len) => {
                return Err(ins.unsupported(format!("{bytes} bytes of the source, at most {len} are copied")));
            }
            Some(Operand::Reg(id)) if self.register_type(*id) == Type::Pred => {
                let ignored = self.register(*id);
                self.copy_unless(to, from, len, Guard { slot: ignored, negated: false });
            }
            Some(Operand::Not(id)) => {
                let ignored = self.register(*id);
                self.copy_unless(to, from, len, Guard { slot: ignored, negated: true });
            }
            Some(operand) => {
                let bytes = self.source(ins, operand, Class::Word, Type::U32)?;
                self.copy_some(to, from, len, bytes);
            }
        }
        self.guard = guard;
        Ok(())
    }

    /// `cp.async.wait_all`, `cp.async.wait_group n`.
    pub(super) fn wait_copies(&mut self, ins: &Instruction) -> Result<()> {
        match ins.operands[..] {
            [] if ins.has("wait_all") => {
                self.push(What::Copies(Copies::Commit));
                self.push(What::Copies(Copies::Wait(0)));
            }
            [Operand::Int(groups)] if ins.has("wait_group") => {
                self.push(What::Copies(Copies::Wait(u32::try_from(groups).unwrap_or(u32::MAX))));
            }
            _ => return Err(ins.unsupported("a number of groups is expected after wait_group, nothing after wait_all")),
        }
        Ok(())
    }

    /// Elements of a copy: of 4 bytes, or of 8.
    fn elements_of(&mut self, len: u32) -> (u8, u8, [Slot; 4]) {
        let (size, count) = if len == 4 { (4, 1) } else { (8, len / 8) };
        let mut data = [NO_SLOT; 4];
        for slot in &mut data[..count as usize] {
            *slot = self.scratch(if size == 4 { Class::Word } else { Class::Long });
        }
        (size, count as u8, data)
    }

    fn copy_all(&mut self, to: Place, from: Place, len: u32) {
        let (size, count, data) = self.elements_of(len);
        self.push(What::Load(Transfer { at: from, size, signed: false, count, data, later: true }));
        self.push(What::Store(Transfer { at: to, size, signed: false, count, data, later: true }));
    }

    /// Copies, or fills with zeros where `ignored` holds.
    fn copy_unless(&mut self, to: Place, from: Place, len: u32, ignored: Guard) {
        let (size, count, data) = self.elements_of(len);
        self.clear(size, &data[..count.into()]);
        let copies = self.mask_of(Guard { negated: !ignored.negated, ..ignored });
        self.with_guard(copies, |builder| {
            builder.push(What::Load(Transfer { at: from, size, signed: false, count, data, later: true }));
        });
        self.push(What::Store(Transfer { at: to, size, signed: false, count, data, later: true }));
    }

    /// Copies as many bytes as a slot says: whole words, then what is left of one, byte by byte. No byte behind them is read.
    fn copy_some(&mut self, to: Place, from: Place, len: u32, bytes: Slot) {
        let words = len / 4;
        let mut data = [NO_SLOT; 4];
        data[..words as usize].iter_mut().for_each(|slot| *slot = self.scratch(Class::Word));
        self.clear(4, &data[..words as usize]);
        let (zero, three, mask) = (self.word_constant(0), self.word_constant(3), self.scratch(Class::Mask));
        for (i, slot) in data.into_iter().enumerate().take(words as usize) {
            let end = self.word_constant(4 * i as u32 + 4);
            self.emit(Scalar::LeU32, mask, [end, bytes, 0]);
            let at = Place { offset: from.offset.wrapping_add(4 * i as u64), ..from };
            self.with_guard(mask, |builder| {
                builder.push(What::Load(Transfer {
                    at,
                    size: 4,
                    signed: false,
                    count: 1,
                    data: [slot, NO_SLOT, NO_SLOT, NO_SLOT],
                    later: true,
                }));
            });
        }
        // The word that the source has in part.
        let (rest, whole) = (self.scratch(Class::Word), self.scratch(Class::Word));
        self.emit(Scalar::And32, rest, [bytes, three, 0]);
        self.emit(Scalar::Sub32, whole, [bytes, rest, 0]);
        let (part, byte) = (self.scratch(Class::Word), self.scratch(Class::Word));
        self.emit(Scalar::Mov32, part, [zero, 0, 0]);
        let base = if from.short {
            let base = self.scratch(Class::Word);
            self.emit(Scalar::Add32, base, [from.base, whole, 0]);
            base
        } else {
            let (long, base) = (self.scratch(Class::Long), self.scratch(Class::Long));
            self.emit(Scalar::ZeroExtend32, long, [whole, 0, 0]);
            self.emit(Scalar::Add64, base, [from.base, long, 0]);
            base
        };
        // Only where the copy is not longer than its room; what lies beyond is not copied.
        let (room, inside) = (self.word_constant(len), self.scratch(Class::Mask));
        self.emit(Scalar::LtU32, inside, [whole, room, 0]);
        for i in 0..3u32 {
            let (place, shift) = (self.word_constant(i), self.word_constant(8 * i));
            self.emit(Scalar::LtU32, mask, [place, rest, 0]);
            self.emit(Scalar::AndP, mask, [mask, inside, 0]);
            let at = Place { base, offset: from.offset.wrapping_add(i.into()), ..from };
            self.with_guard(mask, |builder| {
                let data = [byte, NO_SLOT, NO_SLOT, NO_SLOT];
                builder.push(What::Load(Transfer { at, size: 1, signed: false, count: 1, data, later: true }));
                builder.emit(Scalar::Shl32, byte, [byte, shift, 0]);
                builder.emit(Scalar::Or32, part, [part, byte, 0]);
            });
        }
        for (i, slot) in data.into_iter().enumerate().take(words as usize) {
            let at = self.word_constant(4 * i as u32);
            self.emit(Scalar::Eq32, mask, [whole, at, 0]);
            self.with_guard(mask, |builder| builder.emit(Scalar::Mov32, slot, [part, 0, 0]));
        }
        self.push(What::Store(Transfer { at: to, size: 4, signed: false, count: words as u8, data, later: true }));
    }

    fn clear(&mut self, size: u8, data: &[Slot]) {
        for slot in data {
            if size == 4 {
                let zero = self.word_constant(0);
                self.emit(Scalar::Mov32, *slot, [zero, 0, 0]);
            } else {
                let zero = self.long_constant(0);
                self.emit(Scalar::Mov64, *slot, [zero, 0, 0]);
            }
        }
    }

    /// A predicate as a slot of its own.
    fn mask_of(&mut self, guard: Guard) -> Slot {
        let slot = self.scratch(Class::Mask);
        self.emit(if guard.negated { Scalar::NotP } else { Scalar::MovP }, slot, [guard.slot, 0, 0]);
        slot
    }

    /// Adds operations that act only where `mask` holds and the instruction acts.
    fn with_guard(&mut self, mask: Slot, add: impl FnOnce(&mut Self)) {
        let outer = self.guard.take();
        let mut both = mask;
        if let Some(outer) = outer {
            let own = self.mask_of(outer);
            both = self.scratch(Class::Mask);
            self.emit(Scalar::AndP, both, [own, mask, 0]);
        }
        self.guard = Some(Guard { slot: both, negated: false });
        add(self);
        self.guard = outer;
    }
}
