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

/// A world with `n` providers and a job whose single lease of 4 units wants `replicas`.
fn with_replicas(n: usize, replicas: u8) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| b.providers = n);
    let terms = JobTerms { units: 4, replicas, ..JobTerms::default() };
    let job = world.job(world.clients[0], &terms);
    let providers = world.providers.clone();
    (world, job, providers)
}

fn account(world: &World, provider: Provider) -> state::Provider {
    world.load(provider.address).unwrap()
}

#[test]
fn from_one_to_eight_replicas_that_agree_are_all_paid() {
    for replicas in 1..=constants::MAX_REPLICAS {
        let (mut world, job, providers) = with_replicas(usize::from(replicas), replicas);
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
    let (mut world, job, p) = with_replicas(3, 3);
    let seat = world.rent(301) - world.rent(0);
    let lamports: Vec<u64> = p.iter().map(|p| world.lamports(p.operator)).collect();
    p.iter().for_each(|p| drop(world.claim_lease(job, 0, *p).ok()));
    assert_eq!(world.lamports(p[0].operator), lamports[0] - world.rent(216) - seat);
    assert_eq!(world.lamports(p[1].operator), lamports[1] - seat);
    assert_eq!(world.lamports(p[2].operator), lamports[2] - seat);
    assert_eq!(world.lamports(job.lease(0)), world.rent(216 + 3 * 301));
    world.return_lease(job, 0, p[0]).ok();
    assert_eq!(world.lamports(p[0].operator), lamports[0] - world.rent(216), "the account stays, and so does its rent");
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
    let (mut world, job, p) = with_replicas(1, 1);
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
    let (mut world, job, p) = with_replicas(1, 1);
    world.commit(job, 0, p[0], 0);
    let sent = world.reveal_and_open(job, 0, p[0], 0).ok();
    assert_eq!(sent.event::<events::ResultOpened>().key, world.work(job, 0, p[0], 0).key);
    assert_eq!(sent.event::<events::LeaseAgreed>().index, 0);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state, SeatState::Opened);
    world.settle_lease(job, 0, p[0]).ok();
}

#[test]
fn nobody_is_paid_where_roots_differ_and_others_do_the_work() {
    let (mut world, job, p) = with_replicas(4, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(5);
    let event = world.reveal_result(job, 0, p[1], 1).ok().event::<events::LeaseDisagreed>();
    assert_eq!((event.job, event.index, event.rounds), (job.address, 0, 1));
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.rounds, lease.reveal_by, lease.opened_at), (LeaseState::Open, 1, 0, START + 5));
    assert!(lease.seats.iter().all(|seat| seat.state == SeatState::Rejected));
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
        let account = account(&world, *provider);
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
    let (mut world, job, p) = with_replicas(3, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseFull);
    world.advance(60);
    world.expire_lease(job, 0, p[1]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let event = world.expire_lease(job, 0, p[1]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.provider, event.departure), (p[1].address, Departure::Fault));
    assert_eq!(account(&world, p[1]).faults, 1);
    assert_eq!(world.lease(job, 0).reveal_by, 0);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state, SeatState::Revealed);
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
    let (mut world, job, p) = with_replicas(2, 2);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(1_000);
    world.reveal_result(job, 0, p[1], 0).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
}

#[test]
fn a_round_that_reveals_takes_no_newcomers() {
    let (mut world, job, p) = with_replicas(4, 3);
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
    let (mut world, job, p) = with_replicas(2, 2);
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
    let (mut world, job, p) = with_replicas(2, 2);
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
    let (mut world, job, p) = with_replicas(4, 2);
    world.agree(job, 0, &p[..2]);
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseAgreed);
    world.advance(61);
    world.expire_lease(job, 0, p[0]).ok();
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
    world.expire_lease(job, 0, p[1]).ok();
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.open_by, lease.result_root), (LeaseState::Open, 0, [0; 32]));
    assert_eq!((lease.opened_at, lease.rounds, lease.claims), (START + 61, 0, 2));
    assert_eq!((account(&world, p[0]).faults, account(&world, p[1]).faults), (1, 1));
    // They are no longer in it and may try again, with a new attempt.
    world.complete(job, 0, &[p[1], p[2]]);
    world.close_job(job).ok();
}

#[test]
fn a_lease_that_is_not_committed_in_time_is_open_again() {
    let (mut world, job, p) = with_replicas(2, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(120);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    world.commit_result(job, 0, p[0], 0).expect_err(TesseraError::CommitTooLate);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::LeaseFull);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!(event.departure, Departure::Expired);
    assert_eq!((account(&world, p[0]).expired, account(&world, p[0]).open_leases), (1, 0));
    world.claim_lease(job, 0, p[1]).ok();
    assert_eq!(world.seat(job, 0, p[1]).unwrap().attempt, 1);
}

#[test]
fn an_expired_commitment_is_worth_nothing_in_the_next_attempt() {
    let (mut world, job, p) = with_replicas(2, 2);
    world.commit(job, 0, p[0], 0);
    let first = world.work(job, 0, p[0], 0);
    world.return_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 0, p[0]).ok();
    let call = world.commit_result(job, 0, p[0], 0);
    // The old commitment in place of the new one.
    call.with_data(|data| data[8..40].copy_from_slice(&first.commitment())).ok();
    world.commit(job, 0, p[1], 0);
    world.reveal(job, 0, p[0], &first, None).expect_err(TesseraError::CommitmentMismatch);
}

#[test]
fn a_seat_may_be_given_back_while_nobody_waits_for_it() {
    let (mut world, job, p) = with_replicas(3, 2);
    world.claim_lease(job, 0, p[0]).ok();
    let event = world.return_lease(job, 0, p[0]).ok().event::<events::LeaseReturned>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
    world.commit(job, 0, p[1], 0);
    world.return_lease(job, 0, p[1]).ok();
    world.commit(job, 0, p[1], 0);
    world.claim_lease(job, 0, p[2]).ok();
    world.return_lease(job, 0, p[1]).ok();
    for provider in &p[..2] {
        let account = account(&world, *provider);
        assert_eq!((account.expired, account.faults, account.disagreed, account.open_leases), (0, 0, 0, 0));
    }
    world.commit(job, 0, p[1], 0);
    world.commit_result(job, 0, p[2], 0).ok();
    // Now everybody has committed, and who leaves has to answer for it.
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.reveal_result(job, 0, p[1], 0).ok();
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.reveal_result(job, 0, p[2], 0).ok();
    world.open_result(job, 0, p[1]).ok();
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
}

#[test]
fn a_leased_seat_may_be_given_back_late_if_nobody_has_expired_it() {
    let (mut world, job, p) = with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(100_000);
    world.return_lease(job, 0, p[0]).ok();
    assert_eq!(account(&world, p[0]).expired, 0);
}

#[test]
fn cancelling_lets_begun_leases_finish_with_all_their_replicas() {
    let (mut world, _, p) = with_replicas(3, 1);
    let client = world.clients[0];
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.claim_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 1, p[0]).ok();
    world.return_lease(job, 1, p[0]).ok();
    world.advance(7);
    world.cancel_job(job).ok();
    world.claim_lease(job, 2, p[1]).expect_err(TesseraError::JobCancelled);
    world.claim_lease(job, 1, p[1]).expect_err(TesseraError::JobCancelled);
    // A replica may join as long as its windows fit before the new deadline.
    world.advance(240);
    world.claim_lease(job, 0, p[1]).ok();
    world.return_lease(job, 0, p[1]).ok();
    world.advance(1);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::WindowsDoNotFit);
    world.expire_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::JobCancelled);
    world.close_job_showing(job, &[0, 1, 2]).ok();
}

#[test]
fn a_cancelled_job_pays_what_was_begun() {
    let (mut world, _, p) = with_replicas(2, 1);
    let client = world.clients[0];
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.commit(job, 0, p[0], 0);
    world.cancel_job(job).ok();
    world.close_job_showing(job, &[0, 1, 2]).expect_err(TesseraError::LeaseNotVacant);
    world.commit(job, 0, p[1], 0);
    for provider in &p {
        world.reveal_result(job, 0, *provider, 0).ok();
    }
    for provider in &p {
        world.open_result(job, 0, *provider).ok();
        world.settle_lease(job, 0, *provider).ok();
    }
    let event = world.close_job_showing(job, &[1, 2]).ok().event::<events::JobClosed>();
    // Of 140 + 7: 56 to providers, 2 of fee.
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned, event.refunded), (147, 56, 0, 2, 89));
}

#[test]
fn over_a_job_everything_can_be_taken_away_without_blame() {
    let (mut world, _, p) = with_replicas(8, 1);
    let client = world.clients[0];
    let terms = JobTerms { units: 5, units_per_lease: 1, replicas: 2, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.claim_lease(job, 0, p[0]).ok();
    world.commit(job, 1, p[1], 0);
    world.commit(job, 2, p[2], 0);
    world.commit(job, 2, p[3], 0);
    world.reveal_result(job, 2, p[2], 0).ok();
    world.advance(61);
    world.expire_lease(job, 2, p[3]).ok();
    world.agree(job, 3, &p[4..6]);
    world.open_result(job, 3, p[4]).ok();
    world.commit(job, 4, p[6], 0);
    world.commit(job, 4, p[7], 1);
    world.reveal_result(job, 4, p[6], 0).ok();
    world.reveal_result(job, 4, p[7], 1).ok();
    for (index, provider) in [(1, p[1]), (2, p[2]), (3, p[4]), (4, p[6])] {
        world.expire_lease(job, index, provider).expect_err(TesseraError::WindowStillOpen);
        world.close_lease(job, index).expect_err(TesseraError::LeaseHasSeats);
    }
    world.advance(3_600 + 300);
    let departures = [
        (0, p[0], Departure::Expired),
        (1, p[1], Departure::Blameless),
        (2, p[2], Departure::Blameless),
        (3, p[5], Departure::Fault),
        (4, p[6], Departure::Disagreed),
        (4, p[7], Departure::Disagreed),
    ];
    for (index, provider, departure) in departures {
        let event = world.expire_lease(job, index, provider).ok().event::<events::LeaseExpired>();
        assert_eq!((event.index, event.departure), (index, departure));
        assert_eq!(account(&world, provider).open_leases, 0);
    }
    // An opened seat is paid as long as there is something to pay it from.
    world.expire_lease(job, 3, p[4]).expect_err(TesseraError::WindowStillOpen);
    world.close_job(job).ok();
    let event = world.expire_lease(job, 3, p[4]).ok().event::<events::LeaseExpired>();
    assert_eq!(event.departure, Departure::Blameless);
    for index in 0..5 {
        world.close_lease(job, index).ok();
    }
    for provider in &p {
        assert_eq!(world.lamports(provider.operator), tessera_tests::world::LAMPORTS);
    }
}

#[test]
fn an_opened_seat_can_be_settled_until_the_job_is_closed() {
    let (mut world, job, p) = with_replicas(1, 1);
    world.commit(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.advance(1_000_000);
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!(world.tokens(p[0].vault), 5_028);
    world.close_job(job).ok();
}

#[test]
fn a_seat_may_be_given_back_after_its_job_is_gone() {
    let (mut world, job, p) = with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(100_000);
    world.close_job(job).ok();
    world.return_lease(job, 0, p[0]).ok();
    world.close_lease(job, 0).ok();
    assert_eq!(world.lamports(p[0].operator), tessera_tests::world::LAMPORTS);
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
        let (mut world, job, p) = with_replicas(seats + 1, replicas as u8);
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
