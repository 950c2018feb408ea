//! What happens to leases and their seats.

use anchor_lang::prelude::*;

use crate::state::Departure;

/// A provider took a seat.
#[event]
pub struct LeaseClaimed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What the seat is for: a `tessera_protocol::verdict::Kind`.
    pub kind: u8,
    /// Number of the claim in the lease.
    pub attempt: u32,
    /// What the seat will be paid.
    pub pay: u64,
    /// Unix time by which it must be committed.
    pub commit_by: i64,
}

/// A provider fixed its result.
#[event]
pub struct ResultCommitted {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// The commitment.
    pub commitment: [u8; 32],
    /// Content id of the sealed outputs.
    pub sealed: [u8; 32],
    /// Unix time by which all must reveal; zero while seats are missing or draws unread.
    pub reveal_by: i64,
}

/// The roots of a seat are known.
#[event]
pub struct ResultRevealed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Its result root.
    pub result_root: [u8; 32],
    /// Its work root.
    pub work_root: [u8; 32],
}

/// A root was agreed, or won a dispute.
#[event]
pub struct LeaseAgreed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The agreed root.
    pub result_root: [u8; 32],
    /// Unix time by which all must open.
    pub open_by: i64,
}

/// The key to the sealed outputs of a seat is known.
#[event]
pub struct ResultOpened {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// The key.
    pub key: [u8; 32],
}

/// A seat was paid. With these events alone the outputs of a job can be found, opened and proved.
#[event]
pub struct LeaseSettled {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What the seat was for: a `tessera_protocol::verdict::Kind`.
    pub kind: u8,
    /// What it was paid, bonds of answered demands included.
    pub pay: u64,
    /// First unit of the lease.
    pub first_unit: u64,
    /// Units in the lease.
    pub units: u32,
    /// The agreed root over the unit hashes.
    pub result_root: [u8; 32],
    /// Content id of the sealed outputs.
    pub sealed: [u8; 32],
    /// The key that opens them.
    pub key: [u8; 32],
}

/// A provider gave up its seat.
#[event]
pub struct LeaseReturned {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Bond that is lost, because no return was free any more.
    pub lost: u64,
}

/// A seat whose window has passed was removed.
#[event]
pub struct LeaseExpired {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What it counts as.
    pub departure: Departure,
    /// Bond that is lost.
    pub lost: u64,
}

/// A lease account was closed.
#[event]
pub struct LeaseClosed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
}
