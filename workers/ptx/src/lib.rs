//! Reproducible PTX: a parser, a check of the profile `tessera-ptx-1`, and a machine that runs kernels on a CPU with the
//! bits that every GPU since sm_80 gives.
//!
//! The crate knows no chain and no network.
//!
//! ```
//! use tessera_ptx::{Access, Launch, Limits, Machine, Memory, Module};
//!
//! let text = "
//! .version 7.0
//! .target sm_80
//! .address_size 64
//! .visible .entry triple(.param .u64 out)
//! {
//!     .reg .b32 %r<3>;
//!     .reg .b64 %rd<4>;
//!     ld.param.u64 %rd1, [out];
//!     mov.u32 %r1, %tid.x;
//!     mul.wide.u32 %rd2, %r1, 4;
//!     add.s64 %rd3, %rd1, %rd2;
//!     mul.lo.s32 %r2, %r1, 3;
//!     st.global.u32 [%rd3], %r2;
//!     ret;
//! }";
//! let module = Module::parse(text)?;
//! assert!(module.check().is_empty());
//! let kernel = module.kernel("triple").unwrap();
//! let mut memory = Memory::new(&module);
//! let out = memory.alloc(4 * 64, Access::ReadWrite)?;
//! let params = kernel.pack(&[&out.to_le_bytes()])?;
//! let launch = Launch { grid: [1, 1, 1], block: [64, 1, 1], shared_len: 0, params: &params };
//! let stats = Machine.launch(&mut memory, kernel, &launch, Limits::default())?;
//! let mut bytes = [0; 4];
//! memory.read(out + 4 * 5, &mut bytes)?;
//! assert_eq!((u32::from_le_bytes(bytes), stats.gas), (15, 11 * 64));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! [`Module::parse`] reads the text; one table of opcodes (`opcode`) says which names, types and modifiers exist, what
//! each costs in gas and what the profile refuses. Each kernel is lowered together with the functions it calls into
//! straight code over numbered slots; the crate `tessera-ptx-core` says what each operation of it does. Two engines run
//! that code: [`Interpreter`], plain and the reference, which is that crate and a loop, and the compiled code behind
//! [`Machine`]. Both run one thread of a block after the other, each until it leaves or waits for others;
//! `machine::schedule` lets threads meet. Blocks run in parallel. Same bits, same gas, same faults.
//!
//! # Gas
//!
//! The gas of a launch is the sum of the weights of the instructions that threads reach, whether or not a guard lets them
//! act. It depends on the module and its inputs alone.
//!
//! # What a run detects
//!
//! Accesses outside buffers, misaligned ones, writes to inputs and to the module's variables, divisions by zero, traps,
//! barriers that some threads never reach, shuffles from lanes that take no part, gas above a limit. With [`Checks`] the
//! interpreter also finds races, copies that nobody waits for, and registers or memory that nobody wrote where they decide
//! something. Each is a [`Fault`] that names kernel, block, thread and line.
#![deny(missing_docs)]

extern crate alloc;

mod ast;
mod check;
mod error;
#[cfg(jit)]
mod jit;
mod lexer;
mod lower;
mod machine;
mod memory;
mod module;
mod opcode;
mod parser;

// What one instruction does.
use tessera_ptx_core::{address, collective, ir, scalar};

pub use check::Refusal;
pub use error::{Decision, Effect, Error, Fault, FaultKind, Race, Space, Touch, Toucher};
pub use machine::{Checks, Interpreter, Launch, Limits, Machine, Stats, Step, Watch, Written};
pub use memory::{Access, Memory};
pub use module::{Kernel, Module, Param};
pub use opcode::page::profile_tables;
pub use opcode::{OpcodeInfo, opcodes};
