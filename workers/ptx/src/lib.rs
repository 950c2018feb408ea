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
//! assert_eq!((u32::from_le_bytes(bytes), stats.instructions), (15, 7 * 64));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! [`Module::parse`] reads the text; one table of opcodes (`opcode`) says which names, types and modifiers exist, what
//! each costs in gas and what the profile refuses. Each kernel is lowered together with the functions it calls: a
//! register becomes an array of 32 values, one for each lane of a warp, so that an operation is a loop over lanes in
//! vector instructions. Lanes that part at a branch run in the order of their position in the code and join where they
//! meet. Blocks run in parallel.
//!
//! # Gas
//!
//! The gas of a launch is the sum of the weights of the instructions that lanes reach, whether or not a guard lets them
//! act. It depends on the module and its inputs alone.
//!
//! # What a run detects
//!
//! Accesses outside buffers, misaligned ones, writes to inputs and to the module's variables, divisions by zero, traps,
//! barriers that some threads never reach, shuffles from lanes that take no part, gas above a limit. Each is a [`Fault`]
//! that names kernel, block, thread and line.
//!
//! Not yet detected: races between threads, and reads of registers, shared or local memory that nobody wrote (they
//! read as zero here). Both belong into `exec::access`, through which every access goes.
#![deny(missing_docs)]

mod ast;
mod check;
mod error;
mod exec;
mod lexer;
mod lower;
mod memory;
mod module;
mod opcode;
mod parser;

pub use check::Refusal;
pub use error::{Error, Fault, FaultKind, Space};
pub use exec::lanes::Vectors;
pub use exec::launch::{Launch, Limits, Machine, Stats};
pub use memory::{Access, Memory};
pub use module::{Kernel, Module, Param};
pub use opcode::page::profile_tables;
