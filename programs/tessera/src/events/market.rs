//! What happens to markets, providers and clients.

use anchor_lang::prelude::*;

use crate::state::{Capabilities, MarketParams};

/// A market was created.
#[event]
pub struct MarketCreated {
    /// The market.
    pub market: Pubkey,
    /// Its mint.
    pub mint: Pubkey,
    /// Its authority.
    pub authority: Pubkey,
    /// Its parameters.
    pub params: MarketParams,
}

/// The parameters of a market were replaced.
#[event]
pub struct MarketUpdated {
    /// The market.
    pub market: Pubkey,
    /// The new parameters.
    pub params: MarketParams,
}

/// A market was paused or goes on.
#[event]
pub struct MarketPaused {
    /// The market.
    pub market: Pubkey,
    /// Whether it is paused now.
    pub paused: bool,
}

/// Fees left the treasury of a market.
#[event]
pub struct TreasuryWithdrawn {
    /// The market.
    pub market: Pubkey,
    /// The token account that got them.
    pub to: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A provider registered.
#[event]
pub struct ProviderRegistered {
    /// The market.
    pub market: Pubkey,
    /// The provider account.
    pub provider: Pubkey,
    /// Owner of stake and earnings.
    pub authority: Pubkey,
    /// Hot key of its workers.
    pub operator: Pubkey,
    /// What it says of itself.
    pub capabilities: Capabilities,
}

/// A provider changed its operator or what it says of itself.
#[event]
pub struct ProviderUpdated {
    /// The provider.
    pub provider: Pubkey,
    /// The operator now.
    pub operator: Pubkey,
    /// The capabilities now.
    pub capabilities: Capabilities,
}

/// A provider has shown what its device can do.
#[event]
pub struct CapabilityProven {
    /// The provider.
    pub provider: Pubkey,
    /// Memory that was filled, in MiB.
    pub memory_mib: u32,
    /// Thousands of digests a second.
    pub speed: u32,
    /// Unix time.
    pub at: i64,
}

/// A provider added stake.
#[event]
pub struct StakeAdded {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
    /// Its stake now.
    pub stake: u64,
}

/// A provider asked for stake back.
#[event]
pub struct UnstakeRequested {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
    /// Unix time from which all that was asked back may leave.
    pub unstake_at: i64,
}

/// Stake left.
#[event]
pub struct StakeWithdrawn {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// Lost bonds were burned.
#[event]
pub struct BondsBurned {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// Earnings left.
#[event]
pub struct EarningsWithdrawn {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A client registered.
#[event]
pub struct ClientRegistered {
    /// The market.
    pub market: Pubkey,
    /// The client account.
    pub client: Pubkey,
    /// Its wallet.
    pub wallet: Pubkey,
}
