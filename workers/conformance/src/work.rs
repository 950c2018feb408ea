//! One launch of one module, and what comes of it in each of the executors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use tessera_executor::{ExecError, Executor, Program};
use tessera_protocol::spec::{Arg, Buffer, BufferInit, LaunchPlan};
use tessera_ptx::{Access, Fault, FaultKind, Interpreter, Launch, Limits, Machine, Memory, Module};

/// Name of the kernel.
pub const KERNEL: &str = "test";
/// Most gas, where a case says nothing else: every program ends long before.
pub const GAS: u64 = 1 << 26;
/// Longest time of a launch on a device.
const TIME: Duration = Duration::from_secs(20);

/// A parameter of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Address of the input, plus an offset.
    Input(u64),
    /// Address of the output, plus an offset.
    Output(u64),
    /// Bytes.
    Value(Vec<u8>),
}

/// A launch of the kernel [`KERNEL`].
#[derive(Clone, Debug)]
pub struct Work {
    /// The module.
    pub text: String,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_len: u32,
    /// The buffer that may only be read.
    pub input: Vec<u8>,
    /// Bytes of the buffer that starts as zeros and is compared.
    pub output_len: u64,
    /// Parameters of the kernel.
    pub arguments: Vec<Argument>,
    /// Most gas.
    pub gas: u64,
}

/// What came of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end.
    Done {
        /// The output buffer.
        output: Vec<u8>,
        /// What it spent, where that is counted.
        gas: Option<u64>,
    },
    /// A thread stopped it.
    Fault(Fault),
    /// The executor reports an error without saying where it happened, or refuses the module.
    Error(String),
    /// The executor panicked, which it never should.
    Panic(String),
}

impl Outcome {
    /// Whether two outcomes are the same, as far as both say something.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Panic(_), _) | (_, Self::Panic(_)) => false,
            (Self::Done { output, gas }, Self::Done { output: other, gas: other_gas }) => {
                output == other && (gas == other_gas || gas.is_none() || other_gas.is_none())
            }
            _ => self == other,
        }
    }

    /// In a few words, beside another outcome.
    #[must_use]
    pub fn describe(&self, beside: &Self) -> String {
        match self {
            Self::Done { output, gas } => {
                let gas = gas.map_or(String::new(), |gas| format!(", gas {gas}"));
                let other = if let Self::Done { output, .. } = beside { &output[..] } else { &[] };
                let differing: Vec<String> = output
                    .chunks(8)
                    .zip(other.chunks(8))
                    .enumerate()
                    .filter(|(_, (a, b))| a != b)
                    .take(6)
                    .map(|(i, (a, _))| {
                        let hex: Vec<String> = a.iter().rev().map(|byte| format!("{byte:02x}")).collect();
                        format!("\n  at byte {}: {}", 8 * i, hex.concat())
                    })
                    .collect();
                format!("done{gas}{}", differing.concat())
            }
            Self::Fault(fault) => format!("fault: {fault}"),
            Self::Error(text) => format!("error: {text}"),
            Self::Panic(text) => format!("PANIC: {text}"),
        }
    }
}

/// What runs a launch.
#[derive(Clone, Copy)]
pub enum Engine<'a> {
    /// The reference.
    Interpreter,
    /// What providers without a GPU run.
    Machine,
    /// A device of an executor.
    Device(&'a dyn Executor, usize),
}

impl Engine<'_> {
    /// Runs a launch.
    #[must_use]
    pub fn run(&self, work: &Work) -> Outcome {
        let done = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Device(executor, device) => on_device(*executor, *device, work),
            _ => match Module::parse(&work.text) {
                Ok(module) => self.on_cpu(&module, work).unwrap_or_else(Outcome::Error),
                Err(error) => Outcome::Error(error.to_string()),
            },
        }));
        done.unwrap_or_else(|panic| Outcome::Panic(panic_text(&*panic)))
    }

    fn on_cpu(&self, module: &Module, work: &Work) -> Result<Outcome, String> {
        let say = |kind: FaultKind| kind.to_string();
        let kernel = module.kernel(KERNEL).ok_or("the module has no kernel")?;
        let mut memory = Memory::new(module);
        let input = memory.alloc(work.input.len() as u64, Access::Read).map_err(say)?;
        memory.write(input, &work.input).map_err(say)?;
        let output = memory.alloc(work.output_len, Access::ReadWrite).map_err(say)?;
        let values: Vec<Vec<u8>> = work
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Input(offset) => (input + offset).to_le_bytes().to_vec(),
                Argument::Output(offset) => (output + offset).to_le_bytes().to_vec(),
                Argument::Value(bytes) => bytes.clone(),
            })
            .collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let params = kernel.pack(&values)?;
        let launch = Launch { grid: work.grid, block: work.block, shared_len: work.shared_len, params: &params };
        let limits = Limits { gas: Some(work.gas), ..Limits::default() };
        let done = match self {
            Self::Machine => Machine.launch(&mut memory, kernel, &launch, limits),
            _ => Interpreter::new().launch(&mut memory, kernel, &launch, limits),
        };
        match done {
            Ok(stats) => {
                let mut bytes = vec![0; work.output_len as usize];
                memory.read(output, &mut bytes).map_err(say)?;
                Ok(Outcome::Done { output: bytes, gas: Some(stats.gas) })
            }
            Err(fault) => Ok(Outcome::Fault(fault)),
        }
    }
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or(panic.downcast_ref::<&str>().map(|text| (*text).into())).unwrap_or_default()
}

/// Whether the profile allows a module: only then an executor takes it.
#[must_use]
pub fn in_profile(text: &str) -> bool {
    Module::parse(text).is_ok_and(|module| module.check().is_empty())
}

fn on_device(executor: &dyn Executor, device: usize, work: &Work) -> Outcome {
    let plan = LaunchPlan {
        buffers: vec![
            Buffer { len: work.input.len() as u64, init: BufferInit::Input(0) },
            Buffer { len: work.output_len, init: BufferInit::Zero },
        ],
        launches: vec![tessera_protocol::spec::Launch {
            kernel: KERNEL.into(),
            grid: work.grid,
            block: work.block,
            shared_len: work.shared_len,
            args: work
                .arguments
                .iter()
                .map(|argument| match argument {
                    Argument::Input(offset) => Arg::Buffer { index: 0, offset: *offset },
                    Argument::Output(offset) => Arg::Buffer { index: 1, offset: *offset },
                    Argument::Value(bytes) => Arg::Bytes(bytes.clone()),
                })
                .collect(),
        }],
        repeats: vec![],
        output: 1,
    };
    let inputs = [Bytes::from(work.input.clone())];
    let program = Program { module: &work.text, plan: &plan, inputs: &inputs, unit_gas: work.gas, unit_time: TIME };
    let mut found = None;
    let done = executor.prepare(device, &program).and_then(|mut session| {
        session.run(0..1, &mut |_, output| {
            found = Some(Outcome::Done { output: output.bytes.to_vec(), gas: output.gas });
            Ok(())
        })
    });
    match (done, found) {
        (Ok(()), Some(outcome)) => outcome,
        (Ok(()), None) => Outcome::Error("no output".into()),
        (Err(ExecError::Fault { fault, .. }), _) => Outcome::Fault(fault),
        (Err(error), _) => Outcome::Error(error.to_string()),
    }
}
