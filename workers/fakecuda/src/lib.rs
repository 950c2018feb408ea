//! A stand-in for `libcuda.so.1`: the part of the CUDA driver that cudarc and the executor use, on top of `tessera-ptx`.
//!
//! With it the unmodified CUDA path of the executor runs on machines without a GPU: a test puts this library as
//! `libcuda.so.1` into a directory, and that directory into `LD_LIBRARY_PATH` of a child process. Streams are threads
//! and copies are asynchronous, so a missing wait shows; a kernel that faults breaks the context, as on a GPU.
//!
//! **It proves the code path of the host, never the bits of a GPU.** Only a GPU proves those.
//!
//! `FAKE_CUDA_DEVICES` is the number of devices (1 without it; 0 for a driver that finds none), `FAKE_CUDA_VERSION` the
//! version that the driver claims (13000 without it).
#![allow(non_snake_case)]

mod world;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use tessera_ptx::Module;
use world::{
    DEVICE_MEMORY, Event, INVALID_DEVICE, INVALID_HANDLE, INVALID_PTX, INVALID_VALUE, Job, NO_DEVICE, NOT_FOUND,
    NOT_READY, SUCCESS, lock, world,
};

type Status = c_int;

fn setting(name: &str, default: c_int) -> c_int {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn devices() -> c_int {
    setting("FAKE_CUDA_DEVICES", 1)
}

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// `to` is null or valid for a write.
unsafe fn put<T>(to: *mut T, value: T) -> Status {
    if to.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { to.write(value) };
    world().health()
}

fn status(done: Result<(), Status>) -> Status {
    match done {
        Ok(()) => world().health(),
        Err(error) => error,
    }
}

/// Declares functions of the driver. Their callers follow the CUDA driver API: pointers are null or valid.
macro_rules! driver {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// As the CUDA driver API says: every pointer is valid for what the function reads or writes there.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> Status $body
    )* };
}

driver! {
    /// Starts the driver.
    fn cuInit(_flags: c_uint) {
        if devices() > 0 { SUCCESS } else { NO_DEVICE }
    }

    /// The version of the driver.
    fn cuDriverGetVersion(version: *mut c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(version, setting("FAKE_CUDA_VERSION", 13_000)) }
    }

    /// How many devices there are.
    fn cuDeviceGetCount(count: *mut c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(count, devices()) }
    }

    /// A device by its number.
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) {
        if !(0..devices()).contains(&ordinal) {
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
            16 => 1, // multiprocessors
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
        unsafe { put(bytes, DEVICE_MEMORY) }
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
        CURRENT.set(context);
        SUCCESS
    }

    /// The context that is current in this thread.
    fn cuCtxGetCurrent(context: *mut usize) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(context, CURRENT.get()) };
        SUCCESS
    }

    /// Waits for everything.
    fn cuCtxSynchronize() {
        world().drain();
        world().health()
    }

    /// Free and total memory.
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let used: usize = lock(&world().lens).values().sum();
        // SAFETY: valid by the contract of the API.
        unsafe {
            put(free, DEVICE_MEMORY.saturating_sub(used));
            put(total, DEVICE_MEMORY)
        }
    }

    /// Allocates device memory.
    fn cuMemAlloc_v2(at: *mut u64, len: usize) {
        match world().alloc(len) {
            // SAFETY: valid by the contract of the API.
            Ok(found) => unsafe { put(at, found) },
            Err(error) => error,
        }
    }

    /// Frees device memory.
    fn cuMemFree_v2(at: u64) {
        status(world().free(at))
    }

    /// Allocates host memory; its length is kept in front of it.
    fn cuMemHostAlloc(at: *mut *mut c_void, len: usize, _flags: c_uint) {
        let Some(layout) = host_layout(len) else { return INVALID_VALUE };
        // SAFETY: the layout has at least 64 bytes.
        let start = unsafe { std::alloc::alloc(layout) };
        if start.is_null() {
            return world::OUT_OF_MEMORY;
        }
        // SAFETY: the allocation has 64 bytes in front of what the caller gets.
        unsafe {
            start.cast::<usize>().write(len);
            put(at, start.add(64).cast())
        }
    }

    /// Frees host memory.
    fn cuMemFreeHost(at: *mut c_void) {
        if at.is_null() {
            return INVALID_VALUE;
        }
        // SAFETY: allocated by `cuMemHostAlloc`, which wrote the length 64 bytes in front.
        unsafe {
            let start = at.cast::<u8>().sub(64);
            let Some(layout) = host_layout(start.cast::<usize>().read()) else { return INVALID_VALUE };
            std::alloc::dealloc(start, layout);
        }
        SUCCESS
    }

    /// Copies to the device, at once.
    fn cuMemcpyHtoD_v2(to: u64, from: *const u8, len: usize) {
        world().drain();
        // SAFETY: the caller gives `len` bytes.
        status(world().write(to, unsafe { std::slice::from_raw_parts(from, len) }))
    }

    /// Copies to the host, in a stream.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, len: usize, stream: usize) {
        world().push(stream, Job::ToHost { to: to as usize, from, len })
    }

    /// Copies on the device, in a stream.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, len: usize, stream: usize) {
        world().push(stream, Job::Copy { to, from, len })
    }

    /// Sets bytes, in a stream.
    fn cuMemsetD8Async(at: u64, value: u8, len: usize, stream: usize) {
        world().push(stream, Job::Fill { at, len, value })
    }

    /// A new stream.
    fn cuStreamCreate(stream: *mut usize, _flags: c_uint) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(stream, world().new_stream()) }
    }

    /// Ends a stream once its work is done.
    fn cuStreamDestroy_v2(stream: usize) {
        if world().drop_stream(stream) { SUCCESS } else { INVALID_HANDLE }
    }

    /// Waits for a stream.
    fn cuStreamSynchronize(stream: usize) {
        world().synchronize(stream)
    }

    /// Lets a stream wait for an event.
    fn cuStreamWaitEvent(stream: usize, event: usize, _flags: c_uint) {
        let found = lock(&world().events).get(&event).cloned();
        found.map_or(INVALID_HANDLE, |event| world().wait_in_stream(stream, &event))
    }

    /// A new event.
    fn cuEventCreate(event: *mut usize, _flags: c_uint) {
        let handle = world().handle();
        lock(&world().events).insert(handle, Arc::new(Event::default()));
        // SAFETY: valid by the contract of the API.
        unsafe { put(event, handle) }
    }

    /// Records an event in a stream.
    fn cuEventRecord(event: usize, stream: usize) {
        let found = lock(&world().events).get(&event).cloned();
        found.map_or(INVALID_HANDLE, |event| world().record(stream, &event))
    }

    /// Whether an event is complete.
    fn cuEventQuery(event: usize) {
        let found = lock(&world().events).get(&event).cloned();
        found.map_or(INVALID_HANDLE, |event| match world().health() {
            SUCCESS if event.is_complete() => SUCCESS,
            SUCCESS => NOT_READY,
            error => error,
        })
    }

    /// Waits for an event.
    fn cuEventSynchronize(event: usize) {
        let found = lock(&world().events).get(&event).cloned();
        found.map_or(INVALID_HANDLE, |event| world().wait(&event))
    }

    /// Forgets an event.
    fn cuEventDestroy_v2(event: usize) {
        if lock(&world().events).remove(&event).is_some() { SUCCESS } else { INVALID_HANDLE }
    }

    /// Loads a module of PTX text; like an old driver, it refuses a version above its own.
    fn cuModuleLoadData(module: *mut usize, image: *const c_char) {
        // SAFETY: PTX text ends with a zero.
        let Ok(text) = unsafe { CStr::from_ptr(image) }.to_str() else { return INVALID_PTX };
        let parsed = match Module::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                eprintln!("fake CUDA driver: {error}");
                return INVALID_PTX;
            }
        };
        let driver = setting("FAKE_CUDA_VERSION", 13_000);
        if parsed.version() > ((driver / 1000) as u32 - 4, (driver % 1000 / 10) as u32) {
            return world::UNSUPPORTED_PTX_VERSION;
        }
        let handle = world().handle();
        lock(&world().modules).insert(handle, Arc::new(parsed));
        // SAFETY: valid by the contract of the API.
        unsafe { put(module, handle) }
    }

    /// Forgets a module.
    fn cuModuleUnload(module: usize) {
        if lock(&world().modules).remove(&module).is_some() { SUCCESS } else { INVALID_HANDLE }
    }

    /// A kernel of a module.
    fn cuModuleGetFunction(function: *mut usize, module: usize, name: *const c_char) {
        // SAFETY: names end with a zero.
        let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() else { return INVALID_VALUE };
        let Some(module) = lock(&world().modules).get(&module).cloned() else { return INVALID_HANDLE };
        if module.kernel(name).is_none() {
            return NOT_FOUND;
        }
        let handle = world().handle();
        lock(&world().functions).insert(handle, (module, name.to_string()));
        // SAFETY: valid by the contract of the API.
        unsafe { put(function, handle) }
    }

    /// Runs a kernel in a stream.
    fn cuLaunchKernel(
        function: usize,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared_len: c_uint, stream: usize, params: *const *const u8, _extra: *const c_void,
    ) {
        let Some((module, kernel)) = lock(&world().functions).get(&function).cloned() else { return INVALID_HANDLE };
        let Some(found) = module.kernel(&kernel) else { return NOT_FOUND };
        let mut bytes = vec![0; found.params_len()];
        for (i, param) in found.params().iter().enumerate() {
            // SAFETY: the caller gives one pointer for each parameter of the kernel, valid for its bytes.
            let value = unsafe { std::slice::from_raw_parts(*params.add(i), param.len) };
            bytes[param.offset..param.offset + param.len].copy_from_slice(value);
        }
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        world().push(stream, Job::Launch { module, kernel, grid, block, shared_len, params: bytes })
    }

    /// The name of an error.
    fn cuGetErrorName(error: c_int, name: *mut *const c_char) {
        let text = match error {
            SUCCESS => c"CUDA_SUCCESS",
            INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
            world::OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
            NO_DEVICE => c"CUDA_ERROR_NO_DEVICE",
            INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
            INVALID_PTX => c"CUDA_ERROR_INVALID_PTX",
            world::UNSUPPORTED_PTX_VERSION => c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            INVALID_HANDLE => c"CUDA_ERROR_INVALID_HANDLE",
            NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
            NOT_READY => c"CUDA_ERROR_NOT_READY",
            world::ILLEGAL_ADDRESS => c"CUDA_ERROR_ILLEGAL_ADDRESS",
            world::LAUNCH_TIMEOUT => c"CUDA_ERROR_LAUNCH_TIMEOUT",
            world::MISALIGNED_ADDRESS => c"CUDA_ERROR_MISALIGNED_ADDRESS",
            world::LAUNCH_FAILED => c"CUDA_ERROR_LAUNCH_FAILED",
            _ => return INVALID_VALUE,
        };
        // SAFETY: valid by the contract of the API.
        unsafe { name.write(text.as_ptr()) };
        SUCCESS
    }

    /// As [`cuGetErrorName`].
    fn cuGetErrorString(error: c_int, text: *mut *const c_char) {
        // SAFETY: the same contract.
        unsafe { cuGetErrorName(error, text) }
    }
}

fn host_layout(len: usize) -> Option<std::alloc::Layout> {
    std::alloc::Layout::from_size_align(len.checked_add(64)?, 64).ok()
}
