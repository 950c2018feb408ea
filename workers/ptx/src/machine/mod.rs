//! Runs kernels: blocks in parallel on the threads of rayon, each through an engine.

mod checks;
mod grid;
mod host;
mod interpreter;
mod launch;
mod observer;
mod schedule;
#[cfg(test)]
mod steps;
mod threads;
mod trace;

pub use checks::Checks;
#[cfg(jit)]
pub(crate) use host::{Host, Meter, Own};
pub use launch::{Launch, Limits, Stats};
#[cfg(jit)]
pub(crate) use schedule::{Engine, Stopped};
pub(crate) use threads::Shape;
#[cfg(jit)]
pub(crate) use threads::{State, Threads};
pub use trace::{Step, Watch, Written};
#[cfg(all(jit, test))]
pub(crate) use {interpreter::Interpreter as Plainly, observer::Nobody as Unobserved};

use crate::error::Fault;
use crate::memory::Memory;
use crate::module::Kernel;
use checks::{Across, Checker, MAX_BLOCKS};
use grid::{Counts, Grid};
use interpreter::Interpreter as Plain;
use observer::Nobody;
use trace::Tracer;

/// Runs kernels as fast as this machine can: as compiled code where there is a compiler for it, else as [`Interpreter`]
/// does.
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
        #[cfg(jit)]
        if let Some(compiled) = kernel.compiled() {
            let grid = Grid::new(memory, kernel, launch, limits)?;
            let launched = compiled.launch(memory, launch.params);
            let stats = grid.run(compiled.program(), || crate::jit::Native(&launched))?;
            return Ok(Stats { gas: stats.gas, instructions: None });
        }
        Interpreter::new().launch(memory, kernel, launch, limits)
    }
}

/// Runs kernels operation by operation: the reference of the profile. It can look for more faults than compiled code.
///
/// ```
/// # use tessera_ptx::{Access, Checks, FaultKind, Interpreter, Launch, Limits, Memory, Module};
/// # let text = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry all(.param .u64 out)\n{\n.reg .b32 %r<2>;\n\
/// #     .reg .b64 %rd<2>;\nld.param.u64 %rd1, [out];\nmov.u32 %r1, %tid.x;\nst.global.u32 [%rd1], %r1;\nret;\n}\n";
/// # let module = Module::parse(text)?;
/// # let mut memory = Memory::new(&module);
/// # let kernel = module.kernel("all").unwrap();
/// # let out = memory.alloc(4, Access::ReadWrite)?;
/// # let params = kernel.pack(&[&out.to_le_bytes()])?;
/// # let launch = Launch { grid: [1; 3], block: [32, 1, 1], shared_len: 0, params: &params };
/// // All threads write to the same place.
/// let checked = Interpreter::new().with_checks(Checks::ALL);
/// let fault = checked.launch(&mut memory, kernel, &launch, Limits::default()).unwrap_err();
/// assert!(matches!(fault.kind, FaultKind::Race(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter {
    checks: Checks,
}

impl Interpreter {
    /// An interpreter that finds what compiled code finds.
    #[must_use]
    pub const fn new() -> Self {
        Self { checks: Checks::NONE }
    }

    /// The same with further checks. They take time and memory: a few bytes for each byte of a writable buffer that a
    /// kernel touches.
    #[must_use]
    pub const fn with_checks(self, checks: Checks) -> Self {
        Self { checks }
    }

    /// Runs a kernel to its end, as [`Machine::launch`] does.
    ///
    /// # Errors
    /// As [`Machine::launch`], and what the checks find.
    pub fn launch(
        &self,
        memory: &mut Memory,
        kernel: &Kernel,
        launch: &Launch<'_>,
        limits: Limits<'_>,
    ) -> Result<Stats, Fault> {
        let grid = Grid::new(memory, kernel, launch, limits)?;
        let program = grid.program;
        let counts = if self.checks.any() {
            self.checked(&grid, memory, kernel, launch)?
        } else {
            grid.run(program, || Plain { program, observer: Nobody })?
        };
        Ok(Stats { gas: counts.gas, instructions: Some(counts.instructions) })
    }

    fn checked(&self, grid: &Grid<'_>, memory: &Memory, kernel: &Kernel, launch: &Launch<'_>) -> Result<Counts, Fault> {
        if self.checks.races && launch.blocks() > MAX_BLOCKS {
            let reason = format!("races are told among at most {MAX_BLOCKS} blocks, not {}", launch.blocks());
            return Err(grid::refusal(kernel, reason));
        }
        let program = grid.program;
        let alone = grid.tasks() <= 1;
        let across = Across::new(memory, alone);
        let done =
            grid.run(program, || Plain { program, observer: Checker::new(self.checks, program, launch, &across) });
        if alone || !across.found() {
            return done;
        }
        // Which blocks were found to race depends on the host; one after the other they always do the same.
        across.restore();
        let across = Across::new(memory, true);
        grid.run_alone(program, Plain { program, observer: Checker::new(self.checks, program, launch, &across) })
    }

    /// Runs one block of a launch and tells what its threads do, in the order in which they run: one thread after the
    /// other, each until it leaves or waits. Nothing of the checks is done.
    ///
    /// # Errors
    /// As [`Machine::launch`], or if there is no such block.
    pub fn trace(
        &self,
        memory: &mut Memory,
        kernel: &Kernel,
        launch: &Launch<'_>,
        limits: Limits<'_>,
        watch: Watch,
        report: &mut dyn FnMut(Step<'_>),
    ) -> Result<Stats, Fault> {
        let grid = Grid::new(memory, kernel, launch, limits)?;
        let inside = |at: [u32; 3], of: [u32; 3]| at.iter().zip(of).all(|(at, of)| *at < of);
        if !inside(watch.block, launch.grid) || watch.thread.is_some_and(|thread| !inside(thread, launch.block)) {
            let reason = format!("the launch has no block {:?} with thread {:?}", watch.block, watch.thread);
            return Err(grid::refusal(kernel, reason));
        }
        let program = grid.program;
        let shape = Shape { grid: launch.grid, threads: launch.block, block: watch.block };
        let observer = Tracer::new(program, shape, watch.thread, report);
        let counts = grid.run_one(program, watch.block, Plain { program, observer })?;
        Ok(Stats { gas: counts.gas, instructions: Some(counts.instructions) })
    }
}
