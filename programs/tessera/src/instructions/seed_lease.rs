//! `seed_lease`: the same as `seed_job` for audit and dispute seats, which opened later.

use anchor_lang::prelude::*;
use tessera_protocol::audit;

use crate::{
    errors::TesseraError,
    events::LeaseSeeded,
    state::{Lease, LeaseState, Moment, Seed, SLOT_HASHES},
};

/// Accounts of `seed_lease`. Nobody signs.
#[derive(Accounts)]
pub struct SeedLease<'info> {
    /// The lease.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
    /// The hashes of the latest slots.
    /// CHECK: the sysvar is found by its address, and read where it lies.
    #[account(address = SLOT_HASHES)]
    pub slot_hashes: UncheckedAccount<'info>,
}

impl SeedLease<'_> {
    /// Checks that seats of the lease wait for a seed.
    pub fn validate(lease: &Lease) -> Result<()> {
        let waits = lease.is(LeaseState::Open) && lease.opened_at == 0;
        require!(waits, TesseraError::AlreadySeeded);
        Ok(())
    }

    /// Reads the seed; where it is too late for it, another slot will decide.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let now = Moment::now()?;
        let lease = &mut *ctx.accounts.lease.load_mut()?;
        Self::validate(lease)?;
        let Some(Seed { slot, hash }) = Seed::after(ctx.accounts.slot_hashes.as_ref(), lease.seed_slot)? else {
            lease.seed_slot = audit::draw_slot(now.slot);
            return Ok(());
        };
        lease.seed = hash;
        lease.seed_slot = slot;
        lease.opened_at = now.time;
        lease.window_slot = now.slot;
        emit!(LeaseSeeded { job: lease.job, index: lease.index, seed: hash, slot });
        Ok(())
    }
}
