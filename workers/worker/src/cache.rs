//! Modules and inputs on disk, by content id, in bounded space.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tessera_protocol::cid::{Cid, CidHasher};
use tessera_sdk::store::{StoreClient, StoreError};

/// Why a blob is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk fails.
    #[error("cannot use the cache at {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room.
    #[error(
        "blob {cid} of {len} bytes does not fit the cache: {pinned} of {limit} bytes are in use; raise data.cache_mib"
    )]
    Full {
        /// The blob.
        cid: Cid,
        /// Its length.
        len: u64,
        /// Bytes that jobs in hand need.
        pinned: u64,
        /// All that is allowed.
        limit: u64,
    },
}

#[derive(Default)]
struct Shelf {
    items: HashMap<Cid, Item>,
    total: u64,
    /// Counts uses; the item with the lowest count goes first.
    uses: u64,
}

struct Item {
    len: u64,
    used: u64,
    pins: usize,
    /// Whether its bytes were checked since the worker started.
    checked: bool,
}

/// Blobs on disk. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    directory: Arc<Path>,
    limit: u64,
    shelf: Arc<Mutex<Shelf>>,
}

/// A blob on disk that stays there as long as this value lives.
pub struct Pinned {
    cid: Cid,
    cache: Cache,
}

impl Pinned {
    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.cache.path(&self.cid)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(item) = self.cache.shelf().items.get_mut(&self.cid) {
            item.pins -= 1;
        }
    }
}

impl Cache {
    /// Opens the cache in `directory`, which may hold `limit` bytes. What a worker left half-written is removed.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn open(directory: &Path, limit: u64) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(io)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).map_err(io)? {
            let entry = entry.map_err(io)?;
            let data = entry.metadata().map_err(io)?;
            match entry.file_name().to_str().and_then(|name| name.parse::<Cid>().ok()) {
                Some(cid) => found.push((data.modified().map_err(io)?, cid, data.len())),
                None => fs::remove_file(entry.path()).map_err(io)?,
            }
        }
        found.sort();
        let mut shelf = Shelf::default();
        for (_, cid, len) in found {
            shelf.uses += 1;
            shelf.total += len;
            shelf.items.insert(cid, Item { len, used: shelf.uses, pins: 0, checked: false });
        }
        Ok(Self { directory: directory.into(), limit, shelf: Arc::new(Mutex::new(shelf)) })
    }

    /// A blob of at most `max_len` bytes, from disk or else from `store`; checked either way.
    ///
    /// # Errors
    /// If neither has it, or there is no room.
    pub async fn fetch(&self, store: &StoreClient, cid: &Cid, max_len: u64) -> Result<Pinned, CacheError> {
        if let Some(pinned) = self.take(cid).await {
            return Ok(pinned);
        }
        let blob = store.get(cid, max_len).await?;
        self.keep(*cid, blob).await
    }

    /// A blob that is here, if its bytes are still right.
    async fn take(&self, cid: &Cid) -> Option<Pinned> {
        let pinned = {
            let mut shelf = self.shelf();
            shelf.uses += 1;
            let uses = shelf.uses;
            let item = shelf.items.get_mut(cid)?;
            (item.used, item.pins) = (uses, item.pins + 1);
            let checked = item.checked;
            let pinned = Pinned { cid: *cid, cache: self.clone() };
            if checked {
                return Some(pinned);
            }
            pinned
        };
        let path = pinned.path();
        let right = tokio::task::spawn_blocking(move || hash(&path)).await;
        if matches!(right, Ok(Ok(found)) if found == *cid) {
            self.shelf().items.get_mut(cid)?.checked = true;
            return Some(pinned);
        }
        tracing::warn!(%cid, "a cached blob was damaged and is fetched again");
        None
    }

    /// Writes a blob whose bytes are known to be right.
    async fn keep(&self, cid: Cid, blob: Bytes) -> Result<Pinned, CacheError> {
        let len = blob.len() as u64;
        self.make_room(&cid, len)?;
        let path = self.path(&cid);
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || write_atomically(&file, &blob)).await;
        let written = written.unwrap_or_else(|e| Err(io::Error::other(e)));
        written.map_err(|source| CacheError::Io { path, source })?;
        let mut shelf = self.shelf();
        shelf.uses += 1;
        let used = shelf.uses;
        let pins = shelf.items.get(&cid).map_or(0, |item| item.pins) + 1;
        let before = shelf.items.insert(cid, Item { len, used, pins, checked: true });
        shelf.total = shelf.total + len - before.map_or(0, |item| item.len);
        drop(shelf);
        Ok(Pinned { cid, cache: self.clone() })
    }

    /// Removes what was not used for longest until `len` more bytes fit.
    fn make_room(&self, cid: &Cid, len: u64) -> Result<(), CacheError> {
        let mut shelf = self.shelf();
        while shelf.total.saturating_add(len) > self.limit {
            let free = shelf.items.iter().filter(|(_, item)| item.pins == 0);
            let Some(oldest) = free.min_by_key(|(_, item)| item.used).map(|(cid, _)| *cid) else {
                return Err(CacheError::Full { cid: *cid, len, pinned: shelf.total, limit: self.limit });
            };
            let path = self.path(&oldest);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(CacheError::Io { path, source }),
                _ => {}
            }
            if let Some(item) = shelf.items.remove(&oldest) {
                shelf.total -= item.len;
            }
        }
        Ok(())
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        self.directory.join(cid.to_string())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content id of a file.
pub(crate) fn hash(path: &Path) -> io::Result<Cid> {
    let mut file = fs::File::open(path)?;
    let mut hasher = CidHasher::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let random = getrandom::u64().map_err(io::Error::other)?;
    let staged = path.with_extension(format!("{random:016x}.part"));
    let write = || {
        let mut file = fs::File::create(&staged)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        // The name itself is on disk once its directory is.
        path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
    };
    write().inspect_err(|_| {
        // What matters is why it failed, not whether the rest could be removed.
        let _ = fs::remove_file(&staged);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(n: u8, len: usize) -> (Cid, Bytes) {
        let bytes = Bytes::from(vec![n; len]);
        (Cid::of(&bytes), bytes)
    }

    #[tokio::test]
    async fn what_is_unused_for_longest_goes_first_and_what_is_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 250).unwrap();
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| blob(n, 100));
        let pin_a = cache.keep(a.0, a.1).await.unwrap();
        drop(cache.keep(b.0, b.1).await.unwrap());
        let pin_c = cache.keep(c.0, c.1).await.unwrap();
        assert!(cache.take(&b.0).await.is_none(), "b made room for c");
        assert_eq!(hash(&pin_a.path()).unwrap(), a.0);
        let full = cache.keep(d.0, d.1.clone()).await.err().unwrap();
        assert!(matches!(full, CacheError::Full { len: 100, pinned: 200, limit: 250, .. }), "{full}");
        drop(pin_c);
        cache.keep(d.0, d.1).await.unwrap();
        assert!(cache.take(&a.0).await.is_some());
    }

    #[tokio::test]
    async fn comes_back_after_a_restart_without_rubbish_and_without_damage() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = [1, 2].map(|n| blob(n, 100));
        let cache = Cache::open(dir.path(), 250).unwrap();
        drop(cache.keep(a.0, a.1).await.unwrap());
        drop(cache.keep(b.0, b.1).await.unwrap());
        fs::write(dir.path().join(b.0.to_string()), vec![9; 100]).unwrap();
        fs::write(dir.path().join("half.part"), "x").unwrap();

        let cache = Cache::open(dir.path(), 250).unwrap();
        assert!(!dir.path().join("half.part").exists());
        assert!(cache.take(&a.0).await.is_some());
        assert!(cache.take(&b.0).await.is_none());
        assert_eq!(cache.shelf().total, 200);
    }
}
