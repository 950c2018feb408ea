//! Time in disputes: who stays silent, who does not come, who is frozen, and deadlines that pass.

use spl_token_interface::state::AccountState;
use tessera::{
    TesseraError, events,
    state::{Departure, LeaseState},
};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    call::Refusal,
    dispute::{differ, stage, wanted},
    terms::JobTerms,
    world::VOID,
};

/// Pay of a lease of 4 × 7, and what a seat of it locks.
const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;

#[test]
fn somebody_else_answers_for_who_stays_silent_and_is_paid_by_it() {
    for result in [0, VOID] {
        let (mut world, job, p) = stage(3, 2, 2, 8);
        world.commit(job, 0, p[0], result);
        world.commit(job, 0, p[1], result);
        world.draw(job, 0, &p[..2]);
        world.reveal_result(job, 0, p[0], result).ok();
        world.advance(61);
        let event = world.advance_lease(job, 0).ok().event::<events::SeatsOpened>();
        assert_eq!((event.kind, event.seats), (Kind::Dispute as u8, 1));
        world.seed_group(job, 0, Kind::Dispute);
        world.commit(job, 0, p[2], result);
        world.reveal_result(job, 0, p[2], result).ok();
        for provider in [p[0], p[2]] {
            world.open_result(job, 0, provider).ok();
        }
        // Nobody makes the client pay instead, by being faster than whoever slashes.
        world.settle_lease(job, 0, p[2]).expect_err(TesseraError::AwardsMissing);
        let event = world.slash_seat(job, 0, p[1]).ok().event::<events::SeatSlashed>();
        assert_eq!((event.awarded, event.burned), (PAY, LOCK - PAY));
        world.settle_lease(job, 0, p[2]).ok();
        world.settle_lease(job, 0, p[0]).ok();
        let event = world.close_job(job).ok().event::<events::JobClosed>();
        assert_eq!((event.paid, event.audits_paid, event.surplus), (PAY, 0, 0));
    }
}

#[test]
fn who_was_silent_when_others_were_judged_says_nothing_more() {
    let (mut world, job, p) = stage(3, 2, 2, 8);
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[..2]);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(61);
    world.advance_lease(job, 0).ok();
    world.reveal_result(job, 0, p[1], 0).expect_err(TesseraError::SeatSilent);
    world.seed_group(job, 0, Kind::Dispute);
    world.commit(job, 0, p[2], 0);
    // Else it could speak when that pays, and who was called in its place would be paid by nobody.
    world.reveal_result(job, 0, p[1], 0).expect_err(TesseraError::SeatSilent);
    // Nobody waits for it either.
    let event = world.reveal_result(job, 0, p[2], 0).ok().event::<events::LeaseAgreed>();
    assert_eq!(event.index, 0);
    assert_eq!(world.slash_seat(job, 0, p[1]).ok().event::<events::SeatSlashed>().awarded, PAY);
    world.pay(job, 0, &[p[2], p[0]]);
    world.close_job(job).ok();
}

#[test]
fn a_dispute_to_which_nobody_comes_ends_too() {
    let (mut world, job, p) = stage(3, 2, 2, 8);
    differ(&mut world, job, p[0], p[1], (0, 1));
    world.commit(job, 0, p[2], 0);
    // One vote of two has come.
    world.reveal_result(job, 0, p[2], 0).expect_err(TesseraError::RevealNotOpen);
    world.advance(64 + 121);
    world.advance_lease(job, 0).ok();
    assert_eq!((world.lease(job, 0).exhausted, world.lease(job, 0).missing), (1, 0));
    // Whoever keeps one vote away does not end it: another one is called, by another seed.
    let event = world.reveal_result(job, 0, p[2], 0).ok().event::<events::SeatsOpened>();
    assert_eq!((event.kind, event.seats), (Kind::Dispute as u8, 1));
    world.seed_group(job, 0, Kind::Dispute);
    world.advance(64 + 121 - 33);
    let event = world.advance_lease(job, 0).ok().event::<events::LeaseVoided>();
    assert_eq!(event.index, 0);
    assert_eq!(world.lease(job, 0).state, LeaseState::Void);
}

#[test]
fn a_group_goes_on_without_those_who_came_late_and_did_not_commit() {
    let (mut world, job, p) = stage(4, 2, 3, 8);
    differ(&mut world, job, p[0], p[1], (0, 1));
    world.commit(job, 0, p[2], 0);
    world.advance(64 + 100 - 33);
    world.claim_lease(job, 0, p[3]).ok();
    world.advance(60);
    // The third seat is given up for good; the fourth provider still has its time, and does not get away.
    world.advance_lease(job, 0).ok();
    assert_eq!((world.lease(job, 0).missing, world.lease(job, 0).reveal_by), (0, 0));
    world.return_lease(job, 0, p[3]).expect_err(TesseraError::SeatNotReturnable);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.advance(61);
    let event = world.expire_lease(job, 0, p[3]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Expired, PAY / 4));
    assert_eq!((world.lease(job, 0).missing, world.lease(job, 0).reveal_by), (0, world.now() + 60));
}

#[test]
fn a_seat_of_a_dispute_is_not_given_back_and_not_kept_for_a_friend() {
    let (mut world, job, p) = stage(4, 2, 1, 8);
    differ(&mut world, job, p[0], p[1], (0, 1));
    let seed = world.lease(job, 0).seed;
    world.claim_lease(job, 0, p[2]).ok();
    assert_eq!(wanted(&world, job), 0);
    world.return_lease(job, 0, p[2]).expect_err(TesseraError::SeatNotReturnable);
    world.advance(121);
    let sent = world.expire_lease(job, 0, p[2]).ok();
    let event = sent.event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Expired, PAY / 4));
    // Its place is not free: the next one is called by another seed.
    assert_eq!(sent.event::<events::SeatsOpened>().seats, 1);
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::LeaseNotSeeded);
    world.seed_group(job, 0, Kind::Dispute);
    assert_ne!(world.lease(job, 0).seed, seed);
    world.vote(job, 0, &[(p[3], 0)]);
    assert_eq!(world.lease(job, 0).state, LeaseState::Agreed);
    // A vote that is committed stays.
    let (mut world, job, p) = stage(4, 2, 2, 8);
    differ(&mut world, job, p[0], p[1], (0, 1));
    world.commit(job, 0, p[2], 0);
    world.return_lease(job, 0, p[2]).expect_err(TesseraError::SeatNotReturnable);
}

#[test]
fn a_frozen_loser_holds_up_its_own_votes_alone() {
    let (mut world, job, p) = stage(4, 1, 2, 8);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    world.vote(job, 0, &[(p[2], 0)]);
    let mut vault = world.token_account(p[0].vault).unwrap();
    vault.state = AccountState::Frozen;
    world.set_packed(p[0].vault, vault);
    // Of the token program: the account is frozen.
    world.slash_seat(job, 0, p[0]).expect_err(Refusal::Code(17));
    world.pay(job, 0, &p[1..2]);
    world.open_result(job, 0, p[2]).ok();
    world.settle_lease(job, 0, p[2]).expect_err(TesseraError::AwardsMissing);
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.advance(60 + 300);
    world.expire_lease(job, 0, p[2]).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    let event = world.expire_lease(job, 0, p[2]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
    world.close_job(job).ok();
    // Once the job is gone nobody is left to be paid: all of the lock burns, without a transfer.
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, LOCK));
    world.close_lease(job, 0).ok();
}

#[test]
fn a_dispute_outlives_the_deadline_of_its_job() {
    let (mut world, job, p) = stage(4, 1, 2, 8);
    let late = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    world.audited(job, 0, p[0], 1);
    world.advance(100_000);
    // Base seats are closed, audits and votes are not.
    world.claim_lease(late, 0, p[1]).expect_err(TesseraError::WindowsDoNotFit);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..2]);
    world.reveal_result(job, 0, p[0], 1).ok();
    world.reveal_result(job, 0, p[1], 0).ok();
    world.close_job(job).expect_err(TesseraError::LeaseContested);
    world.seed_group(job, 0, Kind::Dispute);
    world.advance(100_000);
    world.vote(job, 0, &[(p[2], 0)]);
    world.slash_seat(job, 0, p[0]).ok();
    world.pay(job, 0, &p[1..3]);
    world.close_job(job).ok();
}
