//! Compiles kernels as host C++ and runs units with the program that comes out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tessera_protocol::spec::{Arg, BufferInit};

use crate::program::{Program, kernels};

/// g++, without which no test passes, and clang++ where there is one.
pub fn compilers() -> Vec<String> {
    let works = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(works("g++"), "g++ is missing: run scripts/setup");
    let mut found = vec!["g++".to_string()];
    if works("clang++") {
        found.push("clang++".to_string());
    } else {
        println!("NO clang++ HERE: compared with g++ alone");
    }
    found
}

/// Kernels compiled for the host.
pub struct Build {
    folder: TempDir,
    program: PathBuf,
}

impl Build {
    /// Compiles the kernels of a program.
    pub fn new(compiler: &str, program: &Program) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("kernels");
        let status = Command::new(kernels().join("../../../scripts/build-host-kernels"))
            .args(["--compiler", compiler])
            .args([&program.source, &target])
            .status()
            .expect("scripts/build-host-kernels needs python3");
        assert!(status.success(), "{} does not compile with {compiler}", program.source.display());
        Self { folder, program: target }
    }

    /// The outputs of some units.
    pub fn run(&self, program: &Program, units: Range<u64>) -> Vec<Vec<u8>> {
        let output = self.folder.path().join("output");
        let job = self.job(program, &output, units);
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program that was just compiled");
        child.stdin.take().expect("piped").write_all(job.as_bytes()).expect("a program that reads its job");
        assert!(child.wait().expect("a child").success(), "{} failed on the host", program.name);
        let bytes = std::fs::read(&output).expect("the output that was asked for");
        let len = program.plan.buffers[usize::from(program.plan.output)].len;
        bytes.chunks(len as usize).map(<[u8]>::to_vec).collect()
    }

    /// What the program is to do, as `host_run.hpp` describes it.
    fn job(&self, program: &Program, output: &Path, units: Range<u64>) -> String {
        let plan = &program.plan;
        let mut job = String::from("threads 2\n");
        for (i, buffer) in plan.buffers.iter().enumerate() {
            let (word, input) = match buffer.init {
                BufferInit::Zero => {
                    line(&mut job, format_args!("zero {}", buffer.len));
                    continue;
                }
                BufferInit::Input(n) => ("input", n),
                BufferInit::Copy(n) => ("copy", n),
            };
            let path = self.folder.path().join(format!("input-{i}"));
            std::fs::write(&path, &program.inputs[usize::from(input)]).expect("a temporary folder");
            line(&mut job, format_args!("{word} {}", path.display()));
        }
        for launch in &plan.launches {
            let [gx, gy, gz] = launch.grid;
            let [bx, by, bz] = launch.block;
            let args: Vec<String> = launch.args.iter().map(argument).collect();
            let (kernel, shared) = (&launch.kernel, launch.shared_len);
            line(&mut job, format_args!("launch {kernel} {gx} {gy} {gz} {bx} {by} {bz} {shared} {}", args.join(" ")));
        }
        line(&mut job, format_args!("output {} {}", plan.output, output.display()));
        line(&mut job, format_args!("units {} {}", units.start, units.end));
        job
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

fn argument(arg: &Arg) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match arg {
        Arg::Buffer { index, offset } => format!("@{index}+{offset}"),
        Arg::Unit32 => "unit32".into(),
        Arg::Unit64 => "unit64".into(),
        Arg::Bits32(bits) => hex(&bits.to_le_bytes()),
        Arg::Bits64(bits) => hex(&bits.to_le_bytes()),
        Arg::Bytes(bytes) => hex(bytes),
    }
}
