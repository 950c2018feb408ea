//! The blocks of a launch, in parallel. What a launch gives does not depend on how: it is as if blocks ran one after the
//! other, each with the gas that those before it left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::host::{Host, Meter};
use super::launch::{Launch, Limits};
use super::schedule::{self, Engine, Stopped};
use super::threads::{Shape, Threads};
use crate::error::{Fault, FaultKind};
use crate::ir::Program;
use crate::memory::Memory;
use crate::module::Kernel;

/// A launch that fits its kernel.
pub(super) struct Grid<'a> {
    pub program: &'a Program,
    kernel: &'a Kernel,
    memory: &'a Memory,
    launch: &'a Launch<'a>,
    limits: Limits<'a>,
    shared_len: usize,
    blocks: u64,
    /// Blocks that a thread of the host takes at a time.
    chunk: u64,
}

/// What blocks took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub gas: u64,
    pub instructions: u64,
}

/// What the threads of the host share during a launch.
#[derive(Default)]
struct Progress {
    /// The next chunk that nobody runs yet.
    next: AtomicU64,
    /// Chunks from this one on need not run.
    end: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    /// Chunks that ended, from `settled` on.
    chunks: BTreeMap<u64, (Counts, Option<(u64, Stopped)>)>,
    /// All chunks before this one have ended, without a fault and within the limit.
    settled: u64,
    counts: Counts,
    fault: Option<(u64, Stopped)>,
}

impl<'a> Grid<'a> {
    pub fn new(
        memory: &'a Memory,
        kernel: &'a Kernel,
        launch: &'a Launch<'a>,
        limits: Limits<'a>,
    ) -> Result<Self, Fault> {
        let refuse = |reason| refusal(kernel, reason);
        let program = kernel.program().map_err(|error| refuse(error.to_string()))?;
        let shared_len = launch.check(kernel, program).map_err(refuse)?;
        let blocks = launch.blocks();
        let chunk = (blocks / (rayon::current_num_threads().max(1) as u64 * 16)).clamp(1, 64);
        Ok(Self { program, kernel, memory, launch, limits, shared_len, blocks, chunk })
    }

    /// Threads of the host that share the blocks.
    pub fn tasks(&self) -> u64 {
        (rayon::current_num_threads() as u64).min(self.blocks.div_ceil(self.chunk))
    }

    /// Runs all blocks; `engine` makes one for each thread of the host. `program`: the kernel's, as the engine sees it.
    pub fn run<E: Engine>(&self, program: &Program, engine: impl Fn() -> E + Sync) -> Result<Counts, Fault> {
        if self.tasks() <= 1 {
            return self.run_alone(program, engine());
        }
        let progress = self.progress();
        rayon::scope(|scope| {
            for _ in 0..self.tasks() {
                scope.spawn(|_| self.work(program, engine(), &progress));
            }
        });
        self.result(progress)
    }

    /// Runs all blocks, one after the other.
    pub fn run_alone(&self, program: &Program, engine: impl Engine) -> Result<Counts, Fault> {
        let progress = self.progress();
        self.work(program, engine, &progress);
        self.result(progress)
    }

    /// Runs one block alone.
    pub fn run_one(&self, program: &Program, block: [u32; 3], mut engine: impl Engine) -> Result<Counts, Fault> {
        let [x, y, z] = block.map(u64::from);
        let [width, height, _] = self.launch.grid.map(u64::from);
        let block = x + width * (y + height * z);
        let (mut host, mut threads) = self.room(program);
        let done = self.block(program, block, 0, &mut engine, &mut host, &mut threads);
        done.map_err(|stopped| self.fault(block, stopped))?;
        Ok(Counts { gas: host.meter.gas, instructions: host.meter.instructions })
    }

    fn progress(&self) -> Progress {
        Progress { end: AtomicU64::new(self.blocks.div_ceil(self.chunk)), ..Progress::default() }
    }

    fn result(&self, progress: Progress) -> Result<Counts, Fault> {
        let done = progress.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        match done.fault {
            Some((block, stopped)) => Err(self.fault(block, stopped)),
            None => Ok(done.counts),
        }
    }

    /// What a thread of the host needs to run blocks.
    fn room(&self, program: &Program) -> (Host<'a>, Threads) {
        let meter = Meter::new(self.limits.cancel, self.limits.deadline);
        let host = Host { memory: self.memory, params: self.launch.params, shared: vec![0; self.shared_len], meter };
        (host, Threads::new(program, self.launch.threads()))
    }

    /// Runs chunks until none is left.
    fn work<E: Engine>(&self, program: &Program, mut engine: E, progress: &Progress) {
        let (mut host, mut threads) = self.room(program);
        loop {
            let chunk = progress.next.fetch_add(1, Relaxed);
            if chunk >= progress.end.load(Relaxed) {
                return;
            }
            let mut counts = Counts::default();
            let mut fault = None;
            for block in chunk * self.chunk..((chunk + 1) * self.chunk).min(self.blocks) {
                let done = self.block(program, block, counts.gas, &mut engine, &mut host, &mut threads);
                counts.gas = counts.gas.saturating_add(host.meter.gas);
                if let Err(stopped) = done {
                    fault = Some((block, stopped));
                    break;
                }
            }
            counts.instructions = std::mem::take(&mut host.meter.instructions);
            self.settle(chunk, counts, fault, progress);
        }
    }

    /// Runs one block. `spent`: gas of the blocks before it in its chunk.
    fn block<E: Engine>(
        &self,
        program: &Program,
        block: u64,
        spent: u64,
        engine: &mut E,
        host: &mut Host<'_>,
        threads: &mut Threads,
    ) -> Result<(), Stopped> {
        host.meter.start(self.limits.gas.map_or(u64::MAX, |limit| limit.saturating_sub(spent)));
        engine.start(block);
        let shape = Shape { grid: self.launch.grid, threads: self.launch.block, block: self.launch.coordinates(block) };
        schedule::block(program, engine, host, threads, &shape)
    }

    /// Adds what a chunk took, once all chunks before it have ended.
    fn settle(&self, chunk: u64, counts: Counts, fault: Option<(u64, Stopped)>, progress: &Progress) {
        if fault.is_some() {
            // Those after it change nothing any more; those before it may still fault first.
            progress.end.fetch_min(chunk, Relaxed);
        }
        let mut done = progress.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.chunks.insert(chunk, (counts, fault));
        while done.fault.is_none() {
            let settled = done.settled;
            let Some((counts, fault)) = done.chunks.remove(&settled) else { break };
            done.settled += 1;
            done.counts.gas = done.counts.gas.saturating_add(counts.gas);
            done.counts.instructions += counts.instructions;
            done.fault = match self.limits.gas {
                // Found by a block that had more left than there was, or not found at all: the limit is what counts.
                Some(limit) if done.counts.gas > limit => {
                    Some((0, Stopped { thread: None, line: 0, kind: FaultKind::GasLimit { limit } }))
                }
                _ => fault,
            };
            if done.fault.is_some() {
                progress.end.store(0, Relaxed);
            }
        }
    }

    fn fault(&self, block: u64, stopped: Stopped) -> Fault {
        let shape = Shape { grid: self.launch.grid, threads: self.launch.block, block: [0; 3] };
        Fault {
            kernel: self.kernel.name().to_string(),
            block: self.launch.coordinates(block),
            thread: stopped.thread.map(|thread| shape.thread(thread)),
            line: stopped.line,
            kind: stopped.kind,
        }
    }
}

/// Says that a launch does not fit its kernel.
pub(super) fn refusal(kernel: &Kernel, reason: String) -> Fault {
    let name = kernel.name().to_string();
    Fault { kernel: name, block: [0; 3], thread: None, line: 0, kind: FaultKind::Launch(reason) }
}
