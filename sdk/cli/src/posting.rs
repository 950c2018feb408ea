//! What commands that post jobs share: the offer, its cost, and the end of a job.

use std::{
    io::{IsTerminal, Write as _},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{constants::MAX_LEASES, payout, routing::Requirements};
use tessera_sdk::{JobTerms, Tessera};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::options::Options;

/// How long the last replicas may take to be paid after the outputs are there.
const LAST_PAY: Duration = Duration::from_secs(90);

/// What is offered to providers, and where the blobs go.
#[derive(clap::Args, Debug)]
pub struct Offer {
    #[command(flatten)]
    pub terms: Terms,
    /// Tokens that one replica of one unit pays
    #[arg(long, value_name = "TOKENS")]
    price: Option<String>,
    /// URL of the store; providers must reach it under the same address
    #[arg(long, value_name = "URL", env = "TESSERA_STORE")]
    pub store: Option<String>,
}

/// What is offered to providers besides the price.
#[derive(clap::Args, Debug)]
pub struct Terms {
    /// Providers that must agree on each lease
    #[arg(long, default_value_t = 2)]
    pub replicas: u8,
    /// Units in a lease [default: from the number of units]
    #[arg(long)]
    units_per_lease: Option<u32>,
    /// Seconds that a provider has from claim to commit
    #[arg(long, default_value_t = 600)]
    lease_seconds: u32,
    /// Seconds from now to the job's deadline
    #[arg(long, default_value_t = 86_400)]
    deadline_seconds: u32,
    /// Device memory that providers must have, in MiB
    #[arg(long, default_value_t = 0)]
    memory_mib: u32,
    /// Hardware class that providers must have: 0 CPU, else compute capability times ten
    #[arg(long, default_value_t = 0)]
    class: u8,
}

/// An offer for a job of known size in a market.
pub struct Deal {
    /// The market's address.
    pub market: Pubkey,
    /// Digits after the point of its mint.
    pub decimals: u8,
    /// What `post_job` takes.
    pub terms: JobTerms,
    /// What will be escrowed: work and fee, in base units.
    pub deposit: u64,
}

impl Terms {
    /// The terms of a job of `units` that pays `price_per_unit` base units.
    pub fn of(&self, units: u64, price_per_unit: u64, store_url: &str) -> JobTerms {
        JobTerms {
            price_per_unit,
            replicas: self.replicas,
            units_per_lease: self.units_per_lease.unwrap_or_else(|| units_per_lease(units)),
            lease_seconds: self.lease_seconds,
            deadline_seconds: self.deadline_seconds,
            requirements: Requirements { memory_mib: self.memory_mib, class: self.class, regions: 0 },
            store_url: store_url.to_owned(),
        }
    }
}

impl Offer {
    /// The store's address.
    pub fn store(&self) -> Result<&str> {
        self.store.as_deref().context("which store? give --store URL or set TESSERA_STORE")
    }

    /// The offer for a job of `units` in the market of the options.
    pub async fn deal(&self, options: &Options, tessera: &Tessera, units: u64) -> Result<Deal> {
        let (store, price) = (self.store()?, self.price.as_deref().context("at what price? give --price TOKENS")?);
        let market = options.market(tessera).await?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        let terms = self.terms.of(units, base_units(price, decimals)?, store);
        let deposit = payout::deposit(terms.price_per_unit, units, terms.replicas, market.params.fee_bps);
        let deposit =
            deposit.context("price × units × replicas is more than any token account holds; lower the price")?;
        Ok(Deal { market: market.address, decimals, terms, deposit })
    }
}

impl Deal {
    /// What the job costs, in words.
    pub fn cost(&self, units: u64) -> String {
        let JobTerms { price_per_unit, replicas, .. } = self.terms;
        format!(
            "{units} units × {replicas} replicas × {} tokens + fee = at most {} tokens",
            tokens(price_per_unit, self.decimals),
            tokens(self.deposit, self.decimals)
        )
    }
}

/// Asks on a terminal whether to go on; where there is none, whoever gave the command has decided already.
pub async fn confirm(question: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().context("cannot write to the terminal")?;
    let (answer, answered) = oneshot::channel();
    // A thread of its own, which may wait for ever without keeping this program from being stopped.
    thread::spawn(move || {
        let mut text = String::new();
        let _ = answer.send(std::io::stdin().read_line(&mut text).map(|_| text));
    });
    let text = answered.await.context("nobody answered")?.context("cannot read the answer")?;
    if !matches!(text.trim(), "y" | "Y" | "yes") {
        bail!("nothing was posted and nothing paid; answer y, or give --yes, to post");
    }
    Ok(())
}

/// Enough leases to keep many providers busy, few enough that transactions cost little; never more than a job may have.
fn units_per_lease(units: u64) -> u32 {
    let wanted = units.div_ceil(64).clamp(1, 16);
    u32::try_from(wanted.max(units.div_ceil(u64::from(MAX_LEASES)))).unwrap_or(u32::MAX)
}

/// Waits until every provider of a job whose leases have settled is paid, then closes it: the rest goes back to the wallet.
pub async fn close(tessera: &Tessera, payer: &Keypair, job: &Pubkey) -> Result<()> {
    let give_up = Instant::now() + LAST_PAY;
    loop {
        match tessera.job(job).await? {
            None => return Ok(()),
            Some(found) if found.is_complete() && found.owed == 0 => break,
            Some(_) if Instant::now() > give_up => {
                bail!(
                    "not every provider was paid within {} s; close the job later with `tessera job close {job}`",
                    LAST_PAY.as_secs()
                )
            }
            Some(_) => sleep(Duration::from_millis(500)).await,
        }
    }
    match tessera.close_job(payer, job).await {
        // Somebody else was faster, as anybody may be.
        Err(_) if tessera.job(job).await?.is_none() => Ok(()),
        closed => closed.map(drop).context("cannot close the job"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_neither_too_many_nor_too_few() {
        assert_eq!(units_per_lease(1), 1);
        assert_eq!(units_per_lease(240), 4);
        assert_eq!(units_per_lease(100_000), 16);
        for units in [1, 64, 1 << 20, 1 << 21, 1 << 31] {
            assert!(tessera_protocol::lease::count(units, units_per_lease(units)) <= u64::from(MAX_LEASES));
        }
    }
}
