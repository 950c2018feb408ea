//! A folder in which a command keeps what it must know when it is started again.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Serialize, de::DeserializeOwned};

/// How the names of files begin that are not written to their end yet.
const PARTIAL: &str = ".tessera-";

/// The folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked as long as this is there.
    _lock: Option<File>,
}

impl Folder {
    /// The folder, made if there is none, without what a program that was killed left half written. Nobody else may have it
    /// open like this at the same time: two programs would pay for the same work twice.
    pub fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let lock = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // File systems that cannot lock are used without.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            bail!("another program is at work in {}; wait until it has ended, or stop it", path.display());
        }
        let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let partial = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PARTIAL);
        for entry in entries.flatten().filter(|entry| partial(entry) && entry.path().is_file()) {
            let path = entry.path();
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// A folder that is only read.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a JSON file in it says; `None` if there is no such file. `what` names the file for whoever broke it.
    pub fn read<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is not {what}; take another folder, or remove the file", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes a JSON file.
    pub fn keep<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(value).context("cannot write JSON")? + "\n";
        self.write(name, text.as_bytes())
    }

    /// Writes a file. It is there whole or not at all, whenever this program or the machine stops.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let written = || -> io::Result<()> {
            let permissions = fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().prefix(PARTIAL).permissions(permissions).tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_data()?;
            file.persist(&path)?;
            // Its name too: else it may be gone when the machine starts again.
            File::open(&self.path)?.sync_all()
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_written_goes_and_nobody_else_comes_in() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join(".tessera-1234"), [1]).unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(Folder::create(dir.path()).unwrap_err().to_string().contains("another program"));
        folder.keep("a.json", &[1, 2]).unwrap();
        assert_eq!(Folder::open(dir.path()).read::<Vec<u32>>("a.json", "a list").unwrap(), Some(vec![1, 2]));
        assert_eq!(folder.read::<Vec<u32>>("b.json", "a list").unwrap(), None);
        assert!(folder.read::<String>("a.json", "a text").unwrap_err().to_string().contains("a.json is not a text"));
        folder.remove("a.json").unwrap();
        folder.remove("a.json").unwrap();
        drop(folder);
        Folder::create(dir.path()).unwrap();
    }
}
