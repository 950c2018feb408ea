//! `register_provider`: a provider account and its stake vault.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use tessera_protocol::{constants::ACCOUNT_VERSION, seeds};

use crate::{
    errors::TesseraError,
    events::ProviderRegistered,
    state::{Capabilities, Market, Provider},
};

/// Accounts of `register_provider`.
#[derive(Accounts)]
pub struct RegisterProvider<'info> {
    /// Pays, and owns stake and earnings.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The market.
    #[account(has_one = mint @ TesseraError::WrongMint)]
    pub market: Box<Account<'info, Market>>,
    /// The market's mint.
    pub mint: Box<Account<'info, Mint>>,
    /// The provider account.
    #[account(init, payer = authority, space = Provider::SPACE,
        seeds = [seeds::PROVIDER, market.key().as_ref(), authority.key().as_ref()], bump)]
    pub provider: AccountLoader<'info, Provider>,
    /// Holds stake and unpaid earnings.
    #[account(init, payer = authority, seeds = [seeds::STAKE, provider.key().as_ref()], bump,
        token::mint = mint, token::authority = provider)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl RegisterProvider<'_> {
    /// Checks the capabilities.
    pub fn validate(&self, capabilities: &Capabilities) -> Result<()> {
        capabilities.validate()
    }

    /// Creates the provider.
    pub fn handle(ctx: Context<Self>, operator: Pubkey, capabilities: Capabilities) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(&capabilities)?;
        let (market, authority) = (accounts.market.key(), accounts.authority.key());
        let stake_vault = accounts.stake_vault.key();
        let mut created = accounts.provider.load_init()?;
        created.version = ACCOUNT_VERSION;
        created.bump = ctx.bumps.provider;
        created.market = market;
        created.authority = authority;
        created.operator = operator;
        created.stake_vault = stake_vault;
        created.set_capabilities(capabilities);
        created.registered_at = Clock::get()?.unix_timestamp;
        let provider = accounts.provider.key();
        emit!(ProviderRegistered { market, provider, authority, operator, capabilities });
        Ok(())
    }
}
