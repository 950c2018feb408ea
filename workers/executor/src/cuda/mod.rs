//! GPUs through the CUDA driver, which is loaded at run time.

mod memory;
mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cudarc::driver::{CudaContext, DriverError, result, sys};

use crate::program::{Checked, Program};
use crate::{Device, ExecError, Executor, Kind, Session};

/// The oldest GPUs of the profile.
const OLDEST: (u32, u32) = (8, 0);

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
fn guarded<T>(doing: &'static str, run: impl FnOnce() -> Result<T, DriverError>) -> Result<T, ExecError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ExecError::Driver { doing, error: name(error) }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
            Err(ExecError::Driver { doing, error: format!("the driver is too old: {}", text.unwrap_or_default()) })
        }
    }
}

/// The driver's name for an error.
fn name(error: DriverError) -> String {
    let name = catch_unwind(|| error.error_name().map(|name| name.to_string_lossy().into_owned()).ok()).ok().flatten();
    name.unwrap_or_else(|| format!("{:?}", error.0))
}

/// Loads the driver; its version, for example 13000.
fn driver() -> Result<i32, ExecError> {
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
fn devices() -> Result<Vec<(Arc<CudaContext>, Device)>, ExecError> {
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

pub(crate) struct Cuda {
    contexts: Vec<Arc<CudaContext>>,
    devices: Vec<Device>,
    /// The newest PTX version that the driver reads.
    ptx: (u32, u32),
}

impl Cuda {
    /// All GPUs that can run the profile.
    pub fn new() -> Result<Self, ExecError> {
        let version = driver()?;
        let found = devices()?;
        let (old, usable): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, device)| device.compute_capability.is_none_or(|v| v < OLDEST));
        for (_, device) in &old {
            tracing::warn!(device = device.name, "too old for jobs: compute capability below 8.0");
        }
        if usable.is_empty() {
            return Err(ExecError::NoDevice("every GPU is older than compute capability 8.0".into()));
        }
        let (contexts, devices) = usable.into_iter().unzip();
        Ok(Self { contexts, devices, ptx: newest_ptx(version) })
    }
}

/// The PTX version of a driver: CUDA 11.x reads 7.x, 12.x reads 8.x, 13.x reads 9.x.
fn newest_ptx(driver: i32) -> (u32, u32) {
    let (major, minor) = ((driver / 1000) as u32, (driver % 1000 / 10) as u32);
    (major.saturating_sub(4), minor)
}

/// The module with a header that the driver reads. What the profile allows exists since PTX 7.0, so a lower number
/// changes nothing else.
fn with_version(text: &str, found: (u32, u32), newest: (u32, u32)) -> String {
    if found <= newest {
        return text.to_string();
    }
    let old = format!("{}.{}", found.0, found.1);
    let new = format!("{}.{}", newest.0.max(7), newest.1);
    // The first word after `.version` is the number: the parser has read it there.
    match text.find(".version").and_then(|at| Some(at + text[at..].find(&old)?)) {
        Some(at) => format!("{}{new}{}", &text[..at], &text[at + old.len()..]),
        None => text.to_string(),
    }
}

impl Executor for Cuda {
    fn devices(&self) -> &[Device] {
        &self.devices
    }

    fn prepare(&self, device: usize, program: &Program<'_>) -> Result<Box<dyn Session>, ExecError> {
        let Some(context) = self.contexts.get(device) else {
            return Err(ExecError::UnknownDevice { device, count: self.devices.len() });
        };
        let checked = Checked::new(program)?;
        let text = with_version(program.module, checked.module.version(), self.ptx);
        let (available, _) = guarded("ask for free memory", || context.mem_get_info())?;
        let (needed, available) = (checked.memory(), available as u64);
        if needed > available {
            return Err(ExecError::Memory { needed, available, name: self.devices[device].name.clone() });
        }
        Ok(Box::new(session::CudaSession::new(context.clone(), checked, text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(newest_ptx(13_000), (9, 0));
        assert_eq!(newest_ptx(12_040), (8, 4));
        assert_eq!(newest_ptx(11_080), (7, 8));
        let text = "// .version of\n.version 9.0\n.target sm_80";
        assert_eq!(with_version(text, (9, 0), (9, 0)), text);
        assert_eq!(with_version(text, (9, 0), (8, 4)), "// .version of\n.version 8.4\n.target sm_80");
        assert_eq!(with_version(text, (9, 0), (6, 0)), "// .version of\n.version 7.0\n.target sm_80");
    }
}
