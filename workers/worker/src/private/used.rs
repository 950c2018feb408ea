//! Private files that have served a job and may serve no other: a file of their own says which.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;

use crate::cache::write_atomically;

/// Why a file may not be used.
#[derive(Debug, thiserror::Error)]
pub enum UsedError {
    /// It has served another job.
    #[error("its private input {cid} serves one job alone, and has served {job}")]
    Used {
        /// The file.
        cid: Cid,
        /// The other job.
        job: String,
    },
    /// The disk fails.
    #[error("cannot keep what was used in {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Which files have served, and which jobs.
pub struct Used {
    directory: PathBuf,
}

impl Used {
    /// Keeps them in `directory`.
    ///
    /// # Errors
    /// If there cannot be such a directory.
    pub fn open(directory: &Path) -> Result<Self, UsedError> {
        fs::create_dir_all(directory).map_err(|source| UsedError::Io { path: directory.to_owned(), source })?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Checks that a file has served no other job than this.
    ///
    /// # Errors
    /// If it has, or that cannot be told.
    pub fn check(&self, cid: &Cid, job: &Pubkey) -> Result<(), UsedError> {
        self.has_served(cid, job).map(drop)
    }

    /// Takes note that a file serves a job from now on; that lasts, also after a power cut.
    ///
    /// # Errors
    /// As [`Self::check`], or if it cannot be written down.
    pub fn mark(&self, cid: &Cid, job: &Pubkey) -> Result<(), UsedError> {
        if self.has_served(cid, job)? {
            return Ok(());
        }
        let path = self.path(cid);
        write_atomically(&path, job.to_string().as_bytes()).map_err(|source| UsedError::Io { path, source })
    }

    /// The job that a file has served.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn served(&self, cid: &Cid) -> Result<Option<Pubkey>, UsedError> {
        let Some(text) = self.note(cid)? else { return Ok(None) };
        text.parse::<Pubkey>().map(Some).map_err(|_| {
            let found = format!("expected the address of a job, found {text:?}");
            UsedError::Io { path: self.path(cid), source: io::Error::new(io::ErrorKind::InvalidData, found) }
        })
    }

    /// Whether it has served this job.
    fn has_served(&self, cid: &Cid, job: &Pubkey) -> Result<bool, UsedError> {
        match self.note(cid)? {
            Some(served) if served == job.to_string() => Ok(true),
            Some(job) => Err(UsedError::Used { cid: *cid, job }),
            None => Ok(false),
        }
    }

    /// What is noted of a file.
    fn note(&self, cid: &Cid) -> Result<Option<String>, UsedError> {
        let path = self.path(cid);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(UsedError::Io { path, source }),
        }
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        self.directory.join(cid.to_string())
    }
}
