//! `close_lease`: a lease account that nobody needs any more goes, by anyone.

use anchor_lang::prelude::*;
use tessera_protocol::state::LeaseState;

use crate::{
    errors::TesseraError,
    events::LeaseClosed,
    state::{Job, JobEnd, Lease, LeaseMut},
};

/// Accounts of `close_lease`. Nobody signs.
#[derive(Accounts)]
pub struct CloseLease<'info> {
    /// The job, which may be gone.
    /// CHECK: the lease names it; it is read by `Job::find`.
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, close = payer, has_one = payer @ TesseraError::WrongRentPayer,
        constraint = lease.load()?.job == job.key() @ TesseraError::NotTheJobOfTheLease)]
    pub lease: AccountLoader<'info, Lease>,
    /// Gets the rent of the lease back.
    /// CHECK: the lease names it.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

impl<'info> CloseLease<'info> {
    /// Checks that the lease has no seats and will get none.
    pub fn validate(lease: &LeaseMut<'_>, job: JobEnd) -> Result<()> {
        require!(lease.seats.is_empty(), TesseraError::LeaseHasSeats);
        let needed = !lease.is(LeaseState::Settled) && job == JobEnd::Running;
        require!(!needed, TesseraError::LeaseStillNeeded);
        Ok(())
    }

    /// Closes the account.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let job = Job::find(accounts.job.as_ref())?;
        let end = Job::end(job.as_ref(), Clock::get()?.unix_timestamp)?;
        Lease::with(accounts.lease.as_ref(), |lease| {
            Self::validate(&lease, end)?;
            emit!(LeaseClosed { job: lease.job, index: lease.index });
            Ok(())
        })
    }
}
