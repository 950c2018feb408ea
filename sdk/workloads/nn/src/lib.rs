//! Exact inference as a Tessera workload: a model's answer has one right value, which any auditor can compute again.
//!
//! A [`Model`] is read from a folder in the published form. [`Embedding`] makes a job that turns texts into vectors,
//! [`Generation`] one that answers prompts, [`Logits`] one that says what may follow, [`Scoring`] one that says how likely each
//! token of a text is. Units are batches of texts; [`Vectors`], [`Answers`] and [`Scores`] put their outputs together.
//!
//! ```no_run
//! use std::path::Path;
//! use tessera_nn::{Embedding, Model, Precision, Vectors};
//!
//! let model = Model::load(Path::new("all-MiniLM-L6-v2"), Precision::F32)?;
//! let job = Embedding::job(&model, &["A tessera was a tile.", "It was a token, too."], 32)?;
//! let mut vectors = Vectors::new(&job.spec)?;
//! # let outputs: Vec<(u64, Vec<u8>)> = Vec::new();
//! for (unit, output) in outputs {
//!     vectors.add(unit, &output)?;
//! }
//! vectors.write_npy(Path::new("vectors.npy"))?;
//! # Ok::<(), tessera_nn::NnError>(())
//! ```
//!
//! The kernels are CUDA C++ in `kernels/`, compiled to PTX in the reproducible profile by `scripts/build-kernels`. What a text
//! becomes does not depend on its batch, on padding, on its unit or on the shapes of launches: every sum has one order.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod alone;
mod config;
mod decoder;
mod embedding;
mod encoder;
mod error;
mod files;
mod fixed_point;
mod generation;
mod job;
mod model;
mod pack;
mod passes;
mod plan;
mod products;
mod scores;
mod tensors;
mod texts;
mod tokens;

pub use crate::{
    alone::Product,
    embedding::{EMBED_FRONT_END, Embedding, Vectors},
    error::{NnError, Result},
    generation::{Answer, Answers, GENERATE_FRONT_END, Generation, LOGITS_FRONT_END, Logits, Sampling},
    job::MODULE,
    model::Model,
    pack::Precision,
    scores::{Likelihood, SCORE_FRONT_END, Scores, Scoring, TokenScore},
};
pub use tessera_front_end::PreparedJob;
