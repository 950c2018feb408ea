//! A staked account that earns.

use anchor_lang::prelude::*;
use tessera_protocol::{routing, seeds};

use crate::errors::TesseraError;

/// Where `Provider.market` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_MARKET_OFFSET: u64 = 11;
/// Where `Provider.authority` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_AUTHORITY_OFFSET: u64 = 43;
/// Where `Provider.operator` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_OPERATOR_OFFSET: u64 = 75;

/// What a provider says of itself; see `tessera_protocol::routing::Capabilities`.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Device memory in MiB of its smallest device.
    pub memory_mib: u32,
    /// Hardware class: 0 CPU, otherwise the compute capability times ten.
    pub class: u8,
    /// Region, 0 to 63.
    pub region: u8,
}

impl Capabilities {
    /// Checks that the region is one that a job can ask for.
    pub fn validate(&self) -> Result<()> {
        require!(u32::from(self.region) < u64::BITS, TesseraError::RegionOutOfBounds);
        Ok(())
    }
}

impl From<Capabilities> for routing::Capabilities {
    fn from(has: Capabilities) -> Self {
        Self { memory_mib: has.memory_mib, class: has.class, region: has.region }
    }
}

/// A provider in one market. Address: `["provider", market, authority]`. Never closed.
///
/// Its stake vault, `["stake", provider]`, holds `stake + unstaking + earned`.
#[account]
#[derive(InitSpace, Debug)]
pub struct Provider {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Bump of the stake vault's address.
    pub stake_bump: u8,
    /// The market.
    pub market: Pubkey,
    /// Owner of stake and earnings.
    pub authority: Pubkey,
    /// Hot key of the workers.
    pub operator: Pubkey,
    /// What it says of itself.
    pub capabilities: Capabilities,
    /// Seats that are not settled, returned or expired.
    pub open_leases: u32,
    /// Stake that counts.
    pub stake: u64,
    /// Stake that waits to be withdrawn.
    pub unstaking: u64,
    /// Unix time from which `unstaking` may leave.
    pub unstake_at: i64,
    /// Earned and not yet withdrawn.
    pub earned: u64,
    /// Earned ever.
    pub total_earned: u64,
    /// Seats that were paid.
    pub leases_settled: u64,
    /// Units of those seats.
    pub units_settled: u64,
    /// Seats that were not committed in time.
    pub expired: u64,
    /// Seats that were not revealed or not opened in time.
    pub faults: u64,
    /// Seats of rounds that disagreed.
    pub disagreed: u64,
    /// Unix time of the registration.
    pub registered_at: i64,
    /// Slot in which stake was added last; zero before.
    pub staked_slot: u64,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 128],
}

const _: () = assert!(Capabilities::INIT_SPACE == 6);
const _: () = assert!(Provider::INIT_SPACE == 333);

impl Provider {
    /// Bytes of the account.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;

    /// Calls `f` with the seeds by which the provider account signs.
    pub fn with_signer<T>(&self, f: impl FnOnce(&[&[&[u8]]]) -> T) -> T {
        f(&[&[seeds::PROVIDER, self.market.as_ref(), self.authority.as_ref(), &[self.bump]]])
    }
}
