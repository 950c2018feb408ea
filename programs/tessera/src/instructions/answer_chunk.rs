//! `answer_chunk`: a demanded chunk is shown, and the program itself compares it with all that was committed to.

use anchor_lang::prelude::*;
use tessera_protocol::outputs::Answer;

use crate::{
    errors::TesseraError,
    events::ChunkAnswered,
    state::{ChunkAnswer, Lease},
};

/// Accounts of `answer_chunk`. Nobody signs: what is written speaks for itself.
#[derive(Accounts)]
pub struct AnswerChunk<'info> {
    /// The lease. Its job is not touched, so that nobody keeps an answer out by keeping the job busy.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
    /// The answer.
    #[account(mut, close = payer, has_one = lease @ TesseraError::WrongLease, has_one = payer @ TesseraError::WrongRentPayer)]
    pub answer: Box<Account<'info, ChunkAnswer>>,
    /// Gets the rent of the answer back.
    /// CHECK: the answer names it.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

impl AnswerChunk<'_> {
    /// The answer as it was written.
    fn read(&self) -> Result<Answer> {
        let info = self.answer.to_account_info();
        let data = info.try_borrow_data()?;
        let mut bytes = data.get(ChunkAnswer::BYTES_OFFSET..).unwrap_or_default();
        Answer::deserialize(&mut bytes).map_err(|_| error!(TesseraError::WrongAnswer))
    }

    /// Checks the answer, and takes it.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let answer = accounts.read()?;
        let provider = accounts.answer.provider;
        Lease::with(accounts.lease.as_ref(), |mut lease| {
            let seat = lease.seat_of(&provider)?;
            lease.answer(seat, &answer)?;
            emit!(ChunkAnswered { job: lease.job, index: lease.index, provider });
            Ok(())
        })
    }
}
