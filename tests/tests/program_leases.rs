//! Leases and their seats: replicas that agree, disagree, vanish, and what everybody gets.

use tessera::{
    TesseraError, events,
    state::{self, Departure, LeaseState, SeatState},
};
use tessera_protocol::constants;
use tessera_tests::{
    terms::JobTerms,
    world::{Job, Provider, START, World},
};

#[test]
fn from_one_to_eight_replicas_that_agree_are_all_paid() {
    for replicas in 1..=constants::MAX_REPLICAS {
        let (mut world, job, providers) = World::with_replicas(usize::from(replicas), replicas);
        let before: Vec<u64> = providers.iter().map(|p| world.lamports(p.operator)).collect();
        let paid = 28 * u64::from(replicas);
        assert_eq!(world.tokens(job.escrow), paid + paid / 20);
        world.agree(job, 0, &providers);
        let lease = world.lease(job, 0);
        assert_eq!((lease.state, lease.reveal_by, lease.open_by), (LeaseState::Agreed, 0, START + 60));
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
        assert_eq!((event.paid, event.treasury + event.burned, event.refunded), (paid, paid / 20, 0));
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
    p.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    for p in &p {
        world.open_result(job, 0, *p).ok();
        world.settle_lease(job, 0, *p).ok();
    }
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
    world.reveal_and_open(job, 0, renewed, 0).ok();
    let before = world.lamports(operator);
    world.settle_lease(job, 0, renewed).ok();
    assert_eq!((world.lamports(p[0].operator), world.lamports(operator)), (lamports, before));
}

#[test]
fn one_replica_may_reveal_and_open_at_once() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.commit(job, 0, p[0], 0);
    let sent = world.reveal_and_open(job, 0, p[0], 0).ok();
    assert_eq!(sent.event::<events::ResultOpened>().key, world.work(job, 0, p[0], 0).key);
    assert_eq!(sent.event::<events::LeaseAgreed>().index, 0);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Opened);
    world.settle_lease(job, 0, p[0]).ok();
}

#[test]
fn nobody_is_paid_where_roots_differ_and_others_do_the_work() {
    let (mut world, job, p) = World::with_replicas(4, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(5);
    let event = world.reveal_result(job, 0, p[1], 1).ok().event::<events::LeaseDisagreed>();
    assert_eq!((event.job, event.index, event.rounds), (job.address, 0, 1));
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.rounds, lease.reveal_by, lease.opened_at), (LeaseState::Open, 1, 0, START + 5));
    assert!(lease.seats.iter().all(|seat| seat.state() == SeatState::Rejected));
    for (provider, result) in [(p[0], 0), (p[1], 1)] {
        world.claim_lease(job, 0, provider).expect_err(TesseraError::AlreadySeated);
        world.commit_result(job, 0, provider, 0).expect_err(TesseraError::SeatNotLeased);
        world.reveal_result(job, 0, provider, result).expect_err(TesseraError::SeatNotCommitted);
        world.open_result(job, 0, provider).expect_err(TesseraError::LeaseNotAgreed);
        world.settle_lease(job, 0, provider).expect_err(TesseraError::LeaseNotAgreed);
        world.return_lease(job, 0, provider).expect_err(TesseraError::SeatNotReturnable);
        world.expire_lease(job, 0, provider).expect_err(TesseraError::WindowStillOpen);
    }
    world.complete(job, 0, &p[2..]);
    // The honest one of the first round is not paid either: the program cannot know which it was.
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotOpened);
    for provider in &p[..2] {
        let event = world.expire_lease(job, 0, *provider).ok().event::<events::LeaseExpired>();
        assert_eq!((event.job, event.index, event.provider), (job.address, 0, provider.address));
        assert_eq!(event.departure, Departure::Disagreed);
        let account = world.provider(*provider);
        assert_eq!((account.disagreed, account.faults, account.expired, account.open_leases), (1, 0, 0, 0));
        assert_eq!((account.earned, world.tokens(provider.vault)), (0, 5_000));
    }
    let event = world.close_lease(job, 0).ok().event::<events::LeaseClosed>();
    assert_eq!((event.job, event.index), (job.address, 0));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.refunded), (56, 0));
    for provider in &p {
        assert_eq!(world.lamports(provider.operator), tessera_tests::world::LAMPORTS);
    }
}

#[test]
fn a_replica_that_does_not_reveal_is_replaced() {
    let (mut world, job, p) = World::with_replicas(3, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseFull);
    world.advance(60);
    world.expire_lease(job, 0, p[1]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let event = world.expire_lease(job, 0, p[1]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.provider, event.departure), (p[1].address, Departure::Fault));
    assert_eq!(world.provider(p[1]).faults, 1);
    assert_eq!(world.lease(job, 0).reveal_by, 0);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Revealed);
    world.commit(job, 0, p[2], 0);
    assert_eq!(world.lease(job, 0).reveal_by, world.now() + 60);
    world.reveal_result(job, 0, p[2], 0).ok();
    for provider in [p[0], p[2]] {
        world.open_result(job, 0, provider).ok();
        world.settle_lease(job, 0, provider).ok();
    }
    world.close_job(job).ok();
}

#[test]
fn a_late_reveal_counts_until_somebody_ends_its_window() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(1_000);
    world.reveal_result(job, 0, p[1], 0).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
}

#[test]
fn a_round_that_reveals_takes_no_newcomers() {
    let (mut world, job, p) = World::with_replicas(4, 3);
    p[..3].iter().for_each(|p| world.commit(job, 0, *p, 0));
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(61);
    world.expire_lease(job, 0, p[1]).ok();
    // The third may still reveal; until it did, or was expired, whoever saw the root of the first stays out.
    world.claim_lease(job, 0, p[3]).expect_err(TesseraError::LeaseFull);
    world.return_lease(job, 0, p[2]).expect_err(TesseraError::SeatNotReturnable);
    world.reveal_result(job, 0, p[2], 0).ok();
    assert_eq!((world.lease(job, 0).state, world.lease(job, 0).reveal_by), (LeaseState::Open, 0));
    world.commit(job, 0, p[3], 0);
    world.reveal_result(job, 0, p[3], 0).ok();
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
    assert_eq!(event.departure, Departure::Fault);
    assert_eq!(world.load::<state::Job>(job.address).unwrap().owed, 0);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // 5 % of 28 is 1.
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned, event.refunded), (58, 28, 0, 1, 29));
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
    assert_eq!((lease.opened_at, lease.rounds, lease.claims), (START + 61, 0, 2));
    assert_eq!((world.provider(p[0]).faults, world.provider(p[1]).faults), (1, 1));
    // They are no longer in it and may try again, with a new attempt.
    world.complete(job, 0, &[p[1], p[2]]);
    world.close_job(job).ok();
}

/// Brings a lease to a round in which the last of `round` has another result than the others.
fn disagree(world: &mut World, job: Job, round: &[Provider]) {
    let (odd, others) = round.split_last().unwrap();
    others.iter().for_each(|p| world.commit(job, 0, *p, 0));
    world.commit(job, 0, *odd, 1);
    others.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    let event = world.reveal_result(job, 0, *odd, 1).ok().event::<events::LeaseDisagreed>();
    assert_eq!(world.lease(job, 0).rounds, event.rounds);
}

#[test]
fn a_lease_takes_claims_only_while_a_full_round_has_room() {
    for (replicas, rounds) in [(8, 3), (7, 3), (5, 4)] {
        let seats = rounds * replicas;
        let (mut world, job, p) = World::with_replicas(seats + 1, replicas as u8);
        for round in p[..seats].chunks(replicas) {
            disagree(&mut world, job, round);
        }
        assert_eq!(world.lease(job, 0).seats.len(), seats);
        assert!(seats <= constants::MAX_SEATS && seats + replicas > constants::MAX_SEATS);
        // Whoever claimed now would work for a round that can never be complete.
        world.claim_lease(job, 0, p[seats]).expect_err(TesseraError::LeaseFull);
        // The job still ends, and everybody gets the rent back.
        world.advance(100_000);
        p[..seats].iter().for_each(|p| drop(world.expire_lease(job, 0, *p).ok()));
        world.close_lease(job, 0).ok();
        world.close_job(job).ok();
        p.iter().for_each(|p| assert_eq!(world.lamports(p.operator), tessera_tests::world::LAMPORTS));
    }
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
