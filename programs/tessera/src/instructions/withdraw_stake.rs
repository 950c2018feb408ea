//! `withdraw_stake`: stake that has waited long enough leaves.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};

use crate::{errors::TesseraError, events::StakeWithdrawn, state::Provider, vault};

/// Accounts of `withdraw_stake`.
#[derive(Accounts)]
pub struct WithdrawStake<'info> {
    /// Owner of the provider and of the token account.
    pub authority: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority)]
    pub provider: AccountLoader<'info, Provider>,
    /// The provider's stake vault.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake goes.
    #[account(mut, constraint = to.mint == stake_vault.mint @ TesseraError::WrongMint, token::authority = authority)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl WithdrawStake<'_> {
    /// Checks that there is something, and that its wait is over. Seats lock other stake.
    pub fn validate(provider: &Provider, now: i64) -> Result<()> {
        require!(provider.unstaking > 0, TesseraError::NothingUnstaking);
        require!(now >= provider.unstake_at, TesseraError::UnstakeTooEarly);
        provider.check_bonds_burned()
    }

    /// Moves all that was asked back.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let (amount, signer) = {
            let provider = &mut *accounts.provider.load_mut()?;
            Self::validate(provider, Clock::get()?.unix_timestamp)?;
            provider.unstake_at = 0;
            (std::mem::take(&mut provider.unstaking), provider.signer())
        };
        let (vault, to) = (accounts.stake_vault.to_account_info(), accounts.to.to_account_info());
        let owner = accounts.provider.to_account_info();
        vault::withdraw(&accounts.token_program, vault, to, owner, &signer.seeds(), amount)?;
        emit!(StakeWithdrawn { provider: accounts.provider.key(), amount });
        Ok(())
    }
}
