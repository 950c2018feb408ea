//! GPUs through the CUDA driver, which is loaded at run time.

mod cubins;
mod driver;
mod graph;
mod link;
#[cfg(feature = "cublas")]
pub mod measure;
mod memory;
mod pool;
mod session;
mod slots;
mod unit;

use std::sync::Arc;

use cudarc::driver::CudaFunction;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use tessera_protocol::spec::Launch;

use crate::modules::Modules;
use crate::program::{Checked, Program};
use crate::{Device, ExecError, Executor, Options, Session};
use cubins::Key;
use driver::{OLDEST, guarded};
use pool::Pool;
use session::CudaSession;
use slots::Needs;

pub use driver::{Finding, probe};

/// A GPU as this backend uses it.
struct Gpu {
    pool: Arc<Pool>,
    processors: u64,
}

impl Gpu {
    /// How many blocks of a launch it holds at once; 0 where the driver does not tell.
    fn holds(&self, launch: &Launch, kernel: &CudaFunction) -> u64 {
        let threads = launch.block.iter().product::<u32>();
        let each = guarded("ask how many blocks fit", || {
            kernel.occupancy_max_active_blocks_per_multiprocessor(threads, launch.shared_len as usize, None)
        });
        each.map_or(0, |each| u64::from(each) * self.processors)
    }
}

pub(crate) struct Cuda {
    gpus: Vec<Gpu>,
    devices: Vec<Device>,
    /// Version of the driver, for example 13000.
    version: i32,
    options: Options,
    modules: Modules,
}

impl Cuda {
    /// All GPUs that can run the profile.
    pub fn new(options: &Options) -> Result<Self, ExecError> {
        let version = driver::driver()?;
        let found = driver::devices()?;
        let (old, usable): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, device)| device.compute_capability.is_none_or(|v| v < OLDEST));
        for (_, device) in &old {
            tracing::warn!(device = device.name, "too old for jobs: compute capability below 8.0");
        }
        if usable.is_empty() {
            return Err(ExecError::NoDevice("every GPU is older than compute capability 8.0".into()));
        }
        let (contexts, devices): (Vec<_>, Vec<_>) =
            usable.into_iter().filter(|(_, device)| options.uses(&device.uuid)).unzip();
        if devices.is_empty() {
            return Err(ExecError::LeftOut);
        }
        let gpu = |context| {
            guarded("open a GPU", || {
                let pool = Arc::new(Pool::new(&context)?);
                let processors = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
                Ok(Gpu { pool, processors: processors.max(0) as u64 })
            })
        };
        let gpus = contexts.into_iter().map(gpu).collect::<Result<_, _>>()?;
        Ok(Self { gpus, devices, version, options: options.clone(), modules: Modules::default() })
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

    fn available(&self, device: usize) -> Result<u64, ExecError> {
        let unknown = ExecError::UnknownDevice { device, count: self.devices.len() };
        let gpu = self.gpus.get(device).ok_or(unknown)?;
        guarded("ask for free memory", || gpu.pool.available())
    }

    fn prepare(&self, device: usize, program: &Program<'_>) -> Result<Box<dyn Session>, ExecError> {
        let Loaded { gpu, program, functions, available } = self.load(device, program)?;
        let launches = &program.plan.launches;
        let held: Vec<u64> =
            launches.iter().zip(&functions).map(|(launch, kernel)| gpu.holds(launch, kernel)).collect();
        let slots = slots::choose(&program.plan, &held, available, self.options.most_in_flight);
        Ok(Box::new(CudaSession::new(&gpu.pool, functions, program, slots, self.options.graphs)?))
    }
}

/// A program that was checked, with the kernels of its launches on a GPU.
struct Loaded<'a> {
    gpu: &'a Gpu,
    program: Checked,
    functions: Vec<CudaFunction>,
    /// Bytes of device memory that it could have.
    available: u64,
}

impl Cuda {
    fn load(&self, device: usize, program: &Program<'_>) -> Result<Loaded<'_>, ExecError> {
        let (Some(gpu), Some(found)) = (self.gpus.get(device), self.devices.get(device)) else {
            return Err(ExecError::UnknownDevice { device, count: self.devices.len() });
        };
        let checked = Checked::new(program, &self.modules)?;
        let available = self.available(device)?;
        let needed = Needs::of(&checked.plan).least();
        if needed > available {
            return Err(ExecError::Memory { needed, available, name: found.name.clone() });
        }
        let text = with_version(program.module, checked.module.version(), newest_ptx(self.version));
        let cubins = self.options.cubins.as_ref();
        let cache = cubins.map(|cubins| (cubins, Key::new(program.module, found, self.version)));
        let module = link::load(gpu.pool.context(), &text, cache)?;
        let launches = &checked.plan.launches;
        let functions = guarded("find the kernels", || {
            launches.iter().map(|launch| module.load_function(&launch.kernel)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Loaded { gpu, program: checked, functions, available })
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
