//! The way of jobs and leases in one line each, for tests that are about something else.

use tessera_protocol::verdict::Kind;

use super::{Client, Job, Provider, World};
use crate::terms::JobTerms;

/// Seconds from the posting of a job by [`World::job`] to its return: eight slots until it can be seeded, and steps until
/// everybody may claim.
pub const SEEDED: i64 = 20;
/// Seconds from the seed of a group until whoever comes may take its seats, at steps of one second.
pub(crate) const LATE: i64 = 33;

impl World {
    /// Posts a job, seeds it, and waits until its seats are open to all, as those of a private job are at once.
    #[track_caller]
    pub fn job(&mut self, client: Client, terms: &JobTerms) -> Job {
        let job = self.next_job(client, terms);
        self.post_job(client, terms).ok();
        if terms.private {
            return job;
        }
        self.advance(4);
        self.seed_job(job).ok();
        self.advance(SEEDED - 4);
        job
    }

    /// Claims and commits.
    #[track_caller]
    pub fn commit(&mut self, job: Job, index: u32, provider: Provider, result: u8) {
        self.claim_lease(job, index, provider).ok();
        self.commit_result(job, index, provider, result).ok();
    }

    /// Reads the draws of all `providers`, once their hashes are there. Unless the test has chosen those, nobody is drawn in a
    /// market of the usual terms.
    #[track_caller]
    pub fn draw(&mut self, job: Job, index: u32, providers: &[Provider]) {
        for provider in providers {
            let slot = self.draw_slot(job, index, *provider);
            self.advance_past(slot);
            self.draw_audit(job, index, *provider).ok();
        }
    }

    /// Claims, commits, and reads the draw.
    #[track_caller]
    pub fn commit_and_draw(&mut self, job: Job, index: u32, provider: Provider, result: u8) {
        self.commit(job, index, provider, result);
        self.draw(job, index, &[provider]);
    }

    /// Brings a lease, in which all `providers` have the same result, to the point where it is agreed.
    #[track_caller]
    pub fn agree(&mut self, job: Job, index: u32, providers: &[Provider]) {
        providers.iter().for_each(|provider| self.commit(job, index, *provider, 0));
        self.draw(job, index, providers);
        for provider in providers {
            self.reveal_result(job, index, *provider, 0).ok();
        }
    }

    /// Opens and settles the seats of `providers`.
    #[track_caller]
    pub fn pay(&mut self, job: Job, index: u32, providers: &[Provider]) {
        for provider in providers {
            self.open_result(job, index, *provider).ok();
            self.settle_lease(job, index, *provider).ok();
        }
    }

    /// Brings a lease from its claim to its settlement, by `providers` that all have the same result.
    #[track_caller]
    pub fn complete(&mut self, job: Job, index: u32, providers: &[Provider]) {
        self.agree(job, index, providers);
        self.pay(job, index, providers);
    }

    /// Claims, commits and has the seat drawn, so that an audit seat opens when it was the last of its group.
    #[track_caller]
    pub fn commit_drawn(&mut self, job: Job, index: u32, provider: Provider, result: u8) {
        self.commit(job, index, provider, result);
        self.choose_draw(job, index, provider, true);
        self.draw(job, index, &[provider]);
    }

    /// Seeds the group of seats that has opened, and waits until it is late, so that whoever comes may take them.
    #[track_caller]
    pub fn seed_group(&mut self, job: Job, index: u32, kind: Kind) {
        let lease = self.lease(job, index);
        assert_eq!((lease.group, lease.opened_at), (kind as u8, 0), "no such group waits for its seed");
        // Where the hash is lost another slot will decide.
        while self.lease(job, index).opened_at == 0 {
            self.advance_past(self.lease(job, index).seed_slot);
            self.seed_lease(job, index).ok();
        }
        self.advance(LATE);
    }

    /// Brings a lease of one replica to its audit: `base` has committed `result` and was drawn, and whoever comes may audit.
    #[track_caller]
    pub fn audited(&mut self, job: Job, index: u32, base: Provider, result: u8) {
        self.commit_drawn(job, index, base, result);
        self.seed_group(job, index, Kind::Audit);
    }

    /// Brings a lease of one replica to a dispute: `base` and `auditor` have shown different results, and whoever comes may
    /// take the dispute seats.
    #[track_caller]
    pub fn disputed(&mut self, job: Job, index: u32, base: (Provider, u8), auditor: (Provider, u8)) {
        self.audited(job, index, base.0, base.1);
        self.commit(job, index, auditor.0, auditor.1);
        self.choose_draw(job, index, auditor.0, false);
        self.draw(job, index, &[auditor.0]);
        for (provider, result) in [base, auditor] {
            self.reveal_result(job, index, provider, result).ok();
        }
        self.seed_group(job, index, Kind::Dispute);
    }

    /// Takes the dispute seats of a lease, and shows what their holders have found.
    #[track_caller]
    pub fn vote(&mut self, job: Job, index: u32, votes: &[(Provider, u8)]) {
        votes.iter().for_each(|(provider, result)| self.commit(job, index, *provider, *result));
        for (provider, result) in votes {
            self.reveal_result(job, index, *provider, *result).ok();
        }
    }
}
