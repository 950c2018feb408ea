//! Jobs: posting, changing, ending.

use std::collections::{BTreeMap, BTreeSet};

use super::{Job, Model, Refused, SeatState, share};
use crate::terms::JobTerms;

/// A year.
const LONGEST_JOB: i64 = 31_536_000;

/// Work and fee of units at a price.
fn cost(price: u64, units: u64, replicas: u8, fee_bps: u16) -> Option<u64> {
    let work = u128::from(price).checked_mul(u128::from(units))?.checked_mul(u128::from(replicas))?;
    u64::try_from(work.checked_add(share(work, fee_bps))?).ok()
}

impl Model {
    /// `post_job` with everything but money and deadline inside its bounds.
    pub fn post_job(&mut self, client: usize, terms: JobTerms) -> Result<usize, Refused> {
        if self.paused {
            return Err("paused");
        }
        let deposited =
            cost(terms.price_per_unit, terms.units, terms.replicas, self.market.fee_bps).ok_or("overflow")?;
        if terms.price_per_unit == 0 || deposited > self.clients[client] {
            return Err("zero price or too little money");
        }
        let job = Job {
            client,
            market: self.market,
            cancelled: false,
            gone: false,
            posted_at: self.now,
            deadline: self.now + terms.seconds,
            price: terms.price_per_unit,
            deposited,
            paid: 0,
            owed: 0,
            escrow: deposited,
            settled: BTreeSet::new(),
            settled_units: 0,
            leases: BTreeMap::new(),
            terms,
        };
        if job.longest() > job.terms.seconds || job.terms.seconds > LONGEST_JOB {
            return Err("deadline too near or too far");
        }
        self.clients[client] -= deposited;
        self.jobs.push(job);
        Ok(self.jobs.len() - 1)
    }

    /// `top_up_job`.
    pub fn top_up_job(&mut self, job: usize, add_seconds: u32, add_price: u64) -> Result<(), Refused> {
        let (now, wallets) = (self.now, &mut self.clients);
        let job = &mut self.jobs[job];
        let deadline = job.deadline + i64::from(add_seconds);
        if job.gone || job.cancelled || now > job.deadline || (add_seconds == 0 && add_price == 0) {
            return Err("over or nothing to do");
        }
        if deadline > job.posted_at + LONGEST_JOB {
            return Err("too far");
        }
        let price = job.price.checked_add(add_price).ok_or("overflow")?;
        let units = job.terms.units - job.settled_units;
        let work = u128::from(add_price) * u128::from(units) * u128::from(job.terms.replicas);
        // Rounded up, so that the fee on the whole job is covered whatever was rounded down before.
        let added = work + (work * u128::from(job.market.fee_bps)).div_ceil(10_000);
        let added = u64::try_from(added).map_err(|_| "overflow")?;
        if added > wallets[job.client] {
            return Err("too little money");
        }
        job.deposited = job.deposited.checked_add(added).ok_or("overflow")?;
        wallets[job.client] -= added;
        job.escrow += added;
        job.price = price;
        job.deadline = deadline;
        Ok(())
    }

    /// `cancel_job`.
    pub fn cancel_job(&mut self, job: usize) -> Result<(), Refused> {
        let now = self.now;
        let job = &mut self.jobs[job];
        if job.gone || job.cancelled || now > job.deadline {
            return Err("not open or over");
        }
        job.cancelled = true;
        job.deadline = job.deadline.min(now + 2 * job.longest());
        Ok(())
    }

    /// The leases whose addresses `close_job` wants to see in the cancelled `job`.
    #[must_use]
    pub fn unsettled(&self, job: usize) -> Vec<u32> {
        let job = &self.jobs[job];
        (0..job.lease_count()).filter(|index| !job.settled.contains(index)).collect()
    }

    /// `close_job`; `shown` are the leases shown vacant.
    pub fn close_job(&mut self, job: usize, shown: &[u32]) -> Result<(), Refused> {
        let complete = self.jobs[job].settled.len() as u32 == self.jobs[job].lease_count();
        let unsettled = self.unsettled(job);
        let j = &self.jobs[job];
        let vacant = |index: &u32| {
            j.leases.get(index).is_none_or(|lease| lease.seats.iter().all(|seat| seat.state == SeatState::Rejected))
        };
        let all_vacant = j.cancelled && shown == unsettled && unsettled.iter().all(vacant);
        if j.gone || j.owed > 0 || !(complete || j.over(self.now) || all_vacant) {
            return Err("gone, owed or not at its end");
        }
        let fee = share(u128::from(j.paid), j.market.fee_bps) as u64;
        let treasury = share(u128::from(fee), j.market.treasury_bps) as u64;
        let refund = j.escrow.checked_sub(fee).ok_or("escrow too small: a hole in the protocol")?;
        let client = j.client;
        self.treasury += treasury;
        self.burned += fee - treasury;
        self.clients[client] += refund;
        let j = &mut self.jobs[job];
        j.escrow = 0;
        j.gone = true;
        Ok(())
    }
}
