//! Running strangers' kernels in a process of their own.
//!
//! A kernel may hang, fault, or eat all memory; then the child is killed and only it is lost. The child holds no key and
//! no connection: it gets file names and unit numbers, and answers with bytes. It is locked in, see [`sandbox`].

pub mod child;
mod error;
mod frames;
mod parent;
pub mod sandbox;

pub use error::ExecutionError;
pub use frames::{Answer, Blame, ChildDevice, FrameError, Order};
pub use parent::{ChildCommand, Limits, Runner, Verdict, Work};

/// What computes units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The backend of the settings.
    Backend,
    /// The processor, whatever the settings say: its word counts where a GPU reports a fault.
    Processor,
    /// The interpreter, which also looks for races and for what nobody wrote, much more slowly: for disputes about whether
    /// there is a result at all.
    Checks,
}
