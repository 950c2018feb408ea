//! Outputs that somebody doubts: what the client demands is shown, and who has not shown it is convicted.

use std::sync::Arc;

use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    outputs::{self, Layout},
};
use tessera_sdk::{StoreClient, ix};

use super::{ComputeError, StepError, Steps};
use crate::{
    fault,
    journal::Entry,
    lifecycle::{LeaseView, Seat},
    run::outbox,
};

impl Steps {
    /// Shows the chunk of our outputs that is demanded. Everything that it takes but the outputs stands in our seat.
    ///
    /// # Errors
    /// If the outputs are lost, or the chain refuses.
    pub async fn answer(&self, entry: &Entry, lease: &LeaseView) -> Result<(), StepError> {
        if fault::withholds_output() {
            return Err(StepError::Unexpected("an injected fault keeps the outputs back"));
        }
        let (job, index, provider) = (entry.id.job(), entry.id.index, self.context.me.provider);
        let seat = lease.seat(&provider).ok_or(StepError::Unexpected("there is no seat to answer for"))?;
        tracing::warn!(lease = %entry.id, chunk = seat.demand, by = seat.answer_by, "a chunk is demanded");
        let (output_len, store) = self.jobs.outputs(&job).await.map_err(ComputeError::from)?;
        let layout = Layout { units: lease.units, output_len };
        let blob = self.sealed(seat, &layout, &store).await?;
        let (key, demand) = (seat.key, seat.demand);
        let answer = tokio::task::spawn_blocking(move || {
            let chunks = layout.chunks().filter(|chunks| *chunks > 0)?;
            outputs::answer(&provider.to_bytes(), &key, &layout, &blob, demand % chunks)
        });
        let answer = answer.await.ok().flatten();
        let answer = answer.ok_or(StepError::Unexpected("the sealed outputs are not those of this lease"))?;
        self.context.urgent.answer(&self.context.operator, &job, index, &provider, &answer).await.map_err(Arc::new)?;
        tracing::info!(lease = %entry.id, chunk = demand, "showed what was demanded");
        Ok(())
    }

    /// The sealed outputs of our seat: from this disk, or from the store if this disk has lost them.
    async fn sealed(&self, seat: &Seat, layout: &Layout, store: &StoreClient) -> Result<Vec<u8>, StepError> {
        let cid = Cid(seat.sealed);
        if let Some(blob) = outbox::read(&self.context.outbox, &cid).await {
            return Ok(blob);
        }
        let len = layout.len().ok_or(StepError::Lost(cid))?;
        store.get(&cid, len).await.map(Vec::from).map_err(|error| {
            tracing::error!(%cid, %error, "the store does not give the outputs that are demanded");
            StepError::Lost(cid)
        })
    }

    /// Has a seat convicted that has not shown what was demanded of it.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn convict(&self, entry: &Entry, provider: &Pubkey) -> Result<(), StepError> {
        self.send(&[ix::expire_demand(&entry.id.job(), entry.id.index, provider)]).await?;
        tracing::info!(lease = %entry.id, %provider, "convicted of not having shown its outputs");
        Ok(())
    }
}
