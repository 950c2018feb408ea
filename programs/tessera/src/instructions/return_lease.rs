//! `return_lease`: a provider gives up a seat that it cannot finish.

use anchor_lang::prelude::*;
use tessera_protocol::bonds::Returns;

use crate::{
    errors::TesseraError,
    events::LeaseReturned,
    state::{Lease, LeaseMut, Market, Moment, Provider, Seat},
    vault,
};

/// Accounts of `return_lease`.
#[derive(Accounts)]
pub struct ReturnLease<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = market @ TesseraError::WrongMarket, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The lease.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
    /// The market, which says how many returns are free.
    pub market: Box<Account<'info, Market>>,
}

impl ReturnLease<'_> {
    /// Checks the seat and returns its position.
    pub fn validate(&self, lease: &LeaseMut<'_>, now: Moment) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_return(seat, now)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Uses up a free return, or takes the bond where there is none, unless the seat has waited for others. Returns what is
    /// lost.
    fn give_up(&self, seat: &Seat, waited: bool, now: i64) -> Result<u64> {
        let provider = &mut *self.provider.load_mut()?;
        provider.seat_left(seat.lock)?;
        if waited {
            return Ok(0);
        }
        let used = Returns { full_at: provider.returns_full_at }.take(&self.market.params.allowance(), now);
        let lost = if used.is_some() { 0 } else { seat.bond };
        provider.returns_full_at = used.map_or(provider.returns_full_at, |used| used.full_at);
        provider.lose(lost)?;
        Ok(lost)
    }

    /// Takes the seat out, takes its bond if no return is free, and returns its rent.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Moment::now()?;
        let left = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let position = accounts.validate(&lease, now)?;
            let waited = lease.has_waited(position, now);
            let seat = lease.remove(position);
            let lost = accounts.give_up(&seat, waited, now.time)?;
            emit!(LeaseReturned { job: lease.job, index: lease.index, provider: seat.provider, lost });
            Ok(lease.seats.len())
        })?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }
}
