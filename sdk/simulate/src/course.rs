//! From the commit to the verdict: draws, audits, reveals, disputes.

use tessera_protocol::{
    audit::{self, Funding},
    chance::Chance,
    verdict::{self, Kind, Verdict},
};

use crate::{
    lease::{Lease, State},
    provider,
    scenario::{PAY, READABLE_SLOTS, SECOND, SLOT, Strategy, WINDOW},
    story::{Draw, Reading, Step},
    world::{Event, World},
};

impl World<'_> {
    pub(crate) fn finish(&mut self, lease: &mut Lease, place: usize) -> bool {
        let slot = self.slot();
        let seat = &mut lease.seats[place];
        self.tally.work(seat.kind, f64::from(lease.index) / f64::from(self.scenario.leases));
        self.providers[seat.provider].ledger.cost += seat.answer.cost as i64;
        if self.now >= seat.commit_by {
            seat.state = State::Expired;
            lease.steps.push(Step::Expired(place));
            self.expire(lease, place);
            lease.group.pending -= 1;
            // A contested lease asks nobody again who has not come: what is missing then, it asks for in a new group.
            if lease.is_contested() {
                return self.filled(lease);
            }
            let missing = lease.group.missing + 1;
            return self.open(lease, Kind::Base, missing);
        }
        seat.state = State::Committed(slot);
        lease.steps.push(Step::Committed(place));
        self.committed(seat.provider, seat.answer.cheats);
        if seat.kind == Kind::Dispute {
            lease.group.pending -= 1;
            return self.filled(lease);
        }
        // The provider reads its draw; mostly the client or somebody else does too.
        let draw = audit::draw_slot(slot) * SLOT;
        let own = draw + Self::delay(self.scenario, &mut self.rng, &self.providers[seat.provider]);
        let read = if self.rng.f64() < 0.9 { own.min(draw + self.rng.u64(1..60) * SECOND) } else { own };
        self.at(read, Event::Draw(lease.index, place));
        true
    }

    pub(crate) fn draw(&mut self, lease: &mut Lease, place: usize) -> bool {
        let scenario = self.scenario;
        let seat = lease.seats[place];
        let State::Committed(committed) = seat.state else { unreachable!("only commits are drawn") };
        let provider = &self.providers[seat.provider];
        let faulted = audit::reopened(committed, provider.reputation.fault_slot);
        let history = provider.reputation.consecutive;
        let chance = match seat.kind {
            _ if faulted => Some(Chance::ONE),
            Kind::Base => audit::chance(&scenario.audit, PAY, seat.lock, history),
            _ => audit::deterring(&scenario.audit, PAY, seat.lock),
        };
        let chance = chance.expect("the default lock deters");
        let slot = audit::draw_slot(committed);
        let missed = !faulted && self.slot() > slot + READABLE_SLOTS;
        let sample =
            (!missed).then(|| audit::sample(&self.slot_hash(slot), &[0; 32], lease.index, place as u32, &provider.key));
        let drawn = audit::drawn(chance, sample);
        if seat.answer.cheats && !missed {
            let surprise = f64::from(drawn) - chance.units() as f64 / Chance::ONE.units() as f64;
            // Copiers and framers are found out without a draw.
            let found = match scenario.strategy {
                Strategy::Copying | Strategy::Framing => 0.0,
                _ => 1.0 - scenario.share,
            };
            self.providers[seat.provider].ledger.luck += surprise * found * provider::at_stake(seat.lock);
        }
        self.tally.missed += u64::from(missed);
        let calls = if drawn { self.fund(lease, place, chance, missed) } else { None };
        let reading = match (faulted, missed) {
            (true, _) => Reading::Fault,
            (false, true) => Reading::Missed,
            (false, false) => Reading::Hash(chance, drawn),
        };
        lease.steps.push(Step::Drawn(place, Draw { reading, history, calls }));
        lease.group.pending -= 1;
        self.filled(lease)
    }

    /// A seat is to be audited; says who pays, if it is the first of its group.
    fn fund(&mut self, lease: &mut Lease, place: usize, chance: Chance, missed: bool) -> Option<Funding> {
        lease.drawn = true;
        if lease.audit_due {
            return None;
        }
        lease.audit_due = true;
        let funding = audit::funding(&self.scenario.audit, chance, missed, self.reserve, PAY);
        lease.seats[place].drawn = Some(funding);
        if funding == Funding::Reserve {
            self.reserve -= PAY;
            lease.reserve_paid += PAY;
            self.tally.reserve_paid += PAY;
        } else {
            self.tally.self_funded += 1;
        }
        Some(funding)
    }

    /// Goes on once all seats of the group have been committed and drawn.
    pub(crate) fn filled(&mut self, lease: &mut Lease) -> bool {
        if lease.group.missing > 0 || lease.group.pending > 0 {
            return true;
        }
        if !lease.is_contested() {
            let reopened = lease.seats.iter().position(|seat| {
                let fault = self.providers[seat.provider].reputation.fault_slot;
                matches!(seat.state, State::Committed(slot) if audit::reopened(slot, fault))
            });
            if let Some(place) = reopened {
                let calls = self.fund(lease, place, Chance::ONE, false);
                let history = self.providers[lease.seats[place].provider].reputation.consecutive;
                lease.steps.push(Step::Drawn(place, Draw { reading: Reading::Fault, history, calls }));
            }
        }
        let due = core::mem::take(&mut lease.audit_due);
        if due || lease.group.opening.kind == Kind::Audit && lease.audit_lapsed() {
            return self.open(lease, Kind::Audit, 1);
        }
        self.reveal(lease)
    }

    fn reveal(&mut self, lease: &mut Lease) -> bool {
        let mut last = self.now;
        for seat in lease
            .seats
            .iter_mut()
            .filter(|seat| matches!(seat.state, State::Committed(_)) && !seat.revealed && !seat.silent)
        {
            let shown = seat.answer.root.is_some() && (seat.answer.shown_if_drawn || !lease.drawn);
            let delay = Self::delay(self.scenario, &mut self.rng, &self.providers[seat.provider]);
            // Somebody closes the window as soon as it is over.
            seat.revealed = shown && delay <= WINDOW;
            last = last.max(self.now + if seat.revealed { delay } else { WINDOW });
        }
        self.at(last, Event::Judge(lease.index));
        true
    }

    pub(crate) fn judge(&mut self, lease: &mut Lease) -> bool {
        lease.steps.push(Step::Judged);
        let seats: Vec<verdict::Seat> = lease.judged().into_iter().map(|(_, seat)| seat).collect();
        match verdict::verdict(&self.scenario.audit, &seats) {
            Verdict::More(more) if lease.seats.len() < self.providers.len() => {
                lease.seats.iter_mut().for_each(|seat| seat.silent = !seat.revealed);
                return self.open(lease, Kind::Dispute, more);
            }
            Verdict::More(_) => self.end(lease, verdict::without_more(&seats)),
            Verdict::Silent => {
                self.settle(lease, Verdict::Silent);
                lease
                    .seats
                    .iter_mut()
                    .filter(|seat| seat.state != State::Expired)
                    .for_each(|seat| seat.state = State::Gone);
                lease.drawn = false;
                return self.open(lease, Kind::Base, self.scenario.replicas);
            }
            end => self.end(lease, end),
        }
        false
    }

    fn end(&mut self, lease: &mut Lease, verdict: Verdict) {
        self.settle(lease, verdict);
        if let Some(sampler) = &mut self.sampler {
            sampler.consider(self.scenario, &self.providers, lease, verdict);
        }
    }
}
