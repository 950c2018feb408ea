//! Measures one kernel in all ways, one after the other and then again, so that what disturbs the machine disturbs all.

use std::time::Instant;

use tessera_kernel_tests::difference;
use tessera_kernel_tests::host::Build;
use tessera_kernel_tests::machine::{Engine, Loaded};

use crate::gpu::{self, Gpu};
use crate::machine::Setting;
use crate::workloads::Workload;

/// What to optimise host programs for; what the bits depend on, scripts/build-host-kernels adds.
pub const FLAGS: &str = "-O3 -march=native";
/// Most repetitions of the interpreter, which takes some twenty times as long as the rest.
const OF_INTERPRETER: usize = 3;

/// Seconds of some repetitions.
#[derive(Default)]
pub struct Seconds(Vec<f64>);

impl Seconds {
    pub fn add(&mut self, seconds: f64) {
        self.0.push(seconds);
        self.0.sort_by(f64::total_cmp);
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        let (low, high) = (self.0[(self.0.len() - 1) / 2], self.0[self.0.len() / 2]);
        f64::midpoint(low, high)
    }

    /// How much longer than the median the longest took, as a part of the median.
    pub fn spread(&self) -> f64 {
        self.0[self.0.len() - 1] / self.median() - 1.0
    }
}

/// What was measured of a kernel; seconds are of all units together.
pub struct Figures {
    pub name: String,
    pub what: &'static str,
    pub units: u64,
    pub output_len: usize,
    /// Of all units.
    pub gas: u64,
    /// PTX instructions of all units.
    pub instructions: u64,
    /// To read and check the module.
    pub read: Seconds,
    /// To compile all of its kernels.
    pub compile: Seconds,
    pub compiled: Seconds,
    /// By the names of their compilers.
    pub hosts: Vec<(&'static str, Seconds)>,
    pub interpreter: Seconds,
    pub gpu: Option<Seconds>,
}

/// Measures a kernel.
///
/// # Panics
/// If one way gives other bytes than another.
pub fn measure(workload: &Workload, setting: &Setting, gpu: &Gpu, repetitions: usize) -> Figures {
    let (program, units) = (&workload.program, workload.units);
    let builds: Vec<_> =
        setting.compilers.iter().map(|compiler| (compiler.name, Build::new(compiler, Some(FLAGS), program))).collect();
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut session = gpu.session(program);

    let mut figures = Figures {
        name: program.name.clone(),
        what: workload.what,
        units,
        output_len: program.output_len(),
        gas: 0,
        instructions: 0,
        read: Seconds::default(),
        compile: Seconds::default(),
        compiled: Seconds::default(),
        hosts: builds.iter().map(|(name, _)| (*name, Seconds::default())).collect(),
        interpreter: Seconds::default(),
        gpu: session.is_some().then(Seconds::default),
    };
    let mut expected: Option<Vec<Vec<u8>>> = None;
    let mut same = |way: &str, outputs: Vec<Vec<u8>>| match &expected {
        None => expected = Some(outputs),
        Some(expected) => {
            assert_eq!(outputs.len(), expected.len(), "{} by {way}: outputs", program.name);
            for (unit, (a, b)) in outputs.iter().zip(expected).enumerate() {
                let at = difference(a, b);
                assert_eq!(at, None, "{}, unit {unit}: {way} gives another byte here", program.name);
            }
        }
    };
    // The first time warms up caches and is not counted.
    for repetition in 0..=repetitions {
        let counts = repetition > 0;
        let start = Instant::now();
        let loaded = Loaded::new(program);
        let read = start.elapsed();
        loaded.compile();
        let run = loaded.run(Engine::Compiled, 0..units);
        if counts {
            figures.read.add(read.as_secs_f64());
            figures.compile.add((start.elapsed() - read).as_secs_f64());
            figures.compiled.add(run.time.as_secs_f64());
        }
        figures.gas = run.gas;
        same("compiled code", run.outputs);
        for ((name, build), (_, seconds)) in builds.iter().zip(&mut figures.hosts) {
            let run = build.run(0..units, setting.threads);
            if counts {
                seconds.add(run.seconds);
            }
            same(name, run.outputs);
        }
        if let (Some(session), Some(seconds)) = (&mut session, &mut figures.gpu) {
            let (outputs, took) = gpu::run(session.as_mut(), units);
            if counts {
                seconds.add(took);
            }
            same("CUDA", outputs);
        }
        if (1..=OF_INTERPRETER).contains(&repetition) {
            let run = one_core.install(|| loaded.run(Engine::Interpreter, 0..units));
            figures.interpreter.add(run.time.as_secs_f64());
            figures.instructions = run.instructions;
            assert_eq!(run.gas, figures.gas, "{}: the interpreter counts other gas", program.name);
            same("the interpreter", run.outputs);
        }
    }
    figures
}
