//! Holds the chain against the model, account by account, and checks the invariants of `docs/protocol.md` on the chain
//! alone.

use anchor_lang::prelude::Pubkey;
use tessera::state;
use tessera_protocol::payout;

use crate::{
    model::{self, LeaseState, Model, SeatState},
    world::{self, Job, Work, World},
};

/// Something on chain is not as the model, or an invariant, says.
pub type Difference = String;

macro_rules! same {
    ($what:expr, $($chain:expr => $model:expr),+ $(,)?) => {
        $(if $chain != $model {
            return Err(format!("{}: {} is {:?}, expected {:?}", $what, stringify!($chain), $chain, $model));
        })+
    };
}

/// Whether everything on chain is as in the model. `jobs` are the model's jobs in the same order.
///
/// # Errors
/// The first difference.
pub fn compare(world: &World, model: &Model, jobs: &[Job]) -> Result<(), Difference> {
    let market = world.load::<state::Market>(world.market).ok_or("the market is gone")?;
    same!("market",
        market.paused => model.paused,
        market.params => crate::world::params(&model.market),
        world.tokens(world.treasury) => model.treasury,
    );
    for (i, client) in world.clients.iter().enumerate() {
        same!(format!("client {i}"), world.tokens(client.tokens) => model.clients[i]);
    }
    for (i, provider) in world.providers.iter().enumerate() {
        let expected = &model.providers[i];
        let p = world.load::<state::Provider>(provider.address).ok_or("a provider is gone")?;
        same!(format!("provider {i}"),
            world.tokens(provider.tokens) => expected.wallet,
            world.tokens(provider.vault) => expected.vault,
            p.stake => expected.stake,
            p.unstaking => expected.unstaking,
            p.unstake_at => expected.unstake_at,
            p.earned => expected.earned,
            p.total_earned => expected.total_earned,
            p.open_leases => expected.open_leases,
            p.locked => expected.locked,
            p.lost => expected.lost,
            p.to_burn => expected.to_burn,
            p.returns_full_at => expected.returns_full_at,
            p.leases_settled => expected.leases_settled,
            p.units_settled => expected.units_settled,
            p.expired => expected.expired,
            p.faults => expected.faults,
            p.disagreed => expected.disagreed,
        );
    }
    for (i, (job, expected)) in jobs.iter().zip(&model.jobs).enumerate() {
        compare_job(world, *job, expected).map_err(|difference| format!("job {i}: {difference}"))?;
    }
    Ok(())
}

fn compare_job(world: &World, job: Job, expected: &model::Job) -> Result<(), Difference> {
    same!("account",
        world.load::<state::Job>(job.address).is_none() => expected.gone,
        world.token_account(job.escrow).is_none() => expected.gone,
        world.tokens(job.escrow) => expected.escrow,
    );
    if let Some(j) = world.load::<state::Job>(job.address) {
        same!("account",
            (j.state == state::JobState::Cancelled as u8) => expected.cancelled,
            j.deadline => expected.deadline,
            j.price_per_unit => expected.price,
            j.deposited => expected.deposited,
            j.paid => expected.paid,
            j.owed => expected.owed,
            j.settled_leases as usize => expected.settled.len(),
            j.settled_units => expected.settled_units,
            world.settled(job) => expected.settled.iter().copied().collect::<Vec<_>>(),
        );
    }
    for index in 0..expected.lease_count() {
        let (found, wanted) = (world.load::<world::Lease>(job.lease(index)), expected.leases.get(&index));
        compare_lease(world, job, found.as_ref(), wanted)
            .map_err(|difference| format!("lease {index}: {difference}"))?;
    }
    Ok(())
}

fn compare_lease(
    world: &World,
    job: Job,
    found: Option<&world::Lease>,
    expected: Option<&model::Lease>,
) -> Result<(), Difference> {
    same!("account", found.is_some() => expected.is_some());
    let (Some(lease), Some(expected)) = (found, expected) else { return Ok(()) };
    let lease_state = match lease.state {
        state::LeaseState::Open => LeaseState::Open,
        state::LeaseState::Agreed => LeaseState::Agreed,
        state::LeaseState::Settled => LeaseState::Settled,
    };
    same!("account",
        lease_state => expected.state,
        lease.payer => world.providers[expected.opener].operator,
        u64::from(lease.units) => expected.units,
        lease.claims => expected.claims,
        lease.rounds => expected.rounds,
        lease.reveal_by => expected.reveal_by,
        lease.open_by => expected.open_by,
        (lease.result_root == [0; 32]) => (expected.state == LeaseState::Open),
        lease.seats.len() => expected.seats.len(),
    );
    for (i, (seat, expected)) in lease.seats.iter().zip(&expected.seats).enumerate() {
        let provider = world.providers[expected.provider];
        let work = Work::new(job.place(lease.index, expected.attempt, provider.address), expected.result);
        let zero = [0; 32];
        let shown = |from: SeatState, value: [u8; 32]| if expected.state >= from { value } else { zero };
        // A rejected seat has shown its roots, but never its key.
        let opened = expected.state == SeatState::Opened;
        same!(format!("seat {i}"),
            seat.state => expected.state as u8,
            seat.provider => provider.address,
            seat.payer => provider.operator,
            seat.attempt => expected.attempt,
            seat.pay => expected.pay,
            seat.commit_by => expected.commit_by,
            seat.lock => expected.lock,
            seat.bond => expected.bond,
            seat.commitment => shown(SeatState::Committed, work.commitment()),
            seat.sealed => shown(SeatState::Committed, work.sealed),
            seat.result_root => shown(SeatState::Revealed, work.reveal.result_root),
            seat.work_root => shown(SeatState::Revealed, work.reveal.work_root),
            seat.key_hash => shown(SeatState::Revealed, work.reveal.key_hash),
            seat.key => if opened { work.key } else { zero },
        );
    }
    Ok(())
}

/// The invariants that hold after every instruction, computed from accounts alone.
///
/// # Errors
/// The first that does not hold.
pub fn invariants(world: &World, jobs: &[Job]) -> Result<(), Difference> {
    let holds = |what: &str, condition: bool| if condition { Ok(()) } else { Err(format!("invariant broken: {what}")) };
    let mut open = std::collections::HashMap::<Pubkey, (u32, u64)>::new();
    for job in jobs {
        let account = world.load::<state::Job>(job.address);
        let mut unsettled = 0u64;
        let mut owed = 0u64;
        for index in 0..job.leases {
            let Some(lease) = world.load::<world::Lease>(job.lease(index)) else { continue };
            let due: u64 = lease.active().map(|seat| seat.pay).sum();
            match lease.state {
                state::LeaseState::Settled => owed += due,
                _ => unsettled += due,
            }
            holds("4: at most one seat per replica", lease.active().count() <= usize::from(lease.replicas))?;
            for seat in &lease.seats {
                let (seats, locked) = open.entry(seat.provider).or_default();
                *seats += 1;
                *locked += seat.lock;
                holds("9: no bond is more than what is locked", seat.bond <= seat.lock)?;
                let twice = lease.seats.iter().filter(|other| other.provider == seat.provider).count() > 1;
                holds("4: one seat per provider", !twice)?;
            }
        }
        if let Some(j) = account {
            let escrow = world.tokens(job.escrow);
            holds("1: escrow ≥ deposited − paid", escrow >= j.deposited - j.paid)?;
            holds("owed is what seats of settled leases are due", j.owed == owed)?;
            let claims = owed + unsettled;
            let fee = payout::share(j.paid + claims, j.fee_bps);
            holds("2: escrow covers every seat and the fee", escrow >= claims + fee)?;
        }
    }
    for provider in &world.providers {
        let p = world.load::<state::Provider>(provider.address).ok_or("a provider is gone")?;
        holds(
            "3: vault ≥ stake + unstaking + earned + to_burn",
            world.tokens(provider.vault) >= p.stake + p.unstaking + p.earned + p.to_burn,
        )?;
        let (seats, locked) = open.get(&provider.address).copied().unwrap_or_default();
        holds("open leases are seats", p.open_leases == seats)?;
        holds("9: what is locked is what seats lock", p.locked == locked)?;
        holds("9: stake covers what is locked", p.stake >= p.locked)?;
    }
    holds("1: no token is made or lost", world.tokens_everywhere() == world.supply())
}
