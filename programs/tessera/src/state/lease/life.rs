//! What a seat may become, by functions that know neither accounts nor clock; the instructions bring both.
//!
//! An open lease lives in groups of seats, see [`group`](super::group). While `reveal_by` is zero the group *gathers*: seats
//! are claimed, committed, drawn, given up. Then it *reveals*, and takes no newcomers until it is judged.

use anchor_lang::prelude::*;
use tessera_protocol::{
    commitment::{self, Place, Reveal},
    constants, lease,
    state::{Draw, LeaseState, SeatState},
    verdict::Kind,
};

use super::{Lease, LeaseMut, Seat, PAID_BY_REST, SILENT};
use crate::errors::TesseraError;

/// How a seat left its lease before it was paid.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was not committed in time.
    Expired,
    /// It was not revealed in time.
    Silent,
    /// It was not opened in time.
    Withheld,
    /// Nobody is to blame.
    Blameless,
}

/// What is left of the job of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// The job runs, or is in its grace.
    Running,
    /// Deadline and grace have passed; the account is still there.
    Over,
    /// The account is gone.
    Gone,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Unix time.
    pub time: i64,
    /// Slot.
    pub slot: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Result<Self> {
        let Clock { slot, unix_timestamp: time, .. } = Clock::get()?;
        Ok(Self { time, slot })
    }
}

impl Departure {
    /// Whether the provider is to blame: the bond is lost.
    #[must_use]
    pub fn is_late(self) -> bool {
        self != Self::Blameless
    }
}

impl Seat {
    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> SeatState {
        // Only the program writes the byte. Were it another, nobody would be paid for it.
        SeatState::try_from(self.state).unwrap_or(SeatState::Released)
    }

    /// How it came to the lease.
    #[must_use]
    pub fn kind(&self) -> Kind {
        // As above: a base seat has no vote.
        Kind::try_from(self.kind).unwrap_or_default()
    }

    pub(super) fn is(&self, state: SeatState) -> bool {
        self.state == state as u8
    }

    pub(super) fn set(&mut self, state: SeatState) {
        self.state = state as u8;
    }

    /// Whether it still has something to do or to get.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state <= SeatState::Opened as u8
    }

    /// What it gets altogether. `None` if it overflows.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.pay.checked_add(self.bonds)
    }

    /// Whether it is committed and its draw decides about an audit, but nobody has read it.
    #[must_use]
    pub fn awaits_draw(&self) -> bool {
        self.is(SeatState::Committed) && self.draw == Draw::Waiting as u8 && self.kind != Kind::Dispute as u8
    }
}

impl Lease {
    /// What has been decided.
    #[must_use]
    pub fn state(&self) -> LeaseState {
        // Only the program writes the byte. Were it another, nobody could claim or be paid any more.
        LeaseState::try_from(self.state).unwrap_or(LeaseState::Void)
    }

    /// Whether this has been decided.
    #[must_use]
    pub fn is(&self, state: LeaseState) -> bool {
        self.state == state as u8
    }

    /// Whether somebody has a root that was decided for, and is paid or will be.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.is(LeaseState::Agreed) || self.is(LeaseState::Settled)
    }

    /// What the open group is for.
    #[must_use]
    pub fn group(&self) -> Kind {
        Kind::try_from(self.group).unwrap_or_default()
    }

    /// Whether its job is private: nobody draws, audits or judges its seats, and none of them counts for a reputation.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private != 0
    }

    /// Whether neither deadline nor grace of the job ends it.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.contested != 0
    }
}

impl LeaseMut<'_> {
    /// Seats that still have something to do or to get.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_active())
    }

    pub(super) fn any(&self, state: SeatState) -> bool {
        self.seats.iter().any(|seat| seat.is(state))
    }

    /// Whether somebody has yet to reveal.
    pub(super) fn awaits_reveals(&self) -> bool {
        self.seats.iter().any(|seat| seat.is(SeatState::Committed) && seat.flags & SILENT == 0)
    }

    /// Begins a window for revealing or opening. Returns when it ends.
    pub(super) fn begin_window(&mut self, at: Moment) -> i64 {
        self.window_slot = at.slot;
        at.time.saturating_add(i64::from(self.reveal_seconds))
    }

    /// Whether the window for revealing or opening, which ends at `by`, has passed.
    pub(super) fn window_passed(&self, by: i64, at: Moment) -> bool {
        by != 0 && lease::passed(by, at.time, self.window_slot, at.slot, self.reveal_seconds)
    }

    /// Whether the window for revealing has passed.
    #[must_use]
    pub fn reveal_passed(&self, at: Moment) -> bool {
        self.is(LeaseState::Open) && self.window_passed(self.reveal_by, at)
    }

    /// Whether it is too late to commit seat `i`.
    fn commit_passed(&self, i: usize, at: Moment) -> bool {
        let seat = &self.seats[i];
        lease::passed(seat.commit_by, at.time, seat.slot, at.slot, self.lease_seconds)
    }

    /// Whether nobody has anything to gain or lose in it any more, but for the rent and what is lost already.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.active().next().is_none()
    }

    /// The seat of `provider`; a provider has at most one in a lease.
    pub fn seat_of(&self, provider: &Pubkey) -> Result<usize> {
        let found = self.seats.iter().position(|seat| seat.provider == *provider);
        found.ok_or_else(|| error!(TesseraError::SeatNotFound))
    }

    /// Checks that `provider` may take a seat of the open group.
    pub fn check_claim(&self, provider: &Pubkey) -> Result<()> {
        match self.lease.state() {
            LeaseState::Settled => return err!(TesseraError::LeaseSettled),
            LeaseState::Agreed => return err!(TesseraError::LeaseAgreed),
            LeaseState::Void => return err!(TesseraError::LeaseVoid),
            LeaseState::Open => {}
        }
        require!(self.seat_of(provider).is_err(), TesseraError::AlreadySeated);
        // Who knows the roots of others must not join them: a group that reveals takes no newcomers.
        let free = self.missing > 0 && self.reveal_by == 0 && self.seats.len() < constants::MAX_SEATS;
        require!(free, TesseraError::LeaseFull);
        require!(self.opened_at != 0, TesseraError::LeaseNotSeeded);
        Ok(())
    }

    /// Fills the last seat, which is blank, after [`Self::check_claim`] without it. Returns the attempt.
    pub fn claim(&mut self, claimed: Seat) -> Result<u32> {
        let attempt = self.lease.claims;
        self.lease.claims = attempt.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.lease.missing = self.lease.missing.checked_sub(1).ok_or(TesseraError::LeaseFull)?;
        let kind = self.lease.group;
        let seat = self.seats.last_mut().ok_or(TesseraError::SeatNotFound)?;
        *seat = Seat { state: SeatState::Leased as u8, kind, attempt, ..claimed };
        Ok(attempt)
    }

    /// Fixes the result of seat `i`.
    pub fn commit(&mut self, i: usize, commitment: [u8; 32], sealed: [u8; 32], at: Moment) -> Result<()> {
        require!(self.seats[i].is(SeatState::Leased), TesseraError::SeatNotLeased);
        require!(!self.commit_passed(i, at), TesseraError::CommitTooLate);
        let private = self.is_private();
        let seat = &mut self.seats[i];
        seat.set(SeatState::Committed);
        if private {
            // An auditor could not compute it, and whoever is right would be slashed.
            seat.draw = Draw::Passed as u8;
        }
        seat.commitment = commitment;
        seat.sealed = sealed;
        seat.slot = at.slot;
        Ok(())
    }

    /// Shows the roots of seat `i`. Whether others have yet to reveal.
    pub fn reveal(&mut self, i: usize, reveal: &Reveal) -> Result<bool> {
        let place = Place {
            job: self.job.to_bytes(),
            lease: self.index,
            attempt: self.seats[i].attempt,
            provider: self.seats[i].provider.to_bytes(),
        };
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Committed), TesseraError::SeatNotCommitted);
        require!(seat.flags & SILENT == 0, TesseraError::SeatSilent);
        require!(self.lease.reveal_by != 0, TesseraError::RevealNotOpen);
        require!(commitment::commit(&place, reveal) == seat.commitment, TesseraError::CommitmentMismatch);
        seat.set(SeatState::Revealed);
        seat.result_root = reveal.result_root;
        seat.work_root = reveal.work_root;
        seat.key_hash = reveal.key_hash;
        Ok(self.awaits_reveals())
    }

    /// Shows the key of seat `i`.
    pub fn open(&mut self, i: usize, key: [u8; 32], at: Moment) -> Result<()> {
        require!(self.lease.is_decided(), TesseraError::LeaseNotAgreed);
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Revealed), TesseraError::SeatNotRevealed);
        require!(commitment::key_hash(&key) == seat.key_hash, TesseraError::KeyMismatch);
        seat.set(SeatState::Opened);
        seat.key = key;
        let challenge = match seat.kind() {
            Kind::Base => self.lease.challenge_seconds,
            Kind::Audit | Kind::Dispute => self.lease.challenge_seconds.min(constants::MAX_JUROR_CHALLENGE_SECONDS),
        };
        seat.payable_at = at.time.saturating_add(i64::from(challenge));
        Ok(())
    }

    /// Checks that seat `i` may be paid.
    pub fn check_settle(&self, i: usize, at: Moment) -> Result<()> {
        require!(self.lease.is_decided(), TesseraError::LeaseNotAgreed);
        let seat = &self.seats[i];
        require!(seat.is(SeatState::Opened), TesseraError::SeatNotOpened);
        require!(seat.answer_by == 0, TesseraError::DemandPending);
        require!(at.time >= seat.payable_at, TesseraError::ChallengeOpen);
        Ok(())
    }

    /// Checks that the lock of seat `i` is lost.
    pub fn check_slash(&self, i: usize) -> Result<()> {
        require!(self.seats[i].is(SeatState::Convicted), TesseraError::SeatNotConvicted);
        Ok(())
    }

    /// What the seats that have a claim to pay would get together. `None` if it overflows.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.active().try_fold(0u64, |sum, seat| sum.checked_add(seat.due()?))
    }

    /// Checks that seat `i` may be given up.
    pub fn check_return(&self, i: usize, at: Moment) -> Result<()> {
        let seat = &self.seats[i];
        let free = match seat.state() {
            // Who is late does not get away with a return; nor is an audit or a vote given back, as others could be kept from it.
            SeatState::Leased => seat.kind() == Kind::Base && !self.is_contested() && !self.commit_passed(i, at),
            // Nor does who may know by now that it will be audited.
            SeatState::Committed => {
                let harmless = seat.draw == Draw::Passed as u8 && seat.kind() == Kind::Base;
                harmless && self.reveal_by == 0 && !self.is_contested()
            }
            _ => false,
        };
        require!(free, TesseraError::SeatNotReturnable);
        Ok(())
    }

    /// Whether seat `i` has done its part and waited for missing replicas as long as others had to commit: it may go for
    /// nothing.
    #[must_use]
    pub fn has_waited(&self, i: usize, at: Moment) -> bool {
        let seat = &self.seats[i];
        seat.is(SeatState::Committed) && at.slot >= seat.slot.saturating_add(u64::from(self.lease_seconds))
    }

    /// How seat `i` must leave; `None` while it must stay. Who is convicted does not leave like this.
    #[must_use]
    pub fn departure(&self, i: usize, at: Moment, job: JobEnd, grace_seconds: u32) -> Option<Departure> {
        let gone = job == JobEnd::Gone;
        let over = gone || (job == JobEnd::Over && !self.is_contested());
        let blameless = |free: bool| free.then_some(Departure::Blameless);
        let seat = &self.seats[i];
        match seat.state() {
            SeatState::Late => Some(Departure::Silent),
            SeatState::Released => blameless(true),
            SeatState::Convicted => None,
            // Once the job is gone nobody can do any more what would be late.
            _ if gone => blameless(true),
            SeatState::Leased if self.commit_passed(i, at) => Some(Departure::Expired),
            SeatState::Revealed if self.is_decided() && self.window_passed(self.open_by, at) => {
                Some(Departure::Withheld)
            }
            SeatState::Leased | SeatState::Committed | SeatState::Revealed => blameless(over),
            // The awards of a dispute may never come, where a vault is frozen.
            SeatState::Opened => blameless(
                seat.kind() == Kind::Dispute
                    && seat.flags & PAID_BY_REST == 0
                    && self.awards < seat.pay
                    && seat.answer_by == 0
                    && at.time > self.open_by.saturating_add(i64::from(grace_seconds))
                    && self.window_passed(self.open_by, at),
            ),
        }
    }

    /// Takes seat `i` out; somebody else may take its place if it was a replica of a lease that nobody contests. The place of the
    /// last seat is left for the caller to give up.
    pub fn remove(&mut self, i: usize) -> Seat {
        let seat = self.seats[i];
        let seats = std::mem::take(&mut self.seats);
        seats.copy_within(i + 1.., i);
        let last = seats.len() - 1;
        self.seats = &mut seats[..last];
        // A contested lease asks nobody again who has not come: it must not be held up by those who come and go.
        let awaited = seat.is(SeatState::Leased) || seat.is(SeatState::Committed);
        if awaited && self.lease.is(LeaseState::Open) && !self.is_contested() {
            self.missing = self.missing.saturating_add(1);
        }
        seat
    }
}
