//! Leases: how seats are taken and left.

use super::{At, Draw, Job, Kind, Lease, LeaseState, Model, Refused, Seat, SeatState};

/// Seats in a lease account.
const MOST_SEATS: usize = 96;

impl Job {
    /// The job, if it is not gone.
    pub(super) fn present(&mut self) -> Result<&mut Self, Refused> {
        if self.gone { Err("the job is gone") } else { Ok(self) }
    }

    /// Does something to a lease.
    pub(super) fn with<T>(
        &mut self,
        index: u32,
        f: impl FnOnce(&mut Self, &mut Lease) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut lease = self.leases.remove(&index).ok_or("no such lease")?;
        let result = f(self, &mut lease);
        self.leases.insert(index, lease);
        result
    }

    /// Does something to the seat of a provider.
    pub(super) fn with_seat<T>(
        &mut self,
        index: u32,
        provider: usize,
        f: impl FnOnce(&mut Self, &mut Lease, usize) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.with(index, |job, lease| {
            let seat = lease.seat(provider).ok_or("no such seat")?;
            f(job, lease, seat)
        })
    }

    /// A lease that nobody has claimed yet.
    fn begin(&self, index: u32, opener: usize) -> Result<Lease, Refused> {
        let (seed, seeded_at) = self.seed.ok_or("the job has no seed")?;
        let units = self.units_of(index);
        Ok(Lease {
            state: LeaseState::Open,
            group: Kind::Base,
            opener,
            units,
            claims: 0,
            missing: self.terms.replicas,
            wanted: self.terms.replicas,
            rounds: 0,
            audit_due: false,
            drawn: false,
            contested: false,
            exhausted: false,
            call: 0,
            window_slot: 0,
            opened_at: seeded_at,
            reveal_by: 0,
            open_by: 0,
            pay: self.price * units,
            awards: 0,
            seed_slot: self.seed_slot,
            seed,
            result: None,
            seats: Vec::new(),
        })
    }
}

impl Lease {
    /// Takes a seat out. Somebody else may take its place, but not where the lease is contested.
    fn leave(&mut self, i: usize) -> Seat {
        let seat = self.seats.remove(i);
        let awaited = matches!(seat.state, SeatState::Leased | SeatState::Committed);
        if awaited && self.state == LeaseState::Open && !self.contested {
            self.missing += 1;
        }
        seat
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

    /// What a job lets its client decide about who takes base seats, and its market.
    fn may_take_base(&self, job: &Job, lease: &Lease, provider: usize) -> Result<(), Refused> {
        let p = &self.providers[provider];
        let named = |list: &[anchor_lang::prelude::Pubkey]| list.iter().any(|key| key.to_bytes() == p.key);
        if self.paused || job.cancelled && lease.active().next().is_none() {
            return Err("paused or cancelled");
        }
        if !job.terms.allowed.is_empty() && !named(&job.terms.allowed) || named(&job.terms.denied) {
            return Err("not listed");
        }
        if p.stake < self.market.min_stake {
            return Err("too little stake");
        }
        if p.open_leases >= self.market.max_open_leases || self.now + job.longest() > job.deadline {
            return Err("open leases or deadline");
        }
        Ok(())
    }

    /// `claim_lease`.
    pub fn claim_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let (at, j, p) = (self.at(), &self.jobs[job], &self.providers[provider]);
        if j.gone || index >= j.lease_count() || j.settled.contains(&index) {
            return Err("gone, no such lease or settled");
        }
        let lease = j.leases.get(&index).map_or_else(|| j.begin(index, provider), |lease| Ok(lease.clone()))?;
        if !lease.gathers() || lease.seat(provider).is_some() {
            return Err("decided, revealing or already in it");
        }
        if lease.missing == 0 || lease.seats.len() >= MOST_SEATS || lease.opened_at == 0 {
            return Err("full or without a seed");
        }
        let base = lease.group == Kind::Base;
        if base {
            self.may_take_base(j, &lease, provider)?;
        }
        let pay = if base { j.price * lease.units } else { lease.pay };
        let bond = pay * u64::from(j.market.expiry_bond_bps) / 10_000;
        let lock = if j.terms.private { bond } else { pay * u64::from(j.market.lock_multiple) };
        // A quarter of the stake, rounded up, stays free of base seats.
        let most = if base { p.stake - p.stake.div_ceil(4) } else { p.stake };
        if p.locked + lock > most {
            return Err("too much of its stake is locked");
        }
        self.admit(j, &lease, index, provider)?;
        let p = &mut self.providers[provider];
        p.open_leases += 1;
        p.locked += lock;
        let j = &mut self.jobs[job];
        let commit_by = at.now + i64::from(j.terms.lease_seconds);
        let lease = j.leases.entry(index).or_insert(lease);
        lease.seats.push(Seat {
            provider,
            kind: lease.group,
            state: SeatState::Leased,
            draw: Draw::Waiting,
            attempt: lease.claims,
            pay,
            commit_by,
            lock,
            bond,
            slot: at.slot,
            result: 0,
            confirmed: false,
            from_reserve: false,
            from_rest: false,
            silent: false,
            payable_at: 0,
            answer_by: 0,
            demand: 0,
            demands: 0,
            bonds: 0,
        });
        lease.claims += 1;
        lease.missing -= 1;
        Ok(())
    }

    /// `return_lease`.
    pub fn return_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let (at, market) = (self.at(), self.market);
        let (seat, waited) = self.jobs[job].with_seat(index, provider, |job, lease, i| {
            let seat = &lease.seats[i];
            let late = at.passed(seat.commit_by, seat.slot, job.terms.lease_seconds);
            let free = seat.kind == Kind::Base && !lease.contested;
            match seat.state {
                SeatState::Leased if free && !late => {}
                SeatState::Committed if free && seat.draw == Draw::Passed && lease.reveal_by == 0 => {}
                _ => return Err("not to be returned"),
            }
            let wait = seat.slot + u64::from(job.terms.lease_seconds);
            let seat = lease.leave(i);
            let waited = seat.state == SeatState::Committed && at.slot >= wait;
            Ok((seat, waited))
        })?;
        let p = &mut self.providers[provider];
        p.open_leases -= 1;
        p.locked -= seat.lock;
        if waited {
            return Ok(());
        }
        // Each free return comes back after its share of the time, the first one used first.
        let each = i64::from(market.returns_seconds).checked_div(i64::from(market.free_returns));
        let back = each.map(|each| p.returns_full_at.max(at.now) + each.max(1));
        match back.filter(|back| *back <= at.now + i64::from(market.returns_seconds)) {
            Some(back) => p.returns_full_at = back,
            None => self.lose(provider, seat.bond),
        }
        Ok(())
    }

    /// `expire_lease`.
    pub fn expire_lease(&mut self, job: usize, index: u32, provider: usize) -> Result<(), Refused> {
        let at = self.at();
        let private = self.jobs[job].terms.private;
        let (seat, late) = self.jobs[job].with_seat(index, provider, |job, lease, i| {
            let late = job.leaves(lease, &lease.seats[i], at)?;
            let seat = lease.leave(i);
            if !job.gone {
                job.seat_left(lease, &seat, at);
            }
            Ok((seat, late))
        })?;
        let p = &mut self.providers[provider];
        p.open_leases -= 1;
        p.locked -= seat.lock;
        if late {
            if !private {
                p.reputation.expiry(at.now);
            }
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

impl Job {
    /// What changes for a lease when a seat has left it unpaid.
    fn seat_left(&mut self, lease: &mut Lease, seat: &Seat, at: At) {
        if lease.state == LeaseState::Settled && seat.is_active() {
            self.owed -= seat.due();
            self.owed_seats -= 1;
        }
        if seat.from_reserve && seat.is_active() {
            self.reserve += seat.pay;
        }
        if lease.state == LeaseState::Agreed && lease.active().next().is_none() {
            self.reopen(lease, at);
        } else {
            self.complete(lease, at);
        }
    }

    /// Whether a seat leaves late, or without blame.
    fn leaves(&self, lease: &Lease, seat: &Seat, at: At) -> Result<bool, Refused> {
        let over = self.over(at.now) && !lease.contested;
        let opened = at.passed(lease.open_by, lease.window_slot, self.market.reveal_seconds);
        match seat.state {
            SeatState::Late => Ok(true),
            SeatState::Released => Ok(false),
            SeatState::Convicted => Err("convicted"),
            _ if self.gone => Ok(false),
            SeatState::Leased if at.passed(seat.commit_by, seat.slot, self.terms.lease_seconds) => Ok(true),
            SeatState::Revealed if lease.is_decided() && opened => Ok(true),
            SeatState::Leased | SeatState::Committed | SeatState::Revealed if over => Ok(false),
            // The awards may never come.
            SeatState::Opened if seat.kind == Kind::Dispute && opened => {
                if seat.from_rest || lease.awards >= seat.pay || seat.answer_by != 0 {
                    return Err("it can be paid, or something is demanded of it");
                }
                let graced = at.now > lease.open_by + i64::from(self.market.grace_seconds);
                if graced { Ok(false) } else { Err("in its grace") }
            }
            _ => Err("window still open"),
        }
    }
}
