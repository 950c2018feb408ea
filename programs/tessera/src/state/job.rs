//! One escrowed piece of work.

use std::cell::{Ref, RefMut};

use anchor_lang::prelude::*;
use tessera_protocol::{constants, lease, routing, seeds};

use crate::state::JobEnd;

/// Where `Job.state` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_STATE_OFFSET: u64 = 11;
/// Where `Job.market` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_MARKET_OFFSET: u64 = 12;
/// Where `Job.wallet` starts in the account data, for `memcmp` filters.
#[constant]
pub const JOB_WALLET_OFFSET: u64 = 76;
/// Where the bitmap of settled leases starts in the account data.
#[constant]
pub const JOB_BITMAP_OFFSET: u64 = 519;

/// Whether a job takes claims.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It does until its deadline.
    Open,
    /// The client has cancelled it: only leases already begun go on.
    Cancelled,
}

/// What a job asks of providers; see `tessera_protocol::routing::Requirements`.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Device memory in MiB.
    pub memory_mib: u32,
    /// Lowest hardware class.
    pub class: u8,
    /// Set of regions, one bit each; 0 means anywhere.
    pub regions: u64,
}

impl From<Requirements> for routing::Requirements {
    fn from(asked: Requirements) -> Self {
        Self { memory_mib: asked.memory_mib, class: asked.class, regions: asked.regions }
    }
}

/// One escrowed piece of work. Address: `["job", client account, number]`.
///
/// Its escrow is the token account `["escrow", job]`. Behind the fields, at [`JOB_BITMAP_OFFSET`], lies a bitmap of
/// one bit per lease, set when the lease has settled; it is read and written in place.
#[account]
#[derive(InitSpace, Debug)]
pub struct Job {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Bump of the escrow's address.
    pub escrow_bump: u8,
    /// Whether it takes claims.
    pub state: JobState,
    /// The market.
    pub market: Pubkey,
    /// The client account.
    pub client: Pubkey,
    /// The wallet that pays and is refunded.
    pub wallet: Pubkey,
    /// Number of the job among those of its client.
    pub number: u64,
    /// Content id of the job specification.
    pub spec: [u8; 32],
    /// Number of units.
    pub units: u64,
    /// Units in a lease; the last lease may have fewer.
    pub units_per_lease: u32,
    /// Number of leases.
    pub leases: u32,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// What one replica of one unit pays, for seats claimed from now on.
    pub price_per_unit: u64,
    /// Fee on top of what providers earn, in basis points, as it was at posting.
    pub fee_bps: u16,
    /// Treasury's share of the fee, in basis points, as it was at posting.
    pub treasury_bps: u16,
    /// Time from claim to commit.
    pub lease_seconds: u32,
    /// Window for revealing, and again for opening.
    pub reveal_seconds: u32,
    /// Time after the deadline in which only settlement happens.
    pub grace_seconds: u32,
    /// What it asks of providers.
    pub requirements: Requirements,
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
    /// Leases that have settled.
    pub settled_leases: u32,
    /// Units of those leases.
    pub settled_units: u64,
    /// URL of the store that holds inputs and takes outputs.
    pub store: [u8; 128],
    /// How many bytes of `store` are used.
    pub store_len: u8,
    /// Zero; belongs to later versions.
    pub reserved: [u8; 128],
}

const _: () = assert!(Requirements::INIT_SPACE == 13);
const _: () = assert!(Job::INIT_SPACE == 511);
const _: () = assert!(Job::BITMAP_OFFSET == JOB_BITMAP_OFFSET as usize);
const _: () = assert!(constants::MAX_STORE_URL == 128);

impl Job {
    /// Bytes before the bitmap.
    pub const BITMAP_OFFSET: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;

    /// Bytes of the account of a job of this shape. Shapes out of bounds, which validation refuses, get no bitmap.
    #[must_use]
    pub fn space(units: u64, units_per_lease: u32) -> usize {
        let leases = if units_per_lease == 0 { 0 } else { lease::count(units, units_per_lease) };
        let leases = u32::try_from(leases).ok().filter(|n| *n <= constants::MAX_LEASES).unwrap_or(0);
        Self::BITMAP_OFFSET + lease::bitmap_len(leases)
    }

    /// Whether all windows of the job, its grace included, have passed.
    #[must_use]
    pub fn over(&self, now: i64) -> bool {
        now > self.deadline.saturating_add(i64::from(self.grace_seconds))
    }

    /// The job at an address that a lease names; `None` if it has been closed.
    ///
    /// Job numbers never repeat, so what is gone stays gone. Lamports that somebody sends to the address do not matter.
    pub fn find(info: &AccountInfo<'_>) -> Result<Option<Box<Self>>> {
        if info.owner == &System::id() && info.data_is_empty() {
            return Ok(None);
        }
        require_keys_eq!(*info.owner, crate::ID, ErrorCode::AccountOwnedByWrongProgram);
        Ok(Some(Box::new(Self::try_deserialize(&mut &info.try_borrow_data()?[..])?)))
    }

    /// What is left of a job that [`Self::find`] looked for.
    #[must_use]
    pub fn end(job: Option<&Self>, now: i64) -> JobEnd {
        match job {
            None => JobEnd::Gone,
            Some(job) if job.over(now) => JobEnd::Over,
            Some(_) => JobEnd::Running,
        }
    }

    /// The bitmap of settled leases of a job account.
    pub fn bitmap<'a>(info: &'a AccountInfo<'_>) -> Result<Ref<'a, [u8]>> {
        Ok(Ref::map(info.try_borrow_data()?, |data| data.get(Self::BITMAP_OFFSET..).unwrap_or_default()))
    }

    /// The bitmap of settled leases of a job account, for writing. Exiting the account does not touch it.
    pub fn bitmap_mut<'a>(info: &'a AccountInfo<'_>) -> Result<RefMut<'a, [u8]>> {
        Ok(RefMut::map(info.try_borrow_mut_data()?, |data| data.get_mut(Self::BITMAP_OFFSET..).unwrap_or_default()))
    }

    /// Calls `f` with the seeds by which the job account signs.
    pub fn with_signer<T>(&self, f: impl FnOnce(&[&[&[u8]]]) -> T) -> T {
        f(&[&[seeds::JOB, self.client.as_ref(), &self.number.to_le_bytes(), &[self.bump]]])
    }
}
