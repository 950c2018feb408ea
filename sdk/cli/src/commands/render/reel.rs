//! The scene and its frames, packed as much at once as fits.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use tessera_protocol::hash::sha256;
use tessera_render::{Scene, SceneFile, Settings, Shot};

use super::picture::Picture;

/// Most bytes of the packed scene in one job, unless one frame alone has more: it is uploaded, and workers hold it in the
/// memory of their GPUs.
const MAX_SCENE: usize = 256 << 20;
/// Most bytes of sums that frames of one job take here while they are not finished.
const MAX_SUMS: usize = 2 << 30;
/// Bytes of a pixel's sums: the picture alone, with what noise is known from, with surfaces.
const SUMS: [usize; 3] = [24, 32, 96];

/// A scene file, and what is shown of it.
pub struct Reel {
    file: SceneFile,
    /// Place of the animation; `None`: the scene rests.
    clip: Option<usize>,
    fps: f32,
    settings: Settings,
    frames: BTreeSet<u32>,
    digest: String,
}

impl Reel {
    /// Reads the scene and finds what is to be shown.
    pub fn open(path: &Path, picture: &Picture, settings: Settings) -> Result<Self> {
        let file = SceneFile::open(path)?;
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = sha256(&[&bytes]).iter().map(|byte| format!("{byte:02x}")).collect();
        let clip = clip(&file, picture, path)?;
        let frames = match (&picture.frames, clip) {
            (Some(frames), _) => frames.0.clone(),
            (None, Some(clip)) => {
                let about = file.animations()[clip];
                let (first, last) = ((about.start * picture.fps).ceil(), (about.end * picture.fps).floor());
                (first.max(0.0) as u32..=last.max(first).max(0.0) as u32).collect()
            }
            (None, None) => BTreeSet::from([0]),
        };
        let (Some(first), Some(last)) = (frames.first().copied(), frames.last().copied()) else { bail!("no frames") };
        if frames.len() > 1 && clip.is_none() && !picture.turntable {
            bail!(
                "{} has no animation; give --turntable for a camera that goes around it, or one frame only",
                path.display()
            );
        }
        let settings = Settings { first_frame: first, frames: last - first + 1, ..settings };
        settings.validate()?;
        Ok(Self { file, clip, fps: picture.fps, settings, frames, digest })
    }

    /// Numbers of the frames.
    pub const fn frames(&self) -> &BTreeSet<u32> {
        &self.frames
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Names the bytes of the scene's file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Packs some frames.
    pub fn pack(&self, frames: &BTreeSet<u32>) -> Result<Shot> {
        self.pack_with(&self.settings, frames)
    }

    /// Packs some frames with other settings.
    pub fn pack_with(&self, settings: &Settings, frames: &BTreeSet<u32>) -> Result<Shot> {
        let pose = |frame: u32, offset: f32| -> tessera_render::Result<Scene> {
            self.file.pose(self.clip, (frame as f32 + offset) / self.fps)
        };
        Ok(match self.clip {
            Some(_) => Shot::animated(settings, frames.iter().copied(), pose)?,
            None => Shot::new(&self.file.pose(None, 0.0)?, settings)?,
        })
    }

    /// Divides frames into those of one job each, whose memory is bounded, here and at the workers. `first` is a frame that
    /// is packed already.
    pub fn batches(&self, frames: &BTreeSet<u32>, first: &Shot, most: Option<u32>) -> Result<Vec<BTreeSet<u32>>> {
        let settings = &self.settings;
        let kind = if settings.aovs.surface { 2 } else { usize::from(settings.aovs.noise) };
        let of_sums = MAX_SUMS / (settings.film().pixels() * SUMS[kind]).max(1);
        let mut count = of_sums.min(most.map_or(usize::MAX, |most| most as usize)).max(1);
        // What a frame adds to another one: of a scene that rests, and of one where little moves, almost nothing.
        if self.clip.is_some() && count > 1 && frames.len() > 1 {
            let middle = frames.iter().nth(frames.len() / 2).copied();
            let two: BTreeSet<u32> = first.frames().chain(middle).collect();
            let (one, two) = (first.scene_len(), self.pack(&two)?.scene_len());
            count = count.min(1 + MAX_SCENE.saturating_sub(one) / two.saturating_sub(one).max(1));
        }
        let all: Vec<u32> = frames.iter().copied().collect();
        Ok(all.chunks(count).map(|chunk| chunk.iter().copied().collect()).collect())
    }
}

/// The animation that is asked for.
fn clip(file: &SceneFile, picture: &Picture, path: &Path) -> Result<Option<usize>> {
    let animations = file.animations();
    let Some(name) = &picture.animation else {
        return Ok((picture.frames.is_some() && !picture.turntable && !animations.is_empty()).then_some(0));
    };
    let named = animations.iter().position(|animation| animation.name.as_ref() == Some(name));
    let numbered = || name.parse().ok().filter(|number| *number < animations.len());
    match named.or_else(numbered) {
        Some(place) => Ok(Some(place)),
        None if animations.is_empty() => bail!("{} has no animations; leave --animation out", path.display()),
        None => {
            let names: Vec<String> = animations
                .iter()
                .enumerate()
                .map(|(i, animation)| {
                    let name = animation.name.clone().unwrap_or_else(|| i.to_string());
                    format!("{name} ({:.2} to {:.2} s)", animation.start, animation.end)
                })
                .collect();
            bail!("{} has no animation {name:?}; its animations: {}", path.display(), names.join(", "))
        }
    }
}
