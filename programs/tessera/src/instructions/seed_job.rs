//! `seed_job`: a slot hash that did not exist at the post ranks the providers, and the leases open to claims.

use anchor_lang::prelude::*;
use tessera_protocol::audit;

use crate::{
    errors::TesseraError,
    events::JobSeeded,
    state::{Job, Moment, Seed, SLOT_HASHES},
};

/// Accounts of `seed_job`. Nobody signs.
#[derive(Accounts)]
pub struct SeedJob<'info> {
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The hashes of the latest slots.
    /// CHECK: the sysvar is found by its address, and read where it lies.
    #[account(address = SLOT_HASHES)]
    pub slot_hashes: UncheckedAccount<'info>,
}

impl SeedJob<'_> {
    /// Checks that the job has no seed.
    pub fn validate(job: &Job) -> Result<()> {
        require!(!job.is_seeded(), TesseraError::AlreadySeeded);
        Ok(())
    }

    /// Reads the seed; where it is too late for it, another slot will decide.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let job = &mut *ctx.accounts.job.load_mut()?;
        Self::validate(job)?;
        let now = Moment::now()?;
        let Some(Seed { slot, hash }) = Seed::after(ctx.accounts.slot_hashes.as_ref(), job.seed_slot)? else {
            job.seed_slot = audit::draw_slot(now.slot);
            return Ok(());
        };
        job.seed = hash;
        job.seed_slot = slot;
        job.seeded_at = now.time;
        emit!(JobSeeded { job: ctx.accounts.job.key(), seed: hash, slot });
        Ok(())
    }
}
