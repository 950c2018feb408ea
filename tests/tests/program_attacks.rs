//! What somebody would try who wants more than is due: to be paid twice, for nothing, or out of another pocket; to keep
//! others from what is theirs; to take their rent.

use anchor_lang::error::ErrorCode;
use solana_account::{Account, ReadableAccount};
use solana_instruction::Instruction;
use spl_token_interface::state::AccountState;
use tessera::{TesseraError, events, state};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    call::{Call, Refusal, Snapshot},
    terms::JobTerms,
    world::{LAMPORTS, Provider, World},
};

fn instruction(call: Call<'_>) -> Instruction {
    call.into_parts().0
}

/// Sends all in one transaction, expects this refusal, and that nothing has changed.
#[track_caller]
fn refused_together(world: &mut World, instructions: &[Instruction], refusal: impl Into<Refusal>) {
    let before = Snapshot::of(world);
    let failed = world.send(instructions).expect_err("a refusal");
    assert_eq!(Refusal::from(failed.err), refusal.into(), "{}", failed.meta.logs.join("\n"));
    assert!(before.changes(world).is_empty());
}

#[test]
fn a_seat_is_paid_once_in_a_transaction_too() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.agree(job, 0, &p);
    world.open_result(job, 0, p[0]).ok();
    let settle = instruction(world.settle_lease(job, 0, p[0]));
    refused_together(&mut world, &[settle.clone(), settle], TesseraError::SeatNotFound);
}

#[test]
fn a_provider_that_has_earned_all_there_is_blocks_nobodys_escrow() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    // What endless trading with oneself leads to. The field follows four keys and four numbers.
    const TOTAL_EARNED: usize = 8 + 8 + 4 * 32 + 4 * 8;
    let original = world.account(p[0].address).expect("a provider");
    let mut data = original.data().to_vec();
    data[TOTAL_EARNED..TOTAL_EARNED + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    let changed = Account { lamports: original.lamports(), data, owner: *original.owner(), ..Account::default() };
    world.set_account(p[0].address, changed);
    assert_eq!(world.provider(p[0]).total_earned, u64::MAX);

    world.agree(job, 0, &p);
    for provider in &p {
        world.open_result(job, 0, *provider).ok();
        world.settle_lease(job, 0, *provider).ok();
    }
    let provider = world.provider(p[0]);
    assert_eq!((provider.total_earned, provider.earned), (u64::MAX, 28));
    let job: state::Job = world.load(job.address).expect("the job is open");
    assert_eq!(job.owed, 0);
}

#[test]
fn a_lease_that_is_closed_is_not_brought_back_within_a_transaction() {
    let (mut world, job, p) = World::with_replicas(2, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    let settle = instruction(world.settle_lease(job, 0, p[0]));
    let fund = solana_system_interface::instruction::transfer(&p[0].operator, &job.lease(0), 10_000_000);
    let claim = instruction(world.claim_lease(job, 0, p[1]));
    refused_together(
        &mut world,
        &[settle.clone(), fund.clone(), settle.clone()],
        ErrorCode::AccountOwnedByWrongProgram,
    );
    refused_together(&mut world, &[settle.clone(), fund.clone(), claim.clone()], TesseraError::LeaseSettled);
    world.send(&[settle, fund]).expect("a gift to nobody");
    refused_together(&mut world, &[claim], TesseraError::LeaseSettled);
    assert_eq!(world.tokens(p[0].vault), 5_028);
}

#[test]
fn a_job_that_is_closed_is_not_brought_back_within_a_transaction() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    let client = world.clients[0];
    world.claim_lease(job, 0, p[0]).ok();
    world.advance(100_000);
    let close = instruction(world.close_job(job));
    let fund = solana_system_interface::instruction::transfer(&client.wallet, &job.address, 10_000_000);
    refused_together(&mut world, &[close.clone(), fund.clone(), close.clone()], ErrorCode::AccountOwnedByWrongProgram);
    world.send(&[close, fund]).expect("a gift to nobody");
    world.claim_lease(job, 0, p[0]).expect_err(ErrorCode::AccountOwnedByWrongProgram);
    world.expire_lease(job, 0, p[0]).ok();
    world.close_lease(job, 0).ok();
    assert_eq!(world.lamports(p[0].operator), LAMPORTS);
}

#[test]
fn a_whole_lease_takes_two_transactions_and_is_paid_once() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    // The first attempt of the lease is number 0, so all is known in advance but the hash that decides about an audit.
    let claim = [instruction(world.claim_lease(job, 0, p[0])), instruction(world.commit_result(job, 0, p[0], 0))];
    let finish = [
        instruction(world.draw_audit(job, 0, p[0])),
        instruction(world.reveal_and_open(job, 0, p[0], 0)),
        instruction(world.settle_lease(job, 0, p[0])),
    ];
    refused_together(&mut world, &[&claim[..], &finish[..]].concat(), TesseraError::DrawTooEarly);
    refused_together(&mut world, &[&claim[..], &finish[1..]].concat(), TesseraError::RevealNotOpen);
    world.send(&claim).expect("an honest provider may be fast");
    let slot = world.draw_slot(job, 0, p[0]);
    world.advance_past(slot);
    world.send(&finish).expect("an honest provider may be fast");
    assert_eq!((world.tokens(p[0].vault), world.lamports(p[0].operator)), (5_028, LAMPORTS));
    refused_together(&mut world, &claim, TesseraError::LeaseSettled);
}

#[test]
fn a_copied_commitment_is_worth_nothing() {
    let (mut world, job, p) = World::with_replicas(3, 2);
    world.commit(job, 0, p[0], 0);
    let copied = world.work(job, 0, p[0], 0);
    world.claim_lease(job, 0, p[1]).ok();
    let commitment = copied.commitment();
    world.commit_result(job, 0, p[1], 0).with_data(|data| data[8..40].copy_from_slice(&commitment)).ok();
    world.draw(job, 0, &p[..2]);
    world.reveal_result(job, 0, p[0], 0).ok();
    // It knows everything that the other has revealed, and cannot use it.
    world.reveal(job, 0, p[1], &copied, None).expect_err(TesseraError::CommitmentMismatch);
    world.advance(61);
    // To the others it is silent: somebody else answers for it, and it pays with its lock.
    world.advance_lease(job, 0).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.commit(job, 0, p[2], 0);
    world.reveal_result(job, 0, p[2], 0).ok();
    assert_eq!(world.lease(job, 0).state, state::LeaseState::Agreed);
    world.slash_seat(job, 0, p[1]).ok();
    assert_eq!((world.provider(p[1]).faults, world.provider(p[1]).stake), (1, 5_000 - 224));
}

#[test]
fn a_commitment_of_another_lease_or_job_is_worth_nothing() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let (job, other) = (world.job(client, &JobTerms::default()), world.job(client, &JobTerms::default()));
    world.commit_and_draw(job, 0, p, 0);
    let known = world.work(job, 0, p, 0);
    for (job, index) in [(job, 1), (other, 0)] {
        world.claim_lease(job, index, p).ok();
        let commitment = known.commitment();
        world.commit_result(job, index, p, 0).with_data(|data| data[8..40].copy_from_slice(&commitment)).ok();
        world.draw(job, index, &[p]);
        world.reveal(job, index, p, &known, Some(known.key)).expect_err(TesseraError::CommitmentMismatch);
    }
}

#[test]
fn anyone_may_crank_and_gains_nothing_by_it() {
    let (mut world, job, p) = World::with_replicas(3, 2);
    let (client, payer) = (world.clients[0], world.payer);
    let crank = |world: &mut World, call: Instruction| {
        assert!(call.accounts.iter().all(|account| !account.is_signer), "a crank needs no signature");
        let before = world.lamports(payer);
        let sent = world.send(&[call]).expect("a crank that is due");
        assert_eq!(world.lamports(payer), before - sent.0.fee, "who cranks pays the fee and gets nothing");
    };
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 0);
    world.advance(4);
    for provider in &p[..2] {
        let call = instruction(world.draw_audit(job, 0, *provider));
        crank(&mut world, call);
    }
    for provider in &p[..2] {
        let call = instruction(world.reveal_result(job, 0, *provider, 0));
        crank(&mut world, call);
    }
    let call = instruction(world.open_result(job, 0, p[0]));
    crank(&mut world, call);
    let call = instruction(world.settle_lease(job, 0, p[0]));
    crank(&mut world, call);
    world.advance(61);
    let call = instruction(world.expire_lease(job, 0, p[1]));
    crank(&mut world, call);
    let call = instruction(world.close_lease(job, 0));
    crank(&mut world, call);
    let call = instruction(world.close_job(job));
    crank(&mut world, call);
    assert_eq!(world.lamports(client.wallet), LAMPORTS - world.rent(8 + 138));
}

#[test]
fn a_client_cannot_end_a_job_under_a_working_provider() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    world.cancel_job(job).ok();
    world.reveal_and_open(job, 0, p[0], 0).ok();
    // The key is public now; the client still has to pay.
    world.close_job_showing(job, &[0]).expect_err(TesseraError::LeaseNotVacant);
    world.advance(480 + 300);
    world.close_job_showing(job, &[0]).expect_err(TesseraError::LeaseNotVacant);
    world.settle_lease(job, 0, p[0]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // What comes back is the reserve of two audits, and its fee.
    assert_eq!((event.paid, event.refunded), (28, 59));
}

#[test]
fn the_authority_cannot_hold_up_what_has_begun() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.claim_lease(job, 0, p[0]).ok();
    world.claim_lease(job, 0, p[1]).ok();
    world.request_unstake(p[0], 1_000).ok();
    let mut terms = world.terms;
    (terms.min_stake, terms.max_open_leases, terms.fee_bps) = (u64::MAX, 1, 1_000);
    (terms.reveal_seconds, terms.grace_seconds, terms.unstake_seconds) = (86_400, 604_800, 7_776_000);
    (terms.p_min_bps, terms.reserve_bps, terms.lock_multiple, terms.probation) = (5_000, 5_000, 20, 1_000);
    world.update_market(terms).ok();
    world.pause().ok();
    for provider in &p {
        world.commit_result(job, 0, *provider, 0).ok();
    }
    world.draw(job, 0, &p);
    assert_eq!(world.lease(job, 0).reveal_by, world.now() + 60);
    for provider in &p {
        world.reveal_result(job, 0, *provider, 0).ok();
    }
    for provider in &p {
        world.open_result(job, 0, *provider).ok();
        world.settle_lease(job, 0, *provider).ok();
    }
    // The wait of what was asked back is the one of the day it was asked.
    world.advance(3_600);
    world.withdraw_stake(p[0]).ok();
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // Of 56 + 112 for audits + 8: 56 and 2.
    assert_eq!((event.paid, event.treasury + event.burned, event.refunded), (56, 2, 118));
}

#[test]
fn replicas_claimed_before_and_after_a_raise_are_both_covered() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.claim_lease(job, 0, p[0]).ok();
    world.top_up_job(job, 0, 10).ok();
    world.claim_lease(job, 0, p[1]).ok();
    assert_eq!(world.seat(job, 0, p[0]).unwrap().pay, 28);
    assert_eq!(world.seat(job, 0, p[1]).unwrap().pay, 68);
    for provider in &p {
        world.commit_result(job, 0, *provider, 0).ok();
    }
    world.draw(job, 0, &p);
    for provider in &p {
        world.reveal_result(job, 0, *provider, 0).ok();
    }
    world.pay(job, 0, &p);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // 56 + 112 + 8, then 80 + 160 + 12 more; paid 28 + 68 and 4 of fee.
    assert_eq!((event.deposited, event.paid, event.treasury + event.burned, event.refunded), (428, 96, 4, 328));
}

#[test]
fn a_raise_after_a_settlement_does_not_reach_what_is_owed() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.agree(job, 0, &p);
    world.open_result(job, 0, p[0]).ok();
    world.settle_lease(job, 0, p[0]).ok();
    let event = world.top_up_job(job, 0, 1_000).ok().event::<events::JobToppedUp>();
    assert_eq!(event.added, 0, "nothing is left that could be paid more");
    world.open_result(job, 0, p[1]).ok();
    world.settle_lease(job, 0, p[1]).ok();
    assert_eq!(world.tokens(p[1].vault), 5_028);
    world.close_job(job).ok();
}

#[test]
fn a_frozen_vault_blocks_its_own_seat_alone() {
    let (mut world, job, p) = World::with_replicas(2, 2);
    world.agree(job, 0, &p);
    let freeze = |world: &mut World, state: AccountState| {
        let mut vault = world.token_account(p[0].vault).unwrap();
        vault.state = state;
        world.set_packed(p[0].vault, vault);
    };
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    freeze(&mut world, AccountState::Frozen);
    // Of the token program: the account is frozen.
    world.settle_lease(job, 0, p[0]).expect_err(Refusal::Code(17));
    world.settle_lease(job, 0, p[1]).ok();
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    freeze(&mut world, AccountState::Initialized);
    world.settle_lease(job, 0, p[0]).ok();
    world.close_job(job).ok();
}

#[test]
fn tokens_sent_to_a_vault_are_neither_stake_nor_earnings() {
    let mut world = World::with(|_| {});
    let (p, client) = (world.providers[0], world.clients[0]);
    world.transfer_tokens(client.tokens, p.vault, client.wallet, 10_000);
    let account = world.load::<state::Provider>(p.address).unwrap();
    assert_eq!((account.stake, account.earned), (5_000, 0));
    world.request_unstake(p, 5_001).expect_err(TesseraError::MoreThanStake);
    world.withdraw_earnings(p).expect_err(TesseraError::NothingEarned);
}

#[test]
fn an_operator_can_neither_unstake_nor_redirect() {
    let mut world = World::with(|_| {});
    let (p, client) = (world.providers[0], world.clients[0]);
    let (thief, thiefs) = world.new_wallet_with_tokens("thief", 0);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    world.request_unstake(p, 1).replace("authority", p.operator).expect_err(TesseraError::WrongAuthority);
    world
        .update_provider(p, Some(thief), None)
        .replace("authority", p.operator)
        .expect_err(TesseraError::WrongAuthority);
    world.withdraw_earnings(p).replace("to", thiefs).expect_err(TesseraError::WrongAuthority);
    // An account of the authority that is not its associated one will do, so a frozen one does not hold up the others.
    let second = world.key("second account of the authority");
    world.set_tokens(second, world.mint, p.authority, 0);
    world.withdraw_earnings(p).replace("to", second).ok();
    assert_eq!(world.tokens(second), 28);
}

#[test]
fn a_new_operator_takes_over_at_once() {
    let (mut world, job, p) = World::with_replicas(1, 1);
    let operator = world.new_wallet("new operator");
    world.update_provider(p[0], Some(operator), None).ok();
    world.claim_lease(job, 0, p[0]).expect_err(TesseraError::WrongOperator);
    world.withdraw_earnings(p[0]).expect_err(TesseraError::NeitherAuthorityNorOperator);
    world.claim_lease(job, 0, Provider { operator, ..p[0] }).ok();
}
