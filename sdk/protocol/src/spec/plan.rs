//! The launch plan of a job: what is launched for a unit, in which order, and with what.

use alloc::{format, string::String, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::cid::Cid;

use super::{Input, MAX_BLOCK_THREADS, MAX_BUFFERS, MAX_LAUNCHES, MAX_PARAM_LEN, MAX_SHARED_LEN, MAX_STEPS, SpecError};

/// The launches that compute one unit, in order, each seeing the writes of those before it.
///
/// A run of launches may be repeated ([`Repeat`]); [`LaunchPlan::steps`] is the order in which a unit runs them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaunchPlan {
    /// Device memory.
    pub buffers: Vec<Buffer>,
    /// Kernel launches.
    pub launches: Vec<Launch>,
    /// Which of them run more than once, from the first to the last; they do not overlap.
    pub repeats: Vec<Repeat>,
    /// Index of the buffer whose bytes are the unit's output.
    pub output: u16,
}

/// A run of launches that a unit goes through several times: all of them in order, then all of them again. They differ
/// in [`Arg::Round32`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Repeat {
    /// Index of the first launch.
    pub first: u16,
    /// How many launches.
    pub count: u16,
    /// How many times they run.
    pub times: u32,
}

/// A launch of the plan, as a unit runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of the launch.
    pub launch: usize,
    /// How often it ran before in this unit.
    pub round: u32,
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
    /// How often the launch ran before in this unit, as u32: the round of its [`Repeat`], 0 without one.
    Round32,
}

impl Arg {
    /// Size of the parameter in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Buffer { .. } | Self::Unit64 | Self::Bits64(_) => 8,
            Self::Unit32 | Self::Bits32(_) | Self::Round32 => 4,
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the parameter has no bytes (only an empty [`Arg::Bytes`], which validation refuses).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LaunchPlan {
    /// Content id of its encoding, by which the owner of private data says what may be done with it.
    #[must_use]
    pub fn cid(&self) -> Cid {
        // Writing into memory does not fail.
        Cid::of(&borsh::to_vec(self).unwrap_or_default())
    }

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
        self.validate_repeats()?;
        self.launches.iter().enumerate().try_for_each(|(i, launch)| launch.validate(i, &self.buffers))
    }

    fn validate_repeats(&self) -> Result<(), SpecError> {
        let launches = self.launches.len();
        let mut free = 0;
        for (i, repeat) in self.repeats.iter().enumerate() {
            let (first, end) = (usize::from(repeat.first), usize::from(repeat.first) + usize::from(repeat.count));
            ensure!(first >= free, "repeat {i} begins at launch {first}, the one before it ends at {free}");
            ensure!(repeat.count > 0, "repeat {i} has no launches");
            ensure!(repeat.times > 0, "repeat {i} runs 0 times");
            ensure!(end <= launches, "repeat {i} has launches {first} to {}, the plan has {launches}", end - 1);
            free = end;
        }
        let steps = self.step_count();
        ensure!(steps <= MAX_STEPS, "a unit has {steps} launches, repetitions counted, at most {MAX_STEPS}");
        Ok(())
    }

    /// How many launches a unit runs, repetitions counted.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        let more = |repeat: &Repeat| u64::from(repeat.count) * u64::from(repeat.times.saturating_sub(1));
        self.repeats.iter().map(more).fold(self.launches.len() as u64, u64::saturating_add)
    }

    /// The launches of a unit in the order in which they run, repetitions with them.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let mut repeats = self.repeats.iter().peekable();
        let mut next = 0;
        core::iter::from_fn(move || {
            let first = next;
            let launches = self.launches.len();
            if first >= launches {
                return None;
            }
            // Launches up to the next repeat are a run that happens once.
            let (end, times) = match repeats.peek() {
                Some(repeat) if usize::from(repeat.first) <= first => {
                    let run = (first + usize::from(repeat.count), repeat.times);
                    repeats.next();
                    run
                }
                Some(repeat) => (usize::from(repeat.first), 1),
                None => (launches, 1),
            };
            next = end;
            Some((0..times).flat_map(move |round| (first..end).map(move |launch| Step { launch, round })))
        })
        .flatten()
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
    use alloc::vec;

    #[test]
    fn steps_go_through_repeats_in_order() {
        let launch =
            Launch { kernel: "k".into(), grid: [1; 3], block: [1; 3], shared_len: 0, args: vec![Arg::Round32] };
        let mut plan = LaunchPlan {
            buffers: vec![Buffer { len: 4, init: BufferInit::Zero }],
            launches: vec![launch; 6],
            repeats: vec![],
            output: 0,
        };
        let steps = |plan: &LaunchPlan| {
            assert_eq!(plan.validate(&[]), Ok(()));
            let steps: Vec<(usize, u32)> = plan.steps().map(|step| (step.launch, step.round)).collect();
            assert_eq!(steps.len() as u64, plan.step_count());
            steps
        };
        assert_eq!(steps(&plan), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
        let repeat = |first, count, times| Repeat { first, count, times };
        plan.repeats = vec![repeat(0, 1, 2), repeat(2, 2, 3), repeat(4, 1, 1)];
        let expected = [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (2, 2), (3, 2), (4, 0), (5, 0)];
        assert_eq!(steps(&plan), expected);
        plan.repeats = vec![repeat(5, 1, 2)];
        assert_eq!(steps(&plan)[4..], [(4, 0), (5, 0), (5, 1)]);
    }
}
