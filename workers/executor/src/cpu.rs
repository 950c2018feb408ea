//! The CPU as a device: `tessera-ptx`, blocks in parallel on all cores.

use std::ops::Range;

use tessera_protocol::spec::BufferInit;
use tessera_ptx::{Access, Checks, FaultKind, Interpreter, Launch, Limits, Machine, Memory};

use crate::modules::Modules;
use crate::program::{Checked, Program};
use crate::{Device, ExecError, Executor, Kind, Session, Sink, UnitOutput};

pub(crate) struct Cpu {
    devices: [Device; 1],
    checks: Checks,
    modules: Modules,
}

impl Cpu {
    pub fn new(checks: Checks) -> Self {
        let line = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            let value = text.lines().find_map(|line| line.strip_prefix(key))?.trim_start_matches([' ', '\t', ':']);
            Some(value.to_string())
        };
        let name = line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
        let kilobytes = line("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let memory = kilobytes.unwrap_or(0) << 10;
        Self {
            devices: [Device { name, kind: Kind::Cpu, memory, compute_capability: None, uuid: [0; 16] }],
            checks,
            modules: Modules::default(),
        }
    }
}

impl Executor for Cpu {
    fn devices(&self) -> &[Device] {
        &self.devices
    }

    fn prepare(&self, device: usize, program: &Program<'_>) -> Result<Box<dyn Session>, ExecError> {
        let Some(found) = self.devices.get(device) else {
            return Err(ExecError::UnknownDevice { device, count: self.devices.len() });
        };
        let program = Checked::new(program, &self.modules)?;
        let (needed, available) = (program.memory(), found.memory);
        if available > 0 && needed > available {
            return Err(ExecError::Memory { needed, available, name: found.name.clone() });
        }
        let mut memory = Memory::new(&program.module);
        let mut addresses = Vec::with_capacity(program.plan.buffers.len());
        for buffer in &program.plan.buffers {
            let access = if matches!(buffer.init, BufferInit::Input(_)) { Access::Read } else { Access::ReadWrite };
            let address = memory.alloc(buffer.len, access).map_err(plan)?;
            if let BufferInit::Input(n) = buffer.init {
                memory.write(address, &program.inputs[usize::from(n)]).map_err(plan)?;
            }
            addresses.push(address);
        }
        let output = vec![0; program.output_len()];
        Ok(Box::new(CpuSession { program, memory, addresses, output, checks: self.checks }))
    }
}

fn plan(kind: FaultKind) -> ExecError {
    ExecError::Plan(kind.to_string())
}

struct CpuSession {
    program: Checked,
    memory: Memory,
    addresses: Vec<u64>,
    output: Vec<u8>,
    checks: Checks,
}

impl CpuSession {
    /// Runs one unit; returns its gas.
    fn unit(&mut self, unit: u64) -> Result<u64, ExecError> {
        self.program.check_unit(unit)?;
        for (buffer, address) in self.program.plan.buffers.iter().zip(&self.addresses) {
            match buffer.init {
                BufferInit::Zero => self.memory.fill(*address, buffer.len as usize, 0).map_err(plan)?,
                BufferInit::Copy(n) => {
                    self.memory.write(*address, &self.program.inputs[usize::from(n)]).map_err(plan)?
                }
                BufferInit::Input(_) => {}
            }
        }
        let deadline = self.program.deadline();
        let limit = self.program.unit_gas;
        let mut spent = 0u64;
        for step in self.program.plan.steps() {
            let launch = &self.program.plan.launches[step.launch];
            let kernel = self.program.kernel(step.launch)?;
            let arguments = self.program.arguments(step, unit, &self.addresses);
            let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            let params = kernel.pack(&arguments).map_err(ExecError::Plan)?;
            let shape =
                Launch { grid: launch.grid, block: launch.block, shared_len: launch.shared_len, params: &params };
            let gas = (limit > 0).then(|| limit - spent);
            let limits = Limits { gas, cancel: None, deadline };
            let done = match self.checks {
                Checks::NONE => Machine.launch(&mut self.memory, kernel, &shape, limits),
                checks => Interpreter::new().with_checks(checks).launch(&mut self.memory, kernel, &shape, limits),
            };
            match done {
                Ok(stats) => spent += stats.gas,
                Err(fault) if fault.kind == FaultKind::Deadline => {
                    return Err(ExecError::TimedOut { unit, limit: self.program.unit_time });
                }
                Err(mut fault) => {
                    if let FaultKind::GasLimit { limit: of_launch } = &mut fault.kind {
                        *of_launch = limit;
                    }
                    return Err(ExecError::Fault { unit, fault });
                }
            }
        }
        Ok(spent)
    }
}

impl Session for CpuSession {
    fn run(&mut self, units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        for unit in units {
            let gas = self.unit(unit)?;
            self.memory.read(self.addresses[self.program.output()], &mut self.output).map_err(plan)?;
            sink(unit, UnitOutput { bytes: &self.output, gas: Some(gas) })?;
        }
        Ok(())
    }
}
