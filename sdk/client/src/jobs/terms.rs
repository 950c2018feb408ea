//! Whether the program would take a job, asked before anything is spent.

use tessera_protocol::{
    constants::{self, BPS},
    lease,
    payout::Escrow,
    spec::JobSpec,
};

use super::JobTerms;
use crate::{Error, accounts};

/// Checks terms against the bounds that the program enforces; returns the deposit, and its sum.
pub(super) fn check_terms(market: &accounts::Market, spec: &JobSpec, terms: &JobTerms) -> Result<(Escrow, u64), Error> {
    let refuse = |text: String| Err(Error::Invalid(text));
    let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
    if market.paused {
        return refuse("the market is paused; it takes no new jobs".into());
    }
    if !(1..=constants::MAX_REPLICAS).contains(&terms.replicas) {
        return refuse(format!("{} replicas, expected 1 to {}", terms.replicas, constants::MAX_REPLICAS));
    }
    if !(1..=constants::MAX_UNITS_PER_LEASE).contains(&terms.units_per_lease) {
        return refuse(format!(
            "{} units per lease, expected 1 to {}",
            terms.units_per_lease,
            constants::MAX_UNITS_PER_LEASE
        ));
    }
    let leases = lease::count(spec.units, terms.units_per_lease);
    if leases > u64::from(constants::MAX_LEASES) {
        return refuse(format!("{leases} leases, at most {}; put more units into a lease", constants::MAX_LEASES));
    }
    if !within(terms.lease_seconds, constants::LEASE_SECONDS) {
        let (low, high) = constants::LEASE_SECONDS;
        return refuse(format!("{} seconds for a lease, expected {low} to {high}", terms.lease_seconds));
    }
    if terms.challenge_seconds > constants::MAX_CHALLENGE_SECONDS {
        return refuse(format!(
            "{} seconds for demands, at most {}",
            terms.challenge_seconds,
            constants::MAX_CHALLENGE_SECONDS
        ));
    }
    let memory = terms.requirements.memory_mib;
    if memory > market.params.max_memory_mib {
        return refuse(format!("{memory} MiB of device memory, this market allows {}", market.params.max_memory_mib));
    }
    let longest = lease::longest(terms.lease_seconds, market.params.reveal_seconds, terms.challenge_seconds);
    if i64::from(terms.deadline_seconds) <= longest || u64::from(terms.deadline_seconds) > constants::MAX_JOB_SECONDS {
        return refuse(format!(
            "a deadline in {} s, expected more than the {longest} s that one lease may take, and at most {}",
            terms.deadline_seconds,
            constants::MAX_JOB_SECONDS
        ));
    }
    if terms.store_url.len() > constants::MAX_STORE_URL {
        return refuse(format!("a store URL of {} bytes, at most {}", terms.store_url.len(), constants::MAX_STORE_URL));
    }
    if u64::from(terms.min_score_bps) > BPS {
        return refuse(format!("a least score of {} basis points, at most {BPS}", terms.min_score_bps));
    }
    let listed = terms.allowed.len() + terms.denied.len();
    if listed > constants::MAX_LISTED {
        return refuse(format!("{listed} providers allowed or denied, at most {}", constants::MAX_LISTED));
    }
    if terms.private && terms.replicas != 1 {
        return refuse(format!(
            "{} replicas of a private job, expected 1: nobody could decide between two",
            terms.replicas
        ));
    }
    if terms.private && terms.allowed.is_empty() {
        return refuse("a private job for anybody, expected at least one provider in its list of those allowed".into());
    }
    if terms.price_per_unit == 0 {
        return refuse("a price of 0, expected at least 1 base unit".into());
    }
    let escrow = terms.escrow(spec.units, market).and_then(|escrow| Some((escrow, escrow.total()?)));
    escrow.ok_or_else(|| {
        Error::Invalid("price × units × replicas is more than any token account can hold; lower the price".into())
    })
}
