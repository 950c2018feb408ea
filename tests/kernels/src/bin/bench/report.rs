//! The section of Markdown, and the page into which it goes.

use std::fmt::Write as _;

use tessera_kernel_tests::repository;

use crate::gpu::Gpu;
use crate::machine::Setting;
use crate::measure::{FLAGS, Figures, Seconds};

const PAGE: &str = "docs/benchmarks.md";
/// From this part of the processors on that other work took, figures are no more than a hint.
const DISTURBED: f64 = 0.05;

/// What was measured, and on what.
pub fn section(setting: &Setting, gpu: &Gpu, figures: &[Figures], repetitions: usize, others: Option<f64>) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{words}");
    };
    match others {
        Some(part) if part < DISTURBED => {}
        Some(part) => line(format_args!(
            "**Preliminary**: other work took {:.0} % of the processors during this run.\n",
            part * 100.0
        )),
        None => {
            line(format_args!("**Preliminary**: this system does not tell whether other work disturbed this run.\n"))
        }
    }
    let Setting { date, commit, processor, threads, compilers, rustc } = setting;
    line(format_args!("Measured on {date} at commit `{commit}`: {processor}, {threads} threads; {rustc}."));
    for compiler in compilers {
        line(format_args!("{}: {}, `{FLAGS}`.", compiler.name, compiler.version));
    }
    match gpu {
        Gpu::Absent(reason) => line(format_args!("CUDA was not measured: {reason}.")),
        Gpu::Present { executor, driver } => {
            let device = &executor.devices()[0];
            let (major, minor) = device.compute_capability.unwrap_or_default();
            line(format_args!("CUDA: {}, compute capability {major}.{minor}, driver for {driver}.", device.name));
        }
    }
    let longest = figures.iter().flat_map(all).map(Seconds::spread).fold(0.0, f64::max);
    line(format_args!(
        "Medians of {repetitions} repetitions (interpreter: at most 3); the longest took {:.0} % more than its median.",
        longest * 100.0
    ));
    line(format_args!("All ways gave the same {} bytes.\n", figures.iter().map(bytes).sum::<u64>()));

    line(format_args!(
        "| seconds | compiled | clang++ | g++ | compiled / clang++ | compiled / g++ | interpreter, one core | CUDA |"
    ));
    line(format_args!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"));
    for kernel in figures {
        let host = |name| kernel.hosts.iter().find(|(found, _)| *found == name).map(|(_, seconds)| seconds.median());
        let seconds = |found: Option<f64>| found.map_or_else(|| "not installed".into(), |found| format!("{found:.3}"));
        let compiled = kernel.compiled.median();
        let ratio = |found: Option<f64>| found.map_or_else(String::new, |found| format!("{:.2}", compiled / found));
        let (clang, gcc) = (host("clang++"), host("g++"));
        let cuda = kernel.gpu.as_ref().map_or_else(|| "no GPU".into(), |taken| format!("{:.4}", taken.median()));
        line(format_args!(
            "| {} | {compiled:.3} | {} | {} | {} | {} | {:.2} | {cuda} |",
            kernel.name,
            seconds(clang),
            seconds(gcc),
            ratio(clang),
            ratio(gcc),
            kernel.interpreter.median()
        ));
    }

    line(format_args!(
        "\n| kernel | units | million gas a unit | million PTX instructions a unit | interpreter, million a second | compiled, million a second | read and check, ms | compile, ms |"
    ));
    line(format_args!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"));
    for kernel in figures {
        let millions = |count: u64| count as f64 / 1e6;
        let instructions = millions(kernel.instructions);
        line(format_args!(
            "| {} | {} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} | {:.1} |",
            kernel.name,
            kernel.units,
            millions(kernel.gas) / kernel.units as f64,
            instructions / kernel.units as f64,
            instructions / kernel.interpreter.median(),
            instructions / kernel.compiled.median(),
            kernel.read.median() * 1e3,
            kernel.compile.median() * 1e3
        ));
    }
    line(format_args!(""));
    for kernel in figures {
        line(format_args!("- {}: {}", kernel.name, kernel.what));
    }
    text
}

/// What ran for long enough that its spread says something.
fn all(kernel: &Figures) -> impl Iterator<Item = &Seconds> {
    let hosts = kernel.hosts.iter().map(|(_, seconds)| seconds);
    [&kernel.compiled, &kernel.interpreter].into_iter().chain(hosts).chain(&kernel.gpu)
}

/// Bytes of all outputs.
fn bytes(kernel: &Figures) -> u64 {
    kernel.units * kernel.output_len as u64
}

/// Puts the section into the page, in the place of this command.
///
/// # Panics
/// If the page has no place for it.
pub fn write(command: &str, section: &str) {
    let path = repository(PAGE);
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    let begin = format!("<!-- written by {command} -->\n");
    let end = format!("<!-- end of what {command} writes -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{PAGE} has no line {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{PAGE} has no line {end}"));
    std::fs::write(&path, [before, &begin, section, &end, after].concat())
        .unwrap_or_else(|error| panic!("{PAGE}: {error}"));
}
