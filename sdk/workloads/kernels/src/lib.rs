//! Bring your own kernel: from a plan file, CUDA C++ or PTX, and inputs to a job that can be posted.
//!
//! A plan says in TOML which kernels compute one unit, from what and into what (`docs/kernels.md` has every key):
//!
//! ```toml
//! name = "options"
//! module = "options.cu"
//! units = 64
//! output = "prices"
//!
//! [inputs]
//! market = "market.bin"
//!
//! [[buffer]]
//! name = "market"
//! input = "market"
//!
//! [[buffer]]
//! name = "prices"
//! len = 4096
//!
//! [[step]]
//! [[step.launch]]
//! kernel = "price"
//! grid = [8]
//! block = [128]
//! args = [{ buffer = "market" }, { buffer = "prices" }, { unit = "u32" }]
//! ```
//!
//! [`Plan::load`] reads it, [`Plan::prepare`] compiles the module, reads the inputs and gives a [`PreparedJob`], whose
//! specification and blobs `tessera_sdk::Tessera::post_job` takes as they are:
//!
//! ```no_run
//! use std::{collections::BTreeMap, path::Path};
//! use tessera_kernels::Plan;
//!
//! let job = Plan::load(Path::new("options.toml"))?.prepare(&BTreeMap::new())?;
//! println!("{} units of {} bytes each", job.spec.units, job.spec.output_len());
//! // tessera.post_job(&wallet, &market, &job.spec, job.blobs(), terms).await?;
//! # Ok::<(), tessera_kernels::KernelsError>(())
//! ```
//!
//! CUDA C++ is compiled by NVRTC with the options of the reproducible profile. It needs neither a GPU nor a driver;
//! `scripts/get-nvrtc` installs it. The headers that kernels may include are part of this crate.
#![deny(missing_docs)]

mod args;
mod compile;
mod error;
mod file;
mod nvrtc;
mod plan;

pub use crate::{
    compile::{HEADERS, OPTIONS, VERSION, compile, module_text},
    error::{KernelsError, Result},
    plan::{FRONT_END, Plan, name_of},
};
pub use tessera_front_end::PreparedJob;
