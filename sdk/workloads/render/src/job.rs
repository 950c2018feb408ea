//! From a shot and some work to a job: what the units are and what they read.

use std::collections::BTreeMap;

use bytemuck::bytes_of;
use bytes::Bytes;
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};

use crate::{
    error::Result,
    layout::{self, LAYOUT_VERSION, MOMENT, NONE, SURFACE},
    pack::Sections,
    picture::{FRONT_END, FrameInfo, Picture},
    scene::Scene,
    settings::Settings,
    shot::Shot,
    work::{Tiles, Work},
};

/// The kernel, in the reproducible profile. Built by `scripts/build-kernels`.
pub const MODULE: &str = include_str!("../kernels/render.ptx");
/// Threads of a block: a square of 8 x 8 pixels.
const BLOCK: u32 = 64;

/// A job that is ready to be posted.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// What workers run.
    pub spec: JobSpec,
    /// The blobs that the specification names: the module and the inputs.
    pub blobs: Vec<(Cid, Bytes)>,
    /// What the pictures are.
    pub picture: Picture,
}

/// What a job reads: its blobs, the module first, and its inputs, which are the others.
pub(crate) fn blobs<const N: usize>(
    module: &'static str,
    inputs: [(&str, Bytes); N],
) -> (Vec<(Cid, Bytes)>, Vec<Input>) {
    let module = Bytes::from_static(module.as_bytes());
    let mut blobs = vec![(Cid::of(&module), module)];
    let inputs = inputs.map(|(name, bytes)| {
        let input = Input { name: name.into(), cid: Cid::of(&bytes), len: bytes.len() as u64 };
        blobs.push((input.cid, bytes));
        input
    });
    (blobs, inputs.into())
}

/// Makes the job that renders all of `scene` with `settings`.
///
/// # Errors
/// As [`Shot::new`] and [`Shot::job`].
pub fn prepare(scene: &Scene, settings: &Settings) -> Result<PreparedJob> {
    Shot::new(scene, settings)?.job(&Work::whole(settings.frame_numbers(), settings.samples))
}

/// Makes the job that renders all frames of a scene that moves. `pose` gives the scene at a frame and a time behind it, in
/// frames.
///
/// # Errors
/// As [`Shot::animated`] and [`Shot::job`].
pub fn prepare_frames(settings: &Settings, pose: impl Fn(u32, f32) -> Result<Scene>) -> Result<PreparedJob> {
    let shot = Shot::animated(settings, settings.frame_numbers(), pose)?;
    shot.job(&Work::whole(settings.frame_numbers(), settings.samples))
}

impl Shot {
    /// Makes the job that does some work on the shot. Jobs of one shot share the module and the scene, which are the
    /// large blobs.
    ///
    /// # Errors
    /// If there is nothing to do, the work names frames that the shot does not have, or is too much for one job.
    pub fn job(&self, work: &Work) -> Result<PreparedJob> {
        let settings = &self.settings;
        let numbers = work.frames();
        let frames: Vec<FrameInfo> =
            self.frames.values().map(|frame| frame.info).filter(|info| numbers.contains(&info.number)).collect();
        let picture = Picture::new(settings, frames, work)?;
        let frame_bytes = self.frame_buffer(&picture)?;
        let (blobs, inputs) = blobs(MODULE, [("frame", frame_bytes.into()), ("scene", self.scene.clone())]);
        let tile = picture.film.tile;
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
                    grid: [tile * tile / BLOCK, 1, 1],
                    block: [BLOCK, 1, 1],
                    shared_len: 0,
                    args: vec![
                        Arg::Buffer { index: 0, offset: 0 },
                        Arg::Buffer { index: 1, offset: 0 },
                        Arg::Buffer { index: 2, offset: 0 },
                        Arg::Unit32,
                    ],
                }],
                repeats: vec![],
                output: 2,
            },
            inputs,
            units: picture.units(),
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd { name: FRONT_END.into(), data: picture.encode()? },
        };
        spec.plan.validate(&spec.inputs)?;
        Ok(PreparedJob { spec, blobs, picture })
    }

    /// What differs between the jobs of a shot, for the kernel.
    fn frame_buffer(&self, picture: &Picture) -> Result<Vec<u8>> {
        let settings = &self.settings;
        let mut cameras: Vec<layout::Camera> = Vec::new();
        let mut firsts = BTreeMap::new();
        for info in &picture.frames {
            firsts.insert(info.number, cameras.len() as u32);
            cameras.extend(&self.frames[&info.number].cameras);
        }
        let all = picture.film.tile_count();
        let mut lists: Vec<u32> = Vec::new();
        let parts: Vec<layout::Part> = picture
            .parts
            .iter()
            .zip(picture.first_units())
            .map(|(part, first_unit)| {
                let frame = &self.frames[&part.frame];
                let list = if part.tiles == Tiles::All { NONE } else { lists.len() as u32 };
                if list != NONE {
                    lists.extend(part.tiles.numbers(all));
                }
                layout::Part {
                    first_unit: *first_unit as u32,
                    number: part.frame,
                    camera: firsts[&part.frame],
                    tiles: part.tiles.count(all),
                    list,
                    first_sample: part.first_sample,
                    end_sample: part.first_sample + part.samples,
                    clamp: frame.clamp,
                    scale: f32::from(frame.info.scale).exp2(),
                    pad: [0; 3],
                }
            })
            .collect();
        let mut out = Sections { bytes: vec![0; size_of::<layout::Frame>()] };
        let header = layout::Frame {
            version: LAYOUT_VERSION,
            width: picture.film.width,
            height: picture.film.height,
            tile: picture.film.tile,
            tiles_x: picture.film.tiles().0,
            samples_per_unit: picture.samples_per_unit,
            slices: settings.slices,
            outputs: if picture.aovs.noise { MOMENT } else { 0 } | if picture.aovs.surface { SURFACE } else { 0 },
            seed_low: settings.seed as u32,
            seed_high: (settings.seed >> 32) as u32,
            max_bounces: settings.max_bounces,
            blur: settings.blur,
            part_count: parts.len() as u32,
            parts: out.add(&parts)?,
            cameras: out.add(&cameras)?,
            lists: out.add(&lists)?,
        };
        out.bytes[..size_of::<layout::Frame>()].copy_from_slice(bytes_of(&header));
        Ok(out.bytes)
    }
}
