//! Demands of chunks, and answers, which are written piece by piece.

use anchor_lang::{AnchorSerialize, prelude::Pubkey, system_program};
use tessera::instruction;
use tessera_protocol::{outputs::Answer, seeds};

use super::{Job, Provider, World, pda};
use crate::call::{Call, call};

/// Bytes of an answer in one transaction.
const PIECE: usize = 900;

/// An answer as it is written into its account.
///
/// # Panics
/// Never: memory takes everything.
#[must_use]
pub fn answer_bytes(answer: &Answer) -> Vec<u8> {
    let Answer { output_len, chunk, sealed, unit, result, work } = answer;
    let mut bytes = output_len.to_le_bytes().to_vec();
    chunk.serialize(&mut bytes).expect("memory takes everything");
    for path in [sealed, unit, result, work] {
        path.serialize(&mut bytes).expect("memory takes everything");
    }
    bytes
}

impl World {
    /// `demand_chunk`.
    pub fn demand_chunk(&mut self, job: Job, index: u32, provider: Provider, chunk: u64) -> Call<'_> {
        call!(
            self,
            "demand_chunk",
            DemandChunk {
                wallet: job.client.wallet,
                job: job.address,
                lease: job.lease(index),
                provider: provider.address,
                escrow: job.escrow,
                from: job.client.tokens,
                token_program: spl_token_interface::ID,
            },
            instruction::DemandChunk { chunk }
        )
    }

    /// Where the answer of `payer` for a seat is written.
    #[must_use]
    pub fn answer_address(&self, job: Job, index: u32, provider: Provider, payer: Pubkey) -> Pubkey {
        pda(&[seeds::ANSWER, job.lease(index).as_ref(), provider.address.as_ref(), payer.as_ref()])
    }

    /// `begin_answer`.
    pub fn begin_answer(&mut self, job: Job, index: u32, provider: Provider, payer: Pubkey, len: u16) -> Call<'_> {
        let answer = self.answer_address(job, index, provider, payer);
        call!(
            self,
            "begin_answer",
            BeginAnswer {
                payer: payer,
                lease: job.lease(index),
                provider: provider.address,
                answer: answer,
                system_program: system_program::ID,
            },
            instruction::BeginAnswer { len }
        )
    }

    /// `write_answer`.
    pub fn write_answer(&mut self, payer: Pubkey, answer: Pubkey, offset: u16, bytes: &[u8]) -> Call<'_> {
        let arguments = instruction::WriteAnswer { offset, bytes: bytes.to_vec() };
        call!(self, "write_answer", WriteAnswer { payer: payer, answer: answer }, arguments)
    }

    /// `drop_answer`.
    pub fn drop_answer(&mut self, payer: Pubkey, answer: Pubkey) -> Call<'_> {
        call!(self, "drop_answer", DropAnswer { payer: payer, answer: answer }, instruction::DropAnswer {})
    }

    /// `answer_chunk` with what `payer` has written.
    pub fn answer_chunk(&mut self, job: Job, index: u32, provider: Provider, payer: Pubkey) -> Call<'_> {
        let answer = self.answer_address(job, index, provider, payer);
        call!(
            self,
            "answer_chunk",
            AnswerChunk { lease: job.lease(index), answer: answer, payer: payer },
            instruction::AnswerChunk {}
        )
    }

    /// `expire_demand`.
    pub fn expire_demand(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        call!(
            self,
            "expire_demand",
            ExpireDemand { job: job.address, lease: job.lease(index), provider: provider.address },
            instruction::ExpireDemand {}
        )
    }

    /// Begins an answer and writes `bytes` into it, one transaction after another. Returns its address.
    #[track_caller]
    pub fn write(&mut self, job: Job, index: u32, provider: Provider, payer: Pubkey, bytes: &[u8]) -> Pubkey {
        let len = u16::try_from(bytes.len()).expect("a short answer");
        self.begin_answer(job, index, provider, payer, len).ok();
        let answer = self.answer_address(job, index, provider, payer);
        for (place, piece) in (0u16..).zip(bytes.chunks(PIECE)) {
            self.write_answer(payer, answer, place * PIECE as u16, piece).ok();
        }
        answer
    }

    /// Writes what result number `result` of the seat of `provider` has to say to the demand.
    ///
    /// # Panics
    /// If it has no seat.
    #[track_caller]
    pub fn write_result(&mut self, job: Job, index: u32, provider: Provider, payer: Pubkey, result: u8) -> Pubkey {
        let demand = self.seat(job, index, provider).expect("the provider has a seat").demand;
        let bytes = answer_bytes(&self.work(job, index, provider, result).answer(demand));
        self.write(job, index, provider, payer, &bytes)
    }

    /// Answers what is demanded of the seat of `provider`, whose result is number `result`.
    #[track_caller]
    pub fn answer(&mut self, job: Job, index: u32, provider: Provider, result: u8) {
        self.write_result(job, index, provider, provider.operator, result);
        self.answer_chunk(job, index, provider, provider.operator).ok();
    }
}
