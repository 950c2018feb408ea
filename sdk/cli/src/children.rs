//! Child processes that never outlive this one.
//!
//! A child is started through a supervisor: this same binary, called with [`SUPERVISE`]. It holds the read end of a pipe whose
//! write end only the parent has. When the parent ends, in whatever way, the pipe closes, and the supervisor ends the
//! child with everything that the child started.

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child as Process, ChildStdin, Command as AsyncCommand};

/// The hidden command that supervises a child.
pub const SUPERVISE: &str = "supervise";

/// How long a child may take to stop by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A child process, and its children. Dropping it stops them.
pub struct Child {
    name: String,
    log: PathBuf,
    supervisor: Process,
    /// Closing it makes the supervisor stop the child.
    lifeline: Option<ChildStdin>,
}

impl Child {
    /// Starts `program` with its output going to `log`.
    pub fn start(name: &str, program: &Path, args: impl IntoIterator<Item = OsString>, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let mut supervisor = AsyncCommand::new(this)
            .arg(SUPERVISE)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            // Of its own, so that Ctrl-C on the terminal reaches this process only, which then stops all in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let lifeline = supervisor.stdin.take();
        Ok(Self { name: name.to_owned(), log: log.to_owned(), supervisor, lifeline })
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.supervisor.try_wait().with_context(|| format!("cannot watch {}", self.name))? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}): {}", self.name, self.last_lines()),
        }
    }

    /// Waits until it has ended by itself; fails, with the end of its log, whatever its status.
    pub async fn ended(&mut self) -> anyhow::Error {
        match self.supervisor.wait().await {
            Ok(status) => anyhow::anyhow!("{} ended ({status}): {}", self.name, self.last_lines()),
            Err(e) => anyhow::anyhow!("cannot watch {}: {e}", self.name),
        }
    }

    /// Stops it and waits until it has gone.
    pub async fn stop(&mut self) {
        drop(self.lifeline.take());
        // The supervisor has its own time limit; this one is for a supervisor that was itself killed or stopped.
        let _ = tokio::time::timeout(GRACE + Duration::from_secs(5), self.supervisor.wait()).await;
    }

    /// The end of its log, in one line.
    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        // Where backtraces are asked for, the error stands before them.
        let text = text.split_once("Stack backtrace:").map_or(text.as_str(), |(before, _)| before);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" | ");
        if last.is_empty() {
            format!("it wrote nothing to {}", self.log.display())
        } else {
            format!("{last} (see {})", self.log.display())
        }
    }
}

/// Finds a binary that is built and installed together with this one: beside it, or on PATH.
pub fn sibling(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let beside = this.with_file_name(name);
    if beside.is_file() {
        return Ok(beside);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.with_context(|| {
        format!("{name} is neither beside {} nor on PATH; build it with `cargo build -p {name}`", this.display())
    })
}

/// What [`SUPERVISE`] runs: starts the command, and ends it when standard input closes.
pub fn supervise(command: &[OsString]) -> Result<ExitCode> {
    let (program, args) = command.split_first().context("nothing to supervise")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", Path::new(program).display()))?;
    let group = child.id();
    let (lost, parent_lost) = mpsc::channel();
    thread::spawn(move || {
        let mut sink = [0; 64];
        // Nothing is ever written; the read returns when the parent has ended or let go.
        while std::io::stdin().read(&mut sink).is_ok_and(|len| len > 0) {}
        let _ = lost.send(());
    });
    let mut deadline = None::<Instant>;
    loop {
        if let Some(status) = child.try_wait().context("cannot watch the child")? {
            // What it started must not stay behind either.
            signal(group, "KILL");
            return Ok(exit_code(status));
        }
        match deadline {
            None => {
                if !matches!(parent_lost.recv_timeout(Duration::from_millis(50)), Err(mpsc::RecvTimeoutError::Timeout))
                {
                    signal(group, "TERM");
                    deadline = Some(Instant::now() + GRACE);
                }
            }
            Some(at) => {
                if Instant::now() > at {
                    signal(group, "KILL");
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Signals a process group, through the shell's own `kill`: std has no such call. That nobody is left in the group is no
/// failure.
fn signal(group: u32, name: &str) {
    let script = ["-c", "kill -s \"$1\" -- \"-$2\"", "sh", name, &group.to_string()];
    let _ = Command::new("sh").args(script).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
