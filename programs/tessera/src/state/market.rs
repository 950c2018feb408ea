//! One configuration: mint, fees, windows, stake rules.

use anchor_lang::prelude::*;
use tessera_protocol::{bonds, constants, seeds};

use crate::errors::TesseraError;

/// Parameters of a market, which its authority may replace. Jobs keep what they were posted with.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketParams {
    /// Fee on top of what providers earn, in basis points.
    pub fee_bps: u16,
    /// Share of the fee that goes to the treasury, in basis points; the rest is burned.
    pub treasury_bps: u16,
    /// Least stake with which a provider may claim, in base units of the mint.
    pub min_stake: u64,
    /// Most leases a provider may hold at once.
    pub max_open_leases: u32,
    /// Wait between asking for stake back and taking it.
    pub unstake_seconds: u32,
    /// Window for revealing, and again for opening, of jobs posted from now on.
    pub reveal_seconds: u32,
    /// Time after a job's deadline in which only settlement happens, of jobs posted from now on.
    pub grace_seconds: u32,
    /// Stake that a seat locks, in multiples of its pay, in jobs posted from now on.
    pub lock_multiple: u16,
    /// Bond of a seat that burns when it is late, in basis points of its pay, in jobs posted from now on.
    pub expiry_bond_bps: u16,
    /// Seats that a provider may return for nothing within `returns_seconds`; for others the bond burns.
    pub free_returns: u32,
    /// Time in which all free returns come back.
    pub returns_seconds: u32,
}

impl MarketParams {
    /// Checks every parameter against the bounds of the protocol.
    pub fn validate(&self) -> Result<()> {
        let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
        let wide = |(low, high): (u16, u16)| (low.into(), high.into());
        require!(self.fee_bps <= constants::MAX_FEE_BPS, TesseraError::FeeTooHigh);
        require!(u64::from(self.treasury_bps) <= constants::BPS, TesseraError::TreasuryShareTooHigh);
        require!(
            within(self.max_open_leases, (1, constants::MAX_OPEN_LEASES)),
            TesseraError::OpenLeaseLimitOutOfBounds
        );
        require!(within(self.unstake_seconds, constants::UNSTAKE_SECONDS), TesseraError::UnstakeSecondsOutOfBounds);
        require!(within(self.reveal_seconds, constants::REVEAL_SECONDS), TesseraError::RevealSecondsOutOfBounds);
        require!(within(self.grace_seconds, constants::GRACE_SECONDS), TesseraError::GraceSecondsOutOfBounds);
        let (lock, bond) = (wide(constants::LOCK_MULTIPLE), wide(constants::EXPIRY_BOND_BPS));
        require!(within(self.lock_multiple.into(), lock), TesseraError::LockMultipleOutOfBounds);
        require!(within(self.expiry_bond_bps.into(), bond), TesseraError::ExpiryBondOutOfBounds);
        require!(within(self.returns_seconds, constants::RETURNS_SECONDS), TesseraError::ReturnsSecondsOutOfBounds);
        Ok(())
    }

    /// How often a provider may return seats for nothing.
    #[must_use]
    pub fn allowance(&self) -> bonds::Allowance {
        bonds::Allowance { free: self.free_returns, window: self.returns_seconds }
    }
}

/// One configuration on chain. Address: `["market", creator, id]`.
#[account]
#[derive(InitSpace, Debug)]
pub struct Market {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Bump of the treasury's address.
    pub treasury_bump: u8,
    /// Stops new jobs and claims, nothing else.
    pub paused: bool,
    /// Number that tells the markets of one creator apart.
    pub id: u16,
    /// Who created the market; part of the address.
    pub creator: Pubkey,
    /// Who may change parameters, pause, and withdraw from the treasury.
    pub authority: Pubkey,
    /// The classic SPL mint of all amounts.
    pub mint: Pubkey,
    /// Parameters.
    pub params: MarketParams,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 116],
}

const _: () = assert!(MarketParams::INIT_SPACE == 40);
const _: () = assert!(Market::INIT_SPACE == 258);

impl Market {
    /// Bytes of the account.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;

    /// Calls `f` with the seeds by which the market signs.
    pub fn with_signer<T>(&self, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        f(&[seeds::MARKET, self.creator.as_ref(), &self.id.to_le_bytes(), &[self.bump]])
    }
}
