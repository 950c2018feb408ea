//! Why units were not computed.

use std::path::PathBuf;

/// Why units were not computed.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The child could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The job cannot be computed by anybody, or not by this backend.
    #[error("the job cannot be computed: {0}")]
    Job(String),
    /// A unit comes to a fault on every machine: there is no result to be had.
    #[error("the module is void: {0}")]
    Void(String),
    /// A GPU reports a fault of the job, which nobody has confirmed.
    #[error("a fault that only the GPU has seen: {reason}")]
    Suspected {
        /// What it reports.
        reason: String,
        /// Units of which one is to blame, unless the GPU is.
        units: Vec<u64>,
    },
    /// The device failed; another try may succeed.
    #[error("the executor failed: {0}")]
    Device(String),
    /// The child ended by itself.
    #[error("the child process ended: {0}")]
    Died(String),
    /// The child took too long and was killed.
    #[error("{what} took longer than {seconds} s, the child process was killed")]
    TooLong {
        /// What it was doing.
        what: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The child used too much memory and was killed.
    #[error("the child process used {used} bytes of memory, at most {most} are allowed: it was killed")]
    Memory {
        /// Seen.
        used: u64,
        /// Allowed.
        most: u64,
    },
    /// The child said something else than was expected and was killed.
    #[error("the child process answered wrongly: {0}; it was killed")]
    Answer(String),
}

impl ExecutionError {
    /// Whether the same units may be computed by trying again.
    #[must_use]
    pub const fn worth_retrying(&self) -> bool {
        !matches!(self, Self::Job(_) | Self::Void(_))
    }
}
