//! `slash_seat`: who was wrong loses its lock, by anyone.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;

use crate::{
    errors::TesseraError,
    events::SeatSlashed,
    state::{Job, Lease, LeaseMut, Market, Moment, Provider, Seat},
    vault,
};

/// Accounts of `slash_seat`. Nobody signs.
#[derive(Accounts)]
pub struct SlashSeat<'info> {
    /// The market.
    #[account(mut)]
    pub market: Box<Account<'info, Market>>,
    /// The job, which may be gone.
    /// CHECK: the lease names it; it is read by `Job::find`.
    #[account(mut)]
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, constraint = lease.load()?.job == job.key() @ TesseraError::NotTheJobOfTheLease)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat it is.
    #[account(mut, has_one = market @ TesseraError::WrongMarket)]
    pub provider: AccountLoader<'info, Provider>,
    /// The provider's stake vault.
    /// CHECK: the provider names it.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: UncheckedAccount<'info>,
    /// The job's escrow, which takes what others are awarded; anything if the job is gone.
    /// CHECK: the job names it.
    #[account(mut)]
    pub escrow: UncheckedAccount<'info>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl<'info> SlashSeat<'info> {
    /// Checks the seat and returns its position.
    pub fn validate(&self, lease: &LeaseMut<'_>) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_slash(seat)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Takes the seat and its lock: what others are awarded goes to the escrow, the rest will be burned.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts: &'info mut Self = ctx.accounts;
        let now = Moment::now()?;
        let there = match Job::find(accounts.job.as_ref())? {
            Some(job) => {
                require_keys_eq!(job.load()?.escrow, accounts.escrow.key(), TesseraError::WrongVault);
                true
            }
            None => false,
        };
        let (seat, awarded, private, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let position = accounts.validate(&lease)?;
            let seat = lease.remove(position);
            // Who is still to be paid keeps its job from being closed, so nobody is left whom it could be awarded to.
            let awarded = if there { seat.pay } else { 0 };
            lease.awards = lease.awards.checked_add(awarded).ok_or(TesseraError::Overflow)?;
            let burned = seat.lock.checked_sub(awarded).ok_or(TesseraError::Overflow)?;
            emit!(SeatSlashed { job: lease.job, index: lease.index, provider: seat.provider, awarded, burned });
            Ok((seat, awarded, lease.is_private(), lease.seats.len()))
        })?;
        accounts.count(&seat, awarded, private, now)?;
        accounts.award(awarded)?;
        accounts.market.stake_left(awarded)?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }

    /// Takes the loss into account. Of a private job no fault is remembered: its client alone says what it is worth.
    fn count(&self, seat: &Seat, awarded: u64, private: bool, now: Moment) -> Result<()> {
        let provider = &mut *self.provider.load_mut()?;
        provider.seat_left(seat.lock)?;
        provider.slash(seat.lock, awarded)?;
        if !private {
            provider.set_reputation(provider.reputation().fault(now.time, now.slot));
        }
        Ok(())
    }

    fn award(&self, amount: u64) -> Result<()> {
        if amount == 0 {
            return Ok(());
        }
        let signer = self.provider.load()?.signer();
        let (from, to) = (self.stake_vault.to_account_info(), self.escrow.to_account_info());
        vault::withdraw(&self.token_program, from, to, self.provider.to_account_info(), &signer.seeds(), amount)
    }
}
