//! Runs one history on the program and on the model.

use std::collections::BTreeMap;

use anchor_lang::{AnchorDeserialize, Discriminator, prelude::Pubkey};
use tessera::events;

use super::{Op, choose::random};
use crate::{
    call::Snapshot,
    compare::compare,
    invariants::invariants,
    model::{Draw, Kind, Lease, Model, Seat, SeatState},
    rng::Rng,
    world::{Job, World},
};

/// Accounts that may be exchanged without harm: where tokens go, which of two may sign, which of its jobs a client cancels,
/// which job is seeded, whose draw is read; and the escrow of a job that is gone, into which nothing goes.
const FREE: [(&str, &str); 6] = [
    ("withdraw_treasury", "to"),
    ("withdraw_earnings", "signer"),
    ("cancel_job", "job"),
    ("seed_job", "job"),
    ("draw_audit", "provider"),
    ("slash_seat", "escrow"),
];

/// How often each kind of operation was done and refused, and how often each end of a round, of a seat and of a job was
/// reached: what shows that histories go everywhere.
pub type Tally = BTreeMap<String, u64>;

/// Runs the history of `seed` from `world`, in which `model` is true.
///
/// # Errors
/// What went wrong, with the history that led there.
pub fn run(mut world: World, mut model: Model, seed: u64) -> Result<Tally, String> {
    let mut history = History::begin(&mut world, &mut model, seed);
    let wallets = history.wallets(&world);
    let result = history.play(&mut world, &mut model).and_then(|()| history.finish(&mut world, &mut model, &wallets));
    match result {
        Ok(()) => Ok(history.tally),
        Err(what) => Err(format!("seed {seed}: {what}\nhistory:\n{}", history.log.join("\n"))),
    }
}

/// Plays the history of `seed` as [`run`] does, and leaves off before its end. Returns what is there then, and the jobs.
///
/// # Errors
/// As [`run`].
pub fn leave_off(mut world: World, mut model: Model, seed: u64) -> Result<(World, Vec<Job>), String> {
    let mut history = History::begin(&mut world, &mut model, seed);
    history.play(&mut world, &mut model)?;
    Ok((world, history.jobs))
}

#[derive(Default)]
pub(super) struct History {
    pub(super) rng: Rng,
    pub(super) jobs: Vec<Job>,
    log: Vec<String>,
    strangers: Vec<Pubkey>,
    tally: Tally,
    /// Parts of lost locks that were awarded, and that burn.
    pub(super) slashed: (u64, u64),
}

/// An event of one type.
fn decode<E: AnchorDeserialize + Discriminator>(event: &[u8]) -> Option<E> {
    event
        .strip_prefix(E::DISCRIMINATOR)
        .map(|mut body| E::deserialize(&mut body).expect("an event of this type decodes"))
}

/// Addresses that stand where they do not belong.
fn strangers(world: &World) -> Vec<Pubkey> {
    let mut keys = vec![world.market, world.treasury, world.mint, world.authority, world.payer];
    for provider in &world.providers {
        keys.extend([provider.authority, provider.operator, provider.address, provider.vault, provider.tokens]);
    }
    for client in &world.clients {
        keys.extend([client.wallet, client.address, client.tokens]);
    }
    keys
}

impl History {
    fn begin(world: &mut World, model: &mut Model, seed: u64) -> Self {
        (world.hashes.seed, world.hashes.skips) = (seed, true);
        world.write_hashes();
        model.hashes = world.hashes.clone();
        Self { rng: Rng::new(seed), strangers: strangers(world), ..Self::default() }
    }

    fn play(&mut self, world: &mut World, model: &mut Model) -> Result<(), String> {
        for _ in 0..self.rng.between(80, 140) {
            let op = random(&mut self.rng, model);
            let disturb = self.rng.one_in(5);
            self.step(world, model, &op, disturb)?;
        }
        Ok(())
    }

    /// Does `op` on both sides and compares them. A disturbed instruction has to fail, whatever it is.
    pub(super) fn step(&mut self, world: &mut World, model: &mut Model, op: &Op, disturb: bool) -> Result<(), String> {
        let mut expected = model.clone();
        let mut verdict = op.apply(&mut expected);
        match *op {
            _ if verdict.is_err() => {}
            Op::Advance(seconds) => world.advance(seconds),
            Op::Leap(seconds) => world.leap(seconds),
            Op::GiveToVault(client, provider, amount) => {
                let (client, vault) = (world.clients[client], world.providers[provider].vault);
                world.transfer_tokens(client.tokens, vault, client.wallet, amount);
            }
            Op::GiveToEscrow(client, job, amount) => {
                let (client, escrow) = (world.clients[client], self.jobs[job].escrow);
                world.transfer_tokens(client.tokens, escrow, client.wallet, amount);
            }
            _ => {}
        }
        let written = self.write_answer(world, op);
        let before = Snapshot::of(world);
        let new_job =
            if let Op::Post(client, terms) = op { Some(world.next_job(world.clients[*client], terms)) } else { None };
        let mut line = format!("  {:>6} {op:?}", model.now - crate::world::START);
        if let Some(mut call) = op.call(world, &self.jobs) {
            if disturb {
                let names = call.account_names().to_vec();
                let name = *self.rng.pick(&names);
                let stranger = *self.rng.pick(&self.strangers);
                let signer = call.is_signer(name);
                if signer && self.rng.one_in(3) {
                    call = call.unsigned(name);
                    verdict = Err("unsigned");
                } else if call.account(name) != stranger
                    && !self.may_stand_there(name, stranger)
                    && !FREE.contains(&(call.name, name))
                {
                    line += &format!(" with {name} = {stranger}");
                    call = call.replace(name, stranger);
                    verdict = Err("a stranger's account");
                }
            }
            let sent = call.send();
            line += if sent.is_ok() { " ok" } else { " refused" };
            self.log.push(line);
            match (verdict, sent) {
                (Ok(()), Ok(sent)) => {
                    self.count_turn(model, &expected);
                    *model = expected;
                    self.count(op.kind());
                    for event in sent.events() {
                        self.count_event(&event);
                    }
                    self.jobs.extend(new_job);
                    if let Some(job) = new_job {
                        self.strangers.extend([job.address, job.escrow, job.lease(0), job.lease(1)]);
                    }
                }
                (Err(_), Err(_)) => {
                    self.count(&format!("{} refused", op.kind()));
                    let changes = before.changes(world);
                    if !changes.is_empty() {
                        return Err(format!("a refused instruction changed {changes:?}"));
                    }
                }
                (Ok(()), Err(failed)) => {
                    return Err(format!(
                        "refused with {:?}, expected success\n{}",
                        failed.err,
                        failed.meta.logs.join("\n")
                    ));
                }
                (Err(reason), Ok(sent)) => {
                    return Err(format!("went through, expected a refusal: {reason}\n{}", sent.0.logs.join("\n")));
                }
            }
        } else {
            self.log.push(line);
            if verdict.is_ok() {
                *model = expected;
                self.count(op.kind());
            }
        }
        if let Some((payer, answer)) = written.filter(|(_, answer)| world.exists(*answer)) {
            world.drop_answer(payer, answer).ok();
        }
        compare(world, model, &self.jobs)?;
        invariants(world, &self.jobs)
    }

    /// Writes what an answer consists of, whether it is asked for or not. Returns who pays for it, and its address.
    fn write_answer(&self, world: &mut World, op: &Op) -> Option<(Pubkey, Pubkey)> {
        let Op::Answer(job, index, provider, result) = *op else { return None };
        let (job, p) = (self.jobs[job], world.providers[provider]);
        world.seat(job, index, p)?;
        Some((p.operator, world.write_result(job, index, p, p.operator, result)))
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    fn count_event(&mut self, event: &[u8]) {
        if event.starts_with(events::LeaseAgreed::DISCRIMINATOR) {
            self.count("agreed");
        } else if event.starts_with(events::LeaseReopened::DISCRIMINATOR) {
            self.count("reopened");
        } else if event.starts_with(events::LeaseVoided::DISCRIMINATOR) {
            self.count("undecided");
        } else if let Some(event) = decode::<events::SeatsOpened>(event) {
            self.count(if event.kind == 1 { "audit" } else { "dispute" });
        } else if let Some(event) = decode::<events::ResultDrawn>(event) {
            self.count(["", "draw passed", "draw: the reserve pays", "draw: the seat pays"][usize::from(event.draw)]);
        } else if let Some(event) = decode::<events::SeatSlashed>(event) {
            self.slashed.0 += event.awarded;
            self.slashed.1 += event.burned;
            self.count(if event.awarded > 0 { "slashed for others" } else { "slashed" });
        } else if event.starts_with(events::ChunkWithheld::DISCRIMINATOR) {
            self.count("withheld a chunk");
        } else if let Some(event) = decode::<events::LeaseSettled>(event) {
            self.count(["paid as asked", "paid for an audit", "paid for a vote"][usize::from(event.kind)]);
        } else if let Some(event) = decode::<events::LeaseExpired>(event) {
            self.count(&format!("departure {:?}", event.departure));
        }
    }

    /// Counts what no event tells.
    fn count_turn(&mut self, before: &Model, after: &Model) {
        let drawn =
            |lease: &Lease| lease.seats.iter().filter(|seat| matches!(seat.draw, Draw::Reserve | Draw::Seat)).count();
        let leases = |model: &Model| -> Vec<(usize, u32, Lease)> {
            let jobs = model.jobs.iter().enumerate();
            jobs.flat_map(|(i, job)| job.leases.iter().map(move |(k, lease)| (i, *k, lease.clone()))).collect()
        };
        for (job, index, then) in leases(before) {
            let seats = after.jobs[job].leases.get(&index).map(|lease| &lease.seats);
            let left = |seat: &&Seat| seats.is_none_or(|seats| seats.iter().all(|now| now.attempt != seat.attempt));
            let bonds = then.seats.iter().filter(left).any(|seat| seat.bonds > 0);
            if bonds && after.jobs[job].paid > before.jobs[job].paid {
                self.count("paid with bonds");
            }
        }
        for (then, now) in before.jobs.iter().zip(&after.jobs).filter(|(then, _)| then.terms.private) {
            if now.paid > then.paid {
                self.count("paid in private");
            }
            let seats = |leases: &BTreeMap<u32, Lease>, state| {
                leases.values().flat_map(|lease| &lease.seats).filter(|seat| seat.state == state).count()
            };
            for (state, what) in [(SeatState::Convicted, "withheld in private"), (SeatState::Late, "silent in private")]
            {
                if seats(&now.leases, state) > seats(&then.leases, state) {
                    self.count(what);
                }
            }
        }
        for (job, index, now) in leases(after) {
            let Some(then) = before.jobs[job].leases.get(&index) else { continue };
            let silent = |lease: &Lease| lease.seats.iter().any(|seat| seat.silent);
            if silent(&now) && !silent(then) {
                self.count("silenced");
            }
            if now.group == Kind::Audit && then.group == Kind::Audit && now.rounds > then.rounds {
                // A draw of the auditor calls the next one; without one the auditor has gone.
                self.count(if then.audit_due || drawn(&now) > drawn(then) {
                    "audit of an audit"
                } else {
                    "audit called again"
                });
            }
            if now.opened_at == 0 && now.rounds == then.rounds && now.seed_slot > then.seed_slot {
                self.count("seed missed");
            }
            if now.exhausted && !then.exhausted {
                self.count(&format!("exhausted {:?}", now.group));
            }
            let by_rest = |lease: &Lease| lease.seats.iter().any(|seat| seat.from_rest);
            if by_rest(&now) && !by_rest(then) {
                self.count("void by vote");
            }
            let again = |now: &Seat| {
                let passed = |then: &Seat| (then.attempt, then.draw) == (now.attempt, Draw::Passed);
                now.draw == Draw::Seat && then.seats.iter().any(passed)
            };
            if now.seats.iter().any(again) {
                self.count("drawn after all");
            }
            let confirmed = |lease: &Lease| lease.seats.iter().filter(|seat| seat.confirmed).count();
            if confirmed(&now) > confirmed(then) {
                self.count("confirmed");
            }
        }
    }

    /// A provider may have a seat in several leases of a job, and means whichever it names.
    fn may_stand_there(&self, name: &str, stranger: Pubkey) -> bool {
        name == "lease" && self.jobs.iter().any(|job| (0..job.leases).any(|index| job.lease(index) == stranger))
    }

    /// Does what must be possible now.
    pub(super) fn must(&mut self, world: &mut World, model: &mut Model, op: Op) -> Result<(), String> {
        op.apply(&mut model.clone()).map_err(|reason| format!("{op:?} must be possible at the end, but: {reason}"))?;
        self.step(world, model, &op, false)
    }

    fn wallets(&self, world: &World) -> Vec<(Pubkey, u64)> {
        let clients = world.clients.iter().map(|client| client.wallet);
        let providers = world.providers.iter().flat_map(|provider| [provider.authority, provider.operator]);
        clients.chain(providers).chain([world.authority]).map(|wallet| (wallet, world.lamports(wallet))).collect()
    }
}
