//! Small trainings, and ways to run their jobs on the CPU.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{fmt::Write, path::PathBuf, time::Duration};

use bytes::Bytes;
use tempfile::TempDir;
use tessera_executor::{Backend, Checks, Options, Program, open_with, outputs};
use tessera_train::{MODULE, Plan, PreparedJob, Progress, Training};

/// Outputs of all units with these inputs: as compiled code, or operation by operation with all checks.
pub fn run_with(job: &PreparedJob, inputs: &[Bytes], checks: Checks) -> Vec<Bytes> {
    let executor = open_with(Backend::Cpu, &Options { checks, ..Options::default() }).unwrap();
    let unit_time = Duration::from_secs(600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs, unit_gas: 0, unit_time };
    outputs(&*executor, 0, &program, 0..job.spec.units).unwrap().into_iter().map(Bytes::from).collect()
}

pub fn run(job: &PreparedJob, checks: Checks) -> Vec<Bytes> {
    run_with(job, &job.inputs().unwrap(), checks)
}

/// The inputs of a participant's job: with what it alone has.
pub fn with_own(job: &PreparedJob, data: &Bytes, mask: &Bytes) -> Vec<Bytes> {
    job.inputs_with(&[("data", data), ("mask", mask)]).unwrap()
}

/// A round: its updates, changed by `tamper`, and what it came to.
pub fn round(training: &mut Training, tamper: impl Fn(&mut Vec<Option<Bytes>>), checks: Checks) -> Progress {
    let mut updates: Vec<Option<Bytes>> = run(&training.steps().unwrap(), checks).into_iter().map(Some).collect();
    tamper(&mut updates);
    let outputs = run(&training.aggregation(&updates).unwrap(), checks);
    training.advance(&outputs[0], updates.iter().flatten().count()).unwrap()
}

/// Bits of floats.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The floats of an output.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

/// A folder with a file of samples and one of text.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let this = Self(TempDir::new().unwrap());
        let mut lines = String::new();
        let mut state = 1u32;
        for i in 0..96 {
            let label = i % 3;
            for column in 0..32u32 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 16) as f32 / 65_536.0;
                let bright = if column % 3 == label { 1.0 } else { 0.0 };
                write!(lines, "{},", bright + 0.5 * noise).unwrap();
            }
            writeln!(lines, "{label}").unwrap();
        }
        std::fs::write(this.path("samples.csv"), lines).unwrap();
        let text = "the cat sees the dog, and the dog sees the moon in the blue river. ".repeat(70);
        std::fs::write(this.path("text.txt"), text).unwrap();
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The plan of a text.
    pub fn plan(&self, text: &str) -> Plan {
        std::fs::write(self.path("plan.toml"), text).unwrap();
        Plan::load(&self.path("plan.toml")).unwrap()
    }

    pub fn training(&self, text: &str) -> Training {
        Training::start(self.plan(text)).unwrap()
    }
}

/// A plan with this model, of three shards, with what else is given.
pub fn plan(model: &str, optimiser: &str, more: &str) -> String {
    let data = match model.contains("decoder") {
        true => "data = { kind = \"text\", files = [\"text.txt\"], held_out = 0.2 }",
        false => "data = { kind = \"samples\", files = [\"samples.csv\"], held_out = 0.25 }",
    };
    format!(
        "name = \"small\"\nseed = 5\nrounds = 3\nmodel = {model}\n{data}\nshards = {{ count = 3 }}\n\
         steps = {{ count = 3, batch = 4, optimiser = {optimiser} }}\nevaluation = {{ every = 1, batch = 7 }}\n{more}"
    )
}

pub const SGD: &str = "{ kind = \"sgd\", rate = 0.1, momentum = 0.9, decay = 0.001 }";
pub const ADAMW: &str = "{ kind = \"adamw\", rate = 0.01, decay = 0.1 }";
pub const MLP: &str = "{ kind = \"mlp\", hidden = [24, 10], activation = \"gelu\" }";
pub const CNN: &str = "{ kind = \"cnn\", image = [4, 4], channels = [4, 6], pool = \"max\" }";
pub const DECODER: &str =
    "{ kind = \"decoder\", width = 16, layers = 2, heads = 4, key_heads = 2, inner = 20, context = 12 }";
pub const SMALL_CODE: &str = "updates = { density = 0.1, bits = 3, block = 256 }\nchanges = { bits = 2, block = 64 }\n\
                              aggregation = { rate = 0.7, momentum = 0.9 }\n";
