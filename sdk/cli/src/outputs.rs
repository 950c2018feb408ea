//! A folder with the outputs of a job: a file for each unit, and a note of the job itself.

use std::{
    fs,
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tessera_protocol::cid::Cid;

/// The note's file.
const NOTE: &str = "job.json";
/// How the names of files begin that are not written to their end yet.
const PARTIAL: &str = ".tessera-";

/// Which job a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The job's address; nothing while it is being posted.
    pub job: Option<String>,
    /// The market's address.
    pub market: String,
    /// The address of the wallet that pays.
    pub wallet: String,
    /// The number that the wallet's next job had before this one was posted.
    pub number: u64,
    /// Content id of the job's specification.
    pub spec: String,
    /// The limit of gas in it.
    pub unit_gas: u64,
    /// The store's address.
    pub store: String,
}

/// The folder.
#[derive(Debug)]
pub struct Outputs(PathBuf);

impl Outputs {
    /// The folder, made if there is none, without what a program that was killed left half written.
    pub fn create(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTIAL)) {
            let path = entry.path();
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(Self(dir.to_owned()))
    }

    /// A folder that is only read.
    pub fn open(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            bail!("there is no folder {}; give the --out of `tessera run`", dir.display());
        }
        Ok(Self(dir.to_owned()))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Which job it belongs to, if that is known.
    pub fn note(&self) -> Result<Option<Note>> {
        let path = self.0.join(NOTE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!("{} is not a note of `tessera run`; take another folder, or remove the file", path.display())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes down which job it belongs to.
    pub fn keep(&self, note: &Note) -> Result<()> {
        let text = serde_json::to_string_pretty(note).context("cannot write JSON")? + "\n";
        self.write(NOTE, text.as_bytes())
    }

    /// The name of a unit's file.
    pub fn name(unit: u64) -> String {
        format!("unit-{unit:05}.bin")
    }

    /// A unit's output.
    pub fn read(&self, unit: u64) -> Result<Vec<u8>> {
        let path = self.0.join(Self::name(unit));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Writes a unit's output.
    pub fn put(&self, unit: u64, output: &[u8]) -> Result<()> {
        self.write(&Self::name(unit), output)
    }

    /// The hashes of units; `None` if one is not there.
    pub fn hashes(&self, units: Range<u64>) -> Option<Vec<Cid>> {
        units.map(|unit| fs::read(self.0.join(Self::name(unit))).ok().map(|output| Cid::of(&output))).collect()
    }

    /// A file is there whole or not at all, whenever this program or the machine stops.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.0.join(name);
        let written = || -> io::Result<()> {
            let permissions = fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().prefix(PARTIAL).permissions(permissions).tempfile_in(&self.0)?;
            file.write_all(bytes)?;
            file.as_file().sync_data()?;
            file.persist(&path)?;
            Ok(())
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_whole_and_what_is_half_written_goes() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join(".tessera-1234"), [1]).unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        outputs.put(0, &[1; 10]).unwrap();
        outputs.put(1, &[2; 10]).unwrap();
        outputs.put(1, &[3; 10]).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["unit-00000.bin", "unit-00001.bin"]);
        assert_eq!(outputs.read(1).unwrap(), [3; 10]);
        assert_eq!(outputs.hashes(0..2), Some(vec![Cid::of(&[1; 10]), Cid::of(&[3; 10])]));
        assert_eq!(outputs.hashes(0..3), None);
        assert!(outputs.read(2).unwrap_err().to_string().contains("unit-00002.bin"));
    }

    #[test]
    fn the_note_is_kept() {
        let dir = tempfile::TempDir::new().unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        assert_eq!(outputs.note().unwrap(), None);
        let note = Note {
            job: None,
            market: "m".into(),
            wallet: "w".into(),
            number: 3,
            spec: "s".into(),
            unit_gas: 9,
            store: "http://store".into(),
        };
        outputs.keep(&note).unwrap();
        assert_eq!(Outputs::open(dir.path()).unwrap().note().unwrap(), Some(note));
        fs::write(dir.path().join(NOTE), "{}").unwrap();
        assert!(outputs.note().unwrap_err().to_string().contains("job.json"));
        assert!(Outputs::open(&dir.path().join("none")).unwrap_err().to_string().contains("--out"));
    }
}
