//! One unit on its slot: what the device is told to do for it.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaFunction, CudaStream, DriverError, result, sys};
use tessera_protocol::spec::{Arg, BufferInit, Launch};

use super::driver::guarded;
use super::graph::UnitGraph;
use super::memory::{DeviceBytes, Mark, PinnedBytes};
use super::pool::Pool;
use crate::program::Checked;
use crate::{ExecError, Graphs};

/// From how many steps on a graph is used: fewer are started as fast one by one.
const STEPS: usize = 5;
/// A graph is not used where a step moves more than this. It saves microseconds, which such a unit would not notice, and
/// nodes describe what they move as rows of a picture, for which drivers have limits.
const LARGEST: usize = 1 << 30;

/// Where the host gets bytes of the device.
#[derive(Clone, Copy)]
pub(super) struct HostAddress(pub *mut c_void);

// SAFETY: an address, that of a block which the same slot owns.
unsafe impl Send for HostAddress {}

/// Something that the device does for a unit.
pub(super) enum Step {
    /// Sets bytes to zero.
    Zero { at: sys::CUdeviceptr, len: usize },
    /// Copies bytes on the device.
    Copy { to: sys::CUdeviceptr, from: sys::CUdeviceptr, len: usize },
    /// Runs a launch of the plan.
    Launch(usize),
    /// Copies bytes to pinned memory.
    ToHost { to: HostAddress, from: sys::CUdeviceptr, len: usize },
}

impl Step {
    /// Puts the step into a stream.
    fn enqueue(
        &self,
        stream: &CudaStream,
        launches: &[Launch],
        functions: &[CudaFunction],
        arguments: &mut [Arguments],
    ) -> Result<(), DriverError> {
        match *self {
            // SAFETY: the block has the bytes and outlives the stream's work: sessions wait before they drop it.
            Self::Zero { at, len } => unsafe { result::memset_d8_async(at, 0, len, stream.cu_stream()) },
            // SAFETY: both blocks have the bytes, and outlive the stream's work.
            Self::Copy { to, from, len } => unsafe { result::memcpy_dtod_async(to, from, len, stream.cu_stream()) },
            Self::ToHost { to, from, len } => {
                // SAFETY: both blocks have the bytes and outlive the stream's work; nobody reads what is written before
                // the event behind this copy, except marks, which are made for it.
                unsafe { sys::cuMemcpyDtoHAsync_v2(to.0, from, len, stream.cu_stream()) }.result()
            }
            Self::Launch(n) => {
                let launch = &launches[n];
                let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
                let mut pointers = arguments[n].pointers();
                // SAFETY: number and sizes of the arguments were checked against the kernel; the driver copies them
                // before it returns. Blocks outlive the stream's work. What the kernel does with its pointers is
                // confined to this process, which the caller may lose.
                unsafe {
                    result::launch_kernel(
                        functions[n].cu_function(),
                        grid,
                        block,
                        launch.shared_len,
                        stream.cu_stream(),
                        &mut pointers,
                    )
                }
            }
        }
    }

    fn len(&self) -> usize {
        match *self {
            Self::Zero { len, .. } | Self::Copy { len, .. } | Self::ToHost { len, .. } => len,
            Self::Launch(_) => 0,
        }
    }
}

/// The arguments of a launch.
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    /// Where they are, for as long as they stay.
    pub fn pointers(&mut self) -> Vec<*mut c_void> {
        self.0.iter_mut().map(|argument| argument.as_mut_ptr().cast()).collect()
    }

    fn all(program: &Checked, unit: u64, addresses: &[u64]) -> Result<Vec<Self>, ExecError> {
        (0..program.plan.launches.len()).map(|n| program.arguments(n, unit, addresses).map(Self)).collect()
    }
}

/// What all slots of a session share.
pub(super) struct Shared {
    pub pool: Arc<Pool>,
    pub functions: Vec<CudaFunction>,
    /// By number of the input, those that the plan uses.
    pub inputs: HashMap<u16, Arc<DeviceBytes>>,
    /// A word that is not zero: what [`Mark`]s are set with.
    pub set: DeviceBytes,
}

/// How outputs are copied while the next unit computes in the other stream.
struct Copying {
    stream: Arc<CudaStream>,
    computed: CudaEvent,
    step: Step,
}

/// Buffers, streams and orders of every so many-th unit.
pub(super) struct Slot {
    /// By buffer of the plan.
    pub buffers: Vec<Arc<DeviceBytes>>,
    output: PinnedBytes,
    /// Set when the unit has computed.
    computed: Mark,
    /// Recorded when the output is on the host.
    copied: CudaEvent,
    compute: Arc<CudaStream>,
    /// What is done in the stream above, in order.
    steps: Vec<Step>,
    /// Where units compute one after the other; else the copy of the output is one of the steps.
    copying: Option<Copying>,
    /// All the steps.
    graph: Option<UnitGraph>,
}

impl Slot {
    /// A slot that computes in one stream, and copies outputs in another one if there is one.
    pub fn new(
        shared: &Shared,
        program: &Checked,
        buffers: Vec<Arc<DeviceBytes>>,
        compute: Arc<CudaStream>,
        copy: Option<Arc<CudaStream>>,
    ) -> Result<Self, DriverError> {
        let plan = &program.plan;
        let context = shared.pool.context();
        let mut steps = Vec::new();
        for (buffer, block) in plan.buffers.iter().zip(&buffers) {
            let len = buffer.len as usize;
            match buffer.init {
                BufferInit::Zero => steps.push(Step::Zero { at: block.at, len }),
                BufferInit::Copy(n) => {
                    if let Some(original) = shared.inputs.get(&n) {
                        steps.push(Step::Copy { to: block.at, from: original.at, len });
                    }
                }
                BufferInit::Input(_) => {}
            }
        }
        steps.extend((0..plan.launches.len()).map(Step::Launch));
        let computed = Mark::new(&shared.pool)?;
        steps.push(Step::ToHost { to: HostAddress(computed.at()), from: shared.set.at, len: Mark::LEN });
        let len = program.output_len();
        let output = PinnedBytes::new(&shared.pool, len)?;
        let step = Step::ToHost { to: HostAddress(output.at), from: buffers[program.output()].at, len };
        let copying = match copy {
            Some(stream) => Some(Copying { stream, computed: context.new_event(None)?, step }),
            None => {
                steps.push(step);
                None
            }
        };
        let copied = context.new_event(None)?;
        Ok(Self { buffers, output, computed, copied, compute, steps, copying, graph: None })
    }

    /// Whether a graph pays, see [`STEPS`] and [`LARGEST`].
    pub fn wants_graph(&self, graphs: Graphs) -> bool {
        match graphs {
            Graphs::Never => false,
            Graphs::Always => true,
            Graphs::Auto => self.steps.len() >= STEPS && self.steps.iter().all(|step| step.len() <= LARGEST),
        }
    }

    /// Makes a graph of the slot's steps.
    pub fn make_graph(&mut self, shared: &Shared, program: &Checked) -> Result<(), ExecError> {
        let mut arguments = Arguments::all(program, 0, &self.addresses())?;
        let (context, launches) = (shared.pool.context(), &program.plan.launches);
        let made = guarded("make a graph of a unit", || {
            UnitGraph::new(context, &self.steps, launches, &shared.functions, &mut arguments)
        });
        self.graph = Some(made?);
        Ok(())
    }

    fn addresses(&self) -> Vec<u64> {
        self.buffers.iter().map(|block| block.at).collect()
    }

    /// Tells the device to compute a unit. The one before on this slot is done, and its output was taken.
    pub fn start(&mut self, shared: &Shared, program: &Checked, unit: u64) -> Result<(), StartError> {
        let mut arguments = Arguments::all(program, unit, &self.addresses()).map_err(StartError::Other)?;
        self.computed.clear();
        let mut reported = None;
        let started = guarded("start a unit", || {
            self.enqueue(shared, &program.plan.launches, &mut arguments).inspect_err(|error| reported = Some(*error))
        });
        started.map_err(|error| reported.map_or(StartError::Other(error), StartError::Driver))
    }

    fn enqueue(
        &mut self,
        shared: &Shared,
        launches: &[Launch],
        arguments: &mut [Arguments],
    ) -> Result<(), DriverError> {
        let functions = &shared.functions;
        shared.pool.context().bind_to_thread()?;
        match &mut self.graph {
            Some(graph) => {
                for (n, launch) in launches.iter().enumerate() {
                    if launch.args.iter().any(|arg| matches!(arg, Arg::Unit32 | Arg::Unit64)) {
                        graph.update(n, launch, &functions[n], &mut arguments[n])?;
                    }
                }
                graph.launch(&self.compute)?;
            }
            None => {
                for step in &self.steps {
                    step.enqueue(&self.compute, launches, functions, arguments)?;
                }
            }
        }
        match &self.copying {
            Some(Copying { stream, computed, step }) => {
                computed.record(&self.compute)?;
                stream.wait(computed)?;
                step.enqueue(stream, launches, functions, arguments)?;
                self.copied.record(stream)
            }
            None => self.copied.record(&self.compute),
        }
    }

    /// Whether the unit was computed. To be asked after a fault: the host's own memory knows.
    pub fn has_computed(&self) -> bool {
        self.computed.is_set()
    }

    /// Whether the output is on the host.
    pub fn is_done(&self) -> Result<bool, DriverError> {
        // SAFETY: the event exists.
        match unsafe { result::event::query(self.copied.cu_event()) } {
            Ok(()) => Ok(true),
            Err(DriverError(sys::cudaError_enum::CUDA_ERROR_NOT_READY)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The output. Only when it is done.
    pub fn output(&self) -> &[u8] {
        self.output.bytes()
    }
}

/// Why a unit could not be started.
pub(super) enum StartError {
    /// The plan does not allow it, or the driver lacks something.
    Other(ExecError),
    /// The driver refused, perhaps because a unit before has faulted.
    Driver(DriverError),
}
