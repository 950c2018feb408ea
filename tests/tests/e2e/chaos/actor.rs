//! Processes that are started again when they end, as a service manager does it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use super::machine::Machine;

/// How long a process that ended by itself stays away: `RestartSec` of the service.
const AWAY: Duration = Duration::from_secs(2);

/// A process with a machine of its own.
pub struct Actor {
    name: String,
    log: PathBuf,
    command: Box<dyn Fn() -> Command + Send>,
    machine: Machine,
    child: Option<Child>,
    /// Whether it is to run, and if it does not, not before when.
    wanted: bool,
    not_before: Instant,
    /// How often it was started.
    pub starts: u32,
    /// How it last ended, unless it was killed here.
    ended: Option<ExitStatus>,
}

impl Actor {
    /// One that runs what `command` makes; its files here go to `dir`.
    pub fn new(name: &str, dir: &Path, command: impl Fn() -> Command + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            log: dir.join(format!("{name}.log")),
            command: Box::new(command),
            machine: Machine::new(&dir.join(format!("{name}.machine"))),
            child: None,
            wanted: false,
            not_before: Instant::now(),
            starts: 0,
            ended: None,
        }
    }

    /// What it takes for its machine.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// From now on it runs, whatever ends it.
    pub fn start(&mut self) {
        self.wanted = true;
        self.not_before = Instant::now();
        self.tend();
    }

    /// Starts it again if it is to run and does not.
    pub fn tend(&mut self) {
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait().unwrap() else { return };
            self.child = None;
            self.ended = Some(status);
            self.not_before = Instant::now() + AWAY;
        }
        if self.wanted && Instant::now() >= self.not_before {
            let log = File::options().create(true).append(true).open(&self.log).unwrap();
            let mut command = (self.command)();
            self.machine.host(&mut command);
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            self.child = Some(command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}")));
            self.starts += 1;
        }
    }

    /// Kills it; it comes back after so long, if it is to run.
    pub fn kill(&mut self, away: Duration) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.not_before = Instant::now() + away;
    }

    /// Kills it for good.
    pub fn end(&mut self) {
        self.wanted = false;
        self.kill(Duration::ZERO);
    }

    /// Sends it a signal, if it runs.
    pub fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let _ = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        }
    }

    /// How it ended by itself since this was last asked.
    pub const fn take_end(&mut self) -> Option<ExitStatus> {
        self.ended.take()
    }

    /// The panics that it wrote about, and where.
    pub fn panics(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| line.contains("panicked at")).map(|line| format!("{}: {line}", self.name)).collect()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.end();
    }
}
