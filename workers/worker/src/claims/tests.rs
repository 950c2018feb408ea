use tessera_protocol::{
    audit::AuditParams,
    chance::Chance,
    routing::{Requirements, Threshold},
};

use super::*;
use crate::lifecycle::{Draw, Seat};

const NOW: Moment = Moment { slot: 100_000, time: 1_000 };
const PEER: Pubkey = Pubkey::new_from_array([5; 32]);
/// So long after the opening everybody has a turn.
const LATE: i64 = 100;

fn me() -> Claimant {
    let has = Capabilities { memory_mib: 1024, class: 80, region: 0 };
    let standing = Standing { score: Chance::ZERO, stake: 1_000, locked: 0, staked_slot: 5 };
    let provider = Pubkey::new_from_array([7; 32]);
    Claimant { provider, has, standing, takes_base: true, total_stake: 50_000, salt: 1 }
}

fn job() -> JobView {
    JobView {
        cancelled: false,
        replicas: 2,
        deadline: NOW.time + 500,
        grace_seconds: 100,
        lease_seconds: 60,
        reveal_seconds: 30,
        challenge_seconds: 0,
        step_seconds: 1,
        stake_cap: 1_000,
        audit: AuditParams::default(),
        seed: ([3; 32], 10),
        seeded_at: NOW.time - LATE,
        asks: Requirements::default(),
        threshold: Threshold::default(),
        listed: true,
        private: false,
    }
}

fn seat(provider: Pubkey, state: SeatState, commit_by: i64) -> Seat {
    Seat {
        provider,
        payer: provider,
        kind: Kind::Base,
        draw: Draw::Waiting,
        state,
        attempt: 0,
        pay: 1,
        slot: 50,
        commit_by,
        commitment: [0; 32],
        result_root: [0; 32],
        paid_by_rest: false,
        silent: false,
        sealed: [0; 32],
        key: [0; 32],
        payable_at: 0,
        answer_by: 0,
        demand: 0,
        fault_slot: 0,
    }
}

/// A lease of which so many seats are missing.
fn lease(missing: u8, seats: Vec<Seat>) -> LeaseView {
    LeaseView { missing, seats, payer: PEER, ..LeaseView::fresh(&job()) }
}

/// The same, with a group of auditors or jurors.
fn called(kind: Kind, seats: Vec<Seat>) -> LeaseView {
    LeaseView { group: kind, contested: true, call: 1, seed: ([4; 32], 90), ..lease(1, seats) }
}

fn verdict(job: &JobView, lease: Option<&LeaseView>) -> Verdict {
    assess(job, 0, lease, &me(), NOW)
}

fn free(expire: &[Pubkey], others: usize) -> Verdict {
    Verdict::Free { expire: expire.iter().map(|key| (*key, *key)).collect(), others }
}

#[test]
fn a_fresh_lease_is_free_while_its_windows_fit() {
    assert_eq!(verdict(&job(), None), free(&[], 0));
    assert_eq!(verdict(&JobView { deadline: NOW.time + 119, ..job() }, None), Verdict::Taken);
    assert_eq!(verdict(&JobView { cancelled: true, ..job() }, None), Verdict::Taken);
    assert_eq!(verdict(&JobView { listed: false, ..job() }, None), Verdict::Taken);
    let asks = Requirements { class: 90, ..Requirements::default() };
    assert_eq!(verdict(&JobView { asks, ..job() }, None), Verdict::Taken);
    let threshold = Threshold { stake: 1_001, ..Threshold::default() };
    assert_eq!(verdict(&JobView { threshold, ..job() }, None), Verdict::Taken);
    assert_eq!(assess(&job(), 0, None, &Claimant { takes_base: false, ..me() }, NOW), Verdict::Taken);
}

#[test]
fn a_private_job_has_no_turns() {
    let private = JobView { private: true, seeded_at: NOW.time, seed: ([0; 32], NOW.slot), ..job() };
    let public = JobView { private: false, ..private.clone() };
    // A small stake among large ones waits for its turn elsewhere, and one that has just come even longer.
    let standing = Standing { stake: 1, staked_slot: NOW.slot, ..me().standing };
    let small = Claimant { standing, ..me() };
    let assess = |job: &JobView| assess(job, 0, None, &small, NOW);
    assert_eq!(assess(&private), free(&[], 0));
    assert!(matches!(assess(&public), Verdict::Later(_)));
    assert_eq!(assess(&JobView { listed: false, ..private.clone() }), Verdict::Taken);
    let threshold = Threshold { stake: 2, ..Threshold::default() };
    assert_eq!(assess(&JobView { threshold, ..private.clone() }), Verdict::Taken);
    assert_eq!(order(&private, 0..1, &small, NOW.time), (vec![0], None));
}

#[test]
fn lists_stake_and_score_decide_who_qualifies() {
    let threshold = |stake, score| JobView { threshold: Threshold { stake, score }, ..job() };
    assert!(me().qualifies(&job()) && me().qualifies(&threshold(1_000, Chance::ZERO)));
    assert!(!me().qualifies(&JobView { listed: false, ..job() }));
    assert!(!me().qualifies(&threshold(1_001, Chance::ZERO)));
    assert!(!me().qualifies(&threshold(0, Chance::ONE)));
}

#[test]
fn everybody_waits_for_its_turn() {
    let early = JobView { seeded_at: NOW.time, ..job() };
    let open = |job: &JobView| {
        let fresh = LeaseView::fresh(job);
        (0..500).filter(|index| me().turn(job, *index, &fresh).is_some_and(|turn| turn <= NOW.time)).count()
    };
    // Two seats among fifty providers of full weight, open twice as wide, and half of that without a score: one lease in 25.
    let first = open(&early);
    assert!((8..40).contains(&first), "{first}");
    let twice = open(&JobView { seeded_at: NOW.time - 1, ..early.clone() });
    assert!(twice > first && twice < 80, "{twice}");
    let (ordered, next) = order(&early, 0..500, &me(), NOW.time);
    assert_eq!(next, Some(NOW.time + 1), "the next step lets more in");
    assert_eq!(ordered.len(), first);
    assert!(ordered.iter().all(|index| assess(&early, *index, None, &me(), NOW) == free(&[], 0)));
}

#[test]
fn a_full_lease_is_free_once_a_seat_can_be_expired() {
    let with = |state, by| lease(0, vec![seat(PEER, state, by)]);
    assert_eq!(verdict(&job(), Some(&with(SeatState::Leased, NOW.time + 5))), Verdict::Taken);
    assert_eq!(verdict(&job(), Some(&with(SeatState::Leased, NOW.time - 5))), free(&[PEER], 0));
    assert_eq!(verdict(&job(), Some(&with(SeatState::Committed, NOW.time - 5))), Verdict::Taken);
    // One of a group that is over makes no room in this one, nor does one of a group that takes nobody any more.
    let mut other = called(Kind::Audit, vec![seat(PEER, SeatState::Leased, NOW.time - 5)]);
    other.missing = 0;
    assert_eq!(verdict(&job(), Some(&other)), Verdict::Taken);
    let mut exhausted = with(SeatState::Leased, NOW.time - 5);
    (exhausted.contested, exhausted.exhausted) = (true, true);
    assert_eq!(verdict(&job(), Some(&exhausted)), Verdict::Taken);
}

#[test]
fn replicas_are_joined_unless_we_are_in_or_roots_are_being_revealed() {
    let other = seat(PEER, SeatState::Committed, NOW.time);
    let two = lease(1, vec![other.clone()]);
    assert_eq!(verdict(&job(), Some(&two)), free(&[], 1));
    assert_eq!(verdict(&JobView { cancelled: true, ..job() }, Some(&two)), free(&[], 1));
    assert_eq!(verdict(&job(), Some(&LeaseView { reveal_by: NOW.time + 9, ..two.clone() })), Verdict::Taken);
    assert_eq!(verdict(&job(), Some(&LeaseView { state: LeaseState::Agreed, ..two.clone() })), Verdict::Taken);
    assert_eq!(verdict(&job(), Some(&lease(0, vec![other.clone()]))), Verdict::Taken);
    let mine = |state| lease(1, vec![other.clone(), seat(me().provider, state, NOW.time - 9)]);
    assert_eq!(verdict(&job(), Some(&mine(SeatState::Leased))), Verdict::Taken);
    assert_eq!(verdict(&job(), Some(&mine(SeatState::Convicted))), Verdict::Taken);
}

#[test]
fn auditors_and_jurors_come_whatever_became_of_the_job() {
    let asks = Requirements { class: 90, regions: 2, ..Requirements::default() };
    let threshold = Threshold { stake: 9_999, score: Chance::ONE };
    let ended = JobView { cancelled: true, listed: false, deadline: NOW.time - 9_999, asks, threshold, ..job() };
    let me = Claimant { takes_base: false, ..me() };
    for kind in [Kind::Audit, Kind::Dispute] {
        let lease = called(kind, vec![seat(PEER, SeatState::Committed, 0)]);
        assert_eq!(assess(&ended, 0, Some(&lease), &me, NOW), free(&[], 1));
        let unseeded = LeaseView { opened_at: 0, ..lease.clone() };
        assert_eq!(assess(&ended, 0, Some(&unseeded), &me, NOW), Verdict::Taken);
        let fresh = Claimant { standing: Standing { staked_slot: 90, ..me.standing }, ..me };
        assert_eq!(assess(&ended, 0, Some(&lease), &fresh, NOW), Verdict::Taken, "stake that came after the call");
        let small = Requirements { memory_mib: 9_999, ..asks };
        let large = JobView { asks: small, ..ended.clone() };
        assert_eq!(assess(&large, 0, Some(&lease), &me, NOW), Verdict::Taken);
    }
}

#[test]
fn a_quarter_of_the_stake_is_kept_for_audits() {
    let audit = AuditParams { lock_multiple: 100, ..AuditParams::default() };
    let can = |kind, others| me().can_lock(&audit, 3, kind, others);
    assert!(can(Kind::Base, 1) && !can(Kind::Base, 2));
    assert!(can(Kind::Audit, 2) && !can(Kind::Dispute, 3));
    let most = AuditParams { lock_multiple: u16::MAX, ..audit };
    assert!(!me().can_lock(&most, u64::MAX, Kind::Audit, 0));
    // Of a private job a seat locks its bond, a tenth of its pay.
    let private = AuditParams::unaudited(1_000);
    assert!(me().can_lock(&private, 7_500, Kind::Base, 0) && !me().can_lock(&private, 7_510, Kind::Base, 0));
}

#[test]
fn orders_are_complete_and_differ_between_providers_and_workers() {
    let mine = order(&job(), 0..50, &me(), NOW.time).0;
    let theirs = order(&job(), 0..50, &Claimant { provider: PEER, ..me() }, NOW.time).0;
    let second = order(&job(), 0..50, &Claimant { salt: 0x9e37_79b9_7f4a_7c15, ..me() }, NOW.time).0;
    assert!(mine != theirs && mine != second && theirs != second);
    for order in [mine, second] {
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn time_is_kept_in_hand() {
    assert!(has_time(None, 0.0, 60) && !has_time(None, 0.1, 60));
    assert!(has_time(Some(20.0), 25.0, 60) && !has_time(Some(20.0), 26.0, 60));
}
