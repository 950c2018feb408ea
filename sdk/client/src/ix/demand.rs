//! Chunks of opened outputs that a client demands, and the answers.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM, TOKEN, build};
use crate::{
    pda,
    program::tessera::client::{accounts, args},
    token,
};

/// Demands chunk `chunk`, modulo their number, of the outputs that the seat of `provider` has opened.
#[must_use]
pub fn demand_chunk(
    wallet: &Pubkey,
    job: &Pubkey,
    mint: &Pubkey,
    index: u32,
    provider: &Pubkey,
    chunk: u64,
) -> Instruction {
    let accounts = accounts::DemandChunk {
        wallet: *wallet,
        job: *job,
        lease: pda::lease(job, index),
        provider: *provider,
        escrow: pda::escrow(job),
        from: token::ata(wallet, mint),
        token_program: TOKEN,
    };
    build(&accounts, &args::DemandChunk { chunk })
}

/// Makes room for an answer of `len` bytes to what is demanded of `provider`.
#[must_use]
pub fn begin_answer(payer: &Pubkey, job: &Pubkey, index: u32, provider: &Pubkey, len: u16) -> Instruction {
    let lease = pda::lease(job, index);
    let accounts = accounts::BeginAnswer {
        payer: *payer,
        lease,
        provider: *provider,
        answer: pda::answer(&lease, provider, payer),
        system_program: SYSTEM,
    };
    build(&accounts, &args::BeginAnswer { len })
}

/// Writes a piece of an answer, which `payer` began at address `answer`.
#[must_use]
pub fn write_answer(payer: &Pubkey, answer: &Pubkey, offset: u16, bytes: Vec<u8>) -> Instruction {
    build(&accounts::WriteAnswer { payer: *payer, answer: *answer }, &args::WriteAnswer { offset, bytes })
}

/// Gives up an answer, which `payer` began at address `answer`.
#[must_use]
pub fn drop_answer(payer: &Pubkey, answer: &Pubkey) -> Instruction {
    build(&accounts::DropAnswer { payer: *payer, answer: *answer }, &args::DropAnswer)
}

/// Shows what `payer` has written. The transaction is not found among those of the job: named in it, a job that others keep
/// busy would keep the answer out.
#[must_use]
pub fn answer_chunk(payer: &Pubkey, job: &Pubkey, index: u32, provider: &Pubkey) -> Instruction {
    let lease = pda::lease(job, index);
    let accounts = accounts::AnswerChunk { lease, answer: pda::answer(&lease, provider, payer), payer: *payer };
    build(&accounts, &args::AnswerChunk)
}

/// Convicts the seat of `provider`, which has not shown in time what was demanded.
#[must_use]
pub fn expire_demand(job: &Pubkey, index: u32, provider: &Pubkey) -> Instruction {
    let accounts = accounts::ExpireDemand { job: *job, lease: pda::lease(job, index), provider: *provider };
    build(&accounts, &args::ExpireDemand)
}
