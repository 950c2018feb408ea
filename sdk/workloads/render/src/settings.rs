//! What a client can choose about a picture.

use std::path::PathBuf;

use crate::{
    environment::Environment,
    error::{RenderError, Result},
    layout::FIXED_MAX,
    scene::{Camera, Scene},
    sky::Sky,
};

/// Largest side of a picture in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Most samples of a pixel: their fixed-point sum fits 64 bits.
pub const MAX_SAMPLES: u32 = 1 << 24;
/// Largest side of a tile in pixels.
pub const MAX_TILE: u32 = 1_024;
/// Most scatterings of a path.
pub const MAX_BOUNCES: u32 = 64;
/// Most frames of a job.
pub const MAX_FRAMES: u32 = 65_536;

/// What to render.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Samples of a pixel.
    pub samples: u32,
    /// Samples of a pixel in one unit.
    pub samples_per_unit: u32,
    /// Side of a tile in pixels, a multiple of 8.
    pub tile: u32,
    /// Seed of all random numbers: equal seeds give equal bits.
    pub seed: u64,
    /// Surface scatterings of a path.
    pub max_bounces: u32,
    /// Largest contribution of indirect light to a sample, as a multiple of the scene's typical brightness: trades a little
    /// light for far less noise. `None`: unlimited.
    pub clamp: Option<f32>,
    /// Least roughness of surfaces that are seen by way of another one, 0 to 1: less noise from small bright reflections.
    pub blur: f32,
    /// Frames. More than one is a turntable: the camera goes once around the scene.
    pub frames: u32,
    /// Where the picture is taken from.
    pub camera: CameraChoice,
    /// Light from all around.
    pub environment: EnvironmentChoice,
    /// Brightness of the PNG.
    pub exposure: Exposure,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            samples: 32,
            samples_per_unit: 32,
            tile: 32,
            seed: 0,
            max_bounces: 4,
            clamp: Some(4.0),
            blur: 0.6,
            frames: 1,
            camera: CameraChoice::Auto,
            environment: EnvironmentChoice::Auto,
            exposure: Exposure::Auto,
        }
    }
}

/// Which camera takes the picture.
#[derive(Clone, Debug, Default)]
pub enum CameraChoice {
    /// The scene's first camera, or one that shows the whole scene.
    #[default]
    Auto,
    /// The scene's camera of this name.
    Named(String),
    /// This camera.
    Given(Camera),
}

/// Where light comes from besides the scene's own lights.
#[derive(Clone, Debug, Default)]
pub enum EnvironmentChoice {
    /// Nowhere if the scene has lights, else a clear sky.
    #[default]
    Auto,
    /// Nowhere.
    Black,
    /// A clear sky.
    Sky(Sky),
    /// An equirectangular `.hdr` image.
    File(PathBuf),
    /// This environment.
    Given(Environment),
}

/// How linear light becomes brightness.
#[derive(Clone, Copy, Debug, Default, PartialEq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub enum Exposure {
    /// From the picture's own brightness.
    #[default]
    Auto,
    /// This many stops up or down.
    Stops(f32),
}

impl Settings {
    /// Checks that every number is in range.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("width", self.width, 1, MAX_SIDE),
            ("height", self.height, 1, MAX_SIDE),
            ("samples", self.samples, 1, MAX_SAMPLES),
            ("samples per unit", self.samples_per_unit, 1, MAX_SAMPLES),
            ("tile", self.tile, 8, MAX_TILE),
            ("bounces", self.max_bounces, 0, MAX_BOUNCES),
            ("frames", self.frames, 1, MAX_FRAMES),
        ];
        if let Some((name, value, least, most)) = ranges.into_iter().find(|(_, v, a, b)| !(a..=b).contains(&v)) {
            return Err(RenderError::Setting(format!("{name} is {value}, expected {least} to {most}")));
        }
        if !self.tile.is_multiple_of(8) {
            return Err(RenderError::Setting(format!("tile is {}, expected a multiple of 8", self.tile)));
        }
        if let Some(clamp) = self.clamp.filter(|c| !(*c > 0.0 && *c <= FIXED_MAX)) {
            return Err(RenderError::Setting(format!("clamp is {clamp}, expected more than 0, at most {FIXED_MAX}")));
        }
        if !(0.0..=1.0).contains(&self.blur) {
            return Err(RenderError::Setting(format!("blur is {}, expected 0 to 1", self.blur)));
        }
        if let Exposure::Stops(stops) = self.exposure
            && !(-30.0..=30.0).contains(&stops)
        {
            return Err(RenderError::Setting(format!("exposure is {stops} stops, expected -30 to 30")));
        }
        Ok(())
    }
}

impl EnvironmentChoice {
    /// The environment for this scene.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn resolve(&self, scene: &Scene) -> Result<Environment> {
        Ok(match self {
            Self::Auto if scene.is_lit() => Environment::black(),
            Self::Auto => Sky::default().environment(),
            Self::Black => Environment::black(),
            Self::Sky(sky) => sky.environment(),
            Self::File(path) => Environment::load(path)?,
            Self::Given(environment) => environment.clone(),
        })
    }
}
