//! Job specifications: the blob that says what a job computes. Its content id is what the chain stores.
//!
//! A specification names a module (PTX text), its inputs and a *launch plan*: the kernel launches that compute one unit.
//! Units differ only in the unit number that the plan passes to the kernels. Encoding: Borsh.

use core::fmt;

use alloc::{format, string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::cid::Cid;

/// Version of the encoding.
pub const SPEC_VERSION: u8 = 1;
/// Largest encoded specification, in bytes.
pub const MAX_SPEC_LEN: usize = 1 << 20;
/// Largest module, in bytes of PTX text.
pub const MAX_MODULE_LEN: u64 = 16 << 20;
/// Most launches in a plan.
pub const MAX_LAUNCHES: usize = 1024;
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

/// The launches that compute one unit, in order, each seeing the writes of those before it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaunchPlan {
    /// Device memory.
    pub buffers: Vec<Buffer>,
    /// Kernel launches.
    pub launches: Vec<Launch>,
    /// Index of the buffer whose bytes are the unit's output.
    pub output: u16,
}

/// One allocation of device memory, 256-byte aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Buffer {
    /// Length in bytes.
    pub len: u64,
    /// What it holds when a unit starts.
    pub init: BufferInit,
}

/// What a buffer holds when a unit starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum BufferInit {
    /// Zeros, before every unit.
    Zero,
    /// The input of this index. Kernels must not write to it.
    Input(u16),
    /// A fresh copy of the input of this index before every unit, which kernels may change.
    Copy(u16),
}

/// One kernel launch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Launch {
    /// Name of an `.entry` of the module.
    pub kernel: String,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_len: u32,
    /// Kernel parameters in order.
    pub args: Vec<Arg>,
}

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Arg {
    /// Address of a buffer (8 bytes), plus an offset in bytes.
    Buffer {
        /// Index of the buffer.
        index: u16,
        /// Offset in bytes, at most its length.
        offset: u64,
    },
    /// The unit's number as u32.
    Unit32,
    /// The unit's number as u64.
    Unit64,
    /// A 4-byte value (an i32 or f32 is passed by its bits).
    Bits32(u32),
    /// An 8-byte value (an i64 or f64 is passed by its bits).
    Bits64(u64),
    /// A structure passed by value.
    Bytes(Vec<u8>),
}

impl Arg {
    /// Size of the parameter in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Buffer { .. } | Self::Unit64 | Self::Bits64(_) => 8,
            Self::Unit32 | Self::Bits32(_) => 4,
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the parameter has no bytes (only an empty [`Arg::Bytes`], which validation refuses).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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

/// Returns an error with a formatted text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(SpecError(format!($($text)+)));
        }
    };
}

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

impl LaunchPlan {
    /// Checks every index, size and bound against the inputs of the job.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn validate(&self, inputs: &[Input]) -> Result<(), SpecError> {
        ensure!(self.buffers.len() <= MAX_BUFFERS, "{} buffers, at most {MAX_BUFFERS}", self.buffers.len());
        let launches = self.launches.len();
        ensure!((1..=MAX_LAUNCHES).contains(&launches), "{launches} launches, expected 1 to {MAX_LAUNCHES}");
        for (i, buffer) in self.buffers.iter().enumerate() {
            ensure!(buffer.len > 0, "buffer {i} is empty");
            if let BufferInit::Input(n) | BufferInit::Copy(n) = buffer.init {
                let input = inputs.get(usize::from(n));
                let input =
                    input.ok_or_else(|| SpecError(format!("buffer {i} names input {n}, which does not exist")))?;
                ensure!(input.len == buffer.len, "buffer {i} has {} bytes, its input {}", buffer.len, input.len);
            }
        }
        let output = self.buffers.get(usize::from(self.output));
        let output = output.ok_or_else(|| SpecError(format!("output buffer {} does not exist", self.output)))?;
        ensure!(!matches!(output.init, BufferInit::Input(_)), "the output buffer is a read-only input");
        self.launches.iter().enumerate().try_for_each(|(i, launch)| launch.validate(i, &self.buffers))
    }
}

impl Launch {
    fn validate(&self, i: usize, buffers: &[Buffer]) -> Result<(), SpecError> {
        ensure!(
            !self.kernel.is_empty() && self.kernel.len() <= 256,
            "launch {i}: kernel name of {} bytes",
            self.kernel.len()
        );
        ensure!(
            self.grid[0] >= 1
                && self.grid[0] <= i32::MAX as u32
                && self.grid[1..].iter().all(|n| (1..=65_535).contains(n)),
            "launch {i}: grid {:?} outside 1..=[2147483647, 65535, 65535]",
            self.grid
        );
        let threads = self.block.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n)));
        ensure!(
            (1..=MAX_BLOCK_THREADS).contains(&threads) && self.block[2] <= 64,
            "launch {i}: block {:?} outside 1..={MAX_BLOCK_THREADS} threads, z at most 64",
            self.block
        );
        ensure!(
            self.shared_len <= MAX_SHARED_LEN,
            "launch {i}: {} bytes of shared memory, at most {MAX_SHARED_LEN}",
            self.shared_len
        );
        let mut len = 0usize;
        for (k, arg) in self.args.iter().enumerate() {
            ensure!(!arg.is_empty(), "launch {i}: parameter {k} is empty");
            len = len.saturating_add(arg.len());
            if let Arg::Buffer { index, offset } = arg {
                let buffer = buffers.get(usize::from(*index));
                let buffer = buffer.ok_or_else(|| {
                    SpecError(format!("launch {i}: parameter {k} names buffer {index}, which does not exist"))
                })?;
                ensure!(*offset <= buffer.len, "launch {i}: parameter {k} starts at byte {offset} of {}", buffer.len);
            }
        }
        ensure!(len <= MAX_PARAM_LEN, "launch {i}: {len} bytes of parameters, at most {MAX_PARAM_LEN}");
        Ok(())
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
                    args: vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Unit32, Arg::Bits64(1)],
                }],
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
            "a434958e1504d7ce001c7ed4e33b0044e251cc3b7d54e2c31708a851fe61621c"
        );
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
