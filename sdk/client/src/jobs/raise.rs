//! More money or more time for a job under way.

use tessera_protocol::{
    constants::MAX_JOB_SECONDS,
    payout::{self, Escrow},
};

use crate::{AnySigner, Error, Job, Receipt, Tessera, ix};

impl Job {
    /// What raising the price of what has not settled by `add_price` base units puts into the escrow. `None` on overflow.
    #[must_use]
    pub fn raise_cost(&self, add_price: u64) -> Option<Escrow> {
        let units = self.units.checked_sub(self.settled_units)?;
        payout::top_up(add_price, units, self.units_per_lease, self.replicas, &self.audit_params(), self.fee_bps)
    }

    /// The latest deadline that it may be given, in Unix seconds.
    #[must_use]
    pub fn latest_deadline(&self) -> i64 {
        self.posted_at.saturating_add_unsigned(MAX_JOB_SECONDS)
    }
}

impl Tessera {
    /// Gives a job of `wallet` more time, a higher price for what has not settled, or both. Seats that are taken keep their pay.
    ///
    /// # Errors
    /// If the job has ended, nothing is added, or the transaction fails.
    pub async fn raise_job(
        &self,
        wallet: &AnySigner,
        job: &Job,
        add_price: u64,
        add_seconds: u32,
    ) -> Result<Receipt, Error> {
        let market = self.market(&job.market).await?.ok_or(Error::NotFound { what: "market", address: job.market })?;
        let raise = ix::top_up_job(&job.wallet, &job.address, &market.mint, add_seconds, add_price);
        self.send(&[raise], wallet, &[]).await
    }
}
