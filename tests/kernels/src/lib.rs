//! The kernels of this repository, each with the launches that compute a unit, run in several ways: compiled as ordinary
//! host C++, on the CPU machine as compiled code, and in its interpreter. All give the same bits: the test `host` compares
//! them, the command `bench` measures them.
//!
//! What is missing, or goes wrong, is a panic that says so: nothing here is of use without it.
#![deny(missing_docs)]

pub mod host;
pub mod machine;
mod program;

pub use program::Program;

use std::path::{Path, PathBuf};

/// A file or a folder of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The first byte in which two outputs differ; where one is shorter, its end.
#[must_use]
pub fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at))
}
