//! The driver: loaded at run time, asked with care.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cudarc::driver::{CudaContext, DriverError, result, sys};

use crate::{Device, ExecError, Kind};

/// The oldest GPUs of the profile.
pub(super) const OLDEST: (u32, u32) = (8, 0);

/// Something that `doctor` can say about the GPUs of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether all is well with it.
    pub good: bool,
    /// What was looked at.
    pub subject: &'static str,
    /// What was found, and what to do about it.
    pub text: String,
}

/// Runs something of the driver. A driver that lacks a function makes the binding panic; that is an error here.
pub(super) fn guarded<T>(doing: &'static str, run: impl FnOnce() -> Result<T, DriverError>) -> Result<T, ExecError> {
    caught(doing, "the driver is too old", run, name)
}

/// Runs something of a library; `lacks` is what it means that a function of it is missing, `name` is how it calls its errors.
pub(super) fn caught<T, E>(
    doing: &'static str,
    lacks: &str,
    run: impl FnOnce() -> Result<T, E>,
    name: impl FnOnce(E) -> String,
) -> Result<T, ExecError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ExecError::Driver { doing, error: name(error) }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
            Err(ExecError::Driver { doing, error: format!("{lacks}: {}", text.unwrap_or_default()) })
        }
    }
}

/// The driver's name for an error.
pub(super) fn name(error: DriverError) -> String {
    let name = catch_unwind(|| error.error_name().map(|name| name.to_string_lossy().into_owned()).ok()).ok().flatten();
    name.unwrap_or_else(|| format!("{:?}", error.0))
}

/// Loads the driver; its version, for example 13000.
pub(super) fn driver() -> Result<i32, ExecError> {
    // SAFETY: looks for a library by name; the driver's own start-up code is trusted.
    let present = catch_unwind(|| unsafe { sys::is_culib_present() }).unwrap_or(false);
    if !present {
        return Err(ExecError::NoDevice("the NVIDIA driver is not installed (libcuda.so.1 was not found)".into()));
    }
    guarded("start the CUDA driver", result::init)?;
    guarded("read the driver's version", || {
        let mut version = 0;
        // SAFETY: writes one integer.
        unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
        Ok(version)
    })
}

/// Looks at driver and GPUs without using them. Never panics.
#[must_use]
pub fn probe() -> Vec<Finding> {
    let version = match driver() {
        Ok(version) => version,
        Err(error) => return vec![Finding { good: false, subject: "driver", text: error.to_string() }],
    };
    let text = format!("CUDA {}.{}", version / 1000, version % 1000 / 10);
    let mut findings = vec![Finding { good: true, subject: "driver", text }];
    match devices() {
        Err(error) => findings.push(Finding { good: false, subject: "GPU", text: error.to_string() }),
        Ok(found) => findings.extend(found.into_iter().map(|(_, device)| {
            let good = device.compute_capability.is_some_and(|version| version >= OLDEST);
            let (major, minor) = device.compute_capability.unwrap_or_default();
            let note = if good { "" } else { ": too old, jobs need 8.0 or newer" };
            let text =
                format!("{}, {} MiB, compute capability {major}.{minor}{note}", device.name, device.memory >> 20);
            Finding { good, subject: "GPU", text }
        })),
    }
    findings
}

/// All GPUs of the machine.
pub(super) fn devices() -> Result<Vec<(Arc<CudaContext>, Device)>, ExecError> {
    let count = guarded("count the GPUs", CudaContext::device_count)?;
    if count <= 0 {
        return Err(ExecError::NoDevice("the driver shows no GPU: see whether CUDA_VISIBLE_DEVICES hides it".into()));
    }
    (0..count as usize)
        .map(|ordinal| {
            guarded("open a GPU", || {
                let context = CudaContext::new(ordinal)?;
                let (major, minor) = context.compute_capability()?;
                let device = Device {
                    name: context.name()?,
                    kind: Kind::Cuda,
                    memory: context.total_mem()? as u64,
                    compute_capability: Some((major as u32, minor as u32)),
                    uuid: context.uuid()?.bytes.map(|byte| byte as u8),
                };
                Ok((context, device))
            })
        })
        .collect()
}
