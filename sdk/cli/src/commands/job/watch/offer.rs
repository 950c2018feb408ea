//! Raising the price of a job while it is watched, as long as nobody takes its leases.

use std::time::Duration;

use anyhow::{Result, bail};
use solana_signer::Signer;
use tessera_migrate::amount::base_units;
use tessera_sdk::{Job, Tessera};
use tessera_wallet::Wallet;
use tokio::time::Instant;

use super::status::Status;
use crate::{commands::job::raise::Bank, options::Options};

/// Parts of the price by which it rises where nothing else is said.
const PART: u64 = 10;

#[derive(clap::Args, Debug)]
pub struct Rise {
    /// Raise the price up to this many tokens while leases are free and nobody takes any
    #[arg(long, value_name = "TOKENS", requires = "every")]
    raise_to: Option<String>,
    /// Seconds without a claim after which the price rises
    #[arg(long, value_name = "SECONDS", requires = "raise_to", value_parser = clap::value_parser!(u64).range(5..))]
    every: Option<u64>,
    /// Tokens by which it rises at once [default: a tenth of the price]
    #[arg(long, value_name = "TOKENS", requires = "raise_to")]
    raise_by: Option<String>,
    /// Most tokens that one raise may take
    #[arg(long, value_name = "TOKENS", requires = "raise_to")]
    max_spend: Option<String>,
}

/// Raises a price now and then.
pub struct Raiser {
    bank: Bank,
    wallet: Wallet,
    /// The highest price, and by how much it rises, in base units.
    most: u64,
    by: u64,
    every: Duration,
    /// The price after the last raise: what is read may be older.
    price: u64,
    /// Since when nothing has been claimed or raised.
    since: Instant,
    /// Whether it was said that nothing more is done.
    done: bool,
}

impl Rise {
    /// What raises the price of `job`, if that is asked for.
    pub async fn raiser(&self, options: &Options, tessera: &Tessera, job: &Job) -> Result<Option<Raiser>> {
        let (Some(most), Some(every)) = (&self.raise_to, self.every) else { return Ok(None) };
        let wallet = options.wallet()?;
        if wallet.pubkey() != job.wallet {
            bail!("the job belongs to wallet {}; give its key with --keypair", job.wallet);
        }
        let bank = Bank::new(options, tessera, job, self.max_spend.as_deref()).await?;
        let most = base_units(most, bank.decimals)?;
        let by = match &self.raise_by {
            Some(by) => base_units(by, bank.decimals)?,
            None => job.price_per_unit.div_ceil(PART),
        };
        if by == 0 {
            bail!("--raise-by 0 raises nothing; give at least one base unit");
        }
        let every = Duration::from_secs(every);
        let price = job.price_per_unit;
        Ok(Some(Raiser { bank, wallet, most, by, every, price, since: Instant::now(), done: false }))
    }
}

impl Raiser {
    /// Somebody has taken a seat: the price is good.
    pub fn claimed(&mut self) {
        self.since = Instant::now();
    }

    /// Raises the price if it is time to; says what it did, or why it did not.
    pub async fn raise(&mut self, tessera: &Tessera, job: &Job, status: &Status) -> Option<String> {
        if self.done || self.since.elapsed() < self.every {
            return None;
        }
        self.since = Instant::now();
        self.price = self.price.max(job.price_per_unit);
        let add = next(self.price, self.by, self.most, status.wants_more())?;
        if add == 0 {
            self.done = true;
            return Some(format!("the price is {} tokens and rises no more", self.bank.show(self.price)));
        }
        Some(match self.bank.raise(tessera, &self.wallet, job, add, 0).await {
            Ok(raised) => {
                self.price = raised.price_per_unit;
                let (price, added) = (self.bank.show(raised.price_per_unit), self.bank.show(raised.added));
                format!("the price is {price} tokens from now on: {added} more in escrow")
            }
            Err(error) => {
                if let Some(tessera_sdk::Error::Unknown { .. }) = error.downcast_ref() {
                    // It may have been raised: so it must not rise as much once more.
                    self.price = self.price.saturating_add(add);
                }
                // What failed for a moment is tried again; limits stay.
                self.done = !error.downcast_ref::<tessera_sdk::Error>().is_some_and(tessera_sdk::Error::is_transient);
                format!("the price was not raised: {error:#}")
            }
        })
    }
}

/// By how much the price rises: nothing to say where nobody is wanted, 0 where it is as high as it may be.
fn next(price: u64, by: u64, most: u64, wanted: bool) -> Option<u64> {
    wanted.then(|| by.min(most.saturating_sub(price)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_rise_in_steps_to_their_end() {
        assert_eq!(next(10, 4, 17, true), Some(4));
        assert_eq!(next(14, 4, 17, true), Some(3));
        assert_eq!(next(17, 4, 17, true), Some(0));
        assert_eq!(next(20, 4, 17, true), Some(0));
        assert_eq!(next(10, 4, 17, false), None);
    }
}
