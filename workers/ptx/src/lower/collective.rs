//! Lowers what the lanes of a warp do together.

use super::builder::{Builder, class};
use crate::ast::{Instruction, Operand, Type};
use crate::collective::{Collective, Reduce, Shuffle};
use crate::error::Error;
use crate::ir::{Class, NO_SLOT};
use crate::opcode::Kind;

type Result<T> = std::result::Result<T, Error>;

impl Builder<'_> {
    /// The instruction and the slot of its mask of lanes.
    pub(super) fn collective_of(&mut self, ins: &Instruction, kind: Kind) -> Result<(Collective, u32)> {
        let pair = |operand: &Operand| match operand {
            Operand::Pair(d, p) => ((**d).clone(), Some((**p).clone())),
            other => (other.clone(), None),
        };
        match kind {
            Kind::Shfl => {
                self.expect(ins, 5)?;
                let mode = ins.modifiers().find_map(|m| match m {
                    "up" => Some(Shuffle::Up),
                    "down" => Some(Shuffle::Down),
                    "bfly" => Some(Shuffle::Butterfly),
                    "idx" => Some(Shuffle::Index),
                    _ => None,
                });
                let mode = mode.ok_or_else(|| ins.unsupported("a mode such as .down is missing"))?;
                let (d, p) = pair(&ins.operands[0]);
                let [a, b, c, members] = self.words(ins, [1, 2, 3, 4])?;
                let (d, mask) = (self.optional(ins, Some(d), Class::Word)?, self.optional(ins, p, Class::Mask)?);
                Ok((Collective::Shuffle { mode, d, mask, a, b, c }, members))
            }
            Kind::Vote => {
                self.expect(ins, 3)?;
                let (p, negate) = match &ins.operands[1] {
                    Operand::Reg(id) if self.register_type(*id) == Type::Pred => (self.register(*id), false),
                    Operand::Not(id) => (self.register(*id), true),
                    _ => return Err(ins.unsupported("a predicate is expected")),
                };
                let [members] = self.words(ins, [2])?;
                let ballot = ins.has("ballot");
                let d = self.target(ins, &ins.operands[0], if ballot { Class::Word } else { Class::Mask })?;
                let what = if ballot {
                    Collective::Ballot { d, p, negate }
                } else if ins.has("all") {
                    Collective::All { d, p, negate }
                } else if ins.has("any") {
                    Collective::Any { d, p, negate }
                } else {
                    Collective::Uniform { d, p, negate }
                };
                Ok((what, members))
            }
            Kind::Match => {
                self.expect(ins, 3)?;
                let ty = ins.types().next().unwrap_or(Type::B32);
                let (d, p) = pair(&ins.operands[0]);
                let a = self.source(ins, &ins.operands[1], class(ty), ty)?;
                let [members] = self.words(ins, [2])?;
                let d = self.optional(ins, Some(d), Class::Word)?;
                let what = if ins.has("all") {
                    Collective::MatchAll { d, mask: self.optional(ins, p, Class::Mask)?, a }
                } else {
                    Collective::MatchAny { d, a }
                };
                Ok((what, members))
            }
            Kind::Redux => {
                self.expect(ins, 3)?;
                let signed = ins.types().next().is_some_and(Type::is_signed);
                let by = ins.modifiers().find_map(|m| match (m, signed) {
                    ("add", _) => Some(Reduce::Add),
                    ("min", false) => Some(Reduce::MinU),
                    ("max", false) => Some(Reduce::MaxU),
                    ("min", true) => Some(Reduce::MinS),
                    ("max", true) => Some(Reduce::MaxS),
                    ("and", _) => Some(Reduce::And),
                    ("or", _) => Some(Reduce::Or),
                    ("xor", _) => Some(Reduce::Xor),
                    _ => None,
                });
                let by = by.ok_or_else(|| ins.unsupported("an operation such as .add is missing"))?;
                let [a, members] = self.words(ins, [1, 2])?;
                let d = self.target(ins, &ins.operands[0], Class::Word)?;
                Ok((Collective::Reduce { d, a, by }, members))
            }
            Kind::Ldmatrix => self.load_matrix(ins),
            _ => self.mma(ins),
        }
    }

    fn words<const N: usize>(&mut self, ins: &Instruction, operands: [usize; N]) -> Result<[u32; N]> {
        let mut slots = [0; N];
        for (slot, operand) in slots.iter_mut().zip(operands) {
            *slot = self.source(ins, &ins.operands[operand], Class::Word, Type::B32)?;
        }
        Ok(slots)
    }

    fn optional(&mut self, ins: &Instruction, operand: Option<Operand>, class: Class) -> Result<u32> {
        match operand {
            None | Some(Operand::Sink) => Ok(NO_SLOT),
            Some(operand) => self.target(ins, &operand, class),
        }
    }
}
