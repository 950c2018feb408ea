//! Which tiles need more samples: a function of the sums alone, the same on every machine.
//!
//! The noise of a tile is the root of the mean, over its pixels, of the squared standard error of luminance relative to
//! luminance plus a floor. Samples of a pixel are better spread than independent ones, so their true error is below this.

use std::collections::BTreeMap;

use super::{Merge, part_of, sums::Sums};
use crate::work::Work;

/// Luminance below this share of typical light is not judged relative to itself.
const FLOOR: f64 = 0.0625;
/// A neighbour's noise that keeps a tile going, over the target: what lights a caustic here may have been missed there.
const NEIGHBOUR: f64 = 2.0;

/// How samples are spread over rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounds {
    /// Samples of every pixel in the first round.
    pub first: u32,
    /// Most samples of a pixel.
    pub most: u32,
    /// Noise of a tile at which it is done; `None`: every pixel gets the most.
    pub noise: Option<f32>,
}

impl Merge {
    /// What the next round computes of `frames`: gaps in what was added are filled first, then tiles with too much noise
    /// get twice or four times their samples. Empty when all tiles are done.
    #[must_use]
    pub fn next_round(&self, frames: impl IntoIterator<Item = u32>, rounds: &Rounds) -> Work {
        let all = self.film.tile_count();
        let first = rounds.first.clamp(1, rounds.most.max(1));
        let mut work = Work::default();
        for frame in frames {
            let mut ranges: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
            match self.frames.get(&frame) {
                None => work.parts.extend(Work::whole([frame], first).parts),
                Some(sums) => {
                    let noise = self.tile_noise(sums);
                    for tile in 0..all {
                        for range in self.wanted(sums, &noise, tile, first, rounds) {
                            ranges.entry(range).or_default().push(tile);
                        }
                    }
                }
            }
            let parts = ranges.into_iter().map(|((from, end), tiles)| part_of(frame, from, end, tiles, all));
            work.parts.extend(parts);
        }
        work.parts.sort_by_key(|part| (part.frame, part.first_sample));
        work
    }

    /// Noise of a frame: that of its noisiest tile. `None` while it is not known of every tile.
    #[must_use]
    pub fn noise(&self, frame: u32) -> Option<f32> {
        let noise = self.tile_noise(self.frames.get(&frame)?);
        noise.into_iter().try_fold(0f64, |most, noise| Some(most.max(noise?))).map(|square| square.sqrt() as f32)
    }

    /// The samples that a tile lacks.
    fn wanted(&self, sums: &Sums, noise: &[Option<f64>], tile: u32, first: u32, rounds: &Rounds) -> Vec<(u32, u32)> {
        let known = &sums.tiles[tile as usize];
        let end = known.ranges.last().map_or(0, |range| range.1).max(first);
        let gaps = known.gaps(0, end);
        if !gaps.is_empty() {
            return gaps;
        }
        let factor = match (rounds.noise, noise[tile as usize]) {
            (Some(target), Some(own)) => {
                let target = f64::from(target) * f64::from(target);
                let near = self.neighbours(tile).filter_map(|n| noise[n as usize]).fold(0.0, f64::max);
                match own / target {
                    over if over > 2.0 => 4,
                    over if over > 1.0 || near > target * NEIGHBOUR * NEIGHBOUR => 2,
                    _ => 1,
                }
            }
            // What is not known is not done.
            _ => 4,
        };
        let next = end.saturating_mul(factor).min(rounds.most);
        if next > end { vec![(end, next)] } else { Vec::new() }
    }

    /// The tiles around one.
    fn neighbours(&self, tile: u32) -> impl Iterator<Item = u32> {
        let (across, down) = self.film.tiles();
        let (x, y) = (i64::from(tile % across), i64::from(tile / across));
        (0..9).filter(|k| *k != 4).map(move |k| (x + k % 3 - 1, y + k / 3 - 1)).filter_map(move |(x, y)| {
            let inside = (0..i64::from(across)).contains(&x) && (0..i64::from(down)).contains(&y);
            inside.then(|| (y * i64::from(across) + x) as u32)
        })
    }

    /// Squared noise of each tile, where it is known.
    fn tile_noise(&self, sums: &Sums) -> Vec<Option<f64>> {
        let width = self.film.width as usize;
        let noise = |tile: u32| {
            let [x, y, across, down] = self.film.area(tile).map(|v| v as usize);
            let mut sum = 0.0;
            for pixel in (y..y + down).flat_map(|row| (x..x + across).map(move |column| row * width + column)) {
                let (mean, variance) = sums.statistics(pixel, tile as usize)?;
                let level = mean + FLOOR;
                sum += variance / (level * level);
            }
            Some(sum / (across * down) as f64)
        };
        (0..self.film.tile_count()).map(noise).collect()
    }
}
