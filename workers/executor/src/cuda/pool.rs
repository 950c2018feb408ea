//! Memory that sessions leave to those after them.
//!
//! The driver takes long to allocate and to free, and freeing waits for everything that runs. So a block goes back on
//! a shelf of its device and is taken from there by the next session that needs one of its size. Blocks that lay there
//! longest are freed when the shelf is full, and all of them when the driver has no memory left.
//!
//! Jobs are strangers to each other: whoever takes a block gets zeros, to the block's last byte.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::{CudaContext, CudaStream, DriverError, result, sys};

/// Sizes are multiples of this.
const GRAIN: usize = 256;
/// A shelf keeps at most this part of the device's memory.
const DEVICE_PART: usize = 4;
/// A shelf keeps at most this much pinned memory, which the whole machine lacks.
const PINNED: usize = 256 << 20;

/// Sizes that nearly agree share blocks, but not at the price of more than this.
const WASTE: usize = 64 << 20;

/// The size of the block that holds `len` bytes: eight sizes from a power of two to the next, so that at most an eighth
/// is wasted and sizes that nearly agree share blocks; of large ones more, so that a program can have nearly all memory.
pub(super) fn class(len: usize) -> usize {
    let step = (len.checked_next_power_of_two().unwrap_or(len) / 16).clamp(GRAIN, WASTE);
    len.max(1).checked_next_multiple_of(step).unwrap_or(len)
}

/// Blocks that nobody uses, the one that lies there longest first.
struct Shelf<A> {
    blocks: VecDeque<(A, usize)>,
    idle: usize,
    most: usize,
}

impl<A> Shelf<A> {
    fn new(most: usize) -> Self {
        Self { blocks: VecDeque::new(), idle: 0, most }
    }

    /// Takes a block of exactly this size.
    fn take(&mut self, len: usize) -> Option<A> {
        let i = self.blocks.iter().rposition(|(_, found)| *found == len)?;
        let (at, len) = self.blocks.remove(i)?;
        self.idle -= len;
        Some(at)
    }

    /// Puts a block back; what is returned has to be freed.
    fn put(&mut self, at: A, len: usize) -> Vec<A> {
        self.blocks.push_back((at, len));
        self.idle += len;
        let mut out = Vec::new();
        while self.idle > self.most {
            let Some((at, len)) = self.blocks.pop_front() else { break };
            self.idle -= len;
            out.push(at);
        }
        out
    }

    fn clear(&mut self) -> Vec<A> {
        self.idle = 0;
        self.blocks.drain(..).map(|(at, _)| at).collect()
    }
}

/// Pinned memory of the host.
#[derive(Clone, Copy)]
struct Pinned(*mut c_void);

// SAFETY: it is plain memory of the process; a pointer on the shelf is the only one.
unsafe impl Send for Pinned {}

/// The blocks of one device that no session uses.
pub(super) struct Pool {
    context: Arc<CudaContext>,
    /// What blocks are cleaned and filled in.
    stream: Arc<CudaStream>,
    device: Mutex<Shelf<sys::CUdeviceptr>>,
    pinned: Mutex<Shelf<Pinned>>,
}

fn lock<A>(shelf: &Mutex<Shelf<A>>) -> MutexGuard<'_, Shelf<A>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

fn out_of_memory(error: &DriverError) -> bool {
    error.0 == sys::cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY
}

impl Pool {
    pub fn new(context: &Arc<CudaContext>) -> Result<Self, DriverError> {
        let memory = context.total_mem()?;
        Ok(Self {
            context: context.clone(),
            stream: context.new_stream()?,
            device: Mutex::new(Shelf::new(memory / DEVICE_PART)),
            pinned: Mutex::new(Shelf::new(PINNED)),
        })
    }

    pub fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// Bytes of device memory that could be allocated, those on the shelf included.
    pub fn available(&self) -> Result<u64, DriverError> {
        let (free, _) = self.context.mem_get_info()?;
        Ok((free + lock(&self.device).idle) as u64)
    }

    /// A block of device memory of `class(len)` zeros.
    pub fn take_device(&self, len: usize) -> Result<sys::CUdeviceptr, DriverError> {
        let len = class(len);
        self.context.bind_to_thread()?;
        let found = lock(&self.device).take(len);
        let at = match found {
            Some(at) => at,
            None => {
                // SAFETY: the context is current.
                let new = || unsafe { result::malloc_sync(len) };
                new().or_else(|error| {
                    if !out_of_memory(&error) {
                        return Err(error);
                    }
                    self.trim();
                    new()
                })?
            }
        };
        // SAFETY: the block has `len` bytes, and nobody else knows of it.
        let zeroed = unsafe { result::memset_d8_async(at, 0, len, self.stream.cu_stream()) };
        // Streams do not wait for each other, so the block is clean before it is handed out.
        zeroed.and_then(|()| self.stream.synchronize()).inspect_err(|_| self.free_device(at))?;
        Ok(at)
    }

    pub fn put_device(&self, at: sys::CUdeviceptr, len: usize) {
        let out = lock(&self.device).put(at, class(len));
        out.into_iter().for_each(|at| self.free_device(at));
    }

    /// A block of pinned memory of `class(len)` zeros.
    pub fn take_pinned(&self, len: usize) -> Result<*mut c_void, DriverError> {
        let len = class(len);
        self.context.bind_to_thread()?;
        let found = lock(&self.pinned).take(len);
        let at = match found {
            Some(Pinned(at)) => at,
            None => {
                // SAFETY: the context is current. Flags 0: cached, because the host reads what it gets.
                let new = || unsafe { result::malloc_host(len, 0) };
                new().or_else(|error| {
                    if !out_of_memory(&error) {
                        return Err(error);
                    }
                    self.trim();
                    new()
                })?
            }
        };
        // SAFETY: the block has `len` bytes, and nobody else knows of it.
        unsafe { at.cast::<u8>().write_bytes(0, len) };
        Ok(at)
    }

    pub fn put_pinned(&self, at: *mut c_void, len: usize) {
        let out = lock(&self.pinned).put(Pinned(at), class(len));
        out.into_iter().for_each(|at| self.free_pinned(at));
    }

    /// Copies bytes of the host to a block; done when it returns.
    pub fn fill(&self, at: sys::CUdeviceptr, bytes: &[u8]) -> Result<(), DriverError> {
        self.context.bind_to_thread()?;
        // The synchronous copy of the driver may return before the bytes are there, and only the default stream would
        // wait for them.
        // SAFETY: the block has as many bytes; both live until the stream is done.
        unsafe { result::memcpy_htod_async(at, bytes, self.stream.cu_stream()) }?;
        self.stream.synchronize()
    }

    /// Frees everything that nobody uses.
    fn trim(&self) {
        let (device, pinned) = (lock(&self.device).clear(), lock(&self.pinned).clear());
        tracing::debug!(device = device.len(), pinned = pinned.len(), "memory is short: unused blocks are freed");
        device.into_iter().for_each(|at| self.free_device(at));
        pinned.into_iter().for_each(|at| self.free_pinned(at));
    }

    fn free_device(&self, at: sys::CUdeviceptr) {
        let freed = self.context.bind_to_thread().and_then(|()| {
            // SAFETY: allocated by `malloc_sync`, freed once.
            unsafe { result::free_sync(at) }
        });
        if let Err(error) = freed {
            // The context is gone, and the memory with it.
            tracing::debug!(?error, "device memory was not freed");
        }
    }

    fn free_pinned(&self, at: Pinned) {
        let freed = self.context.bind_to_thread().and_then(|()| {
            // SAFETY: allocated by `malloc_host`, freed once.
            unsafe { result::free_host(at.0) }
        });
        if let Err(error) = freed {
            tracing::debug!(?error, "pinned memory was not freed");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_for_and_waste_little() {
        for len in (1..70_000).chain([1 << 20, (1 << 30) + 1, 3 << 33, (39 << 30) + 5]) {
            let found = class(len);
            assert!(
                found >= len && found.is_multiple_of(GRAIN) && found <= len + (len / 8).clamp(GRAIN, WASTE),
                "{len}: {found}"
            );
            assert_eq!(class(found), found);
        }
        assert_eq!([class(2100), class(4000), class(usize::MAX)], [2304, 4096, usize::MAX]);
    }

    #[test]
    fn a_full_shelf_gives_up_what_lay_there_longest() {
        let mut shelf = Shelf::new(1000);
        assert!(shelf.put('a', 400).is_empty());
        assert!(shelf.put('b', 600).is_empty());
        assert_eq!(shelf.put('c', 400), ['a']);
        assert_eq!((shelf.take(400), shelf.take(400), shelf.idle), (Some('c'), None, 600));
        assert_eq!(shelf.put('d', 2000), ['b', 'd']);
        assert!(shelf.put('e', 5).is_empty());
        assert_eq!((shelf.clear(), shelf.idle), (vec!['e'], 0));
    }
}
