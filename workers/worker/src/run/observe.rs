//! Asking the chain about leases, many at once.

use std::collections::BTreeMap;

use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Moment, Tessera};

use super::chain;
use crate::{
    journal::LeaseId,
    lifecycle::{JobView, LeaseView},
};

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
    Ok(observed)
}
