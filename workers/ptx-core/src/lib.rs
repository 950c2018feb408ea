//! What one instruction of reproducible PTX does: the reference of the profile `tessera-ptx-1`, without parser, threads,
//! schedule or a memory of its own.
//!
//! A kernel is a [`ir::Program`]: straight code over numbered slots, in blocks. [`ir::Op::act`] executes one operation of a
//! thread, whose memory lies behind [`Reach`]; [`ir::End::follow`] says where the thread goes at the end of a block;
//! [`collective::Collective::run`] executes what the lanes of a warp do together. Whoever runs threads by these three
//! gets the bits and the faults that the interpreter of `tessera-ptx` gives.
//!
//! ```
//! use tessera_ptx_core::ir::{Op, What};
//! use tessera_ptx_core::scalar::Scalar;
//! use tessera_ptx_core::{FaultKind, Reach, Space};
//!
//! /// No memory at all.
//! struct Nothing;
//!
//! impl Reach for Nothing {
//!     fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind> {
//!         Err(FaultKind::OutOfBounds { space, address, len })
//!     }
//!     fn put(&mut self, space: Space, address: u64, len: u32, _value: u64) -> Result<(), FaultKind> {
//!         Err(FaultKind::OutOfBounds { space, address, len })
//!     }
//!     fn copy_local(&mut self, _to: u32, _from: u32, _len: u32) {}
//! }
//!
//! let add = What::Scalar { f: Scalar::Add32, d: 2, s: [0, 1, 0], imm: 0 };
//! let mut slots = [u64::from(u32::MAX), 3, 0];
//! Op { what: add, guard: None, line: 1 }.act(&mut slots, &mut Nothing)?;
//! assert_eq!(slots[2], 2);
//! # Ok::<(), FaultKind>(())
//! ```
//!
//! # Without the standard library
//!
//! Without the feature `std` the crate needs [`core`] and [`alloc`] alone, so that a program on a chain can execute an
//! instruction. What `core` lacks of floating point then comes from `libm`; tests compare the two bit by bit.
#![no_std]
#![deny(missing_docs, unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod address;
mod atomic;
pub mod collective;
mod fault;
pub mod ir;
pub mod scalar;
mod step;

pub use fault::{Decision, Effect, FaultKind, Race, Space, Touch, Toucher};
pub use step::{Next, Reach};
