//! From the outputs of units, in any order, to pictures.

use std::collections::BTreeMap;

use tessera_protocol::spec::JobSpec;

use crate::{
    error::{RenderError, Result},
    image::Image,
    job::{PIXEL_LEN, Picture, UnitPlace},
    layout::FIXED_ONE,
};

/// Adds up the outputs of a job's units.
///
/// Sums are integers: any order of units gives the same bits.
pub struct Merge {
    picture: Picture,
    added: Vec<u64>,
    count: u64,
    frames: BTreeMap<u32, Frame>,
}

struct Frame {
    sums: Vec<u64>,
    /// Samples of each tile so far.
    samples: Vec<u32>,
}

impl Merge {
    /// An empty merge of the pictures of a job. Needs nothing but the specification.
    ///
    /// # Errors
    /// If the specification is not one of this renderer.
    pub fn new(spec: &JobSpec) -> Result<Self> {
        let picture = Picture::from_spec(spec)?;
        let words = usize::try_from(picture.units().div_ceil(64))
            .map_err(|_| RenderError::TooLarge(format!("{} units", picture.units())))?;
        Ok(Self { picture, added: vec![0; words], count: 0, frames: BTreeMap::new() })
    }

    /// What the pictures are.
    #[must_use]
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Adds the output of a unit. Returns false, and changes nothing, if it was added before.
    ///
    /// # Errors
    /// If there is no such unit or its output has another length.
    pub fn add(&mut self, unit: u64, output: &[u8]) -> Result<bool> {
        let units = self.picture.units();
        let place = self.picture.unit(unit);
        let place = place.ok_or_else(|| RenderError::Merge(format!("unit {unit} of a job of {units} units")))?;
        if output.len() as u64 != self.picture.output_len() {
            let expected = self.picture.output_len();
            return Err(RenderError::Merge(format!("unit {unit} has {} bytes, expected {expected}", output.len())));
        }
        let (word, bit) = ((unit / 64) as usize, 1u64 << (unit % 64));
        if self.added[word] & bit != 0 {
            return Ok(false);
        }
        let (width, tiles) = (self.picture.width as usize, self.picture.tiles());
        let frame = self.frames.entry(place.frame).or_insert_with(|| Frame {
            sums: vec![0; width * self.picture.height as usize * 3],
            samples: vec![0; tiles.0 as usize * tiles.1 as usize],
        });
        for row in 0..place.height as usize {
            let from = row * self.picture.tile as usize * PIXEL_LEN as usize;
            let line = &output[from..from + place.width as usize * PIXEL_LEN as usize];
            let start = ((place.y as usize + row) * width + place.x as usize) * 3;
            for (sum, bytes) in frame.sums[start..].iter_mut().zip(line.chunks_exact(8)) {
                let mut value = [0; 8];
                value.copy_from_slice(bytes);
                *sum = sum.wrapping_add(u64::from_le_bytes(value));
            }
        }
        frame.samples[tile_index(&self.picture, &place)] += place.samples;
        self.added[word] |= bit;
        self.count += 1;
        Ok(true)
    }

    /// Whether the output of a unit was added.
    #[must_use]
    pub fn has(&self, unit: u64) -> bool {
        self.added.get((unit / 64) as usize).is_some_and(|word| word >> (unit % 64) & 1 == 1)
    }

    /// Units added, and units in all.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.count, self.picture.units())
    }

    /// Whether every unit of a frame was added.
    #[must_use]
    pub fn is_complete(&self, frame: u32) -> bool {
        frame < self.picture.frames && self.picture.frame_units(frame).all(|unit| self.has(unit))
    }

    /// A frame as far as it is known: linear light; pixels without samples are black. `None` if there is no such frame.
    #[must_use]
    pub fn image(&self, frame: u32) -> Option<Image> {
        if frame >= self.picture.frames {
            return None;
        }
        let (width, height) = (self.picture.width as usize, self.picture.height as usize);
        let Some(known) = self.frames.get(&frame) else {
            return Some(Image::black(width, height));
        };
        let (across, tile) = (self.picture.tiles().0 as usize, self.picture.tile as usize);
        let pixels = (0..width * height).map(|i| {
            let samples = known.samples[i / width / tile * across + i % width / tile];
            let scale = if samples == 0 { 0.0 } else { 1.0 / (f64::from(samples) * FIXED_ONE) };
            std::array::from_fn(|c| (known.sums[i * 3 + c] as f64 * scale) as f32)
        });
        Some(Image { width, height, pixels: pixels.collect() })
    }

    /// Forgets the sums of a frame that has been written, to free their memory.
    pub fn release(&mut self, frame: u32) {
        if self.is_complete(frame) {
            self.frames.remove(&frame);
        }
    }
}

fn tile_index(picture: &Picture, place: &UnitPlace) -> usize {
    (place.y / picture.tile) as usize * picture.tiles().0 as usize + (place.x / picture.tile) as usize
}
