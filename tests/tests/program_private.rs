//! Private jobs: only those that the client allows have what it takes to compute them, so nobody audits or judges them.

use solana_account::ReadableAccount;
use tessera::{
    TesseraError, events,
    state::{self, JOB_BITMAP_OFFSET, LEASE_CONTESTED_OFFSET, LeaseState, SeatState},
};
use tessera_protocol::{audit, chance::Chance, reputation::Reputation};
use tessera_tests::{
    call::Snapshot,
    terms::{JobTerms, MarketTerms},
    world::{Job, Provider, START, START_SLOT, VOID, World},
};

/// Pay of a lease of 4 × 7, and the bond of its seat.
const PAY: u64 = 28;
const BOND: u64 = 7;
const STAKE: u64 = 5_000;

/// What makes the terms of a job others.
type Change = fn(&mut JobTerms);

/// A market that audits each result of those whom it does not know, with a private job of one lease for the first of `n` providers.
fn stage_with(n: usize, change: impl FnOnce(&mut JobTerms)) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| {
        b.providers = n;
        b.terms = MarketTerms { probation: 1_000, ..MarketTerms::default() };
    });
    let p = world.providers.clone();
    let mut terms = JobTerms { units: 4, allowed: vec![p[0].address], private: true, ..JobTerms::default() };
    change(&mut terms);
    let job = world.job(world.clients[0], &terms);
    (world, job, p)
}

fn stage(n: usize) -> (World, Job, Vec<Provider>) {
    stage_with(n, |_| {})
}

/// What a market remembers of a provider, and what it has done there.
fn remembered(world: &World, p: Provider) -> (Reputation, u64, u64) {
    let account = world.provider(p);
    (account.reputation(), account.leases_settled, account.units_settled)
}

#[test]
fn a_private_job_from_its_post_to_its_close() {
    let mut world = World::with(|b| b.terms = MarketTerms { probation: 1_000, ..MarketTerms::default() });
    let (client, p) = (world.clients[0], world.providers[0]);
    let before = remembered(&world, p);
    let terms = JobTerms { units: 4, allowed: vec![p.address], private: true, ..JobTerms::default() };
    let job = world.next_job(client, &terms);
    let event = world.post_job(client, &terms).ok().event::<events::JobPosted>();
    // Work and 5 % of it: nothing is kept for audits that nobody will make.
    assert_eq!((event.private, event.deposited, event.audit_reserve), (true, PAY + 1, 0));
    let account = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((account.private, account.reserve, account.expiry_bond_bps), (1, 0, 2_500));
    assert_eq!((account.lock_multiple, account.lead, account.seat_limit, account.probation), (0, 0, 0, 0));
    assert_eq!((account.deterring, account.reserve_bps), (0, 0));
    // Nobody is ranked, so no hash is waited for.
    assert_eq!((account.seed, account.seed_slot, account.seeded_at), ([0; 32], START_SLOT, START));
    world.seed_job(job).expect_err(TesseraError::AlreadySeeded);

    world.claim_lease(job, 0, p).ok();
    let seat = world.seat(job, 0, p).unwrap();
    assert_eq!((seat.pay, seat.lock, seat.bond), (PAY, BOND, BOND));
    assert_eq!(world.lease(job, 0).private, 1);
    // Committed and shown in the slot in which it was claimed: an ordinary lease waits for a hash, and then for an auditor.
    let event = world.commit_result(job, 0, p, 0).ok().event::<events::ResultCommitted>();
    assert_eq!(event.reveal_by, START + 60);
    assert_eq!(world.slot(), START_SLOT);
    let sent = world.reveal_and_open(job, 0, p, 0).ok();
    assert_eq!(sent.event::<events::LeaseAgreed>().index, 0);
    let event = world.settle_lease(job, 0, p).ok().event::<events::LeaseSettled>();
    assert_eq!((event.pay, event.kind, event.units), (PAY, 0, 4));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.treasury + event.burned, event.refunded), (PAY, 1, 0), "the fee is that of any job");
    let account = world.provider(p);
    assert_eq!((account.earned, account.total_earned, account.locked, account.open_leases), (PAY, PAY, 0, 0));
    assert_eq!(remembered(&world, p), before);
}

#[test]
fn the_flags_lie_where_the_layout_says() {
    let (mut world, job, p) = stage(1);
    world.claim_lease(job, 0, p[0]).ok();
    let account = world.account(job.address).unwrap();
    // Behind the numbers of the two lists, six bytes before the seed.
    let at = bytes_of(account.data(), &[1, 0, 1, 0, 0, 0, 0, 0]);
    assert!(at.is_some_and(|at| at < JOB_BITMAP_OFFSET as usize));
    let lease = world.account(job.lease(0)).unwrap();
    // Contested, exhausted, call, wanted.
    assert_eq!(lease.data()[LEASE_CONTESTED_OFFSET as usize..][..5], [0, 0, 0, 1, 1]);
}

fn bytes_of(data: &[u8], wanted: &[u8]) -> Option<usize> {
    data.windows(wanted.len()).position(|found| found == wanted)
}

#[test]
fn nobody_else_takes_it_and_nobody_waits_for_a_turn() {
    let (mut world, job, p) = stage(3);
    for stranger in &p[1..] {
        world.claim_lease(job, 0, *stranger).expect_err(TesseraError::NotListed);
    }
    // In the slot of the post, with stake that has just come and that others have much more of.
    let slot = world.slot();
    world.change_provider(p[0], |account| account.staked_slot = slot);
    world.claim_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::AlreadySeated);
}

#[test]
fn what_a_job_asks_of_a_provider_counts_in_private_too() {
    let asks: [(Change, TesseraError); 5] = [
        (|t| t.requirements.memory_mib = 16_384, TesseraError::MayNotClaim),
        (|t| t.requirements.class = 255, TesseraError::MayNotClaim),
        (|t| t.requirements.regions = 1 << 63, TesseraError::MayNotClaim),
        (|t| t.min_stake = STAKE + 1, TesseraError::BelowThreshold),
        (|t| t.min_score_bps = 1, TesseraError::BelowThreshold),
    ];
    for (change, refusal) in asks {
        let (mut world, job, p) = stage_with(1, change);
        world.claim_lease(job, 0, p[0]).expect_err(refusal);
    }
    let (mut world, job, p) = stage(1);
    world.pause().ok();
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::MarketPaused);
    world.unpause().ok();
    world.cancel_job(job).ok();
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::JobCancelled);
}

#[test]
fn no_hash_and_no_fault_has_it_audited() {
    let (mut world, job, p) = stage(2);
    world.commit(job, 0, p[0], 0);
    // Every hash there may be, and a fault of the provider elsewhere since then.
    for slot in [0, world.slot(), u64::MAX] {
        world.change_provider(p[0], |account| account.fault_slot = slot);
        world.advance(4);
        world.draw_audit(job, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
    }
    world.advance(600 * 2);
    world.draw_audit(job, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
    let lease = world.lease(job, 0);
    assert_eq!((lease.contested, lease.drawn, lease.missing, lease.group), (0, 0, 0, 0));
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::LeaseFull);
    // Not even its client or its provider can have it judged by others.
    world.seed_lease(job, 0).expect_err(TesseraError::AlreadySeeded);
    world.return_lease(job, 0, p[0]).expect_err(TesseraError::SeatNotReturnable);
    // A late reveal counts until somebody closes the window, as everywhere.
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.settle_lease(job, 0, p[0]).ok();
}

#[test]
fn who_is_late_or_silent_loses_its_bond_and_nothing_is_remembered() {
    let (mut world, job, p) = stage(1);
    let before = remembered(&world, p[0]);
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(121);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (state::Departure::Expired, BOND));
    world.commit(job, 0, p[0], 0);
    world.advance(61);
    world.advance_lease(job, 0).ok();
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Late);
    assert_eq!(world.lease(job, 0).state, LeaseState::Open);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (state::Departure::Silent, BOND));
    // The same provider once more, and it keeps its key to itself.
    world.commit(job, 0, p[0], 0);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.advance(61);
    let event = world.expire_lease(job, 0, p[0]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (state::Departure::Withheld, BOND));
    let account = world.provider(p[0]);
    assert_eq!((account.stake, account.lost, account.to_burn), (STAKE - 3 * BOND, 3 * BOND, 3 * BOND));
    assert_eq!(remembered(&world, p[0]), before);
    // What cannot be asked is not paid: all of it is the client's again.
    let deposited = world.load::<state::Job>(job.address).unwrap().deposited;
    world.cancel_job(job).ok();
    let event = world.close_job_showing(job, &[0]).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.refunded), (0, deposited));
    world.close_lease(job, 0).ok();
}

#[test]
fn outputs_that_are_not_shown_are_not_paid() {
    let (mut world, job, p) = stage_with(1, |terms| (terms.challenge_seconds, terms.seconds) = (500, 10_000));
    let before = remembered(&world, p[0]);
    world.commit(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::ChallengeOpen);
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.answer(job, 0, p[0], 0);
    world.demand_chunk(job, 0, p[0], 3).ok();
    world.advance(121);
    world.expire_demand(job, 0, p[0]).ok();
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::LeaseNotAgreed);
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, BOND));
    let account = world.provider(p[0]);
    assert_eq!((account.stake, account.slashed, account.locked), (STAKE - BOND, BOND, 0));
    assert_eq!(remembered(&world, p[0]), before, "no fault: it would have its other results audited");
    // The lease is open again, to the same provider too.
    world.commit(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.advance(500);
    assert_eq!(world.settle_lease(job, 0, p[0]).ok().event::<events::LeaseSettled>().pay, PAY);
}

#[test]
fn results_of_friends_are_worth_nothing_elsewhere() {
    // Somebody posts to itself, again and again, what would make it look good.
    let (mut world, _, p) = stage(3);
    let before = remembered(&world, p[0]);
    let terms = JobTerms { units: 4, allowed: vec![p[0].address], private: true, ..JobTerms::default() };
    for _ in 0..12 {
        let job = world.job(world.clients[0], &terms);
        world.commit(job, 0, p[0], 0);
        world.reveal_and_open(job, 0, p[0], 0).ok();
        world.settle_lease(job, 0, p[0]).ok();
        let event = world.close_job(job).ok().event::<events::JobClosed>();
        assert_eq!(event.treasury + event.burned, 1);
    }
    assert_eq!(remembered(&world, p[0]), before);
    // It is audited for certain, as if it had just come.
    let job = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    world.commit(job, 0, p[0], 0);
    world.choose_sample(job, 0, p[0], |sample| sample > u64::MAX / 2);
    world.draw(job, 0, &[p[0]]);
    assert_eq!(world.lease(job, 0).group, 1, "an audit is called");
    assert_eq!(audit::history(1_000, world.provider(p[0]).consecutive), Chance::ONE);
}

#[test]
fn a_void_is_paid_on_trust() {
    let (mut world, job, p) = stage(1);
    world.commit(job, 0, p[0], VOID);
    world.reveal_and_open(job, 0, p[0], VOID).ok();
    assert_eq!(world.settle_lease(job, 0, p[0]).ok().event::<events::LeaseSettled>().pay, PAY);
}

#[test]
fn raising_the_price_reserves_nothing() {
    let (mut world, job, p) = stage(1);
    let event = world.top_up_job(job, 0, 3).ok().event::<events::JobToppedUp>();
    // 4 × 3, and the fee rounded up.
    assert_eq!((event.price_per_unit, event.added), (10, 13));
    let account = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((account.audit_reserve, account.reserve, account.deposited), (0, 0, PAY + 1 + 13));
    world.commit(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    assert_eq!(world.settle_lease(job, 0, p[0]).ok().event::<events::LeaseSettled>().pay, 40);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.treasury + event.burned, event.refunded), (40, 2, 0));
}

#[test]
fn a_small_stake_suffices_for_the_bond() {
    // An ordinary seat of this pay would lock 8 × 4,000.
    let terms = |private| JobTerms { units: 1, price_per_unit: 4_000, allowed: vec![], private, ..JobTerms::default() };
    let mut world = World::with(|_| {});
    let p = world.providers[0];
    let public = world.job(world.clients[0], &terms(false));
    world.claim_lease(public, 0, p).expect_err(TesseraError::StakeLocked);
    let private = world.job(world.clients[0], &JobTerms { allowed: vec![p.address], ..terms(true) });
    world.claim_lease(private, 0, p).ok();
    assert_eq!(world.provider(p).locked, 1_000);
    // Three quarters of the stake can be locked by such bonds too.
    for _ in 0..2 {
        let more = world.job(world.clients[0], &JobTerms { allowed: vec![p.address], ..terms(true) });
        world.claim_lease(more, 0, p).ok();
    }
    let last = world.job(world.clients[0], &JobTerms { allowed: vec![p.address], ..terms(true) });
    world.claim_lease(last, 0, p).expect_err(TesseraError::StakeLocked);
}

#[test]
fn a_lease_of_a_private_job_stays_private_whatever_comes() {
    let (mut world, job, p) = stage(2);
    world.claim_lease(job, 0, p[0]).ok();
    world.return_lease(job, 0, p[0]).ok();
    // Another market's changes, and everybody's transactions, leave what was posted.
    world.update_market(MarketTerms { p_min_bps: 5_000, reserve_bps: 5_000, ..MarketTerms::default() }).ok();
    let before = Snapshot::of(&world);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.seed_lease(job, 0).expect_err(TesseraError::AlreadySeeded);
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::NotListed);
    assert!(before.changes(&world).is_empty());
    world.commit(job, 0, p[0], 0);
    world.draw_audit(job, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
    assert_eq!((world.lease(job, 0).private, world.lease(job, 0).claims), (1, 2));
}
