//! A training on disk: an index, and blobs that are named by their content.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_protocol::cid::Cid;

use crate::{
    error::{Result, TrainError},
    plan::Plan,
    training::Progress,
};

/// Version of the index.
const VERSION: u32 = 1;

/// What is kept of a training besides its plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved {
    pub base: Option<Bytes>,
    pub changes: Vec<Bytes>,
    pub state: Option<Bytes>,
    pub history: Vec<Progress>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    version: u32,
    plan: Plan,
    base: Option<String>,
    changes: Vec<String>,
    state: Option<String>,
    history: Vec<Progress>,
}

impl Index {
    fn names(&self) -> BTreeSet<&str> {
        self.base.iter().chain(&self.changes).chain(&self.state).map(String::as_str).collect()
    }
}

/// Where the index is.
pub(crate) fn index(folder: &Path) -> PathBuf {
    folder.join("training.json")
}

fn blobs(folder: &Path) -> PathBuf {
    folder.join("blobs")
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> TrainError + use<'a> {
    let remedy = "check that the folder is there, that it may be written, and that the disk has room";
    move |source| TrainError::File { action, path: path.into(), source, remedy }
}

/// Writes a file beside its place, and moves it there when all of it is on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    // The new name is on the disk once the folder is: what is removed after this call is named nowhere any more.
    let moved = written.and_then(|()| fs::rename(&beside, path));
    let folder = path.parent().unwrap_or(Path::new("."));
    moved.and_then(|()| File::open(folder)?.sync_all()).map_err(failed("write", path))
}

/// Makes a folder, and those above it.
pub(crate) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(failed("make", folder))
}

/// Writes blobs that are not there, then the index, then removes blobs that it does not name.
pub(crate) fn save(folder: &Path, plan: &Plan, saved: &Saved) -> Result<()> {
    let home = blobs(folder);
    make(&home)?;
    let keep = |blob: &Bytes| -> Result<String> {
        let name = Cid::of(blob).to_string();
        let path = home.join(&name);
        if !path.exists() {
            write(&path, blob)?;
        }
        Ok(name)
    };
    let index_of = Index {
        version: VERSION,
        plan: plan.clone(),
        base: saved.base.as_ref().map(keep).transpose()?,
        changes: saved.changes.iter().map(keep).collect::<Result<_>>()?,
        state: saved.state.as_ref().map(keep).transpose()?,
        history: saved.history.clone(),
    };
    let path = index(folder);
    let text = serde_json::to_vec_pretty(&index_of)
        .map_err(|error| TrainError::Content { path: path.clone(), reason: error.to_string() })?;
    write(&path, &text)?;
    let names = index_of.names();
    for entry in fs::read_dir(&home).map_err(failed("read", &home))? {
        let entry = entry.map_err(failed("read", &home))?;
        let unnamed = entry.file_name().to_str().is_none_or(|name| !names.contains(name));
        if unnamed {
            fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Reads what was saved of a training with this plan.
pub(crate) fn load(folder: &Path, plan: &Plan) -> Result<Saved> {
    let path = index(folder);
    let content = |reason: String| TrainError::Content { path: path.clone(), reason };
    let bytes = fs::read(&path).map_err(failed("read", &path))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| content(format!("not as expected: {error}")))?;
    if index.version != VERSION {
        return Err(content(format!("version {}, this build reads {VERSION}", index.version)));
    }
    if index.plan != *plan {
        let reason =
            "the training in this folder has another plan: take another folder, or the plan that it began with";
        return Err(content(reason.into()));
    }
    let home = blobs(folder);
    let read = |name: &String| -> Result<Bytes> {
        let path = home.join(name);
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric());
        let bytes = if plain { fs::read(&path).map_err(failed("read", &path))? } else { vec![] };
        if Cid::of(&bytes).to_string() != *name {
            return Err(TrainError::Content { path, reason: "its content is not what its name says".into() });
        }
        Ok(bytes.into())
    };
    Ok(Saved {
        base: index.base.as_ref().map(read).transpose()?,
        changes: index.changes.iter().map(read).collect::<Result<_>>()?,
        state: index.state.as_ref().map(read).transpose()?,
        history: index.history,
    })
}
