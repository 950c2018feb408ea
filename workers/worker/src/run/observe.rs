//! Asking the chain about leases, many at once.

use std::collections::{BTreeMap, BTreeSet};

use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Moment, Tessera};

use super::chain;
use crate::{
    journal::LeaseId,
    lifecycle::{JobView, LeaseView, SeatState},
};

/// Most providers looked up at once: what one request takes.
const PROVIDERS: usize = 100;

/// A lease and its job as the chain shows them.
pub struct Observed {
    /// Which lease.
    pub id: LeaseId,
    /// Chain time.
    pub now: Moment,
    /// The job, unless its account is gone.
    pub job: Option<JobView>,
    /// The lease, unless it has no account.
    pub lease: Option<LeaseView>,
}

/// Looks at `leases` for `provider`: two requests for each job, and one for the time.
///
/// # Errors
/// If no endpoint answers.
pub async fn observe(tessera: &Tessera, provider: &Pubkey, leases: Vec<LeaseId>) -> Result<Vec<Observed>, Error> {
    let mut jobs: BTreeMap<Pubkey, Vec<u32>> = BTreeMap::new();
    for id in leases {
        jobs.entry(id.job()).or_default().push(id.index);
    }
    // The time first: windows then look a little longer open than they are, never closed before they are.
    let now = tessera.clock().await?;
    let mut observed = Vec::new();
    for (address, indexes) in jobs {
        let job = tessera.job(&address).await?.map(|job| chain::job_view(&job, provider));
        let leases = tessera.leases(&address, &indexes).await?;
        observed.extend(indexes.into_iter().zip(leases).map(|(index, lease)| Observed {
            id: LeaseId::new(&address, index),
            now,
            job: job.clone(),
            lease: lease.map(|lease| chain::lease_view(&lease)),
        }));
    }
    look_for_faults(tessera, provider, &mut observed).await;
    Ok(observed)
}

/// Looks up whether those who share leases with `provider` have been at fault since they committed, where that makes a
/// difference: one more request, and only while something is committed that others have committed too.
async fn look_for_faults(tessera: &Tessera, provider: &Pubkey, observed: &mut [Observed]) {
    let leases = || observed.iter().filter_map(|seen| seen.lease.as_ref());
    let committed = |lease: &&LeaseView| lease.seat(provider).is_some_and(|seat| seat.state == SeatState::Committed);
    let others = leases().filter(committed).flat_map(LeaseView::passed).map(|seat| seat.provider);
    let others: BTreeSet<Pubkey> = others.filter(|other| other != provider).take(PROVIDERS).collect();
    if others.is_empty() {
        return;
    }
    let others: Vec<Pubkey> = others.into_iter().collect();
    let found = match tessera.providers_at(&others).await {
        Ok(found) => found,
        Err(error) => return tracing::debug!(%error, "cannot look up those who share leases"),
    };
    let slots: BTreeMap<Pubkey, u64> =
        found.into_iter().flatten().map(|found| (found.address, found.fault_slot)).collect();
    for seat in observed.iter_mut().filter_map(|seen| seen.lease.as_mut()).flat_map(|lease| &mut lease.seats) {
        seat.fault_slot = slots.get(&seat.provider).copied().unwrap_or_default();
    }
}
