//! Path tracing of glTF scenes as a Tessera workload.
//!
//! The client reads a [`Scene`], chooses [`Settings`], and [`prepare`]s a job: a specification and the blobs it names.
//! A unit of the job is a range of samples of one tile of one frame; its output is a fixed-point sum for each pixel, so
//! that [`Merge`] can add up units in any order and always gets the same bits. The result is an [`Image`]. Scenes that move
//! come from a [`SceneFile`], moment by moment.
//!
//! ```no_run
//! use std::path::Path;
//! use tessera_render::{Merge, Scene, Settings, prepare};
//!
//! let scene = Scene::load(Path::new("scene.glb"))?;
//! let job = prepare(&scene, &Settings { width: 320, height: 180, ..Settings::default() })?;
//! let mut merge = Merge::new(&job.spec)?;
//! # let outputs: Vec<(u64, Vec<u8>)> = Vec::new();
//! for (unit, output) in outputs {
//!     merge.add(unit, &output)?;
//! }
//! if let Some(image) = merge.image(0) {
//!     image.save(Path::new("scene.png"), job.picture.exposure)?;
//! }
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
mod environment;
mod error;
mod image;
mod job;
#[allow(missing_docs, reason = "fields are documented in kernels/layout.cuh")]
mod layout;
mod lights;
mod load;
mod math;
mod merge;
mod pack;
mod scene;
mod settings;
mod sky;

pub use crate::{
    bvh::{Bvh, Hit},
    environment::{Environment, Sun},
    error::{RenderError, Result},
    image::Image,
    job::{FRONT_END, MODULE, Picture, PreparedJob, UnitPlace, prepare},
    load::{Animation, SceneFile},
    math::{Transform, Vec3, vec3},
    merge::Merge,
    scene::{
        Alpha, Anisotropy, Camera, Clearcoat, Encoding, Instance, Iridescence, Material, NormalMap, Projection,
        PunctualLight, Scene, Sheen, Texture, TextureUse, Triangle, Volume, Wrap,
    },
    settings::{CameraChoice, EnvironmentChoice, Exposure, Settings},
    sky::Sky,
};
