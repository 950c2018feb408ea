//! Federated training as a Tessera workload: every step has one right result, which any auditor can compute again.
//!
//! A [`Plan`] says what is trained, on which data and how. A [`Training`] goes through its rounds; each is two jobs:
//!
//! 1. *Local steps*: a unit for each shard of the data. It begins with the round's weights and gives a compressed update.
//! 2. *Aggregation*: one unit, which makes a compressed change of the weights out of all updates that came, and the state that
//!    the next aggregation begins with.
//!
//! ```no_run
//! use std::path::Path;
//! use tessera_train::{Plan, PreparedJob, Training};
//!
//! # fn computed(job: &PreparedJob) -> Vec<bytes::Bytes> { vec![] }
//! let mut training = Training::start(Plan::load(Path::new("digits.toml"))?)?;
//! while training.round() < training.rounds() {
//!     let updates: Vec<_> = computed(&training.steps()?).into_iter().map(Some).collect();
//!     let change = computed(&training.aggregation(&updates)?);
//!     let progress = training.advance(&change[0], updates.len())?;
//!     println!("round {}: {} updates", progress.round, progress.updates);
//!     training.save(Path::new("digits"))?;
//! }
//! # Ok::<(), tessera_train::TrainError>(())
//! ```
//!
//! The kernels are CUDA C++ in `kernels/`, compiled to PTX in the reproducible profile by `scripts/build-kernels`. Every sum has
//! one order; what is drawn depends on the seed, the round, the shard, the step and the place alone.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod aggregate;
mod checkpoint;
mod compress;
mod data;
mod error;
mod job;
mod lineage;
mod model;
mod network;
mod parameters;
mod philox;
mod plan;
mod planner;
mod rules;
mod steps;
mod store;
mod training;

pub use crate::{
    data::Shape,
    error::{Result, TrainError},
    job::{AGGREGATION_FRONT_END, EVALUATION_FRONT_END, MODULE, PRIVATE_FRONT_END, STEPS_FRONT_END},
    plan::{
        Activation, Aggregation, Compression, Data, Division, Evaluation, MAX_SHARDS, Model, Optimiser, Plan, Pool,
        Private, Rule, Shards, Steps,
    },
    training::{Agreement, Own, Progress, Traffic, Training, Trial, private_inputs, private_task, training_id},
};
pub use tessera_front_end::PreparedJob;
