//! What can go wrong between a program and its outputs.

use std::time::Duration;

use tessera_ptx::{Fault, FaultKind, Refusal};

/// Why a program cannot run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No GPU that can be used.
    #[error("no usable GPU: {0}")]
    NoDevice(String),
    /// There are GPUs that could be used, and none of them is to be.
    #[error("every GPU of this machine is left out")]
    LeftOut,
    /// A device of this number does not exist.
    #[error("device {device} does not exist, there are {count}")]
    UnknownDevice {
        /// The number that was asked for.
        device: usize,
        /// How many devices there are.
        count: usize,
    },
    /// The module is not PTX.
    #[error("the module cannot be read: {0}")]
    Module(#[from] tessera_ptx::Error),
    /// The module is not in the reproducible profile.
    #[error("the module is not reproducible: {} refusals, the first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Refused(Vec<Refusal>),
    /// The launch plan does not fit the module or the inputs.
    #[error("launch plan: {0}")]
    Plan(String),
    /// The device has too little memory.
    #[error("the program needs {needed} bytes of memory, device {name} has {available}")]
    Memory {
        /// What the program needs.
        needed: u64,
        /// What there is.
        available: u64,
        /// Name of the device.
        name: String,
    },
    /// A unit did something that makes it void.
    #[error("unit {unit}: {fault}")]
    Fault {
        /// The unit.
        unit: u64,
        /// Where and what.
        fault: Fault,
    },
    /// A unit did something that a GPU reports without saying where.
    #[error("{}: the GPU reports {error}", one_of(units))]
    GpuFault {
        /// The unit; where units compute at the same time, all of those that may be to blame.
        units: Vec<u64>,
        /// The driver's name for it.
        error: String,
    },
    /// A unit took too long.
    #[error("unit {unit} took more than {limit:?}")]
    TimedOut {
        /// The unit.
        unit: u64,
        /// The limit.
        limit: Duration,
    },
    /// Checks are asked of a backend that has none.
    #[error("a GPU cannot look for races or for what nobody wrote: run with checks on the CPU")]
    ChecksOnGpu,
    /// The driver failed.
    #[error("{doing}: {error}")]
    Driver {
        /// What was being done.
        doing: &'static str,
        /// What the driver says.
        error: String,
    },
    /// An earlier error has left the session unusable.
    #[error("the session has failed before: make a new one in a new process")]
    Broken,
    /// The receiver of the outputs refused one.
    #[error("{0}")]
    Sink(String),
}

impl ExecError {
    /// Whether the job is to blame, so that another machine would find the same.
    #[must_use]
    pub fn blames_job(&self) -> bool {
        match self {
            Self::Module(_) | Self::Refused(_) | Self::Plan(_) | Self::GpuFault { .. } => true,
            Self::Fault { fault, .. } => !matches!(fault.kind, FaultKind::Cancelled | FaultKind::Deadline),
            _ => false,
        }
    }

    /// Whether a unit was found to be void: the interpreter ran it and came to a fault that it comes to on every machine.
    /// That a launch does not fit is no such fault: what fits depends on what is looked for, and on the version.
    #[must_use]
    pub fn is_void(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if !matches!(fault.kind, FaultKind::Launch(_))) && self.blames_job()
    }
}

fn one_of(units: &[u64]) -> String {
    match units {
        [unit] => format!("unit {unit}"),
        units => format!("one of the units {}", units.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}
