//! `advance_lease`: a lease goes on without those who did not come in time, by anyone.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    progress,
    state::{Job, Lease, LeaseMut, Moment, Next},
};

/// Accounts of `advance_lease`. Nobody signs.
#[derive(Accounts)]
pub struct AdvanceLease<'info> {
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
}

impl AdvanceLease<'_> {
    /// Checks that a window has passed, or that nothing is missing, and says what follows.
    pub fn validate(lease: &mut LeaseMut<'_>, job: &Job, now: Moment) -> Result<Next> {
        if lease.reveal_passed(now) {
            return Ok(Next::Judge);
        }
        let exhausted = lease.exhaust(job, now);
        let next = lease.proceed(now);
        require!(exhausted || next != Next::Gather, TesseraError::WindowStillOpen);
        Ok(next)
    }

    /// Judges the lease, or lets its group go on without the seats that are missing.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let now = Moment::now()?;
        let job = &mut *ctx.accounts.job.load_mut()?;
        Lease::with(ctx.accounts.lease.as_ref(), |mut lease| {
            let next = Self::validate(&mut lease, job, now)?;
            progress::go_on(job, &mut lease, next, now).map(drop)
        })
    }
}
