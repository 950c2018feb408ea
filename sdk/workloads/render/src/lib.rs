//! Path tracing of glTF scenes as a Tessera workload.
//!
//! The client reads a [`Scene`], chooses [`Settings`], and [`prepare`]s a job: a specification and the blobs it names.
//! A unit of the job is a range of samples of one tile of one frame; its output is a fixed-point sum for each pixel, so
//! that [`Merge`] can add up units in any order and always gets the same bits. The result is an [`Image`], or [`Layers`].
//! Scenes that move come from a [`SceneFile`], moment by moment.
//!
//! For more than one job of the same scene there is [`Shot`]: it is packed once and makes a job for any [`Work`], which is
//! any samples of any tiles of any frames. [`Merge::next_round`] decides which, from what was added so far.
//!
//! ```no_run
//! use std::path::Path;
//! use tessera_render::{Merge, Scene, Settings, prepare};
//!
//! let scene = Scene::load(Path::new("scene.glb"))?;
//! let job = prepare(&scene, &Settings { width: 320, height: 180, ..Settings::default() })?;
//! let mut merge = Merge::new(&job.prepared.spec)?;
//! # let outputs: Vec<(u64, Vec<u8>)> = Vec::new();
//! for (unit, output) in outputs {
//!     merge.add(&job.picture, unit, &output)?;
//! }
//! merge.image(0).save(Path::new("scene.png"), job.picture.exposure)?;
//! # Ok::<(), tessera_render::RenderError>(())
//! ```
//!
//! The kernel is CUDA C++ in `kernels/`, compiled to PTX in the reproducible profile by `scripts/build-kernels`. Random
//! numbers are scrambled Sobol points keyed by a Philox counter, so a sample depends only on the seed, the frame, the
//! pixel and its own number.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bvh;
mod camera;
mod denoise;
mod energy;
mod environment;
mod error;
mod image;
mod job;
mod layers;
#[allow(missing_docs, reason = "fields are documented in kernels/layout.cuh and kernels/material.cuh")]
mod layout;
mod lights;
mod load;
mod math;
mod merge;
mod pack;
mod picture;
mod poses;
mod probe;
mod scene;
mod settings;
mod shot;
mod shown;
mod sky;
mod work;

pub use crate::{
    bvh::{Bvh, Hit},
    denoise::{DENOISE_FRONT_END, DENOISE_MODULE, DenoiseJob, prepare_denoise},
    environment::{Environment, Sun},
    error::{RenderError, Result},
    image::Image,
    job::{MODULE, PictureJob, prepare, prepare_frames},
    layers::Layers,
    load::{Animation, SceneFile},
    math::{Transform, Vec3, vec3},
    merge::{Merge, Rounds},
    picture::{FRONT_END, Film, FrameInfo, Picture, UnitPlace},
    scene::{
        Alpha, Anisotropy, Camera, Clearcoat, Encoding, Instance, Iridescence, Material, NormalMap, Projection,
        PunctualLight, Scene, Sheen, Texture, TextureUse, Triangle, Volume, Wrap,
    },
    settings::{Aovs, CameraChoice, EnvironmentChoice, Exposure, Lens, Settings},
    shot::Shot,
    shown::Shown,
    sky::Sky,
    work::{Part, Tiles, Work},
};
pub use tessera_front_end::PreparedJob;
