//! One escrowed piece of work.

use std::cell::{Ref, RefMut};

use anchor_lang::prelude::*;
use tessera_protocol::{
    audit::{self, Funding},
    chance::Chance,
    constants, lease, payout, routing, seeds,
    state::JobState,
};

use crate::{errors::TesseraError, state::JobEnd};

/// Where `Job.state` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_STATE_OFFSET: u64 = 10;
/// Where `Job.market` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_MARKET_OFFSET: u64 = 16;
/// Where `Job.wallet` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_WALLET_OFFSET: u64 = 80;
/// Where the bitmap of settled leases starts in the account data.
#[constant]
pub const JOB_BITMAP_OFFSET: u64 = 584;

/// What a job asks of providers; see `tessera_protocol::routing::Requirements`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Device memory in MiB.
    pub memory_mib: u32,
    /// Lowest hardware class.
    pub class: u8,
    /// Set of regions, one bit each; 0 means anywhere.
    pub regions: u64,
}

/// One escrowed piece of work. Address: `["job", client account, number]`.
///
/// Its escrow is the token account `["escrow", job]`. Behind the fields, at [`JOB_BITMAP_OFFSET`], lies a bitmap of
/// one bit per lease, set when the lease has settled.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Job {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Whether it takes claims: a `tessera_protocol::state::JobState`.
    pub state: u8,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// Units in a lease; the last lease may have fewer.
    pub units_per_lease: u32,
    /// The market.
    pub market: Pubkey,
    /// The client account.
    pub client: Pubkey,
    /// The wallet that pays and is refunded.
    pub wallet: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// Content id of the job specification.
    pub spec: [u8; 32],
    /// Number of the job among those of its client.
    pub number: u64,
    /// Number of units.
    pub units: u64,
    /// What one replica of one unit pays, for seats claimed from now on.
    pub price_per_unit: u64,
    /// Unix time of the posting.
    pub posted_at: i64,
    /// Slot of the posting.
    pub posted_slot: u64,
    /// Unix time by which all windows of all claims end.
    pub deadline: i64,
    /// Put into the escrow by the client.
    pub deposited: u64,
    /// Paid to providers.
    pub paid: u64,
    /// Due to seats of settled leases whose pay has not moved yet.
    pub owed: u64,
    /// Units of leases that have settled.
    pub settled_units: u64,
    /// Leases that have settled.
    pub settled_leases: u32,
    /// Number of leases.
    pub leases: u32,
    /// Time from claim to commit.
    pub lease_seconds: u32,
    /// Window for revealing, and again for opening.
    pub reveal_seconds: u32,
    /// Time after the deadline in which only settlement happens.
    pub grace_seconds: u32,
    /// Device memory in MiB that it asks for.
    pub memory_mib: u32,
    /// Set of regions that it asks for, one bit each; 0 means anywhere.
    pub regions: u64,
    /// Lowest hardware class that it asks for.
    pub class: u8,
    /// How many bytes of `store` are used.
    pub store_len: u8,
    /// Fee on top of what providers earn, in basis points, as it was at posting.
    pub fee_bps: u16,
    /// Treasury's share of the fee, in basis points, as it was at posting.
    pub treasury_bps: u16,
    /// Stake that a seat locks, in multiples of its pay, as it was at posting.
    pub lock_multiple: u16,
    /// Bond of a seat that burns when it is late, in basis points of its pay, as it was at posting.
    pub expiry_bond_bps: u16,
    /// Chance up to which the reserve pays an audit, as it was at posting.
    pub reserve_bps: u16,
    /// Results to be confirmed before the chance of an audit falls below one, as it was at posting.
    pub probation: u16,
    /// Votes by which a root must lead in a dispute, as it was at posting.
    pub lead: u8,
    /// Most seats of a lease that may count in a dispute, as it was at posting.
    pub seat_limit: u8,
    /// How many providers behind the bitmap may claim; zero: all may.
    pub allowed: u8,
    /// How many providers behind those may not.
    pub denied: u8,
    /// 1: only those allowed have its inputs, so nobody audits it; else 0.
    pub private: u8,
    /// Zero.
    pub padding: [u8; 5],
    /// Hash of the slot that ranks the providers; zero before `seed_job`.
    pub seed: [u8; 32],
    /// That slot; before, the slot whose hash, or the first after it, will be the seed.
    pub seed_slot: u64,
    /// Unix time at which the leases opened to claims; zero before.
    pub seeded_at: i64,
    /// Escrowed for audits.
    pub audit_reserve: u64,
    /// Part of it that neither was paid nor is set aside for an audit that was drawn.
    pub reserve: u64,
    /// Part of it that was paid.
    pub audits_paid: u64,
    /// Burned fee that earns a result the whole credit, as it was at posting.
    pub credit_fee: u64,
    /// Chance of an audit that deters from cheating, in units of 2⁻³², by the parameters at posting.
    pub deterring: u64,
    /// Least stake that it asks of providers.
    pub min_stake: u64,
    /// Least score that it asks of providers, in units of 2⁻³².
    pub min_score: u64,
    /// Leases that are being audited or disputed.
    pub contested: u32,
    /// Time after which the opening of a group of seats doubles, as it was at posting.
    pub step_seconds: u32,
    /// Time after the opening of outputs in which the client may demand chunks of them, and before which they are not paid.
    pub challenge_seconds: u32,
    /// Seats of settled leases that are still to be paid, whatever they are due.
    pub owed_seats: u32,
    /// What a demand costs the client, as it was at posting.
    pub demand_bond: u64,
    /// Stake that gives full weight in routing, as it was at posting.
    pub stake_cap: u64,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 8],
    /// URL of the store that holds inputs and takes outputs.
    pub store: [u8; 128],
}

const _: () = assert!(Job::BITMAP_OFFSET == JOB_BITMAP_OFFSET as usize);
const _: () = assert!(constants::MAX_STORE_URL == 128);

impl Job {
    /// Bytes before the bitmap.
    pub const BITMAP_OFFSET: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// Bytes of the account of a job of this shape. Shapes out of bounds, which validation refuses, get no bitmap.
    #[must_use]
    pub fn space(units: u64, units_per_lease: u32, listed: usize) -> usize {
        let leases = if units_per_lease == 0 { 0 } else { lease::count(units, units_per_lease) };
        let leases = u32::try_from(leases).ok().filter(|n| *n <= constants::MAX_LEASES).unwrap_or(0);
        let listed = listed.min(constants::MAX_LISTED);
        Self::BITMAP_OFFSET + lease::bitmap_len(leases) + listed * size_of::<Pubkey>()
    }

    /// Bytes of the bitmap.
    #[must_use]
    pub fn bitmap_len(&self) -> usize {
        lease::bitmap_len(self.leases)
    }

    /// The audit parameters that it was posted with, as far as they are needed again: the others are in `deterring`.
    #[must_use]
    pub fn audit_params(&self) -> audit::AuditParams {
        audit::AuditParams {
            lock_multiple: self.lock_multiple,
            lead: self.lead,
            seat_limit: self.seat_limit,
            reserve_bps: self.reserve_bps,
            expiry_bond_bps: self.expiry_bond_bps,
            probation: self.probation,
            ..audit::AuditParams::default()
        }
    }

    /// Whether only those that its client allows have its inputs: nobody audits it, judges it or waits for a turn.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private != 0
    }

    /// Whether it has a seed, and its leases are open to claims.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.seeded_at != 0
    }

    /// What it asks of a provider's standing.
    #[must_use]
    pub fn threshold(&self) -> routing::Threshold {
        routing::Threshold { score: Chance::from_units(self.min_score), stake: self.min_stake }
    }

    /// Who pays an audit that was drawn with `chance`. The reserve sets its part aside.
    pub fn fund(&mut self, chance: Chance, missed: bool, pay: u64) -> Result<Funding> {
        let funding = audit::funding(&self.audit_params(), chance, missed, self.reserve, pay);
        if funding == Funding::Reserve {
            self.reserve = self.reserve.checked_sub(pay).ok_or(TesseraError::Overflow)?;
        }
        Ok(funding)
    }

    /// Something that was set aside for audits is not needed.
    pub fn keep(&mut self, unspent: u64) -> Result<()> {
        self.reserve = self.reserve.checked_add(unspent).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Pays `amount` out of the reserve for audits. Returns it.
    pub fn spend_reserve(&mut self, amount: u64) -> Result<u64> {
        self.reserve = self.reserve.checked_sub(amount).ok_or(TesseraError::Overflow)?;
        self.audits_paid = self.audits_paid.checked_add(amount).ok_or(TesseraError::Overflow)?;
        Ok(amount)
    }

    /// What is burned of the fee on `pay`.
    #[must_use]
    pub fn fee_burned(&self, pay: u64) -> u64 {
        let fee = payout::share(pay, self.fee_bps);
        fee - payout::share(fee, self.treasury_bps)
    }

    /// The number of leases that are being audited or disputed has changed as the flag of one of them.
    pub fn contest(&mut self, before: bool, now: bool) -> Result<()> {
        let count = match (before, now) {
            (false, true) => self.contested.checked_add(1),
            (true, false) => self.contested.checked_sub(1),
            _ => Some(self.contested),
        };
        self.contested = count.ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Whether the client has not cancelled it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == JobState::Open as u8
    }

    /// What it asks of providers.
    #[must_use]
    pub fn requirements(&self) -> routing::Requirements {
        routing::Requirements { memory_mib: self.memory_mib, class: self.class, regions: self.regions }
    }

    /// The longest course of a claim, in seconds.
    #[must_use]
    pub fn longest(&self) -> i64 {
        lease::longest(self.lease_seconds, self.reveal_seconds, self.challenge_seconds)
    }

    /// Whether a claim now leaves room for all its windows before the deadline.
    #[must_use]
    pub fn fits(&self, now: i64) -> bool {
        lease::fits(now, self.deadline, self.lease_seconds, self.reveal_seconds, self.challenge_seconds)
    }

    /// Whether all windows of the job, its grace included, have passed.
    #[must_use]
    pub fn over(&self, now: i64) -> bool {
        now > self.deadline.saturating_add(i64::from(self.grace_seconds))
    }

    /// The job at an address that a lease names; `None` if it has been closed.
    ///
    /// Job numbers never repeat, so what is gone stays gone. Lamports that somebody sends to the address do not matter.
    pub fn find<'info>(info: &'info AccountInfo<'info>) -> Result<Option<AccountLoader<'info, Self>>> {
        if info.owner == &System::id() && info.data_is_empty() {
            return Ok(None);
        }
        AccountLoader::try_from(info).map(Some)
    }

    /// What is left of a job that [`Self::find`] looked for.
    pub fn end(job: Option<&AccountLoader<'_, Self>>, now: i64) -> Result<JobEnd> {
        let Some(job) = job else { return Ok(JobEnd::Gone) };
        Ok(if job.load()?.over(now) { JobEnd::Over } else { JobEnd::Running })
    }

    /// The bitmap of settled leases of a job account.
    pub fn bitmap<'a>(info: &'a AccountInfo<'_>) -> Result<Ref<'a, [u8]>> {
        Ok(Ref::map(info.try_borrow_data()?, |data| data.get(Self::BITMAP_OFFSET..).unwrap_or_default()))
    }

    /// The bitmap of settled leases of a job account, for writing.
    pub fn bitmap_mut<'a>(info: &'a AccountInfo<'_>) -> Result<RefMut<'a, [u8]>> {
        Ok(RefMut::map(info.try_borrow_mut_data()?, |data| data.get_mut(Self::BITMAP_OFFSET..).unwrap_or_default()))
    }

    /// Whether `provider` may claim by the lists of the job, whose account is `info`.
    pub fn lists(&self, info: &AccountInfo<'_>, provider: &Pubkey) -> Result<bool> {
        if self.allowed == 0 && self.denied == 0 {
            return Ok(true);
        }
        let data = info.try_borrow_data()?;
        let keys = data.get(Self::BITMAP_OFFSET + self.bitmap_len()..).unwrap_or_default();
        let keys = keys.as_chunks::<{ size_of::<Pubkey>() }>().0;
        let (allowed, rest) = keys.split_at(keys.len().min(usize::from(self.allowed)));
        let denied = &rest[..rest.len().min(usize::from(self.denied))];
        let is = |key: &[u8; 32]| key == provider.as_array();
        Ok((allowed.is_empty() || allowed.iter().any(is)) && !denied.iter().any(is))
    }

    /// `seats` seats of a lease that has just settled are due `due` together.
    pub fn owe(&mut self, units: u32, seats: usize, due: u64) -> Result<()> {
        let seats = u32::try_from(seats).map_err(|_| TesseraError::Overflow)?;
        self.owed_seats = self.owed_seats.checked_add(seats).ok_or(TesseraError::Overflow)?;
        self.settled_leases = self.settled_leases.checked_add(1).ok_or(TesseraError::Overflow)?;
        self.settled_units = self.settled_units.checked_add(u64::from(units)).ok_or(TesseraError::Overflow)?;
        self.owed = self.owed.checked_add(due).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// A seat that was owed `pay` is owed it no longer.
    pub fn release(&mut self, pay: u64) -> Result<()> {
        self.owed_seats = self.owed_seats.checked_sub(1).ok_or(TesseraError::Overflow)?;
        self.owed = self.owed.checked_sub(pay).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// By what the account signs.
    #[must_use]
    pub fn signer(&self) -> JobSigner {
        JobSigner { client: self.client, number: self.number.to_le_bytes(), bump: [self.bump] }
    }
}

/// The seeds by which a job account signs.
pub struct JobSigner {
    client: Pubkey,
    number: [u8; 8],
    bump: [u8; 1],
}

impl JobSigner {
    /// As they stand behind each other in the address.
    #[must_use]
    pub fn seeds(&self) -> [&[u8]; 4] {
        [seeds::JOB, self.client.as_ref(), &self.number, &self.bump]
    }
}
