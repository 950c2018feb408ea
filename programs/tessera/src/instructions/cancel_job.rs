//! `cancel_job`: no lease is begun any more; those begun run their course.

use anchor_lang::prelude::*;
use tessera_protocol::lease;

use crate::{
    errors::TesseraError,
    events::JobCancelled,
    state::{Job, JobState},
};

/// Accounts of `cancel_job`.
#[derive(Accounts)]
pub struct CancelJob<'info> {
    /// The client's wallet.
    pub wallet: Signer<'info>,
    /// The job.
    #[account(mut, has_one = wallet @ TesseraError::WrongWallet)]
    pub job: Box<Account<'info, Job>>,
}

impl CancelJob<'_> {
    /// Checks the state of the job.
    pub fn validate(&self, now: i64) -> Result<()> {
        require!(self.job.state == JobState::Open, TesseraError::JobCancelled);
        require!(now <= self.job.deadline, TesseraError::DeadlinePassed);
        Ok(())
    }

    /// Cancels the job. Every claim made before ends by the new deadline, with a full course left for its replicas.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let now = Clock::get()?.unix_timestamp;
        ctx.accounts.validate(now)?;
        let job = &mut ctx.accounts.job;
        let longest = lease::longest(job.lease_seconds, job.reveal_seconds);
        job.state = JobState::Cancelled;
        job.deadline = job.deadline.min(now.saturating_add(longest.saturating_mul(2)));
        emit!(JobCancelled { job: job.key(), deadline: job.deadline });
        Ok(())
    }
}
