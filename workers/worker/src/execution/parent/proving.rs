//! Filling the memory of devices with tables of proofs.

use tessera_protocol::hash::Digest;
use tokio::time::Instant;

use super::{Runner, send, unexpected};
use crate::execution::{
    ExecutionError,
    frames::{self, Answer, Order},
};

impl Runner {
    /// Bytes of memory that each device could give now, in the order of [`Self::devices`].
    ///
    /// # Errors
    /// If the devices cannot be asked.
    pub async fn room(&mut self) -> Result<Vec<u64>, ExecutionError> {
        let by = Instant::now() + self.limits.start;
        let read = |answer| match answer {
            Answer::Room { bytes } => Ok(bytes),
            other => Err(unexpected(&other)),
        };
        self.ask(&Order::Room, by, "looking for free memory", read).await
    }

    /// Has a device fill `memory_mib` of its memory with the table of `seed` by `until`. Returns the places that it found to
    /// lie under the target, ascending, which nobody has checked.
    ///
    /// # Errors
    /// If it cannot, or takes too long.
    pub async fn prove(
        &mut self,
        device: usize,
        seed: &Digest,
        memory_mib: u32,
        until: Instant,
    ) -> Result<Vec<u32>, ExecutionError> {
        let device = u32::try_from(device).unwrap_or(u32::MAX);
        let read = |answer| match answer {
            Answer::Proved { places } => Ok(places),
            other => Err(unexpected(&other)),
        };
        self.ask(&Order::Prove { device, seed: *seed, memory_mib }, until, "computing a proof", read).await
    }

    /// Has the child do something for which it gives up its job. A child that fails is ended.
    async fn ask<T>(
        &mut self,
        order: &Order,
        by: Instant,
        what: &'static str,
        read: impl FnOnce(Answer) -> Result<T, ExecutionError>,
    ) -> Result<T, ExecutionError> {
        self.ready().await?;
        // The child leaves `self` for as long as it is used: whoever drops this future kills it.
        let mut child = self.child.take().ok_or_else(|| ExecutionError::Died("before it was asked".into()))?;
        child.loaded = None;
        let answer = match send(&mut child, order, by).await {
            Ok(()) => self.answer(&mut child, frames::SMALL, by, what).await.and_then(read),
            Err(e) => Err(e),
        };
        match answer {
            Ok(answer) => {
                self.child = Some(child);
                Ok(answer)
            }
            Err(e) => {
                child.end(super::MOMENT).await;
                self.failed();
                Err(e)
            }
        }
    }
}
