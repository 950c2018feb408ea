//! What somebody would try who has no outputs, or wants them for nothing.

use solana_instruction::Instruction;
use tessera::{TesseraError, events, state::SeatState};
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    call::{Call, Refusal, Snapshot},
    terms::JobTerms,
    world::{Job, LAMPORTS, Provider, VOID, World, answer_bytes},
};

const PAY: u64 = 28;
const LOCK: u64 = 8 * PAY;
const BOND: u64 = 10;
const STAKE: u64 = 5_000;

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

/// A job of a single lease whose outputs may be asked for.
fn stage(n: usize, replicas: u8) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| b.providers = n);
    let terms = JobTerms { units: 4, replicas, challenge_seconds: 500, seconds: 10_000, ..JobTerms::default() };
    let (job, p) = (world.job(world.clients[0], &terms), world.providers.clone());
    (world, job, p)
}

fn opened(replicas: u8) -> (World, Job, Vec<Provider>) {
    let (mut world, job, p) = stage(usize::from(replicas), replicas);
    world.agree(job, 0, &p);
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    (world, job, p)
}

#[test]
fn a_copied_root_has_no_answer() {
    let (mut world, job, p) = stage(2, 2);
    world.commit(job, 0, p[0], 0);
    // The second has the right root, from whoever gave it away, and made up its work.
    world.claim_lease(job, 0, p[1]).ok();
    let mut copied = world.work(job, 0, p[1], 0);
    copied.reveal.work_root = [7; 32];
    let commitment = copied.commitment();
    world.commit_result(job, 0, p[1], 0).with_data(|data| data[8..40].copy_from_slice(&commitment)).ok();
    world.draw(job, 0, &p);
    world.reveal_result(job, 0, p[0], 0).ok();
    world.reveal(job, 0, p[1], &copied, None).ok();
    p.iter().for_each(|p| drop(world.open_result(job, 0, *p).ok()));
    world.demand_chunk(job, 0, p[1], 4).ok();
    // Not even now that it has all bytes.
    let answer = world.write_result(job, 0, p[1], p[1].operator, 0);
    world.answer_chunk(job, 0, p[1], p[1].operator).expect_err(TesseraError::WrongAnswer);
    world.drop_answer(p[1].operator, answer).ok();
    world.advance(121);
    world.expire_demand(job, 0, p[1]).ok();
    world.slash_seat(job, 0, p[1]).ok();
    assert_eq!((world.provider(p[1]).stake, world.provider(p[1]).faults), (STAKE - LOCK, 1));
}

#[test]
fn outputs_that_were_never_sealed_have_no_answer() {
    let (mut world, job, p) = stage(1, 1);
    world.claim_lease(job, 0, p[0]).ok();
    // Something else is in the store than what the roots were made from.
    world.commit_result(job, 0, p[0], 0).with_data(|data| data[40..72].copy_from_slice(&[9; 32])).ok();
    world.draw(job, 0, &p);
    world.reveal_and_open(job, 0, p[0], 0).ok();
    world.demand_chunk(job, 0, p[0], 0).ok();
    world.write_result(job, 0, p[0], p[0].operator, 0);
    world.answer_chunk(job, 0, p[0], p[0].operator).expect_err(TesseraError::WrongAnswer);
}

#[test]
fn the_answer_of_another_seat_or_chunk_is_none() {
    let (mut world, job, p) = opened(2);
    world.demand_chunk(job, 0, p[0], 1).ok();
    world.demand_chunk(job, 0, p[1], 1).ok();
    let [first, second] = [0, 1].map(|i| world.work(job, 0, p[i], 0));
    for answer in [second.answer(1), first.answer(2), first.answer(0)] {
        let written = world.write(job, 0, p[0], p[0].operator, &answer_bytes(&answer));
        world.answer_chunk(job, 0, p[0], p[0].operator).expect_err(TesseraError::WrongAnswer);
        world.drop_answer(p[0].operator, written).ok();
    }
    world.answer(job, 0, p[0], 0);
}

#[test]
fn nobody_is_paid_before_its_outputs_may_be_asked_for() {
    let (mut world, job, p) = stage(1, 1);
    world.commit_and_draw(job, 0, p[0], 0);
    let reveal = instruction(world.reveal_and_open(job, 0, p[0], 0));
    let settle = instruction(world.settle_lease(job, 0, p[0]));
    refused_together(&mut world, &[reveal.clone(), settle.clone()], TesseraError::ChallengeOpen);
    world.send(&[reveal]).expect("alone");
    world.advance(499);
    refused_together(&mut world, std::slice::from_ref(&settle), TesseraError::ChallengeOpen);
    world.demand_chunk(job, 0, p[0], 0).ok();
    world.advance(1_000);
    refused_together(&mut world, std::slice::from_ref(&settle), TesseraError::DemandPending);
    world.answer(job, 0, p[0], 0);
    world.send(&[settle]).expect("in the end");
}

#[test]
fn a_client_asks_neither_late_nor_without_end_nor_for_nothing() {
    let (mut world, job, p) = opened(1);
    world.advance(500);
    world.demand_chunk(job, 0, p[0], 0).expect_err(TesseraError::ChallengeOver);
    // A job that has no time for demands takes none.
    let plain = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    world.agree(plain, 0, &p);
    world.open_result(plain, 0, p[0]).ok();
    world.demand_chunk(plain, 0, p[0], 0).expect_err(TesseraError::ChallengeOver);
    // Somebody else's tokens do not ask.
    let stranger = world.new_wallet("stranger");
    world.demand_chunk(job, 0, p[0], 0).replace("wallet", stranger).expect_err(TesseraError::WrongWallet);
}

#[test]
fn where_there_is_nothing_to_compute_there_is_nothing_to_show() {
    let (mut world, job, p) = stage(4, 2);
    world.commit(job, 0, p[0], VOID);
    world.commit(job, 0, p[1], 0);
    world.draw(job, 0, &p[..2]);
    world.reveal_result(job, 0, p[0], VOID).ok();
    world.reveal_result(job, 0, p[1], 0).ok();
    world.seed_group(job, 0, Kind::Dispute);
    world.vote(job, 0, &[(p[2], VOID), (p[3], VOID)]);
    for provider in [p[0], p[2], p[3]] {
        world.open_result(job, 0, provider).ok();
        world.demand_chunk(job, 0, provider, 0).expect_err(TesseraError::NothingToDemand);
    }
}

#[test]
fn a_job_is_not_closed_under_a_demand() {
    let (mut world, job, p) = opened(2);
    world.demand_chunk(job, 0, p[0], 0).ok();
    world.cancel_job(job).ok();
    world.close_job_showing(job, &[0]).expect_err(TesseraError::LeaseContested);
    world.advance(100_000);
    world.close_job(job).expect_err(TesseraError::LeaseContested);
    // The other is paid: now the lease has settled, and the seat is owed what it is due.
    world.settle_lease(job, 0, p[1]).ok();
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.answer(job, 0, p[0], 0);
    world.close_job(job).expect_err(TesseraError::PayStillOwed);
    world.settle_lease(job, 0, p[0]).ok();
    assert_eq!([0, 1].map(|i| world.provider(p[i]).earned), [PAY + BOND, PAY]);
    world.close_job(job).ok();
}

#[test]
fn an_answer_is_taken_once() {
    let (mut world, job, p) = opened(1);
    let stranger = world.new_wallet("stranger");
    world.demand_chunk(job, 0, p[0], 2).ok();
    let mine = world.write_result(job, 0, p[0], p[0].operator, 0);
    let theirs = world.write_result(job, 0, p[0], stranger, 0);
    let answers = [p[0].operator, stranger].map(|payer| instruction(world.answer_chunk(job, 0, p[0], payer)));
    refused_together(&mut world, &answers, TesseraError::NothingDemanded);
    refused_together(
        &mut world,
        &[answers[0].clone(), answers[0].clone()],
        anchor_lang::error::ErrorCode::AccountNotInitialized,
    );
    world.send(&answers[..1]).expect("once");
    assert!(!world.exists(mine) && world.exists(theirs));
    // Whoever copied the bytes gets its rent back, and nothing else.
    world.drop_answer(stranger, theirs).ok();
    assert_eq!(world.lamports(stranger), LAMPORTS);
    assert_eq!(world.seat(job, 0, p[0]).unwrap().bonds, BOND);
}

#[test]
fn an_answer_that_was_closed_is_not_brought_back_in_its_transaction() {
    let (mut world, job, p) = opened(1);
    let payer = p[0].operator;
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.write_result(job, 0, p[0], payer, 0);
    let answer = instruction(world.answer_chunk(job, 0, p[0], payer));
    let address = world.answer_address(job, 0, p[0], payer);
    let rent = solana_system_interface::instruction::transfer(&payer, &address, 10_000_000);
    let begin = instruction(world.begin_answer(job, 0, p[0], payer, 1_500));
    // With rent from elsewhere it is nobody's account; begun once more it holds nothing.
    refused_together(
        &mut world,
        &[answer.clone(), rent, answer.clone()],
        anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram,
    );
    refused_together(&mut world, &[answer.clone(), begin, answer], TesseraError::NothingDemanded);
}

#[test]
fn a_demand_pays_once_whoever_it_goes_to() {
    // Answered, then convicted of the next: no bond is paid, and all of them go back.
    let (mut world, job, p) = opened(1);
    let before = world.tokens(job.client.tokens);
    world.demand_chunk(job, 0, p[0], 2).ok();
    world.answer(job, 0, p[0], 0);
    world.demand_chunk(job, 0, p[0], 3).ok();
    assert_eq!(world.tokens(job.client.tokens), before - 2 * (BOND + 1));
    world.advance(121);
    let expire = instruction(world.expire_demand(job, 0, p[0]));
    refused_together(&mut world, &[expire.clone(), expire.clone()], TesseraError::NothingDemanded);
    world.send(&[expire]).expect("once");
    assert_eq!(world.seat(job, 0, p[0]).unwrap().state(), SeatState::Convicted);
    world.demand_chunk(job, 0, p[0], 3).expect_err(TesseraError::LeaseNotAgreed);
    world.settle_lease(job, 0, p[0]).expect_err(TesseraError::LeaseNotAgreed);
    let event = world.slash_seat(job, 0, p[0]).ok().event::<events::SeatSlashed>();
    assert_eq!((event.awarded, event.burned), (0, LOCK));
    world.advance(20_000);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    assert_eq!((event.paid, event.refunded, event.surplus), (0, event.deposited, 0));
}
