//! What the service manager, `status` and `top` are told.

use std::sync::atomic::Ordering;

use super::{
    super::report::{DeviceReport, GpuReport, LeaseReport, Report, ReputationReport},
    Engine, unix_now,
};

impl Engine {
    /// Tells whoever looks on how it goes, if it is time.
    pub(super) fn report(&mut self) {
        let (slots, mood) = (self.slots.len(), self.mood);
        let pauses = &self.care.pauses;
        self.heartbeat.beat(|| match &pauses[..] {
            [] => format!("{mood:?}, {slots} leases in hand"),
            [pause, ..] => format!("{mood:?}, {slots} leases in hand, claiming pauses: {pause}"),
        });
        if !self.reporter.is_due() {
            return;
        }
        let standing = self.context.standing();
        let devices = DeviceReport {
            pauses: pauses.iter().map(|pause| (pause.name().to_owned(), pause.to_string())).collect(),
            quarantine: self.context.health.quarantine(),
            gpus: self.care.readings.iter().map(GpuReport::new).collect(),
            tested_at: self.care.tested.map_or(0, |(_, at)| at),
            unlocked: self.computer.gaps(),
        };
        let report = Report {
            at: unix_now(),
            pid: std::process::id(),
            mood: format!("{mood:?}").to_lowercase(),
            jobs: self.jobs.counts(),
            obstacle: standing.obstacle.map(|obstacle| obstacle.to_string()),
            stake: standing.stake,
            earned: standing.earned,
            lamports: self.context.lamports.load(Ordering::Relaxed),
            decimals: self.context.decimals,
            reputation: ReputationReport::new(&standing.reputation, unix_now()),
            proof: standing.proof,
            leases: LeaseReport::all(self.slots.values().map(|slot| &slot.entry)),
            counts: self.counts,
            endpoints: self.context.tessera.endpoints(),
            devices,
            trainings: self.context.trainings.reports(),
        };
        self.reporter.write(report, || self.context.journal.earnings());
    }
}
