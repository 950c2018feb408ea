//! Demands: opened outputs that the client doubts are there, or are what was revealed.

use anchor_lang::prelude::*;
use tessera_protocol::{
    constants, lease,
    outputs::{self, Answer, Layout, Shown},
    state::{LeaseState, SeatState},
    verdict::VOID_ROOT,
};

use super::{LeaseMut, Moment, Seat, PAID_BY_RESERVE};
use crate::{errors::TesseraError, state::Job};

impl Seat {
    fn shown(&self, units: u32) -> Shown {
        Shown {
            provider: self.provider.to_bytes(),
            units,
            sealed: tessera_protocol::cid::Cid(self.sealed),
            key: self.key,
            result_root: self.result_root,
            work_root: self.work_root,
        }
    }
}

impl LeaseMut<'_> {
    /// Time for an answer: it takes several transactions, and a whole lock is at stake.
    fn answer_seconds(&self) -> u32 {
        self.reveal_seconds.max(constants::MIN_ANSWER_SECONDS)
    }

    /// Demands a chunk of the opened outputs of seat `i`. Until it is shown, or its time has passed, the seat is not paid and
    /// the job not closed. The bond is the seat's, unless it is convicted.
    pub fn demand(&mut self, job: &mut Job, i: usize, chunk: u64, at: Moment) -> Result<()> {
        let answer_by = at.time.saturating_add(i64::from(self.answer_seconds()));
        require!(self.is_decided(), TesseraError::LeaseNotAgreed);
        // Who has found that a module cannot be computed has no outputs.
        require!(self.result_root != VOID_ROOT, TesseraError::NothingToDemand);
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Opened), TesseraError::SeatNotOpened);
        require!(seat.answer_by == 0, TesseraError::DemandPending);
        require!(at.time < seat.payable_at, TesseraError::ChallengeOver);
        require!(seat.demands < constants::MAX_DEMANDS, TesseraError::TooManyDemands);
        seat.demands += 1;
        (seat.demand, seat.answer_by, seat.slot) = (chunk, answer_by, at.slot);
        seat.bonds = seat.bonds.checked_add(job.demand_bond).ok_or(TesseraError::Overflow)?;
        if self.is(LeaseState::Settled) {
            // What it owes was counted before.
            job.owed = job.owed.checked_add(job.demand_bond).ok_or(TesseraError::Overflow)?;
            return Ok(());
        }
        job.contest(self.is_contested(), true)?;
        self.contested = 1;
        Ok(())
    }

    /// Takes an answer to what was demanded of seat `i`.
    pub fn answer(&mut self, i: usize, answer: &Answer) -> Result<()> {
        let units = self.units;
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Opened) && seat.answer_by != 0, TesseraError::NothingDemanded);
        let chunks = Layout { units, output_len: answer.output_len }.chunks();
        let chunks = chunks.filter(|chunks| *chunks > 0).ok_or(TesseraError::WrongAnswer)?;
        let right = outputs::check(&seat.shown(units), seat.demand % chunks, answer);
        require!(right.is_ok(), TesseraError::WrongAnswer);
        seat.answer_by = 0;
        Ok(())
    }

    /// Convicts seat `i` of not having answered in time: it is not paid, and nobody is awarded its lock.
    pub fn convict(&mut self, job: &mut Job, i: usize, at: Moment) -> Result<()> {
        let seconds = self.answer_seconds();
        let seat = &mut self.seats[i];
        require!(seat.is(SeatState::Opened) && seat.answer_by != 0, TesseraError::NothingDemanded);
        let late = lease::passed(seat.answer_by, at.time, seat.slot, at.slot, seconds);
        require!(late, TesseraError::WindowStillOpen);
        let due = seat.due().ok_or(TesseraError::Overflow)?;
        if seat.flags & PAID_BY_RESERVE != 0 {
            job.keep(seat.pay)?;
        }
        seat.set(SeatState::Convicted);
        (seat.pay, seat.bonds, seat.answer_by) = (0, 0, 0);
        if self.is(LeaseState::Settled) {
            job.release(due)?;
        }
        Ok(())
    }
}
