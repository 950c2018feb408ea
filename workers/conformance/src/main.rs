//! `tessera-conformance`: compares interpreter, compiled code and GPUs.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use tessera_conformance::differential::{Report, compare};
use tessera_conformance::program::{Case, Purpose};
use tessera_conformance::table::Header;
use tessera_conformance::work::Engine;
use tessera_conformance::{fuzz, instructions};
use tessera_executor::{Executor, open};

/// Programs between two lines of progress; a range that was cut off goes on after the last one.
const STEP: u64 = 10_000;

/// Compares what runs reproducible PTX, bit for bit.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Threads of the host; all that there are, unless given.
    #[arg(long, global = true)]
    jobs: Option<usize>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// The interpreter, which is the reference.
    Interpreter,
    /// What workers without a GPU run.
    Cpu,
    /// The first GPU.
    Cuda,
}

#[derive(Subcommand)]
enum Command {
    /// Random programs: interpreter against compiled code.
    Differential {
        /// How many programs.
        #[arg(long, default_value_t = 100_000)]
        cases: u64,
        /// Number of the first program.
        #[arg(long, default_value_t = 0)]
        start: u64,
    },
    /// Random programs on a backend against the interpreter; only such as the profile allows.
    Programs {
        #[arg(long, value_enum)]
        backend: Backend,
        /// How many programs.
        #[arg(long, default_value_t = 1000)]
        cases: u64,
        /// Number of the first program.
        #[arg(long, default_value_t = 0)]
        start: u64,
    },
    /// Each instruction with all its edge values.
    Instructions {
        #[arg(long, value_enum)]
        backend: Backend,
        /// What to compare with.
        #[arg(long, value_enum, default_value = "interpreter")]
        against: Backend,
        /// Writes the table here, as Markdown.
        #[arg(long)]
        markdown: Option<PathBuf>,
        /// Only opcodes with this name, such as `add`.
        #[arg(long)]
        only: Option<String>,
    },
    /// Modules broken at random: whether reading and checking them panics or takes long.
    Fuzz {
        /// How many inputs.
        #[arg(long, default_value_t = 100_000)]
        cases: u64,
        /// Number of the first input.
        #[arg(long, default_value_t = 0)]
        start: u64,
    },
    /// Prints a program.
    Show {
        /// Its number.
        seed: u64,
        /// As `programs` makes it.
        #[arg(long)]
        devices: bool,
    },
}

fn main() -> ExitCode {
    // Panics of an executor are caught and reported with the program that caused them.
    std::panic::set_hook(Box::new(|_| {}));
    let Arguments { jobs, command } = Arguments::parse();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs.unwrap_or_default()).build_global();
    match threads.context("no threads").and_then(|()| run(command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("tessera-conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The GPUs, if the backend wants them.
fn gpus(backend: Backend) -> Result<Option<Box<dyn Executor>>> {
    if backend != Backend::Cuda {
        return Ok(None);
    }
    open(tessera_executor::Backend::Cuda)
        .map(Some)
        .context("nothing was compared, because `--backend cuda` needs a GPU")
}

fn engine(backend: Backend, gpus: Option<&dyn Executor>) -> Engine<'_> {
    match (backend, gpus) {
        (Backend::Cuda, Some(gpus)) => Engine::Device(gpus, 0),
        (Backend::Interpreter, _) => Engine::Interpreter,
        _ => Engine::Machine,
    }
}

fn run(command: Command) -> Result<bool> {
    match command {
        Command::Differential { cases, start } => {
            Ok(programs(cases, start, Purpose::Engines, Engine::Interpreter, Engine::Machine))
        }
        Command::Programs { backend, cases, start } => {
            let gpus = gpus(backend)?;
            let found = engine(backend, gpus.as_deref());
            println!("{}", Header::new(found));
            Ok(programs(cases, start, Purpose::Devices, Engine::Interpreter, found))
        }
        Command::Instructions { backend, against, markdown, only } => {
            let (gpus, others) = (gpus(backend)?, gpus(against)?);
            let found = engine(backend, gpus.as_deref());
            let header = Header::new(found);
            println!("{header}");
            let table = instructions::compare(engine(against, others.as_deref()), found, only.as_deref())?;
            print!("{table}");
            if let Some(path) = markdown {
                table.write(&header, &path)?;
            }
            Ok(table.different() == 0)
        }
        Command::Fuzz { cases, start } => Ok(inputs(cases, start)),
        Command::Show { seed, devices } => {
            let case = Case::new(seed, if devices { Purpose::Devices } else { Purpose::Engines });
            let work = case.work();
            println!("// grid {:?}, block {:?}, gas limit {}", work.grid, work.block, work.gas);
            print!("{}", work.text);
            Ok(true)
        }
    }
}

/// Does a range step by step, so that a long run can go on where it was cut off. `step` does a part, is to tell how much of
/// it is done, and says whether to go on. Returns the first number that was not done.
fn steps(cases: u64, start: u64, what: &str, mut step: impl FnMut(Range<u64>, &(dyn Fn(u64) + Sync)) -> bool) -> u64 {
    let (began, end) = (Instant::now(), start.saturating_add(cases));
    let (mut at, mut more) = (start, true);
    let terminal = std::io::stderr().is_terminal();
    while at < end && more {
        let next = at.saturating_add(STEP).min(end);
        let shown = AtomicU64::new(0);
        more = step(at..next, &|done| {
            // Rarely, and from one thread at a time.
            if terminal && done >= shown.load(Relaxed) + 500 {
                shown.store(done, Relaxed);
                eprint!("\r{} {what}", at - start + done);
                let _ = std::io::stderr().flush();
            }
        });
        at = next;
        let rate = (at - start) as f64 / began.elapsed().as_secs_f64();
        let back = if terminal { "\r" } else { "" };
        eprintln!("{back}{} {what}, {rate:.0} a second; go on with --start {at}", at - start);
    }
    at
}

fn programs(cases: u64, start: u64, purpose: Purpose, expected: Engine<'_>, found: Engine<'_>) -> bool {
    let (began, mut total) = (Instant::now(), Report::default());
    let at = steps(cases, start, "programs", |range, progress| {
        total.add(compare(range, purpose, expected, found, progress));
        total.differences.is_empty()
    });
    for difference in &total.differences {
        println!("\n== difference\n{difference}");
    }
    println!(
        "{} programs, {} differences, {} left out, {:.1} s; numbers {start} to {}",
        total.cases,
        total.differences.len(),
        total.skipped,
        began.elapsed().as_secs_f64(),
        at.saturating_sub(1)
    );
    for (end, count) in &total.ends {
        println!("  {count:>9} {end}");
    }
    total.differences.is_empty()
}

fn inputs(cases: u64, start: u64) -> bool {
    let (began, mut total) = (Instant::now(), fuzz::Report::default());
    let at = steps(cases, start, "inputs", |range, progress| {
        total.add(fuzz::fuzz(range, progress));
        total.failures.is_empty() && total.slow.is_empty()
    });
    for failure in total.failures.iter().chain(&total.slow) {
        println!("\n== failure\n{failure}");
    }
    let (slowest, number) = total.slowest;
    println!(
        "{} inputs, {} failures, {} slow, {:.1} s; {} are modules, the profile allows {}; the slowest, number {number}, took \
         {slowest:?}; numbers {start} to {}",
        at - start,
        total.failures.len(),
        total.slow.len(),
        began.elapsed().as_secs_f64(),
        total.modules,
        total.allowed,
        at.saturating_sub(1)
    );
    total.failures.is_empty() && total.slow.is_empty()
}
