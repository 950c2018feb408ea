//! Turns a kernel and the functions that it calls into a [`Program`]: registers become slots, labels become blocks.

mod arithmetic;
mod builder;
mod collective;
mod comparison;
mod convert;
mod flow;
mod layout;
mod memory;
mod unwritten;

pub(crate) use layout::Layout;

use crate::ast::{Ast, Function};
use crate::error::Error;
use crate::ir::{Program, Special};
use builder::Builder;

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

/// Lowers one kernel.
pub(crate) fn lower(ast: &Ast, layout: &Layout, kernel: &Function) -> Result<Program, Error> {
    Builder::new(ast, layout).program(kernel)
}
