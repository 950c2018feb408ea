//! Seeds and draws: what the hashes of slots decide.

use tessera_protocol::audit::sample;

use super::{
    At, Draw, Job, Kind, Lease, LeaseState, Model, Refused,
    chance::{bps, deterring, falls_under, history},
};
use crate::world::{Reading, SlotHashes};

/// Slots until a hash exists that nobody knew.
pub(super) const AHEAD: u64 = 8;

impl Model {
    /// `seed_job`.
    pub fn seed_job(&mut self, job: usize) -> Result<(), Refused> {
        let (at, hashes) = (self.at(), &self.hashes);
        let job = self.jobs[job].present()?;
        if job.seed.is_some() {
            return Err("already seeded");
        }
        if let Some(hash) = seed(hashes, &mut job.seed_slot, at)? {
            job.seed = Some((hash, at.now));
        }
        Ok(())
    }

    /// `seed_lease`.
    pub fn seed_lease(&mut self, job: usize, index: u32) -> Result<(), Refused> {
        let (at, hashes) = (self.at(), &self.hashes);
        self.jobs[job].with(index, |_, lease| {
            if lease.opened_at != 0 || lease.state != LeaseState::Open {
                return Err("nothing waits for a seed");
            }
            if let Some(hash) = seed(hashes, &mut lease.seed_slot, at)? {
                (lease.seed, lease.opened_at, lease.window_slot) = (hash, at.now, at.slot);
            }
            Ok(())
        })
    }

    /// `advance_lease`.
    pub fn advance_lease(&mut self, job: usize, index: u32) -> Result<(), Refused> {
        let at = self.at();
        self.jobs[job].present()?.with(index, |job, lease| {
            if lease.state != LeaseState::Open {
                return Err("decided");
            }
            if at.passed(lease.reveal_by, lease.window_slot, job.market.reveal_seconds) {
                job.judge(lease, at);
                return Ok(());
            }
            let wait = 64 * job.market.step_seconds + job.terms.lease_seconds;
            let overdue = lease.opened_at != 0 && at.passed(lease.opened_at + i64::from(wait), lease.window_slot, wait);
            if lease.gathers() && lease.contested && lease.missing > 0 && overdue {
                (lease.missing, lease.exhausted) = (0, true);
            } else if !lease.is_ready() {
                return Err("still open");
            }
            job.complete(lease, at);
            Ok(())
        })
    }
}

/// The first hash from a slot on, which becomes that of the hash. Where it is lost, a slot that nobody knows will decide.
fn seed(hashes: &SlotHashes, target: &mut u64, at: At) -> Result<Option<[u8; 32]>, Refused> {
    let (slot, hash) = match hashes.read(*target, at.slot) {
        Reading::Early => return Err("no hash yet"),
        Reading::Hash(slot, hash) => (slot, Some(hash)),
        Reading::Lost => (at.slot + AHEAD, None),
    };
    *target = slot;
    Ok(hash)
}

impl Job {
    /// Draws seat `i`, whose provider has this key, so many results in a row confirmed, and maybe a fault since its commit.
    pub(super) fn draw(
        &mut self,
        lease: &mut Lease,
        index: u32,
        i: usize,
        (key, consecutive, at_fault): (&[u8; 32], u32, bool),
        hashes: &SlotHashes,
        at: At,
    ) -> Result<(), Refused> {
        let seat = &lease.seats[i];
        let mut chance = deterring(&self.market);
        if seat.kind == Kind::Base {
            chance = chance.max(history(&self.market, consecutive));
        }
        let mut certain = at_fault;
        let drawn = match hashes.read(seat.slot + AHEAD, at.slot) {
            _ if at_fault => true,
            Reading::Early => return Err("no hash yet"),
            Reading::Hash(_, hash) => falls_under(sample(&hash, &self.key, index, seat.attempt, key), chance),
            Reading::Lost => {
                certain = true;
                true
            }
        };
        lease.seats[i].draw = Draw::Passed;
        if drawn {
            if !lease.contested {
                // The time for replicas that are missing begins.
                (lease.opened_at, lease.window_slot) = (at.now, at.slot);
            }
            lease.drawn = true;
            self.contest(lease);
            if !lease.audit_due {
                // Who is drawn once more may have been revealing.
                (lease.audit_due, lease.reveal_by) = (true, 0);
                let foreseen = !certain && chance <= bps(self.market.reserve_bps);
                let funded = foreseen && self.reserve >= lease.pay;
                self.reserve -= if funded { lease.pay } else { 0 };
                lease.seats[i].draw = if funded { Draw::Reserve } else { Draw::Seat };
            }
        }
        self.complete(lease, at);
        Ok(())
    }

    /// The lease is audited or disputed from now on.
    pub(super) fn contest(&mut self, lease: &mut Lease) {
        self.contested += u32::from(!lease.contested);
        lease.contested = true;
    }

    /// It is no longer.
    pub(super) fn end_contest(&mut self, lease: &mut Lease) {
        self.contested -= u32::from(lease.contested);
        lease.contested = false;
    }
}
