//! Files that only this machine has, for private jobs that its owner allows.
//!
//! They are read where they lie: nothing copies them into the cache, serves them or puts them anywhere. A unit of an allowed job
//! reads them in an execution process of its own, and what leaves the machine is that unit's output. Other programs of the owner
//! put files there whenever they like, such as a mask for each round: see [`put`].

mod folder;
mod used;

use std::{
    io,
    path::{Path, PathBuf},
};

use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    spec::{Input, JobSpec},
};

pub use folder::{Folder, Found, put};
pub use used::{Used, UsedError};

use crate::config::{Allowance, Origin, PrivateSettings};

/// Name of the folder in the data directory that says which files were used.
const USED: &str = "private-used";

/// Why a private job cannot be computed here.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// It never can.
    #[error("{0}")]
    Refused(String),
    /// A file is not there, and may come.
    #[error("{0}")]
    Missing(String),
    /// A file that serves one job is not there: it comes before that job or not at all.
    #[error("{0}")]
    Gone(String),
    /// The disk fails.
    #[error("cannot look through the private files in {folder}: {source}")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was used before cannot be told.
    #[error(transparent)]
    Used(#[from] UsedError),
}

/// The private files of this machine.
pub struct Private {
    folder: Option<Folder>,
    /// Files and folders within it that only jobs of trainings may have.
    of_trainings: Vec<PathBuf>,
    used: Used,
}

/// Those inputs of a job that are private files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The file of each input, in order, where it is one.
    pub files: Vec<Option<PathBuf>>,
    /// Those that serve this job alone.
    pub once: Vec<Cid>,
}

impl Inputs {
    /// The file of input `number`, if it is a private one.
    #[must_use]
    pub fn file(&self, number: usize) -> Option<&Path> {
        self.files.get(number)?.as_deref()
    }

    /// All files.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().flatten().map(PathBuf::as_path)
    }
}

impl Private {
    /// Looks through the files, and takes note of them by their content. What was used before is kept in `data`.
    ///
    /// # Errors
    /// If a folder cannot be used.
    pub fn open(settings: &PrivateSettings, data: &Path) -> Result<Self, PrivateError> {
        let used = Used::open(&data.join(USED))?;
        let open =
            |root: &PathBuf| Folder::open(root).map_err(|source| PrivateError::Io { folder: root.clone(), source });
        let of_trainings =
            settings.training.iter().flat_map(|training| [training.shard.clone(), training.masks()]).collect();
        Ok(Self { folder: settings.folder.as_ref().map(open).transpose()?, of_trainings, used })
    }

    /// How many files there were when they were looked through last.
    #[must_use]
    pub fn count(&self) -> usize {
        self.folder.as_ref().map_or(0, Folder::count)
    }

    /// The private files among the inputs of a job that `allowance` allows. Takes as long as it takes to read those that are new.
    ///
    /// # Errors
    /// If one is not there, was used for another job, or is not what the job says it is.
    pub fn inputs(&self, allowance: &Allowance, job: &Pubkey, spec: &JobSpec) -> Result<Inputs, PrivateError> {
        let Some(folder) = &self.folder else {
            return Err(PrivateError::Refused("it is private, and private.folder was not set at the start".into()));
        };
        let without: &[PathBuf] = if allowance.of_training { &[] } else { &self.of_trainings[..] };
        let find = |input: &Input, under: &Path| {
            let found = folder.find(under, without, &input.cid);
            found.map_err(|source| PrivateError::Io { folder: folder.root().to_owned(), source })
        };
        let mut inputs = Inputs::default();
        for (number, input) in spec.inputs.iter().enumerate() {
            let found = match allowance.origin(number) {
                Origin::Store => None,
                Origin::Either => find(input, Path::new(""))?,
                Origin::Own(own) => {
                    let found = find(input, &own.folder)?.ok_or_else(|| {
                        let place = folder.root().join(&own.folder);
                        let (cid, place) = (input.cid, place.display());
                        let text = format!("it is private, and its input {number}, {cid}, is not in {place}");
                        if own.once { PrivateError::Gone(text) } else { PrivateError::Missing(text) }
                    })?;
                    if own.once {
                        self.used.check(&input.cid, job)?;
                        inputs.once.push(input.cid);
                    }
                    Some(found)
                }
            };
            if let Some(found) = found.as_ref().filter(|found| found.len != input.len) {
                return Err(PrivateError::Refused(format!(
                    "its input {number} has {} bytes, its specification says {}",
                    found.len, input.len
                )));
            }
            inputs.files.push(found.map(|found| found.path));
        }
        Ok(inputs)
    }

    /// The job that a file has served which may serve no other, if any.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn served(&self, cid: &Cid) -> Result<Option<Pubkey>, UsedError> {
        self.used.served(cid)
    }

    /// Takes note, before a job is computed, of what serves it and no other.
    ///
    /// # Errors
    /// If one has served another, or that cannot be written down.
    pub fn use_up(&self, once: &[Cid], job: &Pubkey) -> Result<(), UsedError> {
        once.iter().try_for_each(|cid| self.used.mark(cid, job))
    }
}

#[cfg(test)]
mod tests;
