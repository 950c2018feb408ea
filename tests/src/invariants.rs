//! The invariants of `docs/protocol.md`, which hold after every instruction, computed from accounts alone.

use std::collections::HashMap;

use anchor_lang::prelude::Pubkey;
use tessera::state::{self, Draw, LeaseState, PAID_BY_RESERVE, Seat};
use tessera_protocol::{lease::units, payout::share, verdict::Kind};

use crate::{
    compare::Difference,
    world::{self, Job, World},
};

fn holds(what: &str, condition: bool) -> Result<(), Difference> {
    if condition { Ok(()) } else { Err(format!("invariant broken: {what}")) }
}

/// What the seats of each provider are together: their number, and the stake that they lock.
type Seats = HashMap<Pubkey, (u32, u64)>;

/// What the leases of a job need to be in its escrow, and what its account must say of them.
#[derive(Default)]
struct Claims {
    /// Due to seats of settled leases.
    owed: u64,
    /// How many they are.
    owed_seats: u32,
    /// Bonds of demands, of leases that have not settled.
    bonds: u64,
    /// Part of it that losers pay.
    awarded: u64,
    /// Most that leases may cost that have not settled.
    unsettled: u64,
    /// Set aside for audits.
    set_aside: u64,
    /// Paid by losers, and not paid out.
    awards: u64,
    /// Leases that are audited or disputed.
    contested: u32,
}

/// Checks all of them.
///
/// # Errors
/// The first that does not hold.
pub fn invariants(world: &World, jobs: &[Job]) -> Result<(), Difference> {
    let mut open = Seats::new();
    for job in jobs {
        let account = world.load::<state::Job>(job.address);
        let (mut claims, settled) = (Claims::default(), world.settled(*job));
        for index in 0..job.leases {
            let lease = world.load::<world::Lease>(job.lease(index));
            if let Some(lease) = &lease {
                seats(lease, &mut open)?;
            }
            if let Some(account) = &account {
                claim(account, index, lease.as_ref(), settled.contains(&index), &mut claims)?;
            }
        }
        if let Some(account) = account {
            escrow(&account, &claims, world.tokens(job.escrow))?;
        }
    }
    providers(world, &open)?;
    holds("1: no token is made or lost", world.tokens_everywhere() == world.supply())
}

fn seats(lease: &world::Lease, open: &mut Seats) -> Result<(), Difference> {
    let base = lease.active().filter(|seat| seat.kind() == Kind::Base).count();
    holds("4: at most one base seat per replica", base <= usize::from(lease.replicas))?;
    for seat in &lease.seats {
        let (seats, locked) = open.entry(seat.provider).or_default();
        *seats += 1;
        *locked += seat.lock;
        holds("9: no bond is more than what is locked", seat.bond <= seat.lock)?;
        let convicted = seat.state() == state::SeatState::Convicted;
        holds("no award is more than what is lost", !convicted || seat.pay <= seat.lock)?;
        let twice = lease.seats.iter().filter(|other| other.provider == seat.provider).count() > 1;
        holds("4: one seat per provider", !twice)?;
    }
    Ok(())
}

/// Adds what a lease of a job may cost it.
fn claim(
    job: &state::Job,
    index: u32,
    lease: Option<&world::Lease>,
    settled: bool,
    claims: &mut Claims,
) -> Result<(), Difference> {
    let range = units(job.units, job.units_per_lease, index);
    // What has settled is covered whatever the price was raised to since.
    let price = if settled { 0 } else { job.price_per_unit };
    let whole = price * (range.end - range.start) * u64::from(job.replicas);
    claims.unsettled += whole;
    let Some(lease) = lease else { return Ok(()) };
    holds("a settled lease is marked", settled == (lease.state == LeaseState::Settled))?;
    let sum = |of: &dyn Fn(&&Seat) -> bool| lease.active().filter(of).map(|seat| seat.pay).sum::<u64>();
    let bonds = lease.active().map(|seat| seat.bonds).sum::<u64>();
    demands(job, lease)?;
    if job.is_private() {
        alone(job, lease)?;
    }
    let from_reserve = |seat: &Seat| seat.flags & PAID_BY_RESERVE != 0;
    claims.contested += u32::from(lease.is_contested());
    claims.awards += lease.awards;
    let calls = lease.seats.iter().filter(|seat| seat.draw == Draw::Reserve as u8).count() as u64;
    let set_aside = calls * lease.pay + sum(&|seat| from_reserve(seat));
    claims.set_aside += set_aside;
    if settled {
        claims.owed += sum(&|_| true) + bonds;
        claims.owed_seats += lease.active().count() as u32;
        claims.awarded += sum(&|seat| seat.kind() == Kind::Dispute) + sum(&|seat| from_reserve(seat));
    } else if lease.state == LeaseState::Agreed {
        claims.bonds += bonds;
        let work = sum(&|seat| seat.kind() != Kind::Dispute && !from_reserve(seat));
        holds("2: auditors are paid out of what the lease was to cost, or by the reserve", work <= whole)?;
    }
    Ok(())
}

/// What nobody else could compute is audited, judged and remembered by nobody, and nothing but a bond is at stake for it.
fn alone(job: &state::Job, lease: &world::Lease) -> Result<(), Difference> {
    let alone = |seat: &Seat| seat.kind() == Kind::Base && seat.flags == 0 && seat.draw <= Draw::Passed as u8;
    holds("all seats of a private lease are base seats that nobody drew", lease.seats.iter().all(alone))?;
    holds("private seats lock their bonds", lease.seats.iter().all(|seat| seat.lock == seat.bond))?;
    holds("one of them at a time has something to do", lease.active().count() <= 1)?;
    let opened = lease.group == Kind::Base as u8 && lease.rounds == 0 && lease.drawn == 0 && lease.awards == 0;
    holds("no audit or dispute of a private lease begins", opened && lease.state != LeaseState::Void)?;
    holds("a private job reserves nothing for audits", job.audit_reserve == 0 && job.lock_multiple == 0)
}

/// What is demanded of the seats of a lease.
fn demands(job: &state::Job, lease: &world::Lease) -> Result<(), Difference> {
    for seat in lease.active() {
        let paid = job.demand_bond.checked_mul(u64::from(seat.demands));
        holds("a seat has the bonds of all demands", paid == Some(seat.bonds))?;
        holds("at most four demands", seat.demands <= 4)?;
        let kept = seat.state() == state::SeatState::Opened
            && (lease.is_contested() || lease.state == LeaseState::Settled && job.owed_seats > 0);
        holds("a job stays as long as something is demanded", seat.answer_by == 0 || kept)?;
    }
    Ok(())
}

fn escrow(job: &state::Job, claims: &Claims, tokens: u64) -> Result<(), Difference> {
    holds(
        "1: escrow ≥ deposited − paid, and what losers have paid",
        tokens >= job.deposited - job.paid + claims.awards,
    )?;
    holds("owed is what seats of settled leases are due", job.owed == claims.owed)?;
    holds("seats that are due something are counted", job.owed_seats == claims.owed_seats)?;
    holds(
        "the reserve is whole: what is left, set aside and paid",
        job.audit_reserve == job.reserve + claims.set_aside + job.audits_paid,
    )?;
    holds("contested leases are counted", job.contested == claims.contested)?;
    let due = claims.owed - claims.awarded + claims.unsettled + claims.bonds + job.reserve + claims.set_aside;
    let fee = share(job.paid + due, job.fee_bps);
    holds("2: escrow covers every lease, the reserve and the fee", tokens >= claims.awards + due + fee)
}

fn providers(world: &World, open: &Seats) -> Result<(), Difference> {
    let mut staked = 0;
    for provider in &world.providers {
        let p = world.load::<state::Provider>(provider.address).ok_or("a provider is gone")?;
        let held = p.stake + p.unstaking + p.earned + p.to_burn;
        holds("3: vault ≥ stake + unstaking + earned + to_burn", world.tokens(provider.vault) >= held)?;
        let (seats, locked) = open.get(&provider.address).copied().unwrap_or_default();
        holds("open leases are seats", p.open_leases == seats)?;
        holds("9: what is locked is what seats lock", p.locked == locked)?;
        holds("9: stake covers what is locked", p.stake >= p.locked)?;
        staked += p.stake + p.to_burn;
    }
    let market = world.load::<state::Market>(world.market).ok_or("the market is gone")?;
    holds("the market counts all stake", market.total_stake == staked)
}
