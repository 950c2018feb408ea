//! The threads of one block: their slots, their local memory, and where each of them stands.

use crate::ir::{Program, Special};

/// Where a thread stands. Compiled code reads and writes it: the variant as a u32, then the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, u32)]
pub(crate) enum State {
    /// To go on with this block of code.
    Ready(u32),
    /// At the end of this block of code, which is a barrier.
    Barrier(u32),
    /// At the end of this block of code, which is a collective.
    Collective(u32),
    /// Has left the kernel.
    Exited,
}

/// The threads of a block that runs.
#[derive(Debug)]
pub(crate) struct Threads {
    pub states: Vec<State>,
    /// Slots of the threads, one thread after the other. A program in which no thread ever waits for another runs them one
    /// by one, all in the same slots.
    pub frames: Vec<u64>,
    /// Distance between the slots of a thread and the next: the number of slots, or 0.
    pub stride: usize,
    pub local: Vec<u8>,
    /// Distance between the local memory of a thread and the next: its length, or 0.
    pub local_stride: usize,
    local_len: usize,
    slots: usize,
    /// The slots of a thread that starts: constants, and zero where nothing was written yet.
    fresh: Vec<u64>,
}

impl Threads {
    /// Room for the threads of a block.
    pub fn new(program: &Program, count: usize) -> Self {
        let (slots, local_len) = (program.slots.len(), program.local_len);
        let (frames, stride, local_stride) = if program.waits() { (count, slots, local_len) } else { (1, 0, 0) };
        let mut fresh = vec![0; slots];
        for (slot, value) in &program.constants {
            fresh[*slot as usize] = *value;
        }
        Self {
            states: vec![State::Exited; count],
            frames: fresh.repeat(frames),
            stride,
            local: vec![0; frames * local_len],
            local_stride,
            local_len,
            slots,
            fresh,
        }
    }

    /// All threads stand at the first block of code.
    pub fn start(&mut self, program: &Program) {
        self.states.fill(State::Ready(program.entry));
    }

    pub fn count(&self) -> usize {
        self.states.len()
    }

    pub fn frame(&mut self, thread: usize) -> &mut [u64] {
        &mut self.frames[thread * self.stride..][..self.slots]
    }

    /// The slots and the local memory of a thread.
    pub fn of(&mut self, thread: usize) -> (&mut [u64], &mut [u8]) {
        let local = &mut self.local[thread * self.local_stride..][..self.local_len];
        (&mut self.frames[thread * self.stride..][..self.slots], local)
    }

    /// The slots of a warp.
    pub fn warp(&mut self, warp: usize) -> &mut [u64] {
        let first = warp * 32 * self.stride;
        let end = (first + 32 * self.stride).min(self.frames.len());
        &mut self.frames[first..end]
    }

    /// Gives a thread its special registers; its other registers and its local memory are zero.
    pub fn enter(&mut self, program: &Program, thread: usize, shape: &Shape) {
        let frame = &mut self.frames[thread * self.stride..][..self.slots];
        frame.copy_from_slice(&self.fresh);
        for (special, slot) in &program.specials {
            frame[*slot as usize] = u64::from(shape.special(*special, thread));
        }
        self.local[thread * self.local_stride..][..self.local_len].fill(0);
    }
}

/// Where a block lies in its grid, and how its threads lie in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub grid: [u32; 3],
    pub threads: [u32; 3],
    pub block: [u32; 3],
}

impl Shape {
    /// The coordinates of a thread.
    pub fn thread(&self, index: usize) -> [u32; 3] {
        let [x, y, _] = self.threads.map(|n| n as usize);
        [(index % x) as u32, (index / x % y) as u32, (index / x / y) as u32]
    }

    pub fn special(&self, special: Special, thread: usize) -> u32 {
        match special {
            Special::Thread(axis) => self.thread(thread)[usize::from(axis)],
            Special::Threads(axis) => self.threads[usize::from(axis)],
            Special::Block(axis) => self.block[usize::from(axis)],
            Special::Blocks(axis) => self.grid[usize::from(axis)],
            Special::Lane => (thread % 32) as u32,
        }
    }
}
