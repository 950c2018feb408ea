//! Jobs: posting, changing, ending.

use std::collections::{BTreeMap, BTreeSet};

use tessera_protocol::seeds;

use super::{Job, Model, Refused, chance::reserved_audits, draw::AHEAD, share};
use crate::{
    terms::{JobTerms, MarketTerms},
    world::pda,
};

/// A year.
const LONGEST_JOB: i64 = 31_536_000;
/// Providers that a job may name.
const MOST_LISTED: usize = 16;
/// A week.
const LONGEST_CHALLENGE: u32 = 604_800;

/// What `units` cost at a price, and what is set aside for their audits.
fn work_and_reserve(price: u64, units: u64, terms: &JobTerms, market: &MarketTerms) -> Option<(u64, u64)> {
    let work = u128::from(price).checked_mul(u128::from(units))?.checked_mul(u128::from(terms.replicas))?;
    if terms.private {
        // Nobody will audit it.
        return Some((u64::try_from(work).ok()?, 0));
    }
    let per_lease = u64::from(terms.units_per_lease);
    let audits = reserved_audits(market, units.div_ceil(per_lease), terms.replicas);
    let reserve = u128::from(price).checked_mul(u128::from(units.min(per_lease)))?.checked_mul(audits)?;
    Some((u64::try_from(work).ok()?, u64::try_from(reserve).ok()?))
}

impl Model {
    /// `post_job` with everything but money and deadline inside its bounds.
    pub fn post_job(&mut self, client: usize, terms: JobTerms) -> Result<usize, Refused> {
        if self.paused {
            return Err("paused");
        }
        if terms.allowed.len() + terms.denied.len() > MOST_LISTED {
            return Err("too many names");
        }
        if terms.requirements.memory_mib > self.market.max_memory_mib || terms.challenge_seconds > LONGEST_CHALLENGE {
            return Err("too much memory, or too long a challenge");
        }
        if terms.private && (terms.replicas != 1 || terms.allowed.is_empty()) {
            return Err("private, but for several replicas or for everybody");
        }
        let cost = work_and_reserve(terms.price_per_unit, terms.units, &terms, &self.market);
        let (work, reserve) = cost.ok_or("overflow")?;
        let both = u128::from(work) + u128::from(reserve);
        let deposited = u64::try_from(both + share(both, self.market.fee_bps)).map_err(|_| "overflow")?;
        if terms.price_per_unit == 0 || deposited > self.clients[client].tokens {
            return Err("zero price or too little money");
        }
        let number = self.clients[client].jobs.to_le_bytes();
        let job = Job {
            client,
            key: pda(&[seeds::JOB, &self.clients[client].key, &number]).to_bytes(),
            market: self.market,
            cancelled: false,
            gone: false,
            posted_at: self.now,
            // Nobody is ranked, so a private job waits for no hash.
            seed: terms.private.then_some(([0; 32], self.now)),
            seed_slot: if terms.private { self.slot() } else { self.slot() + AHEAD },
            deadline: self.now + terms.seconds,
            price: terms.price_per_unit,
            deposited,
            paid: 0,
            owed: 0,
            owed_seats: 0,
            audit_reserve: reserve,
            reserve,
            audits_paid: 0,
            contested: 0,
            escrow: deposited,
            settled: BTreeSet::new(),
            settled_units: 0,
            leases: BTreeMap::new(),
            terms,
        };
        if job.longest() > job.terms.seconds || job.terms.seconds > LONGEST_JOB {
            return Err("deadline too near or too far");
        }
        self.clients[client].tokens -= deposited;
        self.clients[client].jobs += 1;
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
        let (work, reserve) = work_and_reserve(add_price, units, &job.terms, &job.market).ok_or("overflow")?;
        let both = u128::from(work) + u128::from(reserve);
        // Rounded up, so that the fee on the whole job is covered whatever was rounded down before.
        let added = both + (both * u128::from(job.market.fee_bps)).div_ceil(10_000);
        let added = u64::try_from(added).map_err(|_| "overflow")?;
        if added > wallets[job.client].tokens {
            return Err("too little money");
        }
        job.deposited = job.deposited.checked_add(added).ok_or("overflow")?;
        wallets[job.client].tokens -= added;
        job.audit_reserve += reserve;
        job.reserve += reserve;
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
        let vacant = |index: &u32| j.leases.get(index).is_none_or(|lease| lease.active().next().is_none());
        let all_vacant = j.cancelled && shown == unsettled && unsettled.iter().all(vacant);
        if j.gone || j.owed > 0 || j.owed_seats > 0 || j.contested > 0 || !(complete || j.over(self.now) || all_vacant)
        {
            return Err("gone, owed, contested or not at its end");
        }
        let fee = share(u128::from(j.paid), j.market.fee_bps) as u64;
        let treasury = share(u128::from(fee), j.market.treasury_bps) as u64;
        let refund = j.escrow.checked_sub(fee).ok_or("escrow too small: a hole in the protocol")?;
        let client = j.client;
        self.treasury += treasury;
        self.burned += fee - treasury;
        self.clients[client].tokens += refund;
        let j = &mut self.jobs[job];
        j.escrow = 0;
        j.gone = true;
        Ok(())
    }
}
