//! Why a thread cannot go on, and what names the places where that shows.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

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

/// How memory is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is changed by an atomic.
    Atomic,
}

/// One of two accesses that race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toucher {
    /// Block index in x, y, z.
    pub block: [u32; 3],
    /// Thread index in x, y, z.
    pub thread: [u32; 3],
    /// Line of the module.
    pub line: u32,
    /// What it does.
    pub touch: Touch,
}

impl fmt::Display for Toucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let touch = match self.touch {
            Touch::Read => "read",
            Touch::Write => "write",
            Touch::Atomic => "atomic",
        };
        write!(f, "{touch} at line {} by block {:?}, thread {:?}", self.line, self.block, self.thread)
    }
}

/// Two accesses of the same bytes whose order nothing fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// Space of the accesses.
    pub space: Space,
    /// Where they meet.
    pub address: u64,
    /// The access that comes first if blocks and threads run one after the other.
    pub first: Toucher,
    /// The other one.
    pub second: Toucher,
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { space, address, first, second } = self;
        write!(f, "race in {space} memory at {address:#x}: nothing orders the {first}, and the {second}")
    }
}

/// Something that must not depend on what nobody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Where memory is accessed.
    Address,
    /// Whether an instruction acts.
    Guard,
    /// Where a thread goes on.
    Branch,
    /// What a buffer holds.
    Store,
    /// What an atomic does.
    Atomic,
    /// Whether a division is one by zero.
    Divisor,
    /// Which barrier, for how many threads, or what it computes.
    Barrier,
    /// Which lanes take part in an instruction of a warp.
    Lanes,
}

/// Where a value that nobody wrote decides something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What it decides, at the line of the fault.
    pub effect: Effect,
    /// The register that brings it there, where one does.
    pub register: Option<Box<str>>,
    /// The line that read what was not written; until here it was only copied and computed with.
    pub read: u32,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.effect {
            Effect::Address => "the address",
            Effect::Guard => "whether the instruction acts",
            Effect::Branch => "where the thread goes on",
            Effect::Store => "what is stored",
            Effect::Atomic => "what the atomic does",
            Effect::Divisor => "the divisor",
            Effect::Barrier => "the barrier",
            Effect::Lanes => "the mask of lanes",
        })?;
        if let Some(register) = &self.register {
            write!(f, " ({register})")?;
        }
        f.write_str(" comes from")
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
    /// What a register held before it was written decides something.
    #[error("{decides} register {name}, which line {} reads before it is written", decides.read)]
    UnwrittenRegister {
        /// Its name.
        name: Box<str>,
        /// What it decides.
        decides: Box<Decision>,
    },
    /// What shared or local memory held before it was written decides something.
    #[error("{decides} {space} memory at {address:#x}, which line {} reads before it is written", decides.read)]
    UnwrittenMemory {
        /// The space.
        space: Space,
        /// The first byte that was not written.
        address: u64,
        /// What it decides.
        decides: Box<Decision>,
    },
    /// Two accesses of the same memory that nothing orders, at least one of which writes.
    #[error("{0}")]
    Race(Box<Race>),
    /// A thread touches what `cp.async` copies before the copy was waited for.
    #[error("asynchronous copy in {} memory at {:#x}: nothing waits for the {} before the {}", .0.space, .0.address, .0.first, .0.second)]
    UnfinishedCopy(Box<Race>),
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
