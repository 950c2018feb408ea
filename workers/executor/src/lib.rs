//! Runs the units of a job: on GPUs through the CUDA driver, or on the CPU through `tessera-ptx`, with equal bits.
//!
//! The executor knows no workload: it gets a module (PTX), a launch plan and inputs, and gives the output of each unit.
//! A module is checked against the reproducible profile before either backend runs it.
//!
//! ```no_run
//! use std::time::Duration;
//! use tessera_executor::{Backend, Program, open};
//! # fn example(module: &str, plan: &tessera_protocol::spec::LaunchPlan, inputs: &[bytes::Bytes]) -> Result<(), tessera_executor::ExecError> {
//! let executor = open(Backend::Auto)?;
//! let program = Program { module, plan, inputs, unit_gas: 0, unit_time: Duration::from_secs(60) };
//! let mut session = executor.prepare(0, &program)?;
//! session.run(0..16, &mut |unit, output| {
//!     println!("unit {unit}: {} bytes", output.bytes.len());
//!     Ok(())
//! })?;
//! # Ok(()) }
//! ```
//!
//! # GPUs
//!
//! One binary runs with and without a driver: it is loaded at run time, and its absence is an [`ExecError`]. While one
//! unit's output is taken, others compute: one where a unit fills the GPU, up to eight at the same time where it does
//! not ([`Session::in_flight`]). Errors of a kernel leave the CUDA context unusable, and a kernel that hangs cannot be
//! stopped: run sessions in a process that may be ended.
#![deny(missing_docs)]

mod cpu;
mod cuda;
mod error;
mod modules;
mod program;

use std::ops::Range;
use std::path::PathBuf;

#[cfg(feature = "cublas")]
pub use cuda::measure;
pub use cuda::{Finding, probe};
pub use error::ExecError;
pub use program::Program;
pub use tessera_ptx::Checks;

/// What kind of machine a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The CPU, through `tessera-ptx`.
    Cpu,
    /// A GPU, through the CUDA driver.
    Cuda,
}

/// Something that runs units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, as the driver or the operating system gives it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its memory in bytes; 0 where that is not known.
    pub memory: u64,
    /// Compute capability of a GPU.
    pub compute_capability: Option<(u32, u32)>,
    /// What tells it from others of its kind; zeros for a CPU.
    pub uuid: [u8; 16],
}

/// Which backend to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// GPUs if there are any that can run the profile, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// GPUs, or an error.
    Cuda,
}

/// Where modules that the CUDA driver has compiled are kept, so that each is compiled once for a device and a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cubins {
    /// The directory; it is made when it is needed.
    pub directory: PathBuf,
    /// Most bytes in it: what was not used for longest is removed.
    pub quota: u64,
}

/// When the steps of a unit are handed to the CUDA driver as a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphs {
    /// When a unit has enough steps, and a driver new enough.
    #[default]
    Auto,
    /// Whenever the driver can.
    Always,
    /// Never.
    Never,
}

/// How a backend does its work. None of it changes a bit of any output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where compiled modules are kept; without it they are compiled for each session.
    pub cubins: Option<Cubins>,
    /// When graphs are used.
    pub graphs: Graphs,
    /// Most units on their way at once on a device; never more than eight are.
    pub most_in_flight: usize,
    /// What else to look for while units run: races, and what nobody wrote. Only the CPU can, much more slowly than it
    /// computes otherwise: with any check [`Backend::Auto`] is the CPU, and [`Backend::Cuda`] an error.
    pub checks: Checks,
    /// Devices that are used, by [`Device::uuid`]; empty: all.
    pub only: Vec<[u8; 16]>,
    /// Devices that are left alone, by [`Device::uuid`].
    pub without: Vec<[u8; 16]>,
}

impl Options {
    /// Whether a device is to be used.
    fn uses(&self, uuid: &[u8; 16]) -> bool {
        (self.only.is_empty() || self.only.contains(uuid)) && !self.without.contains(uuid)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cubins: None,
            graphs: Graphs::Auto,
            most_in_flight: 8,
            checks: Checks::NONE,
            only: vec![],
            without: vec![],
        }
    }
}

/// The output of a unit. The bytes are the session's: copy what is to stay.
#[derive(Clone, Copy, Debug)]
pub struct UnitOutput<'a> {
    /// The bytes of the plan's output buffer.
    pub bytes: &'a [u8],
    /// What the unit spent, where the backend counts it: the CPU does, GPUs do not.
    pub gas: Option<u64>,
}

/// Receives the output of each unit, in order. An error from it ends the run.
pub type Sink<'a> = dyn FnMut(u64, UnitOutput<'_>) -> Result<(), ExecError> + 'a;

/// A backend with its devices.
pub trait Executor: Send + Sync {
    /// The devices, at least one.
    fn devices(&self) -> &[Device];

    /// Bytes of a device's memory that a program could have now: of a GPU those that nobody uses, of a CPU all.
    ///
    /// # Errors
    /// If there is no such device, or the driver does not tell.
    fn available(&self, device: usize) -> Result<u64, ExecError> {
        let devices = self.devices();
        let found = devices.get(device).map(|found| found.memory);
        found.ok_or(ExecError::UnknownDevice { device, count: devices.len() })
    }

    /// Checks a program and brings its module and inputs to a device.
    ///
    /// # Errors
    /// If the module is not in the profile, the plan does not fit it, or the device cannot take it.
    fn prepare(&self, device: usize, program: &Program<'_>) -> Result<Box<dyn Session>, ExecError>;
}

/// A program on a device.
pub trait Session: Send {
    /// Runs units in order and hands each output to the sink.
    ///
    /// # Errors
    /// If a unit faults or takes too long, the device fails, or the sink refuses.
    fn run(&mut self, units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError>;

    /// How many units the session has on their way at once: while the sink has one, the others compute.
    fn in_flight(&self) -> usize {
        1
    }
}

/// Opens a backend with the default [`Options`].
///
/// # Errors
/// If it is [`Backend::Cuda`] and there is no usable GPU.
pub fn open(backend: Backend) -> Result<Box<dyn Executor>, ExecError> {
    open_with(backend, &Options::default())
}

/// Opens a backend.
///
/// # Errors
/// If it is [`Backend::Cuda`] and there is no usable GPU, checks are asked of GPUs, or all GPUs are left out.
pub fn open_with(backend: Backend, options: &Options) -> Result<Box<dyn Executor>, ExecError> {
    let cpu = || Box::new(cpu::Cpu::new(options.checks));
    match backend {
        Backend::Cpu => Ok(cpu()),
        Backend::Cuda if options.checks != Checks::NONE => Err(ExecError::ChecksOnGpu),
        Backend::Auto if options.checks != Checks::NONE => Ok(cpu()),
        Backend::Cuda => Ok(Box::new(cuda::Cuda::new(options)?)),
        Backend::Auto => match cuda::Cuda::new(options) {
            Ok(cuda) => Ok(Box::new(cuda)),
            // There are GPUs. The CPU in their place would be another machine than was announced.
            Err(left_out @ ExecError::LeftOut) => Err(left_out),
            Err(reason) => {
                tracing::info!(%reason, "no GPU: running on the CPU");
                Ok(cpu())
            }
        },
    }
}

/// The outputs of units of a program on one device, for comparisons and for tools. Jobs go through a [`Session`], which
/// holds few outputs at a time.
///
/// # Errors
/// As [`Executor::prepare`] and [`Session::run`].
pub fn outputs(
    executor: &dyn Executor,
    device: usize,
    program: &Program<'_>,
    units: Range<u64>,
) -> Result<Vec<Vec<u8>>, ExecError> {
    let mut outputs = Vec::new();
    executor.prepare(device, program)?.run(units, &mut |_, output| {
        outputs.push(output.bytes.to_vec());
        Ok(())
    })?;
    Ok(outputs)
}
