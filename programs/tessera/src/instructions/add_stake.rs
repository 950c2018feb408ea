//! `add_stake`: tokens of the authority become stake.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};

use crate::{
    errors::TesseraError,
    events::StakeAdded,
    state::{Market, Provider},
    vault,
};

/// Accounts of `add_stake`.
#[derive(Accounts)]
pub struct AddStake<'info> {
    /// Owner of the provider and of the tokens.
    pub authority: Signer<'info>,
    /// The market, which counts the stake of all.
    #[account(mut)]
    pub market: Box<Account<'info, Market>>,
    /// The provider.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority, has_one = market @ TesseraError::WrongMarket)]
    pub provider: AccountLoader<'info, Provider>,
    /// The provider's stake vault.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// Where the tokens come from.
    #[account(mut, constraint = from.mint == stake_vault.mint @ TesseraError::WrongMint, token::authority = authority)]
    pub from: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl AddStake<'_> {
    /// Checks the amount.
    pub fn validate(&self, amount: u64) -> Result<()> {
        require!(amount > 0, TesseraError::ZeroAmount);
        Ok(())
    }

    /// Moves the amount and counts it.
    pub fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        vault::deposit(&accounts.token_program, &accounts.from, &accounts.stake_vault, &accounts.authority, amount)?;
        accounts.market.stake_added(amount)?;
        let provider = &mut *accounts.provider.load_mut()?;
        provider.stake = provider.stake.checked_add(amount).ok_or(TesseraError::Overflow)?;
        provider.staked_slot = Clock::get()?.slot;
        emit!(StakeAdded { provider: accounts.provider.key(), amount, stake: provider.stake });
        Ok(())
    }
}
