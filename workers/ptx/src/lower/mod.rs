//! Turns a kernel and the functions that it calls into a [`Program`]: registers become slots, labels become blocks.

mod arithmetic;
mod builder;
mod collective;
mod comparison;
mod convert;
mod flow;
mod layout;
mod memory;

pub(crate) use layout::Layout;

use crate::ast::{Ast, Function};
use crate::error::Error;
use crate::exec::lanes::Op;
use crate::exec::warp::Block;
use builder::Builder;

/// A special register. The number is an axis: 0, 1, 2 for x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    /// `%tid`
    Thread(u8),
    /// `%ntid`
    Threads(u8),
    /// `%ctaid`
    Block(u8),
    /// `%nctaid`
    Blocks(u8),
    /// `%laneid`
    Lane,
}

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

/// A kernel, ready to run.
#[derive(Clone)]
pub(crate) struct Program {
    pub ops: Vec<Op>,
    pub blocks: Vec<Block>,
    /// The block at which threads start.
    pub entry: u32,
    /// Slots of 32 bits, of 64 bits and of predicates.
    pub words: usize,
    pub longs: usize,
    pub masks: usize,
    /// Values that slots have from the start.
    pub word_constants: Vec<(u32, u32)>,
    pub long_constants: Vec<(u64, u32)>,
    pub specials: Vec<(Special, u32)>,
    /// Static shared memory of a block in bytes.
    pub shared_len: usize,
    /// Local memory of a thread in bytes.
    pub local_len: usize,
}

/// Lowers one kernel. `wide`: use AVX2.
pub(crate) fn lower(ast: &Ast, layout: &Layout, kernel: &Function, wide: bool) -> Result<Program, Error> {
    Builder::new(ast, layout, wide).program(kernel)
}
