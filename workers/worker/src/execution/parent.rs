//! The worker's side: starts the child, feeds it, watches time and memory, and kills it.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tessera_protocol::cid::Cid;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at},
};

use super::{
    ExecutionError,
    frames::{self, Answer, Blame, ChildDevice, FrameError, Order},
};

mod proving;
mod testing;

pub use testing::Verdict;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a child may take to end by itself when its pipes are closed.
const MOMENT: Duration = Duration::from_millis(200);
/// The same for one that has closed them itself.
const DYING: Duration = Duration::from_secs(5);
/// A line of a child's complaints is cut here.
const LINE: u64 = 2_000;
/// Variables a child may see: where libraries and devices are, nothing about the worker.
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "RUST_LOG", "RUST_BACKTRACE"];
/// Prefixes of such variables.
const PREFIXES: [&str; 3] = ["CUDA_", "NVIDIA_", "RAYON_"];

/// How a child is started.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For starting, and again for preparing a job.
    pub start: Duration,
    /// For one unit.
    pub unit: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
}

/// A job as a child needs it.
#[derive(Clone, Debug)]
pub struct Work {
    /// Names the job specification.
    pub spec_cid: Cid,
    /// The encoded specification.
    pub spec: Vec<u8>,
    /// File with the module.
    pub module: PathBuf,
    /// Files with the inputs.
    pub inputs: Vec<PathBuf>,
    /// Bytes of a unit's output.
    pub output_len: usize,
}

/// Runs units in a child process, which it starts when needed and keeps while all goes well.
pub struct Runner {
    command: ChildCommand,
    limits: Limits,
    child: Option<Running>,
    /// Failures since the last success, for the backoff.
    failures: u32,
    not_before: Instant,
}

struct Running {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    device: String,
    devices: Vec<ChildDevice>,
    unlocked: Vec<String>,
    loaded: Option<Cid>,
}

impl Runner {
    /// A runner that has not started a child yet.
    #[must_use]
    pub fn new(command: ChildCommand, limits: Limits) -> Self {
        Self { command, limits, child: None, failures: 0, not_before: Instant::now() }
    }

    /// What the child runs on, if there is one.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.child.as_ref().map(|child| child.device.as_str())
    }

    /// The devices of the child, if there is one.
    #[must_use]
    pub fn devices(&self) -> &[ChildDevice] {
        self.child.as_ref().map_or(&[], |child| &child.devices)
    }

    /// Process id of the child, if there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(|child| child.process.id())
    }

    /// What could not be done to lock the child in.
    #[must_use]
    pub fn unlocked(&self) -> &[String] {
        self.child.as_ref().map_or(&[], |child| &child.unlocked)
    }

    /// Ends the child, if there is one; the next is started so.
    pub fn renew(&mut self, command: ChildCommand) {
        // A child that is dropped is killed.
        (self.command, self.child) = (command, None);
    }

    /// Starts a child if there is none; returns whether it is a new one.
    ///
    /// # Errors
    /// If none can be started.
    pub async fn ready(&mut self) -> Result<bool, ExecutionError> {
        if self.child.as_mut().is_some_and(|child| matches!(child.process.try_wait(), Ok(None))) {
            return Ok(false);
        }
        self.child = None;
        sleep_until(self.not_before).await;
        self.child = Some(self.start().await.inspect_err(|_| self.failed())?);
        Ok(true)
    }

    /// Computes `count` units from `first` on, in order, and hands each output to `output`; gives up at `until`.
    ///
    /// # Errors
    /// If not all units could be computed; what was handed over before is then void.
    pub async fn run(
        &mut self,
        work: &Work,
        first: u64,
        count: u32,
        until: Instant,
        mut output: impl FnMut(Vec<u8>),
    ) -> Result<(), ExecutionError> {
        // The child leaves `self` for as long as it is used: whoever drops this future kills it.
        let mut child = match self.child.take() {
            Some(child) => child,
            None => {
                sleep_until(self.not_before).await;
                self.start().await.inspect_err(|_| self.failed())?
            }
        };
        match self.compute(&mut child, work, first, count, until, &mut output).await {
            Ok(()) => {
                self.failures = 0;
                self.child = Some(child);
                Ok(())
            }
            // The interpreter stands by what it says, and can say it of other units too.
            Err(e @ ExecutionError::Void(_)) => {
                (self.failures, child.loaded) = (0, None);
                self.child = Some(child);
                Err(e)
            }
            Err(e @ (ExecutionError::Job(_) | ExecutionError::Suspected { .. } | ExecutionError::Device(_))) => {
                // A device may be in any state after a fault; a fresh process gets a fresh context.
                child.end(MOMENT).await;
                self.failed();
                Err(e)
            }
            Err(e) => {
                // It is ending by itself, which takes a while where a core is dumped or the machine is busy.
                let patience = if matches!(e, ExecutionError::Died(_)) { DYING } else { MOMENT };
                let status = child.end(patience).await;
                self.failed();
                // "The pipe broke" says less than how the child ended.
                Err(match (e, status) {
                    (ExecutionError::Died(_), Some(status)) => ExecutionError::Died(status.to_string()),
                    (e, _) => e,
                })
            }
        }
    }

    /// What there is to say of units of which a GPU has reported `reason`, where this runner computes on the processor. A GPU
    /// is not believed: it may be broken, and who calls a lease void that others compute loses its lock.
    pub async fn confirm(&mut self, work: &Work, suspects: &[u64], until: Instant, reason: &str) -> ExecutionError {
        for unit in suspects {
            if let Err(e) = self.run(work, *unit, 1, until, drop).await {
                return e;
            }
        }
        ExecutionError::Device(format!("{reason}, but the processor computes the same units"))
    }

    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let wait = Duration::from_millis(250 << self.failures.min(7));
        self.not_before = Instant::now() + wait.mul_f64(crate::backoff::jitter());
    }

    async fn start(&self) -> Result<Running, ExecutionError> {
        let failed = |source| ExecutionError::Start { program: self.command.program.clone(), source };
        let kept = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            ENVIRONMENT.contains(&&*name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        });
        let mut process = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let missing = || failed(std::io::Error::other("no pipe"));
        let to = process.stdin.take().ok_or_else(missing)?;
        let from = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        if let Some(complaints) = process.stderr.take() {
            tokio::spawn(pass_on(complaints));
        }
        let (device, devices, unlocked) = (String::new(), vec![], vec![]);
        let mut child = Running { process, to, from, device, devices, unlocked, loaded: None };
        let by = Instant::now() + self.limits.start;
        match self.answer(&mut child, frames::SMALL, by, "starting").await? {
            Answer::Hello { version: frames::VERSION, device, devices, unlocked } => {
                (child.device, child.devices, child.unlocked) = (device, devices, unlocked);
            }
            Answer::Hello { version, .. } => {
                let text = format!("it speaks version {version}, expected {}: restart the worker", frames::VERSION);
                return Err(ExecutionError::Answer(text));
            }
            Answer::Failed { reason, .. } => return Err(ExecutionError::Device(reason)),
            other => return Err(unexpected(&other)),
        }
        tracing::info!(device = child.device, "execution process started");
        Ok(child)
    }

    /// Finds out, in a child of its own that ends again, whether a job can be prepared: that its module is in the
    /// profile and that the device takes it.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn check(&self, work: &Work, until: Instant) -> Result<(), ExecutionError> {
        let mut child = self.start().await?;
        let result = self.load(&mut child, work, until).await;
        child.end(MOMENT).await;
        result
    }

    async fn load(&self, child: &mut Running, work: &Work, until: Instant) -> Result<(), ExecutionError> {
        if child.loaded == Some(work.spec_cid) {
            return Ok(());
        }
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let inputs = work.inputs.iter().map(|input| path(input)).collect();
        let load = Order::Load { spec: work.spec.clone(), module: path(&work.module), inputs };
        let by = until.min(Instant::now() + self.limits.start);
        send(child, &load, by).await?;
        match self.answer(child, frames::SMALL, by, "preparing the job").await? {
            Answer::Loaded => child.loaded = Some(work.spec_cid),
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    async fn compute(
        &self,
        child: &mut Running,
        work: &Work,
        first: u64,
        count: u32,
        until: Instant,
        output: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), ExecutionError> {
        self.load(child, work, until).await?;
        send(child, &Order::Run { first, count }, until).await?;
        for unit in first..first + u64::from(count) {
            let by = until.min(Instant::now() + self.limits.unit);
            let most = work.output_len.saturating_add(frames::SMALL);
            match self.answer(child, most, by, "computing a unit").await? {
                Answer::Unit { number, output: bytes } if number == unit && bytes.len() == work.output_len => {
                    output(bytes)
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// The next answer, unless time or memory run out first.
    async fn answer(
        &self,
        child: &mut Running,
        most: usize,
        by: Instant,
        what: &'static str,
    ) -> Result<Answer, ExecutionError> {
        let pid = child.process.id();
        let seconds = by.saturating_duration_since(Instant::now()).as_secs();
        let answer = frames::receive(&mut child.from, most);
        let mut answer = std::pin::pin!(answer);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(broken),
                () = sleep_until(by) => return Err(ExecutionError::TooLong { what, seconds }),
                _ = look.tick() => if let Some(used) = pid.and_then(crate::machine::resident) && used > self.limits.memory {
                    return Err(ExecutionError::Memory { used, most: self.limits.memory });
                },
            }
        }
    }
}

impl Running {
    /// Kills the process, unless it ends by itself within `patience`, and says how it ended.
    async fn end(self, patience: Duration) -> Option<ExitStatus> {
        let Self { mut process, to, from, .. } = self;
        // A child whose pipes are closed ends by itself.
        drop((to, from));
        // Give a child that broke off by itself a moment, so that its own status is what gets reported.
        if let Ok(status) = timeout(patience, process.wait()).await {
            return status.ok();
        }
        if let Err(e) = process.kill().await {
            tracing::warn!(error = %e, "cannot kill the execution process");
        }
        None
    }
}

async fn send(child: &mut Running, order: &Order, by: Instant) -> Result<(), ExecutionError> {
    let bytes = frames::encode(order).map_err(broken)?;
    let write = async {
        child.to.write_all(&bytes).await?;
        child.to.flush().await
    };
    match timeout_at(by, write).await {
        Ok(result) => result.map_err(|e| broken(e.into())),
        Err(_) => Err(ExecutionError::TooLong { what: "taking an order", seconds: 0 }),
    }
}

fn broken(e: FrameError) -> ExecutionError {
    match e {
        FrameError::Io(e) => ExecutionError::Died(e.to_string()),
        e => ExecutionError::Answer(e.to_string()),
    }
}

fn unexpected(answer: &Answer) -> ExecutionError {
    match answer {
        Answer::Failed { reason, blame } => {
            let reason = reason.clone();
            match blame {
                Blame::Machine => ExecutionError::Device(reason),
                Blame::Job => ExecutionError::Job(reason),
                Blame::Void => ExecutionError::Void(reason),
                Blame::Suspected(units) => ExecutionError::Suspected { reason, units: units.clone() },
            }
        }
        Answer::Hello { .. } => ExecutionError::Answer("it said hello again".into()),
        Answer::Tested { .. } => ExecutionError::Answer("it tested what was not asked for".into()),
        Answer::Room { .. } | Answer::Proved { .. } => {
            ExecutionError::Answer("it told of a proof that was not asked for".into())
        }
        Answer::Loaded => ExecutionError::Answer("it loaded a job that was not asked for".into()),
        Answer::Unit { number, output } => ExecutionError::Answer(format!("unit {number} with {} bytes", output.len())),
    }
}

/// What the child writes to its standard error goes into our log, line by line, each line cut.
async fn pass_on(complaints: impl tokio::io::AsyncRead + Unpin) {
    let mut lines = BufReader::new(complaints);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(target: "tessera_worker::child", "{}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
