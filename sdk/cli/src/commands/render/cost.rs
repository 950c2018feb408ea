//! What a rendering takes: time and gas, found out before anything is paid.

use std::collections::BTreeSet;

use anyhow::Result;
use tessera_render::{Exposure, MODULE, Merge, PictureJob, Rounds, Settings, Shot, Work};

use super::{
    super::estimate::{spread, try_units},
    reel::Reel,
};
use crate::here::{Here, On};

/// Samples of the tiles that are tried here: enough to know what one takes.
const TRIAL_SAMPLES: u32 = 4;
/// Longer side and samples of the picture from which brightness is measured.
const METER: (u32, u32) = (64, 8);

/// What the tiles that were tried say of a unit.
pub struct Trial {
    pub gas: f64,
    pub seconds: f64,
    pub device: String,
}

/// Renders some tiles of a frame with few samples on this machine.
pub async fn try_tiles(shot: &Shot, frame: u32, tiles: u64) -> Result<Option<Trial>> {
    if tiles == 0 {
        return Ok(None);
    }
    let settings = shot.settings();
    let of_unit = settings.samples_per_unit.min(settings.samples);
    let samples = TRIAL_SAMPLES.min(of_unit);
    let job = shot.job(&Work::whole([frame], samples))?.prepared;
    // The first one also compiles, which is done once: it is run again.
    let again: Vec<u64> = std::iter::once(0).chain(spread(tiles, job.spec.units)).collect();
    let (tried, device) = try_units(&job.spec, MODULE, &job.inputs()?, &again).await?;
    let tried = &tried[1..];
    let scale = f64::from(of_unit) / f64::from(samples) / tried.len() as f64;
    let gas = tried.iter().map(|unit| unit.gas as f64).sum::<f64>() * scale;
    let seconds = tried.iter().map(|unit| unit.seconds).sum::<f64>() * scale;
    Ok(Some(Trial { gas, seconds, device }))
}

/// The brightness for all frames, in stops, from a small picture of the first one: a choice for each would make them
/// flicker.
pub async fn meter(reel: &Reel, first: u32) -> Result<f32> {
    let settings = reel.settings();
    let long = settings.width.max(settings.height);
    let side = |side: u32| (u64::from(side) * u64::from(METER.0.min(long)) / u64::from(long)).max(1) as u32;
    let small = Settings {
        width: side(settings.width),
        height: side(settings.height),
        samples: METER.1,
        samples_per_unit: METER.1,
        tile: 16,
        aovs: Default::default(),
        ..settings.clone()
    };
    let shot = tokio::task::block_in_place(|| reel.pack_with(&small, &BTreeSet::from([first])))?;
    let PictureJob { prepared: job, picture } = shot.job(&Work::whole([first], METER.1))?;
    let here = Here::start(&job.spec, MODULE, &job.inputs()?, On::Auto).await?;
    let mut merge = Merge::new(&job.spec)?;
    for unit in 0..job.spec.units {
        merge.add(&picture, unit, &here.unit(unit).await?.output)?;
    }
    Ok(merge.image(first).auto_exposure().log2())
}

/// Units of some work.
pub fn units(work: &Work, settings: &Settings) -> u64 {
    let all = settings.film().tile_count();
    let of = |part: &tessera_render::Part| {
        u64::from(part.tiles.count(all)) * u64::from(part.samples.div_ceil(settings.samples_per_unit))
    };
    work.parts.iter().map(of).sum()
}

/// Most units that rounds can take of a frame whose pixels have `known` samples or more.
pub fn most_units(known: u32, rounds: &Rounds, settings: &Settings) -> u64 {
    let (mut ranges, mut end) = (0u64, known);
    while end < rounds.most {
        // Doubling cuts samples into the most ranges.
        let next = if end < rounds.first { rounds.first } else { end.saturating_mul(2) }.min(rounds.most);
        ranges += u64::from((next - end).div_ceil(settings.samples_per_unit));
        end = next;
    }
    ranges * u64::from(settings.film().tile_count())
}

/// The brightness to use: as it was measured, if it was.
pub const fn exposure(settings: &Settings, measured: Option<f32>) -> Exposure {
    match measured {
        Some(stops) => Exposure::Stops(stops.clamp(-30.0, 30.0)),
        None => settings.exposure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_rounds_take_is_known_before() {
        let settings = Settings { width: 64, height: 32, tile: 32, samples_per_unit: 64, ..Settings::default() };
        let rounds = Rounds { first: 32, most: 512, noise: Some(0.1) };
        // 0, 32, 64, 128, 256, 512: one, one, one, two and four ranges of two tiles.
        assert_eq!(most_units(0, &rounds, &settings), 2 * (1 + 1 + 1 + 2 + 4));
        assert_eq!(most_units(256, &rounds, &settings), 2 * 4);
        assert_eq!(most_units(512, &rounds, &settings), 0);
        assert_eq!(units(&Work::whole([0, 1], 100), &settings), 2 * 2 * 2);
    }
}
