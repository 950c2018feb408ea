//! What a client can choose about a picture.

use std::path::PathBuf;

use crate::{
    environment::Environment,
    error::{RenderError, Result},
    layout::FIXED_MAX,
    picture::Film,
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
/// Most moments of a frame.
pub const MAX_SLICES: u32 = 64;
/// Most samples of a pixel in a unit that gives surfaces: sums of parts of 1/4096 fit 32 bits with a sign.
pub const MAX_SURFACE_SAMPLES: u32 = 1 << 18;

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
    /// What units give besides the picture.
    pub aovs: Aovs,
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
    /// Number of the first frame.
    pub first_frame: u32,
    /// Frames. More than one of a scene that stands still is a turntable: the camera goes once around the scene.
    pub frames: u32,
    /// How long the shutter is open, as a share of the time between frames; 0: nothing is blurred by motion.
    pub shutter: f32,
    /// Moments within that time at which the scene is posed. The camera moves on between them.
    pub slices: u32,
    /// The lens of the camera; `None`: everything is sharp.
    pub lens: Option<Lens>,
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
            aovs: Aovs::default(),
            first_frame: 0,
            frames: 1,
            shutter: 0.0,
            slices: 1,
            lens: None,
            camera: CameraChoice::Auto,
            environment: EnvironmentChoice::Auto,
            exposure: Exposure::Auto,
        }
    }
}

/// What units give besides the picture: arbitrary output variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Aovs {
    /// The sum of squares of luminance, from which noise is known: 8 bytes more than the 24 of a pixel.
    pub noise: bool,
    /// Albedo, normal, depth, object and coverage of the surface that is seen: 40 bytes more.
    pub surface: bool,
}

/// A thin lens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// Radius of the aperture, in the units of the scene.
    pub radius: f32,
    /// Distance along the view at which things are sharp; `None`: that of what the middle of the first frame shows.
    pub focus: Option<f32>,
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
    /// Size and tiles of the pictures.
    #[must_use]
    pub const fn film(&self) -> Film {
        Film { width: self.width, height: self.height, tile: self.tile }
    }

    /// Numbers of the frames.
    #[must_use]
    pub const fn frame_numbers(&self) -> std::ops::Range<u32> {
        self.first_frame..self.first_frame + self.frames
    }

    /// When slice `slice` of a frame is posed, in frames from its start.
    #[must_use]
    pub fn slice_time(&self, slice: u32) -> f32 {
        if self.shutter > 0.0 { self.shutter * (slice as f32 + 0.5) / self.slices as f32 } else { 0.0 }
    }

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
            ("first frame", self.first_frame, 0, u32::MAX - MAX_FRAMES),
            ("slices", self.slices, 1, MAX_SLICES),
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
        if let Some((name, value)) =
            [("blur", self.blur), ("shutter", self.shutter)].into_iter().find(|(_, v)| !(0.0..=1.0).contains(v))
        {
            return Err(RenderError::Setting(format!("{name} is {value}, expected 0 to 1")));
        }
        if self.aovs.surface && self.samples_per_unit > MAX_SURFACE_SAMPLES {
            let found = self.samples_per_unit;
            let reason =
                format!("{found} samples per unit, at most {MAX_SURFACE_SAMPLES} where surfaces are asked for");
            return Err(RenderError::Setting(reason));
        }
        if let Some(lens) = self.lens {
            let sound = |v: f32| v > 0.0 && v.is_finite();
            if !(sound(lens.radius) && lens.focus.is_none_or(sound)) {
                return Err(RenderError::Setting(format!("{lens:?}: expected lengths above 0")));
            }
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
