//! Where the tests of disputes play.

use tessera::{events, state::LeaseState};
use tessera_protocol::verdict::Kind;

use crate::{
    terms::JobTerms,
    world::{Job, Provider, World},
};

/// A world of `n` providers with a job of a single lease; a root must lead by `lead` of at most `limit` seats.
#[must_use]
pub fn stage(n: usize, replicas: u8, lead: u8, limit: u8) -> (World, Job, Vec<Provider>) {
    let mut world = World::with(|b| (b.providers, b.terms.lead, b.terms.seat_limit) = (n, lead, limit));
    let job = world.job(world.clients[0], &JobTerms { units: 4, replicas, ..JobTerms::default() });
    let providers = world.providers.clone();
    (world, job, providers)
}

/// Two replicas show different results.
///
/// # Panics
/// If no dispute follows.
#[track_caller]
pub fn differ(world: &mut World, job: Job, p: Provider, q: Provider, results: (u8, u8)) {
    world.commit(job, 0, p, results.0);
    world.commit(job, 0, q, results.1);
    world.draw(job, 0, &[p, q]);
    world.reveal_result(job, 0, p, results.0).ok();
    let event = world.reveal_result(job, 0, q, results.1).ok().event::<events::SeatsOpened>();
    assert_eq!((event.job, event.index, event.kind), (job.address, 0, Kind::Dispute as u8));
    world.seed_group(job, 0, Kind::Dispute);
}

/// The wanted seats of a dispute.
///
/// # Panics
/// If there is none.
#[must_use]
#[track_caller]
pub fn wanted(world: &World, job: Job) -> u8 {
    let lease = world.lease(job, 0);
    assert_eq!((lease.state, lease.group), (LeaseState::Open, Kind::Dispute as u8));
    lease.missing
}
