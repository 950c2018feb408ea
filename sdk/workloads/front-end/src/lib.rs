//! What front ends share. A front end turns what people have, a scene, a model, a plan of training, into a job: a module of
//! kernels, inputs, and a plan of launches.
//!
//! ```
//! use tessera_front_end::{Blob, Inputs, PlanWriter, at, number};
//! use tessera_protocol::spec::{Arg, FrontEnd};
//!
//! let mut inputs = Inputs::default();
//! let numbers = inputs.add("numbers", Blob::words(0..1024));
//! let mut writer = PlanWriter::default();
//! let (from, to) = (writer.input(numbers), writer.zeros(4 * 256));
//! writer.launch("double", [2, 1, 1], [128, 1, 1], vec![at(from, 0), at(to, 0), Arg::Unit32, number(256)]);
//! let front_end = FrontEnd { name: "doubles".into(), data: vec![] };
//! let job = inputs.job("// PTX", writer.finish(to), 4, front_end)?;
//! assert_eq!(job.blobs().len(), 2);
//! # Ok::<(), tessera_protocol::spec::SpecError>(())
//! ```
#![deny(missing_docs)]

mod inputs;
mod job;
mod plan;

pub use crate::{
    inputs::{Blob, Inputs},
    job::{MissingInput, PreparedJob},
    plan::{BufferIndex, PlanWriter, at, float, number},
};
