//! A staked account that earns.

use anchor_lang::prelude::*;
use tessera_protocol::{capability, chance::Chance, reputation::Reputation, routing, seeds};

use crate::{errors::TesseraError, state::Moment};

/// Where `Provider.market` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_MARKET_OFFSET: u64 = 16;
/// Where `Provider.authority` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_AUTHORITY_OFFSET: u64 = 48;
/// Where `Provider.operator` starts in the account data, for `memcmp` filters.
#[constant]
pub const PROVIDER_OPERATOR_OFFSET: u64 = 80;

/// What a provider says of itself; see `tessera_protocol::routing::Capabilities`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
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

/// A provider in one market. Address: `["provider", market, authority]`. Never closed.
///
/// Its stake vault, `["stake", provider]`, holds `stake + unstaking + earned + to_burn`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Provider {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Hardware class: 0 CPU, otherwise the compute capability times ten.
    pub class: u8,
    /// Region, 0 to 63.
    pub region: u8,
    /// Device memory in MiB of its smallest device.
    pub memory_mib: u32,
    /// The market.
    pub market: Pubkey,
    /// Owner of stake and earnings.
    pub authority: Pubkey,
    /// Hot key of the workers.
    pub operator: Pubkey,
    /// The stake vault.
    pub stake_vault: Pubkey,
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
    /// Unix time of the registration.
    pub registered_at: i64,
    /// Slot in which stake was added last; zero before.
    pub staked_slot: u64,
    /// Part of the stake that seats lock.
    pub locked: u64,
    /// Bonds lost, ever.
    pub lost: u64,
    /// Part of them that lies in the stake vault until somebody burns it.
    pub to_burn: u64,
    /// Unix time at which all free returns are available again.
    pub returns_full_at: i64,
    /// Locks of convicted seats, ever.
    pub slashed: u64,
    /// Weight of confirmed results at `reputation_at`, in units of 2⁻³² events.
    pub success: u64,
    /// Weight of faults and late seats at `reputation_at`, in the same units.
    pub failure: u64,
    /// Unix time up to which both weights are decayed.
    pub reputation_at: i64,
    /// Slot of the last fault; zero without one.
    pub fault_slot: u64,
    /// Results since the last fault that seats drawn from the whole market confirmed.
    pub consecutive: u32,
    /// Convicted seats, ever.
    pub faults: u32,
    /// Seats that were late, ever.
    pub expiries: u32,
    /// Seats that are not settled, returned, expired or slashed.
    pub open_leases: u32,
    /// Slot in which a proof of capability began that is not finished; zero without one.
    pub proof_slot: u64,
    /// Unix time of that slot.
    pub proof_at: i64,
    /// Unix time at which memory was shown last; zero before.
    pub proven_at: i64,
    /// Memory in MiB that the proof that has begun is about.
    pub proof_mib: u32,
    /// Memory in MiB that was shown.
    pub proven_mib: u32,
    /// Thousands of digests a second, of which the last proof was made.
    pub speed: u32,
    /// Zero.
    pub padding: u32,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 24],
}

const _: () = assert!(size_of::<Provider>() == 360);

impl Provider {
    /// Bytes of the account.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// What it says of itself.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities { memory_mib: self.memory_mib, class: self.class, region: self.region }
    }

    /// What it says of itself from now on.
    pub fn set_capabilities(&mut self, has: Capabilities) {
        Capabilities { memory_mib: self.memory_mib, class: self.class, region: self.region } = has;
    }

    /// What it says of itself, as routing reads it: of memory only what it has shown, where the market wants proofs.
    #[must_use]
    pub fn qualities(&self, proof_seconds: u32, now: i64) -> routing::Capabilities {
        let memory_mib = capability::memory_mib(self.memory_mib, self.proven_mib, self.proven_at, proof_seconds, now);
        routing::Capabilities { memory_mib, class: self.class, region: self.region }
    }

    /// A proof of so much memory begins. One that had begun is forgotten.
    pub fn begin_proof(&mut self, memory_mib: u32, now: Moment) {
        (self.proof_mib, self.proof_slot, self.proof_at) = (memory_mib, now.slot, now.time);
    }

    /// The proof that has begun was shown; `seed_slot` is the slot whose hash was its seed.
    pub fn finish_proof(&mut self, seed_slot: u64, now: Moment) {
        let seconds = u64::try_from(now.time.saturating_sub(self.proof_at)).unwrap_or(0);
        let (slots, since_seed) = (now.slot.saturating_sub(self.proof_slot), now.slot.saturating_sub(seed_slot));
        self.speed = capability::speed(self.proof_mib, seconds, slots, since_seed);
        (self.proven_mib, self.proven_at) = (self.proof_mib, now.time);
        self.begin_proof(0, Moment { slot: 0, time: 0 });
    }

    /// What is remembered of it.
    #[must_use]
    pub fn reputation(&self) -> Reputation {
        Reputation {
            consecutive: self.consecutive,
            faults: self.faults,
            expiries: self.expiries,
            success: self.success,
            failure: self.failure,
            at: self.reputation_at,
            fault_slot: self.fault_slot,
        }
    }

    /// What is remembered of it from now on.
    pub fn set_reputation(&mut self, reputation: Reputation) {
        Reputation {
            consecutive: self.consecutive,
            faults: self.faults,
            expiries: self.expiries,
            success: self.success,
            failure: self.failure,
            at: self.reputation_at,
            fault_slot: self.fault_slot,
        } = reputation;
    }

    /// What routing has to know of it beside its capabilities. For base seats its score counts too.
    #[must_use]
    pub fn standing(&self, score: Chance) -> routing::Standing {
        routing::Standing { score, stake: self.stake, locked: self.locked, staked_slot: self.staked_slot }
    }

    /// Takes a seat into account that it has from now on.
    pub fn seat_taken(&mut self, lock: u64) -> Result<()> {
        self.open_leases = self.open_leases.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.locked = self.locked.checked_add(lock).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Takes a seat into account that it has no longer.
    pub fn seat_left(&mut self, lock: u64) -> Result<()> {
        self.open_leases = self.open_leases.checked_sub(1).ok_or(TesseraError::Overflow)?;
        self.locked = self.locked.checked_sub(lock).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Takes into account that a bond is lost, which was locked until now. It is burned later, by anyone: a token account
    /// that is frozen must not keep a lease from going on.
    pub fn lose(&mut self, bond: u64) -> Result<()> {
        self.stake = self.stake.checked_sub(bond).ok_or(TesseraError::Overflow)?;
        self.to_burn = self.to_burn.checked_add(bond).ok_or(TesseraError::Overflow)?;
        self.lost = self.lost.saturating_add(bond);
        Ok(())
    }

    /// A lock is lost: `awarded` leaves the vault for those who were called to decide, the rest will be burned.
    pub fn slash(&mut self, lock: u64, awarded: u64) -> Result<()> {
        let burned = lock.checked_sub(awarded).ok_or(TesseraError::Overflow)?;
        self.stake = self.stake.checked_sub(lock).ok_or(TesseraError::Overflow)?;
        self.to_burn = self.to_burn.checked_add(burned).ok_or(TesseraError::Overflow)?;
        self.slashed = self.slashed.saturating_add(lock);
        Ok(())
    }

    /// Checks that the owner has nothing left to burn before it takes something out.
    pub fn check_bonds_burned(&self) -> Result<()> {
        require!(self.to_burn == 0, TesseraError::BondsNotBurned);
        Ok(())
    }

    /// Stake that may be asked back.
    #[must_use]
    pub fn unlocked(&self) -> u64 {
        self.stake.saturating_sub(self.locked)
    }

    /// Whether `signer` is its authority or its operator.
    #[must_use]
    pub fn is_run_by(&self, signer: &Pubkey) -> bool {
        *signer == self.authority || *signer == self.operator
    }

    /// By what the account signs.
    #[must_use]
    pub fn signer(&self) -> ProviderSigner {
        ProviderSigner { market: self.market, authority: self.authority, bump: [self.bump] }
    }
}

/// The seeds by which a provider account signs.
pub struct ProviderSigner {
    market: Pubkey,
    authority: Pubkey,
    bump: [u8; 1],
}

impl ProviderSigner {
    /// As they stand behind each other in the address.
    #[must_use]
    pub fn seeds(&self) -> [&[u8]; 4] {
        [seeds::PROVIDER, self.market.as_ref(), self.authority.as_ref(), &self.bump]
    }
}
