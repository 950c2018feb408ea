//! Jobs that are ready to be posted, or to be run here.

use tessera_front_end::{Inputs, PreparedJob};
use tessera_protocol::spec::{FrontEnd, LaunchPlan};

use crate::error::Result;

/// The kernels, in the reproducible profile. Built by `scripts/build-kernels`.
pub const MODULE: &str = include_str!("../kernels/train.ptx");

/// Names of this front end's jobs: local steps, aggregation, evaluation, local steps on private data.
pub const STEPS_FRONT_END: &str = "train-steps";
/// See [`STEPS_FRONT_END`].
pub const AGGREGATION_FRONT_END: &str = "train-aggregation";
/// See [`STEPS_FRONT_END`].
pub const EVALUATION_FRONT_END: &str = "train-evaluation";
/// See [`STEPS_FRONT_END`].
pub const PRIVATE_FRONT_END: &str = "train-private";

/// The job of these inputs that runs this plan; `notes` are what the front end says of it.
pub(crate) fn job(
    inputs: Inputs,
    front_end: &str,
    plan: LaunchPlan,
    units: u64,
    notes: Vec<u8>,
) -> Result<PreparedJob> {
    Ok(inputs.job(MODULE, plan, units, FrontEnd { name: front_end.into(), data: notes })?)
}

/// The words of bytes.
pub(crate) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}
