//! `open_result`: the key to sealed outputs becomes known.

use anchor_lang::prelude::*;

use crate::{
    events::ResultOpened,
    state::{Lease, Moment},
};

/// Accounts of `open_result`. Nobody signs: whoever knows the key may show it.
#[derive(Accounts)]
pub struct OpenResult<'info> {
    /// The provider whose seat it is.
    /// CHECK: only its address is used, to find the seat.
    pub provider: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
}

impl OpenResult<'_> {
    /// Checks the key against its hash and keeps it.
    pub fn handle(ctx: Context<Self>, key: [u8; 32]) -> Result<()> {
        let now = Moment::now()?;
        let provider = ctx.accounts.provider.key();
        Lease::with(ctx.accounts.lease.as_ref(), |mut lease| {
            let seat = lease.seat_of(&provider)?;
            lease.open(seat, key, now)?;
            emit!(ResultOpened { job: lease.job, index: lease.index, provider, key });
            Ok(())
        })
    }
}
