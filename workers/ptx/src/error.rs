//! What can go wrong with a module, and what a run reports as a fault.

use std::fmt;

/// Why a module cannot be read or a kernel cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not PTX.
    #[error("line {line}: expected {expected}, found {found}")]
    Syntax {
        /// Line of the module, from 1.
        line: u32,
        /// What would have been right.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A name that is used but not declared, or declared twice.
    #[error("line {line}: {name} {problem}")]
    Name {
        /// Line of the module, from 1.
        line: u32,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An instruction that this machine does not execute.
    #[error("line {line}: cannot execute `{instruction}`: {reason}")]
    Unsupported {
        /// Line of the module, from 1.
        line: u32,
        /// The opcode with its modifiers.
        instruction: String,
        /// Why not.
        reason: String,
    },
    /// Something in the module is larger than this machine takes.
    #[error("line {line}: {what} is {found}, at most {limit} is possible")]
    Limit {
        /// Line of the module, from 1.
        line: u32,
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

/// A part of the memory that a thread can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Buffers, and the variables of the module.
    Global,
    /// Shared by the threads of a block.
    Shared,
    /// A thread's own.
    Local,
    /// Parameters of a kernel or a function.
    Param,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Shared => "shared",
            Self::Local => "local",
            Self::Param => "parameter",
        })
    }
}

/// What happened in a launch that stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// An access that is not inside one buffer.
    #[error("{len} bytes at {address:#x} are not inside {space} memory")]
    OutOfBounds {
        /// Space of the access.
        space: Space,
        /// Its address in this space.
        address: u64,
        /// Its bytes.
        len: u32,
    },
    /// An address that is not a multiple of the bytes accessed.
    #[error("{address:#x} in {space} memory is not a multiple of {len}")]
    Misaligned {
        /// Space of the access.
        space: Space,
        /// Its address in this space.
        address: u64,
        /// Its bytes.
        len: u32,
    },
    /// A write to a buffer that may only be read.
    #[error("write to read-only memory at {address:#x}")]
    ReadOnly {
        /// The address.
        address: u64,
    },
    /// A register that is read and was not written.
    #[error("register {name} is read before it is written")]
    UnwrittenRegister {
        /// Its name.
        name: String,
    },
    /// An integer division by zero, whose result PTX leaves open.
    #[error("integer division by zero")]
    DivisionByZero,
    /// More gas than allowed.
    #[error("more than {limit} gas spent")]
    GasLimit {
        /// What was allowed.
        limit: u64,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The time that the caller allowed has passed.
    #[error("the time limit has passed")]
    Deadline,
    /// Threads that wait for each other without end.
    #[error("threads wait at a barrier that others never reach")]
    Deadlock,
    /// A warp instruction that reads a lane which does not take part.
    #[error("lane {lane} is read but does not take part")]
    InactiveLane {
        /// The lane.
        lane: u32,
    },
    /// A warp instruction that needs all lanes of the warp, or equal operands in them.
    #[error("{0}")]
    Warp(&'static str),
    /// The kernel gave up (`trap`).
    #[error("trap")]
    Trap,
    /// A condition that the kernel asserts does not hold (`__assertfail`).
    #[error("an assertion of the kernel failed")]
    Assertion,
    /// An index outside the targets of an indirect branch.
    #[error("branch index {index} outside {targets} targets")]
    BranchIndex {
        /// The index.
        index: u32,
        /// How many targets there are.
        targets: u32,
    },
    /// The launch itself does not fit the kernel.
    #[error("{0}")]
    Launch(String),
}
