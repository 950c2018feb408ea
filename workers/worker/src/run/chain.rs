//! Accounts of the chain as the lifecycle sees them.

use tessera_protocol::routing::{Capabilities, Requirements};
use tessera_sdk::{Job, accounts, types};

use crate::lifecycle::{JobView, LeaseView, Seat, SeatState};

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
pub fn lease_view(lease: &accounts::Lease) -> LeaseView {
    LeaseView {
        agreed: matches!(lease.state, types::LeaseState::Agreed),
        settled: matches!(lease.state, types::LeaseState::Settled),
        replicas: lease.replicas,
        payer: lease.payer,
        opened_at: lease.opened_at,
        reveal_by: lease.reveal_by,
        open_by: lease.open_by,
        seats: lease.seats.iter().map(seat).collect(),
    }
}

fn seat(seat: &types::Seat) -> Seat {
    Seat {
        provider: seat.provider,
        payer: seat.payer,
        state: match seat.state {
            types::SeatState::Leased => SeatState::Leased,
            types::SeatState::Committed => SeatState::Committed,
            types::SeatState::Revealed => SeatState::Revealed,
            types::SeatState::Opened => SeatState::Opened,
            types::SeatState::Rejected => SeatState::Rejected,
        },
        attempt: seat.attempt,
        pay: seat.pay,
        commit_by: seat.commit_by,
        commitment: seat.commitment,
    }
}

/// What a job asks of providers.
#[must_use]
pub fn requirements(job: &Job) -> Requirements {
    let asked = &job.requirements;
    Requirements { memory_mib: asked.memory_mib, class: asked.class, regions: asked.regions }
}

/// What a provider says of itself.
#[must_use]
pub fn capabilities(provider: &accounts::Provider) -> Capabilities {
    let has = &provider.capabilities;
    Capabilities { memory_mib: has.memory_mib, class: has.class, region: has.region }
}
