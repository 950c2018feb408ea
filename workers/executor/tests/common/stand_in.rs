//! Processes that run a test on the stand-in driver `tessera-fakecuda`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The driver in a directory where the loader finds it, and the log of what it was asked to do.
pub struct StandIn {
    folder: TempDir,
}

/// What a process said, and what it asked the driver to do.
pub struct Outcome {
    pub success: bool,
    pub text: String,
    pub log: Vec<String>,
}

impl StandIn {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = library();
        for name in ["libcuda.so", "libcuda.so.1"] {
            std::fs::copy(&library, folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A path that nothing else uses.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs one test of this binary, ignored or not, with the driver and these variables.
    pub fn run(&self, test: &str, variables: &[(&str, &str)]) -> Outcome {
        let log = self.path("log");
        let _ = std::fs::remove_file(&log);
        let mut command = test_process(test);
        command.env("LD_LIBRARY_PATH", self.folder.path()).env("FAKE_CUDA_LOG", &log);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let log = log.lines().map(str::to_owned).collect();
        Outcome { success: output.status.success(), text: text(&output), log }
    }

    /// As [`run`](Self::run), and the test passes.
    pub fn passes(&self, test: &str, variables: &[(&str, &str)]) -> Outcome {
        let outcome = self.run(test, variables);
        assert!(outcome.success, "{test} with {variables:?}: {}", outcome.text);
        outcome
    }
}

impl Outcome {
    /// How many lines of the log begin so.
    pub fn count(&self, begin: &str) -> usize {
        count(&self.log, begin)
    }
}

/// How many lines begin so.
pub fn count(log: &[impl AsRef<str>], begin: &str) -> usize {
    log.iter().filter(|line| line.as_ref().starts_with(begin)).count()
}

/// A process that runs one test of this binary, ignored or not.
pub fn test_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"]);
    command
}

pub fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The shared library of `tessera-fakecuda`, which cargo built beside this test.
fn library() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.parent().unwrap();
    let found = [folder, folder.parent().unwrap_or(Path::new("/"))]
        .into_iter()
        .map(|folder| folder.join("libtessera_fakecuda.so"));
    found.into_iter().find(|path| path.exists()).expect("libtessera_fakecuda.so beside the test")
}
