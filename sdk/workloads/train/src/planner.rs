//! Launch plans being written: buffers, places in them, launches.

use tessera_front_end::{BufferIndex, PlanWriter};
pub(crate) use tessera_front_end::{float, number};
use tessera_protocol::spec::{Arg, LaunchPlan};

/// Threads of a block of kernels with one thread for each element, as in `kernels/layers.cuh`.
const THREADS: u32 = 128;
/// Threads of a block of a product, along the columns and the rows.
const ACROSS: u32 = 16;
const DOWN: u32 = 4;
/// Rows and columns of a thread of a product, as in `kernels/gemm.cuh`.
const TILE_ROWS: u32 = 8;
const TILE: u32 = 4;
/// Flags of a product, as there.
const ADD_BIAS: u32 = 1;
const ADD_TO: u32 = 2;
/// What parts of memory begin at a multiple of, in bytes.
const ALIGN: u64 = 256;
/// The buffer of all memory that is zero when a unit starts.
const MEMORY: BufferIndex = 0;

/// A place in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    buffer: BufferIndex,
    /// In bytes.
    offset: u64,
}

impl Place {
    /// The place so many words behind this one.
    pub fn plus(self, words: usize) -> Self {
        Self { offset: self.offset + 4 * words as u64, ..self }
    }

    /// The place so many bytes behind this one.
    pub fn plus_bytes(self, bytes: u64) -> Self {
        Self { offset: self.offset + bytes, ..self }
    }
}

/// As an argument of a launch.
pub(crate) fn at(place: Place) -> Arg {
    tessera_front_end::at(place.buffer, place.offset)
}

/// A seed as the last two arguments of a kernel.
pub(crate) fn seed(value: u64) -> [Arg; 2] {
    [number(value as u32), number((value >> 32) as u32)]
}

/// A factor of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor {
    pub at: Place,
    /// Floats from one line of memory to the next.
    pub stride: usize,
    /// Whether a line goes along k, or across it.
    pub along_k: bool,
}

/// What is added to a product.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Added {
    /// A number for each column.
    pub bias: Option<Place>,
    /// A number for each element.
    pub more: Option<Place>,
}

/// How launches are shaped; none of it changes a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As large tiles as fit.
    #[default]
    Tiles,
    /// Products element by element, small blocks.
    #[cfg(test)]
    Small,
}

/// A plan being written.
pub(crate) struct Planner {
    writer: PlanWriter,
    shape: Shape,
}

impl Planner {
    pub fn new(shape: Shape) -> Self {
        let mut writer = PlanWriter::default();
        // There is always some, so that the buffer is a valid one.
        writer.zeros(ALIGN);
        Self { writer, shape }
    }

    /// Memory for so many words, zero when a unit starts.
    pub fn words(&mut self, count: usize) -> Place {
        Place { buffer: MEMORY, offset: self.writer.more(MEMORY, 4 * count as u64, ALIGN) }
    }

    /// An input, read-only.
    pub fn input(&mut self, input: (u16, u64)) -> Place {
        Place { buffer: self.writer.input(input), offset: 0 }
    }

    /// A copy of an input that kernels may change.
    pub fn copy_of(&mut self, input: (u16, u64)) -> Place {
        Place { buffer: self.writer.copy_of(input), offset: 0 }
    }

    /// A buffer of its own, zero when a unit starts: the output.
    pub fn output(&mut self, words: usize) -> Place {
        Place { buffer: self.writer.zeros(4 * words as u64), offset: 0 }
    }

    /// Number of launches so far.
    pub fn position(&self) -> usize {
        self.writer.position()
    }

    /// Everything from launch `first` on runs `times` times.
    pub fn repeat(&mut self, first: usize, times: u32) {
        self.writer.repeat(first, times);
    }

    pub fn finish(self, output: Place) -> LaunchPlan {
        self.writer.finish(output.buffer)
    }

    /// A launch with this many blocks of this many threads.
    pub fn launch(&mut self, kernel: &str, grid: [u32; 3], block: [u32; 3], args: Vec<Arg>) {
        self.writer.launch(kernel, grid, block, args);
    }

    /// A launch with a thread for each of `count`.
    pub fn each(&mut self, kernel: &str, count: usize, args: Vec<Arg>) {
        self.each_of(kernel, count, 1, args);
    }

    /// The same for each of `lines`, along y.
    pub fn each_of(&mut self, kernel: &str, count: usize, lines: usize, args: Vec<Arg>) {
        let threads = match self.shape {
            Shape::Tiles => THREADS,
            #[cfg(test)]
            Shape::Small => 32,
        };
        self.launch(kernel, [(count as u32).div_ceil(threads), lines as u32, 1], [threads, 1, 1], args);
    }

    /// A launch of one thread.
    pub fn once(&mut self, kernel: &str, args: Vec<Arg>) {
        self.launch(kernel, [1; 3], [1; 3], args);
    }

    /// c (m x n) = a (m x k) b (k x n), and what is added.
    pub fn multiply(&mut self, [m, n, k]: [usize; 3], a: Factor, b: Factor, c: Place, added: Added) {
        let flag = |place: Option<Place>, flag| if place.is_some() { flag } else { 0 };
        let flags = flag(added.bias, ADD_BIAS) | flag(added.more, ADD_TO);
        // Where a flag is not set the pointer is not used; it must point somewhere.
        let places = [a.at, b.at, added.bias.unwrap_or(c), added.more.unwrap_or(c), c].map(at);
        let sizes = [m, n, k].map(|size| number(size as u32));
        let fours = [m, n, a.stride, b.stride].iter().all(|size| size % 4 == 0) && (k % 4 == 0 || !a.along_k);
        let kernel = match (a.along_k, b.along_k) {
            (true, true) => Some("multiply"),
            (true, false) => Some("multiply_back"),
            (false, false) => Some("multiply_weights"),
            (false, true) => None,
        };
        let kernel = kernel.filter(|_| fours && self.shape == Shape::Tiles);
        let (rows, strides) = match kernel {
            Some(_) => (TILE_ROWS, vec![a.stride, b.stride]),
            None => {
                let of = |factor: Factor| if factor.along_k { [factor.stride, 1] } else { [1, factor.stride] };
                (TILE, [of(a), of(b)].concat())
            }
        };
        let strides = strides.into_iter().map(|stride| number(stride as u32));
        let args = places.into_iter().chain(sizes).chain(strides).chain([number(flags)]).collect();
        let down = (m as u32).div_ceil(rows).min(DOWN);
        let grid = [(m as u32).div_ceil(rows * down), (n as u32).div_ceil(TILE * ACROSS), 1];
        self.launch(kernel.unwrap_or("multiply_any"), grid, [ACROSS, down, 1], args);
    }
}
