//! Disputes: roots that differ or are missing, who is called to decide, and what everybody gets or loses.

use tessera::{
    TesseraError, events,
    state::{self, Departure, LeaseState, SeatState},
};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    dispute::{differ, stage, wanted},
    world::{LAMPORTS, VOID},
};

/// Pay of a lease of 4 × 7, and what a seat of it locks.
const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const STAKE: u64 = 5_000;

#[test]
fn who_was_wrong_pays_those_who_were_called_and_the_rest_burns() {
    let (mut world, job, p) = stage(4, 1, 3, 8);
    let supply = world.supply();
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    // The auditor has a vote, the base seat has none.
    assert_eq!(wanted(&world, job), 2);
    world.vote(job, 0, &[(p[2], 0), (p[3], 0)]);
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.contested, lease.open_by), (LeaseState::Agreed, 1, world.now() + 60));
    let convicted = world.seat(job, 0, p[0]).unwrap();
    assert_eq!((convicted.state(), convicted.pay), (SeatState::Convicted, 2 * PAY));

    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 0, p[0].address));
    assert_eq!((event.awarded, event.burned), (2 * PAY, LOCK - 2 * PAY));
    let account = world.provider(p[0]);
    assert_eq!((account.stake, account.locked, account.slashed, account.open_leases), (STAKE - LOCK, 0, LOCK, 0));
    assert_eq!((account.faults, account.fault_slot, account.consecutive), (1, world.slot(), 0));
    assert_eq!((account.to_burn, account.lost), (LOCK - 2 * PAY, 0));
    assert_eq!(world.lease(job, 0).awards, 2 * PAY);
    let market: state::Market = world.load(world.market).unwrap();
    assert_eq!(market.total_stake, 4 * STAKE - 2 * PAY);
    world.burn_bonds(p[0]).ok();
    let market: state::Market = world.load(world.market).unwrap();
    assert_eq!((market.total_stake, world.supply()), (4 * STAKE - LOCK, supply - (LOCK - 2 * PAY)));

    let settled = world.lease(job, 0);
    world.pay(job, 0, &p[1..]);
    assert_eq!((settled.awards, world.exists(job.lease(0))), (2 * PAY, false));
    for provider in &p[1..] {
        let account = world.provider(*provider);
        assert_eq!((account.earned, account.stake, account.locked), (PAY, STAKE, 0));
        assert_eq!(account.consecutive, 1, "another seat with a vote has found the same");
    }
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // The auditor is paid what the base seat was to get: the votes are none of the client's cost.
    assert_eq!((event.paid, event.audits_paid, event.surplus), (PAY, PAY, 0));
    assert!(p.iter().all(|p| world.lamports(p.operator) == LAMPORTS));
}

#[test]
fn an_auditor_that_was_wrong_is_convicted_like_anybody() {
    let (mut world, job, p) = stage(5, 1, 2, 8);
    world.disputed(job, 0, (p[0], 0), (p[1], 1));
    // It has a vote already, so it takes three to lead by two.
    assert_eq!(wanted(&world, job), 1);
    world.vote(job, 0, &[(p[2], 0)]);
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[3], 0), (p[4], 0)]);
    let event = world.slash_seat(job, 0, p[1]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (3 * PAY, LOCK - 3 * PAY));
    world.pay(job, 0, &[p[0], p[2], p[3], p[4]]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0));
}

#[test]
fn with_a_lead_of_one_an_auditor_decides_alone() {
    let (mut world, job, p) = stage(2, 1, 1, 8);
    world.audited(job, 0, p[0], 1);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    world.reveal_result(job, 0, p[0], 1).ok();
    let event = world.reveal_result(job, 0, p[1], 0).ok().event::<events::LeaseAgreed>();
    assert_eq!(event.result_root, world.work(job, 0, p[1], 0).reveal.result_root);
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, LOCK));
}

#[test]
fn votes_are_counted_until_one_root_leads() {
    let (mut world, job, p) = stage(8, 1, 2, 12);
    world.disputed(job, 0, (p[0], 0), (p[1], 1));
    assert_eq!(wanted(&world, job), 1);
    // One each: nobody leads.
    world.vote(job, 0, &[(p[2], 0)]);
    assert_eq!((wanted(&world, job), world.lease(job, 0).rounds), (2, 3), "an audit and two disputes");
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[3], 0), (p[4], 2)]);
    // Two for one root, one each for two others: it does not lead all of them together.
    assert_eq!(wanted(&world, job), 2);
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[5], 0), (p[6], 0)]);
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.rounds), (LeaseState::Agreed, 4));
    // Four votes won, p[1] and p[4] owe two each; the base seat was right and is paid.
    for loser in [p[1], p[4]] {
        let event = world.slash_seat(job, 0, loser).ok().event::<events::SeatSlashed>();
        assert_eq!((event.awarded, event.burned), (2 * PAY, LOCK - 2 * PAY));
    }
    world.pay(job, 0, &[p[0], p[2], p[3], p[5], p[6]]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0), "an auditor that was wrong is paid by nobody");
}

#[test]
fn the_first_losers_pay_what_does_not_divide() {
    let (mut world, job, p) = stage(8, 3, 3, 12);
    for (provider, result) in [(p[0], 1), (p[1], 1), (p[2], 0)] {
        world.commit(job, 0, provider, result);
    }
    world.draw(job, 0, &p[..3]);
    for (provider, result) in [(p[0], 1), (p[1], 1), (p[2], 0)] {
        world.reveal_result(job, 0, provider, result).ok();
    }
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[3], 0), (p[4], 1), (p[5], 0)]);
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[6], 0), (p[7], 0)]);
    // Three owe four pays of 28.
    let parts = [0, 1, 4].map(|i| world.slash_seat(job, 0, p[i]).ok().event::<events::SeatSlashed>().awarded);
    assert_eq!(parts, [38, 37, 37]);
    world.pay(job, 0, &[p[7], p[6], p[5], p[3], p[2]]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.surplus), (PAY, 0));
}

#[test]
fn replicas_that_differ_are_judged_by_the_whole_market() {
    let (mut world, job, p) = stage(5, 2, 3, 8);
    differ(&mut world, job, p[0], p[1], (0, 1));
    assert_eq!(wanted(&world, job), 3);
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::AlreadySeated);
    world.vote(job, 0, &[(p[2], 0), (p[3], 0), (p[4], 0)]);
    let event = world.slash_seat(job, 0, p[1]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (3 * PAY, LOCK - 3 * PAY));
    world.pay(job, 0, &[p[0], p[2], p[3], p[4]]);
    assert!([p[0], p[2], p[3], p[4]].iter().all(|p| world.provider(*p).earned == PAY));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0), "the replica that was wrong costs nothing");
}

#[test]
fn a_dispute_without_a_decision_pays_and_punishes_nobody() {
    let (mut world, job, p) = stage(5, 2, 2, 5);
    differ(&mut world, job, p[0], p[1], (0, 1));
    world.commit(job, 0, p[2], 0);
    world.commit(job, 0, p[3], 1);
    world.reveal_result(job, 0, p[2], 0).ok();
    world.reveal_result(job, 0, p[3], 1).ok();
    assert_eq!(wanted(&world, job), 1, "only one seat is left of five");
    world.seed_group(job, 0, Kind::Dispute);
    world.commit(job, 0, p[4], 1);
    let event = world.reveal_result(job, 0, p[4], 1).ok().event::<events::LeaseVoided>();
    assert_eq!((event.job, event.index), (job.address, 0));
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.contested, lease.reveal_by), (LeaseState::Void, 0, 0));
    for provider in &p {
        let event = world.expire_lease(job, 0, *provider).ok().event::<events::LeaseExpired>();
        assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
        let account = world.provider(*provider);
        assert_eq!((account.stake, account.locked, account.earned, account.faults), (STAKE, 0, 0, 0));
    }
    world.advance(4_000);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.refunded), (0, event.deposited));
    world.close_lease(job, 0).ok();
}

#[test]
fn who_stays_silent_in_a_dispute_without_a_decision_is_punished_all_the_same() {
    let (mut world, job, p) = stage(3, 2, 1, 3);
    differ(&mut world, job, p[0], p[1], (0, 1));
    world.commit(job, 0, p[2], 0);
    world.advance(61);
    let event = world.advance_lease(job, 0).ok().event::<events::LeaseVoided>();
    assert_eq!(event.index, 0);
    assert_eq!(world.seat(job, 0, p[2]).unwrap().state(), SeatState::Convicted);
    let event = world.slash_seat(job, 0, p[2]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, LOCK));
}

#[test]
fn where_there_is_nothing_to_compute_the_job_pays_the_votes() {
    let (mut world, job, p) = stage(4, 2, 2, 8);
    differ(&mut world, job, p[0], p[1], (0, VOID));
    world.vote(job, 0, &[(p[2], VOID), (p[3], VOID)]);
    // Whoever computed something where there is nothing has not lied.
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (Departure::Blameless, 0));
    world.pay(job, 0, &p[1..]);
    assert!(p[1..].iter().all(|p| world.provider(*p).earned == PAY));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (3 * PAY, 2 * PAY));
}

#[test]
fn votes_on_nothing_get_what_the_reserve_has_left() {
    // Of two audits that the reserve can pay it has set both aside, for auditors who were not wrong, and who get it.
    let (mut world, job, p) = stage(5, 1, 3, 8);
    world.audited(job, 0, p[0], 0);
    world.commit_drawn(job, 0, p[1], VOID);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[2], VOID);
    world.draw(job, 0, &p[2..3]);
    for (provider, result) in [(p[0], 0), (p[1], VOID), (p[2], VOID)] {
        world.reveal_result(job, 0, provider, result).ok();
    }
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[3], VOID)]);
    world.pay(job, 0, &p[1..4]);
    assert_eq!([1, 2, 3].map(|i| world.provider(p[i]).earned), [PAY, PAY, 0]);
    assert_eq!(world.provider(p[3]).leases_settled, 1);
    world.expire_lease(job, 0, p[0]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (2 * PAY, 2 * PAY));
}
