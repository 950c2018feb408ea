//! What can go wrong between the files of a model and an answer.

use std::path::PathBuf;

/// Why a model cannot be read, or a job made of it or merged.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
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
    /// The model needs something that these kernels do not have.
    #[error("{}: {what} is not supported; docs/models.md lists what is", path.display())]
    Unsupported {
        /// The file that asks for it.
        path: PathBuf,
        /// What it asks for.
        what: String,
    },
    /// A tensor is missing, or of another shape or type than the configuration says.
    #[error("{}: tensor {tensor}: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file in which it is, or was looked for.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// The shape or type that the configuration asks for.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A text or a setting does not fit the model.
    #[error("{0}")]
    Setting(String),
    /// The output of a unit, or the front end's notes, do not fit the job.
    #[error("{0}")]
    Merge(String),
    /// The job specification is not valid.
    #[error("job specification: {0}")]
    Spec(#[from] tessera_protocol::spec::SpecError),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, NnError>;
