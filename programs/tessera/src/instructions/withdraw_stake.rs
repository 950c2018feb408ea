//! `withdraw_stake`: stake that has waited long enough leaves.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::seeds;

use crate::{errors::TesseraError, events::StakeWithdrawn, state::Provider, vault};

/// Accounts of `withdraw_stake`.
#[derive(Accounts)]
pub struct WithdrawStake<'info> {
    /// Owner of the provider and of the token account.
    pub authority: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority)]
    pub provider: Box<Account<'info, Provider>>,
    /// The provider's stake vault.
    #[account(mut, seeds = [seeds::STAKE, provider.key().as_ref()], bump = provider.stake_bump)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake goes.
    #[account(mut, constraint = to.mint == stake_vault.mint @ TesseraError::WrongMint, token::authority = authority)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl WithdrawStake<'_> {
    /// Checks that there is something, that its wait is over, and that no lease is open.
    pub fn validate(&self, now: i64) -> Result<()> {
        require!(self.provider.unstaking > 0, TesseraError::NothingUnstaking);
        require!(now >= self.provider.unstake_at, TesseraError::UnstakeTooEarly);
        require!(self.provider.open_leases == 0, TesseraError::LeasesOpen);
        Ok(())
    }

    /// Moves all that was asked back.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(Clock::get()?.unix_timestamp)?;
        let amount = std::mem::take(&mut accounts.provider.unstaking);
        accounts.provider.unstake_at = 0;
        accounts.provider.with_signer(|signer| {
            let owner = accounts.provider.to_account_info();
            let to = accounts.to.to_account_info();
            vault::withdraw(&accounts.token_program, &accounts.stake_vault, to, owner, signer, amount)
        })?;
        emit!(StakeWithdrawn { provider: accounts.provider.key(), amount });
        Ok(())
    }
}
