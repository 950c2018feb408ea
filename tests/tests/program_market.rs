//! Markets, providers and clients: what each instruction does, to the token and the lamport.

use tessera::{events, state};
use tessera_protocol::{capability, constants, verdict::Kind};
use tessera_tests::{
    terms::{JobTerms, MarketTerms},
    world::{CAPABILITIES, LAMPORTS, MARKET_ID, START, START_SLOT, World, params},
};

/// Rent of a token account.
fn token_rent(world: &World) -> u64 {
    world.rent(165)
}

#[test]
fn create_market_makes_a_market_and_an_empty_treasury() {
    let mut world = World::bare(tessera_tests::program::elf(), 8, true);
    let (authority, terms) = (world.authority, MarketTerms::default());
    let created = world.create_market(MARKET_ID, terms).ok();

    let event = created.event::<events::MarketCreated>();
    assert_eq!((event.market, event.mint, event.authority), (world.market, world.mint, authority));
    assert_eq!(event.params, params(&terms));
    let market = world.load::<state::Market>(world.market).unwrap();
    assert_eq!((market.version, market.id, market.paused), (constants::ACCOUNT_VERSION, MARKET_ID, false));
    assert_eq!((market.creator, market.authority, market.mint), (authority, authority, world.mint));
    assert_eq!(market.params, params(&terms));
    assert_eq!((market.total_stake, market.reserved), (0, [0; 60]));
    let treasury = world.token_account(world.treasury).unwrap();
    assert_eq!((treasury.mint, treasury.owner, treasury.amount), (world.mint, world.market, 0));
    let rent = world.rent(8 + 258) + token_rent(&world);
    assert_eq!(world.lamports(authority), LAMPORTS - rent);
}

#[test]
fn one_creator_may_have_several_markets() {
    let world = World::with(|_| {});
    let other = world.other_market();
    assert_ne!(world.market, other.market);
    assert_eq!(other.load::<state::Market>(other.market).unwrap().id, MARKET_ID + 1);
}

#[test]
fn update_market_replaces_the_parameters_but_not_those_of_posted_jobs() {
    let mut world = World::with(|_| {});
    let (client, provider) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    let before = world.load::<state::Job>(job.address).unwrap();
    let terms = MarketTerms {
        fee_bps: 1_000,
        treasury_bps: 10_000,
        min_stake: 5_000,
        max_open_leases: 1,
        unstake_seconds: 10,
        reveal_seconds: 10,
        grace_seconds: 10,
        free_returns: 0,
        returns_seconds: 10,
        step_seconds: 3_600,
        stake_cap: 5_000,
        credit_fee: 9,
        demand_bond: 3,
        max_memory_mib: 8_192,
        proof_seconds: 3_600,
        p_min_bps: 5_000,
        saving_bps: 10_000,
        collusion_bps: 4_500,
        lock_multiple: 9,
        reserve_bps: 5_000,
        expiry_bond_bps: 1,
        probation: 1_000,
        lead: 1,
        seat_limit: 96,
    };
    let event = world.update_market(terms).ok().event::<events::MarketUpdated>();
    assert_eq!((event.market, event.params), (world.market, params(&terms)));
    assert_eq!(world.load::<state::Market>(world.market).unwrap().params, params(&terms));

    let after = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((after.fee_bps, after.treasury_bps), (before.fee_bps, before.treasury_bps));
    assert_eq!((after.reveal_seconds, after.grace_seconds, after.step_seconds), (60, 300, 1));
    assert_eq!((after.deterring, after.credit_fee), (before.deterring, 1));
    assert_eq!((after.lock_multiple, after.expiry_bond_bps, after.reserve_bps), (8, 2_500, 1));
    assert_eq!((after.probation, after.lead, after.seat_limit), (0, 2, 12));
    for index in 0..3 {
        world.complete(job, index, &[provider]);
    }
    let closed = world.close_job(job).ok().event::<events::JobClosed>();
    // 5 % of 70, rounded down, of which 40 % for the treasury: the terms of the posting.
    assert_eq!((closed.paid, closed.treasury, closed.burned, closed.refunded), (70, 1, 2, 176));
}

#[test]
fn every_bound_of_the_parameters_may_be_reached() {
    let mut world = World::with(|_| {});
    let low = MarketTerms {
        fee_bps: 0,
        treasury_bps: 0,
        min_stake: 0,
        max_open_leases: 1,
        unstake_seconds: constants::UNSTAKE_SECONDS.0,
        reveal_seconds: constants::REVEAL_SECONDS.0,
        grace_seconds: constants::GRACE_SECONDS.0,
        free_returns: 0,
        returns_seconds: constants::RETURNS_SECONDS.0,
        step_seconds: constants::STEP_SECONDS.0,
        stake_cap: 1,
        credit_fee: 0,
        demand_bond: 3,
        max_memory_mib: 8_192,
        proof_seconds: capability::PROOF_SECONDS.0,
        p_min_bps: 1,
        saving_bps: 1,
        collusion_bps: 0,
        lock_multiple: 8,
        reserve_bps: 1,
        expiry_bond_bps: 1,
        probation: 0,
        lead: 1,
        seat_limit: 3,
    };
    let high = MarketTerms {
        fee_bps: constants::MAX_FEE_BPS,
        treasury_bps: 10_000,
        min_stake: u64::MAX,
        max_open_leases: constants::MAX_OPEN_LEASES,
        unstake_seconds: constants::UNSTAKE_SECONDS.1,
        reveal_seconds: constants::REVEAL_SECONDS.1,
        grace_seconds: constants::GRACE_SECONDS.1,
        free_returns: u32::MAX,
        returns_seconds: constants::RETURNS_SECONDS.1,
        step_seconds: constants::STEP_SECONDS.1,
        stake_cap: u64::MAX,
        credit_fee: u64::MAX,
        demand_bond: 3,
        max_memory_mib: 8_192,
        proof_seconds: capability::PROOF_SECONDS.1,
        p_min_bps: 5_000,
        saving_bps: 10_000,
        collusion_bps: 4_500,
        lock_multiple: 10_000,
        reserve_bps: 5_000,
        expiry_bond_bps: 10_000,
        probation: 1_000,
        lead: 32,
        seat_limit: 96,
    };
    for terms in [low, high] {
        world.update_market(terms).ok();
        assert_eq!(world.load::<state::Market>(world.market).unwrap().params, params(&terms));
    }
}

#[test]
fn pause_stops_posts_and_claims_and_nothing_else() {
    let mut world = World::with(|b| (b.providers, b.terms.treasury_bps) = (4, 10_000));
    let (client, [p, q, r, s]) = (world.clients[0], [0, 1, 2, 3].map(|i| world.providers[i]));
    let terms = JobTerms { units: 20, ..JobTerms::default() };
    let (job, cancelled) = (world.job(client, &terms), world.job(client, &terms));
    world.commit(job, 0, p, 0);
    world.claim_lease(job, 1, p).ok();
    world.claim_lease(job, 2, p).ok();
    world.commit(job, 3, p, 0);
    world.draw(job, 0, &[p]);
    world.commit_drawn(job, 4, q, 1);
    world.request_unstake(q, 100).ok();
    let unseeded = world.next_job(client, &terms);
    world.post_job(client, &terms).ok();
    world.advance(4);

    let event = world.pause().ok().event::<events::MarketPaused>();
    assert_eq!((event.market, event.paused), (world.market, true));
    world.post_job(client, &terms).expect_err(tessera::TesseraError::MarketPaused);
    world.claim_lease(cancelled, 4, q).expect_err(tessera::TesseraError::MarketPaused);

    world.reveal_result(job, 0, p, 0).ok();
    world.open_result(job, 0, p).ok();
    world.settle_lease(job, 0, p).ok();
    world.commit_result(job, 1, p, 0).ok();
    world.return_lease(job, 2, p).ok();
    world.draw(job, 3, &[p]);
    world.reveal_and_open(job, 3, p, 0).ok();

    // Audits and disputes go on: nobody may stop them halfway.
    world.seed_job(unseeded).ok();
    world.seed_group(job, 4, Kind::Audit);
    world.commit(job, 4, r, 0);
    world.draw(job, 4, &[r]);
    world.reveal_result(job, 4, q, 1).ok();
    world.advance(61);
    world.advance_lease(job, 4).ok();
    world.seed_group(job, 4, Kind::Dispute);
    world.vote(job, 4, &[(s, 1)]);
    world.slash_seat(job, 4, r).ok();

    world.top_up_job(job, 60, 1).ok();
    world.cancel_job(cancelled).ok();
    world.close_job_showing(cancelled, &[0, 1, 2, 3, 4]).ok();
    world.update_market(world.terms).ok();
    world.update_provider(p, None, Some(CAPABILITIES)).ok();
    world.add_stake(q, 5).ok();
    world.request_unstake(r, 5).ok();
    world.withdraw_earnings(p).ok();
    let late = world.new_provider(9, 0);
    world.register_provider(late).ok();
    let newcomer = world.new_client(9, 0);
    world.register_client(newcomer).ok();
    world.advance(100_000);
    world.withdraw_stake(q).ok();
    world.expire_lease(job, 1, p).ok();
    world.close_lease(job, 1).ok();
    world.pay(job, 4, &[s]);
    world.expire_lease(job, 4, q).ok();
    world.close_job(job).ok();
    world.burn_bonds(r).ok();
    world.withdraw_treasury(1).ok();

    let event = world.unpause().ok().event::<events::MarketPaused>();
    assert_eq!((event.market, event.paused), (world.market, false));
    world.post_job(client, &terms).ok();
}

#[test]
fn withdraw_treasury_moves_what_is_asked() {
    let mut world = World::with(|b| b.stake = 100_000);
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms { units: 1_000, units_per_lease: 1_000, ..JobTerms::default() });
    world.complete(job, 0, &[p]);
    world.close_job(job).ok();
    assert_eq!(world.tokens(world.treasury), 140);
    let event = world.withdraw_treasury(139).ok().event::<events::TreasuryWithdrawn>();
    assert_eq!((event.market, event.to, event.amount), (world.market, world.fees(), 139));
    assert_eq!((world.tokens(world.treasury), world.tokens(world.fees())), (1, 139));
    let (_, elsewhere) = world.new_wallet_with_tokens("somebody", 0);
    world.withdraw_treasury(1).replace("to", elsewhere).ok();
    assert_eq!((world.tokens(world.treasury), world.tokens(elsewhere)), (0, 1));
}

#[test]
fn register_provider_makes_a_provider_and_an_empty_vault() {
    let mut world = World::with(|b| b.providers = 0);
    let provider = world.new_provider(0, 50);
    let event = world.register_provider(provider).ok().event::<events::ProviderRegistered>();
    assert_eq!((event.market, event.provider, event.authority), (world.market, provider.address, provider.authority));
    assert_eq!((event.operator, event.capabilities), (provider.operator, CAPABILITIES));
    let account = world.load::<state::Provider>(provider.address).unwrap();
    assert_eq!((account.version, account.market), (constants::ACCOUNT_VERSION, world.market));
    assert_eq!((account.authority, account.operator), (provider.authority, provider.operator));
    assert_eq!((account.capabilities(), account.registered_at), (CAPABILITIES, START));
    assert_eq!((account.stake, account.unstaking, account.earned, account.open_leases), (0, 0, 0, 0));
    assert_eq!((account.consecutive, account.faults, account.expiries, account.slashed), (0, 0, 0, 0));
    assert_eq!((account.success, account.failure, account.fault_slot), (0, 0, 0));
    assert_eq!(account.reserved, [0; 24]);
    let vault = world.token_account(provider.vault).unwrap();
    assert_eq!((vault.mint, vault.owner, vault.amount), (world.mint, provider.address, 0));
    let rent = world.rent(state::Provider::SPACE) + token_rent(&world);
    assert_eq!(world.lamports(provider.authority), LAMPORTS - rent);
}

#[test]
fn update_provider_replaces_what_is_given() {
    let mut world = World::with(|_| {});
    let p = world.providers[0];
    let hot = world.new_wallet("new operator");
    let better = state::Capabilities { memory_mib: 80_000, class: 90, region: 63 };
    let event = world.update_provider(p, None, None).ok().event::<events::ProviderUpdated>();
    assert_eq!((event.provider, event.operator, event.capabilities), (p.address, p.operator, CAPABILITIES));
    world.update_provider(p, Some(hot), None).ok();
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.operator, account.capabilities()), (hot, CAPABILITIES));
    let event = world.update_provider(p, None, Some(better)).ok().event::<events::ProviderUpdated>();
    assert_eq!((event.provider, event.operator, event.capabilities), (p.address, hot, better));
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.operator, account.capabilities()), (hot, better));
}

#[test]
fn stake_comes_waits_and_leaves() {
    let mut world = World::with(|b| (b.providers, b.stake, b.tokens) = (1, 0, 1_000));
    let p = world.providers[0];
    world.advance(4);
    let event = world.add_stake(p, 700).ok().event::<events::StakeAdded>();
    assert_eq!((event.provider, event.amount, event.stake), (p.address, 700, 700));
    let event = world.add_stake(p, 1).ok().event::<events::StakeAdded>();
    assert_eq!((event.amount, event.stake), (1, 701));
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.stake, account.staked_slot), (701, START_SLOT + 10));
    assert_eq!((world.tokens(p.vault), world.tokens(p.tokens)), (701, 299));

    let event = world.request_unstake(p, 300).ok().event::<events::UnstakeRequested>();
    assert_eq!((event.provider, event.amount, event.unstake_at), (p.address, 300, world.now() + 3_600));
    world.advance(3_599);
    world.withdraw_stake(p).expect_err(tessera::TesseraError::UnstakeTooEarly);
    // Asking for more begins the wait of all of it anew.
    world.request_unstake(p, 401).ok();
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.stake, account.unstaking, account.unstake_at), (0, 701, world.now() + 3_600));
    world.advance(3_599);
    world.withdraw_stake(p).expect_err(tessera::TesseraError::UnstakeTooEarly);
    world.advance(1);
    let event = world.withdraw_stake(p).ok().event::<events::StakeWithdrawn>();
    assert_eq!((event.provider, event.amount), (p.address, 701));
    assert_eq!((world.tokens(p.vault), world.tokens(p.tokens)), (0, 1_000));
    world.withdraw_stake(p).expect_err(tessera::TesseraError::NothingUnstaking);
}

#[test]
fn stake_that_waits_cannot_be_claimed_with() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.request_unstake(p, 4_001).ok();
    world.claim_lease(job, 0, p).expect_err(tessera::TesseraError::StakeTooLow);
    world.add_stake(p, 1).ok();
    // A smaller stake has to wait longer, and a fresh one most of all.
    world.advance(20);
    world.claim_lease(job, 0, p).ok();
}

#[test]
fn what_a_seat_locks_stays() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms { seconds: 100_000, ..JobTerms::default() });
    world.request_unstake(p, 1_000).ok();
    world.commit_and_draw(job, 0, p, 0);
    world.request_unstake(p, 4_000).expect_err(tessera::TesseraError::StakeLocked);
    // A lease of 4 × 7 locks 8 times its pay; the rest may go while it is open.
    world.request_unstake(p, 4_000 - 224).ok();
    world.advance(50_000);
    world.withdraw_stake(p).ok();
    assert_eq!((world.tokens(p.tokens), world.tokens(p.vault)), (1_000_000 - 224, 224));
    world.reveal_and_open(job, 0, p, 0).ok();
    world.settle_lease(job, 0, p).ok();
    world.request_unstake(p, 224).ok();
    world.advance(50_000);
    world.withdraw_stake(p).ok();
    assert_eq!(world.tokens(p.tokens), 1_000_000);
}

#[test]
fn earnings_go_to_the_authority_whoever_of_both_asks() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    let before = world.tokens(p.tokens);
    let event = world.withdraw_earnings(p).ok().event::<events::EarningsWithdrawn>();
    assert_eq!((event.provider, event.amount), (p.address, 28));
    assert_eq!((world.tokens(p.vault), world.tokens(p.tokens)), (5_000, before + 28));
    world.complete(job, 1, &[p]);
    world.withdraw_earnings(p).replace("signer", p.authority).ok();
    assert_eq!(world.tokens(p.tokens), before + 56);
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.earned, account.total_earned, account.stake), (0, 56, 5_000));
}

#[test]
fn register_client_numbers_jobs_from_zero() {
    let mut world = World::with(|b| b.clients = 0);
    let client = world.new_client(0, 0);
    let event = world.register_client(client).ok().event::<events::ClientRegistered>();
    assert_eq!((event.market, event.client, event.wallet), (world.market, client.address, client.wallet));
    let account = world.load::<state::Client>(client.address).unwrap();
    assert_eq!((account.version, account.next_job), (constants::ACCOUNT_VERSION, 0));
    assert_eq!((account.market, account.wallet), (world.market, client.wallet));
    assert_eq!(world.lamports(client.wallet), LAMPORTS - world.rent(8 + 138));
}
