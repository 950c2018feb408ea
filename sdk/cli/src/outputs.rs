//! A folder with the outputs of a job: a file for each unit, and a note of the job itself.

use std::{fs, ops::Range, path::Path};

use anyhow::{Context as _, Result, bail};
use tessera_protocol::cid::Cid;

use crate::folder::Folder;

/// The folder.
#[derive(Debug)]
pub struct Outputs(Folder);

impl Outputs {
    /// The folder, made if there is none.
    pub fn create(dir: &Path) -> Result<Self> {
        Folder::create(dir).map(Self)
    }

    /// A folder that is only read.
    pub fn open(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            bail!("there is no folder {}; give the --out of `tessera run`", dir.display());
        }
        Ok(Self(Folder::open(dir)))
    }

    /// Those in a folder that somebody else has open.
    pub fn of(folder: &Folder) -> Self {
        Self(Folder::open(folder.path()))
    }

    /// Where it is, and its note.
    pub const fn folder(&self) -> &Folder {
        &self.0
    }

    /// The name of a unit's file.
    pub fn name(unit: u64) -> String {
        format!("unit-{unit:05}.bin")
    }

    /// Whether a unit's output is there.
    pub fn has(&self, unit: u64) -> bool {
        self.0.path().join(Self::name(unit)).is_file()
    }

    /// A unit's output.
    pub fn read(&self, unit: u64) -> Result<Vec<u8>> {
        let path = self.0.path().join(Self::name(unit));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Writes a unit's output.
    pub fn put(&self, unit: u64, output: &[u8]) -> Result<()> {
        self.0.write(&Self::name(unit), output)
    }

    /// Removes a unit's output, if it is there.
    pub fn remove(&self, unit: u64) -> Result<()> {
        self.0.remove(&Self::name(unit))
    }

    /// The hashes of units; `None` if one is not there.
    pub fn hashes(&self, units: Range<u64>) -> Option<Vec<Cid>> {
        units.map(|unit| fs::read(self.0.path().join(Self::name(unit))).ok().map(|output| Cid::of(&output))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_of_the_units() {
        let dir = tempfile::TempDir::new().unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        outputs.put(0, &[1; 10]).unwrap();
        outputs.put(1, &[2; 10]).unwrap();
        outputs.put(1, &[3; 10]).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["unit-00000.bin", "unit-00001.bin"]);
        assert_eq!(outputs.read(1).unwrap(), [3; 10]);
        assert!(outputs.has(1) && !outputs.has(2));
        assert_eq!(outputs.hashes(0..2), Some(vec![Cid::of(&[1; 10]), Cid::of(&[3; 10])]));
        assert_eq!(outputs.hashes(0..3), None);
        outputs.remove(1).unwrap();
        assert!(!outputs.has(1) && Outputs::of(outputs.folder()).has(0));
        assert!(outputs.read(2).unwrap_err().to_string().contains("unit-00002.bin"));
        assert!(Outputs::open(&dir.path().join("none")).unwrap_err().to_string().contains("--out"));
    }
}
