//! Lowers special registers.

use super::builder::Builder;
use crate::ast::Instruction;
use crate::error::Error;
use crate::ir::{Class, Special};
use crate::scalar::Scalar;

impl Special {
    /// The special register with this name (without `%`).
    pub fn parse(name: &str) -> Option<Self> {
        if name == "laneid" {
            return Some(Self::Lane);
        }
        let (base, axis) = name.split_once('.')?;
        let axis = ["x", "y", "z"].iter().position(|a| *a == axis)? as u8;
        Some(match base {
            "tid" => Self::Thread(axis),
            "ntid" => Self::Threads(axis),
            "ctaid" => Self::Block(axis),
            "nctaid" => Self::Blocks(axis),
            _ => return None,
        })
    }
}

impl Builder<'_> {
    /// `%lanemask_eq` and its like, from the lane.
    pub(super) fn lane_mask(&mut self, mask: &str, ins: &Instruction) -> Result<u32, Error> {
        let (lane, ones) = (self.special("laneid", ins)?, self.word_constant(u32::MAX));
        let (one, slot) = (self.word_constant(1), self.scratch(Class::Word));
        let guard = self.guard.take();
        match mask {
            "eq" => self.emit(Scalar::Shl32, slot, [one, lane, 0]),
            "ge" | "lt" => self.emit(Scalar::Shl32, slot, [ones, lane, 0]),
            "gt" | "le" => {
                self.emit(Scalar::Shl32, slot, [ones, lane, 0]);
                self.emit(Scalar::Shl32, slot, [slot, one, 0]);
            }
            _ => return Err(ins.unsupported(format!("%lanemask_{mask} does not exist"))),
        }
        if matches!(mask, "lt" | "le") {
            self.emit(Scalar::Not32, slot, [slot, 0, 0]);
        }
        self.guard = guard;
        Ok(slot)
    }
}
