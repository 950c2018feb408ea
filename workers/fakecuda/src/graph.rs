//! Graphs: nodes that a launch appends to a stream.
//!
//! Nodes that do not depend on each other run in the *reverse* of the order in which they were added, so that a
//! dependency which is missing shows.

use std::collections::HashMap;
use std::ffi::{c_uint, c_ulonglong, c_void};

use crate::module::params;
use crate::status::{INVALID_HANDLE, INVALID_VALUE, NOT_SUPPORTED, SUCCESS, Status, status};
use crate::stream::{Job, KernelCall};
use crate::world::{find, lock, world};
use crate::{put, settings};

/// A graph, instantiated or not.
#[derive(Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
}

#[derive(Clone)]
struct Node {
    handle: usize,
    job: Job,
    after: Vec<usize>,
}

impl Graph {
    /// The work in an order that the dependencies allow.
    fn jobs(&self) -> Vec<Job> {
        let mut waiting: Vec<&Node> = self.nodes.iter().collect();
        let mut done = Vec::new();
        let mut jobs = Vec::new();
        while let Some(ready) = waiting.iter().rposition(|node| node.after.iter().all(|node| done.contains(node))) {
            let node = waiting.remove(ready);
            done.push(node.handle);
            jobs.push(node.job.clone());
        }
        jobs
    }
}

/// `CUDA_MEMSET_NODE_PARAMS`.
#[repr(C)]
pub struct Memset {
    at: u64,
    pitch: usize,
    value: c_uint,
    element: c_uint,
    width: usize,
    height: usize,
}

/// One end of a `CUDA_MEMCPY3D`.
#[repr(C)]
struct End {
    start: [usize; 3],
    lod: usize,
    kind: c_uint,
    host: usize,
    device: u64,
    array: usize,
    reserved: usize,
    pitch: usize,
    height: usize,
}

/// `CUDA_MEMCPY3D`.
#[repr(C)]
pub struct Memcpy {
    from: End,
    to: End,
    extent: [usize; 3],
}

/// `CUDA_KERNEL_NODE_PARAMS_v2`.
#[repr(C)]
pub struct Kernel {
    function: usize,
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared_len: c_uint,
    pointers: *const *const u8,
    extra: *const c_void,
    kernel: usize,
    context: usize,
}

const HOST: c_uint = 1;
const DEVICE: c_uint = 2;

impl Kernel {
    /// # Safety
    /// As for [`params`].
    unsafe fn call(&self) -> Result<Job, Status> {
        let function = find(&world().functions, self.function)?;
        // SAFETY: as the caller vouches.
        let params = unsafe { params(&function, self.pointers) }?;
        Ok(Job::Launch(KernelCall {
            function,
            grid: self.grid,
            block: self.block,
            shared_len: self.shared_len,
            params,
        }))
    }
}

/// Adds a node to a graph.
///
/// # Safety
/// `node` is valid for a write, `after` for `count` handles.
unsafe fn add(node: *mut usize, graph: usize, after: *const usize, count: usize, job: Result<Job, Status>) -> Status {
    let job = match job {
        Ok(job) => job,
        Err(error) => return error,
    };
    // SAFETY: as the caller vouches; a pointer to nothing may be null.
    let after = if count == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(after, count) }.to_vec() };
    // A number that no other handle has.
    let handle = world().add(&world().graphs, Graph::default());
    let mut graphs = lock(&world().graphs);
    graphs.remove(&handle);
    let Some(graph) = graphs.get_mut(&graph) else { return INVALID_HANDLE };
    if !after.iter().all(|handle| graph.nodes.iter().any(|node| node.handle == *handle)) {
        return INVALID_VALUE;
    }
    graph.nodes.push(Node { handle, job, after });
    drop(graphs);
    // SAFETY: as the caller vouches.
    unsafe { put(node, handle) }
}

fn remove(graphs: &mut HashMap<usize, Graph>, graph: usize) -> Status {
    if graphs.remove(&graph).is_some() { SUCCESS } else { INVALID_HANDLE }
}

driver! {
    /// A new graph.
    fn cuGraphCreate(graph: *mut usize, _flags: c_uint) {
        if settings::fails("graph") {
            return NOT_SUPPORTED;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { put(graph, world().add(&world().graphs, Graph::default())) }
    }

    /// Adds bytes to be set.
    fn cuGraphAddMemsetNode(
        node: *mut usize, graph: usize, after: *const usize, count: usize, set: *const Memset, _context: usize,
    ) {
        // SAFETY: valid by the contract of the API.
        let set = unsafe { &*set };
        let fits = matches!(set.element, 1 | 2 | 4) && set.height == 1 && set.value == 0;
        let len = set.width * set.element as usize;
        let job = if fits { Ok(Job::Fill { at: set.at, len, value: 0 }) } else { Err(INVALID_VALUE) };
        // SAFETY: valid by the contract of the API.
        unsafe { add(node, graph, after, count, job) }
    }

    /// Adds bytes to be copied.
    fn cuGraphAddMemcpyNode(
        node: *mut usize, graph: usize, after: *const usize, count: usize, copy: *const Memcpy, _context: usize,
    ) {
        // SAFETY: valid by the contract of the API.
        let Memcpy { from, to, extent: [len, height, depth] } = unsafe { &*copy };
        let job = match (from.kind, to.kind, height, depth) {
            (DEVICE, DEVICE, 1, 1) => Ok(Job::Copy { to: to.device, from: from.device, len: *len }),
            (DEVICE, HOST, 1, 1) => Ok(Job::ToHost { to: to.host, from: from.device, len: *len }),
            _ => Err(INVALID_VALUE),
        };
        // SAFETY: valid by the contract of the API.
        unsafe { add(node, graph, after, count, job) }
    }

    /// Adds a kernel to be run.
    fn cuGraphAddKernelNode_v2(
        node: *mut usize, graph: usize, after: *const usize, count: usize, kernel: *const Kernel,
    ) {
        // SAFETY: valid by the contract of the API.
        unsafe { add(node, graph, after, count, (*kernel).call()) }
    }

    /// Makes a graph ready to be launched; later changes of the graph do not touch what was made.
    fn cuGraphInstantiateWithFlags(made: *mut usize, graph: usize, _flags: c_ulonglong) {
        match find(&world().graphs, graph) {
            // SAFETY: valid by the contract of the API.
            Ok(graph) => unsafe { put(made, world().add(&world().graphs, graph)) },
            Err(error) => error,
        }
    }

    /// Changes the arguments of a kernel for launches to come.
    fn cuGraphExecKernelNodeSetParams_v2(made: usize, node: usize, kernel: *const Kernel) {
        // SAFETY: valid by the contract of the API.
        let job = match unsafe { (*kernel).call() } {
            Ok(job) => job,
            Err(error) => return error,
        };
        let mut graphs = lock(&world().graphs);
        let nodes = graphs.get_mut(&made).map(|graph| &mut graph.nodes);
        match nodes.and_then(|nodes| nodes.iter_mut().find(|found| found.handle == node)) {
            Some(node) => {
                node.job = job;
                SUCCESS
            }
            None => INVALID_HANDLE,
        }
    }

    /// Puts the work of a graph into a stream.
    fn cuGraphLaunch(made: usize, stream: usize) {
        let launch = || {
            let jobs = find(&world().graphs, made)?.jobs();
            let stream = find(&world().streams, stream)?;
            settings::log("graph");
            for job in jobs {
                if let Job::Launch(call) = &job {
                    stream.takes(&call.function)?;
                }
                stream.push(job)?;
            }
            Ok(())
        };
        status(launch())
    }

    /// Forgets a graph that can be launched.
    fn cuGraphExecDestroy(made: usize) {
        remove(&mut lock(&world().graphs), made)
    }

    /// Forgets a graph.
    fn cuGraphDestroy(graph: usize) {
        remove(&mut lock(&world().graphs), graph)
    }
}
