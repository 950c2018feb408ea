//! A stand-in for `libcuda.so.1`: the part of the CUDA driver that cudarc and the executor use, on top of `tessera-ptx`, and of
//! cuBLAS what measurements use.
//!
//! With it the unmodified CUDA path of the executor runs on machines without a GPU: a test puts this library as
//! `libcuda.so.1` into a directory, and that directory into `LD_LIBRARY_PATH` of a child process. Every stream is a
//! thread of its own that takes its work in order, nothing else orders it, and a kernel that faults breaks the context
//! of its device, as on a GPU. So a wait or a dependency that is missing shows, the more so with pauses.
//!
//! **It proves the code path of the host, never the bits of a GPU.** Only a GPU proves those.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `FAKE_CUDA_DEVICES` | number of devices: 1 without it, 0 for a driver that finds none |
//! | `FAKE_CUDA_VERSION` | the version that the driver claims: 13000 without it |
//! | `FAKE_CUDA_MEMORY` | bytes of each device: 4 GiB without it |
//! | `FAKE_CUDA_MULTIPROCESSORS` | of each device, 2048 threads each: 1 without it |
//! | `FAKE_CUDA_JITTER` | longest pause before each piece of a stream's work, in microseconds: none without it |
//! | `FAKE_CUDA_FAULTS` | what fails, with commas: `link`, `graph`, `flip` (a bit of each output that is copied to the host), `flip1` (only on device 1). The file `faults` in a folder of `LD_LIBRARY_PATH` adds to them, and is looked at each time |
//! | `FAKE_CUDA_LOG` | file to which a line is appended for what the driver is asked to do |
#![allow(non_snake_case)]

/// Declares functions of the driver. Their callers follow the CUDA driver API: pointers are null or valid.
macro_rules! driver {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// As the CUDA driver API says: every pointer is valid for what the function reads or writes there.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> crate::status::Status $body
    )* };
}

mod blas;
mod device;
mod graph;
mod memory;
mod module;
mod settings;
mod status;
mod stream;
mod world;

use status::{INVALID_VALUE, SUCCESS, Status};

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
    SUCCESS
}
