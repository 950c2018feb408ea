//! Measures the kernels of this repository in one run: compiled code and the interpreter of the CPU machine, the same source
//! as host C++ by clang++ and g++, and CUDA where there is a GPU. Prints a section of Markdown.
//!
//! usage: scripts/bench [--write] [--only KERNEL] [--repetitions N]
//!
//!   --write           puts the section into docs/benchmarks.md
//!   --only KERNEL     measures one of options, nbody, reaction, palette, render
//!   --repetitions N   measures N times, of which the median counts; default: 5
//!
//! With `gemm` as the first word it measures products of matrices instead.

mod gemm;
mod gpu;
mod machine;
mod measure;
mod report;
mod workloads;

use std::process::ExitCode;

use gpu::Gpu;
use machine::{Busy, Setting};

const USAGE: &str = "usage: scripts/bench [--write] [--only KERNEL] [--repetitions N]";

/// What was asked for.
struct Options {
    write: bool,
    only: Option<String>,
    repetitions: usize,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { write: false, only: None, repetitions: 5 };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--write" => options.write = true,
                "--only" => options.only = Some(words.next().filter(|name| workloads::NAMES.contains(&name.as_str()))?),
                "--repetitions" => options.repetitions = words.next()?.parse().ok().filter(|n| *n > 0)?,
                _ => return None,
            }
        }
        // The page shows all kernels or none.
        (!options.write || options.only.is_none()).then_some(options)
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if_eq("gemm").is_some() {
        let Some(options) = gemm::Options::read(words) else {
            eprintln!("{}\n  N are multiples of 16 from 32 on, or `none` of them", gemm::USAGE);
            return ExitCode::from(2);
        };
        gemm::run(&options);
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::read(words) else {
        eprintln!("{USAGE}\n  KERNEL is one of {}; --write takes all of them", workloads::NAMES.join(", "));
        return ExitCode::from(2);
    };
    let setting = Setting::of_this_machine();
    let gpu = Gpu::open();
    let busy = Busy::now();
    let mut figures = vec![];
    for name in workloads::NAMES {
        if options.only.as_ref().is_none_or(|only| only == name) {
            eprintln!("bench: {name}");
            figures.push(measure::measure(&workloads::workload(name), &setting, &gpu, options.repetitions));
        }
    }
    let others = busy.zip(Busy::now()).and_then(|(before, after)| before.others(&after));
    let section = report::section(&setting, &gpu, &figures, options.repetitions, others);
    print!("{section}");
    if options.write {
        report::write("scripts/bench --write", &section);
    }
    ExitCode::SUCCESS
}
