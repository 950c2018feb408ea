//! What is known of something that one command makes with several jobs: how it was begun, which jobs have ended, and what
//! they have cost. Kept in a folder, so that the same command goes on where it was stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{folder::Folder, posted};

/// The file.
const FILE: &str = "begun.json";

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// What the outputs depend on.
    options: BTreeMap<String, String>,
    /// What jobs that have ended have cost, in base units.
    spent: u64,
    /// Those jobs.
    jobs: Vec<String>,
}

/// What is known, in its folder.
#[derive(Debug)]
pub struct Begun {
    folder: Folder,
    known: Known,
    /// Whether no command has begun it before.
    is_new: bool,
    /// Whether all that is known is on disk.
    is_kept: bool,
}

impl Begun {
    /// Opens the folder. `what` was begun with other options is refused, or, to `restart`, forgotten.
    pub fn open(path: &Path, what: &str, options: BTreeMap<String, String>, restart: bool) -> Result<Self> {
        let folder = Folder::create(path)?;
        if restart {
            if let Some(job) = posted::note(&folder)?.and_then(|note| note.job) {
                eprintln!("warning: job {job} goes on and is paid; `tessera job cancel {job}` ends it");
            }
            posted::forget(&folder)?;
            folder.remove(FILE)?;
        }
        let Some(known) = folder.read::<Known>(FILE, "what `tessera` knows of jobs that it has posted")? else {
            return Ok(Self { folder, known: Known { options, ..Known::default() }, is_new: true, is_kept: false });
        };
        let changed = changes(&known.options, &options);
        if !changed.is_empty() {
            bail!(
                "{what} begun with {}; give what was given then, another --out, or --restart to begin anew",
                changed.join(", ")
            );
        }
        Ok(Self { folder, known, is_new: false, is_kept: true })
    }

    /// The folder.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether no command has begun it before.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What jobs that have ended have cost, in base units.
    pub const fn spent(&self) -> u64 {
        self.known.spent
    }

    /// Jobs that have ended.
    pub fn jobs(&self) -> &[String] {
        &self.known.jobs
    }

    /// From here on other options are noticed.
    pub fn keep(&mut self) -> Result<()> {
        if !self.is_kept {
            self.folder.keep(FILE, &self.known)?;
            self.is_kept = true;
        }
        Ok(())
    }

    /// A job is over, and has cost so much. It is the one that the folder's note speaks of.
    pub fn ended(&mut self, job: &Pubkey, cost: u64) -> Result<()> {
        self.ended_beside(job, cost)?;
        posted::forget(&self.folder)
    }

    /// The same of a job whose note lies elsewhere.
    pub fn ended_beside(&mut self, job: &Pubkey, cost: u64) -> Result<()> {
        self.known.spent = self.known.spent.saturating_add(cost);
        self.known.jobs.push(job.to_string());
        self.is_kept = false;
        self.keep()
    }
}

/// What differs, in words.
fn changes(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differ: Vec<&String> = names.into_iter().filter(|name| then.get(*name) != now.get(*name)).collect();
    // What is no option mostly differs because an option does, so that it says something only where none does.
    let options: Vec<&String> = differ.iter().copied().filter(|name| name.starts_with("--")).collect();
    let none = || "nothing".to_owned();
    if options.is_empty() {
        return differ.iter().take(1).map(|name| format!("another {name}")).collect();
    }
    let text = |name: &&String| {
        let value = |of: &BTreeMap<String, String>| of.get(*name).cloned().unwrap_or_else(none);
        format!("{name} {} (now {})", value(then), value(now))
    };
    options.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_begun_otherwise_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let before = options(&[("--batch", "8"), ("model", "a")]);
        let open = |options, restart| Begun::open(dir.path(), "these answers were", options, restart);
        let mut begun = open(before.clone(), false).unwrap();
        assert!(begun.is_new());
        let job = Pubkey::new_from_array([3; 32]);
        begun.ended(&job, 5).unwrap();
        begun.ended(&job, 6).unwrap();
        drop(begun);
        let found = open(before.clone(), false).unwrap();
        assert_eq!((found.is_new(), found.spent(), found.jobs().len()), (false, 11, 2));
        drop(found);

        let error = open(options(&[("--batch", "9"), ("model", "b")]), false).unwrap_err().to_string();
        assert!(error.contains("answers were begun with --batch 8 (now 9);") && error.contains("--restart"), "{error}");
        let error = open(options(&[("--batch", "8"), ("model", "b")]), false).unwrap_err().to_string();
        assert!(error.contains("another model"), "{error}");
        assert!(open(options(&[("--batch", "9")]), true).unwrap().is_new());
    }
}
