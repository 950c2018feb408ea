//! What happens in histories: what the model makes of it, and the instruction that it is.

use crate::{
    call::Call,
    model::{Model, Refused},
    terms::{JobTerms, MarketTerms},
    world::{Job, World},
};

/// One thing that happens. Numbers are indices into the lists of the world and the model.
#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes.
    Advance(i64),
    /// The clock leaps, after a halt of the cluster.
    Leap(i64),
    /// `pause` or `unpause`.
    SetPaused(bool),
    /// `update_market`.
    UpdateMarket(MarketTerms),
    /// `withdraw_treasury`.
    WithdrawTreasury(u64),
    /// `add_stake`.
    AddStake(usize, u64),
    /// `request_unstake`.
    RequestUnstake(usize, u64),
    /// `withdraw_stake`.
    WithdrawStake(usize),
    /// `withdraw_earnings`.
    WithdrawEarnings(usize),
    /// `burn_bonds`.
    BurnBonds(usize),
    /// Client, provider, tokens: a gift to a stake vault.
    GiveToVault(usize, usize, u64),
    /// Client, job, tokens: a gift to an escrow.
    GiveToEscrow(usize, usize, u64),
    /// `post_job`.
    Post(usize, JobTerms),
    /// `top_up_job`.
    TopUp(usize, u32, u64),
    /// `cancel_job`.
    Cancel(usize),
    /// `close_job` with these leases shown vacant.
    CloseJob(usize, Vec<u32>),
    /// `seed_job`.
    SeedJob(usize),
    /// `seed_lease`: job and lease.
    SeedLease(usize, u32),
    /// `advance_lease`.
    AdvanceLease(usize, u32),
    /// `claim_lease`: job, lease, provider, as in all that follow.
    Claim(usize, u32, usize),
    /// `commit_result` of this result.
    Commit(usize, u32, usize, u8),
    /// `draw_audit`.
    Draw(usize, u32, usize),
    /// `reveal_result` of this result, with the key or without.
    Reveal(usize, u32, usize, u8, bool),
    /// `open_result`.
    Open(usize, u32, usize),
    /// `settle_lease`.
    Settle(usize, u32, usize),
    /// `return_lease`.
    Return(usize, u32, usize),
    /// `expire_lease`.
    Expire(usize, u32, usize),
    /// `slash_seat`.
    Slash(usize, u32, usize),
    /// `close_lease`.
    CloseLease(usize, u32),
    /// `demand_chunk` of this chunk.
    Demand(usize, u32, usize, u64),
    /// `answer_chunk` out of this result, with all that comes before it.
    Answer(usize, u32, usize, u8),
    /// `expire_demand`.
    ExpireDemand(usize, u32, usize),
}

impl Op {
    /// Does it to the model.
    ///
    /// # Errors
    /// Why the protocol refuses it; the model is as before then.
    pub fn apply(&self, model: &mut Model) -> Result<(), Refused> {
        match *self {
            Self::Advance(seconds) => model.now += seconds,
            Self::Leap(seconds) => (model.now, model.halted) = (model.now + seconds, model.halted + seconds),
            Self::SetPaused(paused) => model.set_paused(paused)?,
            Self::UpdateMarket(terms) => model.update_market(terms)?,
            Self::WithdrawTreasury(amount) => model.withdraw_treasury(amount)?,
            Self::AddStake(provider, amount) => model.add_stake(provider, amount)?,
            Self::RequestUnstake(provider, amount) => model.request_unstake(provider, amount)?,
            Self::WithdrawStake(provider) => model.withdraw_stake(provider)?,
            Self::WithdrawEarnings(provider) => model.withdraw_earnings(provider)?,
            Self::BurnBonds(provider) => model.burn_bonds(provider)?,
            Self::GiveToVault(client, provider, amount) => model.give_to_vault(client, provider, amount)?,
            Self::GiveToEscrow(client, job, amount) => model.give_to_escrow(client, job, amount)?,
            Self::Post(client, ref terms) => model.post_job(client, terms.clone()).map(|_| ())?,
            Self::TopUp(job, seconds, price) => model.top_up_job(job, seconds, price)?,
            Self::Cancel(job) => model.cancel_job(job)?,
            Self::CloseJob(job, ref shown) => model.close_job(job, shown)?,
            Self::SeedJob(job) => model.seed_job(job)?,
            Self::SeedLease(job, index) => model.seed_lease(job, index)?,
            Self::AdvanceLease(job, index) => model.advance_lease(job, index)?,
            Self::Claim(job, index, provider) => model.claim_lease(job, index, provider)?,
            Self::Commit(job, index, provider, result) => model.commit_result(job, index, provider, result)?,
            Self::Draw(job, index, provider) => model.draw_audit(job, index, provider)?,
            Self::Reveal(job, index, provider, result, key) => {
                let lease = model.jobs[job].leases.get(&index).ok_or("no such lease")?;
                if lease.seats.iter().any(|seat| seat.provider == provider && seat.result != result) {
                    return Err("not what was committed");
                }
                model.reveal_result(job, index, provider, key)?;
            }
            Self::Open(job, index, provider) => model.open_result(job, index, provider)?,
            Self::Settle(job, index, provider) => model.settle_lease(job, index, provider)?,
            Self::Return(job, index, provider) => model.return_lease(job, index, provider)?,
            Self::Expire(job, index, provider) => model.expire_lease(job, index, provider)?,
            Self::Slash(job, index, provider) => model.slash_seat(job, index, provider)?,
            Self::CloseLease(job, index) => model.close_lease(job, index)?,
            Self::Demand(job, index, provider, chunk) => model.demand_chunk(job, index, provider, chunk)?,
            Self::Answer(job, index, provider, result) => model.answer_chunk(job, index, provider, result)?,
            Self::ExpireDemand(job, index, provider) => model.expire_demand(job, index, provider)?,
        }
        Ok(())
    }

    /// What kind of operation it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Advance(_) => "advance",
            Self::Leap(_) => "leap",
            Self::SetPaused(true) => "pause",
            Self::SetPaused(false) => "unpause",
            Self::UpdateMarket(_) => "update_market",
            Self::WithdrawTreasury(_) => "withdraw_treasury",
            Self::AddStake(..) => "add_stake",
            Self::RequestUnstake(..) => "request_unstake",
            Self::WithdrawStake(_) => "withdraw_stake",
            Self::WithdrawEarnings(_) => "withdraw_earnings",
            Self::BurnBonds(_) => "burn_bonds",
            Self::GiveToVault(..) => "give_to_vault",
            Self::GiveToEscrow(..) => "give_to_escrow",
            Self::Post(..) => "post_job",
            Self::TopUp(..) => "top_up_job",
            Self::Cancel(_) => "cancel_job",
            Self::CloseJob(..) => "close_job",
            Self::SeedJob(_) => "seed_job",
            Self::SeedLease(..) => "seed_lease",
            Self::AdvanceLease(..) => "advance_lease",
            Self::Claim(..) => "claim_lease",
            Self::Commit(..) => "commit_result",
            Self::Draw(..) => "draw_audit",
            Self::Reveal(.., false) => "reveal_result",
            Self::Reveal(.., true) => "reveal_result with its key",
            Self::Open(..) => "open_result",
            Self::Settle(..) => "settle_lease",
            Self::Return(..) => "return_lease",
            Self::Expire(..) => "expire_lease",
            Self::Slash(..) => "slash_seat",
            Self::CloseLease(..) => "close_lease",
            Self::Demand(..) => "demand_chunk",
            Self::Answer(..) => "answer_chunk",
            Self::ExpireDemand(..) => "expire_demand",
        }
    }

    /// The instruction that it is; `None` for what is no instruction of the program.
    #[must_use]
    pub fn call<'w>(&self, world: &'w mut World, jobs: &[Job]) -> Option<Call<'w>> {
        let provider = |world: &World, index: usize| world.providers[index];
        Some(match *self {
            Self::Advance(_) | Self::Leap(_) | Self::GiveToVault(..) | Self::GiveToEscrow(..) => return None,
            Self::SetPaused(true) => world.pause(),
            Self::SetPaused(false) => world.unpause(),
            Self::UpdateMarket(terms) => world.update_market(terms),
            Self::WithdrawTreasury(amount) => world.withdraw_treasury(amount),
            Self::AddStake(p, amount) => world.add_stake(provider(world, p), amount),
            Self::RequestUnstake(p, amount) => world.request_unstake(provider(world, p), amount),
            Self::WithdrawStake(p) => world.withdraw_stake(provider(world, p)),
            Self::WithdrawEarnings(p) => world.withdraw_earnings(provider(world, p)),
            Self::BurnBonds(p) => world.burn_bonds(provider(world, p)),
            Self::Post(client, ref terms) => world.post_job(world.clients[client], terms),
            Self::TopUp(job, seconds, price) => world.top_up_job(jobs[job], seconds, price),
            Self::Cancel(job) => world.cancel_job(jobs[job]),
            Self::CloseJob(job, ref shown) => world.close_job_showing(jobs[job], shown),
            Self::SeedJob(job) => world.seed_job(jobs[job]),
            Self::SeedLease(job, index) => world.seed_lease(jobs[job], index),
            Self::AdvanceLease(job, index) => world.advance_lease(jobs[job], index),
            Self::Claim(job, index, p) => world.claim_lease(jobs[job], index, provider(world, p)),
            Self::Commit(job, index, p, result) => world.commit_result(jobs[job], index, provider(world, p), result),
            Self::Draw(job, index, p) => world.draw_audit(jobs[job], index, provider(world, p)),
            Self::Reveal(job, index, p, result, false) => {
                world.reveal_result(jobs[job], index, provider(world, p), result)
            }
            Self::Reveal(job, index, p, result, true) => {
                world.reveal_and_open(jobs[job], index, provider(world, p), result)
            }
            Self::Open(job, index, p) => world.open_result(jobs[job], index, provider(world, p)),
            Self::Settle(job, index, p) => world.settle_lease(jobs[job], index, provider(world, p)),
            Self::Return(job, index, p) => world.return_lease(jobs[job], index, provider(world, p)),
            Self::Expire(job, index, p) => world.expire_lease(jobs[job], index, provider(world, p)),
            Self::Slash(job, index, p) => world.slash_seat(jobs[job], index, provider(world, p)),
            Self::CloseLease(job, index) => world.close_lease(jobs[job], index),
            Self::Demand(job, index, p, chunk) => world.demand_chunk(jobs[job], index, provider(world, p), chunk),
            Self::Answer(job, index, p, _) => {
                let p = provider(world, p);
                world.answer_chunk(jobs[job], index, p, p.operator)
            }
            Self::ExpireDemand(job, index, p) => world.expire_demand(jobs[job], index, provider(world, p)),
        })
    }
}
