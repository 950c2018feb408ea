//! `withdraw_earnings`: what was earned goes to the authority.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};

use crate::{errors::TesseraError, events::EarningsWithdrawn, state::Provider, vault};

/// Accounts of `withdraw_earnings`.
#[derive(Accounts)]
pub struct WithdrawEarnings<'info> {
    /// The authority or the operator of the provider.
    pub signer: Signer<'info>,
    /// The provider.
    #[account(mut, constraint = provider.load()?.is_run_by(signer.key) @ TesseraError::NeitherAuthorityNorOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The provider's stake vault.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// A token account of the authority.
    #[account(mut, constraint = to.mint == stake_vault.mint @ TesseraError::WrongMint,
        constraint = to.owner == provider.load()?.authority @ TesseraError::WrongAuthority)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl WithdrawEarnings<'_> {
    /// Checks that there is something.
    pub fn validate(provider: &Provider) -> Result<()> {
        require!(provider.earned > 0, TesseraError::NothingEarned);
        provider.check_bonds_burned()
    }

    /// Moves all of it.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let (amount, signer) = {
            let provider = &mut *accounts.provider.load_mut()?;
            Self::validate(provider)?;
            (std::mem::take(&mut provider.earned), provider.signer())
        };
        let (vault, to) = (accounts.stake_vault.to_account_info(), accounts.to.to_account_info());
        let owner = accounts.provider.to_account_info();
        vault::withdraw(&accounts.token_program, vault, to, owner, &signer.seeds(), amount)?;
        emit!(EarningsWithdrawn { provider: accounts.provider.key(), amount });
        Ok(())
    }
}
