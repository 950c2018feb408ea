//! One unit on its slot: what the device is told to do for it.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaEvent, CudaFunction, CudaStream, DriverError, result, sys};
use tessera_protocol::spec::{Arg, BufferInit, Launch, LaunchPlan, Step as Turn};

use super::driver::guarded;
use super::graph::UnitGraph;
use super::memory::{DeviceBytes, Mark, PinnedBytes};
use super::pool::Pool;
use super::session::LONGEST_NAP;
use crate::program::Checked;
use crate::{ExecError, Graphs};

/// From how many steps on a graph is used: fewer are started as fast one by one.
const STEPS: u64 = 5;
/// A graph is not used where a step moves more than this. It saves microseconds, which such a unit would not notice, and
/// nodes describe what they move as rows of a picture, for which drivers have limits.
const LARGEST: usize = 1 << 30;
/// Up to how many steps a graph is used. One of more takes memory and time to make, and such a unit keeps the GPU busy while
/// the host starts what comes next.
const MOST_STEPS: u64 = 1024;
/// Launches that are handed to the driver before the host looks how far the GPU is: its queue is finite, and a call that finds
/// it full does not return while a kernel hangs.
const PACE: usize = 256;

/// Where the host gets bytes of the device.
#[derive(Clone, Copy)]
pub(super) struct HostAddress(pub *mut c_void);

// SAFETY: an address, that of a block which the same slot owns.
unsafe impl Send for HostAddress {}

/// Something that the device does for a unit.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Sets bytes to zero.
    Zero { at: sys::CUdeviceptr, len: usize },
    /// Copies bytes on the device.
    Copy { to: sys::CUdeviceptr, from: sys::CUdeviceptr, len: usize },
    /// Runs a launch of the plan.
    Launch(Turn),
    /// Copies bytes to pinned memory.
    ToHost { to: HostAddress, from: sys::CUdeviceptr, len: usize },
}

impl Step {
    /// Puts the step into a stream.
    pub fn enqueue(&self, stream: &CudaStream, orders: &Orders<'_>) -> Result<(), DriverError> {
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
            Self::Launch(turn) => {
                let (launch, function) = orders.launch(turn);
                let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
                let mut arguments = orders.arguments(turn);
                let mut pointers = arguments.pointers();
                // SAFETY: number and sizes of the arguments were checked against the kernel; the driver copies them
                // before it returns. Blocks outlive the stream's work. What the kernel does with its pointers is
                // confined to this process, which the caller may lose.
                unsafe {
                    result::launch_kernel(
                        function.cu_function(),
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
}

/// What the launches of a unit are given.
pub(super) struct Orders<'a> {
    pub program: &'a Checked,
    /// By launch of the plan.
    pub functions: &'a [CudaFunction],
    /// A unit that was checked.
    pub unit: u64,
    /// By buffer of the plan.
    pub addresses: Vec<u64>,
}

impl Orders<'_> {
    pub fn plan(&self) -> &LaunchPlan {
        &self.program.plan
    }

    /// A launch, and its kernel.
    pub fn launch(&self, turn: Turn) -> (&Launch, &CudaFunction) {
        (&self.program.plan.launches[turn.launch], &self.functions[turn.launch])
    }

    /// The arguments of a launch.
    pub fn arguments(&self, turn: Turn) -> Arguments {
        Arguments(self.program.arguments(turn, self.unit, &self.addresses))
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
    /// What is done in the stream above before the launches of the plan, and behind them.
    before: Vec<Step>,
    behind: Vec<Step>,
    /// Recorded in turn in a unit of many launches, see [`PACE`].
    paces: Option<[CudaEvent; 2]>,
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
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for (buffer, block) in plan.buffers.iter().zip(&buffers) {
            let len = buffer.len as usize;
            match buffer.init {
                BufferInit::Zero => before.push(Step::Zero { at: block.at, len }),
                BufferInit::Copy(n) => {
                    if let Some(original) = shared.inputs.get(&n) {
                        before.push(Step::Copy { to: block.at, from: original.at, len });
                    }
                }
                BufferInit::Input(_) => {}
            }
        }
        let computed = Mark::new(&shared.pool)?;
        behind.push(Step::ToHost { to: HostAddress(computed.at()), from: shared.set.at, len: Mark::LEN });
        let len = program.output_len();
        let output = PinnedBytes::new(&shared.pool, len)?;
        let step = Step::ToHost { to: HostAddress(output.at), from: buffers[program.output()].at, len };
        let copying = match copy {
            Some(stream) => Some(Copying { stream, computed: context.new_event(None)?, step }),
            None => {
                behind.push(step);
                None
            }
        };
        let copied = context.new_event(None)?;
        let event = || context.new_event(None);
        let paces = if plan.step_count() > 2 * PACE as u64 { Some([event()?, event()?]) } else { None };
        Ok(Self { buffers, output, computed, copied, compute, before, behind, paces, copying, graph: None })
    }

    /// Whether a graph pays, see [`STEPS`], [`LARGEST`] and [`MOST_STEPS`].
    pub fn wants_graph(&self, graphs: Graphs, plan: &LaunchPlan) -> bool {
        let others = self.before.iter().chain(&self.behind);
        let steps = plan.step_count() + others.clone().count() as u64;
        let pays = steps >= STEPS && others.clone().all(|step| step.len() <= LARGEST);
        match graphs {
            _ if steps > MOST_STEPS => false,
            Graphs::Never => false,
            Graphs::Always => true,
            Graphs::Auto => pays,
        }
    }

    /// Makes a graph of the slot's steps.
    pub fn make_graph(&mut self, shared: &Shared, program: &Checked) -> Result<(), ExecError> {
        let orders = self.orders(shared, program, 0);
        let made = guarded("make a graph of a unit", || {
            UnitGraph::new(shared.pool.context(), &self.before, &self.behind, &orders)
        });
        self.graph = Some(made?);
        Ok(())
    }

    fn orders<'a>(&self, shared: &'a Shared, program: &'a Checked, unit: u64) -> Orders<'a> {
        Orders { program, functions: &shared.functions, unit, addresses: self.addresses() }
    }

    fn addresses(&self) -> Vec<u64> {
        self.buffers.iter().map(|block| block.at).collect()
    }

    /// Tells the device to compute a unit. The one before on this slot is done, and its output was taken.
    pub fn start(&mut self, shared: &Shared, program: &Checked, unit: u64) -> Result<(), StartError> {
        program.check_unit(unit).map_err(StartError::Other)?;
        let orders = self.orders(shared, program, unit);
        self.computed.clear();
        let mut failed = None;
        let started = guarded("start a unit", || match self.enqueue(shared, &orders) {
            Ok(()) => Ok(()),
            Err(error) => {
                failed = Some(error);
                Ok(())
            }
        });
        started.map_err(StartError::Other)?;
        failed.map_or(Ok(()), Err)
    }

    fn enqueue(&mut self, shared: &Shared, orders: &Orders<'_>) -> Result<(), StartError> {
        shared.pool.context().bind_to_thread()?;
        match &mut self.graph {
            Some(graph) => {
                let of_unit = |launch: &Launch| launch.args.iter().any(|a| matches!(a, Arg::Unit32 | Arg::Unit64));
                for (n, turn) in orders.plan().steps().enumerate() {
                    if of_unit(orders.launch(turn).0) {
                        graph.update(n, turn, orders)?;
                    }
                }
                graph.launch(&self.compute)?;
            }
            None => {
                for step in &self.before {
                    step.enqueue(&self.compute, orders)?;
                }
                for (n, turn) in orders.plan().steps().enumerate() {
                    self.keep_pace(n, orders)?;
                    Step::Launch(turn).enqueue(&self.compute, orders)?;
                }
                for step in &self.behind {
                    step.enqueue(&self.compute, orders)?;
                }
            }
        }
        self.copy_output(orders).map_err(StartError::Driver)
    }

    /// Before launch `n` of a unit: waits until the GPU is at most two paces behind the host.
    fn keep_pace(&self, n: usize, orders: &Orders<'_>) -> Result<(), StartError> {
        let Some(paces) = self.paces.as_ref().filter(|_| n > 0 && n.is_multiple_of(PACE)) else { return Ok(()) };
        let pace = &paces[n / PACE % 2];
        let deadline = orders.program.deadline();
        let mut nap = Duration::from_micros(5);
        while n > 2 * PACE && !passed(pace)? {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                let (unit, limit) = (orders.unit, orders.program.unit_time);
                return Err(StartError::Other(ExecError::TimedOut { unit, limit }));
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(LONGEST_NAP);
        }
        pace.record(&self.compute).map_err(StartError::Driver)
    }

    fn copy_output(&self, orders: &Orders<'_>) -> Result<(), DriverError> {
        match &self.copying {
            Some(Copying { stream, computed, step }) => {
                computed.record(&self.compute)?;
                stream.wait(computed)?;
                step.enqueue(stream, orders)?;
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
        passed(&self.copied)
    }

    /// The output. Only when it is done.
    pub fn output(&self) -> &[u8] {
        self.output.bytes()
    }
}

/// Whether the GPU has come to an event.
pub(super) fn passed(event: &CudaEvent) -> Result<bool, DriverError> {
    // SAFETY: the event exists.
    match unsafe { result::event::query(event.cu_event()) } {
        Ok(()) => Ok(true),
        Err(DriverError(sys::cudaError_enum::CUDA_ERROR_NOT_READY)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why a unit could not be started.
pub(super) enum StartError {
    /// The plan does not allow it, or the driver lacks something.
    Other(ExecError),
    /// The driver refused, perhaps because a unit before has faulted.
    Driver(DriverError),
}

impl From<DriverError> for StartError {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}
