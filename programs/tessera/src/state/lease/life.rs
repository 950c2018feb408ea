//! What a lease may become, by functions that know neither accounts nor clock; the instructions bring both.
//!
//! An open lease lives in rounds. While `reveal_by` is zero the round *gathers*: seats are claimed, committed, given up.
//! When every replica has committed it *reveals*, and takes no newcomers until it is decided or those who did not reveal
//! have been expired.

use anchor_lang::prelude::*;
use tessera_protocol::{
    commitment::{self, Place, Reveal},
    constants, lease,
    state::{LeaseState, SeatState},
};

use super::{Lease, LeaseMut, Seat};
use crate::errors::TesseraError;

/// What the last reveal of a round decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Others have yet to reveal, or a replica is missing.
    Pending,
    /// The roots are equal.
    Agreed,
    /// They are not: the lease is open again.
    Disagreed,
}

/// How a seat left its lease before it was paid.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was not committed in time.
    Expired,
    /// It was not revealed or not opened in time.
    Fault,
    /// Its round disagreed.
    Disagreed,
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
        matches!(self, Self::Expired | Self::Fault)
    }
}

impl Seat {
    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> SeatState {
        // Only the program writes the byte. Were it another, nobody would be paid for it.
        SeatState::try_from(self.state).unwrap_or(SeatState::Rejected)
    }

    fn is(&self, state: SeatState) -> bool {
        self.state == state as u8
    }

    fn set(&mut self, state: SeatState) {
        self.state = state as u8;
    }

    /// Whether it takes part in the present round.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is(SeatState::Rejected)
    }
}

impl Lease {
    /// What has been decided.
    #[must_use]
    pub fn state(&self) -> LeaseState {
        // Only the program writes the byte. Were it another, nobody could claim or be paid any more.
        LeaseState::try_from(self.state).unwrap_or(LeaseState::Settled)
    }

    /// Whether this has been decided.
    #[must_use]
    pub fn is(&self, state: LeaseState) -> bool {
        self.state == state as u8
    }
}

impl LeaseMut<'_> {
    /// Seats that take part in the present round.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_active())
    }

    fn in_state(&self, state: SeatState) -> usize {
        self.seats.iter().filter(|seat| seat.is(state)).count()
    }

    /// Begins a window for revealing or opening. Returns when it ends.
    fn begin_window(&mut self, at: Moment) -> i64 {
        self.window_slot = at.slot;
        at.time.saturating_add(i64::from(self.reveal_seconds))
    }

    /// Whether the window for revealing or opening, which ends at `by`, has passed.
    fn window_passed(&self, by: i64, at: Moment) -> bool {
        by != 0 && lease::passed(by, at.time, self.window_slot, at.slot, self.reveal_seconds)
    }

    /// Whether it is too late to commit seat `i`.
    fn commit_passed(&self, i: usize, at: Moment) -> bool {
        let seat = &self.seats[i];
        lease::passed(seat.commit_by, at.time, seat.slot, at.slot, self.lease_seconds)
    }

    fn has_all_replicas(&self) -> bool {
        self.active().count() == usize::from(self.replicas)
    }

    /// Whether nobody has anything to gain or lose in it any more, but for the rent.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.active().next().is_none()
    }

    /// The seat of `provider`; a provider has at most one in a lease.
    pub fn seat_of(&self, provider: &Pubkey) -> Result<usize> {
        let found = self.seats.iter().position(|seat| seat.provider == *provider);
        found.ok_or_else(|| error!(TesseraError::SeatNotFound))
    }

    /// Checks that `provider` may take a seat.
    pub fn check_claim(&self, provider: &Pubkey) -> Result<()> {
        match self.lease.state() {
            LeaseState::Settled => return err!(TesseraError::LeaseSettled),
            LeaseState::Agreed => return err!(TesseraError::LeaseAgreed),
            LeaseState::Open => {}
        }
        require!(self.seat_of(provider).is_err(), TesseraError::AlreadySeated);
        // Who knows the roots of others must not join them: a round that reveals takes no newcomers. And nobody may work for
        // a round that can never be complete, because rejected seats have taken its room.
        let room = self.in_state(SeatState::Rejected) + usize::from(self.replicas) <= constants::MAX_SEATS;
        let free = !self.has_all_replicas() && self.reveal_by == 0 && room;
        require!(free, TesseraError::LeaseFull);
        Ok(())
    }

    /// Fills the last seat, which is blank, after [`Self::check_claim`] without it. Returns the attempt.
    pub fn claim(&mut self, claimed: Seat) -> Result<u32> {
        let attempt = self.lease.claims;
        self.lease.claims = attempt.checked_add(1).ok_or(TesseraError::Overflow)?;
        let seat = self.seats.last_mut().ok_or(TesseraError::SeatNotFound)?;
        *seat = Seat { state: SeatState::Leased as u8, attempt, ..claimed };
        Ok(attempt)
    }

    /// Fixes the result of seat `i`. When it was the last of its round, revealing begins.
    pub fn commit(&mut self, i: usize, commitment: [u8; 32], sealed: [u8; 32], at: Moment) -> Result<()> {
        require!(self.seats[i].is(SeatState::Leased), TesseraError::SeatNotLeased);
        require!(!self.commit_passed(i, at), TesseraError::CommitTooLate);
        let seat = &mut self.seats[i];
        seat.set(SeatState::Committed);
        seat.commitment = commitment;
        seat.sealed = sealed;
        seat.slot = at.slot;
        if self.has_all_replicas() && self.in_state(SeatState::Leased) == 0 {
            self.reveal_by = self.begin_window(at);
        }
        Ok(())
    }

    /// Shows the roots of seat `i`. The last reveal of a round decides it.
    pub fn reveal(&mut self, i: usize, reveal: &Reveal, at: Moment) -> Result<Decision> {
        let place = Place {
            job: self.job.to_bytes(),
            lease: self.index,
            attempt: self.seats[i].attempt,
            provider: self.seats[i].provider.to_bytes(),
        };
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Committed), TesseraError::SeatNotCommitted);
        require!(self.lease.reveal_by != 0, TesseraError::RevealNotOpen);
        require!(commitment::commit(&place, reveal) == seat.commitment, TesseraError::CommitmentMismatch);
        seat.set(SeatState::Revealed);
        seat.result_root = reveal.result_root;
        seat.work_root = reveal.work_root;
        seat.key_hash = reveal.key_hash;
        if self.in_state(SeatState::Committed) > 0 {
            return Ok(Decision::Pending);
        }
        self.reveal_by = 0;
        if !self.has_all_replicas() {
            return Ok(Decision::Pending);
        }
        if self.active().all(|seat| seat.result_root == reveal.result_root) {
            self.state = LeaseState::Agreed as u8;
            self.result_root = reveal.result_root;
            self.open_by = self.begin_window(at);
            return Ok(Decision::Agreed);
        }
        self.seats.iter_mut().for_each(|seat| seat.set(SeatState::Rejected));
        self.rounds = self.rounds.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.opened_at = at.time;
        Ok(Decision::Disagreed)
    }

    /// Shows the key of seat `i`.
    pub fn open(&mut self, i: usize, key: [u8; 32]) -> Result<()> {
        require!(!self.lease.is(LeaseState::Open), TesseraError::LeaseNotAgreed);
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Revealed), TesseraError::SeatNotRevealed);
        require!(commitment::key_hash(&key) == seat.key_hash, TesseraError::KeyMismatch);
        seat.set(SeatState::Opened);
        seat.key = key;
        Ok(())
    }

    /// Checks that seat `i` may be paid.
    pub fn check_settle(&self, i: usize) -> Result<()> {
        require!(!self.lease.is(LeaseState::Open), TesseraError::LeaseNotAgreed);
        require!(self.seats[i].is(SeatState::Opened), TesseraError::SeatNotOpened);
        Ok(())
    }

    /// What the seats that have a claim to pay would get together. `None` if it overflows.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.active().try_fold(0u64, |sum, seat| sum.checked_add(seat.pay))
    }

    /// Checks that seat `i` may be given up.
    pub fn check_return(&self, i: usize, at: Moment) -> Result<()> {
        let free = match self.seats[i].state() {
            // Who is late does not get away with a return.
            SeatState::Leased => !self.commit_passed(i, at),
            SeatState::Committed => self.reveal_by == 0,
            SeatState::Revealed | SeatState::Opened | SeatState::Rejected => false,
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

    /// How seat `i` must leave; `None` while its window is open.
    #[must_use]
    pub fn departure(&self, i: usize, at: Moment, job: JobEnd) -> Option<Departure> {
        let over = job != JobEnd::Running;
        let blameless = |free: bool| free.then_some(Departure::Blameless);
        match self.seats[i].state() {
            // Once the job is gone nobody can do any more what would be late.
            SeatState::Leased | SeatState::Committed | SeatState::Revealed if job == JobEnd::Gone => blameless(true),
            SeatState::Leased if self.commit_passed(i, at) => Some(Departure::Expired),
            SeatState::Committed if self.window_passed(self.reveal_by, at) => Some(Departure::Fault),
            SeatState::Revealed if !self.lease.is(LeaseState::Open) && self.window_passed(self.open_by, at) => {
                Some(Departure::Fault)
            }
            SeatState::Leased | SeatState::Committed | SeatState::Revealed => blameless(over),
            SeatState::Opened => blameless(job == JobEnd::Gone),
            SeatState::Rejected => (over || self.lease.is(LeaseState::Settled)).then_some(Departure::Disagreed),
        }
    }

    /// Takes seat `i` out. An agreed lease that has nobody left to pay, and a round that has nobody left to reveal, begin anew.
    /// The place of the last seat is left for the caller to give up.
    pub fn remove(&mut self, i: usize, now: i64) -> Seat {
        let seat = self.seats[i];
        let seats = std::mem::take(&mut self.seats);
        seats.copy_within(i + 1.., i);
        let last = seats.len() - 1;
        self.seats = &mut seats[..last];
        if self.lease.is(LeaseState::Agreed) && self.is_vacant() {
            self.state = LeaseState::Open as u8;
            self.result_root = [0; 32];
            self.open_by = 0;
            self.opened_at = now;
        }
        if self.in_state(SeatState::Committed) == 0 {
            self.reveal_by = 0;
        }
        seat
    }
}
