//! The steps on chain. Each is written to the journal before it is sent.

use std::sync::Arc;

use bytes::Bytes;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;
use tessera_sdk::{Error, StoreClient, batch, ix};

use super::{
    compute::{ComputeError, Computer},
    context::Context,
    jobs::{Jobs, PrepareError},
};
use crate::{
    fault,
    journal::{Entry, JournalError, LeaseId, Phase},
    lifecycle::LeaseView,
};

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The chain, or the way to it.
    #[error(transparent)]
    Chain(#[from] Arc<Error>),
    /// The journal: nothing may go on without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Computing.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The store.
    #[error("cannot put the sealed outputs: {0}")]
    Put(String),
    /// The sealed outputs are lost and not yet in the store.
    #[error("the sealed outputs {0} are neither on this disk nor in the store")]
    Lost(Cid),
    /// The state is not what the step needs; it is looked at again.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// Performs steps.
#[derive(Clone)]
pub struct Steps {
    context: Arc<Context>,
    jobs: Jobs,
    computer: Arc<Computer>,
}

impl Steps {
    /// Performs steps with what is given.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs, computer: Arc<Computer>) -> Self {
        Self { context, jobs, computer }
    }

    fn journal(&self, entry: &Entry) -> Result<(), JournalError> {
        // A write to disk: let other tasks move to another thread meanwhile.
        tokio::task::block_in_place(|| self.context.journal.put(entry))
    }

    fn at(&self, entry: &mut Entry, phase: Phase) -> Result<(), JournalError> {
        entry.phase = phase;
        self.journal(entry)
    }

    async fn send(&self, instructions: &[Instruction]) -> batch::Outcome {
        self.context.sender.send(instructions.to_vec()).await
    }

    /// Computes the lease.
    ///
    /// # Errors
    /// If that fails.
    pub async fn execute(&self, entry: &mut Entry, until: tokio::time::Instant) -> Result<(), StepError> {
        let result = self.computer.compute(&entry.id, until).await?;
        entry.result = Some(result);
        self.at(entry, Phase::Executed)?;
        fault::reached("executed", &self.context.config.data.directory);
        Ok(())
    }

    /// Puts the sealed outputs and commits.
    ///
    /// # Errors
    /// If the store or the chain refuses.
    pub async fn commit(&self, entry: &mut Entry) -> Result<(), StepError> {
        let (Some(commitment), Some(result)) = (entry.commitment(), entry.result.clone()) else {
            return Err(StepError::Unexpected("there is no result to commit"));
        };
        self.put(entry, &result.cid).await?;
        self.at(entry, Phase::Committing)?;
        let (job, me) = (entry.id.job(), self.context.me);
        let commit = ix::commit_result(&me.operator, &me.provider, &job, entry.id.index, commitment, result.cid);
        self.send(&[commit]).await?;
        tracing::info!(lease = %entry.id, sealed = %result.cid, bytes = result.len, "committed");
        fault::reached("committed", &self.context.config.data.directory);
        let file = Computer::outbox(&self.context, &result.cid);
        if let Err(e) = tokio::fs::remove_file(&file).await {
            tracing::debug!(file = %file.display(), error = %e, "cannot remove sealed outputs that the store has");
        }
        Ok(())
    }

    async fn put(&self, entry: &mut Entry, cid: &Cid) -> Result<(), StepError> {
        let store = self.store(&entry.id).await?;
        let file = Computer::outbox(&self.context, cid);
        let blob = tokio::fs::read(&file).await.map(Bytes::from).ok().filter(|blob| Cid::of(blob) == *cid);
        let Some(blob) = blob else {
            if store.exists(cid).await.map_err(|e| StepError::Put(e.to_string()))? {
                return Ok(());
            }
            // A commit that was sent may still land, so its key is kept; without one, computing again loses nothing.
            if entry.phase == Phase::Executed {
                entry.result = None;
                self.at(entry, Phase::Leased)?;
            }
            return Err(StepError::Lost(*cid));
        };
        store.put(&self.context.operator, blob).await.map(drop).map_err(|e| StepError::Put(e.to_string()))
    }

    async fn store(&self, id: &LeaseId) -> Result<StoreClient, StepError> {
        let prepared = self.jobs.prepared(&id.job()).await.map_err(ComputeError::from)?;
        Ok(prepared.store.clone())
    }

    /// Reveals the roots; with the key, and settling at once, where there is one replica.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn reveal(&self, entry: &mut Entry, lease: &LeaseView, with_key: bool) -> Result<(), StepError> {
        let result = entry.result.clone().ok_or(StepError::Unexpected("there is no result to reveal"))?;
        self.at(entry, Phase::Revealing)?;
        let (job, provider) = (entry.id.job(), self.context.me.provider);
        let key = with_key.then_some(result.key);
        let reveal = ix::reveal_result(&provider, &job, entry.id.index, result.reveal(), key);
        if with_key {
            self.and_settle(entry, lease, reveal).await?;
        } else {
            self.send(&[reveal]).await?;
            tracing::info!(lease = %entry.id, "revealed");
        }
        fault::reached("revealed", &self.context.config.data.directory);
        Ok(())
    }

    /// Shows the key, and settles.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn open(&self, entry: &mut Entry, lease: &LeaseView) -> Result<(), StepError> {
        let key = entry.result.as_ref().ok_or(StepError::Unexpected("there is no key to show"))?.key;
        self.at(entry, Phase::Opening)?;
        let open = ix::open_result(&self.context.me.provider, &entry.id.job(), entry.id.index, key);
        self.and_settle(entry, lease, open).await
    }

    /// Sends `first` and the settlement in one transaction; if that is refused, `first` alone, which must not be late.
    async fn and_settle(&self, entry: &mut Entry, lease: &LeaseView, first: Instruction) -> Result<(), StepError> {
        let settle = self.settlement(&entry.id, lease)?;
        match self.send(&[first.clone(), settle]).await {
            Ok(receipt) => self.paid(entry, &receipt),
            Err(e) => {
                let Error::Program { name, message, .. } = &*e else { return Err(e.into()) };
                tracing::debug!(lease = %entry.id, name, message, "settling along is refused, trying without");
                self.send(&[first]).await?;
                Ok(())
            }
        }
    }

    /// Collects the pay.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn settle(&self, entry: &mut Entry, lease: &LeaseView) -> Result<(), StepError> {
        let settle = self.settlement(&entry.id, lease)?;
        let receipt = self.send(&[settle]).await?;
        self.paid(entry, &receipt)
    }

    fn settlement(&self, id: &LeaseId, lease: &LeaseView) -> Result<Instruction, StepError> {
        let provider = self.context.me.provider;
        let seat = lease.seat(&provider).ok_or(StepError::Unexpected("there is no seat to settle"))?;
        Ok(ix::settle_lease(&id.job(), id.index, &provider, &seat.payer, &lease.payer))
    }

    fn paid(&self, entry: &mut Entry, receipt: &tessera_sdk::Receipt) -> Result<(), StepError> {
        entry.paid = true;
        tracing::info!(lease = %entry.id, pay = entry.pay, signature = %receipt.signature, "settled");
        Ok(self.at(entry, Phase::Leaving)?)
    }

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
}

impl StepError {
    /// Whether the worker should take no more leases of this job.
    #[must_use]
    pub const fn refuses_job(&self) -> bool {
        match self {
            Self::Compute(e) => e.refuses_job(),
            _ => false,
        }
    }

    /// Whether this is about the job's files: [`PrepareError::Later`].
    #[must_use]
    pub const fn is_waiting_for_files(&self) -> bool {
        matches!(self, Self::Compute(ComputeError::Prepare(PrepareError::Later(_))))
    }
}
