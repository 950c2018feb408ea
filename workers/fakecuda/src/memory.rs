//! Memory of devices and of the host, and copies between them.

use std::ffi::{c_uint, c_void};

use crate::status::{INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, status};
use crate::stream::{Job, drain};
use crate::world::{find, world};
use crate::{put, settings};

/// Where the length of host memory is kept: in front of it.
const HEADER: usize = 64;

fn host_layout(len: usize) -> Option<std::alloc::Layout> {
    std::alloc::Layout::from_size_align(len.checked_add(HEADER)?, HEADER).ok()
}

fn push(stream: usize, job: Job) -> i32 {
    status(find(&world().streams, stream).and_then(|stream| stream.push(job)))
}

driver! {
    /// Free and total memory.
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        match world().healthy() {
            // SAFETY: valid by the contract of the API.
            Ok(device) => unsafe {
                put(free, device.free_memory());
                put(total, settings::memory())
            },
            Err(error) => error,
        }
    }

    /// Allocates device memory.
    fn cuMemAlloc_v2(at: *mut u64, len: usize) {
        match world().healthy().and_then(|device| device.alloc(len)) {
            // SAFETY: valid by the contract of the API.
            Ok(found) => unsafe { put(at, found) },
            Err(error) => error,
        }
    }

    /// Frees device memory once no stream uses it.
    fn cuMemFree_v2(at: u64) {
        let free = || {
            let device = world().healthy()?;
            drain(device)?;
            device.free(at)
        };
        status(free())
    }

    /// Allocates host memory.
    fn cuMemHostAlloc(at: *mut *mut c_void, len: usize, _flags: c_uint) {
        let Some(layout) = host_layout(len) else { return INVALID_VALUE };
        // SAFETY: the layout has at least the bytes of the header.
        let start = unsafe { std::alloc::alloc(layout) };
        if start.is_null() {
            return OUT_OF_MEMORY;
        }
        settings::log(&format!("pin {len}"));
        // SAFETY: the allocation has a header in front of what the caller gets.
        unsafe {
            start.cast::<usize>().write(len);
            put(at, start.add(HEADER).cast())
        }
    }

    /// Frees host memory once no stream uses it.
    fn cuMemFreeHost(at: *mut c_void) {
        if at.is_null() {
            return INVALID_VALUE;
        }
        for device in &world().devices {
            // A broken device copies nothing any more.
            let _ = drain(device);
        }
        // SAFETY: allocated by `cuMemHostAlloc`, which wrote the length in front.
        unsafe {
            let start = at.cast::<u8>().sub(HEADER);
            let Some(layout) = host_layout(start.cast::<usize>().read()) else { return INVALID_VALUE };
            std::alloc::dealloc(start, layout);
        }
        SUCCESS
    }

    /// Copies to the device, in a stream. Ordinary memory of the host is read before this returns.
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const u8, len: usize, stream: usize) {
        // SAFETY: the caller gives `len` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from, len) }.to_vec();
        push(stream, Job::FromHost { to, bytes })
    }

    /// Copies to the host, in a stream.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, len: usize, stream: usize) {
        push(stream, Job::ToHost { to: to as usize, from, len })
    }

    /// Copies on the device, in a stream.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, len: usize, stream: usize) {
        push(stream, Job::Copy { to, from, len })
    }

    /// Sets bytes, in a stream.
    fn cuMemsetD8Async(at: u64, value: u8, len: usize, stream: usize) {
        push(stream, Job::Fill { at, len, value })
    }
}
