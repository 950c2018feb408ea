//! `withdraw_treasury`: fees leave for a token account of the authority's choice.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::seeds;

use crate::{errors::TesseraError, events::TreasuryWithdrawn, state::Market, vault};

/// Accounts of `withdraw_treasury`.
#[derive(Accounts)]
pub struct WithdrawTreasury<'info> {
    /// The market's authority.
    pub authority: Signer<'info>,
    /// The market.
    #[account(has_one = authority @ TesseraError::WrongAuthority)]
    pub market: Box<Account<'info, Market>>,
    /// The market's treasury.
    #[account(mut, seeds = [seeds::TREASURY, market.key().as_ref()], bump = market.treasury_bump)]
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// Any other token account of the mint.
    #[account(mut, constraint = to.mint == market.mint @ TesseraError::WrongMint)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl WithdrawTreasury<'_> {
    /// Checks the amount.
    pub fn validate(&self, amount: u64) -> Result<()> {
        require!(amount > 0, TesseraError::ZeroAmount);
        require!(amount <= self.treasury.amount, TesseraError::MoreThanTreasury);
        Ok(())
    }

    /// Moves the amount.
    pub fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let (treasury, to) = (accounts.treasury.to_account_info(), accounts.to.to_account_info());
        let owner = accounts.market.to_account_info();
        accounts
            .market
            .with_signer(|seeds| vault::withdraw(&accounts.token_program, treasury, to, owner, seeds, amount))?;
        emit!(TreasuryWithdrawn { market: accounts.market.key(), to: accounts.to.key(), amount });
        Ok(())
    }
}
