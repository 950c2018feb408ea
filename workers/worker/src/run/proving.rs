//! A proof of capability from its beginning to its end: memory is told to the chain, a seed comes, the memory is filled, and
//! places are shown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tessera_protocol::{
    audit,
    capability::{self, SHOWN},
    hash::Digest,
};
use tessera_sdk::{Error, Lookup, ix};
use tokio::time::{Instant, sleep, timeout};

use super::{
    compute::{ComputeError, Computer},
    context::Context,
    engine::unix_now,
};
use crate::{
    device,
    execution::{ChildDevice, ExecutionError, Runner},
    proof::{self, Proof, READABLE, REHEARSAL, Unproven},
};

/// Longest wait for the hash that is the seed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Slots that are left for showing what was computed.
const MARGIN: u64 = 32;

/// Why memory was not shown.
#[derive(Debug, thiserror::Error)]
pub enum ProvingError {
    /// No device may compute.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// A device did not come to an end.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// What it came to is no proof.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The chain refuses, or does not answer.
    #[error(transparent)]
    Chain(#[from] Arc<Error>),
    /// Provider and market cannot be looked up.
    #[error("{0}")]
    LookUp(String),
    /// No device has memory to show.
    #[error("no device has a MiB of free memory to show")]
    NoMemory,
    /// The slot of the seed has not come, or its hash is gone.
    #[error("the hash of slot {0}, the seed of the proof, is not to be had")]
    NoSeed(u64),
}

impl From<Error> for ProvingError {
    fn from(e: Error) -> Self {
        Self::Chain(Arc::new(e))
    }
}

impl ProvingError {
    /// Whether less memory may do: it was not there, or took too long to fill.
    #[must_use]
    pub const fn asks_for_less(&self) -> bool {
        use ExecutionError as E;
        matches!(self, Self::Execution(E::Device(_) | E::Died(_) | E::Memory { .. } | E::TooLong { .. }))
    }

    /// Whether the same may well succeed a little later: no endpoint answered, or a transaction did not land.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Chain(error) if error.is_transient())
    }

    /// Whether it speaks against a device: it computes wrong, or comes to a fault where there is none.
    #[must_use]
    pub const fn accuses(&self) -> bool {
        use ExecutionError as E;
        matches!(self, Self::Unproven(Unproven::Wrong { .. }) | Self::Execution(E::Suspected { .. } | E::Void(_)))
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Memory was shown.
    Shown,
    /// There is nothing to show that was not shown.
    Needless,
    /// Another worker of this provider is about it: look again after this time.
    Later(Duration),
}

/// Proves what this machine has.
pub struct Prover {
    context: Arc<Context>,
    computer: Arc<Computer>,
    /// Slot of the proof that this worker began last.
    own: AtomicU64,
}

impl Prover {
    /// A prover on the devices of `computer`.
    #[must_use]
    pub fn new(context: Arc<Context>, computer: Arc<Computer>) -> Self {
        Self { context, computer, own: AtomicU64::new(0) }
    }

    /// Shows what the smallest device has, if that is not known or will soon be forgotten. `less`: not quite all of it.
    ///
    /// # Errors
    /// If that does not succeed; it may be tried again.
    pub async fn prove(&self, less: bool) -> Result<Outcome, ProvingError> {
        let proof = self.look_up().await?;
        if proof.seconds == 0 {
            return Ok(Outcome::Needless);
        }
        // Held to the end: the memory of this machine is for one at a time.
        let mut runner = self.computer.lend().await?;
        let (device, memory_mib) = self.smallest(&mut runner, &proof, less).await?;
        if let Some(spared) = self.spared(memory_mib).await? {
            return Ok(spared);
        }
        self.rehearse(&mut runner, device).await?;
        // That has taken its time: perhaps another worker was quicker.
        if let Some(spared) = self.spared(memory_mib).await? {
            return Ok(spared);
        }

        let begun = self.begin(memory_mib).await?;
        let (seed, until) = self.seed(begun, memory_mib).await?;
        let start = Instant::now();
        let shown = self.compute(&mut runner, device, (&seed, memory_mib), until).await?;
        tracing::info!(memory_mib, took = ?start.elapsed(), "device memory is filled");
        self.finish(shown).await?;
        // The memory is free from here on, whatever the chain says next.
        drop(runner);
        let proof = self.look_up().await?;
        tracing::info!(proof = proof.describe(unix_now()), "shown what a device can do");
        Ok(Outcome::Shown)
    }

    async fn look_up(&self) -> Result<Proof, ProvingError> {
        self.context.refresh().await.map_err(|e| ProvingError::LookUp(format!("{e:#}")))?;
        Ok(self.context.standing().proof)
    }

    /// Why nothing has to be done by this worker now, if there is a reason.
    async fn spared(&self, memory_mib: u32) -> Result<Option<Outcome>, ProvingError> {
        let proof = self.look_up().await?;
        let now = self.context.tessera.clock().await?;
        self.context.pace.saw(now.slot);
        let is_own = proof.begun == self.own.load(Ordering::Relaxed);
        if let Some(end) = proof.under_way(now.slot).filter(|_| !is_own) {
            return Ok(Some(Outcome::Later(self.context.pace.between(now.slot, end))));
        }
        let is_wanted = proof.is_due(now.time) || proof.is_surpassed(memory_mib);
        Ok((!is_wanted).then_some(Outcome::Needless))
    }

    /// The device with the least memory to give, and how much of it is to be shown, in MiB.
    async fn smallest(&self, runner: &mut Runner, proof: &Proof, less: bool) -> Result<(usize, u32), ProvingError> {
        let room = runner.room().await?;
        let config = &self.context.config;
        let memory = |(device, free): (&ChildDevice, u64)| {
            if device.id == device::CPU { config.proof_mib() } else { proof::memory_mib(free) }
        };
        let all = runner.devices().iter().zip(room).map(memory).enumerate();
        let (number, memory_mib) = all.min_by_key(|(_, memory)| *memory).ok_or(ProvingError::NoMemory)?;
        let memory_mib = if less { memory_mib - memory_mib / 8 } else { memory_mib };
        match memory_mib.min(proof.told_mib) {
            0 => Err(ProvingError::NoMemory),
            memory_mib => Ok((number, memory_mib)),
        }
    }

    /// Has the device compute a small table before anything is sent: a device that computes wrong shows here, and costs no fee.
    async fn rehearse(&self, runner: &mut Runner, device: usize) -> Result<(), ProvingError> {
        let least = capability::MEMORY_MIB.0;
        let until = Instant::now() + self.context.limits.start;
        self.compute(runner, device, (&REHEARSAL, least), until).await.map(drop)
    }

    /// Has a device compute the table of a seed and so much memory, and checks what it finds. A device that computes wrong goes
    /// into quarantine: it fails where it matters, whatever a self test says.
    async fn compute(
        &self,
        runner: &mut Runner,
        device: usize,
        (seed, memory_mib): (&Digest, u32),
        until: Instant,
    ) -> Result<[u32; SHOWN], ProvingError> {
        let places = runner.prove(device, seed, memory_mib, until).await?;
        let shown = proof::choose(seed, memory_mib, &places);
        if let Err(wrong @ Unproven::Wrong { .. }) = &shown
            && let Some(ChildDevice { id, name, .. }) = runner.devices().get(device)
        {
            self.context.health.put(id, name, &wrong.to_string(), unix_now());
        }
        Ok(shown?)
    }

    /// Begins a proof; returns the slot in which it has begun.
    async fn begin(&self, memory_mib: u32) -> Result<u64, ProvingError> {
        let me = &self.context.me;
        let begin = ix::begin_proof(&me.operator, &me.provider, memory_mib);
        let receipt = self.context.sender.send(vec![begin]).await?;
        self.own.store(receipt.slot, Ordering::Relaxed);
        tracing::debug!(memory_mib, slot = receipt.slot, "a proof of capability begins");
        Ok(receipt.slot)
    }

    /// The seed of a proof that began in a slot, and until when it can be used.
    async fn seed(&self, began: u64, memory_mib: u32) -> Result<(Digest, Instant), ProvingError> {
        let context = &self.context;
        let target = audit::draw_slot(began);
        let find = async {
            loop {
                let now = context.tessera.clock().await?;
                context.pace.saw(now.slot);
                if now.slot > target {
                    match context.tessera.slot_hashes().await?.first_at_or_after(target) {
                        Lookup::Found(slot, hash) => {
                            let left = context.pace.between(now.slot, (slot + READABLE).saturating_sub(MARGIN));
                            return Ok((hash, Instant::now() + left));
                        }
                        Lookup::TooEarly => {}
                        Lookup::Missed => return Err(ProvingError::NoSeed(target)),
                    }
                }
                sleep(context.pace.between(now.slot, target + 1)).await;
            }
        };
        let (hash, until) = timeout(PATIENCE, find).await.unwrap_or(Err(ProvingError::NoSeed(target)))?;
        Ok((capability::seed(&hash, &context.me.provider.to_bytes(), memory_mib), until))
    }

    async fn finish(&self, shown: [u32; SHOWN]) -> Result<(), ProvingError> {
        let me = &self.context.me;
        self.context.sender.send(vec![ix::finish_proof(&me.operator, &me.provider, shown)]).await?;
        Ok(())
    }
}
