//! The end of a history: everything is brought to its end (invariant 8), and what is left is counted.

use anchor_lang::prelude::Pubkey;

use super::{Op, choose::result, run::History};
use crate::{
    model::{LeaseState, Model, SeatState},
    world::World,
};

/// More steps than the end of a lease takes: every step takes it further, or lets time pass once.
const STEPS: usize = 2_000;

impl History {
    /// Brings everything to its end and counts what is left.
    pub(super) fn finish(
        &mut self,
        world: &mut World,
        model: &mut Model,
        wallets: &[(Pubkey, u64)],
    ) -> Result<(), String> {
        let last = model.jobs.iter().map(|job| job.deadline + i64::from(job.market.grace_seconds)).max();
        let wait = last.map_or(0, |last| (last - model.now).max(0)) + 10_000;
        self.must(world, model, Op::Advance(wait))?;
        for job in 0..model.jobs.len() {
            for index in model.jobs[job].leases.keys().copied().collect::<Vec<_>>() {
                self.end_lease(world, model, job, index)?;
            }
            if !model.jobs[job].gone {
                self.must(world, model, Op::CloseJob(job, vec![]))?;
            }
            for index in model.jobs[job].leases.keys().copied().collect::<Vec<_>>() {
                let seats = model.jobs[job].leases[&index].seats.clone();
                for seat in seats {
                    let convicted = seat.state == SeatState::Convicted;
                    let leaves = if convicted { Op::Slash } else { Op::Expire }(job, index, seat.provider);
                    self.must(world, model, leaves)?;
                }
                self.must(world, model, Op::CloseLease(job, index))?;
            }
        }
        self.end_providers(world, model)?;
        self.count_what_is_left(world, model, wallets)
    }

    /// Takes a lease of a job whose time is over to where the job can be closed: as far as it goes, or only so far as it must.
    fn end_lease(&mut self, world: &mut World, model: &mut Model, job: usize, index: u32) -> Result<(), String> {
        let all = self.rng.one_in(2);
        for _ in 0..STEPS {
            let j = &model.jobs[job];
            let Some(lease) = j.leases.get(&index).filter(|lease| !j.gone && !lease.seats.is_empty()) else {
                return Ok(());
            };
            let owed = lease.state == LeaseState::Settled && lease.active().next().is_some();
            if !all && !lease.contested && !owed {
                return Ok(());
            }
            // A hash that decides about a group must be read while it is there.
            let wait = if lease.state == LeaseState::Open && lease.opened_at == 0 { 4 } else { 10_000 };
            let op = self.next(model, job, index).unwrap_or(Op::Advance(wait));
            self.must(world, model, op)?;
        }
        Err(format!("lease {index} of job {job} does not come to an end"))
    }

    /// Something that can be done with a lease; `None` if it has to wait.
    fn next(&mut self, model: &Model, job: usize, index: u32) -> Option<Op> {
        let lease = &model.jobs[job].leases[&index];
        let mut ops = vec![Op::SeedLease(job, index)];
        if self.rng.one_in(2) {
            ops.extend((0..model.providers.len()).map(|p| Op::Claim(job, index, p)));
        }
        for seat in &lease.seats {
            let p = seat.provider;
            if seat.state == SeatState::Leased && p % 5 != 0 {
                ops.push(Op::Commit(job, index, p, result(&mut self.rng, job, index)));
            }
            // Some say nothing.
            if seat.state == SeatState::Committed && p % 3 != 0 {
                ops.push(Op::Reveal(job, index, p, seat.result, false));
            }
            if seat.state == SeatState::Revealed && p % 4 != 0 {
                ops.push(Op::Open(job, index, p));
            }
            if p % 4 != 1 {
                ops.push(Op::Answer(job, index, p, seat.result));
            }
            ops.push(Op::ExpireDemand(job, index, p));
            ops.extend([Op::Draw(job, index, p), Op::Slash(job, index, p), Op::Settle(job, index, p)]);
            ops.push(Op::Expire(job, index, p));
        }
        ops.push(Op::AdvanceLease(job, index));
        ops.retain(|op| op.apply(&mut model.clone()).is_ok());
        if ops.is_empty() { None } else { Some(self.rng.pick(&ops).clone()) }
    }

    fn end_providers(&mut self, world: &mut World, model: &mut Model) -> Result<(), String> {
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
        Ok(())
    }

    fn count_what_is_left(&self, world: &World, model: &Model, wallets: &[(Pubkey, u64)]) -> Result<(), String> {
        let is = |what: &str, found: u64, expected: u64| {
            if found == expected { Ok(()) } else { Err(format!("at the end {what} is {found}, expected {expected}")) }
        };
        let held =
            model.providers.iter().map(|p| p.wallet).sum::<u64>() + model.clients.iter().map(|c| c.tokens).sum::<u64>();
        // What strangers gave to a vault stays there, and nothing else does.
        let vaults = model.providers.iter().map(|p| p.vault).sum::<u64>();
        is("the supply", world.supply(), held + vaults + model.treasury_withdrawn)?;
        is("the treasury", world.tokens(world.treasury), 0)?;
        is("the market's stake", model.total_stake, 0)?;
        // Every lock that was lost was awarded or burned.
        let slashed = model.providers.iter().map(|p| p.slashed).sum();
        is("what was slashed", self.slashed.0 + self.slashed.1, slashed)?;
        is("what was awarded", self.slashed.0, model.slashed.0)?;
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
