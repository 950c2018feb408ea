//! Random histories of a market: operations, what the model makes of them, and the instructions that they are.

use crate::{
    call::Call,
    model::{LeaseState, Model, Refused, SeatState},
    rng::Rng,
    terms::{JobTerms, MarketTerms},
    world::{Job, World},
};

mod run;

pub use run::{Tally, run};

/// One thing that happens. Numbers are indices into the lists of the world and the model.
#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes.
    Advance(i64),
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
    /// `claim_lease`: job, lease, provider, as in all that follow.
    Claim(usize, u32, usize),
    /// `commit_result` of this result.
    Commit(usize, u32, usize, u8),
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
    /// `close_lease`.
    CloseLease(usize, u32),
}

impl Op {
    /// Does it to the model.
    ///
    /// # Errors
    /// Why the protocol refuses it; the model is as before then.
    pub fn apply(&self, model: &mut Model) -> Result<(), Refused> {
        match *self {
            Self::Advance(seconds) => model.now += seconds,
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
            Self::Claim(job, index, provider) => model.claim_lease(job, index, provider)?,
            Self::Commit(job, index, provider, result) => model.commit_result(job, index, provider, result)?,
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
            Self::CloseLease(job, index) => model.close_lease(job, index)?,
        }
        Ok(())
    }

    /// What kind of operation it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Advance(_) => "advance",
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
            Self::Claim(..) => "claim_lease",
            Self::Commit(..) => "commit_result",
            Self::Reveal(.., false) => "reveal_result",
            Self::Reveal(.., true) => "reveal_result with its key",
            Self::Open(..) => "open_result",
            Self::Settle(..) => "settle_lease",
            Self::Return(..) => "return_lease",
            Self::Expire(..) => "expire_lease",
            Self::CloseLease(..) => "close_lease",
        }
    }

    /// The instruction that it is; `None` for what is no instruction of the program.
    #[must_use]
    pub fn call<'w>(&self, world: &'w mut World, jobs: &[Job]) -> Option<Call<'w>> {
        let provider = |world: &World, index: usize| world.providers[index];
        Some(match *self {
            Self::Advance(_) | Self::GiveToVault(..) | Self::GiveToEscrow(..) => return None,
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
            Self::Claim(job, index, p) => world.claim_lease(jobs[job], index, provider(world, p)),
            Self::Commit(job, index, p, result) => world.commit_result(jobs[job], index, provider(world, p), result),
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
            Self::CloseLease(job, index) => world.close_lease(jobs[job], index),
        })
    }
}

/// A number in which small, middle and absurd ones are all likely.
fn amount(rng: &mut Rng, usual: u64) -> u64 {
    match rng.below(12) {
        0 => 0,
        1 => u64::MAX - rng.below(2),
        2 => rng.bits() >> rng.below(64),
        _ => rng.between(1, usual),
    }
}

fn market_terms(rng: &mut Rng) -> MarketTerms {
    MarketTerms {
        fee_bps: *rng.pick(&[0, 1, 250, 333, 1_000]),
        treasury_bps: *rng.pick(&[0, 1, 3_333, 10_000]),
        min_stake: *rng.pick(&[0, 1_000, 5_000]),
        max_open_leases: *rng.pick(&[1, 2, 5, 4_096]),
        unstake_seconds: *rng.pick(&[10, 100]),
        reveal_seconds: *rng.pick(&[10, 20]),
        grace_seconds: *rng.pick(&[10, 50]),
        lock_multiple: *rng.pick(&[1, 2, 8]),
        expiry_bond_bps: *rng.pick(&[1, 1_000, 10_000]),
        free_returns: *rng.pick(&[0, 1, 3]),
        returns_seconds: *rng.pick(&[10, 60, 300]),
    }
}

fn job_terms(rng: &mut Rng) -> JobTerms {
    JobTerms {
        units: rng.between(1, 12),
        units_per_lease: rng.between(3, 6) as u32,
        replicas: *rng.pick(&[1, 2, 2, 3]),
        price_per_unit: if rng.one_in(20) { amount(rng, 50) } else { rng.between(1, 50) },
        lease_seconds: *rng.pick(&[10, 20, 40]),
        seconds: *rng.pick(&[29, 30, 60, 200, 400, 400, 1_000]),
        ..JobTerms::default()
    }
}

/// What is natural to do next with a lease, which is what makes histories go somewhere.
fn natural(rng: &mut Rng, model: &Model, job: usize) -> Op {
    let j = &model.jobs[job];
    let index = rng.below(u64::from(j.lease_count())) as u32;
    let mut newcomer = rng.index(model.providers.len());
    let Some(lease) = j.leases.get(&index) else { return Op::Claim(job, index, newcomer) };
    if lease.seats.iter().any(|seat| seat.provider == newcomer) && !rng.one_in(4) {
        newcomer = (newcomer + 1) % model.providers.len();
    }
    if lease.seats.is_empty() || rng.one_in(8) {
        return if rng.one_in(2) { Op::Claim(job, index, newcomer) } else { Op::CloseLease(job, index) };
    }
    let seat = &lease.seats[rng.index(lease.seats.len())];
    let (p, full) = (seat.provider, lease.active().count() == usize::from(j.terms.replicas));
    if rng.one_in(6) {
        return if rng.one_in(3) { Op::Return(job, index, p) } else { Op::Expire(job, index, p) };
    }
    match seat.state {
        SeatState::Leased => Op::Commit(job, index, p, u8::from(rng.one_in(4))),
        SeatState::Committed if lease.reveal_by != 0 || rng.one_in(4) => {
            Op::Reveal(job, index, p, seat.result, j.terms.replicas == 1 && rng.one_in(2))
        }
        SeatState::Revealed if lease.state != LeaseState::Open => Op::Open(job, index, p),
        SeatState::Opened => Op::Settle(job, index, p),
        _ if !full && lease.state == LeaseState::Open => Op::Claim(job, index, newcomer),
        _ => Op::Expire(job, index, p),
    }
}

/// Something, likely or not.
fn random(rng: &mut Rng, model: &Model) -> Op {
    let (p, client) = (rng.index(model.providers.len()), rng.index(model.clients.len()));
    if model.jobs.is_empty() || (model.jobs.len() < 5 && rng.one_in(12)) {
        return Op::Post(client, job_terms(rng));
    }
    if model.paused && rng.one_in(4) {
        return Op::SetPaused(false);
    }
    // Mostly with the latest jobs: the older ones are over.
    let job = rng.index(model.jobs.len()).max(rng.index(model.jobs.len()));
    if !rng.one_in(4) {
        return natural(rng, model, job);
    }
    let index = rng.below(u64::from(model.jobs[job].lease_count()) + 1) as u32;
    match rng.below(27) {
        0..=4 => Op::Advance(*rng.pick(&[1, 1, 5, 5, 9, 10, 11, 11, 20, 60, 250])),
        5 => Op::SetPaused(rng.one_in(2)),
        6 => Op::UpdateMarket(market_terms(rng)),
        7 => Op::WithdrawTreasury(amount(rng, 5)),
        8 => Op::AddStake(p, amount(rng, 2_000)),
        9 => Op::RequestUnstake(p, amount(rng, 500)),
        10 => Op::WithdrawStake(p),
        11 => Op::WithdrawEarnings(p),
        12 => Op::GiveToVault(client, p, rng.between(1, 9)),
        13 => Op::GiveToEscrow(client, job, rng.between(1, 9)),
        14 => Op::TopUp(job, *rng.pick(&[0, 1, 60, 40_000_000]), if rng.one_in(2) { 0 } else { amount(rng, 9) }),
        15 => Op::Cancel(job),
        16 => Op::CloseJob(job, model.unsettled(job)),
        17 => Op::CloseJob(job, vec![index]),
        18 => Op::Claim(job, index, p),
        19 => Op::Commit(job, index, p, 0),
        20 => Op::Reveal(job, index, p, rng.below(3) as u8, rng.one_in(2)),
        21 => Op::Open(job, index, p),
        22 => Op::Settle(job, index, p),
        23 => Op::Return(job, index, p),
        24 => Op::Expire(job, index, p),
        25 => Op::BurnBonds(p),
        _ => Op::CloseLease(job, index),
    }
}
