//! Runs kernels: blocks in parallel on the threads of rayon, each through an engine.

mod grid;
mod host;
mod interpreter;
mod launch;
mod observer;
mod schedule;
mod threads;

pub use launch::{Launch, Limits, Stats};

use crate::error::Fault;
use crate::memory::Memory;
use crate::module::Kernel;
use interpreter::Interpreter as Plain;
use observer::Nobody;

/// Runs kernels as fast as this machine can.
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
        let stats = grid.run(|| Plain { program, observer: Nobody })?;
        Ok(Stats { gas: stats.gas, instructions: Some(stats.instructions) })
    }
}
