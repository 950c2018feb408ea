//! Launch plans being written.

use tessera_protocol::spec::{Arg, Buffer, BufferInit, Launch, LaunchPlan, Repeat};

/// The number of a buffer in its plan.
pub type BufferIndex = u16;

/// A place in a buffer, so many bytes behind its start, as an argument.
#[must_use]
pub const fn at(index: BufferIndex, offset: u64) -> Arg {
    Arg::Buffer { index, offset }
}

/// A whole number as an argument.
#[must_use]
pub const fn number(value: u32) -> Arg {
    Arg::Bits32(value)
}

/// A float as an argument.
#[must_use]
pub const fn float(value: f32) -> Arg {
    Arg::Bits32(value.to_bits())
}

/// A launch plan being written: buffers, and launches in their order.
#[derive(Clone, Debug, Default)]
pub struct PlanWriter {
    buffers: Vec<Buffer>,
    launches: Vec<Launch>,
    repeats: Vec<Repeat>,
}

impl PlanWriter {
    fn buffer(&mut self, len: u64, init: BufferInit) -> BufferIndex {
        self.buffers.push(Buffer { len, init });
        (self.buffers.len() - 1) as BufferIndex
    }

    /// So many bytes, zero when a unit starts.
    pub fn zeros(&mut self, len: u64) -> BufferIndex {
        self.buffer(len, BufferInit::Zero)
    }

    /// An input of the job, read-only: its number and length in bytes, as [`Inputs::add`](crate::Inputs::add) returns them.
    pub fn input(&mut self, (number, len): (u16, u64)) -> BufferIndex {
        self.buffer(len, BufferInit::Input(number))
    }

    /// A copy of an input of the job, which kernels may change, as [`PlanWriter::input`].
    pub fn copy_of(&mut self, (number, len): (u16, u64)) -> BufferIndex {
        self.buffer(len, BufferInit::Copy(number))
    }

    /// Makes a buffer longer: so many bytes, behind what it has, from a multiple of `align` on. Returns where they begin.
    pub fn more(&mut self, buffer: BufferIndex, len: u64, align: u64) -> u64 {
        let buffer = &mut self.buffers[usize::from(buffer)];
        let offset = buffer.len.next_multiple_of(align);
        buffer.len = offset + len;
        offset
    }

    /// A launch with this many blocks of this many threads.
    pub fn launch(&mut self, kernel: &str, grid: [u32; 3], block: [u32; 3], args: Vec<Arg>) {
        self.launch_with(kernel, grid, block, 0, args);
    }

    /// A launch with so many bytes of shared memory besides what the kernel itself has.
    pub fn launch_with(&mut self, kernel: &str, grid: [u32; 3], block: [u32; 3], shared_len: u32, args: Vec<Arg>) {
        self.launches.push(Launch { kernel: kernel.into(), grid, block, shared_len, args });
    }

    /// Number of launches so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.launches.len()
    }

    /// Everything from launch `first` on runs `times` times.
    pub fn repeat(&mut self, first: usize, times: u32) {
        let count = self.launches.len() - first;
        self.repeats.push(Repeat { first: first as u16, count: count as u16, times });
    }

    /// The plan, whose output is in this buffer.
    #[must_use]
    pub fn finish(self, output: BufferIndex) -> LaunchPlan {
        LaunchPlan { buffers: self.buffers, launches: self.launches, repeats: self.repeats, output }
    }
}
