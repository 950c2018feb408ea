//! From a shot and some work to a job: what the units are and what they read.

use std::collections::BTreeMap;

use bytemuck::bytes_of;
use bytes::Bytes;
use tessera_front_end::{Blob, Inputs, PlanWriter, PreparedJob, at};
use tessera_protocol::spec::{Arg, FrontEnd};

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

/// A job that renders.
#[derive(Clone, Debug)]
pub struct PictureJob {
    /// Ready to be posted, or to be run here.
    pub prepared: PreparedJob,
    /// What the pictures are.
    pub picture: Picture,
}

/// Makes the job that renders all of `scene` with `settings`.
///
/// # Errors
/// As [`Shot::new`] and [`Shot::job`].
pub fn prepare(scene: &Scene, settings: &Settings) -> Result<PictureJob> {
    Shot::new(scene, settings)?.job(&Work::whole(settings.frame_numbers(), settings.samples))
}

/// Makes the job that renders all frames of a scene that moves. `pose` gives the scene at a frame and a time behind it, in
/// frames.
///
/// # Errors
/// As [`Shot::animated`] and [`Shot::job`].
pub fn prepare_frames(settings: &Settings, pose: impl Fn(u32, f32) -> Result<Scene>) -> Result<PictureJob> {
    let shot = Shot::animated(settings, settings.frame_numbers(), pose)?;
    shot.job(&Work::whole(settings.frame_numbers(), settings.samples))
}

impl Shot {
    /// Makes the job that does some work on the shot. Jobs of one shot share the module and the scene, which are the
    /// large blobs.
    ///
    /// # Errors
    /// If there is nothing to do, the work names frames that the shot does not have, or is too much for one job.
    pub fn job(&self, work: &Work) -> Result<PictureJob> {
        let settings = &self.settings;
        let numbers = work.frames();
        let frames: Vec<FrameInfo> =
            self.frames.values().map(|frame| frame.info).filter(|info| numbers.contains(&info.number)).collect();
        let picture = Picture::new(settings, frames, work)?;
        let frame_bytes = self.frame_buffer(&picture)?;
        let mut inputs = Inputs::default();
        let mut writer = PlanWriter::default();
        let mut read = |name, bytes: &Bytes| writer.input(inputs.add(name, Blob::of(bytes)));
        let (frame, scene) = (read("frame", &frame_bytes.into()), read("scene", &self.scene));
        let film = writer.zeros(picture.output_len());
        let blocks = picture.film.tile * picture.film.tile / BLOCK;
        let args = vec![at(frame, 0), at(scene, 0), at(film, 0), Arg::Unit32];
        writer.launch("render", [blocks, 1, 1], [BLOCK, 1, 1], args);
        let front_end = FrontEnd { name: FRONT_END.into(), data: picture.encode()? };
        let prepared = inputs.job(MODULE, writer.finish(film), picture.units(), front_end)?;
        Ok(PictureJob { prepared, picture })
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
