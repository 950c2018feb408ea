//! The files of a model's folder. Nothing in them is trusted.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::error::{NnError, Result};

/// Largest file of weights that is read, in bytes.
const MAX_WEIGHTS: u64 = 64 << 30;
/// Largest other file that is read, in bytes.
const MAX_TEXT: u64 = 64 << 20;

/// The bytes of a file of weights.
pub(crate) fn weights(path: &Path) -> Result<Vec<u8>> {
    read(path, MAX_WEIGHTS)
}

/// The bytes of a file that must be there.
pub(crate) fn text(path: &Path) -> Result<Vec<u8>> {
    read(path, MAX_TEXT)
}

/// A JSON file that must be there.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse(path, &text(path)?)
}

/// A JSON file that may be absent.
pub(crate) fn json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        // What keeps the system from telling will keep it from reading, and be told then.
        _ => json(path).map(Some),
    }
}

/// A file that a file of the folder names: beside it, and nowhere else.
pub(crate) fn beside(path: &Path, name: &str) -> Result<PathBuf> {
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    if !plain {
        let reason = format!("names the file {name:?}: expected a plain name of a file in the same folder");
        return Err(NnError::Content { path: path.into(), reason });
    }
    Ok(path.with_file_name(name))
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| NnError::Content { path: path.into(), reason: format!("not as expected: {error}") })
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |source| NnError::File {
        action: "read",
        path: path.into(),
        source,
        remedy: "a model is a folder with config.json, tokenizer.json and model.safetensors",
    };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > most {
        let reason = format!("expected at most {most} bytes, found {len}");
        return Err(NnError::Content { path: path.into(), reason });
    }
    // No more than was announced, however the file grows meanwhile.
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
