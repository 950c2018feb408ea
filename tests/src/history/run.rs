//! Runs one history on the program and on the model.

use std::collections::BTreeMap;

use anchor_lang::{AnchorDeserialize, Discriminator, prelude::Pubkey};
use tessera::events;

use super::{Op, random};
use crate::{
    call::Snapshot,
    compare::{compare, invariants},
    model::{LeaseState, Model, SeatState},
    rng::Rng,
    world::{Job, World},
};

/// Accounts that may be exchanged without harm: where tokens go, which of two may sign, which of its jobs a client cancels.
const FREE: [(&str, &str); 3] = [("withdraw_treasury", "to"), ("withdraw_earnings", "signer"), ("cancel_job", "job")];

/// How often each kind of operation was done and refused, and how often each end of a round, of a seat and of a job was
/// reached: what shows that histories go everywhere.
pub type Tally = BTreeMap<String, u64>;

/// Runs the history of `seed` from `world`, in which `model` is true.
///
/// # Errors
/// What went wrong, with the history that led there.
pub fn run(mut world: World, mut model: Model, seed: u64) -> Result<Tally, String> {
    let mut history = History { rng: Rng::new(seed), ..History::default() };
    let wallets = history.wallets(&world);
    history.strangers = strangers(&world);
    let result = history.play(&mut world, &mut model).and_then(|()| history.finish(&mut world, &mut model, &wallets));
    match result {
        Ok(()) => Ok(history.tally),
        Err(what) => Err(format!("seed {seed}: {what}\nhistory:\n{}", history.log.join("\n"))),
    }
}

#[derive(Default)]
struct History {
    rng: Rng,
    jobs: Vec<Job>,
    log: Vec<String>,
    strangers: Vec<Pubkey>,
    tally: Tally,
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
    fn play(&mut self, world: &mut World, model: &mut Model) -> Result<(), String> {
        for _ in 0..self.rng.between(50, 90) {
            let op = random(&mut self.rng, model);
            let disturb = self.rng.one_in(5);
            self.step(world, model, &op, disturb)?;
        }
        Ok(())
    }

    /// Does `op` on both sides and compares them. A disturbed instruction has to fail, whatever it is.
    fn step(&mut self, world: &mut World, model: &mut Model, op: &Op, disturb: bool) -> Result<(), String> {
        let mut expected = model.clone();
        let mut verdict = op.apply(&mut expected);
        match *op {
            _ if verdict.is_err() => {}
            Op::Advance(seconds) => world.advance(seconds),
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
        compare(world, model, &self.jobs)?;
        invariants(world, &self.jobs)
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    fn count_event(&mut self, event: &[u8]) {
        if event.starts_with(events::LeaseAgreed::DISCRIMINATOR) {
            self.count("agreed");
        } else if event.starts_with(events::LeaseDisagreed::DISCRIMINATOR) {
            self.count("disagreed");
        } else if let Some(mut body) = event.strip_prefix(events::LeaseExpired::DISCRIMINATOR) {
            let departure = events::LeaseExpired::deserialize(&mut body).map(|event| event.departure);
            self.count(&format!("departure {departure:?}"));
        }
    }

    /// A provider may have a seat in several leases of a job, and means whichever it names.
    fn may_stand_there(&self, name: &str, stranger: Pubkey) -> bool {
        name == "lease" && self.jobs.iter().any(|job| (0..job.leases).any(|index| job.lease(index) == stranger))
    }

    /// Does what must be possible now.
    fn must(&mut self, world: &mut World, model: &mut Model, op: Op) -> Result<(), String> {
        op.apply(&mut model.clone()).map_err(|reason| format!("{op:?} must be possible at the end, but: {reason}"))?;
        self.step(world, model, &op, false)
    }

    fn wallets(&self, world: &World) -> Vec<(Pubkey, u64)> {
        let clients = world.clients.iter().map(|client| client.wallet);
        let providers = world.providers.iter().flat_map(|provider| [provider.authority, provider.operator]);
        clients.chain(providers).chain([world.authority]).map(|wallet| (wallet, world.lamports(wallet))).collect()
    }

    /// Brings everything to its end (invariant 8) and counts what is left.
    fn finish(&mut self, world: &mut World, model: &mut Model, wallets: &[(Pubkey, u64)]) -> Result<(), String> {
        let last = model.jobs.iter().map(|job| job.deadline + i64::from(job.market.grace_seconds)).max();
        let wait = last.map_or(0, |last| (last - model.now).max(0)) + 10_000;
        self.must(world, model, Op::Advance(wait))?;
        for job in 0..model.jobs.len() {
            let seats = |model: &Model| -> Vec<(u32, usize, SeatState)> {
                let leases = model.jobs[job].leases.iter();
                leases.flat_map(|(i, lease)| lease.seats.iter().map(|s| (*i, s.provider, s.state))).collect()
            };
            for (index, provider, state) in seats(model) {
                if state != SeatState::Opened {
                    self.must(world, model, Op::Expire(job, index, provider))?;
                } else if !model.jobs[job].gone && self.rng.one_in(2) {
                    self.must(world, model, Op::Settle(job, index, provider))?;
                }
            }
            for (index, provider, _) in seats(model) {
                if model.jobs[job].leases[&index].state == LeaseState::Settled {
                    self.must(world, model, Op::Settle(job, index, provider))?;
                }
            }
            if !model.jobs[job].gone {
                self.must(world, model, Op::CloseJob(job, vec![]))?;
            }
            for (index, provider, _) in seats(model) {
                self.must(world, model, Op::Expire(job, index, provider))?;
            }
            for index in model.jobs[job].leases.keys().copied().collect::<Vec<_>>() {
                self.must(world, model, Op::CloseLease(job, index))?;
            }
        }
        for provider in 0..model.providers.len() {
            if model.providers[provider].stake > 0 {
                let stake = model.providers[provider].stake;
                self.must(world, model, Op::RequestUnstake(provider, stake))?;
            }
        }
        self.must(world, model, Op::Advance(10_000_000))?;
        for provider in 0..model.providers.len() {
            if model.providers[provider].to_burn > 0 {
                self.must(world, model, Op::BurnBonds(provider))?;
            }
            if model.providers[provider].unstaking > 0 {
                self.must(world, model, Op::WithdrawStake(provider))?;
            }
            if model.providers[provider].earned > 0 {
                self.must(world, model, Op::WithdrawEarnings(provider))?;
            }
        }
        if model.treasury > 0 {
            self.must(world, model, Op::WithdrawTreasury(model.treasury))?;
        }
        self.count_what_is_left(world, model, wallets)
    }

    fn count_what_is_left(&self, world: &World, model: &Model, wallets: &[(Pubkey, u64)]) -> Result<(), String> {
        let is = |what: &str, found: u64, expected: u64| {
            if found == expected { Ok(()) } else { Err(format!("at the end {what} is {found}, expected {expected}")) }
        };
        let held = model.providers.iter().map(|p| p.wallet).sum::<u64>() + model.clients.iter().sum::<u64>();
        // What strangers gave to a vault stays there, and nothing else does.
        let vaults = model.providers.iter().map(|p| p.vault).sum::<u64>();
        is("the supply", world.supply(), held + vaults + model.treasury_withdrawn)?;
        is("the treasury", world.tokens(world.treasury), 0)?;
        for job in &self.jobs {
            is("an escrow account", world.lamports(job.escrow), 0)?;
            is("a job account", world.lamports(job.address), 0)?;
            for index in 0..job.leases {
                is("a lease account", world.lamports(job.lease(index)), 0)?;
            }
        }
        for (wallet, lamports) in wallets {
            is(&format!("the SOL of {wallet}"), world.lamports(*wallet), *lamports)?;
        }
        Ok(())
    }
}
