//! The world: time, events, and the life of leases from the post to the verdict.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use tessera_protocol::{
    audit, bonds,
    hash::{Digest, sha256},
    routing::{self, Capabilities, Opening, Requirements, Threshold},
    verdict::Kind,
};

use crate::{
    lease::{Group, Lease, Seat, State},
    provider::{self, Provider, View},
    sample::Sampler,
    scenario::{COMPUTE, LOCKS, PAY, SECOND, SLOT, STEP_SECONDS, Scenario, Strategy, UTILISATION, WINDOW},
    story::{Outcome, Step, Story},
    tally::Tally,
};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
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
    /// Keeps some of the leases, where that is asked for.
    pub(crate) sampler: Option<Sampler>,
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
            sampler: None,
        }
    }

    /// Runs until every lease is settled, and returns what was counted and each provider's books.
    #[must_use]
    pub fn run(mut self) -> (Tally, Vec<Provider>) {
        self.play();
        (self.tally, self.providers)
    }

    /// Runs until every lease is settled, and returns `count` of them: of each kind that there is, the rarest first.
    #[must_use]
    pub fn sample(mut self, count: usize) -> Vec<Story> {
        self.sampler = Some(Sampler::new(self.scenario.seed, count));
        self.play();
        self.sampler.map(Sampler::stories).unwrap_or_default()
    }

    fn play(&mut self) {
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
    }

    pub(crate) fn at(&mut self, time: u64, event: Event) {
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

    pub(crate) fn slot_hash(&self, slot: u64) -> Digest {
        sha256(&[b"slot", &self.scenario.seed.to_le_bytes(), &slot.to_le_bytes()])
    }

    /// Time that passes before something a provider sends is on chain: packets are lost and sent again, machines crash.
    pub(crate) fn delay(scenario: &Scenario, rng: &mut fastrand::Rng, provider: &Provider) -> u64 {
        let flaky = provider.strategy == Strategy::Flaky;
        let mut delay = rng.u64(400..2_000);
        while rng.f64() < if flaky { 0.05 } else { 0.002 } {
            delay += rng.u64(3..10) * SECOND;
        }
        // A crash, and a while until the machine is back; its journal has what it needs to go on.
        if flaky && rng.f64() < scenario.crashes {
            delay += rng.u64(30..scenario.outage) * SECOND;
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
        let lease = Lease::new(index, group);
        self.leases.insert(index, lease);
        self.with(index, |world, lease| world.open(lease, Kind::Base, scenario.replicas));
    }

    fn group(&self, kind: Kind, wanted: u8) -> Group {
        let opened_at = self.seconds() + 1;
        let cap = self.scenario.lock() * LOCKS;
        // Everybody has full weight.
        let stake = cap.saturating_mul(self.scenario.providers.into());
        let opening = Opening { kind, wanted, stake, opened_at, step_seconds: STEP_SECONDS };
        let seed_slot = self.slot();
        Group {
            opening,
            cap,
            seed: self.slot_hash(seed_slot),
            seed_slot,
            missing: wanted,
            pending: 0,
            seat: 0,
            candidates: BinaryHeap::new(),
        }
    }

    /// Opens seats.
    pub(crate) fn open(&mut self, lease: &mut Lease, kind: Kind, wanted: u8) -> bool {
        if kind != Kind::Base {
            lease.steps.push(Step::Opened(kind, wanted));
        }
        let pending = lease.group.pending;
        lease.group = Group { seat: lease.seats.len() as u8, pending, ..self.group(kind, wanted) };
        let Self { scenario, rng, providers, .. } = self;
        lease.group.list(lease.index, &lease.seats, providers, |provider| Self::delay(scenario, rng, provider));
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
        let call = lease.group.call(lease.index);
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
        let mut done = self.now + compute + Self::delay(scenario, &mut self.rng, &self.providers[who]);
        if strategy == Strategy::Flaky && self.rng.f64() < scenario.crashes {
            done += self.rng.u64(30..scenario.outage) * SECOND + compute;
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
            outcome: Outcome::default(),
        });
        lease.steps.push(Step::Claimed(lease.seats.len() - 1));
        self.at(done.min(commit_by), Event::Finish(lease.index, lease.seats.len() - 1));
        true
    }
}
