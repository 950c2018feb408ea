//! `cancel_job`: no lease is begun any more; those begun run their course.

use anchor_lang::prelude::*;
use tessera_protocol::state::JobState;

use crate::{errors::TesseraError, events::JobCancelled, state::Job};

/// Accounts of `cancel_job`.
#[derive(Accounts)]
pub struct CancelJob<'info> {
    /// The client's wallet.
    pub wallet: Signer<'info>,
    /// The job.
    #[account(mut, has_one = wallet @ TesseraError::WrongWallet)]
    pub job: AccountLoader<'info, Job>,
}

impl CancelJob<'_> {
    /// Checks the state of the job.
    pub fn validate(job: &Job, now: i64) -> Result<()> {
        require!(job.is_open(), TesseraError::JobCancelled);
        require!(now <= job.deadline, TesseraError::DeadlinePassed);
        Ok(())
    }

    /// Cancels the job. Every claim made before ends by the new deadline, with a full course left for its replicas.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let now = Clock::get()?.unix_timestamp;
        let job = &mut *ctx.accounts.job.load_mut()?;
        Self::validate(job, now)?;
        job.state = JobState::Cancelled as u8;
        job.deadline = job.deadline.min(now.saturating_add(job.longest().saturating_mul(2)));
        emit!(JobCancelled { job: ctx.accounts.job.key(), deadline: job.deadline });
        Ok(())
    }
}
