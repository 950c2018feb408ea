//! What seats lock, what burns when they are late, and what is free.

use spl_token_interface::state::{Account as TokenAccount, AccountState};
use tessera::{TesseraError, events, state::Departure};
use tessera_tests::{
    terms::JobTerms,
    world::{World, params},
};

/// Pay of a lease of the default job, what a seat of it locks, and its bond: 4 × 7, 8 times that, a quarter of it.
const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const BOND: u64 = PAY / 4;

#[test]
fn a_seat_locks_stake_until_it_is_paid() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).locked, LOCK);
    let seat = world.seat(job, 0, p[0]).unwrap();
    assert_eq!((seat.pay, seat.lock, seat.bond), (PAY, LOCK, BOND));
    // What is locked cannot be asked back, the rest can.
    world.request_unstake(p[0], 5_000 - LOCK + 1).expect_err(TesseraError::StakeLocked);
    world.request_unstake(p[0], 5_001).expect_err(TesseraError::MoreThanStake);
    world.request_unstake(p[0], 5_000 - LOCK).ok();
    world.commit_result(job, 0, p[0], 0).ok();
    world.draw(job, 0, &p);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.request_unstake(p[0], 1).expect_err(TesseraError::StakeLocked);
    world.settle_lease(job, 0, p[0]).ok();
    let account = world.provider(p[0]);
    assert_eq!((account.locked, account.stake, account.lost), (0, LOCK, 0));
    world.request_unstake(p[0], LOCK).ok();
}

#[test]
fn a_quarter_of_the_stake_stays_free() {
    let mut world = World::with(|b| (b.providers, b.stake, b.terms.min_stake) = (1, 4 * LOCK, 0));
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms { units: 20, ..JobTerms::default() });
    for index in 0..3 {
        world.claim_lease(job, index, p).ok();
    }
    world.claim_lease(job, 3, p).expect_err(TesseraError::StakeLocked);
    world.add_stake(p, LOCK).ok();
    world.claim_lease(job, 3, p).expect_err(TesseraError::StakeLocked);
    world.add_stake(p, LOCK.div_ceil(3)).ok();
    // Stake that came after the job is ranked last; its turn comes when the seats are open to all.
    world.advance(20);
    world.claim_lease(job, 3, p).ok();
    assert_eq!(world.provider(p).locked, 4 * LOCK);
}

#[test]
fn a_lock_that_overflows_is_refused() {
    let mut world = World::with(|b| (b.providers, b.tokens) = (1, u64::MAX / 8));
    let terms = JobTerms { units: 1, price_per_unit: u64::MAX / 90, ..JobTerms::default() };
    let mut market = world.terms;
    (market.fee_bps, market.lock_multiple) = (0, 10_000);
    world.update_market(market).ok();
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &terms);
    world.claim_lease(job, 0, p).expect_err(TesseraError::Overflow);
}

#[test]
fn the_bond_of_a_late_seat_is_lost_and_burns() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    let supply = world.supply();
    world.commit(job, 0, p[0], 0);
    world.claim_lease(job, 0, p[1]).ok();
    world.advance(120);
    world.expire_lease(job, 0, p[1]).expect_err(TesseraError::WindowStillOpen);
    world.burn_bonds(p[1]).expect_err(TesseraError::NothingToBurn);
    world.advance(1);
    let event = world.expire_lease(job, 0, p[1]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Expired, BOND));
    let account = world.provider(p[1]);
    assert_eq!((account.stake, account.lost, account.locked, account.expiries), (5_000 - BOND, BOND, 0, 1));
    // The other one has done nothing wrong, and is not bound to wait for a third.
    world.draw(job, 0, &p[..1]);
    let event = world.return_lease(job, 0, p[0]).ok().event::<events::LeaseReturned>();
    assert_eq!((event.lost, world.provider(p[0]).stake), (0, 5_000));

    // Nothing leaves before the bond has burned.
    world.request_unstake(p[1], 100).ok();
    world.advance(3_600);
    world.withdraw_stake(p[1]).expect_err(TesseraError::BondsNotBurned);
    assert_eq!((world.tokens(p[1].vault), world.supply(), world.provider(p[1]).to_burn), (5_000, supply, BOND));
    let event = world.burn_bonds(p[1]).ok().event::<events::BondsBurned>();
    assert_eq!((event.provider, event.amount), (p[1].address, BOND));
    assert_eq!((world.tokens(p[1].vault), world.supply()), (5_000 - BOND, supply - BOND));
    world.burn_bonds(p[1]).expect_err(TesseraError::NothingToBurn);
    world.withdraw_stake(p[1]).ok();
    assert_eq!((world.tokens(p[1].vault), world.provider(p[1]).lost), (4_900 - BOND, BOND));
}

#[test]
fn earnings_wait_for_the_bond_too() {
    let mut world = World::with(|b| b.providers = 1);
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    world.claim_lease(job, 1, p).ok();
    world.advance(121);
    world.expire_lease(job, 1, p).ok();
    world.withdraw_earnings(p).expect_err(TesseraError::BondsNotBurned);
    world.burn_bonds(p).ok();
    world.withdraw_earnings(p).ok();
}

#[test]
fn a_frozen_vault_holds_up_nobody_else() {
    let (mut world, job, p) = World::with_replicas(2, 1);
    world.claim_lease(job, 0, p[0]).ok();
    let vault = world.token_account(p[0].vault).unwrap();
    world.set_packed(p[0].vault, TokenAccount { state: AccountState::Frozen, ..vault });
    world.advance(121);
    world.expire_lease(job, 0, p[0]).ok();
    world.burn_bonds(p[0]).refusal();
    world.complete(job, 0, &[p[1]]);
    world.close_job(job).ok();
}

#[test]
fn who_does_not_reveal_where_nothing_is_at_stake_loses_the_bond() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    world.advance(61);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance_lease(job, 0).ok();
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Silent, BOND));
    let account = world.provider(p[0]);
    assert_eq!((account.stake, account.expiries, account.faults), (5_000 - BOND, 1, 0));
}

#[test]
fn seats_that_nobody_is_to_blame_for_cost_nothing() {
    let (mut world, job, p) = World::with_replicas(1, 2);
    world.commit(job, 0, p[0], 0);
    world.advance(3_600 + 301);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
    assert_eq!((world.provider(p[0]).locked, world.provider(p[0]).stake), (0, 5_000));
}

#[test]
fn so_many_returns_are_free() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    let give_back = |world: &mut World| {
        world.claim_lease(job, 0, p[0]).ok();
        world.return_lease(job, 0, p[0]).ok().event::<events::LeaseReturned>().lost
    };
    assert_eq!([0; 4].map(|_| give_back(&mut world)), [0, 0, 0, BOND]);
    // One comes back every 1,200 seconds.
    world.advance(1_199);
    assert_eq!(give_back(&mut world), BOND);
    world.advance(1);
    assert_eq!([0; 2].map(|_| give_back(&mut world)), [0, BOND]);
    let account = world.provider(p[0]);
    assert_eq!((account.stake, account.lost, account.to_burn), (5_000 - 3 * BOND, 3 * BOND, 3 * BOND));
}

#[test]
fn jobs_keep_the_bonds_they_were_posted_with() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    let mut market = world.terms;
    (market.lock_multiple, market.expiry_bond_bps) = (100, 10_000);
    world.update_market(market).ok();
    assert_eq!(params(&market).audit.lock_multiple, 100);
    world.claim_lease(job, 0, p[0]).ok();
    let seat = world.seat(job, 0, p[0]).unwrap();
    assert_eq!((seat.lock, seat.bond), (LOCK, BOND));
}

#[test]
fn a_clock_that_leaps_makes_nobody_late() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    // The cluster stood still for half an hour: the seat's two minutes are over, but it had no slots.
    world.leap(1_800);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.commit_result(job, 0, p[0], 0).ok();
    world.draw(job, 0, &p);
    world.leap(600);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!((world.provider(p[0]).earned, world.provider(p[0]).lost), (PAY, 0));
}
