//! What happens next in a history.

use tessera_protocol::routing::Requirements;

use super::Op;
use crate::{
    model::{Draw, Job, Kind, Lease, LeaseState, Model, Seat, SeatState, chance},
    rng::Rng,
    terms::{JobTerms, MarketTerms},
    world::VOID,
};

/// A number in which small, middle and absurd ones are all likely.
fn amount(rng: &mut Rng, usual: u64) -> u64 {
    match rng.below(12) {
        0 => 0,
        1 => u64::MAX - rng.below(2),
        2 => rng.bits() >> rng.below(64),
        _ => rng.between(1, usual),
    }
}

/// Terms inside their bounds, with which draws are likely: the reserve must pay what deters.
pub(super) fn market_terms(rng: &mut Rng) -> MarketTerms {
    loop {
        let terms = any_terms(rng);
        if chance::deterring(&terms) <= chance::bps(terms.reserve_bps) {
            return terms;
        }
    }
}

fn any_terms(rng: &mut Rng) -> MarketTerms {
    let (lead, reserve_bps) = (rng.between(1, 3) as u8, *rng.pick(&[1, 4_000, 5_000, 5_000]));
    MarketTerms {
        fee_bps: *rng.pick(&[0, 1, 250, 333, 1_000]),
        treasury_bps: *rng.pick(&[0, 1, 3_333, 10_000]),
        min_stake: *rng.pick(&[0, 1_000, 5_000]),
        max_open_leases: *rng.pick(&[1, 2, 5, 4_096]),
        unstake_seconds: *rng.pick(&[10, 100]),
        reveal_seconds: *rng.pick(&[10, 20]),
        grace_seconds: *rng.pick(&[10, 50]),
        free_returns: *rng.pick(&[0, 1, 3]),
        returns_seconds: *rng.pick(&[10, 60, 300]),
        step_seconds: *rng.pick(&[1, 1, 2]),
        stake_cap: *rng.pick(&[1, 1_000, 5_000, 20_000]),
        credit_fee: *rng.pick(&[0, 1, 7]),
        demand_bond: *rng.pick(&[1, 3, 40, u64::MAX]),
        max_memory_mib: *rng.pick(&[0, 8_192]),
        proof_seconds: 0,
        p_min_bps: *rng.pick(&[1, reserve_bps]),
        saving_bps: *rng.pick(&[1, 7_000, 7_000, 7_000]),
        collusion_bps: *rng.pick(&[0, 3_000, 4_500]),
        lock_multiple: *rng.pick(&[8, 9, 20]),
        reserve_bps,
        expiry_bond_bps: *rng.pick(&[1, 1_000, 10_000]),
        probation: *rng.pick(&[0, 0, 1, 2]),
        lead,
        seat_limit: *rng.pick(&[2 * lead.max(2), 7, 12]),
    }
}

fn job_terms(rng: &mut Rng, model: &Model) -> JobTerms {
    let some = |rng: &mut Rng, n: u64| -> Vec<_> {
        let keys = model.providers.iter().map(|provider| provider.key.into());
        keys.filter(|_| rng.one_in(n)).collect()
    };
    let private = rng.one_in(6);
    // Mostly such as a market takes.
    let sound = private && !rng.one_in(8);
    let listed = sound || rng.one_in(8);
    JobTerms {
        private,
        units: rng.between(1, 9),
        units_per_lease: rng.between(3, 6) as u32,
        replicas: if sound { 1 } else { *rng.pick(&[1, 1, 2, 2, 3]) },
        price_per_unit: if rng.one_in(20) { amount(rng, 20) } else { rng.between(1, 20) },
        lease_seconds: *rng.pick(&[10, 20, 40]),
        seconds: *rng.pick(&[29, 60, 200, 400, 1_000, 1_000, 2_000]),
        challenge_seconds: *rng.pick(&[0, 0, 15, 60, 60, 700_000]),
        requirements: Requirements { memory_mib: *rng.pick(&[0, 0, 0, 8_192]), ..Requirements::default() },
        min_stake: *rng.pick(&[0, 0, 0, 4_990]),
        min_score_bps: if rng.one_in(16) { 1 } else { 0 },
        allowed: if listed { some(rng, 2) } else { Vec::new() },
        denied: if listed { some(rng, 4) } else { Vec::new() },
        ..JobTerms::default()
    }
}

/// What somebody finds: mostly what is right, which in one lease of three is that there is nothing to compute.
pub(super) fn result(rng: &mut Rng, job: usize, index: u32) -> u8 {
    let truth = if (job as u32 + index) % 3 == 1 { VOID } else { 0 };
    if rng.one_in(5) { *rng.pick(&[0, 1, VOID]) } else { truth }
}

/// Somebody takes a seat, mostly one that may; or waits until it may.
fn claim(rng: &mut Rng, model: &Model, job: usize, index: u32) -> Op {
    let may = |p: &usize| model.clone().claim_lease(job, index, *p).is_ok();
    let able: Vec<usize> = (0..model.providers.len()).filter(may).collect();
    match able.len() {
        0 if rng.one_in(3) => Op::AdvanceLease(job, index),
        0 if !rng.one_in(4) => Op::Advance(*rng.pick(&[2, 5, 33, 70])),
        n if n == 0 || rng.one_in(12) => Op::Claim(job, index, rng.index(model.providers.len())),
        _ => Op::Claim(job, index, *rng.pick(&able)),
    }
}

/// Waits for a hash, or asks for it too early.
fn hash(rng: &mut Rng, model: &Model, from: u64, op: Op) -> Op {
    if model.slot() > from || rng.one_in(6) { op } else { Op::Advance(*rng.pick(&[2, 4, 4])) }
}

/// What is natural to do next with a seat whose key is known.
fn natural_opened(rng: &mut Rng, model: &Model, (job, index): (usize, u32), seat: &Seat) -> Op {
    let p = seat.provider;
    if seat.answer_by != 0 {
        return match rng.below(6) {
            0 => Op::Advance(*rng.pick(&[60, 121, 121])),
            1 => Op::Settle(job, index, p),
            2 => Op::Answer(job, index, p, result(rng, job, index)),
            _ if model.now > seat.answer_by => Op::ExpireDemand(job, index, p),
            _ => Op::Answer(job, index, p, seat.result),
        };
    }
    let wait = seat.payable_at - model.now;
    if wait > 0 && !rng.one_in(4) {
        return if rng.one_in(3) { Op::Advance(wait) } else { Op::Demand(job, index, p, amount(rng, 20)) };
    }
    Op::Settle(job, index, p)
}

/// What is natural to do next with a seat.
fn natural_seat(rng: &mut Rng, model: &Model, (job, index): (usize, u32), j: &Job, lease: &Lease, seat: &Seat) -> Op {
    let p = seat.provider;
    let undrawn = seat.draw == Draw::Waiting && seat.kind != Kind::Dispute;
    let found = model.providers[p].reputation.fault_slot >= seat.slot;
    match seat.state {
        SeatState::Committed if found && rng.one_in(2) => Op::Draw(job, index, p),
        SeatState::Leased if model.now > seat.commit_by => Op::Expire(job, index, p),
        SeatState::Leased => Op::Commit(job, index, p, result(rng, job, index)),
        SeatState::Committed if undrawn => hash(rng, model, seat.slot + 8, Op::Draw(job, index, p)),
        SeatState::Committed if lease.reveal_by != 0 => match rng.below(12) {
            0 => Op::Advance(i64::from(j.market.reveal_seconds) + 1),
            1 => Op::AdvanceLease(job, index),
            2 => Op::Draw(job, index, p),
            _ => Op::Reveal(job, index, p, seat.result, rng.one_in(3)),
        },
        SeatState::Committed if rng.one_in(4) => Op::Return(job, index, p),
        SeatState::Revealed if lease.state != LeaseState::Open => match rng.below(8) {
            0 => Op::Advance(i64::from(j.market.reveal_seconds) + 1),
            1 => Op::Expire(job, index, p),
            _ => Op::Open(job, index, p),
        },
        SeatState::Opened => natural_opened(rng, model, (job, index), seat),
        SeatState::Convicted => Op::Slash(job, index, p),
        SeatState::Late | SeatState::Released => Op::Expire(job, index, p),
        _ => claim(rng, model, job, index),
    }
}

/// What is natural to do next with a job, which is what makes histories go somewhere.
fn natural(rng: &mut Rng, model: &Model, job: usize) -> Op {
    let j = &model.jobs[job];
    if j.seed.is_none() {
        return hash(rng, model, j.seed_slot, Op::SeedJob(job));
    }
    // Mostly with a lease that is audited or disputed, which takes many steps.
    let contested: Vec<u32> = j.leases.iter().filter(|(_, lease)| lease.contested).map(|(index, _)| *index).collect();
    let any = rng.below(u64::from(j.lease_count())) as u32;
    let index = if contested.is_empty() || rng.one_in(3) { any } else { *rng.pick(&contested) };
    let Some(lease) = j.leases.get(&index) else { return claim(rng, model, job, index) };
    if lease.seats.is_empty() || rng.one_in(16) {
        return if rng.one_in(2) { claim(rng, model, job, index) } else { Op::CloseLease(job, index) };
    }
    if lease.state == LeaseState::Open && lease.opened_at == 0 && !rng.one_in(6) {
        return hash(rng, model, lease.seed_slot, Op::SeedLease(job, index));
    }
    if lease.gathers() && lease.missing > 0 && rng.one_in(2) {
        return claim(rng, model, job, index);
    }
    let seat = &lease.seats[rng.index(lease.seats.len())];
    match rng.below(24) {
        0 => Op::Return(job, index, seat.provider),
        1 => Op::Expire(job, index, seat.provider),
        2 => Op::AdvanceLease(job, index),
        _ => natural_seat(rng, model, (job, index), j, lease, seat),
    }
}

/// What is rare by chance: who has committed, and was not drawn, is found at fault elsewhere, and is looked at after all.
fn found_out(rng: &mut Rng, model: &Model) -> Option<Op> {
    let leases = || model.jobs.iter().enumerate().flat_map(|(job, j)| j.leases.iter().map(move |(k, l)| (job, *k, l)));
    let unseen = |lease: &Lease| lease.gathers() || lease.reveal_by != 0 && !lease.has(SeatState::Revealed);
    let mut ops = Vec::new();
    for (job, index, lease) in leases().filter(|(_, _, lease)| !lease.drawn && unseen(lease)) {
        let passed = |seat: &&Seat| seat.state == SeatState::Committed && seat.draw == Draw::Passed;
        for seat in lease.seats.iter().filter(passed) {
            let p = seat.provider;
            ops.push(Op::Draw(job, index, p));
            let convicted = |lease: &Lease| lease.seat(p).is_some_and(|i| lease.seats[i].state == SeatState::Convicted);
            ops.extend(
                leases().filter(|(_, _, lease)| convicted(lease)).map(|(job, index, _)| Op::Slash(job, index, p)),
            );
        }
    }
    ops.retain(|op| op.apply(&mut model.clone()).is_ok());
    if ops.is_empty() { None } else { Some(rng.pick(&ops).clone()) }
}

/// Something, likely or not.
pub(super) fn random(rng: &mut Rng, model: &Model) -> Op {
    let (p, client) = (rng.index(model.providers.len()), rng.index(model.clients.len()));
    if model.jobs.is_empty() || (model.jobs.len() < 4 && rng.one_in(24)) {
        return Op::Post(client, job_terms(rng, model));
    }
    if model.paused && rng.one_in(4) {
        return Op::SetPaused(false);
    }
    if let Some(op) = found_out(rng, model).filter(|_| rng.one_in(2)) {
        return op;
    }
    // Mostly with the latest jobs: the older ones are over.
    let job = rng.index(model.jobs.len()).max(rng.index(model.jobs.len()));
    if !rng.one_in(5) {
        return natural(rng, model, job);
    }
    let index = rng.below(u64::from(model.jobs[job].lease_count()) + 1) as u32;
    match rng.below(37) {
        0..=3 => Op::Advance(*rng.pick(&[1, 1, 5, 5, 9, 10, 11, 11, 20, 60, 250])),
        4 => Op::Leap(*rng.pick(&[1, 11, 40, 500])),
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
        26 => Op::SeedJob(job),
        27 => Op::SeedLease(job, index),
        28 => Op::Draw(job, index, p),
        29 => Op::AdvanceLease(job, index),
        30 => Op::Slash(job, index, p),
        31 => Op::Advance(1),
        32 => Op::Reveal(job, index, p, 0, false),
        33 => Op::Demand(job, index, p, amount(rng, 20)),
        34 => Op::Answer(job, index, p, 0),
        35 => Op::ExpireDemand(job, index, p),
        _ => Op::CloseLease(job, index),
    }
}
