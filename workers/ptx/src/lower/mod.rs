//! Turns a kernel and the functions that it calls into a [`Program`]: registers become slots, labels become blocks.

mod apply;
mod arithmetic;
mod barrier;
mod bits;
mod builder;
mod call;
mod collective;
mod comparison;
mod convert;
mod copy;
mod float;
mod flow;
mod layout;
mod matrix;
mod memory;
mod moves;
mod special;

pub(crate) use layout::Layout;

use crate::ast::{Ast, Function};
use crate::error::Error;
use crate::ir::Program;
use builder::Builder;

/// Lowers one kernel.
pub(crate) fn lower(ast: &Ast, layout: &Layout, kernel: &Function) -> Result<Program, Error> {
    Builder::new(ast, layout).program(kernel)
}
