//! Where the constraint tests of leases play.

use anchor_lang::prelude::Pubkey;

use crate::{
    terms::JobTerms,
    world::{Job, Provider, World},
};

/// A job of two replicas next to another job of the same client and another market with a provider and a job.
pub struct Stage {
    /// The chain, with everything that follows on it.
    pub world: World,
    /// The other market.
    pub other: World,
    /// A job of the other market, whose first lease is claimed.
    pub foreign_job: Job,
    /// The provider that claimed it.
    pub foreign: Provider,
    /// The job.
    pub job: Job,
    /// Another job of the same client.
    pub second: Job,
    /// A provider.
    pub p: Provider,
    /// Another provider.
    pub q: Provider,
    /// A third provider.
    pub r: Provider,
    /// A wallet that has no part in anything.
    pub stranger: Pubkey,
    /// An address without an account.
    pub nothing: Pubkey,
}

/// Makes it.
#[must_use]
pub fn lease_stage() -> Stage {
    let mut world = World::with(|b| b.providers = 3);
    let stranger = world.new_wallet("stranger");
    let nothing = world.key("nothing");
    let terms = JobTerms { replicas: 2, ..JobTerms::default() };
    let (job, second) = (world.job(world.clients[0], &terms), world.job(world.clients[0], &terms));
    let mut other = world.other_market();
    let foreign_job = other.job(other.clients[0], &terms);
    other.claim_lease(foreign_job, 0, other.providers[0]).ok();
    world.adopt(&other);
    let (foreign, [p, q, r]) = (other.providers[0], [0, 1, 2].map(|i| world.providers[i]));
    Stage { world, other, foreign_job, foreign, job, second, p, q, r, stranger, nothing }
}
