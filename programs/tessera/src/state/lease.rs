//! A range of units and the seats of the providers that compute it, as they lie in an account.

use std::ops::{Deref, DerefMut};

use anchor_lang::prelude::*;
use tessera_protocol::seeds;

mod demand;
mod group;
mod judgement;
mod life;

pub use group::*;
pub use judgement::*;
pub use life::*;

/// Where `Lease.job` starts in the account data, for `memcmp` filters.
#[constant]
pub const LEASE_JOB_OFFSET: u64 = 16;

/// Where `Lease.group` starts in the account data, for `memcmp` filters.
#[constant]
pub const LEASE_GROUP_OFFSET: u64 = 11;
/// Where `Lease.contested` starts in the account data, for `memcmp` filters.
#[constant]
pub const LEASE_CONTESTED_OFFSET: u64 = 103;

/// Flag of a seat: its result was confirmed by somebody drawn from the whole market.
pub const CONFIRMED: u8 = 1;
/// Flag of an audit seat: the job's reserve has set its pay aside.
pub const PAID_BY_RESERVE: u8 = 2;
/// Flag of a dispute seat whose vote found a module void: what the reserve has left pays it, as nobody has lost.
pub const PAID_BY_REST: u8 = 4;

/// Flag of a committed seat that was silent when others were judged: it may not speak any more.
pub const SILENT: u8 = 8;

/// The place of one provider in a lease.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The provider account.
    pub provider: Pubkey,
    /// Who paid the rent of the seat and gets it back.
    pub payer: Pubkey,
    /// What it will be paid, fixed at the claim; of a convicted seat the part of its lock that others are awarded.
    pub pay: u64,
    /// Unix time by which it must be committed.
    pub commit_by: i64,
    /// Slot of the claim; from the commit on, of that; from a demand on, of that.
    pub slot: u64,
    /// Stake of the provider that it locks.
    pub lock: u64,
    /// Part of it that is lost when the seat is late.
    pub bond: u64,
    /// Number of the claim in the lease.
    pub attempt: u32,
    /// How far it has come: a `tessera_protocol::state::SeatState`.
    pub state: u8,
    /// How it came to the lease: a `tessera_protocol::verdict::Kind`.
    pub kind: u8,
    /// What its draw has said: a `tessera_protocol::state::Draw`.
    pub draw: u8,
    /// [`CONFIRMED`], [`PAID_BY_RESERVE`], [`PAID_BY_REST`], [`SILENT`].
    pub flags: u8,
    /// Unix time from which it may be paid; zero before it is opened.
    pub payable_at: i64,
    /// Unix time by which a chunk must be shown that the client has demanded; zero without a demand.
    pub answer_by: i64,
    /// Which chunk, modulo the number of chunks.
    pub demand: u64,
    /// Bonds of demands, paid beside `pay`.
    pub bonds: u64,
    /// Demands so far.
    pub demands: u8,
    /// Zero.
    pub padding: [u8; 7],
    /// The commitment; zero before.
    pub commitment: [u8; 32],
    /// Content id of the sealed outputs; zero before the commit.
    pub sealed: [u8; 32],
    /// The revealed result root; zero before.
    pub result_root: [u8; 32],
    /// The revealed work root; zero before.
    pub work_root: [u8; 32],
    /// The revealed hash of the key; zero before.
    pub key_hash: [u8; 32],
    /// The key that opens the sealed outputs; zero before.
    pub key: [u8; 32],
}

/// A range of units of a job. Address: `create_with_seed(job, index in 8 hexadecimal digits, program)`.
///
/// Behind the fields lie the seats: one per replica, and those of audits and disputes. The account has exactly the bytes that
/// they need.
#[account(zero_copy)]
#[derive(Debug, Default)]
pub struct Lease {
    /// Layout version.
    pub version: u8,
    /// What has been decided: a `tessera_protocol::state::LeaseState`.
    pub state: u8,
    /// Providers that must agree.
    pub replicas: u8,
    /// What the group of seats that is open, or was last, is for: a `tessera_protocol::verdict::Kind`.
    pub group: u8,
    /// Number of the lease in the job.
    pub index: u32,
    /// The job.
    pub job: Pubkey,
    /// First claimer, who paid the rent of the account without seats and gets it back.
    pub payer: Pubkey,
    /// Units in the lease.
    pub units: u32,
    /// Claims so far: the number of the next attempt.
    pub claims: u32,
    /// Groups of audit and dispute seats since the lease opened.
    pub rounds: u32,
    /// Window for revealing, and again for opening, as in the job.
    pub reveal_seconds: u32,
    /// Time from claim to commit, as in the job.
    pub lease_seconds: u32,
    /// Seats of the group that nobody has taken.
    pub missing: u8,
    /// Whether a seat of the group was drawn, so that an audit follows.
    pub audit_due: u8,
    /// Whether any seat was drawn since the lease opened.
    pub drawn: u8,
    /// Whether it is being audited or disputed, which neither deadline nor grace of the job ends.
    pub contested: u8,
    /// Whether the group goes on without seats that are missing.
    pub exhausted: u8,
    /// Number that ranks of the group are taken for.
    pub call: u8,
    /// Seats that the group opened with.
    pub wanted: u8,
    /// As in the job.
    pub private: u8,
    /// Time in which the client may demand chunks of opened outputs, as in the job.
    pub challenge_seconds: u32,
    /// Slot in which the present window began: for filling a group, for revealing, or for opening.
    pub window_slot: u64,
    /// Unix time since which the group is open to claims; zero while it has no seed.
    pub opened_at: i64,
    /// Unix time by which all must reveal; zero while seats are missing or draws unread.
    pub reveal_by: i64,
    /// Unix time by which all must open; zero unless agreed.
    pub open_by: i64,
    /// What an audit or dispute seat pays, fixed when the lease begins.
    pub pay: u64,
    /// Awarded out of lost locks and not paid out.
    pub awards: u64,
    /// Slot of the seed; while there is none, the slot whose hash, or the first after it, will be.
    pub seed_slot: u64,
    /// What ranks the providers for the group.
    pub seed: [u8; 32],
    /// The agreed root, else zero.
    pub result_root: [u8; 32],
    /// Zero; belongs to later versions.
    pub reserved: [u8; 16],
    /// Here they begin.
    pub seats: [Seat; 0],
}

const _: () = assert!(size_of::<Seat>() == 344);
const _: () = assert!(size_of::<Lease>() == 240);

/// A lease and its seats, where they lie in the account. Dereferences to the lease.
pub struct LeaseMut<'a> {
    /// The fields.
    pub lease: &'a mut Lease,
    /// The seats.
    pub seats: &'a mut [Seat],
}

impl Deref for LeaseMut<'_> {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        self.lease
    }
}

impl DerefMut for LeaseMut<'_> {
    fn deref_mut(&mut self) -> &mut Lease {
        self.lease
    }
}

impl Lease {
    /// Bytes before the seats.
    pub const SEATS_OFFSET: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// Bytes of an account with `seats` seats.
    #[must_use]
    pub const fn space(seats: usize) -> usize {
        Self::SEATS_OFFSET + seats * size_of::<Seat>()
    }

    /// The address of lease `index` of a job.
    pub fn address(job: &Pubkey, index: u32) -> Result<Pubkey> {
        let seed = seeds::lease(index);
        let seed = std::str::from_utf8(&seed).map_err(|_| ErrorCode::ConstraintSeeds)?;
        Pubkey::create_with_seed(job, seed, &crate::ID).map_err(|_| error!(ErrorCode::ConstraintSeeds))
    }

    /// Calls `f` with a lease and its seats. The account has been found to be a lease of this program.
    pub fn with<T>(info: &AccountInfo<'_>, f: impl FnOnce(LeaseMut<'_>) -> Result<T>) -> Result<T> {
        let mut data = info.try_borrow_mut_data()?;
        let (lease, seats) = data[Self::DISCRIMINATOR.len()..]
            .split_at_mut_checked(size_of::<Self>())
            .ok_or(ErrorCode::AccountDidNotDeserialize)?;
        let lease = bytemuck::try_from_bytes_mut(lease).map_err(|_| ErrorCode::AccountDidNotDeserialize)?;
        let seats = bytemuck::try_cast_slice_mut(seats).map_err(|_| ErrorCode::AccountDidNotDeserialize)?;
        f(LeaseMut { lease, seats })
    }
}

#[cfg(test)]
mod tests;
