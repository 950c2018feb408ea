//! What instructions of markets, providers and clients refuse, one wrong thing at a time, with the exact error.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use solana_instruction::error::InstructionError;
use tessera::{TesseraError, state};
use tessera_tests::{
    call::Refusal,
    constraints::{NATIVE_MINT, TOKEN_2022, case, refuses},
    program,
    terms::{JobTerms, MarketTerms},
    world::{CAPABILITIES, MARKET_ID, Provider, World},
};

/// Of the system program: there is an account at that address already.
const EXISTS: Refusal = Refusal::Code(0);

/// A world next to another market with its own mint, provider and client, and a stranger with keys and tokens.
struct Stage {
    world: World,
    other: World,
    stranger: Pubkey,
    stranger_tokens: Pubkey,
    nothing: Pubkey,
}

fn stage() -> Stage {
    let mut world = World::with(|_| {});
    let (stranger, stranger_tokens) = world.new_wallet_with_tokens("stranger", 10_000);
    let nothing = world.key("nothing");
    let other = world.other_market();
    world.adopt(&other);
    Stage { world, other, stranger, stranger_tokens, nothing }
}

#[test]
fn create_market_refuses_wrong_accounts() {
    let mut world = World::bare(program::elf(), 8, true);
    let (terms, stranger, nothing) = (MarketTerms::default(), world.new_wallet("stranger"), world.key("nothing"));
    let decoy = world.key("decoy");
    world.set_tokens(decoy, world.mint, stranger, 0);
    let mint = world.mint_of(world.mint);
    world.set_packed(NATIVE_MINT, mint);
    let forged = world.forged(world.mint, TOKEN_2022);
    let market = world.market;
    refuses(
        &mut world,
        &["creator", "market", "treasury"],
        |world| world.create_market(MARKET_ID, terms),
        &[
            case("creator", stranger, ErrorCode::ConstraintSeeds),
            case("mint", nothing, ErrorCode::AccountNotInitialized),
            case("mint", NATIVE_MINT, TesseraError::NativeMint),
            case("mint", forged, ErrorCode::AccountOwnedByWrongProgram),
            case("mint", decoy, InstructionError::InvalidAccountData),
            case("market", nothing, ErrorCode::ConstraintSeeds),
            case("treasury", nothing, ErrorCode::ConstraintSeeds),
            case("treasury", market, ErrorCode::ConstraintSeeds),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    // It exists now.
    world.create_market(MARKET_ID, terms).expect_err(EXISTS);
}

#[test]
fn update_market_refuses_wrong_accounts() {
    let Stage { mut world, stranger, nothing, .. } = stage();
    let (terms, provider, foreign) = (world.terms, world.providers[0], foreign_market(&mut world));
    let forged = world.forged(world.market, TOKEN_2022);
    refuses(
        &mut world,
        &[],
        |world| world.update_market(terms),
        &[
            case("authority", stranger, TesseraError::WrongAuthority),
            case("market", foreign, TesseraError::WrongAuthority),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("market", forged, ErrorCode::AccountOwnedByWrongProgram),
            case("market", provider.address, ErrorCode::AccountDiscriminatorMismatch),
        ],
    );
}

/// A market that somebody else made.
fn foreign_market(world: &mut World) -> Pubkey {
    let authority = world.authority;
    world.authority = world.new_wallet("authority of a foreign market");
    let call = world.create_market(1, MarketTerms::default());
    let market = call.account("market");
    call.ok();
    world.authority = authority;
    market
}

#[test]
fn pause_and_unpause_refuse_wrong_accounts_and_states() {
    let Stage { mut world, stranger, nothing, .. } = stage();
    let (provider, foreign) = (world.providers[0], foreign_market(&mut world));
    let cases = [
        case("authority", stranger, TesseraError::WrongAuthority),
        case("market", foreign, TesseraError::WrongAuthority),
        case("market", nothing, ErrorCode::AccountNotInitialized),
        case("market", provider.address, ErrorCode::AccountDiscriminatorMismatch),
    ];
    world.unpause().expect_err(TesseraError::NotPaused);
    refuses(&mut world, &[], World::pause, &cases);
    world.pause().expect_err(TesseraError::AlreadyPaused);
    refuses(&mut world, &[], World::unpause, &cases);
}

#[test]
fn withdraw_treasury_refuses_wrong_accounts_and_amounts() {
    let Stage { mut world, other, stranger, stranger_tokens, nothing } = stage();
    let (market, treasury) = (world.market, world.treasury);
    world.set_tokens(treasury, world.mint, market, 100);
    let (p, foreign) = (world.providers[0], foreign_market(&mut world));
    world.withdraw_treasury(0).expect_err(TesseraError::ZeroAmount);
    world.withdraw_treasury(101).expect_err(TesseraError::MoreThanTreasury);
    world.withdraw_treasury(u64::MAX).expect_err(TesseraError::MoreThanTreasury);
    refuses(
        &mut world,
        &[],
        |world| world.withdraw_treasury(100),
        &[
            case("authority", stranger, TesseraError::WrongAuthority),
            case("authority", p.authority, TesseraError::WrongAuthority),
            case("market", foreign, TesseraError::WrongAuthority),
            case("market", other.market, ErrorCode::ConstraintSeeds),
            case("market", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("treasury", other.treasury, ErrorCode::ConstraintSeeds),
            case("treasury", p.vault, ErrorCode::ConstraintSeeds),
            case("treasury", stranger_tokens, ErrorCode::ConstraintSeeds),
            case("to", other.clients[0].tokens, TesseraError::WrongMint),
            case("to", treasury, ErrorCode::ConstraintDuplicateMutableAccount),
            case("to", nothing, ErrorCode::AccountNotInitialized),
            case("to", stranger, ErrorCode::AccountOwnedByWrongProgram),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn the_authority_cannot_reach_escrow_stake_or_earnings() {
    let Stage { mut world, .. } = stage();
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    for vault in [job.escrow, p.vault] {
        world.withdraw_treasury(1).replace("treasury", vault).expect_err(ErrorCode::ConstraintSeeds);
    }
    let authority = world.authority;
    world.withdraw_earnings(p).replace("signer", authority).expect_err(TesseraError::NeitherAuthorityNorOperator);
    world.request_unstake(p, 1).replace("authority", authority).expect_err(TesseraError::WrongAuthority);
    world.cancel_job(job).replace("wallet", authority).expect_err(TesseraError::WrongWallet);
}

#[test]
fn register_provider_refuses_wrong_accounts_and_regions() {
    let Stage { mut world, other, stranger, nothing, .. } = stage();
    let p = world.new_provider(50, 0);
    let q = world.providers[0];
    let forged = world.forged(world.mint, TOKEN_2022);
    let call = world.register_provider(p);
    // The last byte of the arguments is the region.
    call.with_data(|data| *data.last_mut().unwrap() = 64).expect_err(TesseraError::RegionOutOfBounds);
    refuses(
        &mut world,
        &["authority", "provider", "stake_vault"],
        |world| world.register_provider(p),
        &[
            case("authority", stranger, ErrorCode::ConstraintSeeds),
            case("market", other.market, ErrorCode::ConstraintSeeds),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("market", q.address, ErrorCode::AccountDiscriminatorMismatch),
            case("mint", other.mint, TesseraError::WrongMint),
            case("mint", forged, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", q.address, ErrorCode::ConstraintSeeds),
            case("provider", nothing, ErrorCode::ConstraintSeeds),
            case("stake_vault", q.vault, ErrorCode::ConstraintSeeds),
            case("stake_vault", nothing, ErrorCode::ConstraintSeeds),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    world.register_provider(p).expect_err(EXISTS);
}

#[test]
fn update_provider_refuses_wrong_accounts_and_regions() {
    let Stage { mut world, other, stranger, nothing, .. } = stage();
    let (p, q, foreign) = (world.providers[0], world.providers[1], other.providers[0]);
    let bad = state::Capabilities { region: 64, ..CAPABILITIES };
    world.update_provider(p, None, Some(bad)).expect_err(TesseraError::RegionOutOfBounds);
    let worst = state::Capabilities { region: 255, ..CAPABILITIES };
    world.update_provider(p, None, Some(worst)).expect_err(TesseraError::RegionOutOfBounds);
    let market = world.market;
    refuses(
        &mut world,
        &[],
        |world| world.update_provider(p, Some(stranger), Some(CAPABILITIES)),
        &[
            case("authority", stranger, TesseraError::WrongAuthority),
            case("authority", p.operator, TesseraError::WrongAuthority),
            case("provider", q.address, TesseraError::WrongAuthority),
            case("provider", foreign.address, TesseraError::WrongAuthority),
            case("provider", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", market, ErrorCode::AccountDiscriminatorMismatch),
        ],
    );
}

#[test]
fn add_stake_refuses_wrong_accounts_and_amounts() {
    let Stage { mut world, other, stranger, stranger_tokens, nothing } = stage();
    let (p, q) = (world.providers[0], world.providers[1]);
    let foreign = {
        let mint = other.mint;
        let key = world.key("tokens of the other mint");
        world.set_tokens(key, mint, p.authority, 10);
        key
    };
    world.add_stake(p, 0).expect_err(TesseraError::ZeroAmount);
    // The token program: insufficient funds.
    world.add_stake(p, 995_001).expect_err(Refusal::Code(1));
    let market = world.market;
    refuses(
        &mut world,
        &[],
        |world| world.add_stake(p, 1),
        &[
            case("authority", stranger, TesseraError::WrongAuthority),
            case("market", other.market, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("market", q.address, ErrorCode::AccountDiscriminatorMismatch),
            case("provider", q.address, TesseraError::WrongAuthority),
            case("provider", market, ErrorCode::AccountDiscriminatorMismatch),
            case("stake_vault", q.vault, TesseraError::WrongVault),
            case("stake_vault", p.tokens, ErrorCode::ConstraintDuplicateMutableAccount),
            case("stake_vault", nothing, ErrorCode::AccountNotInitialized),
            case("from", stranger_tokens, ErrorCode::ConstraintTokenOwner),
            case("from", q.vault, ErrorCode::ConstraintTokenOwner),
            case("from", p.vault, ErrorCode::ConstraintDuplicateMutableAccount),
            case("from", foreign, TesseraError::WrongMint),
            case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
}

#[test]
fn request_unstake_refuses_wrong_accounts_and_amounts() {
    let Stage { mut world, other, stranger, nothing, .. } = stage();
    let (p, q) = (world.providers[0], world.providers[1]);
    world.request_unstake(p, 0).expect_err(TesseraError::ZeroAmount);
    world.request_unstake(p, 5_001).expect_err(TesseraError::MoreThanStake);
    world.request_unstake(p, u64::MAX).expect_err(TesseraError::MoreThanStake);
    refuses(
        &mut world,
        &[],
        |world| world.request_unstake(p, 5_000),
        &[
            case("authority", stranger, TesseraError::WrongAuthority),
            case("authority", p.operator, TesseraError::WrongAuthority),
            // Another market may have a shorter wait.
            case("market", other.market, TesseraError::WrongMarket),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("provider", q.address, TesseraError::WrongAuthority),
            case("provider", other.market, ErrorCode::AccountDiscriminatorMismatch),
        ],
    );
}

/// The cases that withdrawing stake and withdrawing earnings share.
fn vault_cases(world: &mut World, other: &World, p: Provider, q: Provider) -> Vec<tessera_tests::constraints::Case> {
    let foreign = world.key("tokens of the other mint");
    world.set_tokens(foreign, other.mint, p.authority, 0);
    let market = world.market;
    vec![
        case("provider", market, ErrorCode::AccountDiscriminatorMismatch),
        case("stake_vault", q.vault, TesseraError::WrongVault),
        case("stake_vault", p.tokens, ErrorCode::ConstraintDuplicateMutableAccount),
        case("to", foreign, TesseraError::WrongMint),
        case("to", p.vault, ErrorCode::ConstraintDuplicateMutableAccount),
        case("token_program", TOKEN_2022, ErrorCode::InvalidProgramId),
    ]
}

#[test]
fn withdraw_stake_refuses_wrong_accounts_and_times() {
    let Stage { mut world, other, stranger, stranger_tokens, .. } = stage();
    let (p, q) = (world.providers[0], world.providers[1]);
    world.withdraw_stake(p).expect_err(TesseraError::NothingUnstaking);
    world.request_unstake(p, 1_000).ok();
    world.advance(3_599);
    world.withdraw_stake(p).expect_err(TesseraError::UnstakeTooEarly);
    world.advance(1);
    let mut cases = vault_cases(&mut world, &other, p, q);
    cases.extend([
        case("authority", stranger, TesseraError::WrongAuthority),
        case("authority", p.operator, TesseraError::WrongAuthority),
        case("provider", q.address, TesseraError::WrongAuthority),
        case("to", stranger_tokens, ErrorCode::ConstraintTokenOwner),
        case("to", q.vault, ErrorCode::ConstraintTokenOwner),
    ]);
    refuses(&mut world, &[], |world| world.withdraw_stake(p), &cases);
}

#[test]
fn withdraw_earnings_refuses_wrong_accounts() {
    let Stage { mut world, other, stranger, stranger_tokens, .. } = stage();
    let (client, p, q) = (world.clients[0], world.providers[0], world.providers[1]);
    world.withdraw_earnings(p).expect_err(TesseraError::NothingEarned);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    let mut cases = vault_cases(&mut world, &other, p, q);
    cases.extend([
        case("signer", stranger, TesseraError::NeitherAuthorityNorOperator),
        case("signer", q.operator, TesseraError::NeitherAuthorityNorOperator),
        case("provider", q.address, TesseraError::NeitherAuthorityNorOperator),
        // Not even the operator decides where the tokens go.
        case("to", stranger_tokens, TesseraError::WrongAuthority),
        case("to", q.vault, TesseraError::WrongAuthority),
    ]);
    refuses(&mut world, &[], |world| world.withdraw_earnings(p), &cases);
}

#[test]
fn register_client_refuses_wrong_accounts() {
    let Stage { mut world, other, stranger, nothing, .. } = stage();
    let client = world.new_client(50, 0);
    let (known, p) = (world.clients[0], world.providers[0]);
    refuses(
        &mut world,
        &["wallet", "client"],
        |world| world.register_client(client),
        &[
            case("wallet", stranger, ErrorCode::ConstraintSeeds),
            case("market", other.market, ErrorCode::ConstraintSeeds),
            case("market", nothing, ErrorCode::AccountNotInitialized),
            case("market", p.address, ErrorCode::AccountDiscriminatorMismatch),
            case("client", known.address, ErrorCode::ConstraintSeeds),
            case("client", nothing, ErrorCode::ConstraintSeeds),
            case("system_program", TOKEN_2022, ErrorCode::InvalidProgramId),
        ],
    );
    world.register_client(client).expect_err(EXISTS);
}

#[test]
fn data_that_is_no_instruction_is_refused() {
    let mut world = World::with(|_| {});
    world.pause().with_data(Vec::clear).expect_err(ErrorCode::InstructionFallbackNotFound);
    world.pause().with_data(|data| data[0] ^= 1).expect_err(ErrorCode::InstructionFallbackNotFound);
    let p = world.providers[0];
    world.add_stake(p, 1).with_data(|data| data.truncate(9)).expect_err(ErrorCode::InstructionDidNotDeserialize);
}
