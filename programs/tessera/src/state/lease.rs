//! A range of units and the seats of the providers that compute it.
//!
//! What a lease may become is decided here, by functions that know neither accounts nor clock; the instructions bring both.
//!
//! An open lease lives in rounds. While `reveal_by` is zero the round *gathers*: seats are claimed, committed, given up.
//! When every replica has committed it *reveals*, and takes no newcomers until it is decided or those who did not reveal
//! have been expired.

use anchor_lang::prelude::*;
use tessera_protocol::{
    commitment::{self, Place, Reveal},
    constants,
};

use crate::errors::TesseraError;

/// Where `Lease.job` starts in the account data, for `memcmp` filters.
#[constant]
pub const LEASE_JOB_OFFSET: u64 = 11;

/// What has been decided about a lease.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nothing.
    Open,
    /// All replicas have revealed the same root.
    Agreed,
    /// The first seat has been paid.
    Settled,
}

/// How far a seat has come.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatState {
    /// Claimed.
    Leased,
    /// The result is fixed.
    Committed,
    /// The roots are known.
    Revealed,
    /// The key to the sealed outputs is known.
    Opened,
    /// Its round disagreed.
    Rejected,
}

/// The place of one provider in a lease.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The provider account.
    pub provider: Pubkey,
    /// Who paid the rent of the seat and gets it back.
    pub payer: Pubkey,
    /// How far it has come.
    pub state: SeatState,
    /// Number of the claim in the lease.
    pub attempt: u32,
    /// What it will be paid, fixed at the claim.
    pub pay: u64,
    /// Unix time by which it must be committed.
    pub commit_by: i64,
    /// Slot of the commit; zero before.
    pub committed_slot: u64,
    /// The commitment; zero before.
    pub commitment: [u8; 32],
    /// Content id of the sealed outputs; zero before the commit.
    pub sealed: [u8; 32],
    /// The revealed result root; zero before.
    pub result_root: [u8; 32],
    /// The revealed work root; zero before.
    pub work_root: [u8; 32],
    /// The revealed hash of the key; zero before.
    pub key_hash: [u8; 32],
    /// The key that opens the sealed outputs; zero before.
    pub key: [u8; 32],
    /// Zero; belongs to later versions.
    pub reserved: [u8; 16],
}

/// A range of units of a job. Address: `["lease", job, index]`. The account has exactly the bytes its seats need.
#[account]
#[derive(InitSpace, Debug)]
pub struct Lease {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// What has been decided.
    pub state: LeaseState,
    /// The job.
    pub job: Pubkey,
    /// Number of the lease in the job.
    pub index: u32,
    /// Units in the lease.
    pub units: u32,
    /// Providers that must agree.
    pub replicas: u8,
    /// First claimer, who paid the rent of the account without seats and gets it back.
    pub payer: Pubkey,
    /// Claims so far: the number of the next attempt.
    pub claims: u32,
    /// Disagreements so far.
    pub rounds: u32,
    /// Unix time since which it is open to claims: the posting of the job, or when it opened again.
    pub opened_at: i64,
    /// Unix time by which all must reveal; zero while replicas are missing.
    pub reveal_by: i64,
    /// Unix time by which all must open; zero unless agreed.
    pub open_by: i64,
    /// The agreed root, else zero.
    pub result_root: [u8; 32],
    /// Zero; belongs to later versions.
    pub reserved: [u8; 64],
    /// One per replica, and those of rounds that disagreed.
    #[max_len(0)]
    pub seats: Vec<Seat>,
}

const _: () = assert!(Seat::INIT_SPACE == 301);
const _: () = assert!(Lease::INIT_SPACE == 208);

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

impl Lease {
    /// Bytes of an account with `seats` seats.
    #[must_use]
    pub const fn space(seats: usize) -> usize {
        Self::DISCRIMINATOR.len() + Self::INIT_SPACE + seats * Seat::INIT_SPACE
    }

    /// Seats that take part in the present round.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.state != SeatState::Rejected)
    }

    fn in_state(&self, state: SeatState) -> usize {
        self.seats.iter().filter(|seat| seat.state == state).count()
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
        match self.state {
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

    /// Gives `provider` a seat, after [`Self::check_claim`].
    pub fn claim(&mut self, provider: Pubkey, payer: Pubkey, pay: u64, commit_by: i64) -> Result<&Seat> {
        let attempt = self.claims;
        self.claims = attempt.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.seats.push(Seat {
            provider,
            payer,
            state: SeatState::Leased,
            attempt,
            pay,
            commit_by,
            committed_slot: 0,
            commitment: [0; 32],
            sealed: [0; 32],
            result_root: [0; 32],
            work_root: [0; 32],
            key_hash: [0; 32],
            key: [0; 32],
            reserved: [0; 16],
        });
        self.seats.last().ok_or_else(|| error!(TesseraError::SeatNotFound))
    }

    /// Fixes the result of seat `i`. When it was the last of its round, revealing begins and ends at `reveal_by`.
    pub fn commit(
        &mut self,
        i: usize,
        commitment: [u8; 32],
        sealed: [u8; 32],
        slot: u64,
        now: i64,
        reveal_by: i64,
    ) -> Result<()> {
        let seat = &mut self.seats[i];
        require!(seat.state == SeatState::Leased, TesseraError::SeatNotLeased);
        require!(now <= seat.commit_by, TesseraError::CommitTooLate);
        seat.state = SeatState::Committed;
        seat.commitment = commitment;
        seat.sealed = sealed;
        seat.committed_slot = slot;
        if self.has_all_replicas() && self.in_state(SeatState::Leased) == 0 {
            self.reveal_by = reveal_by;
        }
        Ok(())
    }

    /// Shows the roots of seat `i`. The last reveal of a round decides it; agreed, it must be opened by `open_by`.
    pub fn reveal(&mut self, i: usize, reveal: &Reveal, now: i64, open_by: i64) -> Result<Decision> {
        let place = Place {
            job: self.job.to_bytes(),
            lease: self.index,
            attempt: self.seats[i].attempt,
            provider: self.seats[i].provider.to_bytes(),
        };
        let seat = &mut self.seats[i];
        require!(seat.state == SeatState::Committed, TesseraError::SeatNotCommitted);
        require!(self.reveal_by != 0, TesseraError::RevealNotOpen);
        require!(commitment::commit(&place, reveal) == seat.commitment, TesseraError::CommitmentMismatch);
        seat.state = SeatState::Revealed;
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
            self.state = LeaseState::Agreed;
            self.result_root = reveal.result_root;
            self.open_by = open_by;
            return Ok(Decision::Agreed);
        }
        for seat in &mut self.seats {
            seat.state = SeatState::Rejected;
        }
        self.rounds = self.rounds.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.opened_at = now;
        Ok(Decision::Disagreed)
    }

    /// Shows the key of seat `i`.
    pub fn open(&mut self, i: usize, key: [u8; 32]) -> Result<()> {
        require!(self.state != LeaseState::Open, TesseraError::LeaseNotAgreed);
        let seat = &mut self.seats[i];
        require!(seat.state == SeatState::Revealed, TesseraError::SeatNotRevealed);
        require!(commitment::key_hash(&key) == seat.key_hash, TesseraError::KeyMismatch);
        seat.state = SeatState::Opened;
        seat.key = key;
        Ok(())
    }

    /// Checks that seat `i` may be paid.
    pub fn check_settle(&self, i: usize) -> Result<()> {
        require!(self.state != LeaseState::Open, TesseraError::LeaseNotAgreed);
        require!(self.seats[i].state == SeatState::Opened, TesseraError::SeatNotOpened);
        Ok(())
    }

    /// What the seats that have a claim to pay would get together. `None` if it overflows.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.active().try_fold(0u64, |sum, seat| sum.checked_add(seat.pay))
    }

    /// Checks that seat `i` may be given up without loss.
    pub fn check_return(&self, i: usize) -> Result<()> {
        let free = match self.seats[i].state {
            SeatState::Leased => true,
            SeatState::Committed => self.reveal_by == 0,
            SeatState::Revealed | SeatState::Opened | SeatState::Rejected => false,
        };
        require!(free, TesseraError::SeatNotReturnable);
        Ok(())
    }

    /// How seat `i` must leave at `now`; `None` while its window is open.
    #[must_use]
    pub fn departure(&self, i: usize, now: i64, job: JobEnd) -> Option<Departure> {
        let seat = &self.seats[i];
        let over = job != JobEnd::Running;
        let passed = |window: i64| window != 0 && now > window;
        let blameless = |free: bool| free.then_some(Departure::Blameless);
        match seat.state {
            SeatState::Leased => (over || now > seat.commit_by).then_some(Departure::Expired),
            SeatState::Committed if passed(self.reveal_by) => Some(Departure::Fault),
            SeatState::Revealed if self.state != LeaseState::Open && passed(self.open_by) => Some(Departure::Fault),
            SeatState::Committed | SeatState::Revealed => blameless(over),
            SeatState::Opened => blameless(job == JobEnd::Gone),
            SeatState::Rejected => (over || self.state == LeaseState::Settled).then_some(Departure::Disagreed),
        }
    }

    /// Takes seat `i` out. An agreed lease that has nobody left to pay, and a round that has nobody left to reveal, begin anew.
    pub fn remove(&mut self, i: usize, now: i64) -> Seat {
        let seat = self.seats.remove(i);
        if self.state == LeaseState::Agreed && self.is_vacant() {
            self.state = LeaseState::Open;
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

#[cfg(test)]
mod tests;
