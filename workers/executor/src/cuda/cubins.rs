//! Compiled modules on disk, so that a module is compiled once for a device and a driver.
//!
//! A file is a magic line, the key, the SHA-256 of the image, and the image. It is there whole or not at all, and it is
//! loaded only if key and hash are right: a damaged file is removed and its module compiled again. The hash finds
//! damage, not malice: whoever may write into the directory may also replace the worker.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tessera_protocol::cid::Cid;
use tessera_protocol::hash::{Digest, sha256};

use crate::{Cubins, Device};

/// A change of the layout changes it, and so the names of all files.
const MAGIC: &[u8; 16] = b"tessera-cubin-1\n";
const HEADER: usize = MAGIC.len() + 2 * size_of::<Digest>();
const EXTENSION: &str = "cubin";
/// What a process that was killed left half written is removed after this time.
const STALE: Duration = Duration::from_secs(3600);

/// Names a compiled module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(Digest);

impl Key {
    /// What machine code depends on: the module, the device's model, and the version of the driver that compiles.
    pub fn new(module: &str, device: &Device, driver: i32) -> Self {
        let (major, minor) = device.compute_capability.unwrap_or_default();
        let capability = [major.to_le_bytes(), minor.to_le_bytes()].concat();
        let module = Cid::of(module.as_bytes());
        Self(sha256(&[MAGIC, &module.0, &capability, &driver.to_le_bytes(), device.name.as_bytes()]))
    }
}

impl Cubins {
    fn path(&self, key: &Key) -> PathBuf {
        let name: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension(EXTENSION)
    }

    /// The image of a module, if it is there and undamaged.
    pub(super) fn load(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled module cannot be read: it is compiled again");
                return None;
            }
        };
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        match read.ok().and_then(|_| open(key, bytes)) {
            Some(image) => {
                // For the choice of what to remove; a directory that is read-only loses no more than that.
                let _ = file.set_modified(SystemTime::now());
                Some(image)
            }
            None => {
                tracing::warn!(path = %path.display(), "a compiled module is damaged: it is compiled again");
                self.remove(key);
                None
            }
        }
    }

    /// Keeps an image, and removes those that were not used for longest where the quota is exceeded. An error costs
    /// time when the module is needed again, and nothing else.
    pub(super) fn store(&self, key: &Key, image: &[u8]) {
        let len = (HEADER + image.len()) as u64;
        if len > self.quota {
            tracing::warn!(
                len,
                quota = self.quota,
                "a compiled module is larger than the quota of all: it is not kept"
            );
            return;
        }
        let path = self.path(key);
        if let Err(error) = self.write(&path, key, image).and_then(|()| self.make_room(&path)) {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "a compiled module cannot be kept: see whether the directory is writable");
        }
    }

    pub(super) fn remove(&self, key: &Key) {
        // Another process may have been faster.
        let _ = fs::remove_file(self.path(key));
    }

    fn write(&self, path: &Path, key: &Key, image: &[u8]) -> io::Result<()> {
        static PARTS: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.directory)?;
        let part = format!("{}-{}.part", std::process::id(), PARTS.fetch_add(1, Ordering::Relaxed));
        let part = path.with_extension(part);
        let write = || {
            let mut file = File::create(&part)?;
            for bytes in [MAGIC.as_slice(), &key.0, &sha256(&[image]), image] {
                file.write_all(bytes)?;
            }
            file.sync_all()?;
            fs::rename(&part, path)
        };
        write().inspect_err(|_| {
            // What matters is why it failed, not whether the rest could be removed.
            let _ = fs::remove_file(&part);
        })
    }

    /// Removes the oldest files but `new` until the rest fits.
    fn make_room(&self, new: &Path) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
            // Another process may have removed it since.
            let Ok(meta) = path.metadata() else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match extension.as_deref() {
                Some(EXTENSION) => found.push((used, path, meta.len())),
                Some("part") if used.elapsed().is_ok_and(|age| age > STALE) => {
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        found.sort();
        let mut total: u64 = found.iter().map(|(_, _, len)| len).sum();
        for (_, path, len) in found.iter().filter(|(_, path, _)| path != new) {
            if total <= self.quota {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= len,
            }
        }
        Ok(())
    }
}

/// The image in a file, if the file is what it should be.
fn open(key: &Key, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (magic, rest) = bytes.split_first_chunk::<16>()?;
    let (name, rest) = rest.split_first_chunk::<32>()?;
    let (hash, image) = rest.split_first_chunk::<32>()?;
    let right = magic == MAGIC && *name == key.0 && *hash == sha256(&[image]);
    // An allocation of its own, as aligned as the driver may wish.
    right.then(|| bytes.split_off(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn device(name: &str, capability: (u32, u32)) -> Device {
        let name = name.to_owned();
        Device { name, kind: Kind::Cuda, memory: 0, compute_capability: Some(capability), uuid: [0; 16] }
    }

    fn key(n: u8) -> Key {
        Key([n; 32])
    }

    #[test]
    fn everything_that_code_depends_on_is_in_the_key() {
        let gpu = device("GPU", (9, 0));
        let base = Key::new("module", &gpu, 13_000);
        assert_eq!(base, Key::new("module", &Device { uuid: [1; 16], memory: 5, ..gpu.clone() }, 13_000));
        let others = [
            Key::new("module ", &gpu, 13_000),
            Key::new("module", &gpu, 13_010),
            Key::new("module", &device("GPV", (9, 0)), 13_000),
            Key::new("module", &device("GPU", (9, 1)), 13_000),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn damage_is_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cubins = Cubins { directory: folder.path().join("new"), quota: 1 << 20 };
        assert_eq!(cubins.load(&key(1)), None);
        let damage = [
            |bytes: &mut Vec<u8>| bytes.truncate(HEADER + 5),
            |bytes: &mut Vec<u8>| bytes.truncate(20),
            |bytes: &mut Vec<u8>| bytes.clear(),
            |bytes: &mut Vec<u8>| bytes[0] ^= 1,
            |bytes: &mut Vec<u8>| bytes[HEADER + 3] ^= 16,
            |bytes: &mut Vec<u8>| bytes.push(0),
        ];
        for change in damage {
            cubins.store(&key(1), b"machine code");
            assert_eq!(cubins.load(&key(1)).unwrap(), b"machine code");
            let path = cubins.path(&key(1));
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
            assert_eq!(cubins.load(&key(1)), None);
            assert!(!path.exists());
        }
        // The whole file of another key is damage too.
        cubins.store(&key(1), b"machine code");
        fs::rename(cubins.path(&key(1)), cubins.path(&key(2))).unwrap();
        assert_eq!(cubins.load(&key(2)), None);
    }

    #[test]
    fn the_quota_is_kept_and_what_was_used_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let each = HEADER + 100;
        let cubins = Cubins { directory: folder.path().into(), quota: 2 * each as u64 + 10 };
        let age = |n: u8, seconds: u64| {
            let file = File::options().write(true).open(cubins.path(&key(n))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        let half = folder.path().join("1-1.part");
        fs::write(&half, "x").unwrap();
        File::options().write(true).open(&half).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::write(folder.path().join("2-1.part"), "of a process that is still at it").unwrap();
        for n in [1, 2] {
            cubins.store(&key(n), &[n; 100]);
            age(n, 100 - u64::from(n));
        }
        assert!(cubins.load(&key(1)).is_some());
        cubins.store(&key(3), &[3; 100]);
        assert_eq!([1, 2, 3].map(|n| cubins.load(&key(n)).is_some()), [true, false, true]);
        cubins.store(&key(4), &[4; 500]);
        assert_eq!(cubins.load(&key(4)), None);
        assert!(!half.exists() && folder.path().join("2-1.part").exists());
        // A directory that cannot be made is no reason to fail.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        Cubins { directory: file, quota: 1 << 20 }.store(&key(1), b"code");
    }
}
