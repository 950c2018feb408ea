//! Device memory and pinned host memory, freed when dropped.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaStream, DriverError, result, sys};

/// Bytes on the device.
pub(super) struct DeviceBytes {
    context: Arc<CudaContext>,
    pub at: sys::CUdeviceptr,
    pub len: usize,
}

impl DeviceBytes {
    pub fn new(context: &Arc<CudaContext>, len: usize) -> Result<Self, DriverError> {
        context.bind_to_thread()?;
        // SAFETY: the context is current.
        let at = unsafe { result::malloc_sync(len) }?;
        Ok(Self { context: context.clone(), at, len })
    }

    /// A copy of bytes of the host.
    pub fn holding(context: &Arc<CudaContext>, bytes: &[u8]) -> Result<Self, DriverError> {
        let device = Self::new(context, bytes.len())?;
        // SAFETY: the allocation has as many bytes; the copy ends before this returns.
        unsafe { result::memcpy_htod_sync(device.at, bytes) }?;
        Ok(device)
    }

    pub fn fill_zero(&self, stream: &CudaStream) -> Result<(), DriverError> {
        // SAFETY: the allocation has `len` bytes and outlives the stream's work: sessions wait before they drop it.
        unsafe { result::memset_d8_async(self.at, 0, self.len, stream.cu_stream()) }
    }

    pub fn copy_from(&self, other: &Self, stream: &CudaStream) -> Result<(), DriverError> {
        // SAFETY: both allocations have at least this many bytes, and outlive the stream's work.
        unsafe { result::memcpy_dtod_async(self.at, other.at, self.len.min(other.len), stream.cu_stream()) }
    }
}

impl Drop for DeviceBytes {
    fn drop(&mut self) {
        // An error here means that the context is gone, and the memory with it.
        let freed = self.context.bind_to_thread().and_then(|()| {
            // SAFETY: allocated by `malloc_sync`, freed once.
            unsafe { result::free_sync(self.at) }
        });
        if let Err(error) = freed {
            tracing::debug!(?error, "device memory was not freed");
        }
    }
}

/// Bytes of the host that the device copies to without waiting.
pub(super) struct PinnedBytes {
    context: Arc<CudaContext>,
    at: *mut c_void,
    len: usize,
}

// SAFETY: the bytes are plain memory of the process and this is their only owner.
unsafe impl Send for PinnedBytes {}

impl PinnedBytes {
    pub fn new(context: &Arc<CudaContext>, len: usize) -> Result<Self, DriverError> {
        context.bind_to_thread()?;
        // SAFETY: the context is current. Flags 0: cached, because the host reads what it gets.
        let at = unsafe { result::malloc_host(len, 0) }?;
        // SAFETY: the allocation has `len` bytes; from here on they are initialised.
        unsafe { at.cast::<u8>().write_bytes(0, len) };
        Ok(Self { context: context.clone(), at, len })
    }

    /// Starts a copy from the device.
    pub fn copy_from(&mut self, device: &DeviceBytes, stream: &CudaStream) -> Result<(), DriverError> {
        let len = self.len.min(device.len);
        // SAFETY: the slice lies inside the allocation; nobody reads it before the event after this copy is complete.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.at.cast::<u8>(), len) };
        // SAFETY: the device allocation has at least as many bytes; both outlive the stream's work.
        unsafe { result::memcpy_dtoh_async(bytes, device.at, stream.cu_stream()) }
    }

    /// The bytes. Only after the copy into them is complete.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the allocation has `len` initialised bytes, and the session has waited for the copy.
        unsafe { std::slice::from_raw_parts(self.at.cast::<u8>(), self.len) }
    }
}

impl Drop for PinnedBytes {
    fn drop(&mut self) {
        let freed = self.context.bind_to_thread().and_then(|()| {
            // SAFETY: allocated by `malloc_host`, freed once.
            unsafe { result::free_host(self.at) }
        });
        if let Err(error) = freed {
            tracing::debug!(?error, "pinned memory was not freed");
        }
    }
}
