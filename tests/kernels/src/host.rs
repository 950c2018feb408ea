//! Compiles kernels as host C++ and runs units with the program that comes out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tessera_protocol::spec::{Arg, BufferInit};

use crate::{Program, repository};

/// A C++ compiler of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The command.
    pub name: &'static str,
    /// The first line of what it says about itself.
    pub version: String,
}

/// g++ and clang++, those of them that are installed.
#[must_use]
pub fn compilers() -> Vec<Compiler> {
    let found = |name| {
        let output = Command::new(name).arg("--version").output().ok().filter(|output| output.status.success())?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next()?.to_string();
        Some(Compiler { name, version })
    };
    ["g++", "clang++"].into_iter().filter_map(found).collect()
}

/// Kernels compiled for the host, with the job that they run.
pub struct Build {
    folder: TempDir,
    name: String,
    job: String,
    output_len: usize,
}

/// What a host program gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// The outputs of the units.
    pub outputs: Vec<Vec<u8>>,
    /// Seconds that all launches took.
    pub seconds: f64,
}

impl Build {
    /// Compiles the kernels of a program; `flags` are what to optimise for, in place of the script's own.
    ///
    /// # Panics
    /// If they do not compile.
    #[must_use]
    pub fn new(compiler: &Compiler, flags: Option<&str>, program: &Program) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let status = Command::new(repository("scripts/build-host-kernels"))
            .args(["--compiler", compiler.name])
            .args(flags.map(|flags| format!("--flags={flags}")))
            .args([&program.source, &target(&folder)])
            .status()
            .expect("scripts/build-host-kernels needs python3");
        assert!(status.success(), "{} does not compile with {}", program.source.display(), compiler.name);
        let job = job(program, &folder);
        Self { folder, name: program.name.clone(), job, output_len: program.output_len() }
    }

    /// Runs some units on some threads of the host.
    ///
    /// # Panics
    /// If the program fails.
    #[must_use]
    pub fn run(&self, units: Range<u64>, threads: usize) -> Run {
        let mut child = Command::new(target(&self.folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program that was just compiled");
        let job = format!("threads {threads}\n{}units {} {}\n", self.job, units.start, units.end);
        child.stdin.take().expect("piped").write_all(job.as_bytes()).expect("a program that reads its job");
        let done = child.wait_with_output().expect("a child");
        assert!(done.status.success(), "{} failed on the host", self.name);
        let seconds = String::from_utf8_lossy(&done.stdout).trim().parse().expect("the seconds that it took");
        let bytes = std::fs::read(output(&self.folder)).expect("the output that was asked for");
        Run { outputs: bytes.chunks(self.output_len).map(<[u8]>::to_vec).collect(), seconds }
    }
}

fn target(folder: &TempDir) -> PathBuf {
    folder.path().join("kernels")
}

fn output(folder: &TempDir) -> PathBuf {
    folder.path().join("output")
}

/// What the program is to do but for threads and units, as `host_run.hpp` describes it.
fn job(program: &Program, folder: &TempDir) -> String {
    let plan = &program.plan;
    let mut job = String::new();
    for (i, buffer) in plan.buffers.iter().enumerate() {
        let (word, input) = match buffer.init {
            BufferInit::Zero => {
                line(&mut job, format_args!("zero {}", buffer.len));
                continue;
            }
            BufferInit::Input(n) => ("input", n),
            BufferInit::Copy(n) => ("copy", n),
        };
        let path: &Path = &folder.path().join(format!("input-{i}"));
        std::fs::write(path, &program.inputs[usize::from(input)]).expect("a temporary folder");
        line(&mut job, format_args!("{word} {}", path.display()));
    }
    for step in plan.steps() {
        let launch = &plan.launches[step.launch];
        let [gx, gy, gz] = launch.grid;
        let [bx, by, bz] = launch.block;
        let args: Vec<String> = launch.args.iter().map(|arg| argument(arg, step.round)).collect();
        let (kernel, shared) = (&launch.kernel, launch.shared_len);
        line(&mut job, format_args!("launch {kernel} {gx} {gy} {gz} {bx} {by} {bz} {shared} {}", args.join(" ")));
    }
    line(&mut job, format_args!("output {} {}", plan.output, output(folder).display()));
    job
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

fn argument(arg: &Arg, round: u32) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match arg {
        Arg::Buffer { index, offset } => format!("@{index}+{offset}"),
        Arg::Unit32 => "unit32".into(),
        Arg::Unit64 => "unit64".into(),
        Arg::Round32 => hex(&round.to_le_bytes()),
        Arg::Bits32(bits) => hex(&bits.to_le_bytes()),
        Arg::Bits64(bits) => hex(&bits.to_le_bytes()),
        Arg::Bytes(bytes) => hex(bytes),
    }
}
