//! `commit_result`: a provider fixes its result before anybody shows one.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::ResultCommitted,
    state::{Lease, Moment, Provider},
};

/// Accounts of `commit_result`.
#[derive(Accounts)]
pub struct CommitResult<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The job.
    /// CHECK: the lease names it. It is here so that whoever follows the job sees the transaction.
    #[account(owner = crate::ID)]
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
}

impl CommitResult<'_> {
    /// Fixes the result. Where no draw is to be read, the last commit of a group opens the window for revealing.
    pub fn handle(ctx: Context<Self>, commitment: [u8; 32], sealed: [u8; 32]) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Moment::now()?;
        let provider = accounts.provider.key();
        Lease::with(accounts.lease.as_ref(), |mut lease| {
            let seat = lease.seat_of(&provider)?;
            lease.commit(seat, commitment, sealed, now)?;
            // Who has just committed is there to reveal, so nothing is to be judged; and an audit follows a draw, not a commit.
            lease.proceed(now);
            let Lease { job, index, reveal_by, .. } = *lease.lease;
            emit!(ResultCommitted { job, index, provider, commitment, sealed, reveal_by });
            Ok(())
        })
    }
}
