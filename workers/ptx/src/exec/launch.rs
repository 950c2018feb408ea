//! Launches: blocks in parallel on the threads of rayon.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::env::Env;
use super::lanes::{Context, LANES, LaneFault, Long, Registers, Word};
use super::warp::{self, Groups, Meter};
use crate::error::{Fault, FaultKind};
use crate::lower::{Program, Special};
use crate::memory::Memory;
use crate::module::Kernel;

/// Most threads of a block.
const MAX_THREADS: u64 = 1024;
/// Most shared memory of a block, in bytes: what every GPU since sm_80 has without asking for more.
const MAX_SHARED: usize = 48 << 10;
/// Gas that a thread of the host spends before it looks at the limit again.
const QUANTUM: u64 = 1 << 20;

/// The shape and the arguments of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_len: u32,
    /// The kernel's parameters, each at the offset that [`Kernel::params`] says.
    pub params: &'a [u8],
}

/// What a launch may spend, and how to stop it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits<'a> {
    /// Most gas; `None` for no limit.
    pub gas: Option<u64>,
    /// Set it to stop the launch soon.
    pub cancel: Option<&'a AtomicBool>,
    /// When to stop the launch.
    pub deadline: Option<Instant>,
}

/// What a launch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Gas of all lanes: the same on every machine.
    pub gas: u64,
    /// PTX instructions that lanes executed.
    pub instructions: u64,
}

/// Runs kernels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Machine {
    /// Runs a kernel to its end. Blocks run in parallel on rayon's current pool.
    ///
    /// # Errors
    /// If the launch does not fit the kernel, or a thread faults. Among several faults, the one of the lowest block is
    /// reported.
    pub fn launch(
        &self,
        memory: &mut Memory,
        kernel: &Kernel,
        launch: &Launch<'_>,
        limits: Limits<'_>,
    ) -> Result<Stats, Fault> {
        let refuse = |reason: String| Fault {
            kernel: kernel.name().to_string(),
            block: [0; 3],
            thread: None,
            line: 0,
            kind: FaultKind::Launch(reason),
        };
        let program = kernel.program().map_err(|error| refuse(error.to_string()))?;
        let shared_len = check(kernel, program, launch).map_err(refuse)?;
        let blocks = launch.grid.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n)));
        let shared = Shared {
            next: AtomicU64::new(0),
            stop_after: AtomicU64::new(u64::MAX),
            gas: AtomicU64::new(0),
            instructions: AtomicU64::new(0),
            fault: Mutex::new(None),
            limits,
        };
        let env = Env { memory, params: launch.params, local_len: program.local_len };
        let threads = rayon::current_num_threads().max(1);
        let chunk = (blocks / (threads as u64 * 16)).clamp(1, 64);
        let tasks = (threads as u64).min(blocks.div_ceil(chunk));
        let job = Job { kernel, program, launch, shared_len, blocks, chunk };
        if tasks <= 1 {
            job.work(&env, &shared);
        } else {
            rayon::scope(|scope| {
                for _ in 0..tasks {
                    scope.spawn(|_| job.work(&env, &shared));
                }
            });
        }
        let fault = shared.fault.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match fault {
            Some((_, fault)) => Err(fault),
            None => Ok(Stats { gas: shared.gas.into_inner(), instructions: shared.instructions.into_inner() }),
        }
    }
}

/// Checks a launch against its kernel; returns the bytes of shared memory of a block.
fn check(kernel: &Kernel, program: &Program, launch: &Launch<'_>) -> Result<usize, String> {
    let threads = launch.block.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n)));
    if threads == 0 || threads > MAX_THREADS || launch.block[2] > 64 {
        return Err(format!("a block has 1 to {MAX_THREADS} threads and at most 64 in z, not {:?}", launch.block));
    }
    let grid_fits =
        (1..=i32::MAX as u32).contains(&launch.grid[0]) && launch.grid[1..].iter().all(|n| (1..=65_535).contains(n));
    if !grid_fits {
        return Err(format!("a grid has 1 to [2147483647, 65535, 65535] blocks, not {:?}", launch.grid));
    }
    if let Some(required) = kernel.required_threads().filter(|required| *required != launch.block) {
        return Err(format!("the kernel requires blocks of {required:?} threads, not {:?}", launch.block));
    }
    if let Some(most) = kernel.max_threads() {
        let most: u64 = most.iter().map(|n| u64::from(*n)).product();
        if threads > most {
            return Err(format!("the kernel allows {most} threads in a block, not {threads}"));
        }
    }
    if launch.params.len() != kernel.params_len() {
        return Err(format!(
            "the kernel takes {} bytes of parameters, not {}",
            kernel.params_len(),
            launch.params.len()
        ));
    }
    let shared_len = program.shared_len + launch.shared_len as usize;
    if shared_len > MAX_SHARED {
        return Err(format!("a block has at most {MAX_SHARED} bytes of shared memory, not {shared_len}"));
    }
    Ok(shared_len)
}

/// What the threads of the host share during a launch.
struct Shared<'a> {
    /// The next block that nobody runs yet.
    next: AtomicU64,
    /// Blocks above this one need not run: a lower one has faulted.
    stop_after: AtomicU64,
    gas: AtomicU64,
    instructions: AtomicU64,
    fault: Mutex<Option<(u64, Fault)>>,
    limits: Limits<'a>,
}

/// A warp of the block that runs.
struct Warp {
    /// Registers as they are when a block starts.
    first: Registers,
    own: Registers,
    groups: Groups,
}

struct Job<'a> {
    kernel: &'a Kernel,
    program: &'a Program,
    launch: &'a Launch<'a>,
    shared_len: usize,
    blocks: u64,
    chunk: u64,
}

/// Counts for one thread of the host, and looks at the limits now and then.
struct Counter<'a, 'b> {
    shared: &'a Shared<'b>,
    gas: u64,
    instructions: u64,
}

impl Counter<'_, '_> {
    fn flush(&mut self) -> Result<(), FaultKind> {
        let total = self.shared.gas.fetch_add(self.gas, Relaxed).saturating_add(self.gas);
        self.shared.instructions.fetch_add(self.instructions, Relaxed);
        (self.gas, self.instructions) = (0, 0);
        match self.shared.limits.gas {
            Some(limit) if total > limit => return Err(FaultKind::GasLimit { limit }),
            _ => {}
        }
        match self.shared.limits.cancel {
            Some(cancel) if cancel.load(Relaxed) => return Err(FaultKind::Cancelled),
            _ => {}
        }
        match self.shared.limits.deadline {
            Some(deadline) if Instant::now() > deadline => Err(FaultKind::Deadline),
            _ => Ok(()),
        }
    }
}

impl Meter for Counter<'_, '_> {
    #[inline(always)]
    fn spend(&mut self, gas: u64, instructions: u64) -> Result<(), FaultKind> {
        self.gas += gas;
        self.instructions += instructions;
        if self.gas >= QUANTUM { self.flush() } else { Ok(()) }
    }
}

impl Job<'_> {
    fn threads(&self) -> usize {
        self.launch.block.iter().map(|n| *n as usize).product()
    }

    /// Runs blocks until none is left.
    fn work(&self, env: &Env<'_>, shared: &Shared<'_>) {
        let threads = self.threads();
        let mut context =
            Context { registers: Registers::default(), shared: vec![0; self.shared_len], env, fault: None };
        let mut warps: Vec<Warp> = (0..threads.div_ceil(LANES)).map(|warp| self.warp(warp)).collect();
        let mut counter = Counter { shared, gas: 0, instructions: 0 };
        'chunks: loop {
            let first = shared.next.fetch_add(self.chunk, Relaxed);
            if first >= self.blocks {
                break;
            }
            for block in first..(first + self.chunk).min(self.blocks) {
                if block > shared.stop_after.load(Relaxed) {
                    break 'chunks;
                }
                let done = self.block(block, &mut context, &mut warps, &mut counter);
                if let Err((warp, fault)) = done {
                    self.report(block, warp, fault, shared);
                    break 'chunks;
                }
            }
        }
        if let Err(kind) = counter.flush() {
            self.report(u64::MAX, 0, LaneFault { lane: None, line: 0, kind }, shared);
        }
    }

    fn report(&self, block: u64, warp: usize, fault: LaneFault, shared: &Shared<'_>) {
        shared.stop_after.fetch_min(block, Relaxed);
        let thread = fault.lane.map(|lane| self.thread(warp * LANES + lane as usize));
        let place = if block == u64::MAX { [0; 3] } else { self.coordinates(block) };
        let fault =
            Fault { kernel: self.kernel.name().to_string(), block: place, thread, line: fault.line, kind: fault.kind };
        let mut slot = shared.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if slot.as_ref().is_none_or(|(other, _)| block < *other) {
            *slot = Some((block, fault));
        }
    }

    fn thread(&self, index: usize) -> [u32; 3] {
        let [x, y, _] = self.launch.block.map(|n| n as usize);
        [(index % x) as u32, (index / x % y) as u32, (index / x / y) as u32]
    }

    fn coordinates(&self, block: u64) -> [u32; 3] {
        let [x, y, _] = self.launch.grid.map(u64::from);
        [(block % x) as u32, (block / x % y) as u32, (block / x / y) as u32]
    }

    /// A warp, with what stays the same for all blocks.
    fn warp(&self, warp: usize) -> Warp {
        let program = self.program;
        let mut registers = Registers {
            words: vec![Word([0; LANES]); program.words],
            longs: vec![Long([0; LANES]); program.longs],
            masks: vec![0; program.masks],
            local: vec![0; program.local_len * LANES],
        };
        for (value, slot) in &program.word_constants {
            registers.words[*slot as usize] = Word([*value; LANES]);
        }
        for (value, slot) in &program.long_constants {
            registers.longs[*slot as usize] = Long([*value; LANES]);
        }
        for (special, slot) in &program.specials {
            let lanes = &mut registers.words[*slot as usize].0;
            for (lane, value) in lanes.iter_mut().enumerate() {
                let axis = |axis: u8| usize::from(axis);
                *value = match *special {
                    Special::Thread(a) => self.thread(warp * LANES + lane)[axis(a)],
                    Special::Threads(a) => self.launch.block[axis(a)],
                    Special::Blocks(a) => self.launch.grid[axis(a)],
                    Special::Block(_) => 0,
                    Special::Lane => lane as u32,
                };
            }
        }
        let own = Registers {
            words: registers.words.clone(),
            longs: registers.longs.clone(),
            masks: registers.masks.clone(),
            local: registers.local.clone(),
        };
        Warp { first: registers, own, groups: Groups::default() }
    }

    fn block(
        &self,
        block: u64,
        context: &mut Context<'_>,
        warps: &mut [Warp],
        counter: &mut Counter<'_, '_>,
    ) -> Result<(), (usize, LaneFault)> {
        let program = self.program;
        let (threads, place) = (self.threads(), self.coordinates(block));
        context.shared.fill(0);
        for (index, warp) in warps.iter_mut().enumerate() {
            let lanes = (threads - index * LANES).min(LANES);
            warp.groups.start(program.entry, if lanes == LANES { u32::MAX } else { (1 << lanes) - 1 });
            warp.own.words.copy_from_slice(&warp.first.words);
            warp.own.longs.copy_from_slice(&warp.first.longs);
            warp.own.masks.fill(0);
            warp.own.local.fill(0);
            for (special, slot) in &program.specials {
                if let Special::Block(axis) = special {
                    warp.own.words[*slot as usize] = Word([place[usize::from(*axis)]; LANES]);
                }
            }
        }
        loop {
            for (index, warp) in warps.iter_mut().enumerate() {
                std::mem::swap(&mut context.registers, &mut warp.own);
                let done = warp::run(&program.ops, &program.blocks, context, &mut warp.groups, counter);
                std::mem::swap(&mut context.registers, &mut warp.own);
                done.map_err(|fault| (index, fault))?;
            }
            // Every lane has exited or waits at a barrier, at the same one if the program is right.
            let mut ids = warps.iter().flat_map(|warp| warp.groups.waiting.iter().map(|(_, _, id)| *id));
            let Some(id) = ids.next() else { return Ok(()) };
            if ids.any(|other| other != id) {
                let warp = warps.iter().position(|warp| warp.groups.waiting.iter().any(|w| w.2 != id)).unwrap_or(0);
                return Err((warp, LaneFault { lane: None, line: 0, kind: FaultKind::Deadlock }));
            }
            warps.iter_mut().for_each(|warp| warp.groups.release());
        }
    }
}
