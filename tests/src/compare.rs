//! Holds the chain against the model, account by account.

use tessera::state;

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
        market.total_stake => model.total_stake,
        world.tokens(world.treasury) => model.treasury,
    );
    for (i, client) in world.clients.iter().enumerate() {
        same!(format!("client {i}"), world.tokens(client.tokens) => model.clients[i].tokens);
    }
    for (i, provider) in world.providers.iter().enumerate() {
        let expected = &model.providers[i];
        let p = world.load::<state::Provider>(provider.address).ok_or("a provider is gone")?;
        same!(format!("provider {i}"),
            world.tokens(provider.tokens) => expected.wallet,
            world.tokens(provider.vault) => expected.vault,
            p.stake => expected.stake,
            p.staked_slot => expected.staked_slot,
            p.unstaking => expected.unstaking,
            p.unstake_at => expected.unstake_at,
            p.earned => expected.earned,
            p.total_earned => expected.total_earned,
            p.open_leases => expected.open_leases,
            p.locked => expected.locked,
            p.lost => expected.lost,
            p.slashed => expected.slashed,
            p.to_burn => expected.to_burn,
            p.returns_full_at => expected.returns_full_at,
            p.leases_settled => expected.leases_settled,
            p.units_settled => expected.units_settled,
            p.consecutive => expected.reputation.consecutive,
            p.faults => expected.reputation.faults,
            p.expiries => expected.reputation.expiries,
            p.success => expected.reputation.success,
            p.failure => expected.reputation.failure,
            p.reputation_at => expected.reputation.at,
            p.fault_slot => expected.reputation.fault_slot,
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
            j.audit_reserve => expected.audit_reserve,
            j.reserve => expected.reserve,
            j.audits_paid => expected.audits_paid,
            j.contested => expected.contested,
            (j.seed, j.seeded_at) => expected.seed.unwrap_or_default(),
            j.seed_slot => expected.seed_slot,
            j.owed_seats => expected.owed_seats,
            j.settled_leases as usize => expected.settled.len(),
            j.settled_units => expected.settled_units,
            (j.private != 0) => expected.terms.private,
            world.settled(job) => expected.settled.iter().copied().collect::<Vec<_>>(),
        );
    }
    for index in 0..expected.lease_count() {
        let (found, wanted) = (world.load::<world::Lease>(job.lease(index)), expected.leases.get(&index));
        same!(format!("lease {index}"),
            found.as_ref().is_some_and(|lease| lease.is_private()) => found.is_some() && expected.terms.private,
        );
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
        state::LeaseState::Void => LeaseState::Void,
    };
    same!("account",
        lease_state => expected.state,
        lease.payer => world.providers[expected.opener].operator,
        u64::from(lease.units) => expected.units,
        lease.claims => expected.claims,
        lease.group => expected.group as u8,
        (lease.missing, lease.wanted) => (expected.missing, expected.wanted),
        lease.rounds => expected.rounds,
        (lease.audit_due, lease.drawn) => (u8::from(expected.audit_due), u8::from(expected.drawn)),
        (lease.contested, lease.exhausted) => (u8::from(expected.contested), u8::from(expected.exhausted)),
        lease.call => expected.call,
        (lease.seed, lease.seed_slot) => (expected.seed, expected.seed_slot),
        lease.opened_at => expected.opened_at,
        lease.reveal_by => expected.reveal_by,
        lease.window_slot => expected.window_slot,
        lease.open_by => expected.open_by,
        lease.pay => expected.pay,
        lease.awards => expected.awards,
        (lease.result_root == [0; 32]) => expected.result.is_none(),
        lease.seats.len() => expected.seats.len(),
    );
    for (i, (seat, expected)) in lease.seats.iter().zip(&expected.seats).enumerate() {
        let provider = world.providers[expected.provider];
        let work = Work::new(job.place(lease.index, expected.attempt, provider.address), lease.units, expected.result);
        let show = |shown: bool, value: [u8; 32]| if shown { value } else { [0; 32] };
        // Who lost or was released may have shown its roots or not.
        let ended = expected.state > SeatState::Opened;
        let committed = ended || expected.state >= SeatState::Committed;
        let revealed = if ended { seat.result_root != [0; 32] } else { expected.state >= SeatState::Revealed };
        // Who is convicted of withholding a chunk has shown its key.
        let opened = if ended { seat.key != [0; 32] } else { expected.state == SeatState::Opened };
        same!(format!("seat {i}"),
            seat.state => expected.state as u8,
            seat.kind => expected.kind as u8,
            seat.draw => expected.draw as u8,
            seat.flags => flags(expected),
            (seat.payable_at, seat.answer_by) => (expected.payable_at, expected.answer_by),
            (seat.demand, seat.demands, seat.bonds) => (expected.demand, expected.demands, expected.bonds),
            seat.slot => expected.slot,
            seat.provider => provider.address,
            seat.payer => provider.operator,
            seat.attempt => expected.attempt,
            seat.pay => expected.pay,
            seat.commit_by => expected.commit_by,
            seat.lock => expected.lock,
            seat.bond => expected.bond,
            seat.commitment => show(committed, work.commitment()),
            seat.sealed => show(committed, work.sealed),
            seat.result_root => show(revealed, work.reveal.result_root),
            seat.work_root => show(revealed, work.reveal.work_root),
            seat.key_hash => show(revealed, work.reveal.key_hash),
            seat.key => show(opened, work.key),
        );
    }
    Ok(())
}

/// The flags of a seat as they stand in its account.
fn flags(seat: &model::Seat) -> u8 {
    let flags = [seat.confirmed, seat.from_reserve, seat.from_rest, seat.silent];
    (0..).zip(flags).map(|(bit, set)| u8::from(set) << bit).sum()
}
