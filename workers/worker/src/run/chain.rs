//! Accounts of the chain as the lifecycle sees them.

use tessera_protocol::routing::{Capabilities, Requirements};
use tessera_sdk::{Job, Lease, LeaseState, accounts};

use crate::lifecycle::{JobView, LeaseView, Seat};

/// A job as the lifecycle sees it.
#[must_use]
pub fn job_view(job: &Job) -> JobView {
    JobView {
        cancelled: !job.is_open(),
        deadline: job.deadline,
        grace_seconds: job.grace_seconds,
        lease_seconds: job.lease_seconds,
        reveal_seconds: job.reveal_seconds,
    }
}

/// A lease as the lifecycle sees it.
#[must_use]
pub fn lease_view(lease: &Lease) -> LeaseView {
    LeaseView {
        agreed: lease.state == LeaseState::Agreed,
        settled: lease.state == LeaseState::Settled,
        replicas: lease.replicas,
        payer: lease.payer,
        opened_at: lease.opened_at,
        reveal_by: lease.reveal_by,
        open_by: lease.open_by,
        seats: lease.seats.iter().map(seat).collect(),
    }
}

fn seat(seat: &tessera_sdk::Seat) -> Seat {
    Seat {
        provider: seat.provider,
        payer: seat.payer,
        state: seat.state,
        attempt: seat.attempt,
        pay: seat.pay,
        commit_by: seat.commit_by,
        commitment: seat.commitment,
    }
}

/// What a job asks of providers.
#[must_use]
pub fn requirements(job: &Job) -> Requirements {
    Requirements { memory_mib: job.memory_mib, class: job.class, regions: job.regions }
}

/// What a provider says of itself.
#[must_use]
pub fn capabilities(provider: &accounts::Provider) -> Capabilities {
    Capabilities { memory_mib: provider.memory_mib, class: provider.class, region: provider.region }
}
