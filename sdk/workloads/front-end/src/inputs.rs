//! The inputs of a job being made.

use bytes::Bytes;
use tessera_protocol::{
    cid::Cid,
    spec::{FrontEnd, Input, JobSpec, LaunchPlan, SPEC_VERSION, SpecError, Visibility},
};

use crate::job::PreparedJob;

/// An input of a job being made.
#[derive(Clone, Debug)]
pub enum Blob {
    /// Bytes that are there, with their content id.
    There(Cid, Bytes),
    /// Bytes that somebody else has: their content id and length.
    Elsewhere(Cid, u64),
}

impl Blob {
    /// Of bytes whose content id is not known yet.
    #[must_use]
    pub fn of(bytes: &Bytes) -> Self {
        Self::There(Cid::of(bytes), bytes.clone())
    }

    /// Of words, the least significant byte of each first.
    #[must_use]
    pub fn words(words: impl IntoIterator<Item = u32>) -> Self {
        Self::of(&words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    /// Its content id.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        let (Self::There(cid, _) | Self::Elsewhere(cid, _)) = self;
        *cid
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::There(_, bytes) => bytes.len() as u64,
            Self::Elsewhere(_, len) => *len,
        }
    }

    /// Whether it has no bytes. A job does not take such an input.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes, where they are there.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::There(_, bytes) => Some(bytes),
            Self::Elsewhere(..) => None,
        }
    }
}

/// The inputs of a job being made, each with a name for people.
#[derive(Clone, Debug, Default)]
pub struct Inputs(Vec<(String, Blob)>);

impl Inputs {
    /// Adds an input; returns its number and length in bytes.
    pub fn add(&mut self, name: impl Into<String>, blob: Blob) -> (u16, u64) {
        let len = blob.len();
        self.0.push((name.into(), blob));
        ((self.0.len() - 1) as u16, len)
    }

    /// The inputs as a specification has them.
    #[must_use]
    pub fn declared(&self) -> Vec<Input> {
        let named = |(name, blob): &(String, Blob)| Input { name: name.clone(), cid: blob.cid(), len: blob.len() };
        self.0.iter().map(named).collect()
    }

    /// The job that runs this plan of a module, PTX, for each of `units`. It sets no limit of gas.
    ///
    /// # Errors
    /// If the specification is not valid, or too large.
    pub fn job(
        self,
        module: impl Into<String>,
        plan: LaunchPlan,
        units: u64,
        front_end: FrontEnd,
    ) -> Result<PreparedJob, SpecError> {
        let module = module.into();
        let spec = JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(module.as_bytes()),
            inputs: self.declared(),
            plan,
            units,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end,
        };
        // Sizes too: what cannot be encoded cannot be posted.
        spec.encode()?;
        let inputs = self.0.into_iter().map(|(_, blob)| blob.bytes().cloned()).collect();
        Ok(PreparedJob { spec, module, inputs })
    }
}
