//! The sums of a frame.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    error::{RenderError, Result},
    image::Image,
    layers::Layers,
    layout::{FIXED_ONE, GUIDE_ONE},
    picture::{BEAUTY_LEN, Film, FrameInfo, MOMENT_LEN, SURFACE_LEN, UnitPlace},
    settings::Aovs,
};

/// Weights of red, green and blue in luminance. As in the kernel.
const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// Which samples of a tile were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Known {
    /// First samples and ends of disjoint ranges that do not touch, in order.
    pub ranges: Vec<(u32, u32)>,
    /// How many of them came with squares,
    pub with_moment: u32,
    /// and with surfaces.
    pub with_surface: u32,
}

impl Known {
    /// Whether all samples from `first` to before `end` are there.
    pub fn covers(&self, first: u32, end: u32) -> bool {
        self.ranges.iter().any(|range| range.0 <= first && end <= range.1)
    }

    /// How many samples are there.
    pub fn samples(&self) -> u32 {
        self.ranges.iter().map(|range| range.1 - range.0).sum()
    }

    /// The ranges between `first` and `end` that are not there.
    pub fn gaps(&self, first: u32, end: u32) -> Vec<(u32, u32)> {
        let (mut at, mut gaps) = (first, Vec::new());
        for range in self.ranges.iter().filter(|range| range.1 > first && range.0 < end) {
            if range.0 > at {
                gaps.push((at, range.0));
            }
            at = at.max(range.1);
        }
        if at < end {
            gaps.push((at, end));
        }
        gaps
    }

    /// Adds a range. Returns false if it is there already.
    fn insert(&mut self, first: u32, end: u32) -> std::result::Result<bool, String> {
        if self.covers(first, end) {
            return Ok(false);
        }
        if self.gaps(first, end) != [(first, end)] {
            return Err(format!("samples {first} to {end}, of which a part was added before"));
        }
        let place = self.ranges.partition_point(|range| range.0 < first);
        self.ranges.insert(place, (first, end));
        let joined = std::mem::take(&mut self.ranges);
        for range in joined {
            match self.ranges.last_mut() {
                Some(last) if last.1 == range.0 => last.1 = range.1,
                _ => self.ranges.push(range),
            }
        }
        Ok(true)
    }

    /// Whether the ranges are as [`Self::insert`] leaves them.
    pub fn is_sound(&self) -> bool {
        let disjoint = self.ranges.windows(2).all(|w| w[0].1 < w[1].0);
        let samples = || self.ranges.iter().fold(0u64, |sum, r| sum + u64::from(r.1 - r.0));
        disjoint
            && self.ranges.iter().all(|range| range.0 < range.1)
            && samples() >= u64::from(self.with_moment.max(self.with_surface))
    }
}

/// What is known of the surface that a pixel shows, summed over samples.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Surface {
    /// Distance along the view, of samples that met a surface.
    pub depth: u64,
    pub albedo: [u64; 3],
    pub normal: [i64; 3],
    /// Number of the object that the first sample met, plus 1.
    pub object: u32,
    /// Samples that met a surface.
    pub hits: u32,
}

/// The sums of a frame.
pub struct Sums {
    pub info: FrameInfo,
    pub tiles: Vec<Known>,
    /// Red, green and blue of each pixel; empty once released.
    pub beauty: Vec<u64>,
    /// Squares of luminance; empty where there are none.
    pub moment: Vec<u64>,
    /// Empty where there are none.
    pub surface: Vec<Surface>,
}

impl Sums {
    pub fn new(info: FrameInfo, film: &Film) -> Self {
        Self {
            info,
            tiles: vec![Known::default(); film.tile_count() as usize],
            beauty: vec![0; film.pixels() * 3],
            moment: Vec::new(),
            surface: Vec::new(),
        }
    }

    /// Adds the output of a unit, whose length has been checked.
    pub fn add(&mut self, film: &Film, aovs: Aovs, place: &UnitPlace, output: &[u8]) -> Result<bool> {
        let (first, end) = (place.first_sample, place.first_sample + place.samples);
        let known = &mut self.tiles[place.tile as usize];
        if known.covers(first, end) {
            return Ok(false);
        }
        let refused = |reason| RenderError::Merge(format!("frame {}, tile {}: {reason}", place.frame, place.tile));
        if self.beauty.is_empty() {
            return Err(refused("its sums were released".into()));
        }
        known.insert(first, end).map_err(refused)?;
        let (width, tile) = (film.width as usize, film.tile as usize);
        let pixels = tile * tile;
        // Where the pixels of a row of the tile stand in the frame, and in the output.
        let rows = (0..place.height as usize)
            .map(|row| ((place.y as usize + row) * width + place.x as usize, row * tile, place.width as usize));
        let words = |at: usize, count: usize| {
            output[at..at + count * 8].as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
        };
        for (to, from, count) in rows.clone() {
            let added = words(from * BEAUTY_LEN as usize, count * 3);
            self.beauty[to * 3..].iter_mut().zip(added).for_each(|(sum, value)| *sum = sum.wrapping_add(value));
        }
        let mut start = pixels * BEAUTY_LEN as usize;
        if aovs.noise {
            self.moment.resize(film.pixels(), 0);
            known.with_moment += place.samples;
            for (to, from, count) in rows.clone() {
                let added = words(start + from * MOMENT_LEN as usize, count);
                self.moment[to..].iter_mut().zip(added).for_each(|(sum, value)| *sum = sum.wrapping_add(value));
            }
            start += pixels * MOMENT_LEN as usize;
        }
        if aovs.surface {
            self.surface.resize(film.pixels(), Surface::default());
            known.with_surface += place.samples;
            for (to, from, count) in rows {
                let at = start + from * SURFACE_LEN as usize;
                let lines = output[at..at + count * SURFACE_LEN as usize].as_chunks().0;
                self.surface[to..].iter_mut().zip(lines).for_each(|(sum, bytes)| sum.add(bytes));
            }
        }
        Ok(true)
    }

    /// Drops the sums, but not what is known of which samples were added.
    pub fn release(&mut self) {
        self.beauty = Vec::new();
        self.moment = Vec::new();
        self.surface = Vec::new();
    }

    pub fn image(&self, film: &Film) -> Image {
        let (width, height) = (film.width as usize, film.height as usize);
        let mut image = Image::black(width, height);
        if self.beauty.is_empty() {
            return image;
        }
        for (i, tile) in places(film) {
            let samples = self.tiles[tile].samples();
            let scale = if samples == 0 { 0.0 } else { 1.0 / (f64::from(samples) * FIXED_ONE) };
            image.pixels[i] = std::array::from_fn(|c| (self.beauty[i * 3 + c] as f64 * scale) as f32);
        }
        image
    }

    /// Mean luminance of a pixel and the variance of that mean, both in units of typical light; `None` where it is not
    /// known. Built of single IEEE-754 operations in one order: the same everywhere.
    pub fn statistics(&self, pixel: usize, tile: usize) -> Option<(f64, f64)> {
        let known = &self.tiles[tile];
        let samples = known.samples();
        if samples < 2 || known.with_moment != samples || self.moment.is_empty() {
            return None;
        }
        let count = f64::from(samples);
        let sum = (0..3).fold(0.0, |sum, c| sum + LUMINANCE[c] * self.beauty[pixel * 3 + c] as f64);
        let mean = sum / (count * FIXED_ONE) * power_of_two(self.info.scale);
        let square = self.moment[pixel] as f64 / (count * FIXED_ONE);
        Some((mean, (square - mean * mean).max(0.0) / (count - 1.0)))
    }

    pub fn layers(&self, film: &Film) -> Layers {
        let mut layers = Layers::empty(self.image(film));
        if self.beauty.is_empty() {
            return layers;
        }
        let unit = 1.0 / power_of_two(self.info.scale);
        for (i, tile) in places(film) {
            layers.samples[i] = self.tiles[tile].samples();
            if let Some((_, variance)) = self.statistics(i, tile) {
                layers.error[i] = (variance.sqrt() * unit) as f32;
            }
            let with_surface = self.tiles[tile].with_surface;
            if with_surface > 0 && !self.surface.is_empty() {
                let sums = &self.surface[i];
                let (hits, count) = (f64::from(sums.hits.max(1)), f64::from(with_surface));
                layers.albedo[i] = sums.albedo.map(|v| (v as f64 / (count * GUIDE_ONE)) as f32);
                layers.normal[i] = sums.normal.map(|v| (v as f64 / (hits * GUIDE_ONE)) as f32);
                layers.depth[i] = (sums.depth as f64 / (hits * FIXED_ONE)) as f32;
                layers.alpha[i] = (f64::from(sums.hits) / count) as f32;
                layers.object[i] = sums.object;
            }
        }
        layers
    }
}

/// Each pixel with its tile.
fn places(film: &Film) -> impl Iterator<Item = (usize, usize)> {
    let (width, tile, across) = (film.width as usize, film.tile as usize, film.tiles().0 as usize);
    (0..film.pixels()).map(move |i| (i, i / width / tile * across + i % width / tile))
}

/// 2^`exponent`, exactly.
fn power_of_two(exponent: i8) -> f64 {
    f64::from_bits(((i64::from(exponent) + 1023) as u64) << 52)
}

impl Surface {
    /// Adds what a unit knows of a pixel. As the kernel lays it out.
    fn add(&mut self, bytes: &[u8; SURFACE_LEN as usize]) {
        let word = |i: usize| u32::from_le_bytes([bytes[i * 4], bytes[i * 4 + 1], bytes[i * 4 + 2], bytes[i * 4 + 3]]);
        for c in 0..3 {
            self.albedo[c] = self.albedo[c].wrapping_add(u64::from(word(c)));
            self.normal[c] = self.normal[c].wrapping_add(i64::from(word(3 + c) as i32));
        }
        self.object = self.object.wrapping_add(word(6));
        self.hits = self.hits.wrapping_add(word(7));
        self.depth = self.depth.wrapping_add(u64::from(word(8)) | u64::from(word(9)) << 32);
    }
}
