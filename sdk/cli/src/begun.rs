//! What is known of something that one command makes with several jobs: how it was begun, which jobs have ended, and what
//! they have cost. Kept in a folder, so that the same command goes on where it was stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{folder::Folder, hint, posted};

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
    /// Those of them that were not closed when they were looked at last, and what of `spent` is theirs: some of it may come
    /// back.
    #[serde(default)]
    open: BTreeMap<String, u64>,
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
                let cancel = hint::command(&format!("job cancel {job}"));
                eprintln!("warning: job {job} goes on and is paid; {cancel} ends it");
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

    /// Those of them whose escrow may still give something back.
    pub fn open_jobs(&self) -> Vec<Pubkey> {
        self.known.open.keys().filter_map(|job| job.parse().ok()).collect()
    }

    /// A job is over and closed, and has cost so much. Its note lies elsewhere.
    pub fn ended_beside(&mut self, job: &Pubkey, cost: u64) -> Result<()> {
        self.count(job, cost, true)
    }

    /// A job is over, and has cost so much until now. Each job counts once; what it has cost may change until it is closed.
    pub fn count(&mut self, job: &Pubkey, cost: u64, is_closed: bool) -> Result<()> {
        let Known { spent, jobs, open, .. } = &mut self.known;
        let job = job.to_string();
        let before = match open.remove(&job) {
            Some(before) => before,
            None if jobs.contains(&job) => return Ok(()),
            None => {
                jobs.push(job.clone());
                0
            }
        };
        *spent = spent.saturating_sub(before).saturating_add(cost);
        if !is_closed {
            open.insert(job, cost);
        }
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
        begun.ended_beside(&job, 5).unwrap();
        begun.ended_beside(&job, 5).unwrap();
        // One that is not closed yet, from which something comes back.
        let other = Pubkey::new_from_array([4; 32]);
        begun.count(&other, 9, false).unwrap();
        assert_eq!((begun.spent(), begun.open_jobs()), (14, vec![other]));
        begun.count(&other, 6, true).unwrap();
        begun.count(&other, 9, false).unwrap();
        assert!(begun.open_jobs().is_empty());
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
