//! What somebody would try who wants to be paid for nothing and not be found out, or to use audits against others.

use solana_instruction::Instruction;
use tessera::{
    TesseraError, events,
    state::{self, SeatState},
};
use tessera_protocol::{routing::Requirements, verdict::Kind};
use tessera_tests::{
    call::{Call, Refusal, Snapshot},
    terms::JobTerms,
    world::{CAPABILITIES, Job, Provider, World},
};

const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const STAKE: u64 = 5_000;

fn instruction(call: Call<'_>) -> Instruction {
    call.into_parts().0
}

/// Sends all in one transaction, expects this refusal, and that nothing has changed.
#[track_caller]
fn refused_together(world: &mut World, instructions: &[Instruction], refusal: impl Into<Refusal>) {
    let before = Snapshot::of(world);
    let failed = world.send(instructions).expect_err("a refusal");
    assert_eq!(Refusal::from(failed.err), refusal.into(), "{}", failed.meta.logs.join("\n"));
    assert!(before.changes(world).is_empty());
}

/// A job of one lease, in which the first provider has claimed and committed result 0, and is drawn or not.
fn committed(n: usize, drawn: bool) -> (World, Job, Vec<Provider>) {
    let (mut world, job, p) = World::with_replicas(n, 1);
    world.commit(job, 0, p[0], 0);
    world.choose_draw(job, 0, p[0], drawn);
    (world, job, p)
}

/// A lease in which `p[0]` has been convicted by `p[1]` and the vote of `p[2]`.
fn convicted(n: usize) -> (World, Job, Vec<Provider>) {
    let (mut world, job, p) = World::with_replicas(n, 1);
    world.disputed(job, 0, (p[0], 1), (p[1], 0));
    world.vote(job, 0, &[(p[2], 0)]);
    (world, job, p)
}

#[test]
fn a_single_wrong_bit_costs_the_lock() {
    let (mut world, job, p) = World::with_replicas(3, 1);
    world.claim_lease(job, 0, p[0]).ok();
    let mut wrong = world.work(job, 0, p[0], 0);
    wrong.reveal.result_root[31] ^= 1;
    let commitment = wrong.commitment();
    world.commit_result(job, 0, p[0], 0).with_data(|data| data[8..40].copy_from_slice(&commitment)).ok();
    world.choose_draw(job, 0, p[0], true);
    world.draw(job, 0, &p[..1]);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..2]);
    world.reveal(job, 0, p[0], &wrong, None).ok();
    world.reveal_result(job, 0, p[1], 0).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[2], 0)]);
    world.slash_seat(job, 0, p[0]).ok();
    assert_eq!((world.provider(p[0]).stake, world.provider(p[0]).earned), (STAKE - LOCK, 0));
}

#[test]
fn saying_nothing_after_a_draw_costs_as_much_as_a_wrong_answer() {
    let (mut world, job, p) = committed(3, true);
    world.draw(job, 0, &p[..1]);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..2]);
    world.reveal_result(job, 0, p[1], 0).ok();
    world.advance(61);
    world.advance_lease(job, 0).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.commit(job, 0, p[2], 0);
    world.reveal_result(job, 0, p[2], 0).ok();
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!(event.awarded + event.burned, LOCK);
}

#[test]
fn nobody_gets_away_by_silence_where_no_auditor_came() {
    let (mut world, job, p) = committed(1, true);
    world.draw(job, 0, &p);
    world.seed_group(job, 0, Kind::Audit);
    world.advance(64 + 121);
    world.advance_lease(job, 0).ok();
    world.advance(61);
    world.advance_lease(job, 0).ok();
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Convicted);
    world.slash_seat(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).stake, STAKE - LOCK);
}

#[test]
fn a_seat_that_would_be_drawn_does_not_leave() {
    let (mut world, job, p) = committed(2, true);
    // Once the hash is known everybody knows the draw; until it is read the seat stays.
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    world.advance(4);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    world.draw_audit(job, 0, p[0]).ok();
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
    world.advance(100_000);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::WindowStillOpen);
}

#[test]
fn a_replica_does_not_leave_a_lease_in_which_another_was_drawn() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.commit_and_draw(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.choose_draw(job, 0, p[1], true);
    world.draw(job, 0, &p[1..]);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
}

#[test]
fn stake_does_not_leave_before_a_conviction() {
    let (mut world, job, p) = committed(3, true);
    world.request_unstake(p[0], STAKE - LOCK + 1).expect_err(TesseraError::StakeLocked);
    world.request_unstake(p[0], STAKE - LOCK).ok();
    world.draw(job, 0, &p[..1]);
    world.advance(3_600);
    world.withdraw_stake(p[0]).ok();
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[1], 1);
    world.draw(job, 0, &p[1..2]);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.reveal_result(job, 0, p[1], 1).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[2], 1)]);
    // Convicted, and nobody has slashed it yet.
    world.request_unstake(p[0], 1).expect_err(TesseraError::StakeLocked);
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned, world.provider(p[0]).stake), (PAY, LOCK - PAY, 0));
    assert_eq!((world.tokens(p[0].vault), world.provider(p[0]).to_burn), (LOCK - PAY, LOCK - PAY));
}

#[test]
fn a_lock_is_lost_once() {
    let (mut world, job, p) = convicted(3);
    let slash = instruction(world.slash_seat(job, 0, p[0]));
    refused_together(&mut world, &[slash.clone(), slash.clone()], TesseraError::SeatNotFound);
    world.send(std::slice::from_ref(&slash)).expect("once");
    refused_together(&mut world, &[slash], TesseraError::SeatNotFound);
    world.pay(job, 0, &p[1..]);
    assert_eq!(world.provider(p[0]).slashed, LOCK);
}

#[test]
fn who_lost_is_not_paid_and_does_not_leave() {
    let (mut world, job, p) = convicted(3);
    let key = world.work(job, 0, p[0], 1).key;
    world
        .open_result(job, 0, p[0])
        .with_data(|data| data[8..40].copy_from_slice(&key))
        .expect_err(TesseraError::SeatNotRevealed);
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotOpened);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    for seconds in [0, 61, 100_000] {
        world.advance(seconds);
        world.expire_lease(job, 0, p[0]).expect_err(TesseraError::SeatConvicted);
    }
    world.pay(job, 0, &p[1..2]);
    world.expire_lease(job, 0, p[2]).ok();
    world.close_job(job).ok();
    // Not even when there is no job any more.
    world.expire_lease(job, 0, p[0]).expect_err(TesseraError::SeatConvicted);
    world.slash_seat(job, 0, p[0]).ok();
}

#[test]
fn a_closed_job_is_no_way_around_the_award() {
    let (mut world, job, p) = convicted(3);
    world.open_result(job, 0, p[2]).ok();
    world.pay(job, 0, &p[1..2]);
    // As long as a vote is due its award, the job stays.
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    let slash = instruction(world.slash_seat(job, 0, p[0]));
    let settle = instruction(world.settle_lease(job, 0, p[2]));
    refused_together(&mut world, &[settle.clone(), slash.clone()], TesseraError::AwardsMissing);
    world.send(&[slash, settle]).expect("in this order");
    world.close_job(job).ok();
}

#[test]
fn a_draw_is_read_once() {
    let (mut world, job, p) = committed(1, false);
    world.advance(4);
    let draw = instruction(world.draw_audit(job, 0, p[0]));
    refused_together(&mut world, &[draw.clone(), draw.clone()], TesseraError::AlreadyDrawn);
    world.send(std::slice::from_ref(&draw)).expect("once");
    // Not with a later hash, and not once the hash is lost.
    world.advance(1_000);
    refused_together(&mut world, &[draw], TesseraError::AlreadyDrawn);
    world.reveal_and_open(job, 0, p[0], 0).ok();
}

#[test]
fn a_draw_cannot_be_waited_out() {
    // 512 hashes are kept: in slot 520 after the commit that of slot 8 is the last, and then it is lost.
    for (seconds, draw) in [(208, state::Draw::Passed), (209, state::Draw::Seat)] {
        let (mut world, job, p) = committed(1, false);
        world.advance(seconds);
        let event = world.draw_audit(job, 0, p[0]).ok().event::<events::ResultDrawn>();
        assert_eq!(event.draw, draw as u8, "after {seconds} seconds");
    }
}

#[test]
fn nobody_audits_itself() {
    let (mut world, job, p) = committed(2, true);
    world.draw(job, 0, &p[..1]);
    world.seed_group(job, 0, Kind::Audit);
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::AlreadySeated);
    world.claim_lease(job, 0, p[1]).ok();
}

#[test]
fn an_auditor_is_not_made_to_order() {
    let (mut world, job, p) = committed(2, true);
    world.draw(job, 0, &p[..1]);
    // The seed of the audit is not known yet; whoever stakes for it stakes before.
    let accomplice = world.new_provider(50, 10_000);
    world.register_provider(accomplice).ok();
    let seed_slot = world.lease(job, 0).seed_slot;
    while world.slot() < seed_slot {
        world.advance(1);
    }
    // From the slot of the seed on it is known, or may be: an identity could be made that comes first.
    world.add_stake(accomplice, STAKE).ok();
    world.seed_group(job, 0, Kind::Audit);
    world.claim_lease(job, 0, accomplice).expect_err(TesseraError::FreshStake);
    // Nor does more stake for one that is there already.
    world.add_stake(p[1], 1).ok();
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::FreshStake);
}

#[test]
fn a_client_does_not_choose_its_auditors() {
    let mut world = World::with(|b| b.providers = 3);
    let (client, p) = (world.clients[0], world.providers.clone());
    let requirements = Requirements { memory_mib: CAPABILITIES.memory_mib, class: CAPABILITIES.class, regions: 1 << 3 };
    let terms = JobTerms {
        units: 4,
        requirements,
        allowed: vec![p[0].address],
        denied: vec![p[1].address, p[2].address],
        min_stake: STAKE,
        ..JobTerms::default()
    };
    let job = world.job(client, &terms);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::NotListed);
    // Another class, another region, less stake than the job asks for, and on the list of those who may not.
    let other = state::Capabilities { class: 0, region: 9, ..CAPABILITIES };
    world.update_provider(p[1], None, Some(other)).ok();
    world.request_unstake(p[1], 1_000).ok();
    world.audited(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.choose_draw(job, 0, p[1], false);
    world.draw(job, 0, &p[1..2]);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.reveal_result(job, 0, p[1], 1).ok();
    world.seed_group(job, 0, Kind::Dispute);
    // Without the memory the work cannot be done.
    let small = state::Capabilities { memory_mib: CAPABILITIES.memory_mib - 1, ..CAPABILITIES };
    world.update_provider(p[2], None, Some(small)).ok();
    world.claim_lease(job, 0, p[2]).expect_err(TesseraError::MayNotClaim);
    world.update_provider(p[2], None, Some(CAPABILITIES)).ok();
    world.claim_lease(job, 0, p[2]).ok();
}

#[test]
fn a_limit_of_open_leases_keeps_nobody_from_judging() {
    let (mut world, job, p) = committed(2, true);
    let second = world.job(world.clients[0], &JobTerms::default());
    world.claim_lease(second, 0, p[1]).ok();
    let mut market = world.terms;
    market.max_open_leases = 1;
    world.update_market(market).ok();
    world.claim_lease(second, 1, p[1]).expect_err(TesseraError::TooManyOpenLeases);
    world.draw(job, 0, &p[..1]);
    world.seed_group(job, 0, Kind::Audit);
    world.claim_lease(job, 0, p[1]).ok();
}
