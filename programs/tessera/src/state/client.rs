//! Who pays: one account per wallet and market.

use anchor_lang::prelude::*;

/// A client of a market. Address: `["client", market, wallet]`. Never closed, so job numbers never repeat.
#[account]
#[derive(InitSpace, Debug)]
pub struct Client {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// The market.
    pub market: Pubkey,
    /// The wallet that posts, pays and is refunded.
    pub wallet: Pubkey,
    /// Number of the next job.
    pub next_job: u64,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 64],
}

const _: () = assert!(Client::INIT_SPACE == 138);

impl Client {
    /// Bytes of the account.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;
}
