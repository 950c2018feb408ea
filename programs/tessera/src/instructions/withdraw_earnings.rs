//! `withdraw_earnings`: what was earned goes to the authority.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::seeds;

use crate::{errors::TesseraError, events::EarningsWithdrawn, state::Provider, vault};

/// Accounts of `withdraw_earnings`.
#[derive(Accounts)]
pub struct WithdrawEarnings<'info> {
    /// The authority or the operator of the provider.
    pub signer: Signer<'info>,
    /// The provider.
    #[account(mut, constraint = signer.key() == provider.authority || signer.key() == provider.operator
        @ TesseraError::NeitherAuthorityNorOperator)]
    pub provider: Box<Account<'info, Provider>>,
    /// The provider's stake vault.
    #[account(mut, seeds = [seeds::STAKE, provider.key().as_ref()], bump = provider.stake_bump)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// A token account of the authority.
    #[account(mut, constraint = to.mint == stake_vault.mint @ TesseraError::WrongMint,
        constraint = to.owner == provider.authority @ TesseraError::WrongAuthority)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl WithdrawEarnings<'_> {
    /// Checks that there is something.
    pub fn validate(&self) -> Result<()> {
        require!(self.provider.earned > 0, TesseraError::NothingEarned);
        Ok(())
    }

    /// Moves all of it.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate()?;
        let amount = std::mem::take(&mut accounts.provider.earned);
        accounts.provider.with_signer(|signer| {
            let owner = accounts.provider.to_account_info();
            let to = accounts.to.to_account_info();
            vault::withdraw(&accounts.token_program, &accounts.stake_vault, to, owner, signer, amount)
        })?;
        emit!(EarningsWithdrawn { provider: accounts.provider.key(), amount });
        Ok(())
    }
}
