//! `burn_bonds`: what a provider has lost leaves the world, by anyone.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;

use crate::{
    errors::TesseraError,
    events::BondsBurned,
    state::{Market, Provider},
    vault,
};

/// Accounts of `burn_bonds`. Nobody signs.
#[derive(Accounts)]
pub struct BurnBonds<'info> {
    /// The market, which says what is burned, and counts the stake of all.
    #[account(mut)]
    pub market: Box<Account<'info, Market>>,
    /// The provider.
    #[account(mut, has_one = market @ TesseraError::WrongMarket)]
    pub provider: AccountLoader<'info, Provider>,
    /// The provider's stake vault.
    /// CHECK: the provider names it.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: UncheckedAccount<'info>,
    /// The market's mint.
    /// CHECK: the market names it.
    #[account(mut, address = market.mint @ TesseraError::WrongMint)]
    pub mint: UncheckedAccount<'info>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl BurnBonds<'_> {
    /// Checks that there is something.
    pub fn validate(provider: &Provider) -> Result<()> {
        require!(provider.to_burn > 0, TesseraError::NothingToBurn);
        Ok(())
    }

    /// Burns all of it.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let (amount, signer) = {
            let provider = &mut *accounts.provider.load_mut()?;
            Self::validate(provider)?;
            (std::mem::take(&mut provider.to_burn), provider.signer())
        };
        accounts.market.stake_left(amount)?;
        let (mint, vault) = (accounts.mint.to_account_info(), accounts.stake_vault.to_account_info());
        let owner = accounts.provider.to_account_info();
        vault::burn(&accounts.token_program, mint, vault, owner, &signer.seeds(), amount)?;
        emit!(BondsBurned { provider: accounts.provider.key(), amount });
        Ok(())
    }
}
