//! What `tessera-worker status` shows of a running worker: a small file, since the journal is locked.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tessera_protocol::{chance::Chance, reputation::Reputation, verdict::Kind};
use tessera_sdk::EndpointHealth;
use tokio::time::Instant;

pub use super::engine::unix_now;
use crate::{
    gpu::Reading,
    health::Quarantine,
    journal::{Day, Entry, JournalError},
    lifecycle::Exit,
    proof::Proof,
};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(2);
/// Name of the file in the data directory.
pub const FILE: &str = "status.json";
/// Name of the file with what was earned.
const EARNINGS: &str = "earnings.json";

/// What has come of leases since the worker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Paid.
    pub paid: u64,
    /// Settled by this worker: those of which only the rent is still to come, too.
    #[serde(default)]
    pub settled: u64,
    /// What they paid, in base units.
    pub pay: u64,
    /// Paid ones among them that were audits.
    pub audits: u64,
    /// Paid ones among them that decided disputes.
    pub disputes: u64,
    /// Returned, expired, slashed, or settled by others.
    pub gone: u64,
    /// Seats of others in the same leases whose outputs were not in the store as they were agreed on.
    #[serde(default)]
    pub flawed: u64,
}

impl Counts {
    /// Counts a lease.
    pub fn add(&mut self, exit: Exit, kind: Kind, pay: u64) {
        match exit {
            Exit::Paid => {
                (self.paid, self.pay) = (self.paid + 1, self.pay.saturating_add(pay));
                self.audits += u64::from(kind == Kind::Audit);
                self.disputes += u64::from(kind == Kind::Dispute);
            }
            Exit::Gone => self.gone += 1,
            Exit::NotClaimed => {}
        }
    }
}

/// A lease in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseReport {
    /// Address of the job.
    pub job: String,
    /// Number of the lease.
    pub index: u32,
    /// `base`, `audit` or `dispute`.
    pub kind: String,
    /// What the worker is about.
    pub phase: String,
    /// What it pays.
    pub pay: u64,
}

impl LeaseReport {
    /// All of them, in order.
    pub fn all<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Self> {
        let mut leases: Vec<Self> = entries.map(Self::new).collect();
        leases.sort_by(|a, b| (&a.job, a.index).cmp(&(&b.job, b.index)));
        leases
    }

    fn new(entry: &Entry) -> Self {
        Self {
            job: entry.id.job().to_string(),
            index: entry.id.index,
            kind: format!("{:?}", entry.kind).to_lowercase(),
            phase: entry.phase.name().to_owned(),
            pay: entry.pay,
        }
    }
}

/// What is remembered of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReputationReport {
    /// Results since the last fault that others confirmed.
    pub consecutive: u32,
    /// Seats that were convicted, ever.
    pub faults: u32,
    /// Seats that were late, ever.
    pub expiries: u32,
    /// From 0 to 1.
    pub score: f64,
}

impl ReputationReport {
    /// What is remembered at `now` (Unix seconds).
    #[must_use]
    pub fn new(reputation: &Reputation, now: i64) -> Self {
        let Reputation { consecutive, faults, expiries, .. } = *reputation;
        let score = reputation.score(now).units() as f64 / Chance::ONE.units() as f64;
        Self { consecutive, faults, expiries, score }
    }
}

impl std::fmt::Display for ReputationReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { consecutive, faults, expiries, score } = self;
        write!(f, "score {score:.2}, {consecutive} results confirmed in a row, {faults} faults, {expiries} late")
    }
}

/// A GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuReport {
    /// As [`crate::device::id`].
    pub id: String,
    /// Its name.
    pub name: String,
    /// Degrees Celsius.
    pub celsius: Option<u32>,
    /// Power in watts.
    pub watts: Option<f64>,
    /// Percent of the time in which it did anything.
    pub busy: Option<u32>,
    /// Bytes of memory in use, and all.
    pub memory: Option<(u64, u64)>,
    /// Errors of its memory that could not be corrected.
    pub uncorrected: Option<u64>,
}

impl GpuReport {
    /// What a reading says.
    #[must_use]
    pub fn new(reading: &Reading) -> Self {
        let Reading { id, name, celsius, watts, busy, memory, uncorrected, .. } = reading.clone();
        Self { id, name, celsius, watts, busy, memory, uncorrected }
    }
}

/// What the worker computes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Why nothing is claimed now: one word, and for people.
    pub pauses: Vec<(String, String)>,
    /// Devices in quarantine.
    pub quarantine: Quarantine,
    /// GPUs, where NVIDIA's library tells.
    pub gpus: Vec<GpuReport>,
    /// When the devices have passed a test, in Unix seconds; 0: not yet.
    pub tested_at: i64,
    /// What could not be done to lock the execution process in.
    pub unlocked: Vec<String>,
}

/// A training in which a private shard takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// Its name.
    pub name: String,
    /// The wallet that trains.
    pub client: String,
    /// Where its coordinator is.
    pub coordinator: String,
    /// What the worker is about.
    pub state: String,
    /// Number of the last round that was taken part in.
    pub last_round: u64,
    /// Rounds since the start that came to a sum with this machine's update.
    pub summed: u64,
    /// Those that went on without it.
    pub dropped: u64,
    /// Those that came to nothing.
    pub void: u64,
    /// Why it does not go on, or why the last round was left.
    pub error: Option<String>,
}

/// A running worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Unix seconds of this report.
    pub at: i64,
    /// Process id.
    pub pid: u32,
    /// `working`, `draining` or `leaving`.
    pub mood: String,
    /// Jobs of the market; those that this worker can take.
    pub jobs: (usize, usize),
    /// Why nothing can be claimed.
    pub obstacle: Option<String>,
    /// Stake of the provider, and the part of it that seats lock.
    pub stake: (u64, u64),
    /// Earned and not withdrawn; ever.
    #[serde(default)]
    pub earned: (u64, u64),
    /// SOL of the operator, in lamports.
    #[serde(default)]
    pub lamports: u64,
    /// Decimals of the market's token.
    #[serde(default)]
    pub decimals: u8,
    /// What is remembered of the provider.
    pub reputation: ReputationReport,
    /// What it has shown of its memory.
    #[serde(default)]
    pub proof: Proof,
    /// Leases in hand.
    pub leases: Vec<LeaseReport>,
    /// What has come of others since the start.
    pub counts: Counts,
    /// The endpoints of the cluster.
    #[serde(default)]
    pub endpoints: Vec<EndpointHealth>,
    /// What it computes on.
    #[serde(default)]
    pub devices: DeviceReport,
    /// Trainings in which private shards take part.
    #[serde(default)]
    pub trainings: Vec<TrainingReport>,
}

/// Writes reports, and tells the newest one to whoever asks over HTTP.
pub struct Reporter {
    directory: PathBuf,
    after: Instant,
    newest: Arc<Mutex<Option<Report>>>,
    /// What was paid when earnings were written.
    paid: Option<u64>,
}

impl Reporter {
    /// Writes into `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), after: Instant::now(), newest: Arc::default(), paid: None }
    }

    /// Where the newest report is.
    #[must_use]
    pub fn newest(&self) -> Arc<Mutex<Option<Report>>> {
        Arc::clone(&self.newest)
    }

    /// Whether it is time for a report.
    #[must_use]
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.after
    }

    /// Writes a report; `earnings`, too, where they are not those that were written last.
    pub fn write(&mut self, report: Report, earnings: impl FnOnce() -> Result<Vec<Day>, JournalError>) {
        self.after = Instant::now() + EVERY;
        put(&self.directory.join(FILE), &report);
        if self.paid != Some(report.counts.settled) {
            match earnings() {
                Ok(days) => {
                    put(&self.directory.join(EARNINGS), &Earnings { decimals: report.decimals, days });
                    self.paid = Some(report.counts.settled);
                }
                Err(error) => tracing::warn!(%error, "cannot read what was earned"),
            }
        }
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}

/// What was earned, by day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earnings {
    /// Decimals of the market's token.
    pub decimals: u8,
    /// Days on which anything was paid, the first one first.
    pub days: Vec<Day>,
}

/// Writes a file aside and renames it, so that a reader never sees half of it; it need not survive a power cut.
fn put(file: &Path, what: &impl Serialize) {
    let staged = file.with_extension("new");
    let written = serde_json::to_vec_pretty(what).map_err(std::io::Error::other);
    let written = written.and_then(|text| std::fs::write(&staged, text));
    if let Err(e) = written.and_then(|()| std::fs::rename(&staged, file)) {
        tracing::debug!(file = %file.display(), error = %e, "cannot write for others to read");
    }
}

/// The last report of a worker with this data directory.
#[must_use]
pub fn read(directory: &Path) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(directory.join(FILE)).ok()?).ok()
}

/// A report older than this is of a worker that no longer runs.
const FRESH: i64 = 10;

impl Report {
    /// Whether the worker that wrote it still runs.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        (unix_now() - self.at).abs() <= FRESH
    }
}

/// Whether a worker with this data directory runs.
#[must_use]
pub fn is_running(directory: &Path) -> bool {
    read(directory).is_some_and(|report| report.is_fresh())
}

/// What a worker with this data directory has earned, as it wrote last.
///
/// # Errors
/// If it has written nothing that can be read.
pub fn read_earnings(directory: &Path) -> std::io::Result<Earnings> {
    serde_json::from_slice(&std::fs::read(directory.join(EARNINGS))?).map_err(std::io::Error::other)
}
