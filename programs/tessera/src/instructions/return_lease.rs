//! `return_lease`: a provider gives up a seat that it cannot finish.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use tessera_protocol::bonds::Returns;

use crate::{
    errors::TesseraError,
    events::LeaseReturned,
    state::{Lease, LeaseMut, Market, Provider},
    vault::{self, Bond},
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
    /// The provider's stake vault.
    /// CHECK: the provider names it.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: UncheckedAccount<'info>,
    /// The market's mint; needed, and written, only if the bond burns.
    /// CHECK: the market names it.
    #[account(mut, address = market.mint @ TesseraError::WrongMint)]
    pub mint: Option<UncheckedAccount<'info>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl ReturnLease<'_> {
    /// Checks the seat and returns its position.
    pub fn validate(&self, lease: &LeaseMut<'_>) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_return(seat)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Uses up a free return; says whether there was one.
    fn take_free_return(&self, now: i64) -> Result<bool> {
        let provider = &mut *self.provider.load_mut()?;
        let used = Returns { full_at: provider.returns_full_at }.take(&self.market.params.allowance(), now);
        if let Some(used) = used {
            provider.returns_full_at = used.full_at;
        }
        Ok(used.is_some())
    }

    /// Takes the seat out, burns its bond if no return is free, and returns its rent.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let (burned, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let position = accounts.validate(&lease)?;
            let seat = lease.remove(position, now);
            let burned = if accounts.take_free_return(now)? { 0 } else { seat.bond };
            accounts.provider.load_mut()?.seat_left(seat.lock)?;
            emit!(LeaseReturned { job: lease.job, index: lease.index, provider: seat.provider, burned });
            Ok((burned, lease.seats.len()))
        })?;
        Bond {
            provider: &accounts.provider,
            vault: accounts.stake_vault.to_account_info(),
            mint: accounts.mint.as_ref().map(|mint| mint.to_account_info()),
            program: &accounts.token_program,
        }
        .burn(burned)?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }
}
