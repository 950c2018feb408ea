//! `return_lease`: a provider gives up a seat that it cannot finish.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::LeaseReturned,
    state::{Lease, LeaseMut, Provider},
    vault,
};

/// Accounts of `return_lease`.
#[derive(Accounts)]
pub struct ReturnLease<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The lease.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
}

impl ReturnLease<'_> {
    /// Checks the seat and returns its position.
    pub fn validate(&self, lease: &LeaseMut<'_>) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_return(seat)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Takes the seat out and returns its rent.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let left = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let position = accounts.validate(&lease)?;
            let seat = lease.remove(position, now);
            emit!(LeaseReturned { job: lease.job, index: lease.index, provider: seat.provider });
            Ok(lease.seats.len())
        })?;
        accounts.provider.load_mut()?.seat_left()?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }
}
