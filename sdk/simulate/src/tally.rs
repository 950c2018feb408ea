//! What a run counts.

use serde::Serialize;
use tessera_protocol::verdict::Kind;

/// Parts into which the leases of a run are cut to show how its costs develop.
pub const PARTS: usize = 20;

/// Counts of a run; amounts in base units.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Committed or expired base, audit and dispute seats in each part of the run.
    pub seats: [[u64; 3]; PARTS],
    /// Audit reserve at the start.
    pub reserve: u64,
    /// Part of it that auditors were paid.
    pub reserve_paid: u64,
    /// Audits that the drawn seat paid.
    pub self_funded: u64,
    /// Draws that nobody read in time.
    pub missed: u64,
    /// Leases whose roots differed.
    pub disputes: u64,
    /// Disputes in which the limit of seats, or the market, was reached.
    pub undecided: u64,
    /// Leases that ended with a wrong root.
    pub wrong: u64,
    /// Locks lost.
    pub slashed: u64,
    /// Part of them that went to dispute seats.
    pub awarded: u64,
    /// Part of them that was burned.
    pub burned: u64,
    /// Locks that honest providers lost.
    pub honest_slashed: u64,
    /// Bonds that honest providers burned.
    pub honest_bonds: u64,
}

impl Tally {
    /// Counts a seat, at a place of the run between 0 and 1.
    pub(crate) fn work(&mut self, kind: Kind, place: f64) {
        let part = ((place * PARTS as f64) as usize).min(PARTS - 1);
        self.seats[part][kind as usize] += 1;
    }

    /// Seats of a kind from a part of the run on.
    fn seats(&self, kind: Kind, from: usize) -> f64 {
        self.seats[from..].iter().map(|part| part[kind as usize]).sum::<u64>() as f64
    }

    /// Cost of audits as a share of the cost of the work, from a part of the run on.
    #[must_use]
    pub fn audit_share(&self, from: usize) -> f64 {
        self.seats(Kind::Audit, from) / self.seats(Kind::Base, from).max(1.0)
    }

    /// Cost of audits as a share of the cost of the work, in one part of the run.
    #[must_use]
    pub fn audit_share_of(&self, part: usize) -> f64 {
        let [base, audit, _] = self.seats[part];
        audit as f64 / (base as f64).max(1.0)
    }

    /// Cost of disputes as a share of the cost of the work; the losers pay it.
    #[must_use]
    pub fn dispute_share(&self) -> f64 {
        self.seats(Kind::Dispute, 0) / self.seats(Kind::Base, 0).max(1.0)
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.seats.iter_mut().zip(other.seats) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        let pairs = [
            (&mut self.reserve, other.reserve),
            (&mut self.reserve_paid, other.reserve_paid),
            (&mut self.self_funded, other.self_funded),
            (&mut self.missed, other.missed),
            (&mut self.disputes, other.disputes),
            (&mut self.undecided, other.undecided),
            (&mut self.wrong, other.wrong),
            (&mut self.slashed, other.slashed),
            (&mut self.awarded, other.awarded),
            (&mut self.burned, other.burned),
            (&mut self.honest_slashed, other.honest_slashed),
            (&mut self.honest_bonds, other.honest_bonds),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
    }
}
