//! What is there of the answers to texts: a file for each unit, and the file that is made of them.

use std::{
    fs::{self, File},
    io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::outputs::Outputs;

/// What units became, as far as they are there.
#[derive(Debug)]
pub struct Kept {
    outputs: Outputs,
    there: Vec<bool>,
}

impl Kept {
    /// Opens the folder of a command's units, of which there are so many.
    pub fn open(path: &Path, units: u64) -> Result<Self> {
        let outputs = Outputs::create(path)?;
        let there = (0..units).map(|unit| outputs.has(unit)).collect();
        Ok(Self { outputs, there })
    }

    /// Number of all units.
    pub fn units(&self) -> u64 {
        self.there.len() as u64
    }

    /// Whether a unit is there.
    pub fn has(&self, unit: u64) -> bool {
        usize::try_from(unit).ok().and_then(|unit| self.there.get(unit)).is_some_and(|there| *there)
    }

    /// What a unit became.
    pub fn read(&self, unit: u64) -> Result<Vec<u8>> {
        self.outputs.read(unit)
    }

    /// Keeps what a unit became.
    pub fn put(&mut self, unit: u64, bytes: &[u8]) -> Result<()> {
        self.outputs.put(unit, bytes)?;
        let place = usize::try_from(unit).ok().and_then(|unit| self.there.get_mut(unit));
        *place.with_context(|| format!("there is no unit {unit}"))? = true;
        Ok(())
    }

    /// Removes all of it, which is of no use any more.
    pub fn clear(&mut self) -> Result<()> {
        let path = self.outputs.folder().path();
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
        self.there.fill(false);
        Ok(())
    }
}

/// A file that is what the units became, one behind the other, as far as they are there without a gap.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
    /// The unit that comes next.
    next: u64,
}

impl Lines {
    /// Opens the file. What an earlier command has written stays, and what it has half written goes.
    pub fn open(path: &Path, kept: &Kept) -> Result<Self> {
        let failed = || format!("cannot write {}", path.display());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.with_context(failed)?;
        let (mut len, mut next) = (0u64, 0);
        while kept.has(next) {
            let expected = kept.read(next)?;
            let mut found = vec![0; expected.len()];
            if file.read_exact(&mut found).is_err() || found != expected {
                break;
            }
            len += expected.len() as u64;
            next += 1;
        }
        file.set_len(len).and_then(|()| file.seek(SeekFrom::Start(len))).with_context(failed)?;
        let mut lines = Self { path: path.to_owned(), file, next };
        lines.go_on(kept)?;
        Ok(lines)
    }

    /// Writes the units that are there now.
    pub fn go_on(&mut self, kept: &Kept) -> Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        while kept.has(self.next) {
            self.file.write_all(&kept.read(self.next)?).with_context(failed)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Waits until all of it is on disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Writes a file by `write`. It is there whole or not at all, whenever this program or the machine stops.
pub fn whole(out: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>) -> Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".tessera-").permissions(permissions).tempfile_in(folder)?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_data()?;
    file.persist(out)?;
    // Its name too: else it may be gone when the machine starts again.
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_whatever_was_there_before() {
        let dir = tempfile::TempDir::new().unwrap();
        let (units, path) = (dir.path().join("units"), dir.path().join("out"));
        let text = || fs::read_to_string(&path).unwrap();
        let mut kept = Kept::open(&units, 4).unwrap();
        kept.put(1, b"b\n").unwrap();
        let mut lines = Lines::open(&path, &kept).unwrap();
        assert_eq!(text(), "");
        kept.put(0, b"a\n").unwrap();
        lines.go_on(&kept).unwrap();
        assert_eq!(text(), "a\nb\n");
        kept.put(3, b"d\n").unwrap();
        lines.go_on(&kept).unwrap();
        assert_eq!(text(), "a\nb\n");
        assert!(kept.put(4, b"e").is_err());
        drop((lines, kept));

        // Half a line, lines that are none of these, and nothing at all.
        for before in ["a\nb", "a\nx\ny\nz\n", "", "a\nb\n"] {
            fs::write(&path, before).unwrap();
            let kept = Kept::open(&units, 4).unwrap();
            assert_eq!([0, 1, 2, 3].map(|unit| kept.has(unit)), [true, true, false, true]);
            let lines = Lines::open(&path, &kept).unwrap();
            lines.sync().unwrap();
            assert_eq!(text(), "a\nb\n", "{before:?}");
        }
        let mut kept = Kept::open(&units, 4).unwrap();
        let mut lines = Lines::open(&path, &kept).unwrap();
        kept.put(2, b"c\n").unwrap();
        lines.go_on(&kept).unwrap();
        assert_eq!(text(), "a\nb\nc\nd\n");
        kept.clear().unwrap();
        assert!(!kept.has(0) && !units.exists());
    }
}
