//! What can go wrong between a scene file and a finished picture.

use std::path::PathBuf;

/// Why a scene cannot be rendered or a picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write` or what else was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scene file breaks glTF.
    #[error("{}: not a valid glTF 2.0 scene: {reason}", path.display())]
    Scene {
        /// The scene file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The scene file needs something that this renderer does not have.
    #[error("{}: needs {feature}, which this renderer does not support; export the scene without it", path.display())]
    Unsupported {
        /// The scene file.
        path: PathBuf,
        /// The extension or feature.
        feature: String,
    },
    /// An image could not be decoded or encoded.
    #[error("{name}: {reason}")]
    Image {
        /// The image.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of range.
    #[error("{0}")]
    Setting(String),
    /// The scene exceeds what the kernel can address.
    #[error("scene too large: {0}")]
    TooLarge(String),
    /// The output of a unit or the front end's data do not fit the job.
    #[error("{0}")]
    Merge(String),
    /// The job specification is not valid.
    #[error("job specification: {0}")]
    Spec(#[from] tessera_protocol::spec::SpecError),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, RenderError>;
