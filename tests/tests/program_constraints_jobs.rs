//! What instructions of jobs refuse, one wrong thing at a time, with the exact error.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use tessera::{PostJobArgs, TesseraError};
use tessera_protocol::constants;
use tessera_tests::{
    call::Refusal,
    constraints::{TOKEN_2022, case, refuses},
    terms::JobTerms,
    world::{Client, Job, Provider, SEEDED, World},
};

/// Of the token program: insufficient funds.
const TOO_FEW_TOKENS: Refusal = Refusal::Code(1);

/// A world next to another market with a job there, a second client with a job, and a stranger with keys and tokens.
struct Stage {
    world: World,
    other: World,
    foreign_job: Job,
    client: Client,
    rival: Client,
    rivals_job: Job,
    p: Provider,
    stranger: Pubkey,
    stranger_tokens: Pubkey,
    nothing: Pubkey,
}

fn stage() -> Stage {
    let mut world = World::with(|b| b.clients = 2);
    let (stranger, stranger_tokens) = world.new_wallet_with_tokens("stranger", 10_000);
    let nothing = world.key("nothing");
    let (client, rival, p) = (world.clients[0], world.clients[1], world.providers[0]);
    let rivals_job = world.job(rival, &JobTerms::default());
    let mut other = world.other_market();
    let foreign_job = other.job(other.clients[0], &JobTerms::default());
    world.adopt(&other);
    Stage { world, other, foreign_job, client, rival, rivals_job, p, stranger, stranger_tokens, nothing }
}

/// A token account of `owner` in the mint of another market.
fn foreign_tokens(world: &mut World, other: &World, owner: Pubkey) -> Pubkey {
    let key = world.key("tokens of the other mint");
    world.set_tokens(key, other.mint, owner, 10_000);
    key
}

#[test]
fn post_job_refuses_wrong_accounts() {
    let Stage { mut world, other, rival, rivals_job, p, stranger, stranger_tokens, nothing, client, .. } = stage();
    let foreign = foreign_tokens(&mut world, &other, client.wallet);
    let forged = world.forged(world.mint, TOKEN_2022);
    let next = world.job(client, &JobTerms::default());
    let terms = JobTerms::default();
    let made = ["wallet", "job", "escrow"];
    refuses(
        &mut world,
        &made,
        |world| world.post_job(client, &terms),
        &[
            case("wallet", stranger, TesseraError::WrongWallet),
            case("market", other.market, TesseraError::WrongMint),
            case("market", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("mint", other.mint, TesseraError::WrongMint),
            case("mint", forged, ErrorCode::AccountOwnedByWrongProgram),
            // The address of the job follows from the client account, so it is what differs first.
            case("client", rival.address, ErrorCode::ConstraintSeeds),
            case("client", other.clients[0].address, ErrorCode::ConstraintSeeds),
            case("client", nothing, ErrorCode::AccountNotInitialized),
            case("job", next.address, ErrorCode::ConstraintSeeds),
            case("job", nothing, ErrorCode::ConstraintSeeds),
            case("escrow", rivals_job.escrow, ErrorCode::ConstraintSeeds),
            case("escrow", client.tokens, ErrorCode::ConstraintSeeds),
            case("from", stranger_tokens, ErrorCode::ConstraintTokenOwner),
            case("from", p.vault, ErrorCode::ConstraintTokenOwner),
            case("from", foreign, TesseraError::WrongMint),
            case("from", nothing, ErrorCode::AccountNotInitialized),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn a_client_account_works_in_its_own_market_alone() {
    let Stage { mut world, mut other, client, .. } = stage();
    // The wallet is a client of both markets; its accounts do not mix.
    let twin = other.new_client(0, 10_000);
    assert_eq!(twin.wallet, client.wallet);
    other.register_client(twin).ok();
    let terms = JobTerms::default();
    let (home, away) = (other.market, world.market);
    let (mint, home_mint) = (world.mint, other.mint);
    world.adopt(&other);
    other.post_job(twin, &terms).replace("market", away).expect_err(TesseraError::WrongMint);
    let call = other.post_job(twin, &terms).replace("market", away).replace("mint", mint);
    call.expect_err(TesseraError::WrongMarket);
    let call = world.post_job(client, &terms).replace("market", home).replace("mint", home_mint);
    call.expect_err(TesseraError::WrongMarket);
}

#[test]
fn post_job_refuses_terms_out_of_bounds() {
    let Stage { mut world, client, .. } = stage();
    let good = world.job_args(&JobTerms::default());
    let now = world.now();
    let (least, most) = constants::LEASE_SECONDS;
    let year = constants::MAX_JOB_SECONDS as i64;
    let with = |change: &dyn Fn(&mut PostJobArgs)| {
        let mut args = good.clone();
        change(&mut args);
        args
    };
    let too_many = u64::from(constants::MAX_LEASES) + 1;
    let names = |n: usize| vec![Pubkey::new_from_array([9; 32]); n];
    let refused: Vec<(PostJobArgs, TesseraError)> = vec![
        (with(&|a| a.units = 0), TesseraError::NoUnits),
        (with(&|a| a.units_per_lease = 0), TesseraError::LeaseSizeOutOfBounds),
        (with(&|a| a.units_per_lease = constants::MAX_UNITS_PER_LEASE + 1), TesseraError::LeaseSizeOutOfBounds),
        (with(&|a| (a.units, a.units_per_lease) = (too_many, 1)), TesseraError::TooManyLeases),
        (with(&|a| (a.units, a.units_per_lease) = (u64::MAX, 1)), TesseraError::TooManyLeases),
        (with(&|a| (a.units, a.units_per_lease) = (u64::MAX, 65_536)), TesseraError::TooManyLeases),
        (with(&|a| a.replicas = 0), TesseraError::ReplicasOutOfBounds),
        (with(&|a| a.replicas = constants::MAX_REPLICAS + 1), TesseraError::ReplicasOutOfBounds),
        (with(&|a| a.price_per_unit = 0), TesseraError::ZeroPrice),
        (with(&|a| a.lease_seconds = least - 1), TesseraError::LeaseSecondsOutOfBounds),
        (with(&|a| a.lease_seconds = most + 1), TesseraError::LeaseSecondsOutOfBounds),
        (with(&|a| a.lease_seconds = u32::MAX), TesseraError::LeaseSecondsOutOfBounds),
        // 120 seconds for the lease and twice 60 for the windows.
        (with(&|a| a.deadline = now + 239), TesseraError::DeadlineTooNear),
        (with(&|a| a.deadline = 0), TesseraError::DeadlineTooNear),
        (with(&|a| a.deadline = i64::MIN), TesseraError::DeadlineTooNear),
        (with(&|a| a.deadline = now + year + 1), TesseraError::DeadlineTooFar),
        (with(&|a| a.deadline = i64::MAX), TesseraError::DeadlineTooFar),
        (with(&|a| a.store = "x".repeat(129)), TesseraError::StoreUrlTooLong),
        (with(&|a| a.price_per_unit = u64::MAX / 9), TesseraError::Overflow),
        (with(&|a| a.price_per_unit = u64::MAX / 10), TesseraError::Overflow),
        (with(&|a| a.max_deposit = 248), TesseraError::DepositAboveLimit),
        (with(&|a| a.min_score_bps = 10_001), TesseraError::ScoreOutOfBounds),
        // A second for demands is one more.
        (with(&|a| (a.deadline, a.challenge_seconds) = (now + 240, 1)), TesseraError::DeadlineTooNear),
        (
            with(&|a| (a.deadline, a.challenge_seconds) = (now + year, constants::MAX_CHALLENGE_SECONDS + 1)),
            TesseraError::ChallengeSecondsOutOfBounds,
        ),
        (with(&|a| a.requirements.memory_mib = 16_385), TesseraError::MemoryOutOfBounds),
        (with(&|a| a.allowed = names(constants::MAX_LISTED + 1)), TesseraError::TooManyListed),
        (with(&|a| a.denied = names(constants::MAX_LISTED + 1)), TesseraError::TooManyListed),
        (with(&|a| (a.allowed, a.denied) = (names(1), names(constants::MAX_LISTED))), TesseraError::TooManyListed),
        (with(&|a| (a.private, a.allowed, a.replicas) = (true, names(2), 2)), TesseraError::PrivateReplicas),
        (with(&|a| (a.private, a.replicas) = (true, 8)), TesseraError::PrivateReplicas),
        (with(&|a| (a.private, a.allowed, a.replicas) = (true, names(1), 0)), TesseraError::ReplicasOutOfBounds),
        (with(&|a| a.private = true), TesseraError::PrivateForAll),
        (with(&|a| (a.private, a.denied) = (true, names(1))), TesseraError::PrivateForAll),
    ];
    for (args, refusal) in refused {
        let what = format!("{args:?}");
        assert_eq!(world.post_job_with(client, args).refusal(), refusal.into(), "{what}");
    }
    world.post_job_with(client, with(&|a| a.price_per_unit = u64::MAX / 40)).expect_err(TOO_FEW_TOKENS);
    let accepted = [
        with(&|a| a.units_per_lease = 1),
        with(&|a| a.units_per_lease = constants::MAX_UNITS_PER_LEASE),
        with(&|a| a.replicas = constants::MAX_REPLICAS),
        with(&|a| a.price_per_unit = 1),
        with(&|a| a.lease_seconds = least),
        with(&|a| (a.lease_seconds, a.deadline) = (most, now + year)),
        with(&|a| a.deadline = now + 240),
        with(&|a| a.store = "x".repeat(128)),
        with(&|a| a.store = String::new()),
        with(&|a| a.max_deposit = 249),
        with(&|a| (a.min_stake, a.min_score_bps) = (u64::MAX, 10_000)),
        with(&|a| a.allowed = names(constants::MAX_LISTED)),
        with(&|a| (a.allowed, a.denied) = (names(1), names(constants::MAX_LISTED - 1))),
        with(&|a| (a.private, a.allowed) = (true, names(constants::MAX_LISTED))),
        // Work and fee, and nothing for audits.
        with(&|a| (a.private, a.allowed, a.max_deposit) = (true, names(1), 73)),
    ];
    for args in accepted {
        world.post_job_with(client, args).ok();
    }
}

#[test]
fn post_job_wants_a_market_that_is_not_paused() {
    let Stage { mut world, client, .. } = stage();
    world.pause().ok();
    world.post_job(client, &JobTerms::default()).expect_err(TesseraError::MarketPaused);
    world.unpause().ok();
    world.post_job(client, &JobTerms::default()).ok();
}

#[test]
fn top_up_job_refuses_wrong_accounts() {
    let Stage { mut world, other, foreign_job, rivals_job, p, stranger, stranger_tokens, nothing, client, .. } =
        stage();
    let job = world.job(client, &JobTerms::default());
    let second = world.job(client, &JobTerms::default());
    let foreign = foreign_tokens(&mut world, &other, client.wallet);
    let market = world.market;
    refuses(
        &mut world,
        &[],
        |world| world.top_up_job(job, 1, 1),
        &[
            case("wallet", stranger, TesseraError::WrongWallet),
            case("job", rivals_job.address, TesseraError::WrongWallet),
            case("job", foreign_job.address, TesseraError::WrongWallet),
            case("job", second.address, TesseraError::WrongVault),
            case("job", market, ErrorCode::AccountDiscriminatorMismatch),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("escrow", second.escrow, TesseraError::WrongVault),
            case("escrow", p.vault, TesseraError::WrongVault),
            case("escrow", client.tokens, ErrorCode::ConstraintDuplicateMutableAccount),
            case("from", stranger_tokens, ErrorCode::ConstraintTokenOwner),
            case("from", second.escrow, ErrorCode::ConstraintTokenOwner),
            case("from", job.escrow, ErrorCode::ConstraintDuplicateMutableAccount),
            case("from", foreign, TesseraError::WrongMint),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn top_up_job_refuses_wrong_times_and_amounts() {
    let Stage { mut world, client, .. } = stage();
    let job = world.job(client, &JobTerms::default());
    let year = u32::try_from(constants::MAX_JOB_SECONDS).unwrap();
    world.top_up_job(job, 0, 0).expect_err(TesseraError::NothingToTopUp);
    world.top_up_job(job, year - 3_600 + 1, 0).expect_err(TesseraError::DeadlineTooFar);
    world.top_up_job(job, u32::MAX, 0).expect_err(TesseraError::DeadlineTooFar);
    world.top_up_job(job, 0, u64::MAX).expect_err(TesseraError::Overflow);
    world.top_up_job(job, 0, u64::MAX - 7).expect_err(TesseraError::Overflow);
    world.top_up_job(job, 0, u64::MAX / 10).expect_err(TesseraError::Overflow);
    world.top_up_job(job, 0, u64::MAX / 40).expect_err(TOO_FEW_TOKENS);
    world.advance(100);
    // The year counts from the posting, so a job cannot live for ever.
    world.top_up_job(job, year - 3_600 + 1, 0).expect_err(TesseraError::DeadlineTooFar);
    world.top_up_job(job, year - 3_600, 0).ok();
    let job = world.job(client, &JobTerms::default());
    world.advance(3_600 - SEEDED);
    world.top_up_job(job, 1, 0).ok();
    world.advance(2);
    world.top_up_job(job, 1, 1).expect_err(TesseraError::DeadlinePassed);
    let job = world.job(client, &JobTerms::default());
    world.cancel_job(job).ok();
    world.top_up_job(job, 1, 1).expect_err(TesseraError::JobCancelled);
}

#[test]
fn cancel_job_refuses_wrong_accounts_and_states() {
    let Stage { mut world, foreign_job, rivals_job, p, stranger, nothing, client, .. } = stage();
    let job = world.job(client, &JobTerms { seconds: 400, ..JobTerms::default() });
    let late = world.job(client, &JobTerms { seconds: 240, ..JobTerms::default() });
    refuses(
        &mut world,
        &[],
        |world| world.cancel_job(job),
        &[
            case("wallet", stranger, TesseraError::WrongWallet),
            case("job", rivals_job.address, TesseraError::WrongWallet),
            case("job", foreign_job.address, TesseraError::WrongWallet),
            case("job", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
    world.cancel_job(job).expect_err(TesseraError::JobCancelled);
    world.advance(241 - SEEDED);
    world.cancel_job(late).expect_err(TesseraError::DeadlinePassed);
}

#[test]
fn close_job_refuses_wrong_accounts() {
    let Stage { mut world, other, foreign_job, rivals_job, p, stranger, stranger_tokens, nothing, client, rival } =
        stage();
    let terms = JobTerms { units: 40, units_per_lease: 40, ..JobTerms::default() };
    let job = world.job(client, &terms);
    let second = world.job(client, &terms);
    world.complete(job, 0, &[p]);
    world.complete(second, 0, &[p]);
    let (treasury, mint) = (world.treasury, world.mint);
    let forged = world.forged(mint, TOKEN_2022);
    refuses(
        &mut world,
        &[],
        |world| world.close_job(job),
        &[
            case("market", other.market, TesseraError::WrongMarket),
            case("market", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("job", rivals_job.address, TesseraError::WrongWallet),
            case("job", foreign_job.address, TesseraError::WrongMarket),
            case("job", second.address, TesseraError::WrongVault),
            case("job", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("wallet", stranger, TesseraError::WrongWallet),
            case("wallet", rival.wallet, TesseraError::WrongWallet),
            case("escrow", second.escrow, TesseraError::WrongVault),
            case("escrow", p.vault, TesseraError::WrongVault),
            case("treasury", other.treasury, ErrorCode::ConstraintSeeds),
            case("treasury", stranger_tokens, ErrorCode::ConstraintSeeds),
            case("treasury", job.escrow, ErrorCode::ConstraintDuplicateMutableAccount),
            case("refund", stranger_tokens, ErrorCode::ConstraintSeeds),
            case("refund", rival.tokens, ErrorCode::ConstraintSeeds),
            case("refund", treasury, ErrorCode::ConstraintSeeds),
            case("mint", other.mint, TesseraError::WrongMint),
            case("mint", forged, TesseraError::WrongMint),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    // Gone is gone.
    world.close_job(job).expect_err(ErrorCode::AccountOwnedByWrongProgram);
}

#[test]
fn a_refund_goes_to_the_associated_account_of_the_wallet_alone() {
    let Stage { mut world, client, .. } = stage();
    let job = world.job(client, &JobTerms::default());
    world.cancel_job(job).ok();
    let second = world.key("second token account of the client");
    world.set_tokens(second, world.mint, client.wallet, 0);
    world.close_job_showing(job, &[0, 1, 2]).replace("refund", second).expect_err(ErrorCode::ConstraintSeeds);
}

#[test]
fn close_job_refuses_a_job_that_is_not_at_its_end() {
    let Stage { mut world, client, p, .. } = stage();
    let q = world.providers[1];
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.close_job(job).expect_err(TesseraError::JobNotOver);
    world.close_job_showing(job, &[0, 1, 2]).expect_err(TesseraError::JobNotOver);
    world.agree(job, 0, &[p, q]);
    world.open_result(job, 0, p).ok();
    world.settle_lease(job, 0, p).ok();
    for seconds in [0, 3_600, 300, 1] {
        world.advance(seconds);
        world.close_job(job).expect_err(TesseraError::PayStillOwed);
    }
    world.expire_lease(job, 0, q).ok();
    world.close_job(job).ok();
}

#[test]
fn a_cancelled_job_wants_every_unsettled_lease_shown_in_order() {
    let Stage { mut world, client, rivals_job, p, stranger, .. } = stage();
    let job = world.job(client, &JobTerms { units: 16, ..JobTerms::default() });
    world.complete(job, 2, &[p]);
    world.claim_lease(job, 3, p).ok();
    world.claim_lease(rivals_job, 0, p).ok();
    world.return_lease(rivals_job, 0, p).ok();
    world.cancel_job(job).ok();
    let lists: &[&[u32]] = &[&[], &[0], &[0, 1], &[1, 0, 3], &[0, 3, 1], &[1, 1, 3], &[0, 1, 2], &[3], &[0, 0, 0]];
    for shown in lists {
        world.close_job_showing(job, shown).expect_err(TesseraError::LeaseNotShown);
    }
    world.close_job_showing(job, &[0, 1, 3]).expect_err(TesseraError::LeaseNotVacant);
    world.return_lease(job, 3, p).ok();
    world.close_job_showing(job, &[0, 1, 3, 3]).expect_err(TesseraError::LeaseNotShown);
    world.close_job_showing(job, &[0, 1, 2, 3]).expect_err(TesseraError::LeaseNotShown);
    let wrong = [rivals_job.lease(0), rivals_job.lease(1), stranger, job.address];
    for (instead, refusal) in wrong.into_iter().zip([
        Refusal::from(TesseraError::LeaseNotShown),
        TesseraError::LeaseNotShown.into(),
        TesseraError::LeaseNotShown.into(),
        ErrorCode::AccountDiscriminatorMismatch.into(),
    ]) {
        let call = world.close_job(job).remaining(job.lease(0)).remaining(instead).remaining(job.lease(3));
        call.expect_err(refusal);
    }
    world.close_job_showing(job, &[0, 1, 3]).ok();
}
