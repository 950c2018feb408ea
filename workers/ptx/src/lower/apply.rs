//! Lowers instructions whose operands are those of one operation.

use super::builder::Builder;
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::{Class, Slot};
use crate::scalar::{Kind, Scalar};

type Result<T> = std::result::Result<T, Error>;

/// The class of the slots that hold a kind of value.
fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Word | Kind::Single => Class::Word,
        Kind::Long | Kind::Double => Class::Long,
        Kind::Mask => Class::Mask,
    }
}

impl Builder<'_> {
    /// Adds an instruction whose operands are those of the operation.
    pub(super) fn apply(&mut self, f: Scalar, ins: &Instruction, ty: Type) -> Result<()> {
        self.apply_imm(f, ins, ty, 0).map(drop)
    }

    /// As [`Builder::apply`], with an immediate; returns the destination.
    pub(super) fn apply_imm(&mut self, f: Scalar, ins: &Instruction, ty: Type, imm: u32) -> Result<Slot> {
        let kinds = f.operands();
        self.expect(ins, kinds.len() + 1)?;
        let mut sources = [0; 3];
        for (i, class) in kinds.iter().map(|kind| class_of(*kind)).enumerate() {
            // Shift amounts and the like are u32 beside operands of another type.
            let ty = if class == Class::Word && ty.len() == 8 { Type::U32 } else { ty };
            sources[i] = self.source(ins, &ins.operands[i + 1], class, ty)?;
        }
        let d = self.target(ins, &ins.operands[0], class_of(f.result()))?;
        self.emit_imm(f, d, sources, imm);
        Ok(d)
    }

    /// As [`Builder::apply`] for 16-bit operands: sources are extended first, the result is cut.
    pub(super) fn apply_narrow(&mut self, f: Scalar, ins: &Instruction, ty: Type) -> Result<()> {
        self.expect(ins, f.operands().len() + 1)?;
        let mut sources = [0; 3];
        for (source, operand) in sources.iter_mut().zip(&ins.operands[1..]) {
            *source = self.narrow(ins, operand, ty)?;
        }
        let d = self.target(ins, &ins.operands[0], Class::Word)?;
        self.emit(f, d, sources);
        self.emit(Scalar::ZeroExtend16, d, [d, 0, 0]);
        Ok(())
    }

    /// A 16-bit operand, extended to 32 bits by its sign or with zeros.
    pub(super) fn narrow(&mut self, ins: &Instruction, operand: &Operand, ty: Type) -> Result<u32> {
        let source = self.source(ins, operand, Class::Word, ty)?;
        let slot = self.scratch(Class::Word);
        if ty.is_signed() {
            self.emit(Scalar::SignExtend16, slot, [source, 0, 0]);
        } else {
            self.emit(Scalar::ZeroExtend16, slot, [source, 0, 0]);
        }
        Ok(slot)
    }

    pub(super) fn expect(&self, ins: &Instruction, operands: usize) -> Result<()> {
        if ins.operands.len() == operands {
            return Ok(());
        }
        Err(ins.unsupported(format!("{} operands, expected {operands}", ins.operands.len())))
    }
}
