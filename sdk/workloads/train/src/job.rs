//! Jobs that are ready to be posted, or to be run here.

use bytes::Bytes;
use tessera_protocol::{
    cid::Cid,
    spec::{FrontEnd, Input, JobSpec, LaunchPlan, SPEC_VERSION, Visibility},
};

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

/// A job that is ready to be posted, or to be run here.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// What workers run.
    pub spec: JobSpec,
    /// The blobs that the specification names: the module, then the inputs in their order. Those that only a participant has
    /// are left out.
    pub blobs: Vec<(Cid, Bytes)>,
}

impl PreparedJob {
    /// The inputs in the order of [`JobSpec::inputs`], where all of them are there.
    #[must_use]
    pub fn inputs(&self) -> Vec<Bytes> {
        self.blobs.iter().skip(1).map(|(_, bytes)| bytes.clone()).collect()
    }
}

/// An input of a job being made.
#[derive(Clone, Debug)]
pub(crate) enum Blob {
    /// Bytes that are there.
    There(Cid, Bytes),
    /// Bytes that somebody else has.
    Elsewhere(Cid, u64),
}

impl Blob {
    pub fn of(bytes: &Bytes) -> Self {
        Self::There(Cid::of(bytes), bytes.clone())
    }

    pub fn words(words: impl IntoIterator<Item = u32>) -> Self {
        Self::of(&words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    pub fn len(&self) -> usize {
        match self {
            Self::There(_, bytes) => bytes.len(),
            Self::Elsewhere(_, len) => *len as usize,
        }
    }
}

/// The inputs of a job being made, each with a name for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs(Vec<(String, Blob)>);

impl Inputs {
    /// Adds an input; returns its number and length.
    pub fn add(&mut self, name: impl Into<String>, blob: Blob) -> (usize, usize) {
        let len = blob.len();
        self.0.push((name.into(), blob));
        (self.0.len() - 1, len)
    }

    pub fn job(self, front_end: &str, plan: LaunchPlan, units: u64, notes: Vec<u8>) -> Result<PreparedJob> {
        let module = Bytes::from_static(MODULE.as_bytes());
        let mut blobs = vec![(Cid::of(&module), module)];
        let mut inputs = vec![];
        for (name, blob) in self.0 {
            let len = blob.len() as u64;
            let cid = match blob {
                Blob::There(cid, bytes) => {
                    blobs.push((cid, bytes));
                    cid
                }
                Blob::Elsewhere(cid, _) => cid,
            };
            inputs.push(Input { name, cid, len });
        }
        let spec = JobSpec {
            version: SPEC_VERSION,
            module: blobs[0].0,
            inputs,
            plan,
            units,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd { name: front_end.into(), data: notes },
        };
        // Sizes too: what cannot be encoded cannot be posted.
        spec.encode()?;
        Ok(PreparedJob { spec, blobs })
    }
}

/// The words of bytes.
pub(crate) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}
