//! Leases and their seats: replicas that agree, disagree, vanish, and what everybody gets.

use tessera::{
    TesseraError, events,
    state::{self, Departure, LeaseState, SeatState},
};
use tessera_protocol::constants;
use tessera_tests::{
    terms::JobTerms,
    world::{Provider, World},
};

#[test]
fn from_one_to_eight_replicas_that_agree_are_all_paid() {
    for replicas in 1..=constants::MAX_REPLICAS {
        let (mut world, job, providers) = World::with_replicas(usize::from(replicas), replicas);
        let before: Vec<u64> = providers.iter().map(|p| world.lamports(p.operator)).collect();
        let paid = 28 * u64::from(replicas);
        let reserve = 28 * u64::from((2 * replicas).min(6));
        let deposited = paid + reserve + (paid + reserve) / 20;
        assert_eq!(world.tokens(job.escrow), deposited);
        world.agree(job, 0, &providers);
        let lease = world.lease(job, 0);
        assert_eq!((lease.state, lease.reveal_by), (LeaseState::Agreed, 0));
        assert_eq!(lease.open_by, world.now() + 60);
        assert_eq!(lease.result_root, world.work(job, 0, providers[0], 0).reveal.result_root);
        // The last to claim opens and settles first.
        for (done, provider) in (0u64..).zip(providers.iter().rev()) {
            world.open_result(job, 0, *provider).ok();
            world.settle_lease(job, 0, *provider).ok();
            let account = world.load::<state::Job>(job.address).unwrap();
            assert_eq!((account.paid, account.owed), (28 * (done + 1), paid - 28 * (done + 1)));
            assert_eq!((account.settled_leases, account.settled_units), (1, 4));
        }
        assert!(!world.exists(job.lease(0)));
        for (provider, lamports) in providers.iter().zip(before) {
            assert_eq!((world.tokens(provider.vault), world.lamports(provider.operator)), (5_028, lamports));
        }
        let event = world.close_job(job).ok().event::<events::JobClosed>();
        let fee = paid / 20;
        assert_eq!((event.paid, event.treasury + event.burned), (paid, fee));
        assert_eq!(event.refunded, deposited - paid - fee);
    }
}

#[test]
fn each_claimer_pays_the_rent_of_its_own_seat() {
    let (mut world, job, p) = World::with_replicas(3, 3);
    let seat = world.rent(size_of::<state::Seat>()) - world.rent(0);
    let lamports: Vec<u64> = p.iter().map(|p| world.lamports(p.operator)).collect();
    p.iter().for_each(|p| drop(world.claim_lease(job, 0, *p).ok()));
    assert_eq!(world.lamports(p[0].operator), lamports[0] - world.rent(state::Lease::space(0)) - seat);
    assert_eq!(world.lamports(p[1].operator), lamports[1] - seat);
    assert_eq!(world.lamports(p[2].operator), lamports[2] - seat);
    assert_eq!(world.lamports(job.lease(0)), world.rent(state::Lease::space(3)));
    world.return_lease(job, 0, p[0]).ok();
    assert_eq!(
        world.lamports(p[0].operator),
        lamports[0] - world.rent(state::Lease::space(0)),
        "the account stays, and so does its rent"
    );
    world.return_lease(job, 0, p[1]).ok();
    assert_eq!(world.lamports(p[1].operator), lamports[1]);
    world.claim_lease(job, 0, p[1]).ok();
    world.claim_lease(job, 0, p[0]).ok();
    p.iter().for_each(|p| drop(world.commit_result(job, 0, *p, 0).ok()));
    world.draw(job, 0, &p);
    p.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    world.pay(job, 0, &p);
    let now: Vec<u64> = p.iter().map(|p| world.lamports(p.operator)).collect();
    assert_eq!(now, lamports);
}

#[test]
fn rent_goes_back_to_the_operator_that_paid_it_even_if_there_is_a_new_one() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    let lamports = world.lamports(p[0].operator);
    world.claim_lease(job, 0, p[0]).ok();
    let operator = world.new_wallet("new operator");
    world.update_provider(p[0], Some(operator), None).ok();
    let renewed = Provider { operator, ..p[0] };
    world.commit_result(job, 0, p[0], 0).expect_err(TesseraError::WrongOperator);
    world.commit_result(job, 0, renewed, 0).ok();
    world.draw(job, 0, &[renewed]);
    world.reveal_and_open(job, 0, renewed, 0).ok();
    let before = world.lamports(operator);
    world.settle_lease(job, 0, renewed).ok();
    assert_eq!((world.lamports(p[0].operator), world.lamports(operator)), (lamports, before));
}

#[test]
fn one_replica_may_reveal_and_open_at_once() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    let sent = world.reveal_and_open(job, 0, p[0], 0).ok();
    assert_eq!(sent.event::<events::ResultOpened>().key, world.work(job, 0, p[0], 0).key);
    assert_eq!(sent.event::<events::LeaseAgreed>().index, 0);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Opened);
    world.settle_lease(job, 0, p[0]).ok();
}

#[test]
fn where_nobody_reveals_the_lease_is_open_again() {
    let (mut world, job, p) = World::with_replicas(3, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.draw(job, 0, &p[..2]);
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseFull);
    world.advance(60);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let event = world.advance_lease(job, 0).ok().event::<events::LeaseReopened>();
    assert_eq!((event.job, event.index), (job.address, 0));
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.reveal_by, lease.missing, lease.call), (LeaseState::Open, 0, 2, 2));
    // Two replicas keep a watch on each other: who says nothing then loses its lock.
    for provider in &p[..2] {
        assert_eq!(world.seat(job, 0, *provider).unwrap().state(), SeatState::Convicted);
        world.claim_lease(job, 0, *provider).expect_err(TesseraError::AlreadySeated);
        world.expire_lease(job, 0, *provider).expect_err(TesseraError::SeatConvicted);
        world.return_lease(job, 0, *provider).expect_err(TesseraError::SeatNotReturnable);
        let event = world.slash_seat(job, 0, *provider).ok().event::<events::SeatSlashed>();
        assert_eq!((event.awarded, event.burned), (0, 224));
    }
    world.advance(20);
    world.complete(job, 0, &[p[1], p[2]]);
    world.close_job(job).ok();
}

#[test]
fn a_late_reveal_counts_until_somebody_ends_its_window() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(1_000);
    world.reveal_result(job, 0, p[1], 0).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
}

#[test]
fn a_group_that_reveals_takes_no_newcomers() {
    let (mut world, job, p) = World::with_replicas(4, 3);
    p[..3].iter().for_each(|p| world.commit(job, 0, *p, 0));
    world.draw(job, 0, &p[..3]);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(61);
    // The others may still reveal; until they did, or were judged, whoever saw the root of the first stays out.
    world.claim_lease(job, 0, p[3]).expect_err(TesseraError::LeaseFull);
    world.return_lease(job, 0, p[2]).expect_err(TesseraError::SeatNotReturnable);
    world.expire_lease(job, 0, p[2]).expect_err(TesseraError::WindowStillOpen);
    world.reveal_result(job, 0, p[2], 0).ok();
    world.reveal_result(job, 0, p[1], 0).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
}

#[test]
fn a_replica_that_does_not_open_is_not_paid() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.agree(job, 0, &p);
    world.open_result(job, 0, p[0]).ok();
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!(world.load::<state::Job>(job.address).unwrap().owed, 28);
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.advance(60);
    world.expire_lease(job, 0, p[1]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let event = world.expire_lease(job, 0, p[1]).ok().event::<events::LeaseExpired>();
    assert_eq!(event.departure, Departure::Withheld);
    assert_eq!(world.load::<state::Job>(job.address).unwrap().owed, 0);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // 5 % of 28 is 1.
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned, event.refunded), (176, 28, 0, 1, 147));
    world.close_lease(job, 0).ok();
}

#[test]
fn a_late_opening_counts_until_somebody_ends_its_window() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.agree(job, 0, &p);
    world.open_result(job, 0, p[0]).ok();
    world.settle_lease(job, 0, p[0]).ok();
    world.advance(100_000);
    world.open_result(job, 0, p[1]).ok();
    world.expire_lease(job, 0, p[1]).expect_err(TesseraError::WindowStillOpen);
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.settle_lease(job, 0, p[1]).ok();
    world.close_job(job).ok();
}

#[test]
fn an_agreed_lease_that_nobody_opens_is_open_again() {
    let (mut world, job, p) = World::with_replicas(4, 2);
    world.agree(job, 0, &p[..2]);
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseAgreed);
    world.advance(61);
    world.expire_lease(job, 0, p[0]).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
    world.expire_lease(job, 0, p[1]).ok();
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.open_by, lease.result_root), (LeaseState::Open, 0, [0; 32]));
    assert_eq!((lease.opened_at, lease.rounds, lease.claims, lease.missing), (world.now(), 0, 2, 2));
    assert_eq!((world.provider(p[0]).expiries, world.provider(p[1]).expiries), (1, 1));
    // They are no longer in it and may try again, with a new attempt.
    world.advance(20);
    world.complete(job, 0, &[p[1], p[2]]);
    world.close_job(job).ok();
}

#[test]
fn a_market_limits_how_many_leases_a_provider_holds() {
    let mut world = World::with(|b| b.terms.max_open_leases = 2);
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(job, 1, p).ok();
    world.claim_lease(job, 2, p).expect_err(TesseraError::TooManyOpenLeases);
    world.return_lease(job, 0, p).ok();
    world.claim_lease(job, 2, p).ok();
}
