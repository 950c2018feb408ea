//! From PTX to a module on a device.
//!
//! The driver compiles PTX with the options that it has by default, and that leaves every bit as the interpreter gives
//! it, because of these facts:
//! - `ptxas` contracts a multiplication and an addition into `fma` only where they carry no rounding mode, and the
//!   profile refuses arithmetic without one; the machine code is the same with contraction on and off;
//! - flushing of denormals, approximate division and approximate roots are asked for by modifiers of the instruction
//!   (`.ftz`, `.approx`, `.full`), which the profile refuses;
//! - the optimisation level reorders only what has no effect on a result: floating point is never reassociated.
//!
//! So no option is set: `CU_JIT_FTZ`, `CU_JIT_PREC_DIV`, `CU_JIT_PREC_SQRT` and `CU_JIT_FMA` concern link-time
//! optimisation of other code than PTX, and `CU_JIT_MAX_REGISTERS` and the level would change speed alone.

use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaModule, DriverError, sys};
use cudarc::nvrtc::Ptx;

use super::cubins::Key;
use super::driver::guarded;
use crate::{Cubins, ExecError};

/// Longest complaint of the compiler that is shown.
const COMPLAINT: usize = 4096;

/// Loads a module: what was compiled before if it is in the cache, else what is compiled now.
pub(super) fn load(
    context: &Arc<CudaContext>,
    text: &str,
    cache: Option<(&Cubins, Key)>,
) -> Result<Arc<CudaModule>, ExecError> {
    if let Some((cubins, key)) = cache {
        if let Some(image) = cubins.load(&key) {
            match load_image(context, image) {
                Ok(module) => return Ok(module),
                Err(error) => {
                    tracing::warn!(%error, "the driver does not take a module that it compiled before: it is compiled again");
                    cubins.remove(&key);
                }
            }
        }
        match compile(context, text).and_then(|image| Ok((load_image(context, image.clone())?, image))) {
            Ok((module, image)) => {
                cubins.store(&key, &image);
                return Ok(module);
            }
            Err(error) => tracing::warn!(
                %error,
                "the driver cannot compile a module for the cache: it is loaded as text, and compiled each time"
            ),
        }
    }
    guarded("load a module", || context.load_module(Ptx::from_src(text)))
}

fn load_image(context: &Arc<CudaContext>, image: Vec<u8>) -> Result<Arc<CudaModule>, ExecError> {
    guarded("load a compiled module", || context.load_module(Ptx::from_binary(image)))
}

/// Compiles PTX to an image for the device of the context.
fn compile(context: &Arc<CudaContext>, text: &str) -> Result<Vec<u8>, ExecError> {
    let mut said = String::new();
    let compiled = guarded("compile a module", || {
        context.bind_to_thread()?;
        let source = CString::new(text).map_err(|_| DriverError(sys::cudaError_enum::CUDA_ERROR_INVALID_PTX))?;
        let link = Link::new()?;
        link.compile(&source).inspect_err(|_| said = link.complaint())
    });
    compiled.map_err(|error| match error {
        ExecError::Driver { doing, error } if !said.is_empty() => {
            ExecError::Driver { doing, error: format!("{error}: {said}") }
        }
        error => error,
    })
}

/// A link state of the driver, and what the driver holds on to while it lives.
struct Link {
    state: sys::CUlinkState,
    options: Box<[sys::CUjit_option; 2]>,
    values: Box<[*mut c_void; 2]>,
    complaint: Box<[u8; COMPLAINT]>,
}

impl Link {
    fn new() -> Result<Self, DriverError> {
        let mut complaint = Box::new([0u8; COMPLAINT]);
        let options = Box::new([
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ]);
        let values = Box::new([complaint.as_mut_ptr().cast(), COMPLAINT as *mut c_void]);
        let mut link = Self { state: null_mut(), options, values, complaint };
        let (options, values) = (link.options.as_mut_ptr(), link.values.as_mut_ptr());
        // SAFETY: as many options as values; the buffer has the length that is given. All of them live in boxes of
        // their own until the state is gone.
        unsafe { sys::cuLinkCreate_v2(2, options, values, &mut link.state) }.result()?;
        Ok(link)
    }

    fn compile(&self, source: &CStr) -> Result<Vec<u8>, DriverError> {
        let source = source.to_bytes_with_nul();
        let (mut image, mut len) = (null_mut(), 0);
        // SAFETY: the state exists; the driver only reads the source, which outlives the call.
        unsafe {
            sys::cuLinkAddData_v2(
                self.state,
                sys::CUjitInputType::CU_JIT_INPUT_PTX,
                source.as_ptr().cast_mut().cast(),
                source.len(),
                c"module".as_ptr(),
                0,
                null_mut(),
                null_mut(),
            )
        }
        .result()?;
        // SAFETY: the state exists, and both results are written.
        unsafe { sys::cuLinkComplete(self.state, &mut image, &mut len) }.result()?;
        if image.is_null() {
            return Err(DriverError(sys::cudaError_enum::CUDA_ERROR_INVALID_IMAGE));
        }
        // SAFETY: the driver gives `len` bytes, which live as long as the state.
        Ok(unsafe { std::slice::from_raw_parts(image.cast::<u8>(), len) }.to_vec())
    }

    /// What the compiler has to say.
    fn complaint(&self) -> String {
        let text = CStr::from_bytes_until_nul(self.complaint.as_slice()).map(CStr::to_string_lossy);
        text.unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.state.is_null() {
            return;
        }
        // SAFETY: the state exists, and goes once.
        if let Err(error) = unsafe { sys::cuLinkDestroy(self.state) }.result() {
            tracing::debug!(?error, "a link state was not given up");
        }
    }
}
