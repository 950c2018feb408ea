//! Device memory and pinned host memory, given back to the pool when dropped.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{DriverError, sys};

use super::pool::Pool;

/// Bytes on the device, zero at first.
pub(super) struct DeviceBytes {
    pool: Arc<Pool>,
    pub at: sys::CUdeviceptr,
    len: usize,
}

impl DeviceBytes {
    pub fn new(pool: &Arc<Pool>, len: usize) -> Result<Self, DriverError> {
        Ok(Self { pool: pool.clone(), at: pool.take_device(len)?, len })
    }

    /// A copy of bytes of the host.
    pub fn holding(pool: &Arc<Pool>, bytes: &[u8]) -> Result<Self, DriverError> {
        let device = Self::new(pool, bytes.len())?;
        pool.fill(device.at, bytes)?;
        Ok(device)
    }
}

impl Drop for DeviceBytes {
    fn drop(&mut self) {
        self.pool.put_device(self.at, self.len);
    }
}

/// Bytes of the host that the device copies to without waiting.
pub(super) struct PinnedBytes {
    pool: Arc<Pool>,
    pub at: *mut c_void,
    len: usize,
}

// SAFETY: the bytes are plain memory of the process and this is their only owner.
unsafe impl Send for PinnedBytes {}

impl PinnedBytes {
    pub fn new(pool: &Arc<Pool>, len: usize) -> Result<Self, DriverError> {
        Ok(Self { pool: pool.clone(), at: pool.take_pinned(len)?, len })
    }

    /// The bytes. Only after the copy into them is complete.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block has at least `len` initialised bytes, and the session has waited for the copy.
        unsafe { std::slice::from_raw_parts(self.at.cast::<u8>(), self.len) }
    }
}

impl Drop for PinnedBytes {
    fn drop(&mut self) {
        self.pool.put_pinned(self.at, self.len);
    }
}

/// A word that the device sets once it has come to a point, and that the host may look at at any time, even when the
/// context is broken.
pub(super) struct Mark(PinnedBytes);

impl Mark {
    pub const LEN: usize = 8;

    pub fn new(pool: &Arc<Pool>) -> Result<Self, DriverError> {
        PinnedBytes::new(pool, Self::LEN).map(Self)
    }

    pub fn at(&self) -> *mut c_void {
        self.0.at
    }

    /// Forgets that the point was reached. Only while the device has no order to set it.
    pub fn clear(&mut self) {
        // SAFETY: the block has the bytes of a word and is aligned to it; the device does not write now.
        unsafe { self.0.at.cast::<u64>().write_volatile(0) };
    }

    /// Whether the point was reached since.
    pub fn is_set(&self) -> bool {
        // SAFETY: as above; the device may write at the same time, and a torn word is as good as a whole one.
        unsafe { self.0.at.cast::<u64>().read_volatile() != 0 }
    }
}
