//! What happens to a seat on its way: commit, reveal, open, settle.

use super::{At, Draw, Job, Kind, LeaseState, Model, Refused, Seat, SeatState, share};

/// Longest time for demands of those whom the client did not ask.
const LONGEST_FOR_JURORS: u32 = 3_600;

impl Job {
    /// The key of a seat is known from now on.
    fn open(&self, seat: &mut Seat, at: At) {
        let most = if seat.kind == Kind::Base { u32::MAX } else { LONGEST_FOR_JURORS };
        seat.state = SeatState::Opened;
        seat.payable_at = at.now + i64::from(self.terms.challenge_seconds.min(most));
    }
}

impl Model {
    /// `commit_result` of a result whose root is called `result`.
    pub fn commit_result(&mut self, job: usize, index: u32, provider: usize, result: u8) -> Result<(), Refused> {
        let at = self.at();
        self.jobs[job].present()?.with_seat(index, provider, |job, lease, i| {
            let late = at.passed(lease.seats[i].commit_by, lease.seats[i].slot, job.terms.lease_seconds);
            let seat = &mut lease.seats[i];
            if seat.state != SeatState::Leased || late {
                return Err("not leased or too late");
            }
            (seat.state, seat.slot, seat.result) = (SeatState::Committed, at.slot, result);
            if job.terms.private {
                // Nobody else could compute it, so nobody draws it.
                seat.draw = Draw::Passed;
            }
            job.complete(lease, at);
            Ok(())
        })
    }

    /// `reveal_result`, with the key or without.
    pub fn reveal_result(&mut self, job: usize, index: u32, provider: usize, key: bool) -> Result<(), Refused> {
        let at = self.at();
        self.jobs[job].present()?.with_seat(index, provider, |job, lease, i| {
            let seat = &lease.seats[i];
            if seat.state != SeatState::Committed || seat.silent || lease.reveal_by == 0 {
                return Err("not committed, or others have yet to");
            }
            lease.seats[i].state = SeatState::Revealed;
            if !lease.awaits_reveals() {
                job.judge(lease, at);
            }
            if key {
                if lease.state != LeaseState::Agreed || lease.seats[i].state != SeatState::Revealed {
                    return Err("a key too early");
                }
                job.open(&mut lease.seats[i], at);
            }
            Ok(())
        })
    }

    /// `open_result`.
    pub fn open_result(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let at = self.at();
        self.jobs[job].with_seat(index, provider, |job, lease, i| {
            if !lease.is_decided() || lease.seats[i].state != SeatState::Revealed {
                return Err("not agreed or not revealed");
            }
            job.open(&mut lease.seats[i], at);
            Ok(())
        })
    }

    /// `settle_lease`.
    pub fn settle_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let at = self.at();
        let j = self.jobs[job].present()?;
        let (seat, pay, units) = j.with_seat(index, provider, |job, lease, i| {
            if !lease.is_decided() || lease.seats[i].state != SeatState::Opened {
                return Err("not agreed or not opened");
            }
            if lease.seats[i].answer_by != 0 || at.now < lease.seats[i].payable_at {
                return Err("its outputs are in doubt");
            }
            if lease.state == LeaseState::Agreed {
                lease.state = LeaseState::Settled;
                job.settled.insert(index);
                job.settled_units += lease.units;
                job.owed += lease.active().map(Seat::due).sum::<u64>();
                job.owed_seats += lease.active().count() as u32;
                job.end_contest(lease);
            }
            let seat = lease.seats.remove(i);
            job.owed -= seat.due();
            job.owed_seats -= 1;
            job.paid += seat.bonds;
            let mut pay = seat.pay;
            match seat.kind {
                // Those who were called to decide are paid by those who were wrong; if the module is, by its client.
                Kind::Dispute if seat.from_rest => {
                    pay = pay.min(job.reserve);
                    job.reserve -= pay;
                    job.audits_paid += pay;
                    job.paid += pay;
                }
                Kind::Dispute if lease.awards < pay => return Err("awards are missing"),
                Kind::Dispute => lease.awards -= pay,
                _ => {
                    job.paid += pay;
                    job.audits_paid += if seat.from_reserve { pay } else { 0 };
                }
            }
            let all = pay + seat.bonds;
            job.escrow -= all;
            Ok((seat, all, lease.units))
        })?;
        let (market, private) = (j.market, j.terms.private);
        if j.leases[&index].seats.is_empty() {
            j.leases.remove(&index);
        }
        let p = &mut self.providers[provider];
        p.vault += pay;
        p.earned += pay;
        p.total_earned += pay;
        if !private {
            p.leases_settled += 1;
            p.units_settled += units;
        }
        p.open_leases -= 1;
        p.locked -= seat.lock;
        if seat.confirmed {
            let fee = share(pay.into(), market.fee_bps);
            let burned = fee - share(fee, market.treasury_bps);
            p.reputation.confirm(at.now, burned as u64, market.credit_fee);
        }
        Ok(())
    }

    /// `slash_seat`.
    pub fn slash_seat(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let at = self.at();
        let private = self.jobs[job].terms.private;
        let (seat, awarded) = self.jobs[job].with_seat(index, provider, |job, lease, i| {
            if lease.seats[i].state != SeatState::Convicted {
                return Err("not convicted");
            }
            let seat = lease.seats.remove(i);
            let awarded = if job.gone { 0 } else { seat.pay };
            lease.awards += awarded;
            job.escrow += awarded;
            Ok((seat, awarded))
        })?;
        self.total_stake -= awarded;
        self.slashed.0 += awarded;
        self.slashed.1 += seat.lock - awarded;
        let p = &mut self.providers[provider];
        p.vault -= awarded;
        p.to_burn += seat.lock - awarded;
        p.stake -= seat.lock;
        p.locked -= seat.lock;
        p.slashed += seat.lock;
        p.open_leases -= 1;
        if !private {
            p.reputation.fault(at.now, at.slot);
        }
        Ok(())
    }

    /// `draw_audit`.
    pub fn draw_audit(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let (at, reputation, key) = (self.at(), self.providers[provider].reputation, self.providers[provider].key);
        let hashes = &self.hashes;
        self.jobs[job].present()?.with_seat(index, provider, |job, lease, i| {
            if job.over(at.now) && !lease.contested {
                return Err("over");
            }
            let seat = &lease.seats[i];
            if lease.state != LeaseState::Open || seat.state != SeatState::Committed || seat.kind == Kind::Dispute {
                return Err("not committed, or not drawn at all");
            }
            let at_fault = reputation.fault_slot != 0 && reputation.fault_slot >= seat.slot;
            // Who was found at fault since is looked at after all, where nobody would: while nothing was drawn or shown.
            let unseen = !lease.drawn && lease.group != Kind::Dispute && !lease.has(SeatState::Revealed);
            let again = seat.draw == Draw::Passed && at_fault && unseen && !job.terms.private;
            if seat.draw != Draw::Waiting && !again {
                return Err("already drawn");
            }
            job.draw(lease, index, i, (&key, reputation.consecutive, at_fault), hashes, at)
        })
    }
}
