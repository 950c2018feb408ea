//! What `claim_lease` refuses, one wrong thing at a time, with the exact error.

use anchor_lang::error::ErrorCode;
use tessera::TesseraError;
use tessera_protocol::routing::Requirements;
use tessera_tests::{
    constraints::{TOKEN_2022, case, refuses},
    stage::{Stage, lease_stage},
    terms::JobTerms,
    world::{CAPABILITIES, Provider, SEEDED, World},
};

#[test]
fn claim_lease_refuses_wrong_accounts() {
    let Stage { mut world, other, foreign_job, foreign, job, second, p, q, stranger, nothing, .. } = lease_stage();
    let forged = world.forged(p.address, TOKEN_2022);
    let taken = world.claim_lease(second, 0, p).account("lease");
    refuses(
        &mut world,
        &[],
        |world| world.claim_lease(job, 0, p),
        &[
            case("operator", stranger, TesseraError::WrongOperator),
            case("operator", p.authority, TesseraError::WrongOperator),
            case("operator", q.operator, TesseraError::WrongOperator),
            case("market", other.market, TesseraError::WrongMarket),
            case("market", p.address, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::ConstraintOwner),
            case("job", second.address, TesseraError::WrongLease),
            case("job", foreign_job.address, TesseraError::WrongMarket),
            case("job", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::WrongOperator),
            case("provider", foreign.address, TesseraError::WrongMarket),
            case("provider", forged, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", taken, TesseraError::WrongLease),
            case("lease", job.lease(1), TesseraError::WrongLease),
            case("lease", nothing, TesseraError::WrongLease),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    // The account is there now, and all of it holds for the next seat too.
    refuses(
        &mut world,
        &[],
        |world| world.claim_lease(job, 0, q),
        &[
            case("operator", p.operator, TesseraError::WrongOperator),
            case("market", other.market, TesseraError::WrongMarket),
            case("job", second.address, TesseraError::WrongLease),
            case("provider", p.address, TesseraError::WrongOperator),
            case("lease", foreign_job.lease(0), TesseraError::WrongLease),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn providers_and_jobs_of_different_markets_do_not_meet() {
    let Stage { mut world, mut other, foreign_job, foreign, job, p, .. } = lease_stage();
    let home = world.market;
    // With its own market a provider cannot claim in a job of another one, with the job's market neither.
    world.claim_lease(foreign_job, 1, p).expect_err(TesseraError::WrongMarket);
    other.claim_lease(foreign_job, 1, p).expect_err(TesseraError::WrongMarket);
    other.claim_lease(job, 1, foreign).expect_err(TesseraError::WrongMarket);
    other.claim_lease(job, 1, foreign).replace("market", home).expect_err(TesseraError::WrongMarket);
}

#[test]
fn claim_lease_refuses_wrong_states() {
    let Stage { mut world, job, p, q, r, .. } = lease_stage();
    world.pause().ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::MarketPaused);
    world.unpause().ok();
    world.claim_lease(job, 3, p).expect_err(TesseraError::NoSuchLease);
    world.claim_lease(job, u32::MAX, p).expect_err(TesseraError::NoSuchLease);
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::AlreadySeated);
    world.claim_lease(job, 0, q).ok();
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseFull);
    world.commit_result(job, 0, p, 0).ok();
    world.commit_result(job, 0, q, 0).ok();
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseFull);
    world.draw(job, 0, &[p, q]);
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseFull);
    world.reveal_result(job, 0, p, 0).ok();
    world.reveal_result(job, 0, q, 0).ok();
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseAgreed);
    world.open_result(job, 0, p).ok();
    world.settle_lease(job, 0, p).ok();
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseSettled);
    world.claim_lease(job, 0, p).expect_err(TesseraError::LeaseSettled);
    world.open_result(job, 0, q).ok();
    world.settle_lease(job, 0, q).ok();
    // The account is gone; the job remembers.
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseSettled);
    world.cancel_job(job).ok();
    world.claim_lease(job, 1, r).expect_err(TesseraError::JobCancelled);
}

#[test]
fn claim_lease_wants_time_for_all_windows() {
    let Stage { mut world, p, q, .. } = lease_stage();
    let job = world.job(world.clients[0], &JobTerms { replicas: 2, ..JobTerms::default() });
    // 120 seconds for the lease and twice 60 for the windows, before the deadline after 3,600.
    world.advance(3_600 - 240 - SEEDED);
    world.claim_lease(job, 0, p).ok();
    world.advance(1);
    world.claim_lease(job, 0, q).expect_err(TesseraError::WindowsDoNotFit);
    world.advance(100_000);
    world.claim_lease(job, 1, q).expect_err(TesseraError::WindowsDoNotFit);
}

#[test]
fn claim_lease_wants_the_minimum_stake() {
    let Stage { mut world, job, p, .. } = lease_stage();
    let mut terms = world.terms;
    terms.min_stake = 5_001;
    world.update_market(terms).ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::StakeTooLow);
    terms.min_stake = 5_000;
    world.update_market(terms).ok();
    world.claim_lease(job, 0, p).ok();
}

#[test]
fn claim_lease_wants_the_requirements_met() {
    let Stage { mut world, p, .. } = lease_stage();
    let client = world.clients[0];
    let here = 1 << CAPABILITIES.region;
    let (memory_mib, class) = (CAPABILITIES.memory_mib, CAPABILITIES.class);
    let met = [
        Requirements { memory_mib, class, regions: here },
        Requirements { memory_mib, class, regions: 0 },
        Requirements { memory_mib: 0, class: 0, regions: here | 1 << 63 },
    ];
    let not_met = [
        Requirements { memory_mib: memory_mib + 1, class: 0, regions: 0 },
        Requirements { memory_mib: 0, class: class + 1, regions: 0 },
        Requirements { memory_mib: 0, class: 0, regions: !here },
    ];
    for requirements in met {
        let job = world.job(client, &JobTerms { requirements, ..JobTerms::default() });
        world.claim_lease(job, 0, p).ok();
    }
    for requirements in not_met {
        let job = world.job(client, &JobTerms { requirements, ..JobTerms::default() });
        world.claim_lease(job, 0, p).expect_err(TesseraError::MayNotClaim);
    }
}

#[test]
fn claim_lease_wants_the_seeds() {
    let Stage { mut world, p, q, .. } = lease_stage();
    // Most of the stake is another provider's, so that it takes a while until it is this one's turn.
    world.add_stake(q, 900_000).ok();
    let (client, terms) = (world.clients[0], JobTerms::default());
    let job = world.next_job(client, &terms);
    world.post_job(client, &terms).ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::JobNotSeeded);
    world.advance(4);
    world.seed_job(job).ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::NotYourTurn);
    world.advance(20);
    world.claim_lease(job, 0, p).ok();
}

#[test]
fn audit_seats_want_a_seed_of_their_own() {
    let Stage { mut world, p, q, r, .. } = lease_stage();
    let job = world.job(world.clients[0], &JobTerms::default());
    world.commit_drawn(job, 0, p, 0);
    world.advance(100);
    world.claim_lease(job, 0, q).expect_err(TesseraError::LeaseNotSeeded);
    world.seed_lease(job, 0).ok();
    world.advance(33);
    world.claim_lease(job, 0, q).ok();
    world.claim_lease(job, 0, p).expect_err(TesseraError::AlreadySeated);
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseFull);
}

#[test]
fn claim_lease_wants_the_standing_that_the_job_asks_for() {
    let Stage { mut world, p, .. } = lease_stage();
    let client = world.clients[0];
    let with = |world: &mut World, min_stake, min_score_bps| {
        world.job(client, &JobTerms { min_stake, min_score_bps, ..JobTerms::default() })
    };
    for (stake, score) in [(5_001, 0), (u64::MAX, 0), (0, 1), (0, 10_000)] {
        let job = with(&mut world, stake, score);
        world.claim_lease(job, 0, p).expect_err(TesseraError::BelowThreshold);
    }
    let job = with(&mut world, 5_000, 0);
    world.claim_lease(job, 0, p).ok();
}

#[test]
fn claim_lease_wants_who_is_listed() {
    let Stage { mut world, p, q, r, .. } = lease_stage();
    let client = world.clients[0];
    let with = |world: &mut World, allowed: &[Provider], denied: &[Provider]| {
        let keys = |list: &[Provider]| list.iter().map(|provider| provider.address).collect();
        world.job(client, &JobTerms { allowed: keys(allowed), denied: keys(denied), ..JobTerms::default() })
    };
    let job = with(&mut world, &[p, q], &[]);
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(job, 1, q).ok();
    world.claim_lease(job, 2, r).expect_err(TesseraError::NotListed);
    let job = with(&mut world, &[], &[p]);
    world.claim_lease(job, 0, p).expect_err(TesseraError::NotListed);
    world.claim_lease(job, 0, q).ok();
    let job = with(&mut world, &[p, q], &[p]);
    world.claim_lease(job, 0, p).expect_err(TesseraError::NotListed);
    world.claim_lease(job, 0, r).expect_err(TesseraError::NotListed);
    world.claim_lease(job, 0, q).ok();
    // An address that is no provider's account lets nobody in.
    let operators = world.job(client, &JobTerms { allowed: vec![p.operator, p.authority], ..JobTerms::default() });
    world.claim_lease(operators, 0, p).expect_err(TesseraError::NotListed);
}
