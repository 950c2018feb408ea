//! `return_lease`: a provider gives up a seat that it cannot finish.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::LeaseReturned,
    state::{Lease, Provider},
    vault,
};

/// Accounts of `return_lease`.
#[derive(Accounts)]
pub struct ReturnLease<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: Box<Account<'info, Provider>>,
    /// The lease.
    #[account(mut)]
    pub lease: Box<Account<'info, Lease>>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
}

impl ReturnLease<'_> {
    /// Checks the seat and returns its position.
    pub fn validate(&self) -> Result<usize> {
        let seat = self.lease.seat_of(&self.provider.key())?;
        self.lease.check_return(seat)?;
        require_keys_eq!(self.lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Takes the seat out and returns its rent.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let position = accounts.validate()?;
        let open_leases = accounts.provider.open_leases;
        accounts.provider.open_leases = open_leases.checked_sub(1).ok_or(TesseraError::Overflow)?;
        let lease = &mut accounts.lease;
        let seat = lease.remove(position, Clock::get()?.unix_timestamp);
        vault::remove_seat(lease.as_ref().as_ref(), accounts.seat_payer.as_ref(), lease.seats.len())?;
        emit!(LeaseReturned { job: lease.job, index: lease.index, provider: seat.provider });
        Ok(())
    }
}
