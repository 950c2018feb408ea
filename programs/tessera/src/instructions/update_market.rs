//! `update_market`: other parameters for what comes.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::MarketUpdated,
    state::{Market, MarketParams},
};

/// Accounts of `update_market`.
#[derive(Accounts)]
pub struct UpdateMarket<'info> {
    /// The market's authority.
    pub authority: Signer<'info>,
    /// The market.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority)]
    pub market: Box<Account<'info, Market>>,
}

impl UpdateMarket<'_> {
    /// Checks the parameters.
    pub fn validate(&self, params: &MarketParams) -> Result<()> {
        params.validate()
    }

    /// Replaces the parameters.
    pub fn handle(ctx: Context<Self>, params: MarketParams) -> Result<()> {
        ctx.accounts.validate(&params)?;
        let market = &mut ctx.accounts.market;
        market.params = params;
        emit!(MarketUpdated { market: market.key(), params });
        Ok(())
    }
}
