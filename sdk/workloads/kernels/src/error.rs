//! What can go wrong between a plan file and a job.

use std::path::PathBuf;

/// Why a plan makes no job, or a kernel no module.
#[derive(Debug, thiserror::Error)]
pub enum KernelsError {
    /// A file could not be read.
    #[error("cannot read {what} {}: {source}; {remedy}", path.display())]
    File {
        /// What it was to be.
        what: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: String,
    },
    /// The plan is not as a plan should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Plan {
        /// The plan file.
        path: PathBuf,
        /// Line of the plan, from 1.
        line: usize,
        /// The key, what was expected, what was found, and what to do.
        reason: String,
    },
    /// The plan as a whole breaks a limit of job specifications.
    #[error("{}: {reason}", path.display())]
    Spec {
        /// The plan file.
        path: PathBuf,
        /// Which limit.
        reason: String,
    },
    /// Inputs or a module that cannot be used.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// There is no compiler for CUDA C++ on this machine.
    #[error(
        "compiling CUDA C++ needs NVRTC, which was not found ({looked}); run scripts/get-nvrtc, set TESSERA_NVRTC to the folder of libnvrtc.so, or give a .ptx file"
    )]
    NoCompiler {
        /// Where it was looked for.
        looked: String,
    },
    /// The compiler refuses a kernel.
    #[error("{} does not compile:\n{log}", path.display())]
    Compile {
        /// The source file.
        path: PathBuf,
        /// What the compiler says.
        log: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, KernelsError>;
