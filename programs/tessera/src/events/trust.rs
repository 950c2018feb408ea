//! What audits, disputes and demands bring about.

use anchor_lang::prelude::*;

/// Audit or dispute seats of a lease have the seed that ranks the providers.
#[event]
pub struct LeaseSeeded {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The seed.
    pub seed: [u8; 32],
    /// The slot whose hash it is.
    pub slot: u64,
}

/// A draw was read.
#[event]
pub struct ResultDrawn {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What it has said: a `tessera_protocol::state::Draw`.
    pub draw: u8,
    /// Unix time by which all must reveal; zero while seats are missing or draws unread.
    pub reveal_by: i64,
}

/// Seats for an audit or a dispute are open.
#[event]
pub struct SeatsOpened {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// What they are for: a `tessera_protocol::verdict::Kind`.
    pub kind: u8,
    /// How many.
    pub seats: u8,
    /// The slot whose hash, or the first after it, will rank the providers.
    pub seed_slot: u64,
}

/// A seat that was found to be wrong has lost its lock: `awarded + burned`.
#[event]
pub struct SeatSlashed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Goes to those who were called to decide.
    pub awarded: u64,
    /// Will be burned.
    pub burned: u64,
}

/// A lease is open again for all its replicas: nobody has shown a result, or nobody its key.
#[event]
pub struct LeaseReopened {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
}

/// A dispute has ended without a decision; nobody is paid.
#[event]
pub struct LeaseVoided {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
}

/// The client demands a chunk of opened outputs.
#[event]
pub struct ChunkDemanded {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Which chunk of its sealed outputs, modulo their number.
    pub chunk: u64,
    /// Unix time by which it must be shown.
    pub answer_by: i64,
}

/// A demanded chunk was shown, and was what was committed to.
#[event]
pub struct ChunkAnswered {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
}

/// A demanded chunk was not shown: the seat is convicted.
#[event]
pub struct ChunkWithheld {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
}
