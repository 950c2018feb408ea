//! Lowers loads, stores and atomics.

use super::builder::{Builder, class};
use crate::ast::{Base, Instruction, Operand, Type};
use crate::error::{Error, Space};
use crate::ir::{Atomic, Change, Class, NO_SLOT, Place, Transfer, Via, What};
use crate::scalar::Scalar;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    pub(super) fn place(&mut self, ins: &Instruction, operand: &Operand) -> Result<Place> {
        let Operand::Address(base, _) = operand else {
            return Err(ins.unsupported("an address in [ ] is expected"));
        };
        let space = ins.modifiers().find(|m| {
            matches!(m.split("::").next(), Some("global" | "shared" | "local" | "param" | "const"))
                && Type::parse(m).is_none()
        });
        let space = space.and_then(|m| m.split("::").next());
        let via = match (space, base) {
            (Some("shared"), _) => Via::Shared,
            (Some("local"), _) => Via::Local,
            (Some("param"), base) => {
                if self.in_kernel_params(base) {
                    Via::Param
                } else {
                    Via::Local
                }
            }
            (Some(_), _) => Via::Global,
            // Without a space the address is generic; the name of a variable tells its own.
            (None, Base::Var(id)) => match self.ast.variable(*id).space {
                Space::Shared => Via::Shared,
                Space::Local => Via::Local,
                Space::Param if self.is_kernel_param(*id) => Via::Param,
                Space::Param => Via::Local,
                Space::Global => Via::Generic,
            },
            (None, _) => Via::Generic,
        };
        self.place_via(ins, operand, via)
    }

    /// The place of an operand in a space that is known.
    pub(super) fn place_via(&mut self, ins: &Instruction, operand: &Operand, via: Via) -> Result<Place> {
        let Operand::Address(base, offset) = operand else {
            return Err(ins.unsupported("an address in [ ] is expected"));
        };
        let mut short = false;
        let base = match base {
            Base::Reg(id) => match class(self.register_type(*id)) {
                Class::Long => self.register(*id),
                Class::Word if self.register_type(*id).len() == 4 => {
                    short = true;
                    self.register(*id)
                }
                _ => return Err(ins.unsupported("an address register has 32 or 64 bits")),
            },
            Base::Var(id) => {
                let at = self.address(*id)?;
                self.long_constant(at)
            }
            Base::Absolute => self.long_constant(0),
        };
        Ok(Place { via, base, offset: *offset as u64, short })
    }

    /// The elements of a vector operand, or the operand itself.
    fn elements<'b>(&self, ins: &Instruction, operand: &'b Operand) -> Result<Vec<&'b Operand>> {
        if ins.has("v8") {
            return Err(ins.unsupported(".v8 needs a newer GPU than sm_80"));
        }
        let wanted = if ins.has("v4") {
            4
        } else if ins.has("v2") {
            2
        } else {
            1
        };
        let elements: Vec<&Operand> = match operand {
            Operand::Vector(parts) => parts.iter().collect(),
            other => vec![other],
        };
        if elements.len() == wanted {
            Ok(elements)
        } else {
            Err(ins.unsupported(format!("{} registers, expected {wanted}", elements.len())))
        }
    }

    pub(super) fn load(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let Some(ty) = ins.types().last() else { return Err(ins.unsupported("a type is missing")) };
        let elements = self.elements(ins, &ins.operands[0])?;
        let at = self.place(ins, &ins.operands[1])?;
        let mut data = [NO_SLOT; 4];
        // Loaded values go straight to their registers, unless these are wider or shorter than the element.
        let mut after = Vec::new();
        for (i, element) in elements.iter().enumerate() {
            let register = match element {
                Operand::Reg(id) => self.register_type(*id),
                Operand::Sink => ty,
                _ => return Err(ins.unsupported("a register is expected as destination")),
            };
            let loaded = class(ty);
            let target = self.target(ins, element, class(register))?;
            if class(register) == Class::Mask {
                return Err(ins.unsupported("a predicate cannot be loaded"));
            }
            if class(register) != loaded {
                if loaded == Class::Long {
                    return Err(ins.unsupported("the register is shorter than what is loaded"));
                }
                data[i] = self.scratch(loaded);
                after.push((target, data[i], true));
            } else {
                data[i] = target;
                if register.len() == 2 && ty == Type::S8 {
                    after.push((target, target, false));
                }
            }
        }
        let (size, count) = (ty.len() as u8, elements.len() as u8);
        self.push(What::Load(Transfer { at, size, signed: ty.is_signed(), count, data, later: false }));
        for (target, source, widen) in after {
            match (widen, ty.is_signed()) {
                (true, true) => self.emit(Scalar::SignExtend32, target, [source, 0, 0]),
                (true, false) => self.emit(Scalar::ZeroExtend32, target, [source, 0, 0]),
                (false, _) => self.emit(Scalar::ZeroExtend16, target, [source, 0, 0]),
            }
        }
        Ok(())
    }

    pub(super) fn store(&mut self, ins: &Instruction) -> Result<()> {
        self.expect(ins, 2)?;
        let Some(ty) = ins.types().last() else { return Err(ins.unsupported("a type is missing")) };
        let elements = self.elements(ins, &ins.operands[1])?;
        let at = self.place(ins, &ins.operands[0])?;
        let mut data = [NO_SLOT; 4];
        for (i, element) in elements.iter().enumerate() {
            data[i] = match element {
                // A wider register gives its low part.
                Operand::Reg(id) if class(self.register_type(*id)) == Class::Long && class(ty) == Class::Word => {
                    let wide = self.register(*id);
                    let slot = self.scratch(Class::Word);
                    self.emit(Scalar::Low32, slot, [wide, 0, 0]);
                    slot
                }
                element => self.source(ins, element, class(ty), ty)?,
            };
        }
        let (size, count) = (ty.len() as u8, elements.len() as u8);
        self.push(What::Store(Transfer { at, size, signed: false, count, data, later: false }));
        Ok(())
    }

    /// `atom` and `red`.
    pub(super) fn atomic(&mut self, ins: &Instruction, result: bool) -> Result<()> {
        let Some(ty) = ins.types().last() else { return Err(ins.unsupported("a type is missing")) };
        let change =
            ins.modifiers().find_map(change).ok_or_else(|| ins.unsupported("an operation such as .add is missing"))?;
        if ty.is_float() {
            return Err(ins.unsupported("the order in which threads reach a float atomic is not reproducible"));
        }
        if ty.len() < 4 || ins.has("v2") || ins.has("v4") {
            return Err(ins.unsupported("atomics work on one integer of 32 or 64 bits"));
        }
        let first = usize::from(result);
        self.expect(ins, first + if change == Change::Compare { 3 } else { 2 })?;
        if matches!(change, Change::Inc | Change::Dec) && ty != Type::U32 {
            return Err(ins.unsupported(".inc and .dec are for u32"));
        }
        let class = class(ty);
        let at = self.place(ins, &ins.operands[first])?;
        let b = self.source(ins, &ins.operands[first + 1], class, ty)?;
        let c =
            if change == Change::Compare { self.source(ins, &ins.operands[first + 2], class, ty)? } else { NO_SLOT };
        let d = match &ins.operands[0] {
            Operand::Sink => NO_SLOT,
            _ if !result => NO_SLOT,
            operand => self.target(ins, operand, class)?,
        };
        if matches!(at.via, Via::Local | Via::Param) {
            return Err(ins.unsupported("atomics work on global and shared memory"));
        }
        let (wide, signed) = (class == Class::Long, ty.is_signed());
        self.push(What::Atomic(Atomic { at, change, wide, signed, d, b, c }));
        Ok(())
    }
}

/// The change that a modifier names.
fn change(name: &str) -> Option<Change> {
    Some(match name {
        "add" => Change::Add,
        "min" => Change::Min,
        "max" => Change::Max,
        "and" => Change::And,
        "or" => Change::Or,
        "xor" => Change::Xor,
        "inc" => Change::Inc,
        "dec" => Change::Dec,
        "exch" => Change::Exchange,
        "cas" => Change::Compare,
        _ => return None,
    })
}
