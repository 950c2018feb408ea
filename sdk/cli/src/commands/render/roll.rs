//! From the outputs of units to pictures on disk, while they come in.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use solana_pubkey::Pubkey;
use tessera_protocol::spec::JobSpec;
use tessera_render::{Exposure, Image, Layers, Merge, Picture, Settings, Work};
use tessera_sdk::{Error, StoreClient, Tessera};

use super::target::Target;
use crate::progress::Progress;

/// Least time between two previews.
const PREVIEW_EVERY: Duration = Duration::from_secs(2);

/// Frames that are being merged, and those that are written.
pub struct Roll {
    merge: Merge,
    target: Target,
    settings: Settings,
    /// Whether a frame is finished when each pixel has all samples; else somebody else decides.
    whole: bool,
    done: BTreeSet<u32>,
    /// Frames whose sums are newer than what was saved of them.
    unsaved: BTreeSet<u32>,
    preview: Preview,
}

/// A picture on disk that becomes better.
struct Preview {
    path: PathBuf,
    last: Option<Instant>,
    /// Whether one is being written.
    busy: Arc<AtomicBool>,
}

impl Roll {
    /// Nothing yet, or the frames in `done`.
    pub fn new(target: Target, settings: Settings, whole: bool, done: BTreeSet<u32>) -> Self {
        let preview = Preview { path: target.preview(), last: None, busy: Arc::default() };
        let merge = Merge::on(settings.film());
        Self { merge, target, settings, whole, done, unsaved: BTreeSet::new(), preview }
    }

    /// The sums.
    pub const fn merge(&self) -> &Merge {
        &self.merge
    }

    /// Frames that are written.
    pub const fn done(&self) -> &BTreeSet<u32> {
        &self.done
    }

    /// The brightness of what is written from now on.
    pub const fn expose(&mut self, exposure: Exposure) {
        self.settings.exposure = exposure;
    }

    /// Adds the output of a unit. Returns its frame if it is not finished.
    fn add(&mut self, picture: &Picture, unit: u64, output: &[u8]) -> Result<Option<u32>> {
        let Some(frame) = picture.unit(unit).map(|place| place.frame) else { return Ok(None) };
        if self.done.contains(&frame) {
            return Ok(None);
        }
        self.merge.add(picture, unit, output)?;
        self.unsaved.insert(frame);
        Ok(Some(frame))
    }

    /// Whether all units of a lease are of no use any more.
    fn has(&self, picture: &Picture, mut units: std::ops::Range<u64>) -> bool {
        let is_done = |unit| picture.unit(unit).is_some_and(|place| self.done.contains(&place.frame));
        units.all(|unit| is_done(unit) || self.merge.has(picture, unit))
    }

    /// Whether a frame has all its samples.
    fn is_whole(&self, frame: u32) -> bool {
        self.whole && self.merge.missing(&Work::whole([frame], self.settings.samples)).is_empty()
    }

    /// Writes a frame and frees its memory.
    pub fn finish(&mut self, frame: u32) -> Result<()> {
        let empty = || Layers::empty(self.merge.image(frame));
        let aovs = self.settings.aovs.surface;
        let layers = if aovs { self.merge.layers(frame).unwrap_or_else(empty) } else { empty() };
        self.target.write(frame, &layers, aovs, self.settings.exposure)?;
        self.merge.release(frame);
        self.unsaved.remove(&frame);
        self.done.insert(frame);
        Ok(())
    }

    /// Saves what was added of frames that are not finished, to files that `path` names.
    pub fn save(&mut self, path: impl Fn(u32) -> PathBuf) -> Result<()> {
        while let Some(frame) = self.unsaved.first().copied() {
            self.merge.save_frame(frame, &path(frame))?;
            self.unsaved.remove(&frame);
        }
        Ok(())
    }

    /// Reads sums that were saved. Returns the frame.
    pub fn restore(&mut self, path: &Path) -> Result<u32> {
        Ok(self.merge.restore_frame(path)?)
    }

    /// Writes a preview of a frame, if the last one was not just now. It is not waited for.
    fn preview(&mut self, frame: u32) {
        let due = self.preview.last.is_none_or(|last| last.elapsed() >= PREVIEW_EVERY);
        if !due || self.preview.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        self.preview.last = Some(Instant::now());
        let (image, exposure): (Image, _) = (self.merge.image(frame), self.settings.exposure);
        let (path, busy) = (self.preview.path.clone(), self.preview.busy.clone());
        tokio::task::spawn_blocking(move || {
            // Where it cannot be written, the picture itself will tell.
            let _ = image.save(&path, exposure);
            busy.store(false, Ordering::Release);
        });
    }

    /// Removes the preview, when the pictures are there. Waits for one that is being written.
    pub async fn end(&mut self) {
        while self.preview.busy.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = fs::remove_file(&self.preview.path);
    }

    /// Collects the outputs of a job and writes the frames that become finished; tells `finished` of them. `status` says
    /// what stands beside the progress when so many units are there.
    pub async fn collect(
        &mut self,
        tessera: &Tessera,
        job: &Pubkey,
        spec: &JobSpec,
        store: &StoreClient,
        status: impl Fn(&Self, u32, u64) -> String,
        mut finished: impl FnMut(u32) -> Result<()>,
    ) -> Result<(), Error> {
        let caller = |error: anyhow::Error| Error::Caller(error.into());
        let picture = Picture::from_spec(spec).map_err(|error| caller(error.into()))?;
        let mut progress = Progress::new("rendering", spec.units);
        let mut known = HashSet::new();
        let mut collected = 0;
        for lease in tessera.settled(job).await? {
            if self.has(&picture, lease.units.clone()) {
                known.insert(lease.index);
                collected += lease.units.end - lease.units.start;
            }
        }
        // What was collected but not written because this program was stopped in between.
        for info in &picture.frames {
            if !self.done.contains(&info.number) && self.is_whole(info.number) {
                self.finish(info.number).and_then(|()| finished(info.number)).map_err(caller)?;
            }
        }
        progress.add(collected);
        let all = tessera.collect(job, spec, store, &known, |lease| {
            let mut frames = BTreeSet::new();
            for (unit, output) in lease.units() {
                frames.extend(self.add(&picture, unit, output)?);
            }
            let last = frames.last().copied();
            for frame in frames {
                if self.is_whole(frame) {
                    self.finish(frame)?;
                    finished(frame)?;
                } else if Some(frame) == last {
                    self.preview(frame);
                }
            }
            collected += lease.outputs.len() as u64;
            let frame = picture.unit(lease.first_unit).map_or(0, |place| place.frame);
            progress.note(status(self, frame, collected));
            progress.add(lease.outputs.len() as u64);
            Ok(())
        });
        all.await.map(drop)
    }
}

/// Removes a file, which may not be there.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
