//! What `tessera-worker status` shows of a running worker: a small file, since the journal is locked.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tessera_protocol::{chance::Chance, reputation::Reputation, verdict::Kind};
use tessera_sdk::{EndpointHealth, Tessera};
use tokio::time::Instant;

use super::context::Standing;
pub use super::engine::unix_now;
use crate::{
    journal::Entry,
    lifecycle::{Exit, Mood},
};

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(2);
/// Name of the file in the data directory.
pub const FILE: &str = "status.json";

/// What has come of leases since the worker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Paid.
    pub paid: u64,
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

/// A running worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What is remembered of the provider.
    pub reputation: ReputationReport,
    /// Leases in hand.
    pub leases: Vec<LeaseReport>,
    /// What has come of others since the start.
    pub counts: Counts,
    /// The endpoints of the cluster.
    #[serde(default)]
    pub endpoints: Vec<EndpointHealth>,
}

/// Writes reports.
pub struct Reporter {
    file: PathBuf,
    after: Instant,
}

impl Reporter {
    /// Writes into `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { file: directory.join(FILE), after: Instant::now() }
    }

    /// Writes a report, unless one was written just now.
    pub fn report<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        counts: &Counts,
        jobs: (usize, usize),
        standing: &Standing,
        mood: Mood,
        tessera: &Tessera,
    ) {
        if Instant::now() < self.after {
            return;
        }
        self.after = Instant::now() + EVERY;
        let mut leases: Vec<LeaseReport> = entries.map(lease).collect();
        leases.sort_by(|a, b| (&a.job, a.index).cmp(&(&b.job, b.index)));
        let report = Report {
            at: unix_now(),
            pid: std::process::id(),
            mood: format!("{mood:?}").to_lowercase(),
            jobs,
            obstacle: standing.obstacle.map(|obstacle| obstacle.to_string()),
            stake: standing.stake,
            reputation: ReputationReport::new(&standing.reputation, unix_now()),
            leases,
            counts: *counts,
            endpoints: tessera.endpoints(),
        };
        // Written aside and renamed, so that a reader never sees half of it; it need not survive a power cut.
        let staged = self.file.with_extension("new");
        let written = serde_json::to_vec_pretty(&report).map_err(std::io::Error::other);
        let written = written.and_then(|text| std::fs::write(&staged, text));
        if let Err(e) = written.and_then(|()| std::fs::rename(&staged, &self.file)) {
            tracing::debug!(error = %e, "cannot write the status file");
        }
    }
}

fn lease(entry: &Entry) -> LeaseReport {
    LeaseReport {
        job: entry.id.job().to_string(),
        index: entry.id.index,
        kind: format!("{:?}", entry.kind).to_lowercase(),
        phase: entry.phase.name().to_owned(),
        pay: entry.pay,
    }
}

/// The last report of a worker with this data directory.
#[must_use]
pub fn read(directory: &Path) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(directory.join(FILE)).ok()?).ok()
}
