//! One configuration: mint, fees, windows, stake rules.

use anchor_lang::prelude::*;
use tessera_protocol::{audit, bonds, capability, constants, seeds};

use crate::errors::TesseraError;

/// How results are audited; see `tessera_protocol::audit::AuditParams`.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditParams {
    /// Least chance of an audit.
    pub p_min_bps: u16,
    /// What cheating saves, as a share of the pay.
    pub saving_bps: u16,
    /// Share of the market's stake that is assumed to collude.
    pub collusion_bps: u16,
    /// Stake that a seat locks, in multiples of its pay.
    pub lock_multiple: u16,
    /// Chance up to which a job's reserve pays an audit.
    pub reserve_bps: u16,
    /// Bond of a seat that burns when it is late, as a share of its pay.
    pub expiry_bond_bps: u16,
    /// Results to be confirmed before the chance falls below one; 0: the history does not count.
    pub probation: u16,
    /// Votes by which a root must lead in a dispute.
    pub lead: u8,
    /// Most seats of a lease that may count in a dispute.
    pub seat_limit: u8,
}

impl From<AuditParams> for audit::AuditParams {
    fn from(params: AuditParams) -> Self {
        Self {
            p_min_bps: params.p_min_bps,
            saving_bps: params.saving_bps,
            collusion_bps: params.collusion_bps,
            lock_multiple: params.lock_multiple,
            lead: params.lead,
            seat_limit: params.seat_limit,
            reserve_bps: params.reserve_bps,
            expiry_bond_bps: params.expiry_bond_bps,
            probation: params.probation,
        }
    }
}

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
    /// Seats that a provider may return for nothing within `returns_seconds`; for others the bond burns.
    pub free_returns: u32,
    /// Time in which all free returns come back.
    pub returns_seconds: u32,
    /// Time after which the opening of a group of seats doubles, of jobs posted from now on.
    pub step_seconds: u32,
    /// Stake that gives full weight in routing, in base units of the mint.
    pub stake_cap: u64,
    /// Fee burned for a result that earns its provider the whole credit for it, in base units, of jobs posted from now on.
    pub credit_fee: u64,
    /// What a client puts down to demand a chunk of opened outputs, in base units, of jobs posted from now on: who answers earns
    /// it.
    pub demand_bond: u64,
    /// Most device memory that a job may ask for, in MiB: what most of the market's stake has. Memory is the one requirement that
    /// auditors and jurors must meet too, so a client must not be able to choose them by it.
    pub max_memory_mib: u32,
    /// How results of jobs posted from now on are audited.
    pub audit: AuditParams,
    /// How long a proof of capability counts. Zero: providers are believed what they say of their memory.
    pub proof_seconds: u32,
}

impl MarketParams {
    /// Checks every parameter against the bounds of the protocol.
    pub fn validate(&self) -> Result<()> {
        let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
        require!(self.fee_bps <= constants::MAX_FEE_BPS, TesseraError::FeeTooHigh);
        require!(u64::from(self.treasury_bps) <= constants::BPS, TesseraError::TreasuryShareTooHigh);
        require!(
            within(self.max_open_leases, (1, constants::MAX_OPEN_LEASES)),
            TesseraError::OpenLeaseLimitOutOfBounds
        );
        require!(within(self.unstake_seconds, constants::UNSTAKE_SECONDS), TesseraError::UnstakeSecondsOutOfBounds);
        require!(within(self.reveal_seconds, constants::REVEAL_SECONDS), TesseraError::RevealSecondsOutOfBounds);
        require!(within(self.grace_seconds, constants::GRACE_SECONDS), TesseraError::GraceSecondsOutOfBounds);
        require!(within(self.returns_seconds, constants::RETURNS_SECONDS), TesseraError::ReturnsSecondsOutOfBounds);
        require!(within(self.step_seconds, constants::STEP_SECONDS), TesseraError::StepSecondsOutOfBounds);
        require!(self.stake_cap > 0, TesseraError::ZeroStakeCap);
        require!(self.demand_bond > 0, TesseraError::ZeroDemandBond);
        let proofs = self.proof_seconds == 0 || within(self.proof_seconds, capability::PROOF_SECONDS);
        require!(proofs, TesseraError::ProofSecondsOutOfBounds);
        audit::AuditParams::from(self.audit).check().map_err(|bound| error!(TesseraError::from(bound)))
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
    /// Stake of all providers together, lost stake that nobody has burned yet included.
    pub total_stake: u64,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 60],
}

/// What a claim has to know of its market, read where it lies: decoding all of it would cost as much as the seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketView {
    /// [`Market::paused`].
    pub paused: bool,
    /// [`MarketParams::min_stake`].
    pub min_stake: u64,
    /// [`MarketParams::max_open_leases`].
    pub max_open_leases: u32,
    /// [`MarketParams::proof_seconds`].
    pub proof_seconds: u32,
    /// [`Market::total_stake`].
    pub total_stake: u64,
}

impl MarketView {
    /// Where `paused` stands.
    const PAUSED: usize = Market::DISCRIMINATOR.len() + 3;
    /// Where the parameters begin: behind version, two bumps, `paused`, number and three keys.
    const PARAMS: usize = Self::PAUSED + 1 + 2 + 3 * 32;

    /// Reads it from an account that a job names as its market.
    pub fn read(info: &AccountInfo<'_>) -> Result<Self> {
        let data = info.try_borrow_data()?;
        let number =
            |at: usize| data.get(at..).and_then(|bytes| bytes.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
        let view = || {
            Some(Self {
                paused: *data.get(Self::PAUSED)? != 0,
                min_stake: number(Self::PARAMS + 4)?,
                // The low half of the number there.
                max_open_leases: number(Self::PARAMS + 12)? as u32,
                // The high half of the number there: it is the last of the parameters.
                proof_seconds: (number(Self::PARAMS + MarketParams::INIT_SPACE - 8)? >> 32) as u32,
                total_stake: number(Self::PARAMS + MarketParams::INIT_SPACE)?,
            })
        };
        Ok(view().ok_or(ErrorCode::AccountDidNotDeserialize)?)
    }
}

const _: () = assert!(MarketParams::INIT_SPACE == 88);
const _: () = assert!(Market::INIT_SPACE == 258);

impl Market {
    /// Bytes of the account.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;

    /// Stake has come.
    pub fn stake_added(&mut self, amount: u64) -> Result<()> {
        self.total_stake = self.total_stake.checked_add(amount).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Stake has left, or was burned.
    pub fn stake_left(&mut self, amount: u64) -> Result<()> {
        self.total_stake = self.total_stake.checked_sub(amount).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Calls `f` with the seeds by which the market signs.
    pub fn with_signer<T>(&self, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        f(&[seeds::MARKET, self.creator.as_ref(), &self.id.to_le_bytes(), &[self.bump]])
    }
}
