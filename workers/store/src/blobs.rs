//! Blobs by content id in any object store.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::Path as FsPath,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, ObjectStore, buffered::BufWriter, local::LocalFileSystem, parse_url_opts, path::Path,
    prefix::PrefixStore,
};
use tessera_protocol::cid::{Cid, CidHasher};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::StoreError;

/// Blobs up to this size are held in memory until verified; larger ones are staged by the object store, in parts of this size.
/// Clouds want parts of at least 5 MiB.
const CLOUD_PART: usize = 8 << 20;
/// See [`CLOUD_PART`], for a directory.
const LOCAL_PART: usize = 1 << 20;
/// Parts of a large blob under way to the object store at once.
const WRITES_AHEAD: usize = 2;

/// A content store: blobs by content id. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    part: usize,
    /// Of a directory that no other process stores blobs in: open as long as this is so.
    _lock: Option<Arc<File>>,
}

/// How slow a body may be.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest pause.
    pub idle: Duration,
    /// Longest time for all of it.
    pub whole: Duration,
}

/// Part of a blob, to be streamed.
pub struct Piece {
    /// Length of the whole blob.
    pub total: u64,
    /// The bytes that follow.
    pub range: Range<u64>,
    /// Those bytes.
    pub stream: BoxStream<'static, Result<Bytes, object_store::Error>>,
}

impl Blobs {
    /// Opens the store at `location`: a directory (created if missing), or a `file://`, `s3://`, `gs://`, `az://`, `http(s)://` URL.
    /// Credentials and options of the clouds come from the environment, under the names their own tools use.
    ///
    /// # Errors
    /// If the location is not usable.
    pub fn open(location: &str) -> Result<Self, StoreError> {
        let bad = |reason: String| StoreError::Location { url: location.to_owned(), reason };
        // A Windows-like "c:..." is no URL here; anything without "://" is a path.
        if !location.contains("://") {
            return Self::directory(FsPath::new(location)).map_err(bad);
        }
        let url = Url::parse(location).map_err(|e| bad(e.to_string()))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| bad("not an absolute path".into()))?;
            return Self::directory(&path).map_err(bad);
        }
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) = parse_url_opts(&url, options).map_err(|e| bad(e.to_string()))?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), part: CLOUD_PART, _lock: None })
    }

    /// A store that is gone with the process; for tests and tools.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { store: Arc::new(object_store::memory::InMemory::new()), part: CLOUD_PART, _lock: None }
    }

    fn directory(path: &FsPath) -> Result<Self, String> {
        std::fs::create_dir_all(path).map_err(|e| e.to_string())?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|e| e.to_string())?;
        let lock = File::open(path).map_err(|e| e.to_string())?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(Arc::new(lock)),
            Err(e) => {
                tracing::info!(path = %path.display(), error = %e, "another process uses the blobs too: nothing is tidied up");
                None
            }
        };
        if lock.is_some() {
            tidy_up(&path.join(FOLDER)).map_err(|e| format!("cannot remove what was staged there: {e}"))?;
        }
        Ok(Self { store: Arc::new(store), part: LOCAL_PART, _lock: lock })
    }

    /// Most bytes of a blob of `len` bytes that are in memory while it is written.
    #[must_use]
    pub fn memory(&self, len: u64) -> u64 {
        len.min((self.part * (1 + WRITES_AHEAD)) as u64)
    }

    /// The length of a blob; `None` if it is not here.
    ///
    /// # Errors
    /// If the object store fails.
    pub async fn len(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        match self.store.head(&path(cid)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Part of a blob, or all of it; `None` if it is not here. `range` must lie inside the blob.
    ///
    /// # Errors
    /// If the object store fails.
    pub async fn read(&self, cid: &Cid, range: Option<Range<u64>>) -> Result<Option<Piece>, StoreError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&path(cid), options).await {
            Ok(found) => {
                let (total, range) = (found.meta.size, found.range.clone());
                Ok(Some(Piece { total, range, stream: found.into_stream() }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Stores the `len` bytes of `body` under `cid`. The blob appears only when all of it has arrived and hashes to `cid`;
    /// otherwise nothing is left behind.
    ///
    /// # Errors
    /// If the body is broken, stalls, or is not the blob that `cid` names; if the object store fails.
    pub async fn write<S, E>(&self, cid: &Cid, len: u64, body: S, pace: Pace) -> Result<(), StoreError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display,
    {
        let mut writer =
            BufWriter::with_capacity(Arc::clone(&self.store), path(cid), self.part).with_max_concurrency(WRITES_AHEAD);
        let received = tokio::time::timeout(pace.whole, receive(&mut writer, cid, len, body, pace.idle)).await;
        match received.unwrap_or(Err(StoreError::TooSlow { seconds: pace.whole.as_secs() })) {
            Ok(()) => {
                writer.shutdown().await?;
                Ok(())
            }
            Err(e) => {
                // The staged parts go; what stopped us matters more than a failure to tidy up.
                if let Err(tidy) = writer.abort().await {
                    tracing::debug!(%cid, error = %tidy, "nothing to tidy up after a refused blob");
                }
                Err(e)
            }
        }
    }
}

/// Passes the body on to `writer` and verifies it on the way.
async fn receive<S, E>(writer: &mut BufWriter, cid: &Cid, len: u64, body: S, idle: Duration) -> Result<(), StoreError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: std::fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let mut hasher = CidHasher::default();
    loop {
        let received = hasher.len();
        let next = tokio::time::timeout(idle, body.next())
            .await
            .map_err(|_| StoreError::Stalled { received, seconds: idle.as_secs() })?;
        let Some(bytes) = next else { break };
        let bytes = bytes.map_err(|e| StoreError::BrokenBody { received, reason: e.to_string() })?;
        if received + bytes.len() as u64 > len {
            return Err(StoreError::WrongLength { expected: len, found: received + bytes.len() as u64 });
        }
        hasher.update(&bytes);
        writer.put(bytes).await?;
    }
    if hasher.len() != len {
        return Err(StoreError::WrongLength { expected: len, found: hasher.len() });
    }
    let found = hasher.finish();
    if found != *cid {
        return Err(StoreError::WrongContent { expected: *cid, found });
    }
    Ok(())
}

/// Where blobs lie in a store.
const FOLDER: &str = "blobs";

/// Removes what a process that was killed had staged: the object store puts `#` and a number after the name of the blob.
fn tidy_up(folder: &FsPath) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            tidy_up(&entry.path())?;
        } else if entry.file_name().to_string_lossy().contains('#') {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Two levels, so that no directory of a local store grows without bound.
fn path(cid: &Cid) -> Path {
    let name = cid.to_string();
    Path::from_iter([FOLDER, &name[..2], &name[2..4], &name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const PACE: Pace = Pace { idle: Duration::from_secs(9), whole: Duration::from_secs(60) };

    fn files(dir: &FsPath) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }

    /// A blob of many parts, so that the staged path is what runs.
    fn large() -> Vec<u8> {
        (0..6u32 << 20).flat_map(|i| (i as u16).to_le_bytes()).collect()
    }

    fn pieces(blob: &[u8]) -> Vec<Result<Bytes, String>> {
        blob.chunks(1 << 20).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
    }

    #[tokio::test]
    async fn a_staged_blob_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path().to_str().unwrap()).unwrap();
        let blob = large();
        let (cid, len) = (Cid::of(&blob), blob.len() as u64);

        let mut broken = pieces(&blob);
        broken.truncate(10);
        broken.push(Err("cut".into()));
        let e = blobs.write(&cid, len, stream::iter(broken), PACE).await.unwrap_err();
        assert!(matches!(e, StoreError::BrokenBody { received, .. } if received == 10 << 20), "{e}");
        assert_eq!(blobs.len(&cid).await.unwrap(), None);

        let mut changed = blob.clone();
        changed[len as usize - 1] ^= 1;
        let e = blobs.write(&cid, len, stream::iter(pieces(&changed)), PACE).await.unwrap_err();
        assert!(matches!(e, StoreError::WrongContent { .. }), "{e}");
        assert!(files(dir.path()).is_empty(), "{:?}", files(dir.path()));

        blobs.write(&cid, len, stream::iter(pieces(&blob)), PACE).await.unwrap();
        assert_eq!(blobs.len(&cid).await.unwrap(), Some(len));
        let piece = blobs.read(&cid, Some(5..9)).await.unwrap().unwrap();
        assert_eq!((piece.total, piece.range.clone()), (len, 5..9));
        let bytes: Vec<Bytes> = piece.stream.map(Result::unwrap).collect().await;
        assert_eq!(bytes.concat(), blob[5..9]);
    }

    #[tokio::test]
    async fn what_a_killed_store_had_staged_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Blobs::open(dir.path().to_str().unwrap()).unwrap();
        let (blob, first) = (Bytes::from_static(b"kept"), open());
        let cid = Cid::of(&blob);
        first.write(&cid, 4, stream::iter([Ok::<_, String>(blob)]), PACE).await.unwrap();
        let kept = files(dir.path());
        fs::write(kept[0].with_file_name(format!("{cid}#7")), "half").unwrap();

        let second = open();
        assert_eq!(files(dir.path()).len(), 2, "the first one may be writing it");
        drop((first, second));
        open();
        assert_eq!(files(dir.path()), kept);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let blobs = Blobs::in_memory();
        let body = stream::iter([Ok::<_, String>(Bytes::from_static(b"ab"))]).chain(stream::pending());
        let e = blobs.write(&Cid::of(b"abcd"), 4, body, PACE).await.unwrap_err();
        assert!(matches!(e, StoreError::Stalled { received: 2, seconds: 9 }), "{e}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let blobs = Blobs::in_memory();
        let body = stream::iter(0..100).then(|_| async {
            tokio::time::sleep(Duration::from_secs(8)).await;
            Ok::<_, String>(Bytes::from_static(b"a"))
        });
        let e = blobs.write(&Cid::of(&[b'a'; 100]), 100, body, PACE).await.unwrap_err();
        assert!(matches!(e, StoreError::TooSlow { seconds: 60 }), "{e}");
    }

    #[tokio::test]
    async fn lengths_are_checked() {
        let blobs = Blobs::in_memory();
        for len in [3, 5] {
            let body = stream::iter([Ok::<_, String>(Bytes::from_static(b"abcd"))]);
            let e = blobs.write(&Cid::of(b"abcd"), len, body, PACE).await.unwrap_err();
            assert!(matches!(e, StoreError::WrongLength { found: 4, .. }), "{e}");
        }
    }

    #[test]
    fn unusable_locations_are_named() {
        for location in ["ftp://host/x", "file://host/relative", "/dev/null/x"] {
            let e = Blobs::open(location).err().expect(location).to_string();
            assert!(e.contains(location), "{e}");
        }
    }
}
