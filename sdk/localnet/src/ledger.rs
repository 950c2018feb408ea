//! The directory where a node keeps its state.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::Error;

const DATABASE: &str = "ledger.sqlite";
/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 2] = ["ledger.sqlite-wal", "ledger.sqlite-shm"];

/// An open ledger: nobody else can open it until this is dropped or the process ends.
pub(crate) struct Ledger {
    dir: PathBuf,
    _lock: File,
}

impl Ledger {
    /// Opens the ledger in `dir`, making it if there is none.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Ledger { action, path, source }
        };
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let dir = dir.canonicalize().map_err(failed("resolve", dir))?;
        let lock_path = dir.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::LedgerInUse(dir)),
            Err(TryLockError::Error(source)) => Err(Error::Ledger { action: "lock", path: lock_path, source }),
        }
    }

    /// Forgets everything that the ledger holds.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        for name in COMPANIONS.iter().chain([&DATABASE]) {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Ledger { action: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How the database is named to the node.
    pub(crate) fn database_url(&self) -> Result<String, Error> {
        let path = self.dir.join(DATABASE);
        match path.to_str() {
            Some(text) if !text.contains(['?', '#', '%']) => Ok(text.to_owned()),
            _ => Err(Error::LedgerPath(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Ledger::open(dir.path()).unwrap();
        assert!(matches!(Ledger::open(dir.path()), Err(Error::LedgerInUse(_))));
        drop(first);
        Ledger::open(dir.path()).unwrap();
    }

    #[test]
    fn reset_removes_the_database_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        ledger.reset().unwrap();
        for name in [DATABASE, COMPANIONS[0], "notes"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        ledger.reset().unwrap();
        assert!(!dir.path().join(DATABASE).exists() && !dir.path().join(COMPANIONS[0]).exists());
        assert!(dir.path().join("notes").exists());
    }

    #[test]
    fn paths_that_the_database_would_misread_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("a?b")).unwrap();
        assert!(matches!(ledger.database_url(), Err(Error::LedgerPath(_))));
    }
}
