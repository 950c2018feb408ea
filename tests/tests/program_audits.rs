//! Audits: whose results are computed once more, by whom, and who pays for it.

use tessera::{TesseraError, events, state};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    terms::JobTerms,
    world::{Job, Provider, Reading, World},
};

/// Pay of a lease of 4 × 7.
const PAY: u64 = 28;

/// A world of `n` providers with a job of a single lease and one replica.
fn stage(n: usize) -> (World, Job, Vec<Provider>) {
    World::with_replicas(n, 1)
}

/// What providers have earned.
fn earned<const N: usize>(world: &World, providers: [Provider; N]) -> [u64; N] {
    providers.map(|provider| world.provider(provider).earned)
}

/// Lets the commit of `provider` be drawn because nobody has read its hash in time: the seat pays.
fn miss(world: &mut World, job: Job, provider: Provider) {
    world.advance(300);
    let event = world.draw_audit(job, 0, provider).ok().event::<events::ResultDrawn>();
    assert_eq!(event.draw, state::Draw::Seat as u8);
}

/// Shows what everybody in the lease has committed, all the same result.
fn reveal_all(world: &mut World, job: Job, providers: &[Provider]) {
    providers.iter().for_each(|provider| drop(world.reveal_result(job, 0, *provider, 0).ok()));
}

/// Of five providers, the second audits the first and is wrong, the third audits it in turn, and the others vote. Returns those
/// who were right, paid.
fn a_wrong_auditor_is_found_out(world: &mut World, job: Job, p: &[Provider]) -> [Provider; 4] {
    world.commit(job, 0, p[1], 1);
    miss(world, job, p[1]);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[2], 0);
    world.draw(job, 0, &p[2..3]);
    for (provider, result) in [(p[0], 0), (p[1], 1), (p[2], 0)] {
        world.reveal_result(job, 0, provider, result).ok();
    }
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[3], 0), (p[4], 0)]);
    world.slash_seat(job, 0, p[1]).ok();
    let right = [p[0], p[2], p[3], p[4]];
    world.pay(job, 0, &right);
    right
}

#[test]
fn the_reserve_pays_an_audit_that_it_was_made_for() {
    let (mut world, job, p) = stage(2);
    world.commit(job, 0, p[0], 0);
    world.choose_draw(job, 0, p[0], true);
    world.advance(4);
    let sent = world.draw_audit(job, 0, p[0]).ok();
    let event = sent.event::<events::ResultDrawn>();
    assert_eq!((event.draw, event.reveal_by), (state::Draw::Reserve as u8, 0));
    let event = sent.event::<events::SeatsOpened>();
    assert_eq!((event.job, event.index, event.kind, event.seats), (job.address, 0, Kind::Audit as u8, 1));
    assert_eq!(event.seed_slot, world.slot() + 8);
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.audit_reserve, account.reserve, account.contested), (2 * PAY, PAY, 1));

    world.seed_group(job, 0, Kind::Audit);
    let event = world.claim_lease(job, 0, p[1]).ok().event::<events::LeaseClaimed>();
    assert_eq!((event.kind, event.attempt, event.pay), (Kind::Audit as u8, 1, PAY));
    world.commit_result(job, 0, p[1], 0).ok();
    world.draw(job, 0, &p[1..]);
    reveal_all(&mut world, job, &p);
    world.pay(job, 0, &p);
    assert_eq!(earned(&world, [p[0], p[1]]), [PAY, PAY]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audit_reserve, event.audits_paid), (2 * PAY, 2 * PAY, PAY));
    // 28, two audits of as much and 5 % of all; 5 % of 56 is 2.
    assert_eq!((event.deposited, event.treasury + event.burned, event.refunded), (88, 2, 30));
}

#[test]
fn a_seat_whose_draw_nobody_has_read_pays_its_auditor() {
    let (mut world, job, p) = stage(2);
    world.commit(job, 0, p[0], 0);
    world.choose_draw(job, 0, p[0], false);
    miss(&mut world, job, p[0]);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    reveal_all(&mut world, job, &p);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().pay, 0);
    world.pay(job, 0, &p);
    assert_eq!(earned(&world, [p[0], p[1]]), [0, PAY]);
    assert_eq!(world.provider(p[0]).consecutive, 1, "its result was confirmed all the same");
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0));
}

#[test]
fn an_empty_reserve_leaves_it_to_the_seats() {
    let (mut world, job, p) = stage(4);
    world.audited(job, 0, p[0], 0);
    for auditor in &p[1..3] {
        world.commit_drawn(job, 0, *auditor, 0);
        world.seed_group(job, 0, Kind::Audit);
    }
    // Of three audits two were escrowed for; the third is at the cost of the second auditor.
    let draws = [0, 1, 2].map(|i| world.seat(job, 0, p[i]).unwrap().draw);
    assert_eq!(draws, [state::Draw::Reserve as u8, state::Draw::Reserve as u8, state::Draw::Seat as u8]);
    world.commit(job, 0, p[3], 0);
    world.draw(job, 0, &p[3..]);
    reveal_all(&mut world, job, &p);
    world.pay(job, 0, &p);
    assert_eq!(earned(&world, [p[0], p[1], p[2], p[3]]), [PAY, PAY, 0, PAY]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (3 * PAY, 2 * PAY));
}

#[test]
fn beginners_are_audited_until_their_results_are_confirmed() {
    let mut world = World::with(|b| (b.providers, b.terms.probation) = (2, 2));
    let (client, p) = (world.clients[0], world.providers.clone());
    for confirmed in 0..3 {
        let job = world.job(client, &JobTerms { units: 4, ..JobTerms::default() });
        assert_eq!(world.provider(p[0]).consecutive, confirmed);
        world.commit(job, 0, p[0], 0);
        world.choose_draw(job, 0, p[0], false);
        world.advance(4);
        let draw = world.draw_audit(job, 0, p[0]).ok().event::<events::ResultDrawn>().draw;
        if confirmed == 2 {
            // Now the chance is one half.
            assert_eq!(draw, state::Draw::Passed as u8);
            break;
        }
        assert_eq!(draw, state::Draw::Seat as u8);
        world.seed_group(job, 0, Kind::Audit);
        world.commit(job, 0, p[1], 0);
        // Auditors are drawn by what deters alone, whatever their history.
        world.draw(job, 0, &p[1..]);
        reveal_all(&mut world, job, &p);
        world.pay(job, 0, &p);
        world.close_job(job).ok();
    }
    // An auditor confirms its base seat; the client might have chosen that, so it confirms nothing.
    assert_eq!((world.provider(p[1]).consecutive, world.provider(p[1]).success), (0, 0));
}

#[test]
fn credit_is_in_proportion_to_the_fee_that_burns() {
    for (credit_fee, events) in [(0, 1 << 32), (1, 1 << 32), (2, 1 << 31), (u64::MAX, 0)] {
        let mut world = World::with(|b| (b.providers, b.terms.credit_fee) = (2, credit_fee));
        let (client, p) = (world.clients[0], world.providers.clone());
        let job = world.job(client, &JobTerms { units: 4, ..JobTerms::default() });
        world.audited(job, 0, p[0], 0);
        world.commit(job, 0, p[1], 0);
        world.draw(job, 0, &p[1..]);
        reveal_all(&mut world, job, &p);
        world.pay(job, 0, &p);
        // 5 % of 28 is 1, and all of it burns.
        assert_eq!(world.provider(p[0]).success, events, "for {credit_fee}");
        assert_eq!(world.provider(p[0]).reputation_at, world.now());
    }
}

#[test]
fn an_audit_for_which_nobody_comes_costs_nothing() {
    let (mut world, job, p) = stage(2);
    world.audited(job, 0, p[0], 0);
    world.advance(64 + 121);
    world.advance_lease(job, 0).ok();
    world.claim_lease(job, 0, p[1]).expect_err(TesseraError::LeaseFull);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.reserve, account.audit_reserve), (2 * PAY, 2 * PAY));
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!(world.provider(p[0]).consecutive, 0, "nobody has looked");
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0));
}

#[test]
fn an_auditor_that_keeps_its_key_is_not_paid() {
    let (mut world, job, p) = stage(2);
    world.audited(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..]);
    reveal_all(&mut world, job, &p);
    world.pay(job, 0, &p[..1]);
    world.advance(61);
    let event = world.expire_lease(job, 0, p[1]).ok().event::<events::LeaseExpired>();
    assert_eq!((event.departure, event.lost), (state::Departure::Withheld, PAY / 4));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid, event.audit_reserve), (PAY, 0, 2 * PAY));
}

#[test]
fn one_audit_looks_at_all_replicas() {
    let (mut world, job, p) = World::with_replicas(4, 3);
    p[..3].iter().for_each(|p| world.commit(job, 0, *p, 0));
    world.advance(300);
    for provider in &p[..3] {
        world.draw_audit(job, 0, *provider).ok();
    }
    let draws = [0, 1, 2].map(|i| world.seat(job, 0, p[i]).unwrap().draw);
    assert_eq!(draws, [state::Draw::Seat as u8, state::Draw::Passed as u8, state::Draw::Passed as u8]);
    world.seed_group(job, 0, Kind::Audit);
    world.commit(job, 0, p[3], 0);
    world.draw(job, 0, &p[3..]);
    reveal_all(&mut world, job, &p);
    world.pay(job, 0, &p);
    assert_eq!(earned(&world, [p[0], p[1], p[2], p[3]]), [0, PAY, PAY, PAY]);
    assert!(p[..3].iter().all(|p| world.provider(*p).consecutive == 1));
}

#[test]
fn slots_that_are_skipped_are_passed_over() {
    let (mut world, job, p) = stage(1);
    world.hashes.skips = true;
    // A commit whose slot of draw is skipped.
    while world.hashes.of(world.slot() + 8).is_some() {
        world.advance(2);
    }
    world.commit(job, 0, p[0], 0);
    let target = world.draw_slot(job, 0, p[0]);
    let next = (target..).find(|slot| world.hashes.of(*slot).is_some()).unwrap();
    while world.slot() <= next {
        assert_eq!(world.hashes.read(target, world.slot()), Reading::Early);
        world.draw_audit(job, 0, p[0]).expect_err(TesseraError::DrawTooEarly);
        world.advance(1);
    }
    world.draw_audit(job, 0, p[0]).ok();
}

#[test]
fn where_a_seed_was_not_read_in_time_a_slot_that_nobody_knows_decides() {
    let mut world = World::with(|_| {});
    let (client, terms) = (world.clients[0], JobTerms::default());
    let job = world.next_job(client, &terms);
    world.post_job(client, &terms).ok();
    world.advance(1_000);
    // Whoever seeds could choose among the hashes that are there.
    let again = world.slot() + 8;
    assert!(world.seed_job(job).ok().events().is_empty());
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.seed, account.seed_slot, account.seeded_at), ([0; 32], again, 0));
    world.claim_lease(job, 0, world.providers[0]).expect_err(TesseraError::JobNotSeeded);
    world.seed_job(job).expect_err(TesseraError::SlotTooEarly);
    world.advance(4);
    let event = world.seed_job(job).ok().event::<events::JobSeeded>();
    assert_eq!((event.job, event.slot), (job.address, again));
    assert_eq!(Some(event.seed), world.hashes.of(event.slot));
    let account: state::Job = world.load(job.address).unwrap();
    assert_eq!((account.seed, account.seed_slot, account.seeded_at), (event.seed, event.slot, world.now()));
    // The same for the seats of an audit.
    world.advance(20);
    world.commit_drawn(job, 0, world.providers[0], 0);
    world.advance(1_000);
    let again = world.slot() + 8;
    assert!(world.seed_lease(job, 0).ok().events().is_empty());
    assert_eq!((world.lease(job, 0).seed_slot, world.lease(job, 0).opened_at), (again, 0));
    world.claim_lease(job, 0, world.providers[1]).expect_err(TesseraError::LeaseNotSeeded);
    world.seed_lease(job, 0).expect_err(TesseraError::SlotTooEarly);
    world.advance(4);
    let event = world.seed_lease(job, 0).ok().event::<events::LeaseSeeded>();
    assert_eq!((event.job, event.index, event.slot), (job.address, 0, again));
    assert_eq!(Some(event.seed), world.hashes.of(event.slot));
}

#[test]
fn a_result_is_looked_at_after_all_when_its_provider_is_found_at_fault() {
    let (mut world, job, p) = stage(4);
    let client = world.clients[0];
    let (found, open) = (job, world.job(client, &JobTerms { units: 4, ..JobTerms::default() }));
    world.disputed(found, 0, (p[0], 1), (p[1], 0));
    // While it is being judged its provider commits elsewhere, and is not drawn.
    world.commit_and_draw(open, 0, p[0], 0);
    assert_ne!(world.lease(open, 0).reveal_by, 0);
    world.draw_audit(open, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
    world.vote(found, 0, &[(p[2], 0)]);
    world.slash_seat(found, 0, p[0]).ok();
    let event = world.draw_audit(open, 0, p[0]).ok().event::<events::ResultDrawn>();
    assert_eq!((event.draw, event.reveal_by), (state::Draw::Seat as u8, 0));
    world.draw_audit(open, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
    world.reveal_result(open, 0, p[0], 0).expect_err(TesseraError::RevealNotOpen);
    world.seed_group(open, 0, Kind::Audit);
    world.commit(open, 0, p[3], 0);
    world.draw(open, 0, &p[3..]);
    reveal_all(&mut world, open, &[p[0], p[3]]);
    world.pay(open, 0, &[p[0], p[3]]);
    assert_eq!(earned(&world, [p[0], p[3]]), [0, PAY]);
    world.close_job(open).ok();
}

#[test]
fn a_lease_that_is_audited_already_is_not_drawn_once_more() {
    let mut world = World::with(|b| b.providers = 5);
    let (client, p) = (world.clients[0], world.providers.clone());
    let found = world.job(client, &JobTerms { units: 4, ..JobTerms::default() });
    let open = world.job(client, &JobTerms { units: 4, replicas: 2, ..JobTerms::default() });
    world.disputed(found, 0, (p[0], 1), (p[1], 0));
    // Both replicas have committed, of which one was drawn.
    world.commit_and_draw(open, 0, p[0], 0);
    world.commit_drawn(open, 0, p[3], 0);
    world.vote(found, 0, &[(p[2], 0)]);
    world.slash_seat(found, 0, p[0]).ok();
    world.draw_audit(open, 0, p[0]).expect_err(TesseraError::AlreadyDrawn);
}

#[test]
fn what_was_meant_for_an_auditor_that_was_wrong_pays_its_own() {
    // The base seat pays its auditor, which is wrong and was drawn as well; the second auditor is right, and so is the vote.
    let (mut world, job, p) = stage(5);
    world.commit(job, 0, p[0], 0);
    miss(&mut world, job, p[0]);
    world.seed_group(job, 0, Kind::Audit);
    let right = a_wrong_auditor_is_found_out(&mut world, job, &p);
    assert_eq!(earned(&world, right), [0, PAY, PAY, PAY]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (PAY, 0), "the votes are paid by the loser");
}

#[test]
fn what_the_reserve_has_set_aside_for_a_wrong_auditor_pays_the_next() {
    let (mut world, job, p) = stage(5);
    world.audited(job, 0, p[0], 0);
    let right = a_wrong_auditor_is_found_out(&mut world, job, &p);
    assert_eq!(earned(&world, right), [PAY; 4]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid), (2 * PAY, PAY));
}

#[test]
fn who_is_convicted_no_longer_has_a_part_in_the_lease() {
    // An audit whose seats all stayed silent; nobody has slashed them when the next audit of the lease is judged.
    let (mut world, job, p) = stage(4);
    world.audited(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[1..2]);
    world.advance(61);
    world.advance_lease(job, 0).ok();
    world.advance(20);
    world.audited(job, 0, p[2], 0);
    world.commit(job, 0, p[3], 0);
    world.draw(job, 0, &p[3..]);
    reveal_all(&mut world, job, &p[2..]);
    world.pay(job, 0, &p[2..]);
    p[..2].iter().for_each(|p| drop(world.slash_seat(job, 0, *p).ok()));
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.audits_paid, event.audit_reserve), (2 * PAY, PAY, 2 * PAY));
}
