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

use crate::ast::{Ast, Function, Operand, Statement};
use crate::error::Error;
use crate::ir::Program;
use builder::Builder;

/// What lowering all kernels of a module may take: 8 for each instruction and operand, 1 for each register, 64 more for each
/// function. Each kernel is lowered with all that it calls, so a small module could else take long and much memory.
pub(crate) const EFFORT: u64 = 1 << 25;

/// Lowers one kernel. `effort`: what is left of [`EFFORT`].
pub(crate) fn lower<'a>(
    ast: &'a Ast,
    layout: &'a Layout,
    kernel: &'a Function,
    effort: &'a mut u64,
) -> Result<Program, Error> {
    Builder::new(ast, layout, effort).program(kernel)
}

/// What it takes to lower a function.
fn cost(function: &Function) -> u64 {
    let operand = |operand: &Operand| match operand {
        Operand::Vector(parts) | Operand::List(parts) => 1 + parts.len(),
        _ => 1,
    };
    let statement = |statement: &Statement| match statement {
        Statement::Instruction(ins) => 1 + ins.operands.iter().map(operand).sum::<usize>(),
        Statement::Targets(targets) => targets.len(),
        Statement::Label(..) => 1,
    };
    let statements: usize = function.body.iter().map(statement).sum();
    8 * (8 + statements as u64) + function.registers.len() as u64
}
