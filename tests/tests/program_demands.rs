//! Demands of chunks: what a client gets for its bond, and what becomes of who has no answer.

use tessera::{
    TesseraError, events,
    state::{self, LeaseState, SeatState},
};
use tessera_protocol::{constants::MAX_DEMANDS, verdict::Kind};
use tessera_tests::{
    terms::JobTerms,
    world::{Job, LAMPORTS, Provider, World},
};

/// Pay of a lease of 4 × 7, what a seat of it locks, and what a demand costs.
const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const BOND: u64 = 10;
const STAKE: u64 = 5_000;
/// Time for demands.
const CHALLENGE: i64 = 500;

/// A job of a single lease that pays its seats a while after they were opened.
fn stage(n: usize, replicas: u8) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| b.providers = n);
    let terms =
        JobTerms { units: 4, replicas, challenge_seconds: CHALLENGE as u32, seconds: 10_000, ..JobTerms::default() };
    let job = world.job(world.clients[0], &terms);
    let providers = world.providers.clone();
    (world, job, providers)
}

/// The same with the results of all replicas opened.
fn opened(replicas: u8) -> (World, Job, Vec<Provider>) {
    let (mut world, job, p) = stage(usize::from(replicas), replicas);
    world.agree(job, 0, &p);
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    (world, job, p)
}

fn account(world: &World, job: Job) -> state::Job {
    world.load(job.address).unwrap()
}

#[test]
fn who_shows_what_is_demanded_earns_the_bond() {
    let (mut world, job, p) = opened(1);
    let (tokens, deposited) = (world.tokens(job.client.tokens), account(&world, job).deposited);
    // A lease of 4 units of 2 chunks each: every one of them can be demanded, whatever number it is called by.
    for (i, chunk) in (0u64..).zip([0, 7, 8 + 3, u64::MAX]) {
        let event = world.demand_chunk(job, 0, p[0], chunk).ok().event::<events::ChunkDemanded>();
        assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
        assert_eq!((event.chunk, event.answer_by), (chunk, world.now() + 120));
        // The bond, and 5 % of it rounded up.
        assert_eq!(world.tokens(job.client.tokens), tokens - (i + 1) * (BOND + 1));
        assert_eq!(account(&world, job).deposited, deposited + (i + 1) * (BOND + 1));
        let seat = world.seat(job, 0, p[0]).unwrap();
        assert_eq!((seat.demand, seat.demands, seat.bonds), (chunk, i as u8 + 1, (i + 1) * BOND));
        assert_eq!((seat.slot, account(&world, job).contested), (world.slot(), 1));
        world.settle_lease(job, 0, p[0]).expect_err(TesseraError::DemandPending);
        world.write_result(job, 0, p[0], p[0].operator, 0);
        let event = world.answer_chunk(job, 0, p[0], p[0].operator).ok().event::<events::ChunkAnswered>();
        assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
        assert_eq!(world.seat(job, 0, p[0]).unwrap().answer_by, 0);
        world.advance(9);
    }
    world.advance(CHALLENGE);
    let event = world.settle_lease(job, 0, p[0]).ok().event::<events::LeaseSettled>();
    assert_eq!(event.pay, PAY + 4 * BOND);
    assert_eq!((world.provider(p[0]).earned, world.lamports(p[0].operator)), (PAY + 4 * BOND, LAMPORTS));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // 5 % of 68 is 3.
    assert_eq!((event.paid, event.treasury + event.burned, event.surplus), (PAY + 4 * BOND, 3, 0));
}

#[test]
fn who_has_no_answer_loses_its_lock_and_the_lease_is_open_again() {
    let (mut world, job, p) = opened(1);
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.advance(120);
    world.expire_demand(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let sent = world.expire_demand(job, 0, p[0]).ok();
    let event = sent.event::<events::ChunkWithheld>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
    assert_eq!(sent.event::<events::LeaseReopened>().index, 0);
    let (lease, seat) = (world.lease(job, 0), world.seat(job, 0, p[0]).unwrap());
    assert_eq!((lease.state, lease.contested, lease.missing), (LeaseState::Open, 0, 1));
    assert_eq!((seat.state(), seat.pay, seat.bonds, seat.answer_by), (SeatState::Convicted, 0, 0, 0));
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, LOCK));
    assert_eq!((world.provider(p[0]).stake, world.provider(p[0]).faults), (STAKE - LOCK, 1));
    world.advance(20_000);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.refunded), (0, event.deposited), "with the bond");
    world.close_lease(job, 0).ok();
}

#[test]
fn an_answer_counts_until_somebody_says_that_it_is_late() {
    let (mut world, job, p) = opened(1);
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.advance(100_000);
    world.answer(job, 0, p[0], 0);
    world.expire_demand(job, 0, p[0]).expect_err(TesseraError::NothingDemanded);
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).earned, PAY + BOND);
}

#[test]
fn nobody_is_late_while_the_cluster_stands_still() {
    let (mut world, job, p) = opened(1);
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.leap(100_000);
    world.expire_demand(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance(47);
    world.expire_demand(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    // A slot for each second of the window.
    world.advance(1);
    world.expire_demand(job, 0, p[0]).ok();
}

#[test]
fn a_market_whose_windows_are_long_gives_as_long_for_an_answer() {
    let mut world = World::with(|b| b.terms.reveal_seconds = 777);
    let terms = JobTerms { units: 4, challenge_seconds: 10, seconds: 10_000, ..JobTerms::default() };
    let (job, p) = (world.job(world.clients[0], &terms), world.providers[0]);
    world.agree(job, 0, &[p]);
    world.open_result(job, 0, p).ok();
    let event = world.demand_chunk(job, 0, p, 0).ok().event::<events::ChunkDemanded>();
    assert_eq!(event.answer_by, world.now() + 777);
}

#[test]
fn anybody_may_answer_and_gets_its_rent_back() {
    let (mut world, job, p) = opened(1);
    let stranger = world.new_wallet("stranger");
    world.demand_chunk(job, 0, p[0], 5).ok();
    let answer = world.write_result(job, 0, p[0], stranger, 0);
    assert!(world.lamports(stranger) < LAMPORTS);
    world.answer_chunk(job, 0, p[0], stranger).ok();
    assert_eq!((world.lamports(stranger), world.exists(answer)), (LAMPORTS, false));
    assert_eq!(world.seat(job, 0, p[0]).unwrap().bonds, BOND, "the bond is the provider's");
}

#[test]
fn a_seat_is_paid_once_the_time_for_demands_is_over() {
    let (mut world, job, p) = opened(1);
    world.advance(CHALLENGE - 1);
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::ChallengeOpen);
    world.advance(1);
    world.demand_chunk(job, 0, p[0], 0).expect_err(TesseraError::ChallengeOver);
    world.settle_lease(job, 0, p[0]).ok();
}

#[test]
fn auditors_wait_an_hour_at_most() {
    let mut world = World::with(|_| {});
    let terms = JobTerms { units: 4, challenge_seconds: 604_800, seconds: 700_000, ..JobTerms::default() };
    let (job, p) = (world.job(world.clients[0], &terms), world.providers.clone());
    world.audited(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    p.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    let times = [0, 1].map(|i| world.seat(job, 0, p[i]).unwrap().payable_at - world.now());
    assert_eq!(times, [604_800, 3_600]);
    world.advance(3_600);
    world.settle_lease(job, 0, p[1]).ok();
    // What has settled may still be asked for, where it is not paid yet.
    world.demand_chunk(job, 0, p[0], 1).ok();
    assert_eq!((account(&world, job).owed, account(&world, job).owed_seats), (PAY + BOND, 1));
    assert_eq!((account(&world, job).contested, world.lease(job, 0).contested), (0, 0));
    world.advance(121);
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.expire_demand(job, 0, p[0]).ok();
    assert_eq!((account(&world, job).owed, account(&world, job).owed_seats), (0, 0));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // The auditor is paid by the reserve; work and bond go back.
    assert_eq!((event.paid, event.audits_paid), (PAY, PAY));
    world.slash_seat(job, 0, p[0]).ok();
}

#[test]
fn the_reserve_keeps_what_a_convicted_auditor_was_to_get() {
    let (mut world, job, p) = stage(2, 1);
    world.audited(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    p.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    world.demand_chunk(job, 0, p[1], 1).ok();
    assert_eq!(account(&world, job).reserve, PAY);
    world.advance(121);
    world.expire_demand(job, 0, p[1]).ok();
    assert_eq!((account(&world, job).reserve, world.lease(job, 0).state), (2 * PAY, LeaseState::Agreed));
    world.advance(CHALLENGE);
    world.settle_lease(job, 0, p[0]).ok();
    world.slash_seat(job, 0, p[1]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid, event.refunded), (PAY, 0, event.deposited - PAY - 1));
}

#[test]
fn each_seat_answers_for_itself() {
    let (mut world, job, p) = opened(2);
    p.iter().for_each(|p| drop(world.demand_chunk(job, 0, *p, 3).ok()));
    world.answer(job, 0, p[0], 0);
    world.advance(121);
    world.expire_demand(job, 0, p[0]).expect_err(TesseraError::NothingDemanded);
    world.expire_demand(job, 0, p[1]).ok();
    assert_eq!((world.lease(job, 0).state, world.lease(job, 0).contested), (LeaseState::Agreed, 1));
    world.advance(CHALLENGE);
    world.settle_lease(job, 0, p[0]).ok();
    world.slash_seat(job, 0, p[1]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.surplus), (PAY + BOND, 0));
}

#[test]
fn a_vote_that_nobody_has_paid_yet_stays_while_something_is_demanded_of_it() {
    let (mut world, job, p) = stage(3, 1);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    world.vote(job, 0, &[(p[2], 0)]);
    p[1..].iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    world.demand_chunk(job, 0, p[2], 1).ok();
    world.advance(60 + 301);
    world.expire_lease(job, 0, p[2]).expect_err(TesseraError::WindowStillOpen);
    world.answer(job, 0, p[2], 0);
    // Nor does it leave when its award is there.
    world.slash_seat(job, 0, p[0]).ok();
    world.expire_lease(job, 0, p[2]).expect_err(TesseraError::WindowStillOpen);
    world.advance(CHALLENGE);
    world.settle_lease(job, 0, p[2]).ok();
    assert_eq!(world.provider(p[2]).earned, PAY + BOND);
    assert_eq!(world.lease(job, 0).group, Kind::Dispute as u8);
}

#[test]
fn four_demands_are_the_most() {
    let (mut world, job, p) = opened(1);
    for chunk in 0..u64::from(MAX_DEMANDS) {
        world.demand_chunk(job, 0, p[0], chunk).ok();
        world.demand_chunk(job, 0, p[0], chunk).expect_err(TesseraError::DemandPending);
        world.answer(job, 0, p[0], 0);
    }
    world.demand_chunk(job, 0, p[0], 0).expect_err(TesseraError::TooManyDemands);
}
