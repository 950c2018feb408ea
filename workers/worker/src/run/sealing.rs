//! Hashing and sealing the outputs of a lease, in a thread of its own: while one unit computes, those before are sealed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use tessera_protocol::{
    cid::{CHUNK_LEN, Cid, CidHasher},
    commitment::LeaseHasher,
    outputs::Layout,
    seal,
    verdict::VOID_ROOT,
};
use tokio::task::JoinHandle;

use super::compute::ComputeError;
use crate::{cache::write_atomically, fault, journal::Sealed};

/// A lease whose outputs are sealed as they come.
pub struct Sealing {
    /// Without bounds: the outputs of a lease stay in memory until the last is sealed, on this side or on the other.
    to: mpsc::Sender<Vec<u8>>,
    thread: JoinHandle<Result<Sealed, ComputeError>>,
    sealed: Arc<AtomicU32>,
}

impl Sealing {
    /// Makes ready for `units` outputs, which go to the directory `outbox` under a fresh key once all have come.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn start(provider: [u8; 32], units: u32, outbox: PathBuf) -> Result<Self, ComputeError> {
        let mut outputs = Outputs::new(provider)?;
        let (to, from) = mpsc::channel::<Vec<u8>>();
        let sealed = Arc::new(AtomicU32::new(0));
        let counter = sealed.clone();
        let thread = tokio::task::spawn_blocking(move || {
            for output in from {
                outputs.push(output);
                counter.fetch_add(1, Ordering::Release);
            }
            // Nobody waits for a lease that was given up half-way.
            match counter.load(Ordering::Acquire) {
                found if found == units => outputs.keep(&outbox),
                found => Err(io::Error::other(format!("{found} outputs of {units} units")).into()),
            }
        });
        Ok(Self { to, thread, sealed })
    }

    /// Takes the output of the next unit.
    pub fn take(&self, output: Vec<u8>) {
        // A thread that is gone has a reason, which `finish` tells.
        let _ = self.to.send(output);
    }

    /// How many outputs are sealed by now.
    #[must_use]
    pub fn sealed(&self) -> u32 {
        self.sealed.load(Ordering::Acquire)
    }

    /// Waits until all outputs are sealed and on disk.
    ///
    /// # Errors
    /// If some are missing or the file cannot be written.
    pub async fn finish(self) -> Result<Sealed, ComputeError> {
        drop(self.to);
        self.thread.await.unwrap_or_else(|e| Err(io::Error::other(e).into()))
    }
}

/// What is committed where there is nothing to seal: no output, no work, and a root that says so.
///
/// # Errors
/// If the system gives no random numbers.
pub fn void() -> Result<Sealed, ComputeError> {
    let (mut key, mut nonce) = ([0; 32], [0; 32]);
    getrandom::fill(&mut key)?;
    getrandom::fill(&mut nonce)?;
    Ok(Sealed { result_root: VOID_ROOT, work_root: VOID_ROOT, key, nonce, cid: Cid::default(), len: 0 })
}

/// The outputs of a lease so far.
struct Outputs {
    hasher: LeaseHasher,
    key: [u8; 32],
    nonce: [u8; 32],
    /// Sealed; every unit begins at a chunk.
    bytes: Vec<u8>,
    cid: CidHasher,
}

impl Outputs {
    fn new(provider: [u8; 32]) -> Result<Self, ComputeError> {
        let (mut key, mut nonce) = ([0; 32], [0; 32]);
        getrandom::fill(&mut key)?;
        getrandom::fill(&mut nonce)?;
        let (hasher, cid) = (LeaseHasher::new(provider), CidHasher::default());
        Ok(Self { hasher, key, nonce, bytes: Vec::new(), cid })
    }

    fn push(&mut self, mut output: Vec<u8>) {
        if self.hasher.unit_hashes().is_empty() {
            fault::spoil(&mut output);
        }
        self.hasher.push(&output);
        let padding = Layout { units: 1, output_len: output.len() as u64 }.padding();
        let sealed = self.bytes.len();
        self.bytes.extend_from_slice(&output);
        // Less than a chunk, or one for an output without bytes.
        self.bytes.resize(self.bytes.len() + padding as usize, 0);
        let unit = &mut self.bytes[sealed..];
        seal::apply(&self.key, (sealed / CHUNK_LEN) as u64, unit);
        self.cid.update(unit);
    }

    /// Writes the sealed outputs to disk.
    fn keep(self, outbox: &Path) -> Result<Sealed, ComputeError> {
        let Self { hasher, key, nonce, bytes, cid, .. } = self;
        let (result_root, work_root) = hasher.roots().ok_or_else(|| io::Error::other("a lease without units"))?;
        let cid = cid.finish();
        write_atomically(&outbox.join(cid.to_string()), &bytes)?;
        Ok(Sealed { result_root, work_root, key, nonce, cid, len: bytes.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tessera_protocol::outputs::{self, Shown};

    use super::*;

    const PROVIDER: [u8; 32] = [7; 32];

    /// Hands over outputs one by one, each only when those before are sealed.
    async fn seal(outputs: &[Vec<u8>], units: u32, outbox: &Path) -> Result<Sealed, ComputeError> {
        let sealing = Sealing::start(PROVIDER, units, outbox.into()).unwrap();
        for (before, output) in (0..).zip(outputs) {
            let wait = async {
                while sealing.sealed() < before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            // Nothing waits for the end: the next unit may still be computing.
            tokio::time::timeout(Duration::from_secs(60), wait).await.expect("sealed before the next one came");
            sealing.take(output.clone());
        }
        sealing.finish().await
    }

    #[tokio::test]
    async fn sealed_outputs_open_to_what_was_hashed_and_keys_are_never_the_same() {
        let dir = tempfile::tempdir().unwrap();
        // Below, at and above a chunk: every unit begins at a chunk of its own.
        for len in [1, 500, 1000, 1024, 1025, 5000] {
            let results: Vec<Vec<u8>> = (0..5u32).map(|n| (0..len).map(|i| (n + i * 7) as u8).collect()).collect();
            let one = seal(&results, 5, dir.path()).await.unwrap();
            let two = seal(&results, 5, dir.path()).await.unwrap();
            assert_eq!((one.result_root, one.work_root), (two.result_root, two.work_root));
            assert!(one.key != two.key && one.nonce != two.nonce && one.cid != two.cid);

            let mut opened = std::fs::read(dir.path().join(one.cid.to_string())).unwrap();
            assert_eq!((Cid::of(&opened), opened.len() as u64), (one.cid, one.len));
            let layout = Layout { units: 5, output_len: len as u64 };
            let shown = Shown {
                provider: PROVIDER,
                units: 5,
                sealed: one.cid,
                key: one.key,
                result_root: one.result_root,
                work_root: one.work_root,
            };
            for chunk in 0..layout.chunks().unwrap() {
                let answer = outputs::answer(&PROVIDER, &one.key, &layout, &opened, chunk).unwrap();
                assert_eq!(outputs::check(&shown, chunk, &answer), Ok(()), "any chunk can be shown");
            }
            seal::apply(&one.key, 0, &mut opened);
            let each = (len as usize).next_multiple_of(CHUNK_LEN);
            let mut hasher = LeaseHasher::new(PROVIDER);
            for (unit, output) in opened.chunks(each).zip(&results) {
                let (found, padding) = unit.split_at(len as usize);
                assert!(found == output && padding.iter().all(|byte| *byte == 0));
                hasher.push(found);
            }
            assert_eq!(hasher.roots(), Some((one.result_root, one.work_root)));
        }
    }

    #[test]
    fn void_results_hide_what_they_are_until_they_are_revealed() {
        let (one, two) = (void().unwrap(), void().unwrap());
        assert!(one.is_void() && one.key != two.key && one.nonce != two.nonce);
    }

    #[tokio::test]
    async fn a_lease_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = seal(&[vec![1; 10]], 2, dir.path()).await.err().unwrap();
        assert!(error.to_string().contains("1 outputs of 2 units"), "{error}");
        let sealing = Sealing::start(PROVIDER, 1, dir.path().into()).unwrap();
        drop(sealing.to);
        assert!(sealing.thread.await.unwrap().is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
