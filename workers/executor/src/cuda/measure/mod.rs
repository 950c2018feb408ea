//! How long single launches take on a GPU, and the vendor's products of matrices beside them: for measurements, not for jobs.
//!
//! A program's launches are those that a session would make, by the same code. Everything runs in one stream, one after the other;
//! a time is that between two events of the GPU.

mod blas;
mod shape;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use cudarc::driver::{CudaEvent, CudaFunction, CudaStream, DriverError};
use tessera_protocol::spec::BufferInit;

use super::driver::guarded;
use super::memory::{DeviceBytes, PinnedBytes};
use super::pool::Pool;
use super::session::LONGEST_NAP;
use super::unit::{Orders, Step, passed};
use super::{Cuda, Loaded};
use crate::program::Checked;
use crate::{Device, ExecError, Executor, Options, Program};

pub use blas::{Blas, BytesProduct, FloatsProduct, Math};
pub use shape::Shape;

/// Longest time that anything may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A GPU on which things are timed.
pub struct Stopwatch {
    cuda: Cuda,
    stream: Arc<CudaStream>,
    start: CudaEvent,
    end: CudaEvent,
    kilohertz: u64,
    /// Something failed or does not come to its end: what it works on is not freed, which might wait for ever.
    broken: Cell<bool>,
}

impl Stopwatch {
    /// The first GPU that can run the profile.
    ///
    /// # Errors
    /// If there is none.
    pub fn open() -> Result<Self, ExecError> {
        let cuda = Cuda::new(&Options::default())?;
        let context = cuda.gpus[0].pool.context();
        let (stream, [start, end], kilohertz) = guarded("prepare a GPU for measurements", || {
            let event = || context.new_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT));
            let kilohertz = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?;
            Ok((context.new_stream()?, [event()?, event()?], kilohertz.max(0) as u64))
        })?;
        Ok(Self { cuda, stream, start, end, kilohertz, broken: Cell::new(false) })
    }

    /// The GPU.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.cuda.devices[0]
    }

    /// The version of CUDA that the driver has, for example 13000.
    #[must_use]
    pub fn driver(&self) -> i32 {
        self.cuda.version
    }

    /// How many multiprocessors it has.
    #[must_use]
    pub fn processors(&self) -> u64 {
        self.cuda.gpus[0].processors
    }

    /// Its highest clock in kHz, as the driver gives it.
    #[must_use]
    pub fn kilohertz(&self) -> u64 {
        self.kilohertz
    }

    /// Bytes of its memory that could be had now.
    ///
    /// # Errors
    /// If the driver does not tell.
    pub fn available(&self) -> Result<u64, ExecError> {
        self.cuda.available(0)
    }

    /// Brings a program to the GPU and runs its unit 0.
    ///
    /// # Errors
    /// If the program cannot run, its plan copies an input, or a launch fails.
    pub fn program(&self, program: &Program<'_>) -> Result<TimedProgram<'_>, ExecError> {
        let Loaded { program, functions, .. } = self.cuda.load(0, program)?;
        let mut blocks = self.blocks();
        for buffer in &program.plan.buffers {
            match buffer.init {
                BufferInit::Zero => blocks.add(buffer.len as usize)?,
                BufferInit::Input(n) => blocks.add_copy(&program.inputs[usize::from(n)])?,
                BufferInit::Copy(_) => return Err(ExecError::Plan("a plan to measure copies no input".into())),
            }
        }
        let timed = TimedProgram { watch: self, program, functions, blocks };
        let orders = timed.orders();
        self.time(1, |stream| {
            // Blocks are zero at first.
            let mut launches = timed.program.plan.steps().map(Step::Launch);
            guarded("run a unit", || launches.try_for_each(|launch| launch.enqueue(stream, &orders)))
        })?;
        Ok(timed)
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.cuda.gpus[0].pool
    }

    fn blocks(&self) -> Blocks<'_> {
        Blocks { watch: self, blocks: vec![] }
    }

    /// Seconds of the GPU that each of `times` runs of something takes, which is put into the stream.
    fn time(
        &self,
        times: u32,
        mut enqueue: impl FnMut(&CudaStream) -> Result<(), ExecError>,
    ) -> Result<f64, ExecError> {
        let times = times.max(1);
        let mut timed = || {
            guarded("begin to measure", || {
                self.pool().context().bind_to_thread()?;
                self.start.record(&self.stream)
            })?;
            (0..times).try_for_each(|_| enqueue(&self.stream))?;
            guarded("end to measure", || self.end.record(&self.stream))?;
            self.wait()?;
            guarded("read a time", || elapsed(&self.start, &self.end))
        };
        let milliseconds = timed().inspect_err(|_| self.broken.set(true))?;
        Ok(f64::from(milliseconds) / 1e3 / f64::from(times))
    }

    /// Waits until the GPU has come to the second event.
    fn wait(&self) -> Result<(), ExecError> {
        let deadline = Instant::now() + LIMIT;
        let mut nap = Duration::from_micros(5);
        while !guarded("wait for a measurement", || passed(&self.end))? {
            if Instant::now() > deadline {
                return Err(ExecError::TimedOut { unit: 0, limit: LIMIT });
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(LONGEST_NAP);
        }
        Ok(())
    }

    /// Bytes of the device, once everything before is done.
    fn read(&self, from: &DeviceBytes, len: usize) -> Result<Vec<u8>, ExecError> {
        let pinned = guarded("get pinned memory", || PinnedBytes::new(self.pool(), len))?;
        let copied = self.time(1, |stream| {
            let copy = || {
                // SAFETY: both blocks have `len` bytes. They outlive the copy: the wait below is for its end, and where that does
                // not come neither is freed.
                unsafe { sys::cuMemcpyDtoHAsync_v2(pinned.at, from.at, len, stream.cu_stream()) }.result()
            };
            guarded("copy an output", copy)
        });
        match copied {
            Ok(_) => Ok(pinned.bytes().to_vec()),
            Err(error) => {
                std::mem::forget(pinned);
                Err(error)
            }
        }
    }
}

/// Milliseconds between two events that are complete.
fn elapsed(start: &CudaEvent, end: &CudaEvent) -> Result<f32, DriverError> {
    type Elapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;
    // The binding knows its newer form alone, which drivers before CUDA 12.8 do not have.
    // SAFETY: the driver is loaded, and this name has had this form in all of its versions.
    let elapsed = unsafe { sys::culib().get::<Elapsed>(b"cuEventElapsedTime\0") };
    let elapsed = elapsed.map_err(|_| DriverError(sys::cudaError_enum::CUDA_ERROR_NOT_FOUND))?;
    let mut milliseconds = 0f32;
    // SAFETY: both events exist, and one float is written.
    unsafe { elapsed(&mut milliseconds, start.cu_event(), end.cu_event()) }.result()?;
    Ok(milliseconds)
}

/// Memory of the GPU that nobody frees while something may still work on it.
struct Blocks<'a> {
    watch: &'a Stopwatch,
    blocks: Vec<DeviceBytes>,
}

impl Blocks<'_> {
    /// Zeros.
    fn add(&mut self, len: usize) -> Result<(), ExecError> {
        self.push(|pool| DeviceBytes::new(pool, len))
    }

    fn add_copy(&mut self, bytes: &[u8]) -> Result<(), ExecError> {
        self.push(|pool| DeviceBytes::holding(pool, bytes))
    }

    fn push(&mut self, new: impl FnOnce(&Arc<Pool>) -> Result<DeviceBytes, DriverError>) -> Result<(), ExecError> {
        self.blocks.push(guarded("get memory of the GPU", || new(self.watch.pool()))?);
        Ok(())
    }
}

impl Drop for Blocks<'_> {
    fn drop(&mut self) {
        if self.watch.broken.get() {
            std::mem::forget(std::mem::take(&mut self.blocks));
        }
    }
}

/// A program on the GPU. Its unit 0 was run.
pub struct TimedProgram<'a> {
    watch: &'a Stopwatch,
    program: Checked,
    functions: Vec<CudaFunction>,
    /// By buffer of the plan.
    blocks: Blocks<'a>,
}

impl TimedProgram<'_> {
    fn orders(&self) -> Orders<'_> {
        let addresses = self.blocks.blocks.iter().map(|block| block.at).collect();
        Orders { program: &self.program, functions: &self.functions, unit: 0, addresses }
    }

    /// Seconds that the launches of a kernel take, run again `times` times on what the launches before have left.
    ///
    /// # Errors
    /// If the plan has no launch of it, or one fails.
    pub fn time(&self, kernel: &str, times: u32) -> Result<f64, ExecError> {
        let plan = &self.program.plan;
        let launches: Vec<Step> =
            plan.steps().filter(|step| plan.launches[step.launch].kernel == kernel).map(Step::Launch).collect();
        if launches.is_empty() {
            return Err(ExecError::Plan(format!("there is no launch of {kernel} to measure")));
        }
        let orders = self.orders();
        self.watch.time(times, |stream| {
            guarded("run a launch", || launches.iter().try_for_each(|launch| launch.enqueue(stream, &orders)))
        })
    }

    /// The output as it is now.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn output(&self) -> Result<Vec<u8>, ExecError> {
        self.watch.read(&self.blocks.blocks[self.program.output()], self.program.output_len())
    }
}
