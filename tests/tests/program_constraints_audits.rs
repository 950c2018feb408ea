//! What instructions of seeds, draws and verdicts refuse, one wrong thing at a time, with the exact error.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use solana_account::{Account, ReadableAccount};
use tessera::{TesseraError, state};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    constraints::{TOKEN_2022, case, refuses},
    stage::{Stage, lease_stage},
    terms::JobTerms,
    world::{Job, World},
};

/// Of the chain, next to slot hashes: a sysvar that says something else.
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// A copy of the slot hashes somewhere else, in which somebody could write what it likes.
fn forged_hashes(world: &mut World, job: Job) -> Pubkey {
    let address = world.seed_job(job).account("slot_hashes");
    let original = world.account(address).expect("the chain has slot hashes");
    let copy = Account { lamports: original.lamports(), data: original.data().to_vec(), ..Account::default() };
    let key = world.key("forged slot hashes");
    world.set_account(key, copy);
    key
}

/// Posts a job that nobody has seeded.
fn posted(world: &mut World) -> Job {
    let (client, terms) = (world.clients[0], JobTerms::default());
    let job = world.next_job(client, &terms);
    world.post_job(client, &terms).ok();
    job
}

#[test]
fn seed_job_refuses_wrong_accounts_and_times() {
    let Stage { mut world, foreign_job, p, nothing, .. } = lease_stage();
    let job = posted(&mut world);
    let forged = forged_hashes(&mut world, job);
    // Eight slots behind the posting, and one more until its hash is there.
    world.advance(3);
    world.seed_job(job).expect_err(TesseraError::SlotTooEarly);
    world.advance(1);
    refuses(
        &mut world,
        &[],
        |world| world.seed_job(job),
        &[
            case("job", foreign_job.address, TesseraError::AlreadySeeded),
            case("job", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("slot_hashes", forged, ErrorCode::ConstraintAddress),
            case("slot_hashes", CLOCK, ErrorCode::ConstraintAddress),
        ],
    );
    world.seed_job(job).expect_err(TesseraError::AlreadySeeded);
}

#[test]
fn seed_lease_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, second, p, q, nothing, .. } = lease_stage();
    let job = world.job(world.clients[0], &JobTerms::default());
    let forged = forged_hashes(&mut world, job);
    world.claim_lease(second, 0, q).ok();
    world.commit_drawn(job, 0, p, 0);
    world.advance(3);
    world.seed_lease(job, 0).expect_err(TesseraError::SlotTooEarly);
    world.advance(1);
    refuses(
        &mut world,
        &[],
        |world| world.seed_lease(job, 0),
        &[
            // These have the seed of their job.
            case("lease", second.lease(0), TesseraError::AlreadySeeded),
            case("lease", foreign_job.lease(0), TesseraError::AlreadySeeded),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("slot_hashes", forged, ErrorCode::ConstraintAddress),
            case("slot_hashes", CLOCK, ErrorCode::ConstraintAddress),
        ],
    );
    world.seed_lease(job, 0).expect_err(TesseraError::AlreadySeeded);
}

#[test]
fn draw_audit_refuses_wrong_accounts() {
    let Stage { mut world, foreign_job, foreign, job, second, p, q, r, nothing, .. } = lease_stage();
    world.commit(job, 0, p, 0);
    world.claim_lease(job, 0, q).ok();
    world.commit(second, 0, p, 0);
    world.advance(4);
    let forged = forged_hashes(&mut world, job);
    refuses(
        &mut world,
        &[],
        |world| world.draw_audit(job, 0, p),
        &[
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", foreign_job.lease(0), TesseraError::WrongJob),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::SeatNotCommitted),
            case("provider", r.address, TesseraError::SeatNotFound),
            case("provider", foreign.address, TesseraError::SeatNotFound),
            case("provider", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("slot_hashes", forged, ErrorCode::ConstraintAddress),
            case("slot_hashes", CLOCK, ErrorCode::ConstraintAddress),
        ],
    );
}

#[test]
fn draw_audit_refuses_wrong_states() {
    let Stage { mut world, job, p, q, r, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.draw_audit(job, 0, p).expect_err(TesseraError::SeatNotCommitted);
    world.commit_result(job, 0, p, 0).ok();
    world.draw_audit(job, 0, p).expect_err(TesseraError::DrawTooEarly);
    world.advance(3);
    // In the slot itself its hash is not there yet.
    assert_eq!(world.slot() + 1, world.draw_slot(job, 0, p));
    world.draw_audit(job, 0, p).expect_err(TesseraError::DrawTooEarly);
    world.advance(1);
    world.draw_audit(job, 0, p).ok();
    world.draw_audit(job, 0, p).expect_err(TesseraError::AlreadyDrawn);
    world.commit(job, 0, q, 1);
    world.draw(job, 0, &[q]);
    world.reveal_result(job, 0, p, 0).ok();
    world.draw_audit(job, 0, p).expect_err(TesseraError::SeatNotCommitted);
    world.draw_audit(job, 0, q).expect_err(TesseraError::AlreadyDrawn);
    world.reveal_result(job, 0, q, 1).ok();
    // Who votes in a dispute is not drawn.
    world.seed_group(job, 0, Kind::Dispute);
    world.commit(job, 0, r, 0);
    world.advance(4);
    world.draw_audit(job, 0, r).expect_err(TesseraError::AlreadyDrawn);
}

#[test]
fn advance_lease_refuses_wrong_accounts_and_times() {
    let Stage { mut world, foreign_job, job, second, p, q, nothing, .. } = lease_stage();
    world.claim_lease(second, 0, q).ok();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(job, 0, q).ok();
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.commit_result(job, 0, p, 0).ok();
    world.commit_result(job, 0, q, 0).ok();
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.draw(job, 0, &[p, q]);
    world.advance(60);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.advance(1);
    refuses(
        &mut world,
        &[],
        |world| world.advance_lease(job, 0),
        &[
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", foreign_job.lease(0), TesseraError::WrongJob),
            case("lease", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
}

#[test]
fn advance_lease_waits_for_seats_as_long_as_whoever_comes_may_take_them() {
    let Stage { mut world, p, .. } = lease_stage();
    let job = world.job(world.clients[0], &JobTerms::default());
    world.commit_drawn(job, 0, p, 0);
    world.advance(10_000);
    // Without a seed nobody could come, however long ago it was.
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    // That hash is lost by now: another slot decides.
    world.seed_lease(job, 0).ok();
    world.advance(4);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.seed_lease(job, 0).ok();
    // Twice the 32 steps after which anybody may come, and the time for the work.
    world.advance(64 + 120);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    // Nor does a halt of the cluster count.
    world.leap(1_000);
    world.advance(1);
    world.advance_lease(job, 0).ok();
    assert_eq!((world.lease(job, 0).exhausted, world.lease(job, 0).reveal_by), (1, world.now() + 60));
}

/// A lease of the stage's job in which `p` has lost its lock to `r`, who was called to decide, and `q` was right.
fn convicted() -> (Stage, Job) {
    let mut stage = lease_stage();
    let Stage { world, p, q, r, .. } = &mut stage;
    let job = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    let (p, q, r) = (*p, *q, *r);
    world.disputed(job, 0, (p, 1), (q, 0));
    world.vote(job, 0, &[(r, 0)]);
    assert_eq!(world.lease(job, 0).state, state::LeaseState::Agreed);
    (stage, job)
}

#[test]
fn slash_seat_refuses_wrong_accounts_and_states() {
    let (stage, job) = convicted();
    let Stage { mut world, other, foreign_job, foreign, second, p, q, r, stranger, nothing, .. } = stage;
    world.agree(second, 0, &[q, r]);
    world.slash_seat(job, 0, q).expect_err(TesseraError::SeatNotConvicted);
    world.slash_seat(job, 0, r).expect_err(TesseraError::SeatNotConvicted);
    world.expire_lease(job, 0, p).expect_err(TesseraError::SeatConvicted);
    refuses(
        &mut world,
        &[],
        |world| world.slash_seat(job, 0, p),
        &[
            case("market", other.market, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            // An address where no job is would let everything burn.
            case("job", nothing, TesseraError::NotTheJobOfTheLease),
            case("job", second.address, TesseraError::NotTheJobOfTheLease),
            case("job", foreign_job.address, TesseraError::NotTheJobOfTheLease),
            case("lease", second.lease(0), TesseraError::NotTheJobOfTheLease),
            case("lease", foreign_job.lease(0), TesseraError::NotTheJobOfTheLease),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", q.address, TesseraError::WrongVault),
            case("provider", foreign.address, TesseraError::WrongMarket),
            // Nobody's stake is taken for somebody else.
            case("stake_vault", q.vault, TesseraError::WrongVault),
            case("stake_vault", p.tokens, TesseraError::WrongVault),
            case("escrow", second.escrow, TesseraError::WrongVault),
            case("escrow", q.vault, TesseraError::WrongVault),
            case("seat_payer", stranger, TesseraError::WrongRentPayer),
            case("seat_payer", q.operator, TesseraError::WrongRentPayer),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    world.slash_seat(job, 0, p).expect_err(TesseraError::SeatNotFound);
}

#[test]
fn the_seat_of_another_provider_is_not_slashed() {
    let (stage, job) = convicted();
    let Stage { mut world, p, q, .. } = stage;
    // A whole other provider, with a vault that belongs to it.
    let call = world.slash_seat(job, 0, p).replace("provider", q.address).replace("stake_vault", q.vault);
    call.expect_err(TesseraError::SeatNotConvicted);
    world.slash_seat(job, 0, p).ok();
}

#[test]
fn votes_are_paid_once_their_losers_were_slashed() {
    let (stage, job) = convicted();
    let Stage { mut world, p, q, r, .. } = stage;
    world.open_result(job, 0, r).ok();
    world.open_result(job, 0, q).ok();
    world.settle_lease(job, 0, r).expect_err(TesseraError::AwardsMissing);
    world.settle_lease(job, 0, q).ok();
    world.settle_lease(job, 0, r).expect_err(TesseraError::AwardsMissing);
    world.slash_seat(job, 0, p).ok();
    world.settle_lease(job, 0, r).ok();
    world.close_job(job).ok();
}

#[test]
fn a_job_is_not_closed_under_an_audit() {
    let Stage { mut world, p, .. } = lease_stage();
    let job = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    world.commit_drawn(job, 0, p, 0);
    world.close_job(job).expect_err(TesseraError::LeaseContested);
    world.cancel_job(job).ok();
    world.close_job_showing(job, &[0]).expect_err(TesseraError::LeaseContested);
    world.advance(100_000);
    world.close_job(job).expect_err(TesseraError::LeaseContested);
    world.expire_lease(job, 0, p).expect_err(TesseraError::WindowStillOpen);
    world.seed_group(job, 0, Kind::Audit);
    world.advance(64 + 121);
    world.advance_lease(job, 0).ok();
    world.reveal_and_open(job, 0, p, 0).ok();
    world.settle_lease(job, 0, p).ok();
    world.close_job(job).ok();
}

#[test]
fn a_void_lease_takes_nothing_more() {
    let Stage { mut world, p, q, r, .. } = lease_stage();
    let mut market = world.terms;
    (market.lead, market.seat_limit) = (1, 3);
    world.update_market(market).ok();
    let job = world.job(world.clients[0], &JobTerms { units: 4, replicas: 2, ..JobTerms::default() });
    world.commit(job, 0, p, 0);
    world.commit(job, 0, q, 1);
    world.draw(job, 0, &[p, q]);
    world.reveal_result(job, 0, p, 0).ok();
    world.reveal_result(job, 0, q, 1).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.advance(64 + 121);
    world.advance_lease(job, 0).ok();
    assert_eq!(world.lease(job, 0).state, state::LeaseState::Void);
    world.claim_lease(job, 0, r).expect_err(TesseraError::LeaseVoid);
    world.open_result(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.settle_lease(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.seed_lease(job, 0).expect_err(TesseraError::AlreadySeeded);
    world.advance_lease(job, 0).expect_err(TesseraError::WindowStillOpen);
    world.slash_seat(job, 0, p).expect_err(TesseraError::SeatNotConvicted);
    for provider in [p, q] {
        world.expire_lease(job, 0, provider).ok();
        assert_eq!(world.provider(provider).stake, 5_000);
    }
    // It may not begin anew.
    world.close_lease(job, 0).expect_err(TesseraError::LeaseStillNeeded);
}
