//! Leases and their seats.

use super::{Job, Lease, LeaseState, Model, Refused, Seat, SeatState};
use crate::world::START;

/// Seats in a lease account, rejected ones included.
const MOST_SEATS: usize = 24;

/// Slots until `now`, at 400 ms each.
fn slot(now: i64) -> u64 {
    ((now - START) * 5 / 2) as u64
}

impl Job {
    fn complete_set(&self, lease: &Lease) -> bool {
        lease.active().count() == usize::from(self.terms.replicas)
    }

    fn lease_of(&mut self, index: u32, provider: usize) -> Result<(&mut Lease, usize), Refused> {
        let lease = self.leases.get_mut(&index).ok_or("no such lease")?;
        let seat = lease.seat(provider).ok_or("no such seat")?;
        Ok((lease, seat))
    }

    /// Opens a lease again if an agreed one lost its last seat, and ends revealing if nobody is left to reveal.
    fn after_loss(&mut self, index: u32) {
        let Some(lease) = self.leases.get_mut(&index) else { return };
        if lease.state == LeaseState::Agreed && lease.active().next().is_none() {
            lease.state = LeaseState::Open;
            lease.open_by = 0;
        }
        if lease.seats.iter().all(|seat| seat.state != SeatState::Committed) {
            lease.reveal_by = 0;
        }
    }
}

impl Model {
    /// A bond is lost.
    fn lose(&mut self, provider: usize, bond: u64) {
        let p = &mut self.providers[provider];
        p.stake -= bond;
        p.to_burn += bond;
        p.lost += bond;
    }

    /// `claim_lease`.
    pub fn claim_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let (now, paused, market) = (self.now, self.paused, self.market);
        let (j, p) = (&mut self.jobs[job], &mut self.providers[provider]);
        if j.gone || paused || index >= j.lease_count() || j.settled.contains(&index) {
            return Err("gone, paused, no such lease or settled");
        }
        let units = j.units_of(index);
        if let Some(lease) = j.leases.get(&index) {
            if lease.state != LeaseState::Open
                || lease.seat(provider).is_some()
                || lease.rejected() + usize::from(j.terms.replicas) > MOST_SEATS
            {
                return Err("agreed, already in it or no room");
            }
            if j.complete_set(lease) || lease.reveal_by != 0 || (j.cancelled && lease.active().next().is_none()) {
                return Err("full or cancelled");
            }
        } else if j.cancelled {
            return Err("cancelled");
        }
        if p.stake < market.min_stake || p.open_leases >= market.max_open_leases || now + j.longest() > j.deadline {
            return Err("stake, open leases or deadline");
        }
        let pay = j.price * units;
        let lock = pay * u64::from(j.market.lock_multiple);
        let bond = (pay * u64::from(j.market.expiry_bond_bps) / 10_000).min(lock);
        // A quarter of the stake, rounded up, stays free.
        if p.locked + lock > p.stake - p.stake.div_ceil(4) {
            return Err("too much stake is locked");
        }
        p.open_leases += 1;
        p.locked += lock;
        let lease = j.leases.entry(index).or_insert(Lease {
            state: LeaseState::Open,
            opener: provider,
            units,
            claims: 0,
            rounds: 0,
            reveal_by: 0,
            open_by: 0,
            seats: Vec::new(),
        });
        lease.seats.push(Seat {
            provider,
            state: SeatState::Leased,
            attempt: lease.claims,
            pay,
            commit_by: now + i64::from(j.terms.lease_seconds),
            lock,
            bond,
            committed_at: 0,
            result: 0,
        });
        lease.claims += 1;
        Ok(())
    }

    /// `commit_result` of a result whose root is called `result`.
    pub fn commit_result(&mut self, job: usize, index: u32, provider: usize, result: u8) -> Result<(), Refused> {
        let now = self.now;
        let j = &mut self.jobs[job];
        if j.gone {
            return Err("gone");
        }
        let (replicas, window) = (usize::from(j.terms.replicas), i64::from(j.market.reveal_seconds));
        let (lease, at) = j.lease_of(index, provider)?;
        let seat = &mut lease.seats[at];
        if seat.state != SeatState::Leased || now > seat.commit_by {
            return Err("not leased or too late");
        }
        seat.state = SeatState::Committed;
        seat.committed_at = now;
        seat.result = result;
        if lease.active().count() == replicas && lease.active().all(|seat| seat.state != SeatState::Leased) {
            lease.reveal_by = now + window;
        }
        Ok(())
    }

    /// `reveal_result`, with the key or without.
    pub fn reveal_result(&mut self, job: usize, index: u32, provider: usize, key: bool) -> Result<(), Refused> {
        let now = self.now;
        let j = &mut self.jobs[job];
        if j.gone || (key && j.terms.replicas != 1) {
            return Err("gone, or a key with replicas");
        }
        let (window, replicas) = (i64::from(j.market.reveal_seconds), usize::from(j.terms.replicas));
        let (lease, at) = j.lease_of(index, provider)?;
        if lease.seats[at].state != SeatState::Committed || lease.reveal_by == 0 {
            return Err("not committed or replicas missing");
        }
        lease.seats[at].state = SeatState::Revealed;
        if lease.seats.iter().all(|seat| seat.state != SeatState::Committed) {
            lease.reveal_by = 0;
        }
        if lease.active().count() == replicas && lease.active().all(|seat| seat.state == SeatState::Revealed) {
            let result = lease.seats[at].result;
            if lease.active().all(|seat| seat.result == result) {
                lease.state = LeaseState::Agreed;
                lease.open_by = now + window;
                if key {
                    lease.seats[at].state = SeatState::Opened;
                }
            } else {
                lease.rounds += 1;
                lease.seats.iter_mut().for_each(|seat| seat.state = SeatState::Rejected);
            }
        }
        Ok(())
    }

    /// `open_result`.
    pub fn open_result(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let j = &mut self.jobs[job];
        let (lease, at) = j.lease_of(index, provider)?;
        if lease.state == LeaseState::Open || lease.seats[at].state != SeatState::Revealed {
            return Err("not agreed or not revealed");
        }
        lease.seats[at].state = SeatState::Opened;
        Ok(())
    }

    /// `settle_lease`.
    pub fn settle_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let j = &mut self.jobs[job];
        if j.gone {
            return Err("gone");
        }
        let (lease, at) = j.lease_of(index, provider)?;
        if lease.state == LeaseState::Open || lease.seats[at].state != SeatState::Opened {
            return Err("not agreed or not opened");
        }
        let first = lease.state == LeaseState::Agreed;
        lease.state = LeaseState::Settled;
        let seat = lease.seats.remove(at);
        let (units, others) = (lease.units, lease.active().map(|seat| seat.pay).sum::<u64>());
        if lease.seats.is_empty() {
            j.leases.remove(&index);
        }
        if first {
            j.settled.insert(index);
            j.settled_units += units;
            j.owed += others;
        } else {
            j.owed -= seat.pay;
        }
        j.paid += seat.pay;
        j.escrow -= seat.pay;
        let p = &mut self.providers[provider];
        p.vault += seat.pay;
        p.earned += seat.pay;
        p.total_earned += seat.pay;
        p.leases_settled += 1;
        p.units_settled += units;
        p.open_leases -= 1;
        p.locked -= seat.lock;
        Ok(())
    }

    /// `return_lease`.
    pub fn return_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let (now, market) = (self.now, self.market);
        let j = &mut self.jobs[job];
        let (lease, at) = j.lease_of(index, provider)?;
        let missing = lease.reveal_by == 0;
        match lease.seats[at].state {
            SeatState::Leased if now <= lease.seats[at].commit_by => {}
            SeatState::Committed if missing => {}
            _ => return Err("not to be returned"),
        }
        let seat = lease.seats.remove(at);
        let wait = u64::from(j.terms.lease_seconds);
        let waited = seat.state == SeatState::Committed && slot(now) >= slot(seat.committed_at) + wait;
        j.after_loss(index);
        let p = &mut self.providers[provider];
        p.open_leases -= 1;
        p.locked -= seat.lock;
        if waited {
            return Ok(());
        }
        // Each free return comes back after its share of the time, the first one used first.
        let each = i64::from(market.returns_seconds).checked_div(i64::from(market.free_returns));
        let back = each.map(|each| p.returns_full_at.max(now) + each.max(1));
        match back.filter(|back| *back <= now + i64::from(market.returns_seconds)) {
            Some(back) => p.returns_full_at = back,
            None => self.lose(provider, seat.bond),
        }
        Ok(())
    }

    /// `expire_lease`.
    pub fn expire_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let now = self.now;
        let j = &mut self.jobs[job];
        let (over, gone) = (j.over(now), j.gone);
        let (lease, at) = j.lease_of(index, provider)?;
        let (seat, p) = (lease.seats[at].clone(), &mut self.providers[provider]);
        let before = (p.expired, p.faults);
        let passed = |by: i64| by != 0 && now > by;
        match seat.state {
            SeatState::Leased | SeatState::Committed | SeatState::Revealed if gone => {}
            SeatState::Leased if now > seat.commit_by => p.expired += 1,
            SeatState::Committed if passed(lease.reveal_by) => p.faults += 1,
            SeatState::Leased | SeatState::Committed if over => {}
            SeatState::Revealed if lease.state != LeaseState::Open && passed(lease.open_by) => p.faults += 1,
            SeatState::Revealed if over => {}
            SeatState::Opened if gone => {}
            SeatState::Rejected if lease.state == LeaseState::Settled || over => p.disagreed += 1,
            _ => return Err("window still open"),
        }
        let owed = if lease.state == LeaseState::Settled && seat.state == SeatState::Revealed { seat.pay } else { 0 };
        lease.seats.remove(at);
        j.owed -= owed;
        j.after_loss(index);
        p.open_leases -= 1;
        p.locked -= seat.lock;
        if (p.expired, p.faults) != before {
            self.lose(provider, seat.bond);
        }
        Ok(())
    }

    /// `close_lease`.
    pub fn close_lease(&mut self, job: usize, index: u32) -> Result<(), Refused> {
        let now = self.now;
        let j = &mut self.jobs[job];
        let lease = j.leases.get(&index).ok_or("no such lease")?;
        if !lease.seats.is_empty() || !(lease.state == LeaseState::Settled || j.over(now)) {
            return Err("seats or not over");
        }
        j.leases.remove(&index);
        Ok(())
    }
}
