//! What can go wrong between a plan and trained weights.

use std::path::PathBuf;

/// Why a training cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}; {remedy}", path.display())]
    File {
        /// `read`, `write` or what else was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A file is damaged, or not what it should be.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected, and what was found.
        reason: String,
    },
    /// A setting of the plan does not fit.
    #[error("{0}")]
    Setting(String),
    /// The output of a unit is not one of the job's.
    #[error("{0}")]
    Output(String),
    /// The job specification is not valid.
    #[error("job specification: {0}")]
    Spec(#[from] tessera_protocol::spec::SpecError),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, TrainError>;

/// A setting that does not fit.
pub(crate) fn setting<T>(reason: impl Into<String>) -> Result<T> {
    Err(TrainError::Setting(reason.into()))
}
