//! Programs, and what both backends need to know of one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tessera_protocol::cid::Cid;
use tessera_protocol::spec::{Arg, BufferInit, Input, LaunchPlan, Step};
use tessera_ptx::{Kernel, Module};

use crate::ExecError;
use crate::modules::Modules;

/// Most shared memory of a block, static and dynamic: what every GPU since sm_80 has without asking for more.
const MAX_SHARED: usize = 48 << 10;

/// What a session runs.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// PTX text.
    pub module: &'a str,
    /// The launches that compute one unit.
    pub plan: &'a LaunchPlan,
    /// The inputs that the plan names.
    pub inputs: &'a [Bytes],
    /// Most gas of a unit, 0 for no limit. GPUs do not count gas.
    pub unit_gas: u64,
    /// Most time of a unit.
    pub unit_time: Duration,
}

/// A program that was checked.
pub(crate) struct Checked {
    pub module: Arc<Module>,
    pub plan: LaunchPlan,
    pub inputs: Vec<Bytes>,
    pub unit_gas: u64,
    pub unit_time: Duration,
}

impl Checked {
    pub fn new(program: &Program<'_>, modules: &Modules) -> Result<Self, ExecError> {
        let inputs: Vec<Input> = program
            .inputs
            .iter()
            .map(|bytes| Input { name: String::new(), cid: Cid::default(), len: bytes.len() as u64 })
            .collect();
        program.plan.validate(&inputs).map_err(|error| ExecError::Plan(error.to_string()))?;
        let checked = Self {
            module: modules.get(program.module)?,
            plan: program.plan.clone(),
            inputs: program.inputs.to_vec(),
            unit_gas: program.unit_gas,
            unit_time: program.unit_time,
        };
        for launch in 0..checked.plan.launches.len() {
            checked.check_launch(launch)?;
        }
        Ok(checked)
    }

    fn check_launch(&self, i: usize) -> Result<(), ExecError> {
        let launch = &self.plan.launches[i];
        let kernel = self.kernel(i)?;
        let wrong = |text: String| Err(ExecError::Plan(format!("launch {i}: {text}")));
        let sizes: Vec<usize> = launch.args.iter().map(Arg::len).collect();
        let wanted: Vec<usize> = kernel.params().iter().map(|param| param.len).collect();
        if sizes != wanted {
            return wrong(format!("kernel {} takes parameters of {wanted:?} bytes, not {sizes:?}", launch.kernel));
        }
        let shared = kernel.shared_len() + launch.shared_len as usize;
        if shared > MAX_SHARED {
            return wrong(format!("{shared} bytes of shared memory, at most {MAX_SHARED}"));
        }
        if let Some(required) = kernel.required_threads().filter(|required| *required != launch.block) {
            return wrong(format!(
                "kernel {} requires blocks of {required:?} threads, not {:?}",
                launch.kernel, launch.block
            ));
        }
        let threads = |block: [u32; 3]| block.iter().map(|n| u64::from(*n)).product::<u64>();
        if let Some(most) = kernel.max_threads().filter(|most| threads(launch.block) > threads(*most)) {
            return wrong(format!(
                "kernel {} allows {} threads in a block, not {}",
                launch.kernel,
                threads(most),
                threads(launch.block)
            ));
        }
        Ok(())
    }

    /// The kernel of a launch.
    pub fn kernel(&self, launch: usize) -> Result<&Kernel, ExecError> {
        let name = &self.plan.launches[launch].kernel;
        self.module
            .kernel(name)
            .ok_or_else(|| ExecError::Plan(format!("launch {launch}: the module has no kernel {name}")))
    }

    /// Whether the number of a unit fits the parameters that take it.
    pub fn check_unit(&self, unit: u64) -> Result<(), ExecError> {
        let mut args = self.plan.launches.iter().flat_map(|launch| &launch.args);
        if u32::try_from(unit).is_err() && args.any(|arg| *arg == Arg::Unit32) {
            return Err(ExecError::Plan(format!("unit {unit} does not fit a 32-bit parameter")));
        }
        Ok(())
    }

    /// The parameters of a launch in a round of one unit that was checked, given where the buffers are.
    pub fn arguments(&self, step: Step, unit: u64, addresses: &[u64]) -> Vec<Vec<u8>> {
        let value = |arg: &Arg| match arg {
            Arg::Buffer { index, offset } => (addresses[usize::from(*index)] + offset).to_le_bytes().to_vec(),
            Arg::Unit32 => (unit as u32).to_le_bytes().to_vec(),
            Arg::Unit64 => unit.to_le_bytes().to_vec(),
            Arg::Round32 => step.round.to_le_bytes().to_vec(),
            Arg::Bits32(bits) => bits.to_le_bytes().to_vec(),
            Arg::Bits64(bits) => bits.to_le_bytes().to_vec(),
            Arg::Bytes(bytes) => bytes.clone(),
        };
        self.plan.launches[step.launch].args.iter().map(value).collect()
    }

    pub fn output(&self) -> usize {
        usize::from(self.plan.output)
    }

    pub fn output_len(&self) -> usize {
        self.plan.buffers[self.output()].len as usize
    }

    /// Bytes of device memory, with the originals of what is copied anew for each unit.
    pub fn memory(&self) -> u64 {
        let buffers = self.plan.buffers.iter().map(|buffer| match buffer.init {
            BufferInit::Copy(_) => buffer.len.saturating_mul(2),
            _ => buffer.len,
        });
        // The output is there twice, so that one can be copied while the other is written.
        buffers.fold(self.output_len() as u64, u64::saturating_add)
    }

    /// When a unit that starts now has taken too long.
    pub fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.unit_time)
    }
}
