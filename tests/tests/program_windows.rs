//! Windows of leases: what happens to seats that are late, given back, cancelled under, or left over.

use tessera::{TesseraError, events, state::Departure};
use tessera_tests::{terms::JobTerms, world::World};

#[test]
fn a_lease_that_is_not_committed_in_time_is_open_again() {
    let (mut world, job, p) = World::with_replicas(2, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(120);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    world.commit_result(job, 0, p[0], 0).expect_err(TesseraError::CommitTooLate);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::LeaseFull);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!(event.departure, Departure::Expired);
    assert_eq!((world.provider(p[0]).expiries, world.provider(p[0]).open_leases), (1, 0));
    world.claim_lease(job, 0, p[1]).ok();
    assert_eq!(world.seat(job, 0, p[1]).unwrap().attempt, 1);
}

#[test]
fn an_expired_commitment_is_worth_nothing_in_the_next_attempt() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.commit_and_draw(job, 0, p[0], 0);
    let first = world.work(job, 0, p[0], 0);
    world.return_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 0, p[0]).ok();
    let call = world.commit_result(job, 0, p[0], 0);
    // The old commitment in place of the new one.
    call.with_data(|data| data[8..40].copy_from_slice(&first.commitment())).ok();
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p);
    world.reveal(job, 0, p[0], &first, None).expect_err(TesseraError::CommitmentMismatch);
}

#[test]
fn a_seat_may_be_given_back_while_nobody_waits_for_it() {
    let (mut world, job, p) = World::with_replicas(3, 2);
    world.claim_lease(job, 0, p[0]).ok();
    let event = world.return_lease(job, 0, p[0]).ok().event::<events::LeaseReturned>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
    world.commit_and_draw(job, 0, p[1], 0);
    world.return_lease(job, 0, p[1]).ok();
    world.commit(job, 0, p[1], 0);
    // Not while a draw is to be read: who could leave before it would leave when it is drawn.
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.draw(job, 0, &p[1..2]);
    world.claim_lease(job, 0, p[2]).ok();
    world.return_lease(job, 0, p[1]).ok();
    for provider in &p[..2] {
        let account = world.provider(*provider);
        assert_eq!((account.expiries, account.faults, account.open_leases), (0, 0, 0));
    }
    world.commit(job, 0, p[1], 0);
    world.commit_result(job, 0, p[2], 0).ok();
    world.draw(job, 0, &p[1..]);
    // Now everybody has committed, and who leaves has to answer for it.
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.reveal_result(job, 0, p[1], 0).ok();
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
    world.reveal_result(job, 0, p[2], 0).ok();
    world.open_result(job, 0, p[1]).ok();
    world.return_lease(job, 0, p[1]).expect_err(TesseraError::SeatNotReturnable);
}

#[test]
fn a_leased_seat_is_not_given_back_late() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(121);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    world.expire_lease(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).expiries, 1);
}

#[test]
fn who_has_waited_for_replicas_goes_for_nothing() {
    let mut world = World::with(|b| (b.providers, b.terms.free_returns) = (1, 0));
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.commit(job, 0, p, 0);
    world.commit(job, 1, p, 0);
    world.advance(4);
    world.draw_audit(job, 0, p).ok();
    world.draw_audit(job, 1, p).ok();
    // 120 seconds are for others to commit, and the cluster makes 120 slots in 48.
    world.advance(43);
    assert_eq!(world.return_lease(job, 0, p).ok().event::<events::LeaseReturned>().lost, 7);
    world.advance(1);
    assert_eq!(world.return_lease(job, 1, p).ok().event::<events::LeaseReturned>().lost, 0);
}

#[test]
fn cancelling_lets_begun_leases_finish_with_all_their_replicas() {
    let (mut world, _, p) = World::with_replicas(3, 1);
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
    let (mut world, _, p) = World::with_replicas(2, 1);
    let client = world.clients[0];
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.commit(job, 0, p[0], 0);
    world.cancel_job(job).ok();
    world.close_job_showing(job, &[0, 1, 2]).expect_err(TesseraError::LeaseNotVacant);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p);
    for provider in &p {
        world.reveal_result(job, 0, *provider, 0).ok();
    }
    world.pay(job, 0, &p);
    let event = world.close_job_showing(job, &[1, 2]).ok().event::<events::JobClosed>();
    // Of 140 + 168 for audits + 15: 56 to providers, 2 of fee.
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned, event.refunded), (323, 56, 0, 2, 265));
}

#[test]
fn over_a_job_everything_can_be_taken_away_without_blame() {
    let (mut world, _, p) = World::with_replicas(8, 1);
    let client = world.clients[0];
    let terms = JobTerms { units: 4, units_per_lease: 1, replicas: 2, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.claim_lease(job, 0, p[0]).ok();
    world.commit(job, 1, p[1], 0);
    world.commit(job, 2, p[2], 0);
    world.commit(job, 2, p[3], 0);
    world.draw(job, 2, &p[2..4]);
    world.reveal_result(job, 2, p[2], 0).ok();
    world.agree(job, 3, &p[4..6]);
    world.open_result(job, 3, p[4]).ok();
    for (index, provider) in [(1, p[1]), (2, p[2]), (2, p[3]), (3, p[4])] {
        world.expire_lease(job, index, provider).expect_err(TesseraError::WindowStillOpen);
        world.close_lease(job, index).expect_err(TesseraError::LeaseHasSeats);
    }
    world.advance(3_600 + 300);
    let departures = [
        (0, p[0], Departure::Expired),
        (1, p[1], Departure::Blameless),
        // Nobody has judged it, so nobody is silent.
        (2, p[2], Departure::Blameless),
        (2, p[3], Departure::Blameless),
        (3, p[5], Departure::Withheld),
    ];
    for (index, provider, departure) in departures {
        let event = world.expire_lease(job, index, provider).ok().event::<events::LeaseExpired>();
        assert_eq!((event.index, event.departure), (index, departure));
        assert_eq!(world.provider(provider).open_leases, 0);
    }
    // An opened seat is paid as long as there is something to pay it from.
    world.expire_lease(job, 3, p[4]).expect_err(TesseraError::WindowStillOpen);
    world.close_job(job).ok();
    let event = world.expire_lease(job, 3, p[4]).ok().event::<events::LeaseExpired>();
    assert_eq!(event.departure, Departure::Blameless);
    for index in 0..4 {
        world.close_lease(job, index).ok();
    }
    for provider in &p {
        assert_eq!(world.lamports(provider.operator), tessera_tests::world::LAMPORTS);
    }
}

#[test]
fn an_opened_seat_can_be_settled_until_the_job_is_closed() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.advance(1_000_000);
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!(world.tokens(p[0].vault), 5_028);
    world.close_job(job).ok();
}

#[test]
fn a_seat_leaves_for_nothing_after_its_job_is_gone() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(100_000);
    world.close_job(job).ok();
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
    world.close_lease(job, 0).ok();
    assert_eq!(world.lamports(p[0].operator), tessera_tests::world::LAMPORTS);
}
