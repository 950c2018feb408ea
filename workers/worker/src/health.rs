//! Which devices are not to be trusted: a file in the data directory, so that it outlives the worker.
//!
//! A device that gave wrong bits costs the lock of every lease that it computes, so nothing is claimed for it any more until the
//! operator releases it, or the worker is started again; and then it must first pass a long test.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    cache::write_atomically,
    execution::{ChildDevice, Verdict},
    hint,
    self_test::Depth,
};

/// Name of the file in the data directory.
const FILE: &str = "quarantine.json";

/// A device in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Since when, in Unix seconds.
    pub since: i64,
    /// It is to be tested thoroughly, and free if it passes.
    #[serde(default)]
    pub on_trial: bool,
}

/// Devices in quarantine, by their [ids](crate::device::id).
pub type Quarantine = BTreeMap<String, Quarantined>;

/// What is known about the devices of this machine.
pub struct Health {
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Every device that was ever seen since the worker started.
    present: BTreeMap<String, ChildDevice>,
    /// Something speaks against a device: test all of them thoroughly before they compute again.
    doubt: bool,
    /// When the file cannot be written.
    unwritten: Quarantine,
}

impl Health {
    /// Knows what `directory` tells. Those in quarantine are to be tried again if this worker is about to start.
    #[must_use]
    pub fn open(directory: &Path) -> Self {
        Self { file: directory.join(FILE), known: Mutex::default() }
    }

    /// Devices in quarantine.
    #[must_use]
    pub fn quarantine(&self) -> Quarantine {
        let mut found = read(&self.file).unwrap_or_else(|error| {
            tracing::warn!(file = %self.file.display(), %error, "cannot read which devices are in quarantine");
            Quarantine::new()
        });
        found.extend(self.known().unwritten.clone());
        found
    }

    /// Devices that must not compute now.
    #[must_use]
    pub fn left_out(&self) -> BTreeSet<String> {
        self.quarantine().into_iter().filter(|(_, found)| !found.on_trial).map(|(id, _)| id).collect()
    }

    /// Whether all devices that there are must not compute now.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        let left_out = self.left_out();
        let known = self.known();
        !known.present.is_empty() && known.present.keys().all(|id| left_out.contains(id))
    }

    /// Notes which devices there are.
    pub fn see(&self, devices: &[ChildDevice]) {
        let mut known = self.known();
        known.present.extend(devices.iter().map(|device| (device.id.clone(), device.clone())));
    }

    /// Memory in bytes of the smallest device that may compute; `None` while no device was seen.
    #[must_use]
    pub fn least_memory(&self) -> Option<u64> {
        let left_out = self.left_out();
        let known = self.known();
        let able = known.present.values().filter(|device| !left_out.contains(&device.id) && device.memory > 0);
        able.map(|device| device.memory).min()
    }

    /// Something speaks against the devices: they are to be tested thoroughly before they compute again.
    pub fn doubt(&self) {
        self.known().doubt = true;
    }

    /// How thoroughly the devices have to be tested now.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let on_trial = self.quarantine().values().any(|found| found.on_trial);
        if on_trial || self.known().doubt { Depth::Long } else { Depth::Quick }
    }

    /// Takes note of tests: who failed goes into quarantine, who passed a long one leaves it. Returns how many failed.
    pub fn judge(&self, verdicts: &[(ChildDevice, Verdict)], depth: Depth, now: i64) -> usize {
        let mut failed = 0;
        for (device, verdict) in verdicts {
            match verdict {
                Verdict::Faulty(reason) => {
                    failed += 1;
                    self.put(&device.id, &device.name, reason, now);
                }
                Verdict::Good if depth == Depth::Long => self.free(&device.id),
                Verdict::Good => {}
            }
        }
        if depth == Depth::Long {
            self.end_trials();
            if failed == 0 {
                self.known().doubt = false;
            }
        }
        failed
    }

    /// Puts a device into quarantine.
    pub fn put(&self, id: &str, name: &str, reason: &str, now: i64) {
        tracing::error!(
            device = id,
            name,
            reason,
            "device in quarantine: it computes nothing more until {} or the next start has tested it",
            hint::command("release-device")
        );
        let entry = Quarantined { name: name.to_owned(), reason: reason.to_owned(), since: now, on_trial: false };
        let mut all = self.quarantine();
        all.insert(id.to_owned(), entry.clone());
        let mut known = self.known();
        match write(&self.file, &all) {
            Ok(()) => drop(known.unwritten.remove(id)),
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "cannot write which devices are in quarantine");
                known.unwritten.insert(id.to_owned(), entry);
            }
        }
    }

    /// Devices on trial.
    #[must_use]
    pub fn on_trial(&self) -> BTreeSet<String> {
        self.quarantine().into_iter().filter(|(_, found)| found.on_trial).map(|(id, _)| id).collect()
    }

    /// Those on trial whom the test did not get to, or who are not there, stay where they were.
    fn end_trials(&self) {
        let mut all = self.quarantine();
        if all.values().all(|found| !found.on_trial) {
            return;
        }
        all.values_mut().for_each(|found| found.on_trial = false);
        if let Err(error) = write(&self.file, &all) {
            tracing::warn!(file = %self.file.display(), %error, "cannot write which devices are in quarantine");
        }
    }

    fn free(&self, id: &str) {
        let mut all = self.quarantine();
        if all.remove(id).is_some() {
            tracing::warn!(device = id, "device has passed a long test and is out of quarantine");
            self.known().unwritten.remove(id);
            if let Err(error) = write(&self.file, &all) {
                tracing::warn!(file = %self.file.display(), %error, "cannot write which devices are in quarantine");
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The devices in quarantine of a worker with this data directory.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read_from(directory: &Path) -> io::Result<Quarantine> {
    read(&directory.join(FILE))
}

/// Has devices tried again: that with this id, or all. Returns which.
///
/// # Errors
/// If the file cannot be used.
pub fn try_again(directory: &Path, id: Option<&str>) -> io::Result<Vec<String>> {
    let file = directory.join(FILE);
    let mut all = read(&file)?;
    let mut changed = Vec::new();
    for (found, entry) in &mut all {
        if id.is_none_or(|id| id == found) {
            entry.on_trial = true;
            changed.push(found.clone());
        }
    }
    if !changed.is_empty() {
        write(&file, &all)?;
    }
    Ok(changed)
}

fn read(file: &Path) -> io::Result<Quarantine> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Quarantine::new()),
        Err(e) => Err(e),
    }
}

fn write(file: &Path, all: &Quarantine) -> io::Result<()> {
    write_atomically(file, &serde_json::to_vec_pretty(all).map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, memory: u64) -> ChildDevice {
        ChildDevice { id: id.to_owned(), name: "GPU".to_owned(), memory }
    }

    #[test]
    fn who_fails_waits_for_a_long_test() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::open(dir.path());
        let (a, b) = (device("a", 8), device("b", 4));
        health.see(&[a.clone(), b.clone()]);
        assert_eq!((health.depth(), health.least_memory()), (Depth::Quick, Some(4)));
        let wrong = Verdict::Faulty("wrong bits".into());
        assert_eq!(health.judge(&[(a.clone(), Verdict::Good), (b.clone(), wrong.clone())], Depth::Quick, 5), 1);
        assert!(health.left_out().contains("b") && !health.is_hopeless());
        assert_eq!(health.least_memory(), Some(8));
        // It is remembered by the next worker.
        let next = Health::open(dir.path());
        assert_eq!(next.quarantine()["b"].reason, "wrong bits");
        next.see(std::slice::from_ref(&b));
        assert!(next.is_hopeless());

        assert_eq!(try_again(dir.path(), Some("x")).unwrap(), [""; 0]);
        assert_eq!(try_again(dir.path(), Some("b")).unwrap(), ["b"]);
        assert!(next.left_out().is_empty() && next.depth() == Depth::Long);
        // A short test is not enough, and another failure counts anew.
        next.judge(&[(b.clone(), Verdict::Good)], Depth::Quick, 6);
        assert!(next.quarantine().contains_key("b"));
        next.judge(&[(b.clone(), wrong)], Depth::Long, 7);
        assert_eq!((next.quarantine()["b"].since, next.left_out().len()), (7, 1));
        try_again(dir.path(), None).unwrap();
        next.judge(&[(a, Verdict::Good)], Depth::Long, 8);
        assert_eq!(next.left_out().len(), 1, "it was not there");
        try_again(dir.path(), None).unwrap();
        next.judge(&[(b, Verdict::Good)], Depth::Long, 9);
        assert!(next.quarantine().is_empty());
    }

    #[test]
    fn doubt_goes_with_a_long_test() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::open(dir.path());
        health.doubt();
        assert_eq!(health.depth(), Depth::Long);
        health.judge(&[(device("a", 1), Verdict::Good)], Depth::Quick, 0);
        assert_eq!(health.depth(), Depth::Long);
        health.judge(&[(device("a", 1), Verdict::Good)], Depth::Long, 0);
        assert_eq!(health.depth(), Depth::Quick);
    }
}
