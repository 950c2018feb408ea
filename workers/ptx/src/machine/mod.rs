//! Runs kernels: blocks in parallel on the threads of rayon, each through an engine.

mod grid;
mod host;
mod interpreter;
mod launch;
mod observer;
mod schedule;
mod threads;

#[cfg(jit)]
pub(crate) use host::{Host, Meter};
pub use launch::{Launch, Limits, Stats};
#[cfg(jit)]
pub(crate) use schedule::{Engine, Stopped};
#[cfg(jit)]
pub(crate) use threads::{Shape, State, Threads};
#[cfg(all(jit, test))]
pub(crate) use {interpreter::Interpreter as Plainly, observer::Nobody as Unobserved};

use crate::error::Fault;
use crate::memory::Memory;
use crate::module::Kernel;
use interpreter::Interpreter as Plain;
use observer::Nobody;

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
            let grid = grid::Grid::new(memory, kernel, launch, limits)?;
            let launched = compiled.launch(memory, launch.params);
            let stats = grid.run(compiled.program(), || crate::jit::Native(&launched))?;
            return Ok(Stats { gas: stats.gas, instructions: None });
        }
        Interpreter.launch(memory, kernel, launch, limits)
    }
}

/// Runs kernels operation by operation: the reference of the profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl Interpreter {
    /// Runs a kernel to its end, as [`Machine::launch`] does.
    ///
    /// # Errors
    /// As [`Machine::launch`].
    pub fn launch(
        &self,
        memory: &mut Memory,
        kernel: &Kernel,
        launch: &Launch<'_>,
        limits: Limits<'_>,
    ) -> Result<Stats, Fault> {
        let grid = grid::Grid::new(memory, kernel, launch, limits)?;
        let program = grid.program;
        let stats = grid.run(program, || Plain { program, observer: Nobody })?;
        Ok(Stats { gas: stats.gas, instructions: Some(stats.instructions) })
    }
}
