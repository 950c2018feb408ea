//! `update_provider`: another operator, other capabilities.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::ProviderUpdated,
    state::{Capabilities, Provider},
};

/// Accounts of `update_provider`.
#[derive(Accounts)]
pub struct UpdateProvider<'info> {
    /// Owner of the provider.
    pub authority: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority)]
    pub provider: AccountLoader<'info, Provider>,
}

impl UpdateProvider<'_> {
    /// Checks the capabilities.
    pub fn validate(capabilities: Option<&Capabilities>) -> Result<()> {
        capabilities.map_or(Ok(()), Capabilities::validate)
    }

    /// Replaces what is given.
    pub fn handle(ctx: Context<Self>, operator: Option<Pubkey>, capabilities: Option<Capabilities>) -> Result<()> {
        Self::validate(capabilities.as_ref())?;
        let provider = &mut *ctx.accounts.provider.load_mut()?;
        provider.operator = operator.unwrap_or(provider.operator);
        provider.set_capabilities(capabilities.unwrap_or(provider.capabilities()));
        emit!(ProviderUpdated {
            provider: ctx.accounts.provider.key(),
            operator: provider.operator,
            capabilities: provider.capabilities()
        });
        Ok(())
    }
}
