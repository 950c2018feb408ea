//! `expire_demand`: nobody has shown a demanded chunk in time, so it is not there: the seat is convicted, by anyone.

use anchor_lang::prelude::*;
use tessera_protocol::state::LeaseState;

use crate::{
    errors::TesseraError,
    events::ChunkWithheld,
    progress,
    state::{Job, Lease, Moment},
};

/// Accounts of `expire_demand`. Nobody signs.
#[derive(Accounts)]
pub struct ExpireDemand<'info> {
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat it is.
    /// CHECK: only its address is used, to find the seat.
    pub provider: UncheckedAccount<'info>,
}

impl ExpireDemand<'_> {
    /// Convicts the seat. An agreed lease whose outputs nobody is left to show is open again.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let now = Moment::now()?;
        let provider = ctx.accounts.provider.key();
        let job = &mut *ctx.accounts.job.load_mut()?;
        Lease::with(ctx.accounts.lease.as_ref(), |mut lease| {
            let seat = lease.seat_of(&provider)?;
            lease.convict(job, seat, now)?;
            emit!(ChunkWithheld { job: lease.job, index: lease.index, provider });
            if lease.is(LeaseState::Agreed) && lease.is_vacant() {
                progress::reopen(job, &mut lease, now)?;
            }
            Ok(())
        })
    }
}
