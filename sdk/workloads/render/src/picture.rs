//! What the units of a job are and what merging needs to know of them.

use borsh::{BorshDeserialize, BorshSerialize};
use tessera_protocol::spec::JobSpec;

use crate::{
    error::{RenderError, Result},
    settings::{Aovs, Exposure, MAX_FRAMES, MAX_SAMPLES, Settings},
    work::{Part, Work},
};

/// Name of this front end in job specifications.
pub const FRONT_END: &str = "render";
/// Version of [`Picture`]'s encoding.
const PICTURE_VERSION: u8 = 2;
/// Most bytes of an encoded picture: the job specification that holds it is bounded.
const MAX_ENCODED: usize = 900 << 10;
/// Bytes of a pixel in a unit's output: three sums of 64 bits,
pub const BEAUTY_LEN: u64 = 24;
/// the sum of squares where it is asked for,
pub const MOMENT_LEN: u64 = 8;
/// and what is known of the surface that is seen.
pub const SURFACE_LEN: u64 = 40;

/// The size of pictures and how they are cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Film {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Side of a tile in pixels.
    pub tile: u32,
}

impl Film {
    /// Tiles of a frame across and down.
    #[must_use]
    pub const fn tiles(&self) -> (u32, u32) {
        (self.width.div_ceil(self.tile), self.height.div_ceil(self.tile))
    }

    /// Tiles of a frame.
    #[must_use]
    pub const fn tile_count(&self) -> u32 {
        self.tiles().0 * self.tiles().1
    }

    /// Pixels of a frame.
    #[must_use]
    pub const fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Corner and size of tile `number` as far as it lies inside of the frame: x, y, width, height.
    #[must_use]
    pub fn area(&self, number: u32) -> [u32; 4] {
        let (across, _) = self.tiles();
        let (x, y) = (number % across * self.tile, number / across * self.tile);
        [x, y, self.tile.min(self.width - x), self.tile.min(self.height - y)]
    }
}

/// What merging needs to know of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FrameInfo {
    /// Its number.
    pub number: u32,
    /// Names everything that its samples depend on: scene, camera, settings, kernel. Samples of equal identities may be
    /// added up.
    pub identity: [u8; 16],
    /// Squares are summed of luminance times 2^scale.
    pub scale: i8,
}

/// What a job computes. Stands in [`FrontEnd::data`](tessera_protocol::spec::FrontEnd::data), so the specification alone
/// is enough to resume.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Picture {
    version: u8,
    /// Size and tiles.
    pub film: Film,
    /// Samples of a pixel in one unit.
    pub samples_per_unit: u32,
    /// What units give besides the picture.
    pub aovs: Aovs,
    /// Brightness of the PNG.
    pub exposure: Exposure,
    /// The frames, by number.
    pub frames: Vec<FrameInfo>,
    /// What is computed of them, by frame and first sample.
    pub parts: Vec<Part>,
    /// First unit of each part, then the number of units.
    #[borsh(skip)]
    first_units: Vec<u64>,
}

/// What a unit computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPlace {
    /// Number of the frame.
    pub frame: u32,
    /// Number of the tile.
    pub tile: u32,
    /// First pixel of the tile across.
    pub x: u32,
    /// First pixel of the tile down.
    pub y: u32,
    /// Pixels of the tile across that lie inside of the frame.
    pub width: u32,
    /// Pixels of the tile down that lie inside of the frame.
    pub height: u32,
    /// First sample.
    pub first_sample: u32,
    /// Number of samples.
    pub samples: u32,
}

impl Picture {
    /// The picture of some work on `frames`.
    ///
    /// # Errors
    /// If the work does not fit the frames or the numbers are out of range.
    pub fn new(settings: &Settings, frames: Vec<FrameInfo>, work: &Work) -> Result<Self> {
        let mut picture = Self {
            version: PICTURE_VERSION,
            film: settings.film(),
            samples_per_unit: settings.samples_per_unit,
            aovs: settings.aovs,
            exposure: settings.exposure,
            frames,
            parts: work.parts.clone(),
            first_units: Vec::new(),
        };
        picture.index().map_err(RenderError::Setting)?;
        let len = picture.encode()?.len();
        if len > MAX_ENCODED {
            let reason =
                format!("its list of tiles has {len} bytes, at most {MAX_ENCODED}: larger tiles, fewer frames");
            return Err(RenderError::Setting(format!("the job is too large: {reason}")));
        }
        Ok(picture)
    }

    /// Reads what a job specification says about its pictures.
    ///
    /// # Errors
    /// If the job was made by another front end or version, or its numbers do not fit together.
    pub fn from_spec(spec: &JobSpec) -> Result<Self> {
        let refused = |reason: String| RenderError::Merge(format!("not a job of this renderer: {reason}"));
        if spec.front_end.name != FRONT_END {
            return Err(refused(format!("its front end is {:?}, expected {FRONT_END:?}", spec.front_end.name)));
        }
        if spec.front_end.data.first() != Some(&PICTURE_VERSION) {
            let version = spec.front_end.data.first();
            return Err(refused(format!("picture version {version:?}, expected {PICTURE_VERSION}")));
        }
        let mut picture = Self::try_from_slice(&spec.front_end.data).map_err(|e| refused(e.to_string()))?;
        let settings = Settings {
            width: picture.film.width,
            height: picture.film.height,
            tile: picture.film.tile,
            samples_per_unit: picture.samples_per_unit,
            exposure: picture.exposure,
            aovs: picture.aovs,
            ..Settings::default()
        };
        settings.validate()?;
        picture.index().map_err(refused)?;
        if picture.units() != spec.units || picture.output_len() != spec.output_len() {
            return Err(refused(format!(
                "{} units of {} bytes, expected {} of {}",
                spec.units,
                spec.output_len(),
                picture.units(),
                picture.output_len()
            )));
        }
        Ok(picture)
    }

    /// The bytes that a job specification holds.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn encode(&self) -> Result<Vec<u8>> {
        borsh::to_vec(self).map_err(|e| RenderError::Merge(format!("cannot encode the picture's numbers: {e}")))
    }

    /// Checks frames and parts and numbers their units.
    fn index(&mut self) -> std::result::Result<(), String> {
        let frames = self.frames.len();
        if frames == 0 || frames > MAX_FRAMES as usize {
            return Err(format!("{frames} frames, expected 1 to {MAX_FRAMES}"));
        }
        if !self.frames.is_sorted_by(|a, b| a.number < b.number) {
            return Err("frames are not in order".into());
        }
        if self.parts.is_empty() {
            return Err("there is nothing to render".into());
        }
        if !self.parts.is_sorted_by_key(|part| (part.frame, part.first_sample)) {
            return Err("parts are not in order".into());
        }
        let all = self.film.tile_count();
        let mut units = 0u64;
        self.first_units = Vec::with_capacity(self.parts.len() + 1);
        for part in &self.parts {
            if self.frame(part.frame).is_none() {
                return Err(format!("frame {} is not one of the job", part.frame));
            }
            let end = u64::from(part.first_sample) + u64::from(part.samples);
            if part.samples == 0 || end > u64::from(MAX_SAMPLES) {
                return Err(format!("samples {} to {end}, at most {MAX_SAMPLES}", part.first_sample));
            }
            let tiles = part.tiles.count(all);
            if tiles == 0 || !part.tiles.fits(all) {
                return Err(format!("{tiles} tiles of a frame of {all}"));
            }
            self.first_units.push(units);
            units += u64::from(tiles) * u64::from(part.samples.div_ceil(self.samples_per_unit));
        }
        self.first_units.push(units);
        if units > u64::from(u32::MAX) {
            return Err(format!("{units} units, at most {}: use larger tiles", u32::MAX));
        }
        Ok(())
    }

    /// What is known of the frame of this number.
    #[must_use]
    pub fn frame(&self, number: u32) -> Option<&FrameInfo> {
        self.frames.binary_search_by_key(&number, |frame| frame.number).ok().map(|i| &self.frames[i])
    }

    /// What the job computes.
    #[must_use]
    pub fn work(&self) -> Work {
        Work { parts: self.parts.clone() }
    }

    /// Number of units.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.first_units.last().copied().unwrap_or(0)
    }

    /// First unit of each part.
    #[must_use]
    pub fn first_units(&self) -> &[u64] {
        &self.first_units[..self.parts.len()]
    }

    /// Bytes of a unit's output.
    #[must_use]
    pub const fn output_len(&self) -> u64 {
        let moment = if self.aovs.noise { MOMENT_LEN } else { 0 };
        let surface = if self.aovs.surface { SURFACE_LEN } else { 0 };
        self.film.tile as u64 * self.film.tile as u64 * (BEAUTY_LEN + moment + surface)
    }

    /// What unit `unit` computes; `None` if there is no such unit. Parts follow each other; within one, all tiles of the
    /// first range of samples come first, so that a noisy picture is whole early.
    #[must_use]
    pub fn unit(&self, unit: u64) -> Option<UnitPlace> {
        if unit >= self.units() {
            return None;
        }
        let place = self.first_units.partition_point(|first| *first <= unit) - 1;
        let part = &self.parts[place];
        let all = self.film.tile_count();
        let (rest, count) = (unit - self.first_units[place], u64::from(part.tiles.count(all)));
        let range = (rest / count) as u32;
        let tile = part.tiles.nth((rest % count) as u32, all)?;
        let [x, y, width, height] = self.film.area(tile);
        let skipped = range * self.samples_per_unit;
        Some(UnitPlace {
            frame: part.frame,
            tile,
            x,
            y,
            width,
            height,
            first_sample: part.first_sample + skipped,
            samples: self.samples_per_unit.min(part.samples - skipped),
        })
    }

    /// The units of a frame.
    #[must_use]
    pub fn frame_units(&self, frame: u32) -> std::ops::Range<u64> {
        let first = self.parts.partition_point(|part| part.frame < frame);
        let end = self.parts.partition_point(|part| part.frame <= frame);
        self.first_units[first]..self.first_units[end]
    }
}
