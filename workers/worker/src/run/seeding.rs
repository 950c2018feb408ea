//! Seeds of jobs and of groups of seats: hashes that did not exist when the job was posted or the group opened, and that rank
//! the providers. Who claims first sends the seed along.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Job, Lookup, Moment, SlotHashes, ix};
use tokio::sync::OnceCell;

use super::context::Context;
use crate::lifecycle::{JobView, LeaseView};

/// Slots for which a seed is left to those whose turn comes first with it.
const PATIENCE: u64 = 6;

/// The hashes of the last slots as they are at one moment, read if they are needed.
pub struct Seeds {
    context: Arc<Context>,
    now: Moment,
    hashes: OnceCell<SlotHashes>,
    /// The first slot that was asked for and has not come.
    awaited: AtomicU64,
}

/// Whether a seed is known.
pub enum Seeded {
    /// It is on the chain.
    There,
    /// It is known, and has to be sent along.
    With(Along),
    /// Nobody can claim yet.
    NotYet,
}

/// A seed that nobody has sent yet, which a claim can bring along.
pub struct Along {
    /// What sends it.
    pub instruction: Instruction,
    /// The slot that it waited for.
    target: u64,
}

impl Seeds {
    /// Those of `now`.
    #[must_use]
    pub fn new(context: Arc<Context>, now: Moment) -> Self {
        Self { context, now, hashes: OnceCell::new(), awaited: AtomicU64::new(u64::MAX) }
    }

    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The first slot that a seed waits for, if any does.
    #[must_use]
    pub fn awaited(&self) -> Option<u64> {
        Some(self.awaited.load(Ordering::Relaxed)).filter(|slot| *slot != u64::MAX)
    }

    /// The seed for `target`: slot and hash. `None` while there is none, or where it can no longer be told which it will be.
    async fn find(&self, target: u64) -> Result<Option<(u64, [u8; 32])>, Error> {
        if self.now.slot <= target {
            self.awaited.fetch_min(target, Ordering::Relaxed);
            return Ok(None);
        }
        let hashes = self.hashes.get_or_try_init(|| self.context.tessera.slot_hashes()).await?;
        match hashes.first_at_or_after(target) {
            Lookup::Found(slot, hash) => Ok(Some((slot, hash))),
            Lookup::TooEarly | Lookup::Missed => Ok(None),
        }
    }

    /// Gives a job the seed that it will have, unless it has one.
    ///
    /// # Errors
    /// If the hashes cannot be read.
    pub async fn of_job(&self, job: &Job, view: &mut JobView) -> Result<Seeded, Error> {
        if job.is_seeded() {
            return Ok(Seeded::There);
        }
        let along = Along { target: job.seed_slot, instruction: ix::seed_job(&job.address) };
        Ok(match self.find(along.target).await? {
            Some((slot, hash)) => {
                (view.seed, view.seeded_at) = ((hash, slot), self.now.time);
                Seeded::With(along)
            }
            None => {
                self.offer(along).await;
                Seeded::NotYet
            }
        })
    }

    /// Gives the open group of a lease the seed that it will have, unless it has one.
    ///
    /// # Errors
    /// If the hashes cannot be read.
    pub async fn of_lease(&self, job: &Pubkey, index: u32, lease: &mut LeaseView) -> Result<Seeded, Error> {
        if lease.opened_at != 0 {
            return Ok(Seeded::There);
        }
        let along = Along { target: lease.seed.1, instruction: ix::seed_lease(job, index) };
        Ok(match self.find(along.target).await? {
            Some((slot, hash)) => {
                (lease.seed, lease.opened_at) = ((hash, slot), self.now.time);
                Seeded::With(along)
            }
            None => {
                self.offer(along).await;
                Seeded::NotYet
            }
        })
    }

    /// Sends a seed by itself, if it has been there for long: turns begin with it, and it may be nobody's turn who would have
    /// sent it along with a claim.
    pub async fn offer(&self, along: Along) {
        if self.now.slot <= along.target.saturating_add(PATIENCE) {
            return;
        }
        // It does no harm to be second; what is refused costs nothing.
        match self.context.sender.send(vec![along.instruction]).await {
            Ok(_) => tracing::debug!("sent a seed"),
            Err(error) => tracing::debug!(%error, "a seed was not taken"),
        }
    }
}
