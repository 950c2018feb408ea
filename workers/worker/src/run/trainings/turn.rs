//! What must be known of a turn until it is over, also by a worker that was started anew meanwhile: it may have leased the job.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};
use borsh::{BorshDeserialize, BorshSerialize};
use tessera_protocol::{cid::Cid, hash::Digest};
use tessera_train::{Own, Shape};

use crate::cache::write_atomically;

/// A turn: what the round agreed on, and the two inputs that only this machine has.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Kept {
    /// As [`tessera_train::private_task`].
    pub task: Digest,
    data: (Digest, u64),
    /// What the shard holds.
    pub shape: Shape,
    mask: (Digest, u64),
}

impl Kept {
    pub fn new(task: Digest, data: Own, shape: Shape, mask: Own) -> Self {
        Self { task, data: (data.0.0, data.1), shape, mask: (mask.0.0, mask.1) }
    }

    pub fn data(&self) -> Own {
        (Cid(self.data.0), self.data.1)
    }

    pub fn mask(&self) -> Own {
        (Cid(self.mask.0), self.mask.1)
    }
}

/// Where the masks of one training lie, and what is noted of the turn.
#[derive(Clone, Debug)]
pub(super) struct Masks {
    private: PathBuf,
    folder: PathBuf,
    note: PathBuf,
}

impl Masks {
    /// In `folder` of that of private files; what is noted is the file `note`.
    pub const fn new(private: PathBuf, folder: PathBuf, note: PathBuf) -> Self {
        Self { private, folder, note }
    }

    /// The folder as jobs find it within the private one.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same, from here.
    pub fn path(&self) -> PathBuf {
        self.private.join(&self.folder)
    }

    /// The turn that was under way.
    pub fn read(&self) -> Result<Option<Kept>> {
        match fs::read(&self.note) {
            Ok(bytes) => {
                let damaged = || format!("{} is damaged: remove it", self.note.display());
                borsh::from_slice(&bytes).map(Some).with_context(damaged)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.note.display())),
        }
    }

    /// When a turn was noted.
    pub fn written(&self) -> Result<SystemTime> {
        let modified = || fs::metadata(&self.note)?.modified();
        modified().with_context(|| format!("cannot read {}", self.note.display()))
    }

    /// Notes a turn.
    pub fn keep(&self, kept: &Kept) -> Result<()> {
        let bytes = borsh::to_vec(kept).context("cannot encode a turn")?;
        write_atomically(&self.note, &bytes).with_context(|| format!("cannot write {}", self.note.display()))
    }

    /// Removes mask and note. There may be neither.
    pub fn clear(&self) -> io::Result<()> {
        for path in [&self.path(), &self.note] {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}
