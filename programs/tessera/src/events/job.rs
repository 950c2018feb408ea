//! What happens to jobs.

use anchor_lang::prelude::*;

/// A job was posted and paid for.
#[event]
pub struct JobPosted {
    /// The market.
    pub market: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// The wallet that pays.
    pub wallet: Pubkey,
    /// Number of the job among those of its client.
    pub number: u64,
    /// Content id of the job specification.
    pub spec: [u8; 32],
    /// Number of units.
    pub units: u64,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// What one replica of one unit pays.
    pub price_per_unit: u64,
    /// Put into the escrow.
    pub deposited: u64,
    /// Part of it that is for audits, its fee apart.
    pub audit_reserve: u64,
    /// Unix time by which all windows end.
    pub deadline: i64,
    /// Whether nobody audits it.
    pub private: bool,
}

/// A job got more time or a higher price.
#[event]
pub struct JobToppedUp {
    /// The job.
    pub job: Pubkey,
    /// The price now.
    pub price_per_unit: u64,
    /// Added to the escrow.
    pub added: u64,
    /// The deadline now.
    pub deadline: i64,
}

/// A client cancelled its job.
#[event]
pub struct JobCancelled {
    /// The job.
    pub job: Pubkey,
    /// The deadline now.
    pub deadline: i64,
}

/// The escrow of a job was divided and the job closed.
#[event]
pub struct JobClosed {
    /// The job.
    pub job: Pubkey,
    /// Put into the escrow by the client: equals `paid + treasury + burned + refunded`.
    pub deposited: u64,
    /// Paid to providers.
    pub paid: u64,
    /// The market's share of the fee.
    pub treasury: u64,
    /// The part of the fee that was burned.
    pub burned: u64,
    /// Escrowed for audits; what they did not take was returned with the rest.
    pub audit_reserve: u64,
    /// Paid for audits out of that; part of `paid`.
    pub audits_paid: u64,
    /// Returned to the client.
    pub refunded: u64,
    /// Sent to the escrow by strangers; went to the client with the refund.
    pub surplus: u64,
}

/// A job has the seed that ranks its providers.
#[event]
pub struct JobSeeded {
    /// The job.
    pub job: Pubkey,
    /// The seed.
    pub seed: [u8; 32],
    /// The slot whose hash it is.
    pub slot: u64,
}
