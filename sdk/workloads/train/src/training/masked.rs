//! Rounds over shards that nobody but their owners has.

use bytes::Bytes;
use tessera_protocol::cid::Cid;

use super::Training;
use crate::{
    data::{self, Divided},
    error::{Result, setting},
    job::{AGGREGATION_FRONT_END, Blob, Inputs, PRIVATE_FRONT_END, PreparedJob},
    plan::Plan,
    steps::Data,
};

impl Training {
    /// The job of one participant's local steps on data that it alone has: one unit, whose output is its update in whole numbers,
    /// plus the mask, modulo 2^32. `data` is a blob of [`Training::private_data`], by its content id and length; `mask` a blob of
    /// [`Training::private_words`] words.
    ///
    /// # Errors
    /// If the job is too large.
    pub fn private_steps(&self, data: (Cid, u64), mask: Cid) -> Result<PreparedJob> {
        let mut inputs = Inputs::default();
        let mask = Blob::Elsewhere(mask, self.private_words() as u64 * 4);
        let data = Data { blob: Blob::Elsewhere(data.0, data.1), records: data::records_at(1) };
        let plan = self.setting().private(&mut inputs, &self.given(), &data, mask, self.round());
        inputs.job(PRIVATE_FRONT_END, plan, 1, vec![])
    }

    /// The blob of a participant's data: what its own plan's files hold. `secret` decides how values are rounded, and must
    /// be known to nobody else: it also keeps others from finding the data by its content id.
    ///
    /// # Errors
    /// If the files cannot be read, or do not fit the plan.
    pub fn private_data(plan: &Plan, secret: u64) -> Result<Bytes> {
        let divided = Divided::read(plan)?;
        Ok(data::blob(&[&data::joined(divided.shards)], divided.width, secret))
    }

    /// The same of one of this training's shards.
    ///
    /// # Errors
    /// If there is no such shard.
    pub fn shard_data(&self, shard: usize, secret: u64) -> Result<Bytes> {
        match self.divided.shards.get(shard) {
            Some(content) => Ok(data::blob(&[content], self.divided.width, secret)),
            None => setting(format!("shard {shard} is none of {}", self.divided.shards.len())),
        }
    }

    /// Words of a private update, of its mask, and of a sum of such updates.
    #[must_use]
    pub fn private_words(&self) -> usize {
        self.setting().subset(0).count()
    }

    /// The job that makes a change of the weights out of a sum of so many private updates, the masks taken away.
    ///
    /// # Errors
    /// If the sum has another length, or is one of no updates.
    pub fn private_aggregation(&self, sum: &[u32], updates: usize) -> Result<PreparedJob> {
        if sum.len() != self.private_words() || updates == 0 {
            let (expected, found) = (self.private_words(), sum.len());
            return setting(format!("expected a sum of {expected} words, found one of {found}, of {updates} updates"));
        }
        let mut inputs = Inputs::default();
        let sum = Blob::words(sum.iter().copied());
        let plan = self.outer().of_sum(&mut inputs, sum, updates, self.plan.private.steps);
        inputs.job(AGGREGATION_FRONT_END, plan, 1, (updates as u32).to_le_bytes().into())
    }
}
