//! `pause` and `unpause`: no new jobs and claims for a while.

use anchor_lang::prelude::*;

use crate::{errors::TesseraError, events::MarketPaused, state::Market};

/// Accounts of `pause` and `unpause`.
#[derive(Accounts)]
pub struct Pause<'info> {
    /// The market's authority.
    pub authority: Signer<'info>,
    /// The market.
    #[account(mut, has_one = authority @ TesseraError::WrongAuthority)]
    pub market: Box<Account<'info, Market>>,
}

impl Pause<'_> {
    /// Checks that the market is not `paused` already, or not going on already.
    pub fn validate(&self, paused: bool) -> Result<()> {
        match (self.market.paused, paused) {
            (true, true) => err!(TesseraError::AlreadyPaused),
            (false, false) => err!(TesseraError::NotPaused),
            _ => Ok(()),
        }
    }

    /// Pauses the market, or lets it go on.
    pub fn handle(ctx: Context<Self>, paused: bool) -> Result<()> {
        ctx.accounts.validate(paused)?;
        let market = &mut ctx.accounts.market;
        market.paused = paused;
        emit!(MarketPaused { market: market.key(), paused });
        Ok(())
    }
}
