//! Jobs: posting, topping up, cancelling and closing, to the token and the lamport.

use solana_account::ReadableAccount;
use tessera::{TesseraError, events, state};
use tessera_protocol::{audit::AuditParams, constants, payout};
use tessera_tests::{
    terms::JobTerms,
    world::{SEEDED, START, START_SLOT, World},
};

#[test]
fn post_job_escrows_work_and_fee() {
    let mut world = World::with(|_| {});
    let client = world.clients[0];
    let (tokens, lamports) = (world.tokens(client.tokens), world.lamports(client.wallet));
    let terms = JobTerms::default();
    let job = world.next_job(client, &terms);
    let event = world.post_job(client, &terms).ok().event::<events::JobPosted>();

    assert_eq!((event.market, event.job, event.wallet), (world.market, job.address, client.wallet));
    assert_eq!((event.number, event.spec, event.units, event.units_per_lease), (0, [0x5e; 32], 10, 4));
    assert_eq!((event.replicas, event.price_per_unit, event.deposited), (1, 7, 249));
    assert_eq!(event.deadline, START + 3_600);
    assert_eq!(event.audit_reserve, 168);
    // 10 × 7, six audits of 4 × 7, and 5 % of both, rounded down.
    assert_eq!((world.tokens(client.tokens), world.tokens(job.escrow)), (tokens - 249, 249));
    let account = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((account.version, account.state), (constants::ACCOUNT_VERSION, state::JobState::Open as u8));
    assert_eq!((account.market, account.client, account.wallet), (world.market, client.address, client.wallet));
    assert_eq!((account.number, account.leases, account.units, account.units_per_lease), (0, 3, 10, 4));
    assert_eq!((account.replicas, account.price_per_unit), (1, 7));
    assert_eq!((account.fee_bps, account.treasury_bps), (500, 4_000));
    assert_eq!((account.lease_seconds, account.reveal_seconds, account.grace_seconds), (120, 60, 300));
    assert_eq!((account.posted_at, account.posted_slot, account.deadline), (START, START_SLOT, START + 3_600));
    assert_eq!((account.deposited, account.paid, account.owed), (249, 0, 0));
    assert_eq!((account.audit_reserve, account.reserve, account.audits_paid), (168, 168, 0));
    assert_eq!((account.settled_leases, account.settled_units), (0, 0));
    assert_eq!(&account.store[..usize::from(account.store_len)], terms.store.as_bytes());
    assert_eq!((account.lock_multiple, account.expiry_bond_bps, account.reserve_bps), (8, 2_500, 1));
    assert_eq!((account.probation, account.lead, account.seat_limit), (0, 2, 12));
    // The chance of an audit is at least 1 in 10⁴, in units of 2⁻³² and rounded up.
    assert_eq!((account.deterring, account.credit_fee, account.step_seconds), (429_497, 1, 1));
    assert_eq!(
        (account.seed, account.seed_slot, account.seeded_at, account.contested),
        ([0; 32], START_SLOT + 8, 0, 0)
    );
    assert_eq!((account.challenge_seconds, account.owed_seats), (0, 0));
    assert_eq!((account.demand_bond, account.stake_cap), (10, 5_000));
    assert_eq!((account.private, account.padding, account.reserved), (0, [0; 5], [0; 8]));
    assert!(!event.private);
    assert_eq!(world.settled(job), Vec::<u32>::new());
    let escrow = world.token_account(job.escrow).unwrap();
    assert_eq!((escrow.mint, escrow.owner), (world.mint, job.address));
    let rent = world.rent(state::Job::BITMAP_OFFSET + 1) + world.rent(165);
    assert_eq!(world.lamports(client.wallet), lamports - rent);
}

#[test]
fn job_numbers_never_repeat() {
    let mut world = World::with(|_| {});
    let client = world.clients[0];
    let terms = JobTerms::default();
    let first = world.job(client, &terms);
    world.cancel_job(first).ok();
    world.close_job_showing(first, &[0, 1, 2]).ok();
    assert!(!world.exists(first.address));
    let second = world.job(client, &terms);
    assert_eq!(second.number, 1);
    assert_ne!(first.address, second.address);
    // The address of a closed job is no place for a new one.
    world
        .post_job(client, &terms)
        .replace("job", first.address)
        .expect_err(anchor_lang::error::ErrorCode::ConstraintSeeds);
}

#[test]
fn a_job_from_its_post_to_its_close() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let supply = world.supply();
    let (tokens, lamports) = (world.tokens(client.tokens), world.lamports(client.wallet));
    let operator = world.lamports(p.operator);
    let job = world.job(client, &JobTerms::default());

    let seeded = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((seeded.seed_slot, seeded.seeded_at), (START_SLOT + 8, START + 4));
    assert_eq!(seeded.seed, world.hashes.of(START_SLOT + 8).unwrap());

    let event = world.claim_lease(job, 1, p).ok().event::<events::LeaseClaimed>();
    assert_eq!((event.job, event.index, event.provider, event.kind), (job.address, 1, p.address, 0));
    assert_eq!((event.attempt, event.pay, event.commit_by), (0, 28, START + 140));
    let lease = world.lease(job, 1);
    assert_eq!((lease.version, lease.state, lease.job), (1, state::LeaseState::Open, job.address));
    assert_eq!((lease.index, lease.units, lease.replicas, lease.payer), (1, 4, 1, p.operator));
    assert_eq!((lease.claims, lease.rounds, lease.reveal_by, lease.open_by), (1, 0, 0, 0));
    assert_eq!((lease.group, lease.missing, lease.call, lease.pay, lease.awards), (0, 0, 0, 28, 0));
    assert_eq!((lease.seed, lease.seed_slot), (seeded.seed, seeded.seed_slot));
    assert_eq!((lease.opened_at, lease.result_root, lease.reserved), (START + 4, [0; 32], [0; 16]));
    assert_eq!(world.lamports(p.operator), operator - world.rent(state::Lease::space(1)));
    assert_eq!(world.load::<state::Provider>(p.address).unwrap().open_leases, 1);

    world.advance(120);
    let work = world.work(job, 1, p, 0);
    let event = world.commit_result(job, 1, p, 0).ok().event::<events::ResultCommitted>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 1, p.address));
    assert_eq!((event.commitment, event.sealed, event.reveal_by), (work.commitment(), work.sealed, 0));
    let seat = world.seat(job, 1, p).unwrap();
    assert_eq!((seat.state(), seat.slot), (state::SeatState::Committed, START_SLOT + 350));

    world.advance(4);
    let event = world.draw_audit(job, 1, p).ok().event::<events::ResultDrawn>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 1, p.address));
    assert_eq!((event.draw, event.reveal_by), (state::Draw::Passed as u8, START + 144 + 60));

    let sent = world.reveal_result(job, 1, p, 0).ok();
    let event = sent.event::<events::ResultRevealed>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 1, p.address));
    assert_eq!((event.result_root, event.work_root), (work.reveal.result_root, work.reveal.work_root));
    let event = sent.event::<events::LeaseAgreed>();
    assert_eq!((event.job, event.index), (job.address, 1));
    assert_eq!((event.result_root, event.open_by), (work.reveal.result_root, START + 144 + 60));

    let event = world.open_result(job, 1, p).ok().event::<events::ResultOpened>();
    assert_eq!((event.job, event.index, event.provider, event.key), (job.address, 1, p.address, work.key));

    let sent = world.settle_lease(job, 1, p).ok();
    let event = sent.event::<events::LeaseSettled>();
    assert_eq!((event.job, event.index, event.provider), (job.address, 1, p.address));
    assert_eq!((event.pay, event.kind, event.first_unit, event.units), (28, 0, 4, 4));
    assert_eq!((event.result_root, event.sealed, event.key), (work.reveal.result_root, work.sealed, work.key));
    let event = sent.event::<events::LeaseClosed>();
    assert_eq!((event.job, event.index), (job.address, 1));
    assert!(!world.exists(job.lease(1)));
    assert_eq!(world.lamports(p.operator), operator, "the rent is back");
    assert_eq!((world.tokens(job.escrow), world.tokens(p.vault)), (249 - 28, 5_000 + 28));
    let account = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((account.paid, account.owed, account.settled_leases, account.settled_units), (28, 0, 1, 4));
    assert_eq!(world.settled(job), [1]);
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.earned, account.total_earned, account.open_leases), (28, 28, 0));
    assert_eq!((account.leases_settled, account.units_settled), (1, 4));

    world.complete(job, 0, &[p]);
    world.close_job(job).expect_err(TesseraError::JobNotOver);
    world.complete(job, 2, &[p]);
    assert_eq!(world.settled(job), [0, 1, 2]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.job, event.deposited, event.paid), (job.address, 249, 70));
    assert_eq!((event.treasury, event.burned, event.refunded, event.surplus), (1, 2, 176, 0));
    assert_eq!((event.audit_reserve, event.audits_paid), (168, 0));
    assert_eq!((world.tokens(world.treasury), world.supply()), (1, supply - 2));
    assert_eq!((world.tokens(client.tokens), world.tokens(p.vault)), (tokens - 73, 5_070));
    assert_eq!(world.lamports(client.wallet), lamports, "the rent is back");
    assert!(!world.exists(job.address) && !world.exists(job.escrow));
}

#[test]
fn nothing_assumes_a_number_of_decimals() {
    for decimals in [0, 6, 8, 9, 18, 255] {
        let mut world = World::with(|b| b.decimals = decimals);
        let (client, p) = (world.clients[0], world.providers[0]);
        let job = world.job(client, &JobTerms::default());
        for index in 0..3 {
            world.complete(job, index, &[p]);
        }
        let event = world.close_job(job).ok().event::<events::JobClosed>();
        assert_eq!((event.paid, event.treasury, event.burned, event.refunded), (70, 1, 2, 176));
    }
}

#[test]
fn a_job_may_have_as_many_leases_as_the_protocol_allows() {
    let mut world = World::with(|b| b.tokens = 10_000_000);
    let (client, p) = (world.clients[0], world.providers[0]);
    let units = u64::from(constants::MAX_LEASES);
    let job = world.job(client, &JobTerms { units, units_per_lease: 1, ..JobTerms::default() });
    assert_eq!(world.load::<state::Job>(job.address).unwrap().leases, constants::MAX_LEASES);
    assert_eq!(world.account(job.address).unwrap().data().len(), state::Job::BITMAP_OFFSET + 8_192);
    for index in [0, 7, 8, constants::MAX_LEASES - 1] {
        world.complete(job, index, &[p]);
        world.claim_lease(job, index, p).expect_err(TesseraError::LeaseSettled);
    }
    assert_eq!(world.settled(job), [0, 7, 8, constants::MAX_LEASES - 1]);
    world.claim_lease(job, constants::MAX_LEASES, p).expect_err(TesseraError::NoSuchLease);
}

#[test]
fn the_largest_amounts_are_paid_exactly() {
    // Work, its audits, the fee of 10 % on both and two stakes that cover a seat each fill the whole supply that a mint can
    // have.
    let price = u64::MAX / 40;
    let audit = AuditParams { lock_multiple: 8, reserve_bps: 1, ..AuditParams::default() };
    let deposit = payout::escrow(price, 2, 1, 2, &audit, 1_000).unwrap().total().unwrap();
    let stake = (u64::MAX - deposit) / 2;
    let mut world = World::with(|b| {
        b.terms.fee_bps = 1_000;
        (b.tokens, b.stake, b.terms.min_stake, b.terms.stake_cap) = (0, 0, 0, stake);
    });
    let (client, p, q) = (world.clients[0], world.providers[0], world.providers[1]);
    for provider in [p, q] {
        world.set_tokens(provider.tokens, world.mint, provider.authority, stake);
        world.add_stake(provider, stake).ok();
    }
    world.set_tokens(client.tokens, world.mint, client.wallet, u64::MAX - 2 * stake);
    let terms = JobTerms { units: 2, units_per_lease: 1, replicas: 2, price_per_unit: price, ..JobTerms::default() };
    let job = world.job(client, &terms);
    assert_eq!(world.tokens(job.escrow), deposit);
    world.complete(job, 0, &[p, q]);
    world.complete(job, 1, &[p, q]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.treasury + event.burned), (4 * price, 4 * price / 10));
    assert_eq!(world.tokens(client.tokens), u64::MAX - 2 * stake - 4 * price - 4 * price / 10);
}

#[test]
fn a_limit_on_the_deposit_protects_from_a_new_fee() {
    let mut world = World::with(|_| {});
    let client = world.clients[0];
    let mut args = world.job_args(&JobTerms::default());
    args.max_deposit = 249;
    let mut higher = world.terms;
    higher.fee_bps = 600;
    world.update_market(higher).ok();
    world.post_job_with(client, args.clone()).expect_err(TesseraError::DepositAboveLimit);
    args.max_deposit = 252;
    world.post_job_with(client, args).ok();
}

#[test]
fn an_untouched_job_that_is_cancelled_closes_at_once() {
    let mut world = World::with(|_| {});
    let (client, tokens) = (world.clients[0], world.tokens(world.clients[0].tokens));
    let lamports = world.lamports(client.wallet);
    let job = world.job(client, &JobTerms::default());
    let event = world.cancel_job(job).ok().event::<events::JobCancelled>();
    // Twice the longest course of a claim: 120 + 2 × 60.
    assert_eq!((event.job, event.deadline), (job.address, START + 480 + SEEDED));
    assert_eq!(world.load::<state::Job>(job.address).unwrap().state, state::JobState::Cancelled as u8);
    let event = world.close_job_showing(job, &[0, 1, 2]).ok().event::<events::JobClosed>();
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned, event.refunded), (249, 0, 0, 0, 249));
    assert_eq!((world.tokens(client.tokens), world.lamports(client.wallet)), (tokens, lamports));
}

#[test]
fn a_cancelled_job_shows_leases_that_were_begun_and_left() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    let operator = world.lamports(p.operator);
    world.complete(job, 0, &[p]);
    world.claim_lease(job, 2, p).ok();
    world.cancel_job(job).ok();
    world.close_job_showing(job, &[1, 2]).expect_err(TesseraError::LeaseNotVacant);
    world.return_lease(job, 2, p).ok();
    let event = world.close_job_showing(job, &[1, 2]).ok().event::<events::JobClosed>();
    // 5 % of 28 is 1; 40 % of it is nothing.
    assert_eq!((event.paid, event.treasury, event.burned, event.refunded), (28, 0, 1, 220));
    world.close_lease(job, 2).ok();
    assert_eq!(world.lamports(p.operator), operator);
}

#[test]
fn cancelling_shortens_the_deadline_and_never_lengthens_it() {
    let mut world = World::with(|_| {});
    let client = world.clients[0];
    let job = world.job(client, &JobTerms { seconds: 300, ..JobTerms::default() });
    world.cancel_job(job).ok();
    assert_eq!(world.load::<state::Job>(job.address).unwrap().deadline, START + 300);
    let job = world.job(client, &JobTerms { seconds: 300, ..JobTerms::default() });
    world.advance(300 - SEEDED);
    world.cancel_job(job).ok();
    assert_eq!(world.load::<state::Job>(job.address).unwrap().deadline, START + SEEDED + 300);
}

#[test]
fn an_unfinished_job_closes_after_its_grace() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 1, &[p]);
    world.set_time(START + 3_600 + 300);
    world.close_job(job).expect_err(TesseraError::JobNotOver);
    world.advance(1);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.treasury, event.burned, event.refunded), (28, 0, 1, 220));
}

#[test]
fn tokens_that_strangers_send_to_an_escrow_go_to_the_client() {
    let mut world = World::with(|_| {});
    let (client, tokens) = (world.clients[0], world.tokens(world.clients[0].tokens));
    let job = world.job(client, &JobTerms::default());
    let (stranger, gift) = world.new_wallet_with_tokens("stranger", 1_000);
    world.transfer_tokens(gift, job.escrow, stranger, 999);
    world.cancel_job(job).ok();
    let event = world.close_job_showing(job, &[0, 1, 2]).ok().event::<events::JobClosed>();
    assert_eq!((event.deposited, event.refunded, event.surplus), (249, 249, 999));
    assert_eq!(world.tokens(client.tokens), tokens + 999);
}

#[test]
fn lamports_sent_to_addresses_in_advance_stop_nothing() {
    let mut world = World::with(|b| (b.providers, b.clients) = (0, 0));
    let stranger = world.new_wallet("stranger");
    let gift = |world: &mut World, to| world.transfer_lamports(stranger, to, 5_000_000);
    let (p, client) = (world.new_provider(0, 10_000), world.new_client(0, 10_000));
    gift(&mut world, p.address);
    gift(&mut world, p.vault);
    gift(&mut world, client.address);
    world.register_provider(p).ok();
    world.add_stake(p, 5_000).ok();
    world.advance(1);
    world.register_client(client).ok();
    let terms = JobTerms::default();
    let job = world.next_job(client, &terms);
    let (wallet, operator) = (world.lamports(client.wallet), world.lamports(p.operator));
    gift(&mut world, job.address);
    gift(&mut world, job.escrow);
    world.post_job(client, &terms).ok();
    world.advance(4);
    world.seed_job(job).ok();
    world.advance(20);
    for index in 0..3 {
        gift(&mut world, job.lease(index));
        world.complete(job, index, &[p]);
        assert!(!world.exists(job.lease(index)));
    }
    world.close_job(job).ok();
    // Whoever paid the rent of an account gets what was in it.
    assert_eq!(world.lamports(client.wallet), wallet + 2 * 5_000_000);
    assert_eq!(world.lamports(p.operator), operator + 3 * 5_000_000);
}

#[test]
fn lamports_sent_to_a_closed_job_do_not_bring_it_back() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms::default());
    world.claim_lease(job, 0, p).ok();
    world.advance(10_000);
    world.close_job(job).ok();
    let stranger = world.new_wallet("stranger");
    world.transfer_lamports(stranger, job.address, 5_000_000);
    world.expire_lease(job, 0, p).ok();
    world.close_lease(job, 0).ok();
    assert_eq!(world.load::<state::Provider>(p.address).unwrap().expiries, 0);
}

#[test]
fn close_needs_a_refund_account() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let close_tokens = |world: &mut World| world.set_account(client.tokens, solana_account::Account::default());
    // Something always comes back: the reserve, if nothing else.
    let terms = JobTerms { units: 20, units_per_lease: 20, ..JobTerms::default() };
    let (done, rest) = (world.job(client, &terms), world.job(client, &terms));
    world.complete(done, 0, &[p]);
    world.advance(100_000);
    close_tokens(&mut world);
    world.close_job(done).expect_err(TesseraError::RefundAccountMissing);
    world.close_job(rest).expect_err(TesseraError::RefundAccountMissing);
    // Anyone may create it, so a client cannot hold up the treasury.
    let (mint, wallet) = (world.mint, client.wallet);
    world.set_packed(
        client.tokens,
        spl_token_interface::state::Account {
            mint,
            owner: wallet,
            state: spl_token_interface::state::AccountState::Initialized,
            ..Default::default()
        },
    );
    world.close_job(done).ok();
    world.close_job(rest).ok();
    // 140, two audits of as much, and 21 of fee; of one of them 140 and 7 were spent.
    assert_eq!(world.tokens(client.tokens), 441 + 441 - 147);
}

#[test]
fn the_mint_is_needed_only_for_a_burn() {
    let mut world = World::with(|b| b.terms.treasury_bps = 10_000);
    let (client, p) = (world.clients[0], world.providers[0]);
    let terms = JobTerms { units: 20, units_per_lease: 20, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.complete(job, 0, &[p]);
    let event = world.close_job(job).replace("mint", tessera::ID).readonly("mint").ok().event::<events::JobClosed>();
    assert_eq!((event.treasury, event.burned), (7, 0));

    let mut world = World::with(|_| {});
    let job = world.job(client, &terms);
    world.complete(job, 0, &[p]);
    world.close_job(job).replace("mint", tessera::ID).readonly("mint").expect_err(TesseraError::MintMissing);
}
