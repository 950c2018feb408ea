//! One program on one GPU.
//!
//! Two streams and two output buffers: while the output of unit n is copied to the host, unit n + 1 computes.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, CudaEvent, CudaFunction, CudaModule, CudaStream, DriverError, result, sys};
use cudarc::nvrtc::Ptx;
use tessera_protocol::spec::BufferInit;

use super::memory::{DeviceBytes, PinnedBytes};
use super::{guarded, name};
use crate::program::Checked;
use crate::{ExecError, Session, Sink, UnitOutput};

/// Longest sleep between two looks at an event.
const LONGEST_NAP: Duration = Duration::from_micros(500);

/// Everything that lives on the GPU. Never dropped while a kernel may run: see [`CudaSession::drop`].
struct Resources {
    functions: Vec<CudaFunction>,
    /// By buffer of the plan. The output's second copy is in `slots`.
    buffers: Vec<Arc<DeviceBytes>>,
    /// Unchanged inputs of buffers that kernels may change: by buffer.
    originals: HashMap<usize, Arc<DeviceBytes>>,
    slots: [Slot; 2],
    compute: Arc<CudaStream>,
    copy: Arc<CudaStream>,
    context: Arc<CudaContext>,
    _module: Arc<CudaModule>,
}

/// Where the output of every second unit goes.
struct Slot {
    output: Arc<DeviceBytes>,
    host: PinnedBytes,
    computed: CudaEvent,
    copied: CudaEvent,
}

pub(super) struct CudaSession {
    program: Checked,
    /// `None` once they were given up.
    resources: Option<Box<Resources>>,
    /// A unit faulted or hangs.
    broken: bool,
}

impl CudaSession {
    pub fn new(context: Arc<CudaContext>, program: Checked, text: String) -> Result<Self, ExecError> {
        let resources = guarded("prepare a GPU", || Resources::new(context, &program, text))?;
        Ok(Self { program, resources: Some(Box::new(resources)), broken: false })
    }

    /// Waits until the output of a unit is on the host.
    fn wait(&mut self, unit: u64) -> Result<(), ExecError> {
        let deadline = self.program.deadline();
        let resources = self.resources.as_ref().ok_or(ExecError::Broken)?;
        let slot = &resources.slots[(unit % 2) as usize];
        let mut nap = Duration::from_micros(5);
        loop {
            let error = match query(&slot.copied) {
                Ok(true) => return Ok(()),
                Ok(false) if deadline.is_some_and(|deadline| Instant::now() > deadline) => {
                    ExecError::TimedOut { unit, limit: self.program.unit_time }
                }
                Ok(false) => {
                    std::thread::sleep(nap);
                    nap = (nap * 2).min(LONGEST_NAP);
                    continue;
                }
                Err(error) => fault(unit, error),
            };
            self.broken = true;
            return Err(error);
        }
    }

    /// Waits for the output of a unit and hands it on.
    fn deliver(&mut self, unit: u64, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        self.wait(unit)?;
        let resources = self.resources.as_ref().ok_or(ExecError::Broken)?;
        sink(unit, UnitOutput { bytes: resources.slots[(unit % 2) as usize].host.bytes(), gas: None })
    }

    fn run_units(&mut self, units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        let mut before: Option<u64> = None;
        for unit in units {
            let resources = self.resources.as_mut().ok_or(ExecError::Broken)?;
            let started = resources.start(&self.program, unit);
            // The one before is waited for now, while this one computes. A fault of its kernel may also show up as a
            // failure to start this one; then it is the first to be told.
            if let Some(before) = before.replace(unit) {
                self.deliver(before, sink)?;
            }
            if let Err(error) = started {
                self.broken = true;
                return Err(error);
            }
        }
        before.map_or(Ok(()), |last| self.deliver(last, sink))
    }
}

impl Resources {
    fn new(context: Arc<CudaContext>, program: &Checked, text: String) -> Result<Self, DriverError> {
        let module = context.load_module(Ptx::from_src(text))?;
        let functions = program
            .plan
            .launches
            .iter()
            .map(|launch| module.load_function(&launch.kernel))
            .collect::<Result<_, _>>()?;
        let mut inputs: HashMap<u16, Arc<DeviceBytes>> = HashMap::new();
        let mut input = |n: u16| -> Result<Arc<DeviceBytes>, DriverError> {
            if let Some(found) = inputs.get(&n) {
                return Ok(found.clone());
            }
            let bytes = Arc::new(DeviceBytes::holding(&context, &program.inputs[usize::from(n)])?);
            inputs.insert(n, bytes.clone());
            Ok(bytes)
        };
        let (mut buffers, mut originals) = (Vec::new(), HashMap::new());
        for (i, buffer) in program.plan.buffers.iter().enumerate() {
            buffers.push(match buffer.init {
                BufferInit::Input(n) => input(n)?,
                BufferInit::Zero => Arc::new(DeviceBytes::new(&context, buffer.len as usize)?),
                BufferInit::Copy(n) => {
                    originals.insert(i, input(n)?);
                    Arc::new(DeviceBytes::new(&context, buffer.len as usize)?)
                }
            });
        }
        let first = buffers[program.output()].clone();
        let second = Arc::new(DeviceBytes::new(&context, first.len)?);
        let slot = |output: Arc<DeviceBytes>| -> Result<Slot, DriverError> {
            let host = PinnedBytes::new(&context, output.len)?;
            Ok(Slot { output, host, computed: context.new_event(None)?, copied: context.new_event(None)? })
        };
        let slots = [slot(first)?, slot(second)?];
        let (compute, copy) = (context.new_stream()?, context.new_stream()?);
        Ok(Self { functions, buffers, originals, slots, compute, copy, context, _module: module })
    }

    /// Puts one unit into the streams.
    fn start(&mut self, program: &Checked, unit: u64) -> Result<(), ExecError> {
        let output = program.output();
        let slot = (unit % 2) as usize;
        let mut addresses: Vec<u64> = self.buffers.iter().map(|buffer| buffer.at).collect();
        addresses[output] = self.slots[slot].output.at;
        let mut arguments = Vec::with_capacity(program.plan.launches.len());
        for launch in 0..program.plan.launches.len() {
            arguments.push(program.arguments(launch, unit, &addresses)?);
        }
        let mut reported = None;
        let started = guarded("start a unit", || {
            self.enqueue(program, slot, &mut arguments).inspect_err(|error| reported = Some(*error))
        });
        // The unit's own kernel may have faulted while the rest of the unit was put into the streams.
        started.map_err(|error| reported.map_or(error, |reported| fault(unit, reported)))
    }

    fn enqueue(&mut self, program: &Checked, slot: usize, arguments: &mut [Vec<Vec<u8>>]) -> Result<(), DriverError> {
        let output = program.output();
        self.context.bind_to_thread()?;
        // The output buffer of the unit before last is free once it was copied; the host has waited for that.
        for (i, buffer) in program.plan.buffers.iter().enumerate() {
            let target = if i == output { &self.slots[slot].output } else { &self.buffers[i] };
            match buffer.init {
                BufferInit::Zero => target.fill_zero(&self.compute)?,
                BufferInit::Copy(_) => {
                    if let Some(original) = self.originals.get(&i) {
                        target.copy_from(original, &self.compute)?;
                    }
                }
                BufferInit::Input(_) => {}
            }
        }
        for ((launch, function), arguments) in program.plan.launches.iter().zip(&self.functions).zip(arguments) {
            let mut pointers: Vec<*mut c_void> =
                arguments.iter_mut().map(|argument| argument.as_mut_ptr().cast()).collect();
            let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
            // SAFETY: number and sizes of the arguments were checked against the kernel; the driver copies them
            // before it returns. Buffers outlive the stream's work. What the kernel does with its pointers is
            // confined to this process, which the caller may lose.
            unsafe {
                result::launch_kernel(
                    function.cu_function(),
                    grid,
                    block,
                    launch.shared_len,
                    self.compute.cu_stream(),
                    &mut pointers,
                )
            }?;
        }
        let slot = &mut self.slots[slot];
        slot.computed.record(&self.compute)?;
        self.copy.wait(&slot.computed)?;
        slot.host.copy_from(&slot.output, &self.copy)?;
        slot.copied.record(&self.copy)
    }
}

/// Whether an event is complete.
fn query(event: &CudaEvent) -> Result<bool, DriverError> {
    // SAFETY: the event exists.
    match unsafe { result::event::query(event.cu_event()) } {
        Ok(()) => Ok(true),
        Err(DriverError(sys::cudaError_enum::CUDA_ERROR_NOT_READY)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error that shows up after a unit was started: the kernel's, or the machine's.
fn fault(unit: u64, error: DriverError) -> ExecError {
    use sys::cudaError_enum as E;
    let of_kernel = matches!(
        error.0,
        E::CUDA_ERROR_ILLEGAL_ADDRESS
            | E::CUDA_ERROR_MISALIGNED_ADDRESS
            | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | E::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | E::CUDA_ERROR_INVALID_PC
            | E::CUDA_ERROR_HARDWARE_STACK_ERROR
            | E::CUDA_ERROR_LAUNCH_FAILED
            | E::CUDA_ERROR_ASSERT
    );
    if of_kernel {
        ExecError::GpuFault { unit, error: name(error) }
    } else {
        ExecError::Driver { doing: "run a unit", error: name(error) }
    }
}

impl Session for CudaSession {
    fn run(&mut self, units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        if self.broken {
            return Err(ExecError::Broken);
        }
        let done = self.run_units(units, sink);
        if done.is_err() && !self.broken {
            // The sink refused: a unit may still be on its way, and must not meet the next run.
            for unit in [0, 1] {
                self.broken |= self.wait(unit).is_err();
            }
        }
        done
    }
}

impl Drop for CudaSession {
    fn drop(&mut self) {
        let Some(resources) = self.resources.take() else { return };
        if self.broken {
            // Freeing would wait for a kernel that may never end; the process is to be ended anyway.
            std::mem::forget(resources);
        }
    }
}
