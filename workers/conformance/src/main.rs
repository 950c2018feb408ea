//! `tessera-conformance`: compares interpreter, compiled code and GPUs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use tessera_conformance::differential::{Report, compare};
use tessera_conformance::instructions;
use tessera_conformance::program::{Case, Purpose};
use tessera_conformance::table::Header;
use tessera_conformance::work::Engine;
use tessera_executor::{Executor, open};

/// Programs between two lines of progress; a range that was cut off goes on after the last one.
const STEP: u64 = 10_000;

/// Compares what runs reproducible PTX, bit for bit.
#[derive(Parser)]
#[command(version)]
struct Arguments {
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
    match run(Arguments::parse().command) {
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
        Command::Show { seed, devices } => {
            let case = Case::new(seed, if devices { Purpose::Devices } else { Purpose::Engines });
            let work = case.work();
            println!("// grid {:?}, block {:?}, gas limit {}", work.grid, work.block, work.gas);
            print!("{}", work.text);
            Ok(true)
        }
    }
}

/// Runs programs step by step, so that a long run can go on where it was cut off.
fn programs(cases: u64, start: u64, purpose: Purpose, expected: Engine<'_>, found: Engine<'_>) -> bool {
    let (began, end) = (Instant::now(), start.saturating_add(cases));
    let mut total = Report::default();
    let mut at = start;
    while at < end && total.differences.is_empty() {
        let next = at.saturating_add(STEP).min(end);
        let shown = AtomicU64::new(0);
        let report = compare(at..next, purpose, expected, found, |done| {
            // Rarely, and from one thread at a time.
            if done >= shown.load(Relaxed) + 500 {
                shown.store(done, Relaxed);
                eprint!("\r{} programs", at - start + done);
                let _ = std::io::stderr().flush();
            }
        });
        at = next;
        total.cases += report.cases;
        total.skipped += report.skipped;
        report.ends.into_iter().for_each(|(end, count)| *total.ends.entry(end).or_default() += count);
        total.differences.extend(report.differences);
        let rate = (total.cases + total.skipped) as f64 / began.elapsed().as_secs_f64();
        eprintln!("\r{} programs, {rate:.0} a second; go on with --start {at}", total.cases);
    }
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
