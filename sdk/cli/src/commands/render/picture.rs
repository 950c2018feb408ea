//! What the picture is: options and what they mean for the renderer.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Result, bail};
use tessera_render::{Aovs, CameraChoice, EnvironmentChoice, Exposure, Lens, Settings, Sky};

/// Most samples of a pixel in one unit, unless the user says otherwise: a unit of a large picture is then some seconds of a
/// GPU's time, and the whole picture is there, with noise, early.
const SAMPLES_PER_UNIT: u32 = 64;
/// Most frames of one command.
const MAX_FRAMES: u32 = 65_536;

/// What the picture is.
#[derive(clap::Args, Clone, Debug)]
pub struct Picture {
    /// Pixels across and down [default: 640x360, in the demo 480x270]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Samples of a pixel; with --noise the most of them [default: 32, in the demo 16]
    #[arg(long)]
    samples: Option<u32>,
    /// Samples of a pixel in one unit [default: as --samples, at most 64]
    #[arg(long)]
    samples_per_unit: Option<u32>,
    /// Side of a tile in pixels, a multiple of 8
    #[arg(long, default_value_t = 32)]
    tile: u32,
    /// Surface scatterings of a path
    #[arg(long, default_value_t = 4)]
    bounces: u32,
    /// Numbers of the frames, such as 1-48 or 1-10,20,30; frame N shows the animation at N / fps seconds [default: with
    /// --animation all of its frames, else one frame that shows the scene at rest]
    #[arg(long, value_name = "FRAMES", value_parser = frames)]
    pub frames: Option<Frames>,
    /// Frames of a second
    #[arg(long, default_value_t = 24.0)]
    pub fps: f32,
    /// Name of the scene's animation, or its number from 0 [default: the first, if frames are asked for]
    #[arg(long, value_name = "NAME")]
    pub animation: Option<String>,
    /// The scene rests, and the camera goes once around it in all the frames together
    #[arg(long, conflicts_with = "animation", requires = "frames")]
    pub turntable: bool,
    /// How long the shutter is open, as a share of the time between frames; 0: motion blurs nothing
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    shutter: f32,
    /// Moments at which the scene is posed while the shutter is open
    #[arg(long, value_name = "N", default_value_t = 4)]
    slices: u32,
    /// Radius of the lens in the scene's units: what is nearer or farther than the focus is blurred [default: all is sharp]
    #[arg(long, value_name = "RADIUS")]
    lens: Option<f32>,
    /// Distance along the view at which things are sharp [default: that of what the middle of the first frame shows]
    #[arg(long, value_name = "DISTANCE", requires = "lens")]
    focus: Option<f32>,
    /// Light from all around: `sky`, `black`, or an equirectangular .hdr file [default: sky for scenes without lights]
    #[arg(long, value_name = "sky|black|FILE")]
    environment: Option<String>,
    /// Name of the scene's camera to use [default: the first, or one that shows the whole scene]
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Brightness of PNGs, previews and movies in stops [default: from the picture itself, the first one of several]
    #[arg(long, value_name = "STOPS", allow_hyphen_values = true)]
    exposure: Option<f32>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also give albedo, normal, depth, object, error and samples of each pixel, as layers of the .exr
    #[arg(long)]
    pub aovs: bool,
    /// Where the picture goes: a .png or .exr file, with %04d or the like for the number where there are several frames; may
    /// be given more than once [default: the name of the scene]
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
}

/// Size of a picture, where nothing else is asked for.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: u32,
    pub height: u32,
    pub samples: u32,
}

/// Numbers of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames(pub BTreeSet<u32>);

/// `1920x1080`.
fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.filter(|(w, h)| *w > 0 && *h > 0).ok_or_else(|| "expected WIDTHxHEIGHT, such as 1920x1080".into())
}

/// `1-48`, `7`, `1-10,20`.
fn frames(text: &str) -> Result<Frames, String> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) else {
            return Err("expected numbers and ranges, such as 1-48 or 1-10,20".into());
        };
        if last < first {
            return Err(format!("{part} goes backwards; give the smaller number first"));
        }
        if last - first >= MAX_FRAMES || all.len() as u32 + (last - first) >= MAX_FRAMES {
            return Err(format!("more than {MAX_FRAMES} frames; render them in parts"));
        }
        all.extend(first..=last);
    }
    let span = all.last().zip(all.first()).map_or(0, |(last, first)| last - first);
    if span >= MAX_FRAMES {
        return Err(format!("frames that are more than {MAX_FRAMES} apart; render them in parts"));
    }
    Ok(Frames(all))
}

impl Picture {
    /// The settings but for the numbers of the frames. `rounds` tells whether noise is measured.
    pub fn settings(&self, default: Size, rounds: bool) -> Result<Settings> {
        let samples = self.samples.unwrap_or(default.samples);
        let (width, height) = self.size.unwrap_or((default.width, default.height));
        if !(self.fps > 0.0 && self.fps <= 1_000.0) {
            bail!("--fps is {}, expected more than 0, at most 1000", self.fps);
        }
        Ok(Settings {
            width,
            height,
            samples,
            samples_per_unit: self.samples_per_unit.unwrap_or(samples.min(SAMPLES_PER_UNIT)),
            tile: self.tile,
            seed: self.seed,
            max_bounces: self.bounces,
            aovs: Aovs { noise: self.aovs || rounds, surface: self.aovs },
            shutter: self.shutter,
            slices: self.slices,
            lens: self.lens.map(|radius| Lens { radius, focus: self.focus }),
            camera: self.camera.clone().map_or(CameraChoice::Auto, CameraChoice::Named),
            environment: match self.environment.as_deref() {
                None => EnvironmentChoice::Auto,
                Some("sky") => EnvironmentChoice::Sky(Sky::default()),
                Some("black") => EnvironmentChoice::Black,
                Some(file) => EnvironmentChoice::File(file.into()),
            },
            exposure: self.exposure.map_or(Exposure::Auto, Exposure::Stops),
            ..Settings::default()
        })
    }

    /// What decides what the pictures look like, by the name of the option, to notice that it changed.
    pub fn options(&self, settings: &Settings) -> Vec<(&'static str, String)> {
        let given = |text: &Option<String>| text.clone().unwrap_or_else(|| "not given".into());
        let number = |value: Option<f32>| value.map_or_else(|| "not given".into(), |value| value.to_string());
        vec![
            ("--size", format!("{}x{}", settings.width, settings.height)),
            ("--samples", settings.samples.to_string()),
            ("--samples-per-unit", settings.samples_per_unit.to_string()),
            ("--tile", settings.tile.to_string()),
            ("--bounces", settings.max_bounces.to_string()),
            ("--fps", self.fps.to_string()),
            ("--animation", given(&self.animation)),
            ("--turntable", self.turntable.to_string()),
            ("--shutter", settings.shutter.to_string()),
            ("--slices", settings.slices.to_string()),
            ("--lens", number(self.lens)),
            ("--focus", number(self.focus)),
            ("--environment", given(&self.environment)),
            ("--camera", given(&self.camera)),
            ("--exposure", number(self.exposure)),
            ("--seed", settings.seed.to_string()),
            ("--aovs", self.aovs.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_numbers() {
        assert_eq!(size("1920x1080"), Ok((1920, 1080)));
        for wrong in ["1920", "0x10", "10x", "x10", "10x-1", "1x2x3", "10 x 10"] {
            assert!(size(wrong).unwrap_err().contains("1920x1080"), "{wrong}");
        }
    }

    #[test]
    fn frames_are_numbers_and_ranges() {
        let numbers = |text: &str| frames(text).map(|frames| frames.0.into_iter().collect::<Vec<_>>());
        assert_eq!(numbers("7"), Ok(vec![7]));
        assert_eq!(numbers("1-4"), Ok(vec![1, 2, 3, 4]));
        assert_eq!(numbers("0-1,5,4-5"), Ok(vec![0, 1, 4, 5]));
        for (wrong, word) in [
            ("", "expected numbers"),
            ("a", "expected numbers"),
            ("1-", "expected numbers"),
            ("-3", "expected numbers"),
            ("4-1", "backwards"),
            ("0-65536", "in parts"),
            ("0,70000", "in parts"),
            ("0-4294967295", "in parts"),
        ] {
            assert!(numbers(wrong).unwrap_err().contains(word), "{wrong}");
        }
    }
}
