//! Runs units on the CPU machine.

use std::ops::Range;
use std::time::{Duration, Instant};

use tessera_protocol::spec::{Arg, BufferInit};
use tessera_ptx::{Access, Checks, Interpreter, Launch, Limits, Machine, Memory, Module};

use crate::Program;

/// How the machine runs kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// As compiled code.
    Compiled,
    /// Operation by operation.
    Interpreter,
    /// The same, looking for races and for what nobody wrote.
    Checked,
}

/// A program whose module was read and checked.
pub struct Loaded<'a> {
    program: &'a Program,
    module: Module,
}

/// What the machine gave.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The outputs of the units.
    pub outputs: Vec<Vec<u8>>,
    /// What all launches took.
    pub time: Duration,
    /// What the units spent.
    pub gas: u64,
    /// PTX instructions of all threads, which the interpreter alone counts.
    pub instructions: u64,
}

impl<'a> Loaded<'a> {
    /// Reads the module and checks it.
    ///
    /// # Panics
    /// If it is not in the reproducible profile.
    #[must_use]
    pub fn new(program: &'a Program) -> Self {
        let name = &program.name;
        let module = Module::parse(&program.module).unwrap_or_else(|error| panic!("{name}: {error}"));
        let refusals = module.check();
        assert!(refusals.is_empty(), "{name} leaves the reproducible profile: {refusals:?}");
        Self { program, module }
    }

    /// Compiles all kernels of the module, as their first launches would.
    ///
    /// # Panics
    /// If this machine has no compiler for one of them.
    pub fn compile(&self) {
        for kernel in self.module.kernels() {
            assert!(kernel.compile(), "{}: {} is not compiled here", self.program.name, kernel.name());
        }
    }

    /// Runs some units, blocks in parallel on rayon's current pool.
    ///
    /// # Panics
    /// If a launch fails.
    #[must_use]
    pub fn run(&self, engine: Engine, units: Range<u64>) -> Run {
        let mut run = Run::default();
        units.for_each(|unit| self.unit(engine, unit, &mut run));
        run
    }

    fn unit(&self, engine: Engine, unit: u64, run: &mut Run) {
        let (name, plan) = (&self.program.name, &self.program.plan);
        let mut memory = Memory::new(&self.module);
        let mut addresses = Vec::new();
        for buffer in &plan.buffers {
            let access = if matches!(buffer.init, BufferInit::Input(_)) { Access::Read } else { Access::ReadWrite };
            let address = memory.alloc(buffer.len, access).unwrap_or_else(|error| panic!("{name}: {error}"));
            if let BufferInit::Input(n) | BufferInit::Copy(n) = buffer.init {
                let bytes = &self.program.inputs[usize::from(n)];
                memory.write(address, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            addresses.push(address);
        }
        let start = Instant::now();
        for step in plan.steps() {
            let launch = &plan.launches[step.launch];
            let kernel = &launch.kernel;
            let kernel = self.module.kernel(kernel).unwrap_or_else(|| panic!("{name}: no kernel {kernel}"));
            let values: Vec<Vec<u8>> = launch.args.iter().map(|arg| value(arg, unit, step.round, &addresses)).collect();
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let params = kernel.pack(&values).unwrap_or_else(|error| panic!("{name}: {error}"));
            let shape =
                Launch { grid: launch.grid, block: launch.block, shared_len: launch.shared_len, params: &params };
            let done = match engine {
                Engine::Compiled => Machine.launch(&mut memory, kernel, &shape, Limits::default()),
                Engine::Interpreter => Interpreter::new().launch(&mut memory, kernel, &shape, Limits::default()),
                Engine::Checked => {
                    let interpreter = Interpreter::new().with_checks(Checks::ALL);
                    interpreter.launch(&mut memory, kernel, &shape, Limits::default())
                }
            };
            let stats = done.unwrap_or_else(|fault| panic!("{name}, unit {unit}: {fault}"));
            run.gas += stats.gas;
            run.instructions += stats.instructions.unwrap_or_default();
        }
        run.time += start.elapsed();
        let mut bytes = vec![0; self.program.output_len()];
        memory.read(addresses[usize::from(plan.output)], &mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        run.outputs.push(bytes);
    }
}

/// The bytes of an argument in a round of a unit.
fn value(arg: &Arg, unit: u64, round: u32, addresses: &[u64]) -> Vec<u8> {
    match arg {
        Arg::Buffer { index, offset } => (addresses[usize::from(*index)] + offset).to_le_bytes().to_vec(),
        Arg::Unit32 => (unit as u32).to_le_bytes().to_vec(),
        Arg::Unit64 => unit.to_le_bytes().to_vec(),
        Arg::Round32 => round.to_le_bytes().to_vec(),
        Arg::Bits32(bits) => bits.to_le_bytes().to_vec(),
        Arg::Bits64(bits) => bits.to_le_bytes().to_vec(),
        Arg::Bytes(bytes) => bytes.clone(),
    }
}
