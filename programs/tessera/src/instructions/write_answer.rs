//! `begin_answer`, `write_answer`, `drop_answer`: an answer that is longer than a transaction.

use anchor_lang::prelude::*;
use tessera_protocol::{
    constants::{ACCOUNT_VERSION, MAX_ANSWER},
    seeds,
};

use crate::{
    errors::TesseraError,
    state::{ChunkAnswer, Lease},
};

/// Accounts of `begin_answer`.
#[derive(Accounts)]
#[instruction(len: u16)]
pub struct BeginAnswer<'info> {
    /// Pays, and may write. Whoever has the outputs may answer.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The lease.
    pub lease: AccountLoader<'info, Lease>,
    /// The provider of whom a chunk is demanded.
    /// CHECK: only its address is used, to find the seat.
    pub provider: UncheckedAccount<'info>,
    /// The answer.
    #[account(init, payer = payer, space = ChunkAnswer::space(len),
        seeds = [seeds::ANSWER, lease.key().as_ref(), provider.key().as_ref(), payer.key().as_ref()], bump)]
    pub answer: Box<Account<'info, ChunkAnswer>>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl BeginAnswer<'_> {
    /// Checks the length.
    pub fn validate(len: u16) -> Result<()> {
        require!((1..=MAX_ANSWER).contains(&usize::from(len)), TesseraError::AnswerOutOfBounds);
        Ok(())
    }

    /// Makes room for an answer of `len` bytes.
    pub fn handle(ctx: Context<Self>, len: u16) -> Result<()> {
        Self::validate(len)?;
        let accounts = ctx.accounts;
        let [payer, lease, provider] = [accounts.payer.key(), accounts.lease.key(), accounts.provider.key()];
        accounts.answer.set_inner(ChunkAnswer { version: ACCOUNT_VERSION, payer, lease, provider });
        Ok(())
    }
}

/// Accounts of `write_answer`.
#[derive(Accounts)]
pub struct WriteAnswer<'info> {
    /// Who began it.
    pub payer: Signer<'info>,
    /// The answer.
    #[account(mut, has_one = payer @ TesseraError::WrongRentPayer)]
    pub answer: Box<Account<'info, ChunkAnswer>>,
}

impl WriteAnswer<'_> {
    /// Writes `bytes` from `offset` on.
    pub fn handle(ctx: Context<Self>, offset: u16, bytes: &[u8]) -> Result<()> {
        let info = ctx.accounts.answer.to_account_info();
        let mut data = info.try_borrow_mut_data()?;
        let begin = ChunkAnswer::BYTES_OFFSET + usize::from(offset);
        let place = data.get_mut(begin..begin + bytes.len()).ok_or(TesseraError::AnswerOutOfBounds)?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}

/// Accounts of `drop_answer`.
#[derive(Accounts)]
pub struct DropAnswer<'info> {
    /// Who began it, and gets its rent back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The answer.
    #[account(mut, close = payer, has_one = payer @ TesseraError::WrongRentPayer)]
    pub answer: Box<Account<'info, ChunkAnswer>>,
}

impl DropAnswer<'_> {
    /// Closes an answer that nobody needs.
    pub fn handle(_ctx: Context<Self>) -> Result<()> {
        Ok(())
    }
}
