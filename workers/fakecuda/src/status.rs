//! The error codes of the driver that this one reports, and their names.

use std::ffi::{CStr, c_char, c_int};

use tessera_ptx::FaultKind;

/// What every function of the driver returns.
pub type Status = c_int;

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(pub const $name: Status = $code;)*

        fn name(status: Status) -> Option<&'static CStr> {
            match status {
                $($name => Some($text),)*
                _ => None,
            }
        }
    };
}

codes! {
    SUCCESS = 0, c"CUDA_SUCCESS";
    INVALID_VALUE = 1, c"CUDA_ERROR_INVALID_VALUE";
    OUT_OF_MEMORY = 2, c"CUDA_ERROR_OUT_OF_MEMORY";
    NO_DEVICE = 100, c"CUDA_ERROR_NO_DEVICE";
    INVALID_DEVICE = 101, c"CUDA_ERROR_INVALID_DEVICE";
    INVALID_IMAGE = 200, c"CUDA_ERROR_INVALID_IMAGE";
    INVALID_CONTEXT = 201, c"CUDA_ERROR_INVALID_CONTEXT";
    NO_BINARY_FOR_GPU = 209, c"CUDA_ERROR_NO_BINARY_FOR_GPU";
    INVALID_PTX = 218, c"CUDA_ERROR_INVALID_PTX";
    UNSUPPORTED_PTX_VERSION = 222, c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION";
    INVALID_HANDLE = 400, c"CUDA_ERROR_INVALID_HANDLE";
    NOT_FOUND = 500, c"CUDA_ERROR_NOT_FOUND";
    NOT_READY = 600, c"CUDA_ERROR_NOT_READY";
    ILLEGAL_ADDRESS = 700, c"CUDA_ERROR_ILLEGAL_ADDRESS";
    LAUNCH_TIMEOUT = 702, c"CUDA_ERROR_LAUNCH_TIMEOUT";
    MISALIGNED_ADDRESS = 716, c"CUDA_ERROR_MISALIGNED_ADDRESS";
    LAUNCH_FAILED = 719, c"CUDA_ERROR_LAUNCH_FAILED";
    NOT_SUPPORTED = 801, c"CUDA_ERROR_NOT_SUPPORTED";
}

/// What a GPU calls a fault of a kernel.
pub fn of_fault(kind: &FaultKind) -> Status {
    match kind {
        FaultKind::OutOfBounds { .. } | FaultKind::ReadOnly { .. } => ILLEGAL_ADDRESS,
        FaultKind::Misaligned { .. } => MISALIGNED_ADDRESS,
        FaultKind::Launch(_) => INVALID_VALUE,
        FaultKind::GasLimit { .. } | FaultKind::Deadline => LAUNCH_TIMEOUT,
        _ => LAUNCH_FAILED,
    }
}

/// The status of something that gives nothing but an error.
pub fn status(done: Result<(), Status>) -> Status {
    done.err().unwrap_or(SUCCESS)
}

driver! {
    /// The name of an error.
    fn cuGetErrorName(error: c_int, to: *mut *const c_char) {
        let Some(text) = name(error) else { return INVALID_VALUE };
        // SAFETY: valid by the contract of the API.
        unsafe { to.write(text.as_ptr()) };
        SUCCESS
    }

    /// As [`cuGetErrorName`].
    fn cuGetErrorString(error: c_int, to: *mut *const c_char) {
        // SAFETY: the same contract.
        unsafe { cuGetErrorName(error, to) }
    }
}
