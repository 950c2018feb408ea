//! Job specifications: the blob that says what a job computes. Its content id is what the chain stores.
//!
//! A specification names a module (PTX text), its inputs and a *launch plan*: the kernel launches that compute one unit.
//! Units differ only in the unit number that the plan passes to the kernels. Encoding: Borsh.

use core::fmt;

use alloc::{format, string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::cid::Cid;

/// Returns an error with a formatted text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(SpecError(format!($($text)+)));
        }
    };
}

mod plan;

pub use plan::{Arg, Buffer, BufferInit, Launch, LaunchPlan, Repeat, Step};

/// Version of the encoding.
pub const SPEC_VERSION: u8 = 1;
/// Largest encoded specification, in bytes.
pub const MAX_SPEC_LEN: usize = 1 << 20;
/// Largest module, in bytes of PTX text.
pub const MAX_MODULE_LEN: u64 = 16 << 20;
/// Most launches in a plan.
pub const MAX_LAUNCHES: usize = 4096;
/// Most launches of a unit, repetitions counted.
pub const MAX_STEPS: u64 = 1 << 20;
/// Most buffers in a plan.
pub const MAX_BUFFERS: usize = 256;
/// Most bytes of kernel parameters in a launch (the limit of CUDA on older devices).
pub const MAX_PARAM_LEN: usize = 4096;
/// Most dynamic shared memory of a launch, in bytes (what every device since sm_80 offers without opting in).
pub const MAX_SHARED_LEN: u32 = 48 << 10;
/// Most threads in a block.
pub const MAX_BLOCK_THREADS: u64 = 1024;

/// What a job computes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct JobSpec {
    /// [`SPEC_VERSION`].
    pub version: u8,
    /// The GPU program: PTX text in the reproducible profile.
    pub module: Cid,
    /// Blobs that the plan's buffers are filled from.
    pub inputs: Vec<Input>,
    /// The launches that compute one unit.
    pub plan: LaunchPlan,
    /// Number of units.
    pub units: u64,
    /// Most gas that a unit may spend; more is a fault. 0: not limited by the job.
    pub unit_gas: u64,
    /// Who may read outputs. Only [`Visibility::Public`] exists today.
    pub visibility: Visibility,
    /// What the front end needs to merge outputs; workers ignore it.
    pub front_end: FrontEnd,
}

/// Who may read the outputs of a job once they are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Visibility {
    /// Everybody.
    #[default]
    Public,
}

/// A blob that a job reads.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Input {
    /// A name for people.
    pub name: String,
    /// Its content id.
    pub cid: Cid,
    /// Its length in bytes.
    pub len: u64,
}

/// Which front end made the job, and its notes to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FrontEnd {
    /// For example `render`.
    pub name: String,
    /// Opaque to everybody else.
    pub data: Vec<u8>,
}

/// Why a job specification is refused. The text says what was found and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for SpecError {}

impl JobSpec {
    /// The bytes whose content id the chain stores.
    ///
    /// # Errors
    /// If the specification is not valid.
    pub fn encode(&self) -> Result<Vec<u8>, SpecError> {
        self.validate()?;
        let bytes = borsh::to_vec(self).map_err(|e| SpecError(format!("cannot encode job specification: {e}")))?;
        ensure!(bytes.len() <= MAX_SPEC_LEN, "job specification of {} bytes exceeds {MAX_SPEC_LEN}", bytes.len());
        Ok(bytes)
    }

    /// Reads and validates a specification from a stranger.
    ///
    /// # Errors
    /// If the bytes are not a valid specification of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, SpecError> {
        ensure!(bytes.len() <= MAX_SPEC_LEN, "job specification of {} bytes exceeds {MAX_SPEC_LEN}", bytes.len());
        ensure!(
            bytes.first() == Some(&SPEC_VERSION),
            "job specification has version {:?}, this build reads {SPEC_VERSION}: update it",
            bytes.first()
        );
        let spec = Self::try_from_slice(bytes).map_err(|e| SpecError(format!("broken job specification: {e}")))?;
        spec.validate()?;
        Ok(spec)
    }

    /// Bytes of a unit's output.
    #[must_use]
    pub fn output_len(&self) -> u64 {
        self.plan.buffers.get(usize::from(self.plan.output)).map_or(0, |buffer| buffer.len)
    }

    /// Device memory that a unit needs, in bytes.
    #[must_use]
    pub fn device_memory(&self) -> u64 {
        self.plan.buffers.iter().fold(0, |sum: u64, buffer| sum.saturating_add(buffer.len))
    }

    /// Checks every index, size and bound.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), SpecError> {
        ensure!(self.version == SPEC_VERSION, "job specification version {}, expected {SPEC_VERSION}", self.version);
        ensure!(self.units > 0, "a job needs at least one unit");
        self.plan.validate(&self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    fn spec() -> JobSpec {
        JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(b"module"),
            inputs: vec![Input { name: "scene".into(), cid: Cid::of(b"scene"), len: 5 }],
            plan: LaunchPlan {
                buffers: vec![
                    Buffer { len: 5, init: BufferInit::Input(0) },
                    Buffer { len: 64, init: BufferInit::Zero },
                ],
                launches: vec![Launch {
                    kernel: "k".into(),
                    grid: [1, 1, 1],
                    block: [64, 1, 1],
                    shared_len: 0,
                    args: vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Unit32, Arg::Bits64(1), Arg::Round32],
                }],
                repeats: vec![Repeat { first: 0, count: 1, times: 2 }],
                output: 1,
            },
            units: 3,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd::default(),
        }
    }

    #[test]
    fn round_trip_and_sizes() {
        let spec = spec();
        assert_eq!(JobSpec::decode(&spec.encode().unwrap()), Ok(spec.clone()));
        assert_eq!((spec.output_len(), spec.device_memory()), (64, 69));
    }

    /// Golden bytes: the layout on the wire. See docs/breaking-changes.md before changing it.
    #[test]
    fn golden() {
        assert_eq!(
            Cid::of(&spec().encode().unwrap()).to_string(),
            "675c2d7852fb25c442a2a7c38c755468434ebe37c60e77da572e807343bb02a1"
        );
    }

    #[test]
    fn a_plan_has_a_name() {
        let plan = spec().plan;
        let mut other = plan.clone();
        other.output = 0;
        assert_eq!(plan.cid(), spec().plan.cid());
        assert_ne!(plan.cid(), other.cid());
    }

    #[test]
    fn each_rule_refuses() {
        let refused = |change: &dyn Fn(&mut JobSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.validate().unwrap_err().to_string()
        };
        assert!(refused(&|s| s.version = 9).contains("version"));
        assert!(refused(&|s| s.units = 0).contains("unit"));
        assert!(refused(&|s| s.plan.output = 0).contains("read-only"));
        assert!(refused(&|s| s.plan.output = 7).contains("does not exist"));
        assert!(refused(&|s| s.plan.launches.clear()).contains("launches"));
        assert!(refused(&|s| s.plan.repeats[0].count = 2).contains("repeat 0 has launches 0 to 1"));
        assert!(refused(&|s| s.plan.repeats[0].count = 0).contains("no launches"));
        assert!(refused(&|s| s.plan.repeats[0].times = 0).contains("0 times"));
        assert!(refused(&|s| s.plan.repeats[0].times = (1 << 20) + 1).contains("1048577 launches"));
        assert!(refused(&|s| s.plan.repeats.push(s.plan.repeats[0])).contains("repeat 1 begins"));
        assert!(refused(&|s| s.plan.buffers[0].len = 6).contains("its input 5"));
        assert!(refused(&|s| s.plan.buffers[0].init = BufferInit::Copy(1)).contains("input 1"));
        assert!(refused(&|s| s.plan.launches[0].block = [1025, 1, 1]).contains("block"));
        assert!(refused(&|s| s.plan.launches[0].grid = [1, 0, 1]).contains("grid"));
        assert!(refused(&|s| s.plan.launches[0].shared_len = 1 << 20).contains("shared"));
        assert!(refused(&|s| s.plan.launches[0].kernel.clear()).contains("kernel"));
        assert!(refused(&|s| s.plan.launches[0].args.push(Arg::Bytes(vec![0; 5000]))).contains("parameters"));
        assert!(refused(&|s| s.plan.launches[0].args.push(Arg::Buffer { index: 1, offset: 65 })).contains("byte 65"));
    }

    proptest! {
        #[test]
        fn strangers_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..200, value: u8) {
            let _ = JobSpec::decode(&bytes);
            bytes = spec().encode().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = JobSpec::decode(&bytes);
        }
    }
}
