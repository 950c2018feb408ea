//! `close_lease`: a lease account that nobody needs any more goes, by anyone.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::LeaseClosed,
    state::{Job, JobEnd, Lease, LeaseState},
};

/// Accounts of `close_lease`. Nobody signs.
#[derive(Accounts)]
pub struct CloseLease<'info> {
    /// The job, which may be gone.
    /// CHECK: the lease names it; it is read by `Job::find`.
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, close = payer, has_one = payer @ TesseraError::WrongRentPayer,
        constraint = lease.job == job.key() @ TesseraError::NotTheJobOfTheLease)]
    pub lease: Box<Account<'info, Lease>>,
    /// Gets the rent of the lease back.
    /// CHECK: the lease names it.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

impl CloseLease<'_> {
    /// Checks that the lease has no seats and will get none.
    pub fn validate(&self, job: JobEnd) -> Result<()> {
        require!(self.lease.seats.is_empty(), TesseraError::LeaseHasSeats);
        let needed = self.lease.state != LeaseState::Settled && job == JobEnd::Running;
        require!(!needed, TesseraError::LeaseStillNeeded);
        Ok(())
    }

    /// Closes the account.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let job = Job::find(&accounts.job)?;
        accounts.validate(Job::end(job.as_deref(), Clock::get()?.unix_timestamp))?;
        emit!(LeaseClosed { job: accounts.lease.job, index: accounts.lease.index });
        Ok(())
    }
}
