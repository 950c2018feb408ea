//! Groups of seats: the replicas that the client asked for, an audit, the jurors of a dispute.
//!
//! A group opens without a seed: nobody can know when a commit or a reveal is sent who may come next. Once it is filled, all
//! of it committed and all its draws read, an audit group follows if one was drawn; else the lease reveals.

use anchor_lang::prelude::*;
use tessera_protocol::{
    audit::{self, Funding},
    constants, lease,
    state::{Draw, LeaseState, SeatState},
    verdict::Kind,
};

use super::{LeaseMut, Moment};
use crate::{errors::TesseraError, state::Job};

/// How a lease goes on when something has happened in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Others have to do something first.
    Gather,
    /// Seats of a new group are open.
    Seats,
    /// All may reveal.
    Reveal,
    /// Nobody is left who could: it is to be judged.
    Judge,
}

impl LeaseMut<'_> {
    /// Opens a group of seats, which waits for its seed.
    pub(super) fn open_group(&mut self, kind: Kind, wanted: u8, at: Moment) {
        self.group = kind as u8;
        (self.wanted, self.missing) = (wanted, wanted);
        self.exhausted = 0;
        self.call = self.claims as u8;
        self.rounds = self.rounds.saturating_add(1);
        self.opened_at = 0;
        self.seed_slot = audit::draw_slot(at.slot);
        self.reveal_by = 0;
        self.contested = 1;
    }

    /// Whether another group may follow: the market has not shown that nobody comes, and not too many have lapsed. Each that
    /// lapses costs those who took its seats their bonds, so only whoever holds most of the market gets this far.
    pub(super) fn may_open(&self) -> bool {
        let deserted = self.exhausted != 0 && self.claims as u8 == self.call;
        !deserted && self.rounds < constants::MAX_GROUPS
    }

    /// Whether an audit that was called has nobody who committed to it.
    fn audit_lapsed(&self) -> bool {
        let committed = || self.seats.iter().filter(|seat| seat.is(SeatState::Committed));
        let calls = committed().filter(|seat| seat.draw >= Draw::Reserve as u8).count();
        calls > committed().filter(|seat| seat.kind() == Kind::Audit).count()
    }

    /// Opens the lease anew for all replicas. The seed that it has will do: who came after it is ranked last.
    pub fn reopen(&mut self, now: i64) {
        self.state = LeaseState::Open as u8;
        self.group = Kind::Base as u8;
        (self.wanted, self.missing) = (self.replicas, self.replicas);
        self.call = self.claims as u8;
        self.opened_at = now;
        (self.exhausted, self.audit_due, self.drawn, self.contested, self.rounds) = (0, 0, 0, 0, 0);
        (self.reveal_by, self.open_by, self.result_root) = (0, 0, [0; 32]);
    }

    /// Goes on if nothing is missing any more in a group that gathers.
    pub fn proceed(&mut self, at: Moment) -> Next {
        let gathers = self.is(LeaseState::Open) && self.reveal_by == 0;
        let waits = self.missing > 0 || self.seats.iter().any(|seat| seat.is(SeatState::Leased) || seat.awaits_draw());
        if !gathers || waits || self.is_vacant() {
            return Next::Gather;
        }
        let due = std::mem::take(&mut self.audit_due) != 0;
        // Who has taken an audit and not committed shall not have bought the lease off.
        if due || (self.group() == Kind::Audit && self.audit_lapsed() && self.may_open()) {
            self.open_group(Kind::Audit, 1, at);
            return Next::Seats;
        }
        if !self.awaits_reveals() {
            return Next::Judge;
        }
        self.reveal_by = self.begin_window(at);
        Next::Reveal
    }

    /// Checks that the draw of seat `i` decides something, now: it has not been read, or its provider has been at fault since
    /// it committed, and nobody has revealed or looks at the lease anyway.
    pub fn check_draw(&self, i: usize, fault_slot: u64) -> Result<()> {
        let seat = &self.seats[i];
        require!(self.is(LeaseState::Open) && seat.is(SeatState::Committed), TesseraError::SeatNotCommitted);
        let again = self.drawn == 0
            && !self.is_private()
            && seat.draw == Draw::Passed as u8
            && seat.kind() != Kind::Dispute
            && audit::reopened(seat.slot, fault_slot)
            && self.group != Kind::Dispute as u8
            && !self.any(SeatState::Revealed);
        require!(seat.awaits_draw() || again, TesseraError::AlreadyDrawn);
        Ok(())
    }

    /// Takes into account that seat `i` was drawn or not. The first that is drawn in its group calls an audit, and `fund` says
    /// who pays it; the others are looked at along with it.
    pub fn draw(&mut self, i: usize, drawn: bool, at: Moment, fund: impl FnOnce(u64) -> Result<Funding>) -> Result<()> {
        self.seats[i].draw = Draw::Passed as u8;
        if !drawn {
            return Ok(());
        }
        if self.contested == 0 {
            // Replicas that are missing get the time of a group from here on.
            self.contested = 1;
            self.opened_at = at.time;
            self.window_slot = at.slot;
        }
        self.drawn = 1;
        if self.audit_due == 0 {
            self.audit_due = 1;
            // A seat that is drawn once more may have been revealing.
            self.reveal_by = 0;
            self.seats[i].draw = match fund(self.lease.pay)? {
                Funding::Reserve => Draw::Reserve,
                Funding::Seat => Draw::Seat,
            } as u8;
        }
        Ok(())
    }

    /// Gives up waiting for seats of a contested lease that nobody has taken in time.
    pub fn exhaust(&mut self, job: &Job, at: Moment) -> bool {
        let seconds = lease::group_seconds(job.step_seconds, job.lease_seconds);
        let by = self.opened_at.saturating_add(i64::from(seconds));
        let overdue = self.is(LeaseState::Open)
            && self.is_contested()
            && self.missing > 0
            && self.reveal_by == 0
            && self.opened_at != 0
            && lease::passed(by, at.time, self.window_slot, at.slot, seconds);
        if overdue {
            self.missing = 0;
            self.exhausted = 1;
        }
        overdue
    }
}
