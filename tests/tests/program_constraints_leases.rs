//! What instructions of leases refuse, one wrong thing at a time, with the exact error.

use anchor_lang::error::ErrorCode;
use tessera::TesseraError;
use tessera_tests::{
    constraints::{TOKEN_2022, case, refuses},
    stage::{Stage, lease_stage},
};

#[test]
fn commit_result_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, foreign, job, second, p, q, stranger, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(second, 0, q).ok();
    world.commit_result(job, 0, q, 0).expect_err(TesseraError::SeatNotFound);
    world.commit_result(job, 1, p, 0).expect_err(ErrorCode::AccountOwnedByWrongProgram);
    refuses(
        &mut world,
        &[],
        |world| world.commit_result(job, 0, p, 0),
        &[
            case("operator", stranger, TesseraError::WrongOperator),
            case("operator", p.authority, TesseraError::WrongOperator),
            case("provider", q.address, TesseraError::WrongOperator),
            case("provider", foreign.address, TesseraError::WrongOperator),
            case("provider", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::ConstraintOwner),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", foreign_job.lease(0), TesseraError::WrongJob),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
    world.commit_result(job, 0, p, 0).expect_err(TesseraError::SeatNotLeased);
    world.claim_lease(job, 0, q).ok();
    world.advance(121);
    world.commit_result(job, 0, q, 0).expect_err(TesseraError::CommitTooLate);
}

#[test]
fn reveal_result_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, job, second, p, q, r, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(second, 0, q).ok();
    world.reveal_result(job, 0, p, 0).expect_err(TesseraError::SeatNotCommitted);
    world.commit_result(job, 0, p, 0).ok();
    world.reveal_result(job, 0, p, 0).expect_err(TesseraError::RevealNotOpen);
    world.claim_lease(job, 0, q).ok();
    world.reveal_result(job, 0, p, 0).expect_err(TesseraError::RevealNotOpen);
    world.commit_result(job, 0, q, 0).ok();
    world.reveal_result(job, 0, p, 0).expect_err(TesseraError::RevealNotOpen);
    world.draw(job, 0, &[p, q]);
    world.reveal_result(job, 0, r, 0).expect_err(TesseraError::SeatNotFound);
    refuses(
        &mut world,
        &[],
        |world| world.reveal_result(job, 0, p, 0),
        &[
            // The reveal of one is not the reveal of another, even where the result is the same.
            case("provider", q.address, TesseraError::CommitmentMismatch),
            case("provider", r.address, TesseraError::SeatNotFound),
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
    world.reveal_result(job, 0, p, 0).expect_err(TesseraError::SeatNotCommitted);
}

#[test]
fn every_field_of_a_reveal_is_bound() {
    let Stage { mut world, job, p, q, .. } = lease_stage();
    world.commit(job, 0, p, 0);
    world.commit(job, 0, q, 0);
    world.draw(job, 0, &[p, q]);
    // Result root, work root, hash of the key and nonce, 32 bytes each, behind the discriminator.
    for byte in (8..8 + 4 * 32).step_by(31) {
        let call = world.reveal_result(job, 0, p, 0);
        call.with_data(|data| data[byte] ^= 1).expect_err(TesseraError::CommitmentMismatch);
    }
    let other = tessera_tests::world::Work::new(job.place(0, 9, p.address), 4, 0);
    world.reveal(job, 0, p, &other, None).expect_err(TesseraError::CommitmentMismatch);
    world.reveal_result(job, 0, p, 0).ok();
}

#[test]
fn a_key_comes_along_only_with_the_reveal_that_decides() {
    let Stage { mut world, job, p, q, .. } = lease_stage();
    world.commit(job, 0, p, 0);
    world.commit(job, 0, q, 0);
    world.draw(job, 0, &[p, q]);
    world.reveal_and_open(job, 0, p, 0).expect_err(TesseraError::KeyTooEarly);
    world.reveal_result(job, 0, q, 0).ok();
    let mut work = world.work(job, 0, p, 0);
    let key = std::mem::replace(&mut work.key, [1; 32]);
    world.reveal(job, 0, p, &work, Some(work.key)).expect_err(TesseraError::KeyMismatch);
    world.reveal(job, 0, p, &work, Some(key)).ok();
    // Not with the last reveal of a lease that is disputed.
    world.commit(job, 1, p, 0);
    world.commit(job, 1, q, 1);
    world.draw(job, 1, &[p, q]);
    world.reveal_result(job, 1, q, 1).ok();
    world.reveal_and_open(job, 1, p, 0).expect_err(TesseraError::KeyTooEarly);
    world.reveal_result(job, 1, p, 0).ok();
}

#[test]
fn open_result_refuses_wrong_accounts_and_states() {
    let Stage { mut world, job, second, p, q, r, nothing, .. } = lease_stage();
    world.claim_lease(second, 0, p).ok();
    world.commit(job, 0, p, 0);
    world.commit(job, 0, q, 0);
    world.draw(job, 0, &[p, q]);
    world.open_result(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.reveal_result(job, 0, p, 0).ok();
    world.open_result(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.reveal_result(job, 0, q, 0).ok();
    world.open_result(job, 0, p).with_data(|data| data[8] ^= 1).expect_err(TesseraError::KeyMismatch);
    refuses(
        &mut world,
        &[],
        |world| world.open_result(job, 0, p),
        &[
            case("provider", q.address, TesseraError::KeyMismatch),
            case("provider", r.address, TesseraError::SeatNotFound),
            case("lease", second.lease(0), TesseraError::LeaseNotAgreed),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
    world.open_result(job, 0, p).expect_err(TesseraError::SeatNotRevealed);
}

#[test]
fn settle_lease_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, foreign, job, second, p, q, r, stranger, nothing, .. } = lease_stage();
    world.agree(second, 0, &[p, q]);
    world.open_result(second, 0, p).ok();
    world.commit(job, 0, p, 0);
    world.settle_lease(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.commit(job, 0, q, 0);
    world.draw(job, 0, &[p, q]);
    world.reveal_result(job, 0, p, 0).ok();
    world.settle_lease(job, 0, p).expect_err(TesseraError::LeaseNotAgreed);
    world.reveal_result(job, 0, q, 0).ok();
    world.settle_lease(job, 0, p).expect_err(TesseraError::SeatNotOpened);
    world.settle_lease(job, 0, r).expect_err(TesseraError::SeatNotFound);
    world.open_result(job, 0, p).ok();
    refuses(
        &mut world,
        &[],
        |world| world.settle_lease(job, 0, p),
        &[
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", foreign_job.lease(0), TesseraError::WrongJob),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::WrongVault),
            case("provider", r.address, TesseraError::WrongVault),
            case("provider", foreign.address, TesseraError::WrongVault),
            case("escrow", second.escrow, TesseraError::WrongVault),
            case("escrow", foreign_job.escrow, TesseraError::WrongVault),
            case("escrow", q.vault, TesseraError::WrongVault),
            case("escrow", p.vault, TesseraError::WrongVault),
            case("stake_vault", q.vault, TesseraError::WrongVault),
            case("stake_vault", p.tokens, TesseraError::WrongVault),
            case("stake_vault", job.escrow, TesseraError::WrongVault),
            // Nobody collects the rent of others.
            case("seat_payer", stranger, TesseraError::WrongRentPayer),
            case("seat_payer", q.operator, TesseraError::WrongRentPayer),
            case("lease_payer", stranger, TesseraError::WrongRentPayer),
            case("lease_payer", q.operator, TesseraError::WrongRentPayer),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    world.settle_lease(job, 0, p).expect_err(TesseraError::SeatNotFound);
    world.settle_lease(job, 0, q).expect_err(TesseraError::SeatNotOpened);
}

#[test]
fn settle_lease_refuses_a_provider_that_is_not_the_one_of_the_vault() {
    let Stage { mut world, job, p, q, r, .. } = lease_stage();
    world.agree(job, 0, &[p, q]);
    world.open_result(job, 0, p).ok();
    // A whole other provider, with a vault that belongs to it.
    let call = world.settle_lease(job, 0, p).replace("provider", r.address).replace("stake_vault", r.vault);
    call.expect_err(TesseraError::SeatNotFound);
    let call = world.settle_lease(job, 0, p).replace("provider", q.address).replace("stake_vault", q.vault);
    call.expect_err(TesseraError::SeatNotOpened);
}

#[test]
fn return_lease_refuses_wrong_accounts_and_states() {
    let Stage { mut world, other, foreign_job, foreign, job, second, p, q, r, stranger, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(second, 0, q).ok();
    world.return_lease(job, 0, r).expect_err(TesseraError::SeatNotFound);
    refuses(
        &mut world,
        &[],
        |world| world.return_lease(job, 0, p),
        &[
            case("operator", stranger, TesseraError::WrongOperator),
            case("operator", p.authority, TesseraError::WrongOperator),
            case("provider", q.address, TesseraError::WrongOperator),
            case("provider", foreign.address, TesseraError::WrongMarket),
            case("lease", second.lease(0), TesseraError::SeatNotFound),
            case("lease", foreign_job.lease(0), TesseraError::SeatNotFound),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("seat_payer", stranger, TesseraError::WrongRentPayer),
            case("seat_payer", q.operator, TesseraError::WrongRentPayer),
            case("market", other.market, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::AccountNotInitialized),
        ],
    );
    world.return_lease(job, 0, p).expect_err(TesseraError::SeatNotFound);
}

#[test]
fn expire_lease_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, foreign, job, second, p, q, r, stranger, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(second, 0, q).ok();
    world.expire_lease(job, 0, p).expect_err(TesseraError::WindowStillOpen);
    world.expire_lease(job, 0, r).expect_err(TesseraError::SeatNotFound);
    world.advance(121);
    refuses(
        &mut world,
        &[],
        |world| world.expire_lease(job, 0, p),
        &[
            // An address where no job is would make the lease look over.
            case("job", nothing, TesseraError::NotTheJobOfTheLease),
            case("job", stranger, TesseraError::NotTheJobOfTheLease),
            case("job", second.address, TesseraError::NotTheJobOfTheLease),
            case("job", foreign_job.address, TesseraError::NotTheJobOfTheLease),
            case("lease", second.lease(0), TesseraError::NotTheJobOfTheLease),
            case("lease", foreign_job.lease(0), TesseraError::NotTheJobOfTheLease),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", q.address, TesseraError::SeatNotFound),
            case("provider", foreign.address, TesseraError::SeatNotFound),
            case("provider", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("seat_payer", stranger, TesseraError::WrongRentPayer),
            case("seat_payer", q.operator, TesseraError::WrongRentPayer),
        ],
    );
    world.expire_lease(job, 0, p).expect_err(TesseraError::SeatNotFound);
}

#[test]
fn burn_bonds_refuses_wrong_accounts() {
    let Stage { mut world, other, foreign, job, p, q, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.advance(121);
    world.expire_lease(job, 0, p).ok();
    refuses(
        &mut world,
        &[],
        |world| world.burn_bonds(p),
        &[
            case("market", other.market, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("provider", q.address, TesseraError::WrongVault),
            case("provider", foreign.address, TesseraError::WrongMarket),
            // Nobody's stake burns for somebody else, nor other tokens.
            case("stake_vault", q.vault, TesseraError::WrongVault),
            case("stake_vault", p.tokens, TesseraError::WrongVault),
            case("mint", other.mint, TesseraError::WrongMint),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn close_lease_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, job, second, p, q, stranger, nothing, .. } = lease_stage();
    world.claim_lease(job, 0, p).ok();
    world.claim_lease(second, 0, q).ok();
    world.close_lease(job, 0).expect_err(TesseraError::LeaseHasSeats);
    world.return_lease(job, 0, p).ok();
    world.close_lease(job, 0).expect_err(TesseraError::LeaseStillNeeded);
    world.cancel_job(job).ok();
    world.close_lease(job, 0).expect_err(TesseraError::LeaseStillNeeded);
    world.advance(480 + 300);
    world.close_lease(job, 0).expect_err(TesseraError::LeaseStillNeeded);
    world.advance(1);
    refuses(
        &mut world,
        &[],
        |world| world.close_lease(job, 0),
        &[
            case("job", nothing, TesseraError::NotTheJobOfTheLease),
            case("job", second.address, TesseraError::NotTheJobOfTheLease),
            case("job", foreign_job.address, TesseraError::NotTheJobOfTheLease),
            case("lease", second.lease(0), TesseraError::WrongRentPayer),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("payer", stranger, TesseraError::WrongRentPayer),
            case("payer", q.operator, TesseraError::WrongRentPayer),
        ],
    );
    world.close_lease(job, 0).expect_err(ErrorCode::AccountOwnedByWrongProgram);
}
