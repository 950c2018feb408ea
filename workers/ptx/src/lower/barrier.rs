//! Lowers barriers of a block.

use super::builder::Builder;
use crate::ast::{Instruction, Operand, Type};
use crate::error::Error;
use crate::ir::{Class, Join, NO_SLOT, Reduction, Slot};

type Result<T> = std::result::Result<T, Error>;

/// Slots of a barrier's number and of how many threads it wants, and what else they learn.
pub(super) struct Barrier {
    pub id: Slot,
    pub count: Slot,
    pub reduction: Option<Reduction>,
}

impl Builder<'_> {
    /// `bar.sync a{, b}`, `bar.red.op d, a{, b}, {!}p` and their longer names.
    pub(super) fn barrier(&mut self, ins: &Instruction) -> Result<Barrier> {
        let mut operands = &ins.operands[..];
        let mut reduction = None;
        if ins.has("red") {
            let by = ins.modifiers().find_map(|modifier| match modifier {
                "popc" => Some(Join::Count),
                "and" => Some(Join::All),
                "or" => Some(Join::Any),
                _ => None,
            });
            let by = by.ok_or_else(|| ins.unsupported("an operation such as .popc is missing"))?;
            let [d, middle @ .., p] = operands else {
                return Err(ins.unsupported("a result, a barrier and a predicate are expected"));
            };
            let (p, negated) = match p {
                Operand::Reg(id) if self.register_type(*id) == Type::Pred => (self.register(*id), false),
                Operand::Not(id) => (self.register(*id), true),
                _ => return Err(ins.unsupported("a predicate is expected as last operand")),
            };
            let d = self.target(ins, d, if by == Join::Count { Class::Word } else { Class::Mask })?;
            reduction = Some(Reduction { by, p, negated, d });
            operands = middle;
        } else if !ins.has("sync") {
            return Err(ins.unsupported("of barriers only .sync and .red are possible"));
        }
        let (id, count) = match operands {
            [id] => (id, None),
            [id, count] => (id, Some(count)),
            _ => return Err(ins.unsupported("a barrier and perhaps a number of threads are expected")),
        };
        let id = self.source(ins, id, Class::Word, Type::U32)?;
        let count = match count {
            Some(count) => self.source(ins, count, Class::Word, Type::U32)?,
            None => NO_SLOT,
        };
        Ok(Barrier { id, count, reduction })
    }
}
