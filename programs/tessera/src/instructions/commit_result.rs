//! `commit_result`: a provider fixes its result before anybody shows one.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::ResultCommitted,
    state::{Job, Lease, Provider},
};

/// Accounts of `commit_result`.
#[derive(Accounts)]
pub struct CommitResult<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(has_one = operator @ TesseraError::WrongOperator)]
    pub provider: Box<Account<'info, Provider>>,
    /// The job.
    pub job: Box<Account<'info, Job>>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: Box<Account<'info, Lease>>,
}

impl CommitResult<'_> {
    /// Fixes the result; the last replica's commit opens the window for revealing.
    pub fn handle(ctx: Context<Self>, commitment: [u8; 32], sealed: [u8; 32]) -> Result<()> {
        let accounts = ctx.accounts;
        let Clock { slot, unix_timestamp: now, .. } = Clock::get()?;
        let provider = accounts.provider.key();
        let reveal_by = now.saturating_add(i64::from(accounts.job.reveal_seconds));
        let lease = &mut accounts.lease;
        let seat = lease.seat_of(&provider)?;
        lease.commit(seat, commitment, sealed, slot, now, reveal_by)?;
        emit!(ResultCommitted {
            job: lease.job,
            index: lease.index,
            provider,
            commitment,
            sealed,
            reveal_by: lease.reveal_by
        });
        Ok(())
    }
}
