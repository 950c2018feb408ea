//! What instructions of demands and answers refuse, one wrong thing at a time, with the exact error.

use anchor_lang::error::ErrorCode;
use solana_instruction::error::InstructionError;
use tessera::{TesseraError, state};
use tessera_protocol::constants;
use tessera_tests::{
    call::Refusal,
    constraints::{TOKEN_2022, case, refuses},
    stage::{Stage, lease_stage},
    terms::JobTerms,
    world::{Job, Provider, World},
};

/// A job next to those of the stage, whose only lease both `providers` have opened; chunks may be demanded.
fn opened(world: &mut World, providers: &[Provider]) -> Job {
    let replicas = providers.len() as u8;
    let terms = JobTerms { units: 4, replicas, challenge_seconds: 1_000, seconds: 10_000, ..JobTerms::default() };
    let job = world.job(world.clients[0], &terms);
    world.agree(job, 0, providers);
    providers.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    job
}

#[test]
fn demand_chunk_refuses_wrong_accounts_and_states() {
    let Stage { mut world, other, foreign_job, foreign, second, p, q, r, stranger, nothing, .. } = lease_stage();
    world.agree(second, 0, &[p, q]);
    world.demand_chunk(second, 0, p, 0).expect_err(TesseraError::SeatNotOpened);
    world.claim_lease(second, 1, p).ok();
    world.demand_chunk(second, 1, p, 0).expect_err(TesseraError::LeaseNotAgreed);
    let job = opened(&mut world, &[p]);
    world.set_tokens(world.fees(), world.mint, stranger, 100);
    let (client, theirs) = (world.clients[0], other.clients[0]);
    let fees = world.fees();
    refuses(
        &mut world,
        &[],
        |world| world.demand_chunk(job, 0, p, 3),
        &[
            case("wallet", p.operator, TesseraError::WrongWallet),
            case("wallet", theirs.wallet, TesseraError::WrongWallet),
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongWallet),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", foreign_job.lease(0), TesseraError::WrongJob),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::SeatNotFound),
            case("provider", foreign.address, TesseraError::SeatNotFound),
            case("escrow", second.escrow, TesseraError::WrongVault),
            case("escrow", client.tokens, ErrorCode::ConstraintDuplicateMutableAccount),
            case("escrow", q.vault, TesseraError::WrongVault),
            case("from", theirs.tokens, TesseraError::WrongMint),
            case("from", r.tokens, ErrorCode::ConstraintTokenOwner),
            case("from", fees, ErrorCode::ConstraintTokenOwner),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn a_client_without_tokens_demands_nothing() {
    let Stage { mut world, p, .. } = lease_stage();
    let job = opened(&mut world, &[p]);
    let client = world.clients[0];
    // The bond is 10, and the fee on it 1.
    world.set_tokens(client.tokens, world.mint, client.wallet, 10);
    // Of the token program: insufficient funds.
    world.demand_chunk(job, 0, p, 0).expect_err(Refusal::Code(1));
    world.set_tokens(client.tokens, world.mint, client.wallet, 11);
    world.demand_chunk(job, 0, p, 0).ok();
}

#[test]
fn begin_answer_refuses_wrong_accounts_and_lengths() {
    let Stage { mut world, second, p, q, stranger, nothing, .. } = lease_stage();
    let job = opened(&mut world, &[p, q]);
    world.claim_lease(second, 0, p).ok();
    let at = |world: &World, p: Provider, payer| world.answer_address(job, 0, p, payer);
    let (of_q, of_stranger) = (at(&world, q, p.operator), at(&world, p, stranger));
    for len in [0, constants::MAX_ANSWER as u16 + 1, u16::MAX] {
        // More than an instruction may allocate is refused by the runtime at the latest.
        world.begin_answer(job, 0, p, p.operator, len).refusal();
    }
    world.begin_answer(job, 0, p, p.operator, 0).expect_err(TesseraError::AnswerOutOfBounds);
    world.begin_answer(job, 0, p, p.operator, 8_193).expect_err(TesseraError::AnswerOutOfBounds);
    refuses(
        &mut world,
        &["payer", "answer"],
        |world| world.begin_answer(job, 0, p, p.operator, 8_192),
        &[
            case("payer", stranger, ErrorCode::ConstraintSeeds),
            case("lease", second.lease(0), ErrorCode::ConstraintSeeds),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", q.address, ErrorCode::ConstraintSeeds),
            case("answer", of_q, ErrorCode::ConstraintSeeds),
            case("answer", of_stranger, ErrorCode::ConstraintSeeds),
            case("system_program", spl_token_interface::ID, ErrorCode::InvalidProgramId),
        ],
    );
    let answer = at(&world, p, p.operator);
    assert_eq!(world.lamports(answer), world.rent(state::ChunkAnswer::space(8_192)));
    // Of the system program: the account is in use.
    world.begin_answer(job, 0, p, p.operator, 8_192).expect_err(Refusal::Code(0));
}

#[test]
fn only_who_began_an_answer_writes_and_drops_it() {
    let Stage { mut world, p, q, stranger, nothing, .. } = lease_stage();
    let job = opened(&mut world, &[p, q]);
    world.begin_answer(job, 0, p, p.operator, 100).ok();
    world.begin_answer(job, 0, p, q.operator, 100).ok();
    let answer = world.answer_address(job, 0, p, p.operator);
    let theirs = world.answer_address(job, 0, p, q.operator);
    let cases = || {
        [
            case("payer", stranger, TesseraError::WrongRentPayer),
            case("payer", q.operator, TesseraError::WrongRentPayer),
            case("answer", theirs, TesseraError::WrongRentPayer),
            case("answer", job.lease(0), ErrorCode::AccountDiscriminatorMismatch),
            case("answer", nothing, ErrorCode::AccountNotInitialized),
        ]
    };
    refuses(&mut world, &[], |world| world.write_answer(p.operator, answer, 0, &[1; 100]), &cases());
    for (offset, len) in [(0, 101), (1, 100), (100, 1), (u16::MAX, 1)] {
        world.write_answer(p.operator, answer, offset, &vec![2; len]).expect_err(TesseraError::AnswerOutOfBounds);
    }
    world.write_answer(p.operator, answer, 99, &[3]).ok();
    world.write_answer(p.operator, answer, 100, &[]).ok();
    refuses(&mut world, &[], |world| world.drop_answer(p.operator, answer), &cases());
    assert!(!world.exists(answer));
    world.drop_answer(p.operator, answer).expect_err(ErrorCode::AccountNotInitialized);
}

#[test]
fn answer_chunk_refuses_wrong_accounts_and_states() {
    let Stage { mut world, second, p, q, stranger, nothing, .. } = lease_stage();
    let job = opened(&mut world, &[p, q]);
    world.claim_lease(second, 0, p).ok();
    let (answer, of_q) = (world.write_result(job, 0, p, p.operator, 0), world.write_result(job, 0, q, p.operator, 0));
    world.answer_chunk(job, 0, p, p.operator).expect_err(TesseraError::NothingDemanded);
    world.drop_answer(p.operator, answer).ok();
    world.demand_chunk(job, 0, p, 6).ok();
    world.write_result(job, 0, p, p.operator, 0);
    refuses(
        &mut world,
        &[],
        |world| world.answer_chunk(job, 0, p, p.operator),
        &[
            case("lease", second.lease(0), TesseraError::WrongLease),
            case("lease", nothing, ErrorCode::AccountOwnedByWrongProgram),
            // It answers for another seat, of which nothing is demanded.
            case("answer", of_q, TesseraError::NothingDemanded),
            case("answer", nothing, ErrorCode::AccountNotInitialized),
            case("answer", job.lease(0), ErrorCode::AccountDiscriminatorMismatch),
            case("payer", stranger, TesseraError::WrongRentPayer),
            case("payer", q.operator, TesseraError::WrongRentPayer),
        ],
    );
    // What nobody needs any more is dropped.
    world.drop_answer(p.operator, of_q).ok();
}

#[test]
fn answer_chunk_refuses_every_wrong_byte() {
    let Stage { mut world, p, .. } = lease_stage();
    let job = opened(&mut world, &[p]);
    world.demand_chunk(job, 0, p, 6).ok();
    let answer = world.write_result(job, 0, p, p.operator, 0);
    let len = world.account(answer).map_or(0, |account| solana_account::ReadableAccount::data(account).len());
    let len = len - state::ChunkAnswer::BYTES_OFFSET;
    let bytes = tessera_tests::world::answer_bytes(&world.work(job, 0, p, 0).answer(6));
    assert_eq!(len, bytes.len());
    // Length of a unit's output and of the chunk, a byte here and there in the chunk, and all of the paths.
    let places = (0..12).chain((12..1_036).step_by(97)).chain((1_036..bytes.len()).step_by(5));
    for place in places {
        world.write_answer(p.operator, answer, place as u16, &[bytes[place] ^ 1]).ok();
        let refusal = world.answer_chunk(job, 0, p, p.operator).refusal();
        // A length that is absurd does not even fit the memory.
        let expected = [TesseraError::WrongAnswer.into(), Refusal::Runtime(InstructionError::ProgramFailedToComplete)];
        assert!(expected.contains(&refusal), "byte {place}: {refusal:?}");
        world.write_answer(p.operator, answer, place as u16, &bytes[place..=place]).ok();
    }
    world.answer_chunk(job, 0, p, p.operator).ok();
}

#[test]
fn an_answer_that_ends_too_soon_is_wrong() {
    let Stage { mut world, p, .. } = lease_stage();
    let job = opened(&mut world, &[p]);
    world.demand_chunk(job, 0, p, 6).ok();
    let bytes = tessera_tests::world::answer_bytes(&world.work(job, 0, p, 0).answer(6));
    for len in [1, 8, 12, 500, bytes.len() - 1] {
        let answer = world.write(job, 0, p, p.operator, &bytes[..len]);
        world.answer_chunk(job, 0, p, p.operator).expect_err(TesseraError::WrongAnswer);
        world.drop_answer(p.operator, answer).ok();
    }
    world.answer(job, 0, p, 0);
}

#[test]
fn expire_demand_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, second, p, q, r, nothing, .. } = lease_stage();
    let job = opened(&mut world, &[p, q]);
    world.claim_lease(second, 0, p).ok();
    world.expire_demand(job, 0, p).expect_err(TesseraError::NothingDemanded);
    world.expire_demand(second, 0, p).expect_err(TesseraError::NothingDemanded);
    world.demand_chunk(job, 0, p, 0).ok();
    world.expire_demand(job, 0, p).expect_err(TesseraError::WindowStillOpen);
    world.advance(121);
    refuses(
        &mut world,
        &[],
        |world| world.expire_demand(job, 0, p),
        &[
            case("job", second.address, TesseraError::WrongJob),
            case("job", foreign_job.address, TesseraError::WrongJob),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("lease", second.lease(0), TesseraError::WrongJob),
            case("lease", job.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::NothingDemanded),
            case("provider", r.address, TesseraError::SeatNotFound),
        ],
    );
    world.expire_demand(job, 0, p).expect_err(TesseraError::NothingDemanded);
}
