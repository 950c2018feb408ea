//! Looking at what others have opened: some chunks of their outputs, as the store has them, beside our own of the same lease.
//!
//! Whoever computed a lease too knows all its outputs, so a chunk needs no path to any root: opened with the key that was
//! shown it is our own, byte by byte, or it is not what the lease was agreed on. Only the client can demand what is missing,
//! so this worker says so in its log, and counts it.

use std::{collections::BTreeSet, io::SeekFrom, ops::Range, path::Path, sync::Arc, time::Duration};

use tessera_protocol::{
    cid::{CHUNK_LEN, Cid},
    outputs::Layout,
    seal,
};
use tessera_sdk::{StoreClient, StoreError};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{context::Context, jobs::Jobs};
use crate::{
    backoff,
    journal::{LeaseId, Sealed},
    lifecycle::Seat,
};

/// Chunks of each seat that are looked at.
const CHUNKS: u64 = 3;
/// Longest time for a seat.
const LONGEST: Duration = Duration::from_secs(60);
/// Most looks at a seat of which nothing can be told: some minutes.
const LOOKS: u32 = 8;

/// Looks at outputs of others, one seat after the other.
pub struct Inspector {
    context: Arc<Context>,
    jobs: Jobs,
    /// Computing and sending come first.
    turn: Semaphore,
}

/// A lease whose outputs we have.
pub struct Own {
    /// Which one.
    pub id: LeaseId,
    /// Its units.
    pub units: u32,
    /// Our result.
    pub result: Sealed,
}

/// What is wrong with outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// The store does not have them.
    Missing,
    /// A chunk is another than what was agreed on.
    Wrong,
}

impl Inspector {
    /// Looks at outputs of leases of `jobs`.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Self {
        Self { context, jobs, turn: Semaphore::new(1) }
    }

    /// Looks at the outputs of `seats`, which share our lease and are opened at the time `now` of the chain; returns of how many they
    /// are missing or wrong. What cannot be told, because a store does not answer or time runs out, is looked at again while their
    /// client can demand them, and not held against anybody.
    pub async fn look(&self, own: &Own, seats: &[Seat], now: i64) -> u64 {
        let began = Instant::now();
        let open = |seat: &Seat| now.saturating_add_unsigned(began.elapsed().as_secs()) < seat.payable_at;
        let seats: Vec<&Seat> = seats.iter().collect();
        persist(seats, open, |seat| self.one(own, seat)).await
    }

    /// Whether the outputs of a seat are missing or wrong, if that can be told.
    async fn one(&self, own: &Own, seat: &Seat) -> Option<bool> {
        let _turn = self.turn.acquire().await;
        match timeout(LONGEST, self.seat(own, seat)).await {
            Ok(Ok(None)) => {
                tracing::debug!(lease = %own.id, provider = %seat.provider, "its outputs are in the store");
                Some(false)
            }
            Ok(Ok(Some((flaw, chunk)))) => {
                let demand = format!(
                    "tessera job demand {} {} --provider {} --chunk {chunk}",
                    own.id.job(),
                    own.id.index,
                    seat.provider
                );
                tracing::warn!(
                    lease = %own.id, provider = %seat.provider, ?flaw, until = seat.payable_at, demand,
                    "outputs of another provider are not in the store as they were agreed on; its client can demand them"
                );
                Some(true)
            }
            Ok(Err(error)) => {
                tracing::debug!(lease = %own.id, %error, "cannot look at outputs of others");
                None
            }
            Err(_) => {
                tracing::debug!(lease = %own.id, "outputs of others come too slowly to look at");
                None
            }
        }
    }

    /// What is wrong with the outputs of a seat, and a chunk that shows it.
    async fn seat(&self, own: &Own, seat: &Seat) -> anyhow::Result<Option<(Flaw, u64)>> {
        let (output_len, store) = self.jobs.outputs(&own.id.job()).await?;
        let layout = Layout { units: own.units, output_len };
        let chunks = layout.chunks().unwrap_or_default();
        let file = self.context.outbox.join(own.result.cid.to_string());
        for chunk in some(chunks)? {
            let own = open(&own.result.key, chunk, read(&file, chunk).await?);
            if let Some(flaw) = compare(&store, seat, chunk, &own).await? {
                return Ok(Some((flaw, chunk)));
            }
        }
        Ok(None)
    }
}

/// Looks at each of `seats` until it is told whether it is flawed, but not where it is not `open` any more, and not too often. How many
/// are flawed.
async fn persist<S: Copy, F: Future<Output = Option<bool>>>(
    mut seats: Vec<S>,
    open: impl Fn(S) -> bool,
    look: impl Fn(S) -> F,
) -> u64 {
    let mut flawed = 0;
    for looks in 1..=LOOKS {
        let mut untold = Vec::new();
        for seat in seats {
            match look(seat).await {
                Some(is) => flawed += u64::from(is),
                None => untold.push(seat),
            }
        }
        seats = untold;
        if seats.is_empty() || looks == LOOKS {
            break;
        }
        sleep(backoff::after(looks)).await;
        seats.retain(|seat| open(*seat));
    }
    flawed
}

/// Some of so many chunks, by chance.
fn some(chunks: u64) -> anyhow::Result<BTreeSet<u64>> {
    let mut some = BTreeSet::new();
    for _ in 0..CHUNKS.min(chunks) {
        some.insert(getrandom::u64()? % chunks);
    }
    Ok(some)
}

/// Where a chunk of the sealed outputs lies.
const fn place(chunk: u64) -> Range<u64> {
    chunk * CHUNK_LEN as u64..(chunk + 1) * CHUNK_LEN as u64
}

fn open(key: &[u8; 32], chunk: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    seal::apply(key, chunk, &mut bytes);
    bytes
}

/// A chunk of our own sealed outputs.
async fn read(file: &Path, chunk: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(file).await?;
    file.seek(SeekFrom::Start(place(chunk).start)).await?;
    let mut bytes = vec![0; CHUNK_LEN];
    file.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Compares a chunk of the outputs of a seat, as the store has it, with `own`.
async fn compare(store: &StoreClient, seat: &Seat, chunk: u64, own: &[u8]) -> Result<Option<Flaw>, StoreError> {
    match store.part(&Cid(seat.sealed), place(chunk)).await {
        Ok(sealed) => Ok((open(&seat.key, chunk, sealed.into()) != own).then_some(Flaw::Wrong)),
        Err(StoreError::NotFound { .. }) => Ok(Some(Flaw::Missing)),
        // The blob is shorter than outputs of this lease are.
        Err(StoreError::Refused { status, .. }) if status.as_u16() == 416 => Ok(Some(Flaw::Wrong)),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_told_is_looked_at_again() {
        // How often each was looked at: one is sound, one flawed and its store busy at first; of two nothing is ever told, of which one
        // is paid before the second look.
        let looks = RefCell::new([0; 4]);
        let look = |seat: usize| {
            let count = {
                let mut looks = looks.borrow_mut();
                looks[seat] += 1;
                looks[seat]
            };
            std::future::ready(match seat {
                0 => Some(false),
                1 => (count == 3).then_some(true),
                _ => None,
            })
        };
        assert_eq!(persist(vec![0, 1, 2, 3], |seat| seat != 3, look).await, 1);
        assert_eq!(looks.into_inner(), [1, 3, LOOKS, 1]);
    }
}
