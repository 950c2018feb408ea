//! `create_market`: a market and its treasury.

use anchor_lang::prelude::*;
use anchor_spl::token::{spl_token::native_mint, Mint, Token, TokenAccount};
use tessera_protocol::{constants::ACCOUNT_VERSION, seeds};

use crate::{
    errors::TesseraError,
    events::MarketCreated,
    state::{Market, MarketParams},
};

/// Accounts of `create_market`.
#[derive(Accounts)]
#[instruction(id: u16)]
pub struct CreateMarket<'info> {
    /// Pays, and becomes the authority.
    #[account(mut)]
    pub creator: Signer<'info>,
    /// A classic SPL mint.
    #[account(constraint = mint.key() != native_mint::ID @ TesseraError::NativeMint)]
    pub mint: Box<Account<'info, Mint>>,
    /// The market.
    #[account(init, payer = creator, space = Market::SPACE,
        seeds = [seeds::MARKET, creator.key().as_ref(), &id.to_le_bytes()], bump)]
    pub market: Box<Account<'info, Market>>,
    /// Collects the market's share of fees.
    #[account(init, payer = creator, seeds = [seeds::TREASURY, market.key().as_ref()], bump,
        token::mint = mint, token::authority = market)]
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl CreateMarket<'_> {
    /// Checks the parameters.
    pub fn validate(&self, params: &MarketParams) -> Result<()> {
        params.validate()
    }

    /// Creates the market.
    pub fn handle(ctx: Context<Self>, id: u16, params: MarketParams) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(&params)?;
        let (creator, mint) = (accounts.creator.key(), accounts.mint.key());
        accounts.market.set_inner(Market {
            version: ACCOUNT_VERSION,
            bump: ctx.bumps.market,
            treasury_bump: ctx.bumps.treasury,
            paused: false,
            id,
            creator,
            authority: creator,
            mint,
            params,
            total_stake: 0,
            reserved: [0; 60],
        });
        emit!(MarketCreated { market: accounts.market.key(), mint, authority: creator, params });
        Ok(())
    }
}
