//! Accounts of the chain as the lifecycle sees them.

use solana_pubkey::Pubkey;
use tessera_sdk::{Job, Lease};

use crate::lifecycle::{JobView, LeaseView, Seat};

/// A job as the lifecycle of `provider`'s worker sees it.
#[must_use]
pub fn job_view(job: &Job, provider: &Pubkey) -> JobView {
    JobView {
        cancelled: !job.is_open(),
        replicas: job.replicas,
        deadline: job.deadline,
        grace_seconds: job.grace_seconds,
        lease_seconds: job.lease_seconds,
        reveal_seconds: job.reveal_seconds,
        challenge_seconds: job.challenge_seconds,
        step_seconds: job.step_seconds,
        stake_cap: job.stake_cap,
        audit: job.audit_params(),
        seed: (job.seed, job.seed_slot),
        seeded_at: job.seeded_at,
        asks: job.requirements(),
        threshold: job.threshold(),
        listed: job.lists(provider),
        private: job.is_private(),
    }
}

/// A lease as the lifecycle sees it.
#[must_use]
pub fn lease_view(lease: &Lease) -> LeaseView {
    LeaseView {
        state: lease.state,
        group: lease.group,
        wanted: lease.wanted,
        missing: lease.missing,
        call: lease.call,
        audit_due: lease.audit_due != 0,
        contested: lease.is_contested(),
        drawn: lease.drawn != 0,
        exhausted: lease.exhausted != 0,
        payer: lease.payer,
        units: lease.units,
        seconds: (lease.lease_seconds, lease.reveal_seconds),
        window_slot: lease.window_slot,
        opened_at: lease.opened_at,
        seed: (lease.seed, lease.seed_slot),
        reveal_by: lease.reveal_by,
        open_by: lease.open_by,
        pay: lease.pay,
        awards: lease.awards,
        seats: lease.seats.iter().map(seat).collect(),
    }
}

fn seat(seat: &tessera_sdk::Seat) -> Seat {
    Seat {
        provider: seat.provider,
        payer: seat.payer,
        kind: seat.kind,
        draw: seat.draw,
        state: seat.state,
        attempt: seat.attempt,
        pay: seat.pay,
        slot: seat.slot,
        commit_by: seat.commit_by,
        commitment: seat.commitment,
        result_root: seat.result_root,
        paid_by_rest: seat.is_paid_by_rest(),
        silent: seat.is_silent(),
        sealed: seat.sealed,
        key: seat.key,
        payable_at: seat.payable_at,
        answer_by: seat.answer_by,
        demand: seat.demand,
        fault_slot: 0,
    }
}
