//! Processes that a test starts and stops.

use std::{
    fmt::Display,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take that starts or stops; a node that keeps its ledger on disk takes minutes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(420);
/// How long a command may take that does all of something, such as a training.
const LONGEST: Duration = Duration::from_secs(1_800);

/// A process that does not outlive its owner.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a process that writes what it says to a file.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        command.stdout(log_file.try_clone().unwrap());
        Self::start_with_output(name, command, log)
    }

    /// The same, for a command whose standard output goes elsewhere.
    pub fn start_with_output(name: &str, mut command: Command, log: &Path) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        command.stderr(log_file).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self { name: name.to_owned(), log: log.to_owned(), child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines it wrote.
    pub fn log(&self) -> String {
        last_lines(&self.log, 30)
    }

    /// Fails the test if it has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended ({status}):\n{}", self.name, self.log());
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        let end = Instant::now() + patience;
        while status.is_none() {
            assert!(Instant::now() < end, "{} did not end within {patience:?}:\n{}", self.name, self.log());
            thread::sleep(Duration::from_millis(100));
            status = self.child.try_wait().unwrap();
        }
        status.unwrap()
    }

    /// Asks it to stop and waits.
    pub fn stop(mut self) {
        self.signal("TERM");
        self.wait(PATIENCE);
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let end = Instant::now() + Duration::from_secs(20);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last lines of a file; none if it cannot be read.
pub fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Waits until `done` or fails.
pub fn wait_for(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come within {patience:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until `look` finds something, or fails.
pub async fn until<T>(what: impl Display, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come within {patience:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Runs a command to its end, which must come in time.
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let pid = child.id().to_string();
    let (ended, end) = channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let ended = end.recv_timeout(LONGEST).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
        let said = end.recv_timeout(PATIENCE).ok().and_then(Result::ok).map(|output| output.stderr).unwrap_or_default();
        panic!("{command:?} did not end within {LONGEST:?}:\n{}", String::from_utf8_lossy(&said));
    });
    ended.unwrap()
}

/// Runs a command that ends by itself and must succeed.
pub fn run(mut command: Command) {
    let output = output(&mut command);
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a command to its end: whether it succeeded, what it printed as JSON, and what it said besides.
pub fn answer(command: &mut Command) -> (bool, Value, String) {
    let output = output(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), text)
}

/// A binary of the workspace, beside this test's own directory.
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is missing; run `cargo build --workspace --bins` first", path.display());
    path
}
