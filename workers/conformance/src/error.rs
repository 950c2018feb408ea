//! What can go wrong outside the programs that are compared.

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No device of the kind that was asked for.
    #[error("{0}")]
    Device(#[from] tessera_executor::ExecError),
    /// A form of [`crate::templates`] that the machine does not take: one of the two must change.
    #[error("the form `{form}` is not accepted: {reason}")]
    Form {
        /// The opcodes.
        form: String,
        /// What the machine says.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
}
