//! What the command knows of a rendering when it is started again: how it was begun and what it has cost, which frames are
//! written. Sums of frames that are not finished lie beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::roll::Roll;
use crate::{begun::Begun, folder::Folder};

/// The file.
const FILE: &str = "render.json";
/// How the names of files of sums begin.
const SUMS: &str = "sums-";

/// What is known besides how it was begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Brightness in stops, where it was measured.
    pub exposure: Option<f32>,
    /// Frames that are written.
    pub done: BTreeSet<u32>,
    /// Rounds that were finished of the frames at work.
    pub round: u32,
}

/// The state in its folder.
pub struct Kept {
    begun: Begun,
    state: State,
}

impl Kept {
    /// Opens the folder of a rendering. One that was begun with other options is refused, or, to `restart`, forgotten.
    pub fn open(path: &Path, options: BTreeMap<String, String>, restart: bool) -> Result<Self> {
        let begun = Begun::open(path, "these pictures were", options, restart)?;
        let folder = begun.folder();
        if restart {
            for sums in sums(folder)? {
                super::roll::remove(&sums)?;
            }
            folder.remove(FILE)?;
        }
        let state = folder.read::<State>(FILE, "what `tessera render` knows of a rendering")?.unwrap_or_default();
        Ok(Self { begun, state })
    }

    /// How it was begun, and what it has cost.
    pub const fn begun(&self) -> &Begun {
        &self.begun
    }

    /// The same, to be changed.
    pub const fn begun_mut(&mut self) -> &mut Begun {
        &mut self.begun
    }

    const fn folder(&self) -> &Folder {
        self.begun.folder()
    }

    /// What is known.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Changes what is known, on disk too.
    pub fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        change(&mut self.state);
        self.begun.keep()?;
        self.begun.folder().keep(FILE, &self.state)
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
        self.folder().path().join(format!("{SUMS}{frame}"))
    }

    /// Saves the sums of frames that are not finished.
    pub fn save(&self, roll: &mut Roll) -> Result<()> {
        roll.save(|frame| self.sums(frame))
    }

    /// Reads saved sums back.
    pub fn restore(&self, roll: &mut Roll) -> Result<()> {
        for path in sums(self.folder())? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finished_stays_until_it_is_begun_anew() {
        let dir = tempfile::TempDir::new().unwrap();
        let open = |restart| Kept::open(dir.path(), BTreeMap::new(), restart);
        let mut kept = open(false).unwrap();
        kept.finished(3).unwrap();
        fs::write(kept.sums(4), "damaged").unwrap();
        drop(kept);
        let kept = open(false).unwrap();
        assert!(kept.state().done == [3].into() && !kept.begun().is_new());
        drop(kept);
        let fresh = open(true).unwrap();
        assert!(fresh.state().done.is_empty() && !fresh.sums(4).exists());
    }
}
