//! What brings a lease on when a seat or somebody in it is late, and what ends it.

use solana_pubkey::Pubkey;
use tessera_sdk::ix;

use super::{StepError, Steps};
use crate::{
    journal::{Entry, Phase},
    lifecycle::LeaseView,
};

impl Steps {
    /// Gives the seat back.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn give_back(&self, entry: &mut Entry, lease: &LeaseView) -> Result<(), StepError> {
        let me = self.context.me;
        let seat = lease.seat(&me.provider).ok_or(StepError::Unexpected("there is no seat to return"))?;
        let (job, index) = (entry.id.job(), entry.id.index);
        let give_back = ix::return_lease(&me.operator, &me.provider, &self.context.market, &job, index, &seat.payer);
        self.send(&[give_back]).await?;
        tracing::info!(lease = %entry.id, "returned");
        Ok(self.at(entry, Phase::Leaving)?)
    }

    /// Removes a seat whose window has passed.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn expire(&self, entry: &mut Entry, provider: &Pubkey, payer: &Pubkey) -> Result<(), StepError> {
        let expire = ix::expire_lease(&entry.id.job(), entry.id.index, provider, payer);
        self.send(&[expire]).await?;
        tracing::info!(lease = %entry.id, %provider, "expired");
        if *provider == self.context.me.provider {
            self.at(entry, Phase::Leaving)?;
        }
        Ok(())
    }

    /// Closes an empty lease, whose rent is ours.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn close(&self, entry: &mut Entry) -> Result<(), StepError> {
        self.at(entry, Phase::Leaving)?;
        let close = ix::close_lease(&entry.id.job(), entry.id.index, &self.context.me.operator);
        self.send(&[close]).await?;
        Ok(())
    }

    /// Takes the lock of a convicted seat.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn slash(&self, entry: &mut Entry, provider: &Pubkey, payer: &Pubkey) -> Result<(), StepError> {
        let own = *provider == self.context.me.provider;
        if own {
            tracing::error!(
                lease = %entry.id,
                "this provider was convicted: its result was not that of the others, or was not revealed or shown in time; the lock is lost"
            );
        }
        let slash = ix::slash_seat(&self.context.market, &entry.id.job(), entry.id.index, provider, payer);
        self.send(&[slash]).await?;
        tracing::info!(lease = %entry.id, %provider, "slashed");
        if own {
            self.at(entry, Phase::Leaving)?;
        }
        Ok(())
    }

    /// Lets the lease go on without those who are late.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn advance(&self, entry: &Entry) -> Result<(), StepError> {
        self.send(&[ix::advance_lease(&entry.id.job(), entry.id.index)]).await?;
        tracing::info!(lease = %entry.id, "went on without those who are late");
        Ok(())
    }

    /// Sends the seed of the open group.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn seed(&self, entry: &Entry) -> Result<(), StepError> {
        self.send(&[ix::seed_lease(&entry.id.job(), entry.id.index)]).await?;
        Ok(())
    }
}
