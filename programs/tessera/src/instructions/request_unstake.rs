//! `request_unstake`: stake stops counting and begins to wait.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::UnstakeRequested,
    state::{Market, Provider},
};

/// Accounts of `request_unstake`.
#[derive(Accounts)]
pub struct RequestUnstake<'info> {
    /// Owner of the provider.
    pub authority: Signer<'info>,
    /// The market, which says how long stake waits, and counts that of all.
    #[account(mut)]
    pub market: Box<Account<'info, Market>>,
    /// The provider.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority, has_one = market @ TesseraError::WrongMarket)]
    pub provider: AccountLoader<'info, Provider>,
}

impl RequestUnstake<'_> {
    /// Checks the amount.
    pub fn validate(provider: &Provider, amount: u64) -> Result<()> {
        require!(amount > 0, TesseraError::ZeroAmount);
        require!(amount <= provider.stake, TesseraError::MoreThanStake);
        require!(amount <= provider.unlocked(), TesseraError::StakeLocked);
        Ok(())
    }

    /// Moves the amount from `stake` to `unstaking`; the wait of all of it begins anew.
    pub fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        let wait = i64::from(ctx.accounts.market.params.unstake_seconds);
        let provider = &mut *ctx.accounts.provider.load_mut()?;
        Self::validate(provider, amount)?;
        ctx.accounts.market.stake_left(amount)?;
        provider.stake = provider.stake.checked_sub(amount).ok_or(TesseraError::MoreThanStake)?;
        provider.unstaking = provider.unstaking.checked_add(amount).ok_or(TesseraError::Overflow)?;
        provider.unstake_at = Clock::get()?.unix_timestamp.checked_add(wait).ok_or(TesseraError::Overflow)?;
        emit!(UnstakeRequested { provider: ctx.accounts.provider.key(), amount, unstake_at: provider.unstake_at });
        Ok(())
    }
}
