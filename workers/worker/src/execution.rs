//! Running strangers' kernels in a process of their own.
//!
//! A kernel may hang, fault, or eat all memory; then the child is killed and only it is lost. The child holds no key and
//! no connection: it gets file names and unit numbers, and answers with bytes.

pub mod child;
mod frames;
mod parent;

pub use frames::{Answer, FrameError, Order};
pub use parent::{ChildCommand, ExecutionError, Limits, Runner, Work};
