//! The steps of a unit as a CUDA graph: handed to the driver once, started with one call for each unit.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError, result, sys};
use tessera_protocol::spec::{Launch, Step as Turn};

use super::unit::{Orders, Step};

/// The steps of a unit on one slot, ready to be launched.
pub(super) struct UnitGraph {
    graph: sys::CUgraph,
    made: sys::CUgraphExec,
    /// The node of each launch of the plan, in the order in which they run.
    kernels: Vec<sys::CUgraphNode>,
    context: Arc<CudaContext>,
}

// SAFETY: a graph may be used by any thread, by one at a time: its only owner is the session.
unsafe impl Send for UnitGraph {}

impl UnitGraph {
    /// Makes a graph of the launches of a plan and of what comes before and behind them: what fills buffers goes first and in
    /// any order, everything else step by step.
    pub fn new(
        context: &Arc<CudaContext>,
        before: &[Step],
        behind: &[Step],
        orders: &Orders<'_>,
    ) -> Result<Self, DriverError> {
        context.bind_to_thread()?;
        let mut this = Self { graph: null_mut(), made: null_mut(), kernels: Vec::new(), context: context.clone() };
        // SAFETY: writes a handle.
        unsafe { sys::cuGraphCreate(&mut this.graph, 0) }.result()?;
        let mut after: Vec<sys::CUgraphNode> =
            before.iter().map(|step| this.add(&[], step, orders)).collect::<Result<_, _>>()?;
        let launches = orders.plan().steps().map(Step::Launch);
        for step in launches.chain(behind.iter().copied()) {
            let node = this.add(&after, &step, orders)?;
            if matches!(step, Step::Launch(_)) {
                this.kernels.push(node);
            }
            after = vec![node];
        }
        // SAFETY: the graph exists.
        this.made = unsafe { result::graph::instantiate(this.graph, sys::CUgraphInstantiate_flags(0)) }?;
        Ok(this)
    }

    fn add(
        &self,
        after: &[sys::CUgraphNode],
        step: &Step,
        orders: &Orders<'_>,
    ) -> Result<sys::CUgraphNode, DriverError> {
        match step {
            Step::Zero { at, len } => self.zero(after, *at, *len),
            Step::Copy { to, from, len } => {
                let copy = sys::CUDA_MEMCPY3D {
                    dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
                    dstDevice: *to,
                    ..from_device(*from, *len)
                };
                self.copy(after, &copy)
            }
            Step::ToHost { to, from, len } => {
                let copy = sys::CUDA_MEMCPY3D {
                    dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_HOST,
                    dstHost: to.0,
                    ..from_device(*from, *len)
                };
                self.copy(after, &copy)
            }
            Step::Launch(turn) => self.kernel(after, *turn, orders),
        }
    }

    fn zero(&self, after: &[sys::CUgraphNode], at: u64, len: usize) -> Result<sys::CUgraphNode, DriverError> {
        // Words instead of bytes: blocks of the pool are whole words.
        let set = sys::CUDA_MEMSET_NODE_PARAMS {
            dst: at,
            pitch: 0,
            value: 0,
            elementSize: 4,
            width: len.div_ceil(4),
            height: 1,
        };
        let mut node = null_mut();
        let (context, count) = (self.context.cu_ctx(), after.len());
        // SAFETY: graph, nodes and context exist; the block has the bytes, and lives as long as the graph is launched.
        unsafe { sys::cuGraphAddMemsetNode(&mut node, self.graph, after.as_ptr(), count, &set, context) }.result()?;
        Ok(node)
    }

    fn copy(&self, after: &[sys::CUgraphNode], copy: &sys::CUDA_MEMCPY3D) -> Result<sys::CUgraphNode, DriverError> {
        let mut node = null_mut();
        let (context, count) = (self.context.cu_ctx(), after.len());
        // SAFETY: graph, nodes and context exist; both blocks have the bytes, and live as long as the graph is launched.
        unsafe { sys::cuGraphAddMemcpyNode(&mut node, self.graph, after.as_ptr(), count, copy, context) }.result()?;
        Ok(node)
    }

    fn kernel(
        &self,
        after: &[sys::CUgraphNode],
        turn: Turn,
        orders: &Orders<'_>,
    ) -> Result<sys::CUgraphNode, DriverError> {
        let mut node = null_mut();
        let (launch, function) = orders.launch(turn);
        let mut arguments = orders.arguments(turn);
        let mut pointers = arguments.pointers();
        let params = params(launch, function, &mut pointers);
        // SAFETY: graph and nodes exist; number and sizes of the arguments were checked against the kernel, and the
        // driver copies them before it returns.
        unsafe { sys::cuGraphAddKernelNode_v2(&mut node, self.graph, after.as_ptr(), after.len(), &params) }
            .result()?;
        Ok(node)
    }

    /// Gives launch `n` of a unit, which is this one of the plan, other arguments from the next start on.
    pub fn update(&mut self, n: usize, turn: Turn, orders: &Orders<'_>) -> Result<(), DriverError> {
        let (launch, function) = orders.launch(turn);
        let mut arguments = orders.arguments(turn);
        let mut pointers = arguments.pointers();
        let params = params(launch, function, &mut pointers);
        // SAFETY: graph and node exist; arguments as above. A launch that is under way keeps those it has.
        unsafe { sys::cuGraphExecKernelNodeSetParams_v2(self.made, self.kernels[n], &params) }.result()
    }

    /// Puts the steps into a stream.
    pub fn launch(&self, stream: &CudaStream) -> Result<(), DriverError> {
        // SAFETY: the graph exists; its blocks outlive the stream's work.
        unsafe { result::graph::launch(self.made, stream.cu_stream()) }
    }
}

impl Drop for UnitGraph {
    fn drop(&mut self) {
        let dropped = self.context.bind_to_thread().and_then(|()| {
            if !self.made.is_null() {
                // SAFETY: it exists, and goes once; the session has waited for its launches.
                unsafe { result::graph::exec_destroy(self.made) }?;
            }
            if self.graph.is_null() {
                return Ok(());
            }
            // SAFETY: it exists, and goes once.
            unsafe { result::graph::destroy(self.graph) }
        });
        if let Err(error) = dropped {
            tracing::debug!(?error, "a graph was not given up");
        }
    }
}

fn params(launch: &Launch, function: &CudaFunction, pointers: &mut [*mut c_void]) -> sys::CUDA_KERNEL_NODE_PARAMS {
    let (grid, block) = (launch.grid, launch.block);
    sys::CUDA_KERNEL_NODE_PARAMS {
        func: function.cu_function(),
        gridDimX: grid[0],
        gridDimY: grid[1],
        gridDimZ: grid[2],
        blockDimX: block[0],
        blockDimY: block[1],
        blockDimZ: block[2],
        sharedMemBytes: launch.shared_len,
        kernelParams: pointers.as_mut_ptr(),
        extra: null_mut(),
        kern: null_mut(),
        ctx: null_mut(),
    }
}

/// A copy of `len` bytes of the device in one row, with no target yet.
fn from_device(from: u64, len: usize) -> sys::CUDA_MEMCPY3D {
    sys::CUDA_MEMCPY3D {
        srcXInBytes: 0,
        srcY: 0,
        srcZ: 0,
        srcLOD: 0,
        srcMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
        srcHost: null(),
        srcDevice: from,
        srcArray: null_mut(),
        reserved0: null_mut(),
        srcPitch: len,
        srcHeight: 1,
        dstXInBytes: 0,
        dstY: 0,
        dstZ: 0,
        dstLOD: 0,
        dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
        dstHost: null_mut(),
        dstDevice: 0,
        dstArray: null_mut(),
        reserved1: null_mut(),
        dstPitch: len,
        dstHeight: 1,
        WidthInBytes: len,
        Height: 1,
        Depth: 1,
    }
}
