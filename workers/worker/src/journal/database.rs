use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use redb::{Database, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::entry::{Entry, LeaseId};

/// Leases in hand: lease → entry.
pub(super) const OPEN: TableDefinition<&[u8], &[u8]> = TableDefinition::new("open-2");
/// Leases done with: (Unix seconds, lease, attempt) → entry. Kept for a while, keys and nonces included.
const DONE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("done-2");

/// Leases in hand as versions before audits wrote them.
const OPEN_1: TableDefinition<&[u8], &[u8]> = TableDefinition::new("open-1");

/// Why the journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another worker uses it.
    #[error(
        "another worker is running with the data directory {0}: stop it, or give this worker a directory of its own"
    )]
    Busy(PathBuf),
    /// The directory or the lock file cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("the journal cannot be read or written; see that its disk works and has room")]
    Database(#[from] Box<redb::Error>),
    /// An entry cannot be read.
    #[error("the journal has an entry that this version cannot read ({0}): finish with the version that wrote it")]
    Unreadable(std::io::Error),
}

/// Every redb call has an error type of its own; they all become one.
pub(super) trait OrJournal<T> {
    fn or_journal(self) -> Result<T, JournalError>;
}

impl<T, E: Into<redb::Error>> OrJournal<T> for Result<T, E> {
    fn or_journal(self) -> Result<T, JournalError> {
        self.map_err(|e| JournalError::Database(Box::new(e.into())))
    }
}

/// The journal of one worker. Every write is on disk when it returns.
pub struct Journal {
    pub(super) database: Database,
    /// Held as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Opens the journal in `directory`, or starts one there.
    ///
    /// # Errors
    /// If another worker has it open, or the files cannot be used.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        std::fs::create_dir_all(directory).map_err(io(directory))?;
        let path = directory.join("worker.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(directory.to_owned())),
            Err(TryLockError::Error(e)) => return Err(io(&path)(e)),
        }
        let (path, begun) = (directory.join("journal.redb"), directory.join("journal.new"));
        if !path.exists() {
            // A journal that a full disk has left half made is none: it gets its name when it is whole.
            match std::fs::remove_file(&begun) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(&begun)(e)),
                _ => {}
            }
            drop(Self::create(&begun)?);
            std::fs::rename(&begun, &path).map_err(io(&path))?;
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(io(directory))?;
        }
        Ok(Self { database: Self::create(&path)?, _lock: lock })
    }

    /// Opens a database, or makes it, and sees that its tables are there.
    fn create(path: &Path) -> Result<Database, JournalError> {
        let database = Database::create(path).or_journal()?;
        let write = database.begin_write().or_journal()?;
        let before = write.open_table(OPEN_1).or_journal()?.len().or_journal()?;
        if before > 0 {
            let text = format!("{before} leases of a market without audits");
            return Err(JournalError::Unreadable(std::io::Error::other(text)));
        }
        write.open_table(OPEN).or_journal()?;
        write.open_table(DONE).or_journal()?;
        write.commit().or_journal()?;
        Ok(database)
    }

    /// Writes or replaces the entry of a lease.
    ///
    /// # Errors
    /// If the database fails.
    pub fn put(&self, entry: &Entry) -> Result<(), JournalError> {
        let write = self.database.begin_write().or_journal()?;
        write.open_table(OPEN).or_journal()?.insert(&*name(&entry.id)?, &*encode(entry)?).or_journal()?;
        write.commit().or_journal()
    }

    /// All leases in hand.
    ///
    /// # Errors
    /// If the database fails or an entry is of another version.
    pub fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let read = self.database.begin_read().or_journal()?;
        let table = read.open_table(OPEN).or_journal()?;
        table.iter().or_journal()?.map(|row| decode(row.or_journal()?.1.value())).collect()
    }

    /// Moves the entry of a lease to those done with, at Unix time `now`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn finish(&self, entry: &Entry, now: i64) -> Result<(), JournalError> {
        let write = self.database.begin_write().or_journal()?;
        {
            write.open_table(OPEN).or_journal()?.remove(&*name(&entry.id)?).or_journal()?;
            // Big endian, so that rows are in order of time; the attempt keeps two attempts of one second apart.
            let mut key = now.max(0).to_be_bytes().to_vec();
            key.extend(name(&entry.id)?);
            key.extend(entry.attempt.unwrap_or(u32::MAX).to_be_bytes());
            write.open_table(DONE).or_journal()?.insert(&*key, &*encode(entry)?).or_journal()?;
        }
        write.commit().or_journal()
    }

    /// The entry of a lease that was done with too early: the newest of this lease and attempt.
    ///
    /// # Errors
    /// If the database fails.
    pub fn recall(&self, id: &LeaseId, attempt: u32) -> Result<Option<Entry>, JournalError> {
        let read = self.database.begin_read().or_journal()?;
        let table = read.open_table(DONE).or_journal()?;
        for row in table.iter().or_journal()?.rev() {
            let entry = decode(row.or_journal()?.1.value())?;
            if entry.id == *id && entry.attempt == Some(attempt) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Forgets what was done with before Unix time `before`; returns how many leases that were.
    ///
    /// # Errors
    /// If the database fails.
    pub fn prune(&self, before: i64) -> Result<u64, JournalError> {
        let write = self.database.begin_write().or_journal()?;
        let mut count = 0;
        {
            let end = before.max(0).to_be_bytes();
            let mut table = write.open_table(DONE).or_journal()?;
            for row in table.extract_from_if(..&end[..], |_, _| true).or_journal()? {
                row.or_journal()?;
                count += 1;
            }
        }
        write.commit().or_journal()?;
        Ok(count)
    }
}

pub(super) fn encode<T: borsh::BorshSerialize>(value: &T) -> Result<Vec<u8>, JournalError> {
    borsh::to_vec(value).map_err(|e| JournalError::Unreadable(std::io::Error::other(e.to_string())))
}

fn decode(bytes: &[u8]) -> Result<Entry, JournalError> {
    borsh::from_slice(bytes).map_err(|e| JournalError::Unreadable(std::io::Error::other(e.to_string())))
}

pub(super) fn name(id: &LeaseId) -> Result<Vec<u8>, JournalError> {
    encode(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Phase, Sealed};
    use solana_pubkey::Pubkey;
    use tessera_protocol::{cid::Cid, verdict::Kind};

    fn entry(index: u32, attempt: u32) -> Entry {
        let id = LeaseId::new(&Pubkey::new_from_array([1; 32]), index);
        let result = Sealed {
            result_root: [2; 32],
            work_root: [3; 32],
            key: [4; 32],
            nonce: [5; 32],
            cid: Cid::of(b"sealed"),
            len: 6,
        };
        let claiming = Entry::claiming(id, &Pubkey::new_from_array([7; 32]), 8);
        Entry { attempt: Some(attempt), kind: Kind::Audit, phase: Phase::Committing, result: Some(result), ..claiming }
    }

    /// A disk that was full when a worker started for the first time has left a part of a journal.
    #[test]
    fn a_journal_that_was_never_whole_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal.new"), [7; 4_096]).unwrap();
        drop(Journal::open(dir.path()).unwrap());
        assert!(!dir.path().join("journal.new").exists());
        assert!(Journal::open(dir.path()).unwrap().entries().unwrap().is_empty());
        // One that was whole is never thrown away.
        std::fs::write(dir.path().join("journal.redb"), [7; 4_096]).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Database(_))));
    }

    #[test]
    fn survives_reopening_and_recalls_what_was_done_with() {
        let dir = tempfile::tempdir().unwrap();
        {
            let journal = Journal::open(dir.path()).unwrap();
            journal.put(&entry(0, 0)).unwrap();
            journal.put(&entry(1, 0)).unwrap();
            journal.put(&entry(1, 3)).unwrap();
            journal.finish(&entry(0, 0), 100).unwrap();
        }
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.entries().unwrap(), [entry(1, 3)]);
        assert_eq!(journal.recall(&entry(0, 0).id, 0).unwrap(), Some(entry(0, 0)));
        assert_eq!(journal.recall(&entry(0, 0).id, 1).unwrap(), None);
        assert_eq!((journal.prune(100).unwrap(), journal.prune(101).unwrap()), (0, 1));
        assert_eq!(journal.recall(&entry(0, 0).id, 0).unwrap(), None);
    }

    #[test]
    fn leases_of_another_version_are_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        {
            let database = Database::create(dir.path().join("journal.redb")).unwrap();
            let write = database.begin_write().unwrap();
            write.open_table(OPEN_1).unwrap().insert(&[1u8][..], &[2u8][..]).unwrap();
            write.commit().unwrap();
        }
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Unreadable(_))));
    }

    #[test]
    fn one_worker_per_journal() {
        let dir = tempfile::tempdir().unwrap();
        let first = Journal::open(dir.path()).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Busy(path)) if path == dir.path()));
        drop(first);
        Journal::open(dir.path()).unwrap();
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let text = format!("{:?}", entry(0, 0));
        assert!(!text.contains("key") && !text.contains("nonce"), "{text}");
    }
}
