//! A story step by step.

use tessera::state::{self, Draw as Drawn, LeaseState, SeatState};
use tessera_protocol::{audit::Funding, constants::AUDIT_SLOTS, verdict::Kind};
use tessera_simulate::{
    Story,
    story::{Draw, Reading, Said, Step},
};

use super::stage::{LEASE, job_terms};
use crate::{
    call::{Call, Sent},
    compare::Difference,
    world::{Job, LATE, Lease, Provider, SEEDED, World},
};

/// Slots after which no hash can be read any more.
const READABLE: u64 = 512;
/// How close to its chance a sample is, as a part of it.
const CLOSE: u128 = 64;

/// A story on its way.
pub(super) struct Replay<'a> {
    pub(super) world: World,
    pub(super) story: &'a Story,
    /// The job of which one lease is played.
    pub(super) job: Job,
    /// Who has the seats.
    pub(super) providers: Vec<Provider>,
    /// Confirmed results of each before the story, or just before its draw.
    pub(super) history: Vec<u32>,
    /// Instructions that were sent.
    pub(super) sent: u64,
    /// Compute units that they took.
    pub(super) compute_units: u64,
}

/// Compares something on chain with what the simulation says.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, chain: T, simulation: T) -> Result<(), Difference> {
    if chain == simulation {
        return Ok(());
    }
    Err(format!("{what}: the program has {chain:?}, the simulation {simulation:?}"))
}

impl<'a> Replay<'a> {
    pub(super) fn new(world: World, story: &'a Story) -> Self {
        let job = world.next_job(world.clients[0], &job_terms(story));
        let history = vec![0; story.seats.len()];
        Self { world, story, job, providers: Vec::new(), history, sent: 0, compute_units: 0 }
    }

    /// Sends an instruction, which must go through.
    pub(super) fn send(&mut self, call: impl for<'w> FnOnce(&'w mut World) -> Call<'w>) -> Result<Sent, Difference> {
        let call = call(&mut self.world);
        let name = call.name;
        let sent = call.send().map_err(|refused| format!("{name} was refused: {:?}", refused.err))?;
        self.sent += 1;
        self.compute_units += sent.compute_units();
        Ok(sent)
    }

    /// Plays all of it, and compares the books.
    pub(super) fn play(&mut self) -> Result<(), Difference> {
        self.begin()?;
        for step in &self.story.steps {
            self.step(*step)?;
        }
        self.compare()
    }

    /// Registers whoever takes a seat, before anything has a seed that their stake would be too late for; posts the job.
    fn begin(&mut self) -> Result<(), Difference> {
        for seat in &self.story.seats {
            let provider = self.world.new_provider(seat.provider, seat.stake);
            self.send(|world| world.register_provider(provider))?;
            self.send(|world| world.add_stake(provider, seat.stake))?;
            self.world.providers.push(provider);
            self.providers.push(provider);
        }
        let (job, terms) = (self.job, job_terms(self.story));
        self.world.advance(1);
        self.send(|world| world.post_job(job.client, &terms))?;
        self.world.advance_past(self.world.slot() + AUDIT_SLOTS);
        self.send(|world| world.seed_job(job))?;
        Ok(())
    }

    fn lease(&self) -> Result<Lease, Difference> {
        self.world.load(self.job.lease(LEASE)).ok_or_else(|| "the lease is gone".into())
    }

    /// Lets time pass until everybody may take a seat of the open group.
    fn wait_for_turn(&mut self) {
        let (opened_at, wait) = match self.lease() {
            Ok(lease) if lease.group() == Kind::Base => (lease.opened_at, SEEDED),
            Ok(lease) => (lease.opened_at, LATE),
            Err(_) => (self.world.load::<state::Job>(self.job.address).map_or(0, |job| job.seeded_at), SEEDED),
        };
        self.world.set_time(self.world.now().max(opened_at + wait));
    }

    fn step(&mut self, step: Step) -> Result<(), Difference> {
        let job = self.job;
        match step {
            Step::Opened(kind, wanted) => {
                let lease = self.lease()?;
                let waits = (lease.state, lease.opened_at, lease.reveal_by) == (LeaseState::Open, 0, 0);
                same("whether seats wait for their seed", waits, true)?;
                same("seats that are asked for", (lease.group, lease.missing), (kind as u8, wanted))?;
                self.world.advance_past(lease.seed_slot);
                self.send(|world| world.seed_lease(job, LEASE))?;
            }
            Step::Claimed(place) => {
                let provider = self.providers[place];
                self.wait_for_turn();
                self.send(|world| world.claim_lease(job, LEASE, provider))?;
                // So that one may be late and the next in time.
                self.world.advance(2);
            }
            Step::Committed(place) => {
                let (provider, result) = (self.providers[place], self.result(place));
                self.send(|world| world.commit_result(job, LEASE, provider, result))?;
            }
            Step::Expired(place) => {
                let provider = self.providers[place];
                let seat = self.world.seat(job, LEASE, provider).ok_or("a seat that expires is gone")?;
                self.world.set_time(seat.commit_by + 1);
                self.send(|world| world.expire_lease(job, LEASE, provider))?;
            }
            Step::Drawn(place, draw) => self.draw(place, draw)?,
            Step::Judged => {
                self.judge()?;
                self.carry_out()?;
            }
        }
        Ok(())
    }

    /// Number of the result that a seat commits to.
    fn result(&self, place: usize) -> u8 {
        match self.story.seats[place].said {
            Said::Root(number) => number,
            Said::Nothing | Said::Expired => 0,
        }
    }

    /// Has a draw read as it was in the simulation. The program finds the chance by itself: the sample is chosen so close to it
    /// that another chance would be seen.
    fn draw(&mut self, place: usize, draw: Draw) -> Result<(), Difference> {
        let (job, provider, Draw { reading, history, calls }) = (self.job, self.providers[place], draw);
        let seat = self.world.seat(job, LEASE, provider).ok_or("a seat that is drawn is gone")?;
        let slot = seat.slot + AUDIT_SLOTS;
        match reading {
            Reading::Hash(chance, drawn) => {
                let least = u128::from(chance.units()) << 32;
                let close = least / CLOSE;
                let range = if drawn { least - close..least } else { least..least + close };
                self.world.choose_sample(job, LEASE, provider, |sample| range.contains(&u128::from(sample)));
                self.world.advance_past(slot);
            }
            Reading::Missed => self.world.advance_past(slot + READABLE),
            Reading::Fault => {}
        }
        let now = self.world.slot();
        self.history[place] = history;
        self.world.change_provider(provider, |account| {
            account.consecutive = history;
            if reading == Reading::Fault {
                account.fault_slot = now;
            }
        });
        self.send(|world| world.draw_audit(job, LEASE, provider))?;
        let drawn = self.world.seat(job, LEASE, provider).map(|seat| seat.draw);
        let expected = match calls {
            None => Drawn::Passed,
            Some(Funding::Reserve) => Drawn::Reserve,
            Some(Funding::Seat) => Drawn::Seat,
        };
        same("what a draw has called", drawn, Some(expected as u8))?;
        let certain = !matches!(reading, Reading::Hash(_, false));
        same("whether a lease is drawn", !certain || self.lease()?.drawn != 0, true)
    }

    /// Has everybody reveal who will, and the window closed if somebody does not.
    fn judge(&mut self) -> Result<(), Difference> {
        let job = self.job;
        for (place, provider) in self.providers.clone().into_iter().enumerate() {
            let Said::Root(result) = self.story.seats[place].said else { continue };
            let seat = self.world.seat(job, LEASE, provider);
            if seat.is_some_and(|seat| seat.state() == SeatState::Committed) {
                self.send(|world| world.reveal_result(job, LEASE, provider, result))?;
            }
        }
        let by = self.lease()?.reveal_by;
        if by != 0 {
            self.world.set_time(by + 1);
            self.send(|world| world.advance_lease(job, LEASE))?;
        }
        Ok(())
    }

    /// Carries out what was decided: locks are taken, late and released seats leave, the others open and are paid.
    fn carry_out(&mut self) -> Result<(), Difference> {
        let job = self.job;
        let lease = self.lease()?;
        let agreed = lease.state == LeaseState::Agreed;
        if agreed {
            let right =
                self.story.root.map(|root| self.world.work(job, LEASE, self.providers[0], root).reveal.result_root);
            same("the right root", Some(lease.result_root), right)?;
        }
        let of = |state: SeatState| {
            let has = |provider: &Provider| {
                lease.seats.iter().any(|seat| seat.provider == provider.address && seat.state() == state)
            };
            self.providers.iter().copied().filter(has).collect::<Vec<_>>()
        };
        let (convicted, late, released) = (of(SeatState::Convicted), of(SeatState::Late), of(SeatState::Released));
        let revealed = of(SeatState::Revealed);
        for provider in convicted {
            self.send(|world| world.slash_seat(job, LEASE, provider))?;
        }
        for provider in late.into_iter().chain(released) {
            self.send(|world| world.expire_lease(job, LEASE, provider))?;
        }
        if agreed {
            for provider in revealed {
                self.send(|world| world.open_result(job, LEASE, provider))?;
                self.send(|world| world.settle_lease(job, LEASE, provider))?;
            }
        }
        Ok(())
    }
}
