//! Markets.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM, TOKEN, build};
use crate::{
    pda,
    program::tessera::client::{accounts, args},
    types::MarketParams,
};

/// Creates market `id` of `creator`, who pays and becomes its authority.
#[must_use]
pub fn create_market(creator: &Pubkey, id: u16, mint: &Pubkey, params: MarketParams) -> Instruction {
    let market = pda::market(creator, id);
    let accounts = accounts::CreateMarket {
        creator: *creator,
        mint: *mint,
        market,
        treasury: pda::treasury(&market),
        token_program: TOKEN,
        system_program: SYSTEM,
    };
    build(&accounts, &args::CreateMarket { id, params })
}

/// Replaces the parameters of a market.
#[must_use]
pub fn update_market(authority: &Pubkey, market: &Pubkey, params: MarketParams) -> Instruction {
    build(&accounts::UpdateMarket { authority: *authority, market: *market }, &args::UpdateMarket { params })
}

/// Stops new jobs and claims.
#[must_use]
pub fn pause(authority: &Pubkey, market: &Pubkey) -> Instruction {
    build(&accounts::Pause { authority: *authority, market: *market }, &args::Pause)
}

/// Lets a paused market go on.
#[must_use]
pub fn unpause(authority: &Pubkey, market: &Pubkey) -> Instruction {
    build(&accounts::Unpause { authority: *authority, market: *market }, &args::Unpause)
}

/// Moves fees from the treasury to `to`, a token account of the market's mint.
#[must_use]
pub fn withdraw_treasury(authority: &Pubkey, market: &Pubkey, to: &Pubkey, amount: u64) -> Instruction {
    let accounts = accounts::WithdrawTreasury {
        authority: *authority,
        market: *market,
        treasury: pda::treasury(market),
        to: *to,
        token_program: TOKEN,
    };
    build(&accounts, &args::WithdrawTreasury { amount })
}
