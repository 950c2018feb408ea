//! What somebody would try to keep a lease from being judged, to choose who judges it, or to leave before it is judged.

use tessera::{
    TesseraError, events,
    state::{self, Departure, LeaseState, SeatState},
};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    terms::JobTerms,
    world::{Job, Provider, World},
};

const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const STAKE: u64 = 5_000;

/// A world of `n` providers with a job of a single lease; a root must lead by `lead`.
fn stage(n: usize, replicas: u8, lead: u8) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| (b.providers, b.terms.lead) = (n, lead));
    let job = world.job(world.clients[0], &JobTerms { units: 4, replicas, ..JobTerms::default() });
    let providers = world.providers.clone();
    (world, job, providers)
}

#[test]
fn an_accomplice_among_the_jurors_does_not_end_a_dispute() {
    let (mut world, job, p) = stage(5, 1, 3);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    world.commit(job, 0, p[2], 0);
    // It takes the other seat, holds it as long as it may, and would give it back and take it again.
    world.claim_lease(job, 0, p[3]).ok();
    world.advance(120);
    world.return_lease(job, 0, p[3]).expect_err(TesseraError::SeatNotReturnable);
    world.advance(1);
    world.expire_lease(job, 0, p[3]).ok();
    world.claim_lease(job, 0, p[3]).expect_err(TesseraError::LeaseFull);
    let event = world.reveal_result(job, 0, p[2], 0).ok().event::<events::SeatsOpened>();
    assert_eq!((event.kind, event.seats), (Kind::Dispute as u8, 1));
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[4], 0)]);
    // All that it has changed is who judges; it has lost its bond, and the wrong one its lock.
    assert_eq!(world.provider(p[3]).lost, PAY / 4);
    world.slash_seat(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).stake, STAKE - LOCK);
    world.pay(job, 0, &[p[1], p[2], p[4]]);
    world.close_job(job).ok();
}

#[test]
fn an_auditor_that_only_holds_its_seat_does_not_drop_the_audit() {
    let (mut world, job, p) = stage(3, 1, 1);
    world.audited(job, 0, p[0], 1);
    world.claim_lease(job, 0, p[1]).ok();
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.advance(121);
    let sent = world.expire_lease(job, 0, p[1]).ok();
    let event = sent.event::<events::SeatsOpened>();
    assert_eq!((event.kind, event.seats), (Kind::Audit as u8, 1));
    assert_eq!((world.lease(job, 0).rounds, world.provider(p[1]).lost), (2, PAY / 4));
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[2], 0);
    world.draw(job, 0, &p[2..]);
    world.reveal_result(job, 0, p[0], 1).ok();
    world.reveal_result(job, 0, p[2], 0).ok();
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Convicted);
    // What the reserve has set aside for the first pays the second.
    world.pay(job, 0, &p[2..]);
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.reserve, account.audits_paid), (PAY, PAY));
}

#[test]
fn a_replica_that_holds_its_seat_does_not_hold_the_audit_of_another() {
    let (mut world, job, p) = stage(3, 2, 2);
    world.commit(job, 0, p[0], 0);
    world.claim_lease(job, 0, p[1]).ok();
    world.choose_draw(job, 0, p[0], true);
    world.draw(job, 0, &p[..1]);
    // Who might go for nothing could be paid for going.
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.advance(121);
    let sent = world.expire_lease(job, 0, p[1]).ok();
    assert_eq!(sent.event::<events::LeaseExpired>().lost, PAY / 4);
    assert_eq!(sent.event::<events::SeatsOpened>().kind, Kind::Audit as u8);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::LeaseNotSeeded);
}

#[test]
fn a_lease_to_whose_groups_nobody_comes_ends() {
    let (mut world, job, p) = stage(3, 1, 2);
    world.audited(job, 0, p[0], 0);
    let mut groups = 0;
    // Somebody comes every time and never commits: 64 groups are the most.
    while world.lease(job, 0).reveal_by == 0 {
        groups += 1;
        assert_eq!(world.lease(job, 0).rounds, groups);
        world.claim_lease(job, 0, p[1]).ok();
        world.advance(121);
        world.expire_lease(job, 0, p[1]).ok();
        if world.lease(job, 0).reveal_by == 0 {
            world.seed_group(job, 0, Kind::Audit);
        }
    }
    assert_eq!((groups, world.provider(p[1]).lost), (64, 64 * PAY / 4));
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.settle_lease(job, 0, p[0]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0));
}

#[test]
fn an_authority_does_not_choose_the_jury_of_a_posted_job() {
    let (mut world, job, p) = stage(3, 1, 2);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    let mut market = world.terms;
    (market.min_stake, market.stake_cap, market.max_open_leases) = (u64::MAX, u64::MAX, 1);
    world.update_market(market).ok();
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!(account.stake_cap, STAKE);
    // Neither a least stake nor another weight keeps anybody out; of new replicas they do.
    world.vote(job, 0, &[(p[2], 0)]);
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
    let second = world.job(world.clients[0], &JobTerms::default());
    world.claim_lease(second, 0, p[2]).expect_err(TesseraError::StakeTooLow);
}

#[test]
fn a_draw_that_is_read_after_the_end_does_not_hold_the_job() {
    let (mut world, job, p) = stage(2, 2, 2);
    world.commit(job, 0, p[0], 0);
    world.advance(3_600 + 300 - 20);
    world.draw_audit(job, 0, p[0]).ok();
    assert_eq!(world.lease(job, 0).contested, 1, "in the last second it counts");
    let (mut world, job, p) = stage(2, 2, 2);
    world.commit(job, 0, p[0], 0);
    world.advance(3_600 + 300 - 20 + 1);
    world.draw_audit(job, 0, p[0]).expect_err(TesseraError::JobIsOver);
    world.close_job(job).ok();
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
}

#[test]
fn a_job_is_not_closed_under_a_seat_that_is_due_no_tokens() {
    let mut world = World::with(|b| b.terms.probation = 1);
    let (job, p) =
        (world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() }), world.providers.clone());
    world.commit_and_draw(job, 0, p[0], 0);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    p.iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    world.pay(job, 0, &p[1..]);
    world.open_result(job, 0, p[0]).ok();
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.owed, account.owed_seats), (0, 1));
    // A beginner pays its auditor; what it has earned is its history.
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!((world.provider(p[0]).consecutive, world.provider(p[0]).earned), (1, 0));
    world.close_job(job).ok();
}

#[test]
fn a_vote_whose_award_is_there_is_not_thrown_out() {
    let (mut world, job, p) = stage(3, 1, 2);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    world.vote(job, 0, &[(p[2], 0)]);
    world.open_result(job, 0, p[2]).ok();
    world.slash_seat(job, 0, p[0]).ok();
    world.advance(100_000);
    world.expire_lease(job, 0, p[2]).expect_err(TesseraError::WindowStillOpen);
    world.settle_lease(job, 0, p[2]).ok();
    assert_eq!(world.provider(p[2]).earned, PAY);
}
