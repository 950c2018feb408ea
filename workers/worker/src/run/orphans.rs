//! Seats of this provider that the journal does not know: after the journal was lost.

use std::collections::HashSet;

use anyhow::Result;
use tessera_sdk::JobFilter;

use super::{context::Context, engine::unix_now};
use crate::journal::{Entry, LeaseId};

/// Finds them. Their results are lost, so they are computed again, or given back while that is free.
///
/// # Errors
/// If the chain cannot be read or the journal fails.
pub async fn find(context: &Context) -> Result<Vec<Entry>> {
    let known: HashSet<LeaseId> = context.journal.entries()?.iter().map(|entry| entry.id).collect();
    let mut found = Vec::new();
    for job in context.tessera.jobs(&context.market, JobFilter::All).await? {
        for lease in context.tessera.job_leases(&job.address).await? {
            let id = LeaseId::new(&job.address, lease.index);
            if !known.contains(&id) && lease.seats.iter().any(|seat| seat.provider == context.me.provider) {
                tracing::warn!(lease = %id, "taking over a seat that the journal does not know");
                let entry = Entry::claiming(id, &context.me.provider, unix_now());
                context.journal.put(&entry)?;
                found.push(entry);
            }
        }
    }
    Ok(found)
}
