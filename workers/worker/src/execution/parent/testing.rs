//! Finding out whether devices compute right.

use tokio::time::Instant;

use super::{Runner, Running, send, unexpected};
use crate::{
    execution::{
        ExecutionError,
        frames::{self, Answer, ChildDevice, Order},
    },
    self_test::{self, Depth},
};

/// What came of testing a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It computes right.
    Good,
    /// It does not: why.
    Faulty(String),
}

impl Runner {
    /// Has the devices compute units whose bits are known, one device after the other. Where one hangs, the test ends with it:
    /// the child had to be killed.
    ///
    /// # Errors
    /// If that says nothing about a device.
    pub async fn test(&mut self, depth: Depth) -> Result<Vec<(ChildDevice, Verdict)>, ExecutionError> {
        self.ready().await?;
        let Some(mut child) = self.child.take() else { return Ok(vec![]) };
        child.loaded = None;
        let mut verdicts = Vec::new();
        for (number, device) in child.devices.clone().into_iter().enumerate() {
            match self.test_device(&mut child, number, depth).await {
                Ok(verdict) => verdicts.push((device, verdict)),
                Err(
                    e @ (ExecutionError::TooLong { .. } | ExecutionError::Suspected { .. } | ExecutionError::Void(_)),
                ) => {
                    verdicts.push((device, Verdict::Faulty(format!("in a test: {e}"))));
                    child.end(super::MOMENT).await;
                    return Ok(verdicts);
                }
                Err(e) => {
                    child.end(super::MOMENT).await;
                    self.failed();
                    return Err(e);
                }
            }
        }
        self.child = Some(child);
        Ok(verdicts)
    }

    async fn test_device(&self, child: &mut Running, number: usize, depth: Depth) -> Result<Verdict, ExecutionError> {
        let units = depth.units();
        let count = u32::try_from(units.end - units.start).unwrap_or(u32::MAX);
        let order = Order::Test { device: u32::try_from(number).unwrap_or(u32::MAX), first: units.start, count };
        for _ in 0..depth.rounds() {
            let by = Instant::now() + self.limits.start;
            send(child, &order, by).await?;
            match self.answer(child, frames::SMALL, by, "testing a device").await? {
                Answer::Tested { digests } => {
                    if let Some(unit) = self_test::first_wrong(units.start, &digests) {
                        return Ok(Verdict::Faulty(format!("wrong bits in unit {unit} of a test")));
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(Verdict::Good)
    }
}
