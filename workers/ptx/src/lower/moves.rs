//! Lowers `mov` and `cvta`.

use super::builder::{Builder, class};
use crate::address::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use crate::ast::{Base, Instruction, Operand, Type};
use crate::error::{Error, Space};
use crate::ir::Class;
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    pub(super) fn mov(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let Some(ty) = ins.types().next() else { return Err(ins.unsupported("a type is missing")) };
        match (&ins.operands[0], &ins.operands[1]) {
            (Operand::Vector(parts), source) => self.unpack(ins, parts, source, ty),
            (target, Operand::Vector(parts)) => self.pack(ins, target, parts, ty),
            (target, source) if ty == Type::Pred => {
                let a = self.source(ins, source, Class::Mask, ty)?;
                let d = self.target(ins, target, Class::Mask)?;
                self.emit(Scalar::MovP, d, [a, 0, 0]);
                Ok(())
            }
            (target, source) => {
                let class = class(ty);
                let a = self.source(ins, source, class, ty)?;
                let d = self.target(ins, target, class)?;
                self.copy(class, d, a);
                Ok(())
            }
        }
    }

    pub(super) fn copy(&mut self, class: Class, d: u32, a: u32) {
        if class == Class::Long {
            self.emit(Scalar::Mov64, d, [a, 0, 0]);
        } else {
            self.emit(Scalar::Mov32, d, [a, 0, 0]);
        }
    }

    /// `mov {a, b}, c`: the low part first.
    fn unpack(&mut self, ins: &Instruction, parts: &[Operand], source: &Operand, ty: Type) -> Result<()> {
        match (parts, ty.len()) {
            ([low, high], 8) => {
                let a = self.source(ins, source, Class::Long, ty)?;
                let (low, high) = (self.target(ins, low, Class::Word)?, self.target(ins, high, Class::Word)?);
                self.emit(Scalar::Low32, low, [a, 0, 0]);
                self.emit(Scalar::High32, high, [a, 0, 0]);
            }
            ([p, q, r, s], 8) => {
                let a = self.source(ins, source, Class::Long, ty)?;
                let half = self.scratch(Class::Word);
                for (pair, high) in [([p, q], false), ([r, s], true)] {
                    let (low, up) = (self.target(ins, pair[0], Class::Word)?, self.target(ins, pair[1], Class::Word)?);
                    if high {
                        self.emit(Scalar::High32, half, [a, 0, 0]);
                    } else {
                        self.emit(Scalar::Low32, half, [a, 0, 0]);
                    }
                    self.emit(Scalar::ZeroExtend16, low, [half, 0, 0]);
                    self.emit(Scalar::High16, up, [half, 0, 0]);
                }
            }
            ([low, high], 4) => {
                let a = self.source(ins, source, Class::Word, ty)?;
                let (low, high) = (self.target(ins, low, Class::Word)?, self.target(ins, high, Class::Word)?);
                let copy = self.scratch(Class::Word);
                self.emit(Scalar::Mov32, copy, [a, 0, 0]);
                self.emit(Scalar::ZeroExtend16, low, [copy, 0, 0]);
                self.emit(Scalar::High16, high, [copy, 0, 0]);
            }
            _ => return Err(ins.unsupported("a value is taken apart into 2 or 4 registers of 16 or 32 bits")),
        }
        Ok(())
    }

    fn pack(&mut self, ins: &Instruction, target: &Operand, parts: &[Operand], ty: Type) -> Result<()> {
        let part = match (parts.len(), ty.len()) {
            (2, 8) => Type::U32,
            (4, 8) | (2, 4) => Type::U16,
            _ => return Err(ins.unsupported("a value is put together from 2 or 4 registers of 16 or 32 bits")),
        };
        let mut sources = Vec::with_capacity(4);
        for operand in parts {
            sources.push(self.source(ins, operand, Class::Word, part)?);
        }
        let d = self.target(ins, target, class(ty))?;
        match sources[..] {
            [low, high] if ty.len() == 8 => self.emit(Scalar::Join32, d, [low, high, 0]),
            [low, high] => self.emit(Scalar::Join16, d, [low, high, 0]),
            [p, q, r, s] => {
                let (low, high) = (self.scratch(Class::Word), self.scratch(Class::Word));
                self.emit(Scalar::Join16, low, [p, q, 0]);
                self.emit(Scalar::Join16, high, [r, s, 0]);
                self.emit(Scalar::Join32, d, [low, high, 0]);
            }
            _ => return Err(ins.unsupported("a value is put together from 2 or 4 registers")),
        }
        Ok(())
    }

    /// Between generic addresses and those of a space.
    pub(super) fn cvta(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let base = if ins.has("shared") || ins.has("shared::cta") {
            SHARED_WINDOW
        } else if ins.has("local") {
            LOCAL_WINDOW
        } else if ins.has("param") {
            PARAM_WINDOW
        } else {
            0
        };
        let a = match &ins.operands[1] {
            Operand::Symbol(id, _) if self.ast.variable(*id).space == Space::Param && !self.is_kernel_param(*id) => {
                return Err(ins.unsupported("the address of a parameter of a function"));
            }
            operand => self.source(ins, operand, Class::Long, Type::U64)?,
        };
        let d = self.target(ins, &ins.operands[0], Class::Long)?;
        if base == 0 {
            self.emit(Scalar::Mov64, d, [a, 0, 0]);
            return Ok(());
        }
        let window = self.long_constant(base);
        if ins.has("to") {
            self.emit(Scalar::Sub64, d, [a, window, 0]);
        } else {
            self.emit(Scalar::Add64, d, [a, window, 0]);
        }
        Ok(())
    }

    /// Whether a base is a parameter of the kernel at work.
    pub(super) fn in_kernel_params(&self, base: &Base) -> bool {
        match base {
            Base::Var(id) => self.is_kernel_param(*id),
            Base::Reg(_) | Base::Absolute => self.function.entry,
        }
    }
}
