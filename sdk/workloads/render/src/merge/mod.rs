//! From the outputs of units, in any order and of any number of jobs, to pictures.

mod rounds;
mod store;
mod sums;

use std::collections::BTreeMap;

use tessera_protocol::spec::JobSpec;

pub use self::rounds::Rounds;
use self::sums::Sums;
use crate::{
    error::{RenderError, Result},
    image::Image,
    layers::Layers,
    picture::{Film, Picture},
    work::{Part, Tiles, Work},
};

/// Adds up the outputs of units.
///
/// Sums are integers: any order of units, any tiling into jobs and any ranges of samples give the same bits. What was
/// added is remembered by frame, tile and sample, so nothing counts twice even if several jobs computed it.
pub struct Merge {
    film: Film,
    frames: BTreeMap<u32, Sums>,
}

impl Merge {
    /// An empty merge of the pictures of a job. Needs nothing but the specification.
    ///
    /// # Errors
    /// If the specification is not one of this renderer.
    pub fn new(spec: &JobSpec) -> Result<Self> {
        Ok(Self::on(Picture::from_spec(spec)?.film))
    }

    /// An empty merge of pictures of this size, whichever jobs they come from.
    #[must_use]
    pub const fn on(film: Film) -> Self {
        Self { film, frames: BTreeMap::new() }
    }

    /// Size and tiles of the pictures.
    #[must_use]
    pub const fn film(&self) -> Film {
        self.film
    }

    /// Adds the output of a unit of the job that `picture` describes. Returns false, and changes nothing, if its samples
    /// were added before, by this job or another.
    ///
    /// # Errors
    /// If there is no such unit, its output has another length, a part of its samples was added before, or the job
    /// rendered something else under the number of this frame.
    pub fn add(&mut self, picture: &Picture, unit: u64, output: &[u8]) -> Result<bool> {
        let refused = |reason: String| Err(RenderError::Merge(reason));
        let Some(place) = picture.unit(unit) else {
            return refused(format!("unit {unit} of a job of {} units", picture.units()));
        };
        if output.len() as u64 != picture.output_len() {
            return refused(format!("unit {unit} has {} bytes, expected {}", output.len(), picture.output_len()));
        }
        let Some(info) = picture.frame(place.frame).filter(|_| picture.film == self.film) else {
            return refused(format!("the job's pictures are of {:?}, expected {:?}", picture.film, self.film));
        };
        let sums = self.frames.entry(place.frame).or_insert_with(|| Sums::new(*info, &self.film));
        if sums.info != *info {
            return refused(format!("frame {} was rendered from another scene or with other settings", place.frame));
        }
        sums.add(&self.film, picture.aovs, &place, output)
    }

    /// Whether the samples of a unit were added.
    #[must_use]
    pub fn has(&self, picture: &Picture, unit: u64) -> bool {
        picture.unit(unit).is_some_and(|place| {
            let known = self.frames.get(&place.frame).map(|sums| &sums.tiles[place.tile as usize]);
            known.is_some_and(|known| known.covers(place.first_sample, place.first_sample + place.samples))
        })
    }

    /// Of the units of a job, how many were added, and how many there are.
    #[must_use]
    pub fn progress(&self, picture: &Picture) -> (u64, u64) {
        let all = picture.units();
        ((0..all).filter(|unit| self.has(picture, *unit)).count() as u64, all)
    }

    /// Whether every unit of a job that belongs to `frame` was added; false if the job has none.
    #[must_use]
    pub fn is_complete(&self, picture: &Picture, frame: u32) -> bool {
        let mut units = picture.frame_units(frame);
        !units.is_empty() && units.all(|unit| self.has(picture, unit))
    }

    /// What of `work` was not added yet.
    #[must_use]
    pub fn missing(&self, work: &Work) -> Work {
        let all = self.film.tile_count();
        let mut parts = Vec::new();
        for part in &work.parts {
            let Some(sums) = self.frames.get(&part.frame) else {
                parts.push(part.clone());
                continue;
            };
            let mut gaps: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
            for tile in part.tiles.numbers(all) {
                let wanted = (part.first_sample, part.first_sample + part.samples);
                for gap in sums.tiles[tile as usize].gaps(wanted.0, wanted.1) {
                    gaps.entry(gap).or_default().push(tile);
                }
            }
            parts.extend(gaps.into_iter().map(|((first, end), tiles)| part_of(part.frame, first, end, tiles, all)));
        }
        parts.sort_by_key(|part| (part.frame, part.first_sample));
        Work { parts }
    }

    /// Fewest and most samples of the pixels of a frame.
    #[must_use]
    pub fn samples(&self, frame: u32) -> (u32, u32) {
        let Some(sums) = self.frames.get(&frame) else { return (0, 0) };
        let counts = || sums.tiles.iter().map(sums::Known::samples);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// A frame as far as it is known: linear light; pixels without samples are black.
    #[must_use]
    pub fn image(&self, frame: u32) -> Image {
        let black = || Image::black(self.film.width as usize, self.film.height as usize);
        self.frames.get(&frame).map_or_else(black, |sums| sums.image(&self.film))
    }

    /// A frame with everything that is known of its pixels. `None` if nothing of it was added.
    #[must_use]
    pub fn layers(&self, frame: u32) -> Option<Layers> {
        self.frames.get(&frame).map(|sums| sums.layers(&self.film))
    }

    /// Forgets the sums of a frame that has been written, to free their memory; that its samples were added is still
    /// known.
    pub fn release(&mut self, frame: u32) {
        if let Some(sums) = self.frames.get_mut(&frame) {
            sums.release();
        }
    }
}

/// A part of some tiles; `first` to `end` are its samples.
fn part_of(frame: u32, first: u32, end: u32, tiles: Vec<u32>, all: u32) -> Part {
    let tiles = if tiles.len() == all as usize { Tiles::All } else { Tiles::of(tiles) };
    Part { frame, first_sample: first, samples: end - first, tiles }
}
