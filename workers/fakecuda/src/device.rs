//! The driver's start, its devices and their contexts.

use std::ffi::{c_char, c_int, c_uint};

use crate::status::{INVALID_DEVICE, INVALID_VALUE, NO_DEVICE, SUCCESS, status};
use crate::world::world;
use crate::{put, settings, stream};

/// Threads of a multiprocessor.
const THREADS: c_int = 2048;

driver! {
    /// How many blocks of a kernel a multiprocessor holds.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks: *mut c_int, _function: usize, threads: c_int, _shared_len: usize,
    ) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(blocks, THREADS / threads.max(1)) }
    }

    /// As [`cuOccupancyMaxActiveBlocksPerMultiprocessor`].
    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: *mut c_int, function: usize, threads: c_int, shared_len: usize, _flags: c_uint,
    ) {
        // SAFETY: the same contract.
        unsafe { cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared_len) }
    }

    /// Starts the driver.
    fn cuInit(_flags: c_uint) {
        if settings::devices() > 0 { SUCCESS } else { NO_DEVICE }
    }

    /// The version of the driver.
    fn cuDriverGetVersion(version: *mut c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(version, settings::version()) }
    }

    /// How many devices there are.
    fn cuDeviceGetCount(count: *mut c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(count, settings::devices()) }
    }

    /// A device by its number.
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) {
        if !(0..settings::devices()).contains(&ordinal) {
            return INVALID_DEVICE;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { put(device, ordinal) }
    }

    /// The name of a device.
    fn cuDeviceGetName(name: *mut c_char, len: c_int, _device: c_int) {
        let text = c"Fake GPU on tessera-ptx".to_bytes_with_nul();
        if (len as usize) < text.len() {
            return INVALID_VALUE;
        }
        // SAFETY: the caller gives `len` bytes, which is enough.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), name, text.len()) };
        SUCCESS
    }

    /// A property of a device.
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, _device: c_int) {
        let found = match attribute {
            1 => 1024, // threads of a block
            8 => 48 << 10, // shared memory of a block
            10 => 32, // lanes of a warp
            13 => 1_000_000, // clock in kHz
            16 => settings::number("FAKE_CUDA_MULTIPROCESSORS", 1),
            39 => THREADS,
            75 => 8, // compute capability, major
            76 | 115 => 0, // minor; no memory pools
            _ => 1,
        };
        // SAFETY: valid by the contract of the API.
        unsafe { put(value, found) }
    }

    /// Memory of a device.
    fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(bytes, settings::memory()) }
    }

    /// What tells a device from others.
    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) {
        let mut found = *b"fake-cuda-device";
        found[15] = device as u8;
        // SAFETY: valid by the contract of the API.
        unsafe { put(uuid, found) }
    }

    /// As [`cuDeviceGetUuid_v2`].
    fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) {
        // SAFETY: the same contract.
        unsafe { cuDeviceGetUuid_v2(uuid, device) }
    }

    /// The context of a device.
    fn cuDevicePrimaryCtxRetain(context: *mut usize, device: c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(context, device as usize + 1) }
    }

    /// Nothing to release.
    fn cuDevicePrimaryCtxRelease_v2(_device: c_int) {
        SUCCESS
    }

    /// Makes a context current in this thread.
    fn cuCtxSetCurrent(context: usize) {
        world().set_current(context);
        SUCCESS
    }

    /// The context that is current in this thread.
    fn cuCtxGetCurrent(context: *mut usize) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(context, world().context()) }
    }

    /// Waits for everything.
    fn cuCtxSynchronize() {
        status(world().healthy().and_then(|device| stream::drain(device)))
    }
}
