//! Demands: opened outputs that a client doubts are there.

use super::{LeaseState, Model, Refused, SeatState};
use crate::world::VOID;

/// Demands of one seat.
const MOST_DEMANDS: u8 = 4;
/// Least time for an answer.
const LEAST_SECONDS: u32 = 120;

impl Model {
    /// `demand_chunk`.
    pub fn demand_chunk(&mut self, job: usize, index: u32, provider: usize, chunk: u64) -> Result<(), Refused> {
        let (at, wallets) = (self.at(), &mut self.clients);
        self.jobs[job].present()?.with_seat(index, provider, |job, lease, i| {
            let bond = job.market.demand_bond;
            // The fee rounded up, so that it is covered if the bond is paid.
            let fee = (u128::from(bond) * u128::from(job.market.fee_bps)).div_ceil(10_000);
            let deposit = u64::try_from(u128::from(bond) + fee).map_err(|_| "overflow")?;
            let seat = &mut lease.seats[i];
            if seat.state != SeatState::Opened || lease.result == Some(VOID) {
                return Err("not opened, or nothing was computed");
            }
            if seat.answer_by != 0 || at.now >= seat.payable_at || seat.demands == MOST_DEMANDS {
                return Err("too late, or one demand too many");
            }
            if deposit > wallets[job.client].tokens {
                return Err("too little money");
            }
            let seconds = job.market.reveal_seconds.max(LEAST_SECONDS);
            (seat.answer_by, seat.slot) = (at.now + i64::from(seconds), at.slot);
            (seat.demand, seat.demands, seat.bonds) = (chunk, seat.demands + 1, seat.bonds + bond);
            wallets[job.client].tokens -= deposit;
            job.deposited += deposit;
            job.escrow += deposit;
            if lease.state == LeaseState::Settled {
                job.owed += bond;
            } else {
                job.contest(lease);
            }
            Ok(())
        })
    }

    /// `answer_chunk` with a chunk of outputs that are called `result`.
    pub fn answer_chunk(&mut self, job: usize, index: u32, provider: usize, result: u8) -> Result<(), Refused> {
        self.jobs[job].with_seat(index, provider, |_, lease, i| {
            let seat = &mut lease.seats[i];
            if seat.answer_by == 0 || seat.result != result {
                return Err("nothing demanded, or a wrong answer");
            }
            seat.answer_by = 0;
            Ok(())
        })
    }

    /// `expire_demand`.
    pub fn expire_demand(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let at = self.at();
        self.jobs[job].present()?.with_seat(index, provider, |job, lease, i| {
            let seconds = job.market.reveal_seconds.max(LEAST_SECONDS);
            let seat = &mut lease.seats[i];
            if !at.passed(seat.answer_by, seat.slot, seconds) {
                return Err("nothing demanded, or still time");
            }
            if lease.state == LeaseState::Settled {
                job.owed -= seat.due();
                job.owed_seats -= 1;
            }
            job.reserve += if seat.from_reserve { seat.pay } else { 0 };
            (seat.state, seat.pay, seat.bonds, seat.answer_by) = (SeatState::Convicted, 0, 0, 0);
            if lease.state == LeaseState::Agreed && lease.active().next().is_none() {
                job.reopen(lease, at);
            }
            Ok(())
        })
    }
}
