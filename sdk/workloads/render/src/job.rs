//! From a scene to a job: what the units are and what they read.

use borsh::{BorshDeserialize, BorshSerialize};
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};

use crate::{
    camera,
    error::{RenderError, Result},
    layout::{self, FIXED_MAX, LAYOUT_VERSION},
    pack,
    scene::Scene,
    settings::{Exposure, Settings},
};

/// The kernel, in the reproducible profile. Built by `scripts/build-kernels`.
pub const MODULE: &str = include_str!("../kernels/render.ptx");
/// Name of this front end in job specifications.
pub const FRONT_END: &str = "render";
/// Version of [`Picture`]'s encoding.
const PICTURE_VERSION: u8 = 1;
/// Bytes of a pixel in a unit's output: three sums of 64 bits.
pub const PIXEL_LEN: u64 = 24;
/// Threads of a block: a square of 8 x 8 pixels.
const BLOCK: u32 = 64;

/// A job that is ready to be posted.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// What workers run.
    pub spec: JobSpec,
    /// The blobs that the specification names: the module and the inputs.
    pub blobs: Vec<(Cid, Vec<u8>)>,
    /// What the pictures are.
    pub picture: Picture,
}

/// What merging needs to know of a job. Stands in [`FrontEnd::data`], so the specification alone is enough to resume.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Picture {
    version: u8,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Side of a tile in pixels.
    pub tile: u32,
    /// Samples of a pixel.
    pub samples: u32,
    /// Samples of a pixel in one unit.
    pub samples_per_unit: u32,
    /// Brightness of the PNG.
    pub exposure: Exposure,
}

/// What a unit computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPlace {
    /// Frame.
    pub frame: u32,
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
    fn of(settings: &Settings) -> Self {
        Self {
            version: PICTURE_VERSION,
            width: settings.width,
            height: settings.height,
            frames: settings.frames,
            tile: settings.tile,
            samples: settings.samples,
            samples_per_unit: settings.samples_per_unit.min(settings.samples),
            exposure: settings.exposure,
        }
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
        let picture = Self::try_from_slice(&spec.front_end.data).map_err(|e| refused(e.to_string()))?;
        if picture.version != PICTURE_VERSION {
            return Err(refused(format!("picture version {}, expected {PICTURE_VERSION}", picture.version)));
        }
        let settings = Settings {
            width: picture.width,
            height: picture.height,
            samples: picture.samples,
            samples_per_unit: picture.samples_per_unit,
            tile: picture.tile,
            frames: picture.frames,
            exposure: picture.exposure,
            ..Settings::default()
        };
        settings.validate()?;
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

    /// Tiles of a frame across and down.
    #[must_use]
    pub const fn tiles(&self) -> (u32, u32) {
        (self.width.div_ceil(self.tile), self.height.div_ceil(self.tile))
    }

    /// Sample ranges of a tile.
    #[must_use]
    pub const fn ranges(&self) -> u32 {
        self.samples.div_ceil(self.samples_per_unit)
    }

    /// Number of units.
    #[must_use]
    pub const fn units(&self) -> u64 {
        let (x, y) = self.tiles();
        x as u64 * y as u64 * self.ranges() as u64 * self.frames as u64
    }

    /// Bytes of a unit's output.
    #[must_use]
    pub const fn output_len(&self) -> u64 {
        self.tile as u64 * self.tile as u64 * PIXEL_LEN
    }

    /// What unit `unit` computes; `None` if there is no such unit. Frames follow each other; within one, all tiles of
    /// the first sample range come first, so that a noisy picture is whole early.
    #[must_use]
    pub fn unit(&self, unit: u64) -> Option<UnitPlace> {
        if unit >= self.units() {
            return None;
        }
        let (across, down) = self.tiles();
        let tiles = u64::from(across) * u64::from(down);
        let (range, tile) = (unit / tiles % u64::from(self.ranges()), unit % tiles);
        let frame = unit / tiles / u64::from(self.ranges());
        let (x, y) = ((tile % u64::from(across)) as u32 * self.tile, (tile / u64::from(across)) as u32 * self.tile);
        let first_sample = range as u32 * self.samples_per_unit;
        Some(UnitPlace {
            frame: frame as u32,
            x,
            y,
            width: self.tile.min(self.width - x),
            height: self.tile.min(self.height - y),
            first_sample,
            samples: self.samples_per_unit.min(self.samples - first_sample),
        })
    }

    /// The units of a frame.
    #[must_use]
    pub fn frame_units(&self, frame: u32) -> std::ops::Range<u64> {
        let per_frame = self.units() / u64::from(self.frames);
        u64::from(frame) * per_frame..(u64::from(frame) + 1) * per_frame
    }
}

/// Makes the job that renders `scene` with `settings`.
///
/// # Errors
/// If a setting is out of range, the scene is empty or too large, or an environment cannot be read.
pub fn prepare(scene: &Scene, settings: &Settings) -> Result<PreparedJob> {
    settings.validate()?;
    if scene.triangles.is_empty() {
        return Err(RenderError::Setting("the scene has no triangles".into()));
    }
    let picture = Picture::of(settings);
    if picture.units() > u64::from(u32::MAX) {
        let units = picture.units();
        return Err(RenderError::Setting(format!("{units} units, at most {}: use larger tiles", u32::MAX)));
    }
    let environment = settings.environment.resolve(scene)?;
    let tree = scene.tree()?;
    let packed = pack::pack(scene, &tree, &environment)?;

    let aspect = settings.width as f32 / settings.height as f32;
    let still = settings.camera.resolve(scene, &tree, aspect)?;
    let (low, high) = scene.bounds();
    let centre = (low + high) * 0.5;
    let cameras: Vec<layout::Camera> = (0..settings.frames)
        .map(|i| camera::pack(&camera::turned(&still, centre, i, settings.frames), aspect))
        .collect();
    let (tiles_x, tiles_y) = picture.tiles();
    let frame = layout::Frame {
        version: LAYOUT_VERSION,
        width: picture.width,
        height: picture.height,
        tile: picture.tile,
        tiles_x,
        tiles_y,
        samples: picture.samples,
        samples_per_unit: picture.samples_per_unit,
        ranges: picture.ranges(),
        seed_low: settings.seed as u32,
        seed_high: (settings.seed >> 32) as u32,
        max_bounces: settings.max_bounces,
        clamp: settings.clamp.map_or(FIXED_MAX, |c| (c * packed.typical_radiance).clamp(1e-6, FIXED_MAX)),
        blur: settings.blur,
        ..pack::empty_frame()
    };
    let frame_bytes = pack::pack_frame(&frame, &cameras);

    let blobs: Vec<(Cid, Vec<u8>)> =
        [MODULE.as_bytes().to_vec(), frame_bytes, packed.bytes].into_iter().map(|b| (Cid::of(&b), b)).collect();
    let input = |name: &str, i: usize| Input { name: name.into(), cid: blobs[i].0, len: blobs[i].1.len() as u64 };
    let inputs = vec![input("frame", 1), input("scene", 2)];
    let spec = JobSpec {
        version: SPEC_VERSION,
        module: blobs[0].0,
        plan: LaunchPlan {
            buffers: vec![
                Buffer { len: inputs[0].len, init: BufferInit::Input(0) },
                Buffer { len: inputs[1].len, init: BufferInit::Input(1) },
                Buffer { len: picture.output_len(), init: BufferInit::Zero },
            ],
            launches: vec![Launch {
                kernel: "render".into(),
                grid: [picture.tile * picture.tile / BLOCK, 1, 1],
                block: [BLOCK, 1, 1],
                shared_len: 0,
                args: vec![
                    Arg::Buffer { index: 0, offset: 0 },
                    Arg::Buffer { index: 1, offset: 0 },
                    Arg::Buffer { index: 2, offset: 0 },
                    Arg::Unit32,
                ],
            }],
            output: 2,
        },
        inputs,
        units: picture.units(),
        unit_gas: 0,
        visibility: Visibility::Public,
        front_end: FrontEnd { name: FRONT_END.into(), data: borsh::to_vec(&picture).map_err(encode_failed)? },
    };
    spec.plan.validate(&spec.inputs)?;
    Ok(PreparedJob { spec, blobs, picture })
}

fn encode_failed(error: borsh::io::Error) -> RenderError {
    RenderError::Merge(format!("cannot encode the picture's numbers: {error}"))
}
