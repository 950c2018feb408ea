//! What the command knows of a rendering when it is started again: how it was begun, which frames are written, what it has
//! cost. Sums of frames that are not finished lie beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::roll::Roll;
use crate::{folder::Folder, posted};

/// The file.
const FILE: &str = "render.json";
/// How the names of files of sums begin.
const SUMS: &str = "sums-";

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What the pictures depend on.
    pub options: BTreeMap<String, String>,
    /// Brightness in stops, where it was measured.
    pub exposure: Option<f32>,
    /// Frames that are written.
    pub done: BTreeSet<u32>,
    /// Rounds that were finished of the frames at work.
    pub round: u32,
    /// What jobs that have ended have cost, in base units.
    pub spent: u64,
    /// Those jobs.
    pub jobs: Vec<String>,
}

/// The state in its folder.
pub struct Kept {
    folder: Folder,
    state: State,
}

impl Kept {
    /// Opens the folder of a rendering. One that was begun with other options is refused, or, to `restart`, forgotten.
    pub fn open(path: &Path, options: BTreeMap<String, String>, restart: bool) -> Result<Self> {
        let folder = Folder::create(path)?;
        if restart {
            if let Some(job) = posted::note(&folder)?.and_then(|note| note.job) {
                eprintln!("warning: job {job} goes on and is paid; `tessera job cancel {job}` ends it");
            }
            posted::forget(&folder)?;
            for sums in sums(&folder)? {
                super::roll::remove(&sums)?;
            }
            folder.remove(FILE)?;
        }
        let state = match folder.read::<State>(FILE, "what `tessera render` knows of a rendering")? {
            None => State { options, ..State::default() },
            Some(found) => {
                let changed = changes(&found.options, &options);
                if !changed.is_empty() {
                    bail!(
                        "these pictures were begun with {}; give what was given then, another --out, or --restart to begin anew",
                        changed.join(", ")
                    );
                }
                found
            }
        };
        Ok(Self { folder, state })
    }

    /// The folder.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What is known.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Changes what is known, on disk too.
    pub fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        change(&mut self.state);
        self.folder.keep(FILE, &self.state)
    }

    /// A frame is written; its sums are of no use any more.
    pub fn finished(&mut self, frame: u32) -> Result<()> {
        self.change(|state| {
            state.done.insert(frame);
        })?;
        super::roll::remove(&self.sums(frame))
    }

    /// The file of a frame's sums.
    pub fn sums(&self, frame: u32) -> PathBuf {
        self.folder.path().join(format!("{SUMS}{frame}"))
    }

    /// Saves the sums of frames that are not finished.
    pub fn save(&self, roll: &mut Roll) -> Result<()> {
        roll.save(|frame| self.sums(frame))
    }

    /// Reads saved sums back.
    pub fn restore(&self, roll: &mut Roll) -> Result<()> {
        for path in sums(&self.folder)? {
            if let Err(error) = roll.restore(&path) {
                eprintln!("warning: what was rendered of a frame is lost: {error:#}");
                super::roll::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// The files of sums.
fn sums(folder: &Folder) -> Result<Vec<PathBuf>> {
    let path = folder.path();
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Not those that are only half written.
    let number = |name: &str| name.strip_prefix(SUMS).is_some_and(|number| number.parse::<u32>().is_ok());
    let found = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(number));
    Ok(found.map(|entry| entry.path()).collect())
}

/// What differs, in words.
fn changes(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differ: Vec<&String> = names.into_iter().filter(|name| then.get(*name) != now.get(*name)).collect();
    // Whatever is changed changes what the first frame is, so that says something only where nothing else does.
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
    fn a_rendering_that_was_begun_otherwise_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let begun = options(&[("--samples", "8"), ("scene", "a")]);
        let open = |options, restart| Kept::open(dir.path(), options, restart);
        let mut kept = open(begun.clone(), false).unwrap();
        kept.finished(3).unwrap();
        fs::write(kept.sums(4), "damaged").unwrap();
        drop(kept);
        assert_eq!(open(begun.clone(), false).unwrap().state().done, [3].into());

        let error = open(options(&[("--samples", "9"), ("scene", "b")]), false).map(drop).unwrap_err().to_string();
        assert!(error.contains("--samples 8 (now 9)") && error.contains("--restart"), "{error}");
        let error = open(options(&[("--samples", "8"), ("scene", "b")]), false).map(drop).unwrap_err().to_string();
        assert!(error.contains("another scene"), "{error}");

        let fresh = open(options(&[("--samples", "9"), ("scene", "b")]), true).unwrap();
        assert!(fresh.state().done.is_empty() && !fresh.sums(4).exists());
    }
}
