//! Seeds of jobs and of groups of seats: hashes that did not exist when the job was posted or the group opened, and that rank
//! the providers. Who claims first sends the seed along.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Job, Lookup, Moment, SlotHashes, ix};
use tokio::sync::OnceCell;

use super::context::Context;
use crate::lifecycle::{JobView, LeaseView};

/// Slots for which a seed is left to those whose turn comes first with it, in a market that is nearly all theirs. They have their
/// turn at once with a chance that is their share of the stake, so whoever has much of it waits less.
const PATIENCE: u64 = 6;
/// How often a turn is looked for within the second in which it comes: clocks of chains count in whole ones.
const TURN: Duration = Duration::from_millis(200);

/// The hashes of the last slots as they are at one moment, read if they are needed.
pub struct Seeds {
    context: Arc<Context>,
    now: Moment,
    hashes: OnceCell<SlotHashes>,
    /// The first slot after which there may be something to claim.
    slot: AtomicU64,
    /// The first Unix time at which there is.
    turn: AtomicI64,
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
        let (slot, turn) = (AtomicU64::new(u64::MAX), AtomicI64::new(i64::MAX));
        Self { context, now, hashes: OnceCell::new(), slot, turn }
    }

    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// Takes note of a turn that comes.
    pub fn await_turn(&self, turn: i64) {
        self.turn.fetch_min(turn, Ordering::Relaxed);
    }

    /// How long it takes until there may be something to claim, if that is known.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let (slot, turn) = (self.slot.load(Ordering::Relaxed), self.turn.load(Ordering::Relaxed));
        let slot = (slot != u64::MAX).then(|| self.context.pace.between(self.now.slot, slot.saturating_add(1)));
        let seconds = u64::try_from(turn.saturating_sub(self.now.time)).unwrap_or(0);
        let turn = (turn != i64::MAX).then(|| Duration::from_secs(seconds.saturating_sub(1)).max(TURN));
        slot.into_iter().chain(turn).min()
    }

    /// The seed for `target`: slot and hash. `None` while there is none, or where it can no longer be told which it will be.
    async fn find(&self, target: u64) -> Result<Option<(u64, [u8; 32])>, Error> {
        if self.now.slot <= target {
            self.slot.fetch_min(target, Ordering::Relaxed);
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
        let ready = along.target.saturating_add(self.patience());
        if self.now.slot <= ready {
            self.slot.fetch_min(ready, Ordering::Relaxed);
            return;
        }
        // It does no harm to be second; what is refused costs nothing.
        match self.context.sender.send(vec![along.instruction]).await {
            Ok(_) => {
                tracing::debug!("sent a seed");
                self.slot.fetch_min(self.now.slot, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "a seed was not taken"),
        }
    }

    /// Slots for which this worker leaves a seed to others.
    fn patience(&self) -> u64 {
        let (stake, all) = (self.context.standing().stake.0, self.context.standing().total_stake);
        let others = u128::from(all.saturating_sub(stake));
        u64::try_from(others * u128::from(PATIENCE) / u128::from(all.max(1))).unwrap_or(PATIENCE)
    }
}
