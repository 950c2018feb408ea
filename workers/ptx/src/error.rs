//! What can go wrong with a module, and what a run reports as a fault.

use std::fmt;

pub use tessera_ptx_core::{Decision, Effect, FaultKind, Race, Space, Touch, Toucher};

/// Why a module cannot be read or a kernel cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not PTX.
    #[error("{}: expected {expected}, found {found}", place(*line, *column))]
    Syntax {
        /// Line of the module, from 1.
        line: u32,
        /// Column of that line in bytes, from 1; 0 where the whole line is meant.
        column: u32,
        /// What would have been right.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A name that is used but not declared, or declared twice.
    #[error("{}: {name} {problem}", place(*line, *column))]
    Name {
        /// Line of the module, from 1.
        line: u32,
        /// Column of that line in bytes, from 1; 0 where the whole line is meant.
        column: u32,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An instruction that this machine does not execute.
    #[error("{}: cannot execute `{instruction}`: {reason}", place(*line, *column))]
    Unsupported {
        /// Line of the module, from 1.
        line: u32,
        /// Column of that line in bytes, from 1; 0 where the whole line is meant.
        column: u32,
        /// The opcode with its modifiers.
        instruction: String,
        /// Why not.
        reason: String,
    },
    /// Something in the module is larger than this machine takes.
    #[error("{}: {what} is {found}, at most {limit} is possible", place(*line, *column))]
    Limit {
        /// Line of the module, from 1.
        line: u32,
        /// Column of that line in bytes, from 1; 0 where the whole line is meant.
        column: u32,
        /// What is too large.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The largest size.
        limit: u64,
    },
}

impl Error {
    /// The line of the module that the error speaks of.
    #[must_use]
    pub fn line(&self) -> u32 {
        match self {
            Self::Syntax { line, .. }
            | Self::Name { line, .. }
            | Self::Unsupported { line, .. }
            | Self::Limit { line, .. } => *line,
        }
    }

    /// The column of that line in bytes, from 1; 0 where the whole line is meant.
    #[must_use]
    pub fn column(&self) -> u32 {
        match self {
            Self::Syntax { column, .. }
            | Self::Name { column, .. }
            | Self::Unsupported { column, .. }
            | Self::Limit { column, .. } => *column,
        }
    }
}

/// A place in a module, for messages.
pub(crate) fn place(line: u32, column: u32) -> String {
    if column == 0 { format!("line {line}") } else { format!("line {line}, column {column}") }
}

/// Why a launch stopped: where, and what happened there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// Name of the kernel.
    pub kernel: String,
    /// Block index in x, y, z.
    pub block: [u32; 3],
    /// Thread index in x, y, z, where one thread is to blame.
    pub thread: Option<[u32; 3]>,
    /// Line of the module, 0 where no instruction is to blame.
    pub line: u32,
    /// What happened.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}", self.kernel)?;
        if self.line > 0 {
            write!(f, ", line {}, block {:?}", self.line, self.block)?;
        }
        if let Some(thread) = self.thread {
            write!(f, ", thread {thread:?}")?;
        }
        write!(f, ": {}", self.kind)
    }
}
