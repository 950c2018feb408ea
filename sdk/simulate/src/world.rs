//! The world: time, events, and the life of leases from the post to the verdict.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use tessera_protocol::{
    audit::{self, Funding},
    bonds,
    chance::Chance,
    hash::{Digest, sha256},
    routing::{self, Capabilities, Opening, Requirements, Threshold},
    verdict::{self, Kind, Verdict},
};

use crate::{
    lease::{Group, Lease, Seat, State},
    provider::{self, Provider, View},
    scenario::{COMPUTE, PAY, READABLE_SLOTS, SECOND, SLOT, STEP_SECONDS, Scenario, Strategy, UTILISATION, WINDOW},
    tally::Tally,
};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A lease is posted.
    Post(u32),
    /// Somebody tries to take a seat.
    Attempt(u32),
    /// A seat's machine is done, or its window over.
    Finish(u32, usize),
    /// A seat's draw is read, or can no longer be read.
    Draw(u32, usize),
    /// All committed seats have revealed, or their window was closed.
    Judge(u32),
}

/// A running simulation.
pub struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) rng: fastrand::Rng,
    /// Milliseconds since the start.
    pub(crate) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events: u64,
    pub(crate) providers: Vec<Provider>,
    leases: HashMap<u32, Lease>,
    /// What is left of the job's audit reserve.
    pub(crate) reserve: u64,
    pub(crate) tally: Tally,
}

impl<'a> World<'a> {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(scenario: &'a Scenario) -> Self {
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let providers = provider::population(scenario, &mut rng);
        let reserve = audit::reserve(&scenario.audit, PAY, scenario.leases, scenario.replicas);
        let reserve = reserve.expect("the simulated pay is small");
        Self {
            scenario,
            rng,
            now: SECOND * 1_000,
            queue: BinaryHeap::new(),
            events: 0,
            providers,
            leases: HashMap::new(),
            reserve,
            tally: Tally { reserve, ..Tally::default() },
        }
    }

    /// Runs until every lease is settled, and returns what was counted and each provider's books.
    #[must_use]
    pub fn run(mut self) -> (Tally, Vec<Provider>) {
        self.at(self.now, Event::Post(0));
        while let Some(Reverse((at, _, event))) = self.queue.pop() {
            self.now = at;
            match event {
                Event::Post(index) => self.post(index),
                Event::Attempt(index) => self.with(index, Self::attempt),
                Event::Finish(index, seat) => self.with(index, |world, lease| world.finish(lease, seat)),
                Event::Draw(index, seat) => self.with(index, |world, lease| world.draw(lease, seat)),
                Event::Judge(index) => self.with(index, Self::judge),
            }
        }
        assert!(self.leases.is_empty(), "every lease ends");
        assert!(self.providers.iter().all(|provider| provider.locked == 0), "every lock is released or lost");
        assert_eq!(self.tally.slashed, self.tally.awarded + self.tally.burned);
        assert_eq!(self.tally.reserve, self.reserve + self.tally.reserve_paid);
        (self.tally, self.providers)
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((time, self.events, event)));
    }

    /// Calls `f` with a lease and keeps it unless `f` says that it is over.
    fn with(&mut self, index: u32, f: impl FnOnce(&mut Self, &mut Lease) -> bool) {
        if let Some(mut lease) = self.leases.remove(&index)
            && f(self, &mut lease)
        {
            self.leases.insert(index, lease);
        }
    }

    pub(crate) fn slot(&self) -> u64 {
        self.now / SLOT
    }

    pub(crate) fn seconds(&self) -> i64 {
        (self.now / SECOND) as i64
    }

    fn slot_hash(&self, slot: u64) -> Digest {
        sha256(&[b"slot", &self.scenario.seed.to_le_bytes(), &slot.to_le_bytes()])
    }

    /// Time that passes before something a provider sends is on chain: packets are lost and sent again, machines crash.
    fn delay(rng: &mut fastrand::Rng, provider: &Provider) -> u64 {
        let flaky = provider.strategy == Strategy::Flaky;
        let mut delay = rng.u64(400..2_000);
        while rng.f64() < if flaky { 0.05 } else { 0.002 } {
            delay += rng.u64(3..10) * SECOND;
        }
        // A crash, and up to twenty minutes until the machine is back; its journal has what it needs to go on.
        if flaky && rng.f64() < 0.01 {
            delay += rng.u64(30..1_200) * SECOND;
        }
        delay
    }

    fn post(&mut self, index: u32) {
        let scenario = self.scenario;
        if index + 1 < scenario.leases {
            let mean = COMPUTE as f64 * f64::from(scenario.replicas) / (f64::from(scenario.providers) * UTILISATION);
            let gap = -(1.0 - self.rng.f64()).ln() * mean;
            self.at(self.now + gap as u64, Event::Post(index + 1));
        }
        let group = self.group(Kind::Base, scenario.replicas);
        let lease = Lease { index, seats: Vec::new(), group, lie: false, audit_due: false, drawn: false };
        self.leases.insert(index, lease);
        self.with(index, |world, lease| world.open(lease, Kind::Base, scenario.replicas));
    }

    fn group(&self, kind: Kind, wanted: u8) -> Group {
        let opened_at = self.seconds() + 1;
        let active = u64::from(self.scenario.providers);
        let opening = Opening { kind, wanted, active, opened_at, step_seconds: STEP_SECONDS };
        let seed_slot = self.slot();
        Group {
            opening,
            seed: self.slot_hash(seed_slot),
            seed_slot,
            missing: wanted,
            pending: 0,
            seat: 0,
            candidates: BinaryHeap::new(),
        }
    }

    /// Opens seats.
    fn open(&mut self, lease: &mut Lease, kind: Kind, wanted: u8) -> bool {
        let pending = lease.group.pending;
        lease.group = Group { seat: lease.seats.len() as u8, pending, ..self.group(kind, wanted) };
        let Self { rng, providers, .. } = self;
        lease.group.list(lease.index, &lease.seats, providers, |provider| Self::delay(rng, provider));
        self.next_attempt(lease)
    }

    fn next_attempt(&mut self, lease: &mut Lease) -> bool {
        if lease.group.missing > 0 {
            match lease.group.candidates.peek() {
                Some(Reverse((at, _))) => self.at((*at).max(self.now), Event::Attempt(lease.index)),
                // Nobody is left who could: the seats stay empty.
                None => {
                    lease.group.missing = 0;
                    return self.filled(lease);
                }
            }
        }
        true
    }

    fn attempt(&mut self, lease: &mut Lease) -> bool {
        let Some(Reverse((at, who))) = lease.group.candidates.pop() else { return self.next_attempt(lease) };
        if at > self.now || lease.group.missing == 0 {
            lease.group.candidates.push(Reverse((at, who)));
            return self.next_attempt(lease);
        }
        if self.claim(lease, who) {
            lease.group.missing -= 1;
            lease.group.pending += 1;
        } else {
            let again = self.providers[who].busy_until.max(self.now + 2 * SECOND) + self.rng.u64(0..2_000);
            lease.group.candidates.push(Reverse((again, who)));
        }
        self.next_attempt(lease)
    }

    fn claim(&mut self, lease: &mut Lease, who: usize) -> bool {
        let (scenario, now) = (self.scenario, self.seconds());
        let kind = lease.group.opening.kind;
        let provider = &self.providers[who];
        let lock = scenario.lock();
        if provider.busy_until > self.now || !bonds::may_lock(provider.stake, provider.locked, lock, kind) {
            return false;
        }
        let call = lease.group.call(scenario, lease.index);
        let standing = provider.standing(now);
        let (any, has) = (Requirements::default(), Capabilities::default());
        if routing::admit(&call, &provider.key, &has, &standing, &any, &Threshold::default(), now).is_err() {
            return false;
        }
        let view = View {
            lease: lease.index,
            kind,
            lie: lease.lie,
            others: lease.seats.iter().any(|seat| matches!(seat.state, State::Committed(_))),
        };
        let strategy = provider.strategy;
        let answer = provider::answer(strategy, scenario.rate, &view, &mut self.rng);
        lease.lie |= answer.cheats && matches!(strategy, Strategy::Colluding | Strategy::Framing | Strategy::Sybil);
        // Cheating takes as long as work, which hides it and costs the cheater nothing else.
        let compute = (COMPUTE as f64 * (0.8 + 0.4 * self.rng.f64())) as u64;
        let mut done = self.now + compute + Self::delay(&mut self.rng, &self.providers[who]);
        if strategy == Strategy::Flaky && self.rng.f64() < 0.01 {
            done += self.rng.u64(30..1_200) * SECOND + compute;
        }
        let provider = &mut self.providers[who];
        provider.busy_until = done;
        provider.locked += lock;
        let commit_by = self.now + WINDOW;
        lease.seats.push(Seat {
            provider: who,
            kind,
            answer,
            lock,
            commit_by,
            state: State::Claimed,
            revealed: false,
            silent: false,
            drawn: None,
        });
        self.at(done.min(commit_by), Event::Finish(lease.index, lease.seats.len() - 1));
        true
    }

    fn finish(&mut self, lease: &mut Lease, place: usize) -> bool {
        let slot = self.slot();
        let seat = &mut lease.seats[place];
        self.tally.work(seat.kind, f64::from(lease.index) / f64::from(self.scenario.leases));
        self.providers[seat.provider].ledger.cost += seat.answer.cost as i64;
        if self.now >= seat.commit_by {
            seat.state = State::Expired;
            self.expire(seat.provider, seat.lock);
            let (kind, missing) = (lease.group.opening.kind, lease.group.missing + 1);
            lease.group.pending -= 1;
            return self.open(lease, kind, missing);
        }
        seat.state = State::Committed(slot);
        self.committed(seat.provider, seat.answer.cheats);
        if seat.kind == Kind::Dispute {
            lease.group.pending -= 1;
            return self.filled(lease);
        }
        // The provider reads its draw; mostly the client or somebody else does too.
        let draw = audit::draw_slot(slot) * SLOT;
        let own = draw + Self::delay(&mut self.rng, &self.providers[seat.provider]);
        let read = if self.rng.f64() < 0.9 { own.min(draw + self.rng.u64(1..60) * SECOND) } else { own };
        self.at(read, Event::Draw(lease.index, place));
        true
    }

    fn draw(&mut self, lease: &mut Lease, place: usize) -> bool {
        let scenario = self.scenario;
        let seat = lease.seats[place];
        let State::Committed(committed) = seat.state else { unreachable!("only commits are drawn") };
        let provider = &self.providers[seat.provider];
        let chance = match seat.kind {
            Kind::Base => audit::chance(&scenario.audit, PAY, seat.lock, provider.reputation.consecutive),
            _ => audit::deterring(&scenario.audit, PAY, seat.lock),
        };
        let chance = chance.expect("the default lock deters");
        let slot = audit::draw_slot(committed);
        let missed = self.slot() > slot + READABLE_SLOTS;
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
        if drawn {
            self.fund(lease, place, chance, missed);
        }
        lease.group.pending -= 1;
        self.filled(lease)
    }

    /// A seat is to be audited; says who pays.
    fn fund(&mut self, lease: &mut Lease, place: usize, chance: Chance, missed: bool) {
        let funding = audit::funding(&self.scenario.audit, chance, missed, self.reserve, PAY);
        lease.drawn = true;
        if !lease.audit_due {
            lease.audit_due = true;
            lease.seats[place].drawn = Some(funding);
            if funding == Funding::Reserve {
                self.reserve -= PAY;
                self.tally.reserve_paid += PAY;
            } else {
                self.tally.self_funded += 1;
            }
        }
    }

    /// Goes on once all seats of the group have been committed and drawn.
    fn filled(&mut self, lease: &mut Lease) -> bool {
        if lease.group.missing > 0 || lease.group.pending > 0 {
            return true;
        }
        if !lease.drawn {
            let reopened = lease.seats.iter().position(|seat| {
                let fault = self.providers[seat.provider].reputation.fault_slot;
                matches!(seat.state, State::Committed(slot) if audit::reopened(slot, fault))
            });
            if let Some(place) = reopened {
                self.fund(lease, place, Chance::ONE, false);
            }
        }
        if core::mem::take(&mut lease.audit_due) {
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
            let delay = Self::delay(&mut self.rng, &self.providers[seat.provider]);
            // Somebody closes the window as soon as it is over.
            seat.revealed = shown && delay <= WINDOW;
            last = last.max(self.now + if seat.revealed { delay } else { WINDOW });
        }
        self.at(last, Event::Judge(lease.index));
        true
    }

    fn judge(&mut self, lease: &mut Lease) -> bool {
        let seats: Vec<verdict::Seat> = lease.judged().into_iter().map(|(_, seat)| seat).collect();
        match verdict::verdict(&self.scenario.audit, &seats) {
            Verdict::More(more) if lease.seats.len() < self.providers.len() => {
                lease.seats.iter_mut().for_each(|seat| seat.silent = !seat.revealed);
                self.open(lease, Kind::Dispute, more);
            }
            Verdict::More(_) => {
                self.settle(lease, Verdict::Undecided);
                return false;
            }
            end => {
                self.settle(lease, end);
                return false;
            }
        }
        true
    }
}
