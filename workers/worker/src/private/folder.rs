//! A folder whose files are found by their content.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tessera_protocol::cid::Cid;

use crate::cache::{hash, write_atomically};

/// Most files in a folder.
const MOST: usize = 65_536;
/// Deepest folder within it.
const DEEPEST: usize = 16;

/// A folder. Links in it are not followed, and files whose names begin with a dot or end in `.part` are still being written.
pub struct Folder {
    root: PathBuf,
    index: Mutex<HashMap<PathBuf, Known>>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is.
    pub len: u64,
}

/// What was found in a file, and what the file was then.
struct Known {
    stamp: Stamp,
    cid: Cid,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    inode: u64,
    modified: SystemTime,
}

impl Stamp {
    fn of(data: &Metadata) -> io::Result<Self> {
        Ok(Self { len: data.len(), inode: data.ino(), modified: data.modified()? })
    }
}

impl Folder {
    /// Reads all files of the folder at `root`.
    ///
    /// # Errors
    /// If it cannot be read, or holds too many files.
    pub fn open(root: &Path) -> io::Result<Self> {
        let folder = Self { root: fs::canonicalize(root)?, index: Mutex::default() };
        folder.refresh(&mut folder.index())?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How many files there were when it was looked through last.
    #[must_use]
    pub fn count(&self) -> usize {
        self.index().len()
    }

    /// A file with this content in the folder `under` within this one, or deeper, but not in one of `without` nor one of these itself.
    /// Reads what is new first.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn find(&self, under: &Path, without: &[PathBuf], cid: &Cid) -> io::Result<Option<Found>> {
        let mut index = self.index();
        self.refresh(&mut index)?;
        let place = self.root.join(under);
        let without: Vec<PathBuf> = without.iter().map(|path| self.root.join(path)).collect();
        let may = |path: &PathBuf| path.starts_with(&place) && !without.iter().any(|other| path.starts_with(other));
        let mut found = index.iter().filter(|(path, known)| known.cid == *cid && may(path));
        Ok(found.next().map(|(path, known)| Found { path: path.clone(), len: known.stamp.len }))
    }

    /// Takes note of what is new, other than before, or gone.
    fn refresh(&self, index: &mut HashMap<PathBuf, Known>) -> io::Result<()> {
        let mut files = Vec::new();
        walk(&self.root, DEEPEST, &mut files)?;
        let mut before = std::mem::take(index);
        for path in files {
            let known = before.remove(&path);
            match look(&path, known) {
                Ok(Some(known)) => drop(index.insert(path, known)),
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
            }
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, HashMap<PathBuf, Known>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in a file, of which it may be known already; nothing where it changes meanwhile.
fn look(path: &Path, known: Option<Known>) -> io::Result<Option<Known>> {
    let stamp = || Stamp::of(&fs::symlink_metadata(path)?);
    let before = stamp()?;
    if let Some(known) = known.filter(|known| known.stamp == before) {
        return Ok(Some(known));
    }
    let cid = hash(path)?;
    Ok((stamp()? == before).then_some(Known { stamp: before, cid }))
}

/// The files in a folder and those within it, `deeper` levels down.
fn walk(folder: &Path, deeper: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = name.to_string_lossy();
        if name.starts_with('.') || name.ends_with(".part") {
            continue;
        }
        if kind.is_dir() && deeper > 0 {
            walk(&entry.path(), deeper - 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
        if files.len() > MOST {
            return Err(io::Error::other(format!("there are more than {MOST} files")));
        }
    }
    Ok(())
}

/// Puts a blob into a private folder, named by its content: whole or not at all, also after a power cut. A folder that is not
/// there is made, for its owner alone.
///
/// # Errors
/// If it cannot be written.
pub fn put(folder: &Path, blob: &[u8]) -> io::Result<Cid> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let cid = Cid::of(blob);
    write_atomically(&folder.join(cid.to_string()), blob)?;
    Ok(cid)
}
