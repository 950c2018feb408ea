//! The steps of a seat, from computing to pay. Each is written to the journal before it is sent.

mod answers;
mod cranks;

use std::sync::Arc;

use bytes::Bytes;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;
use tessera_sdk::{Draw, Error, Event, Receipt, StoreClient, batch, ix, program_events::LeaseSettled};

use super::{
    compute::{ComputeError, Computer},
    context::Context,
    engine::unix_now,
    jobs::{Jobs, PrepareError},
    outbox,
};
use crate::{
    fault,
    journal::{Entry, JournalError, LeaseId, Phase},
    lifecycle::{LeaseView, Reveal},
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

/// A transaction, and whether it settles our seat.
struct Try {
    instructions: Vec<Instruction>,
    settles: bool,
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

    /// Computes the lease; `closely`: looking for what makes it void.
    ///
    /// # Errors
    /// If that fails.
    pub async fn execute(
        &self,
        entry: &mut Entry,
        until: tokio::time::Instant,
        closely: bool,
    ) -> Result<(), StepError> {
        let result = self.computer.compute(&entry.id, until, closely).await?;
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
        if !result.is_void() {
            self.put(entry, &result.cid).await?;
        }
        self.at(entry, Phase::Committing)?;
        let (job, me) = (entry.id.job(), self.context.me);
        let commit = ix::commit_result(&me.operator, &me.provider, &job, entry.id.index, commitment, result.cid);
        self.send(&[commit]).await?;
        let void = result.is_void();
        tracing::info!(lease = %entry.id, sealed = %result.cid, bytes = result.len, void, "committed");
        fault::reached("committed", &self.context.config.data.directory);
        Ok(())
    }

    async fn put(&self, entry: &mut Entry, cid: &Cid) -> Result<(), StepError> {
        let store = self.store(&entry.id).await?;
        let Some(blob) = outbox::read(&self.context.outbox, cid).await.map(Bytes::from) else {
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
        if fault::withholds_output() {
            return Ok(());
        }
        store.put(&self.context.operator, blob).await.map(drop).map_err(|e| StepError::Put(e.to_string()))
    }

    async fn store(&self, id: &LeaseId) -> Result<StoreClient, StepError> {
        Ok(self.jobs.outputs(&id.job()).await.map_err(ComputeError::from)?.1)
    }

    /// Reads whether a seat is audited; ours perhaps with the reveal in the same transaction, for the case that it is not.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn draw(
        &self,
        entry: &mut Entry,
        lease: &LeaseView,
        provider: &Pubkey,
        reveal: Option<Reveal>,
    ) -> Result<(), StepError> {
        let (job, index) = (entry.id.job(), entry.id.index);
        let draw = ix::draw_audit(&job, index, provider);
        let mut tries = Vec::new();
        if let Some(how) = reveal.filter(|_| !fault::keeps_silent(0, 0)) {
            let along = self.revealing(entry, lease, how)?;
            self.at(entry, Phase::Revealing)?;
            tries.push(Try { instructions: [vec![draw.clone()], along.instructions].concat(), settles: along.settles });
        }
        tries.push(Try { instructions: vec![draw], settles: false });
        let receipt = self.first_taken(entry, tries).await?;
        let drawn = receipt.events.iter().find_map(|event| match event {
            Event::ResultDrawn(drawn) if drawn.provider == *provider => Draw::try_from(drawn.draw).ok(),
            _ => None,
        });
        tracing::info!(lease = %entry.id, %provider, draw = ?drawn, "drawn");
        if receipt.events.iter().any(|event| matches!(event, Event::ResultRevealed(e) if e.provider == *provider)) {
            fault::reached("revealed", &self.context.config.data.directory);
        }
        Ok(())
    }

    /// Reveals the roots; with the key, and settling at once, where this reveal decides the lease.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn reveal(&self, entry: &mut Entry, lease: &LeaseView, now: i64, how: Reveal) -> Result<(), StepError> {
        if fault::keeps_silent(now, lease.reveal_by) {
            return Err(StepError::Unexpected("an injected fault keeps the result back"));
        }
        self.at(entry, Phase::Revealing)?;
        let plain = Reveal { key: false, settle: false };
        let mut tries = vec![self.revealing(entry, lease, how)?];
        if how.settle {
            tries.push(self.revealing(entry, lease, Reveal { settle: false, ..how })?);
        }
        if how.key {
            tries.push(self.revealing(entry, lease, plain)?);
        }
        self.first_taken(entry, tries).await?;
        tracing::info!(lease = %entry.id, "revealed");
        fault::reached("revealed", &self.context.config.data.directory);
        Ok(())
    }

    /// What reveals our seat.
    fn revealing(&self, entry: &Entry, lease: &LeaseView, how: Reveal) -> Result<Try, StepError> {
        let result = entry.result.as_ref().ok_or(StepError::Unexpected("there is no result to reveal"))?;
        let (job, provider) = (entry.id.job(), self.context.me.provider);
        let key = Some(result.key).filter(|_| how.key && !fault::withholds_key());
        let mut instructions = vec![ix::reveal_result(&provider, &job, entry.id.index, result.reveal(), key)];
        let settles = key.is_some() && how.settle;
        if settles {
            instructions.push(self.settlement(&entry.id, lease)?);
        }
        Ok(Try { instructions, settles })
    }

    /// Shows the key, and settles if that may be.
    ///
    /// # Errors
    /// If the chain refuses.
    pub async fn open(&self, entry: &mut Entry, lease: &LeaseView, settle: bool) -> Result<(), StepError> {
        if fault::withholds_key() {
            return Err(StepError::Unexpected("an injected fault keeps the key back"));
        }
        let key = entry.result.as_ref().ok_or(StepError::Unexpected("there is no key to show"))?.key;
        self.at(entry, Phase::Opening)?;
        let open = ix::open_result(&self.context.me.provider, &entry.id.job(), entry.id.index, key);
        let mut tries = Vec::new();
        if settle {
            let settle = self.settlement(&entry.id, lease)?;
            tries.push(Try { instructions: vec![open.clone(), settle], settles: true });
        }
        // The key must not be late because there is nothing yet to be paid from.
        tries.push(Try { instructions: vec![open], settles: false });
        self.first_taken(entry, tries).await?;
        Ok(())
    }

    /// Sends the first of several transactions that no program refuses; each asks for less than the one before.
    async fn first_taken(&self, entry: &mut Entry, tries: Vec<Try>) -> Result<Arc<Receipt>, StepError> {
        let mut refused = None;
        for Try { instructions, settles } in tries {
            match self.send(&instructions).await {
                Ok(receipt) => {
                    if settles {
                        self.paid(entry, &receipt)?;
                    }
                    return Ok(receipt);
                }
                Err(e) => {
                    let Error::Program { name, message, .. } = &*e else { return Err(e.into()) };
                    tracing::debug!(lease = %entry.id, name, message, "refused");
                    refused = Some(e);
                }
            }
        }
        Err(refused.map_or(StepError::Unexpected("there is nothing to send"), StepError::Chain))
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
        // What an auditor is paid by its seat is known only now.
        let (job, index, me) = (entry.id.job(), entry.id.index, self.context.me.provider);
        let own = |settled: &LeaseSettled| (settled.job, settled.index, settled.provider) == (job, index, me);
        let settled = receipt.events.iter().find_map(|event| match event {
            Event::LeaseSettled(settled) if own(settled) => Some(settled.pay),
            _ => None,
        });
        entry.pay = settled.unwrap_or(entry.pay);
        entry.paid = true;
        tracing::info!(lease = %entry.id, kind = ?entry.kind, pay = entry.pay, signature = %receipt.signature, "settled");
        entry.phase = Phase::Leaving;
        Ok(tokio::task::block_in_place(|| self.context.journal.paid(entry, unix_now()))?)
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
