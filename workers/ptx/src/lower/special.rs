//! Lowers special registers.

use super::builder::Builder;
use crate::ast::Instruction;
use crate::error::Error;
use crate::ir::{Class, Special};
use crate::scalar::Scalar;

/// The special register with this name (without `%`).
fn named(name: &str) -> Option<Special> {
    if name == "laneid" {
        return Some(Special::Lane);
    }
    let (base, axis) = name.split_once('.')?;
    let axis = ["x", "y", "z"].iter().position(|a| *a == axis)? as u8;
    Some(match base {
        "tid" => Special::Thread(axis),
        "ntid" => Special::Threads(axis),
        "ctaid" => Special::Block(axis),
        "nctaid" => Special::Blocks(axis),
        _ => return None,
    })
}

impl Builder<'_> {
    /// The slot of a special register.
    pub(super) fn special(&mut self, name: &str, ins: &Instruction) -> Result<u32, Error> {
        if let Some(mask) = name.strip_prefix("lanemask_") {
            return self.lane_mask(mask, ins);
        }
        let special = named(name).ok_or_else(|| ins.unsupported(format!("%{name} is not in the profile")))?;
        if let Some(slot) = self.specials.get(&special) {
            return Ok(*slot);
        }
        let slot = self.fresh(Class::Word);
        self.specials.insert(special, slot);
        Ok(slot)
    }

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
