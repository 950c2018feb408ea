//! The built programs that the tests run: the very bytes that would be deployed. They are read from `target/deploy`, where
//! scripts/build-program puts them, or from the directory that `TESSERA_DEPLOY_DIR` names.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The program as it is deployed.
///
/// # Panics
/// If it was not built yet.
#[must_use]
pub fn elf() -> &'static [u8] {
    static ELF: OnceLock<Vec<u8>> = OnceLock::new();
    ELF.get_or_init(|| read("tessera.so"))
}

/// The program with the feature `arithmetic-probe`, which is never deployed.
///
/// # Panics
/// If it was not built yet.
#[must_use]
pub fn probe_elf() -> &'static [u8] {
    static ELF: OnceLock<Vec<u8>> = OnceLock::new();
    ELF.get_or_init(|| read("probe/tessera.so"))
}

/// A path below the root of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> Vec<u8> {
    let path = match std::env::var_os("TESSERA_DEPLOY_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => repository("target/deploy"),
    }
    .join(name);
    match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => panic!(
            "these tests run the built program, but {} cannot be read ({error}): run scripts/build-program first",
            path.display()
        ),
    }
}
