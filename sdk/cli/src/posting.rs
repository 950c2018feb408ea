//! What commands that post jobs share: the offer, its cost, and the end of a job.

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use solana_pubkey::Pubkey;
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{constants::MAX_LEASES, payout::Escrow, routing::Requirements};
use tessera_sdk::{Account, AnySigner, JobTerms, Tessera, accounts};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    hint,
    limits::{Limits, Recorded, Spend},
    options::Options,
};

/// How long the last replicas may take to be paid after the outputs are there and nothing can be demanded any more.
const LAST_PAY: Duration = Duration::from_secs(90);
/// How much longer all of that may take by the clock of this machine, where the chain's own runs more slowly.
const SLOWER: u32 = 4;
/// Longest time for demands that is waited for to close a job.
const LONGEST_CHALLENGE: u32 = 600;
/// How often somebody looks for seats that are late.
const TEND: Duration = Duration::from_secs(2);

/// Why a job cannot be offered.
pub const TOO_MUCH: &str = "price × units × replicas is more than any token account holds; lower the price";

/// What is offered to providers, and where the blobs go.
#[derive(clap::Args, Debug)]
pub struct Offer {
    #[command(flatten)]
    pub terms: Terms,
    /// Tokens that one replica of one unit pays
    #[arg(long, value_name = "TOKENS")]
    price: Option<String>,
    /// Most tokens that one job may put into its escrow; limits that stand in the file of --limits hold too
    #[arg(long, value_name = "TOKENS")]
    max_spend: Option<String>,
    /// URL of the store; providers must reach it under the same address
    #[arg(long, value_name = "URL", env = "TESSERA_STORE")]
    pub store: Option<String>,
    /// File with options of this command by their names, such as `price = "0.01"`; what stands on the command line counts more
    #[arg(long = "job", id = "job", value_name = "FILE")]
    _job: Option<PathBuf>,
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
    /// Seconds that a provider has from claim to commit [default: 600, in the demo 120]
    #[arg(long)]
    pub lease_seconds: Option<u32>,
    /// Seconds from now to the job's deadline
    #[arg(long, default_value_t = 86_400)]
    deadline_seconds: u32,
    /// Device memory that providers must have, in MiB
    #[arg(long, default_value_t = 0)]
    memory_mib: u32,
    /// Hardware class that providers must have: 0 CPU, else compute capability times ten
    #[arg(long, default_value_t = 0)]
    class: u8,
    /// Seconds after the outputs are open in which chunks of them may be demanded, and before which they are not paid
    #[arg(long, default_value_t = 0)]
    challenge_seconds: u32,
    /// Tokens that providers must have staked
    #[arg(long, value_name = "TOKENS", default_value = "0")]
    min_stake: String,
    /// Score that providers must have, from 0 to 1; who is new has 0
    #[arg(long, value_name = "SCORE", default_value_t = 0.0)]
    min_score: f64,
    /// Provider accounts that alone may take the job, separated by commas; auditors come from the whole market in any case
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    allow: Vec<Pubkey>,
    /// Provider accounts that may not take the job, separated by commas
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    deny: Vec<Pubkey>,
    /// The job's inputs are on the machines of those in --allow, whose results nobody audits: one replica, paid on trust
    #[arg(long, requires = "allow", conflicts_with = "replicas")]
    private: bool,
}

/// A market, and what one replica of one unit is to be paid there.
pub struct Quote {
    /// The market.
    pub market: Account<accounts::Market>,
    /// Digits after the point of its mint.
    pub decimals: u8,
    /// In base units.
    pub price: u64,
    /// What may be spent.
    limits: Limits,
}

/// An offer for a job of known size in a market.
pub struct Deal {
    /// The market's address.
    pub market: Pubkey,
    /// Digits after the point of its mint.
    pub decimals: u8,
    /// What `post_job` takes.
    pub terms: JobTerms,
    /// What will be escrowed, in base units.
    pub escrow: Escrow,
    /// All of it.
    pub deposit: u64,
    mint: Pubkey,
    limits: Limits,
    most: Option<u64>,
}

impl Terms {
    /// The terms of a job of `units` that pays `price_per_unit` base units of a token with `decimals`.
    pub fn of(&self, units: u64, price_per_unit: u64, decimals: u8, store_url: &str) -> Result<JobTerms> {
        if !(0.0..=1.0).contains(&self.min_score) {
            bail!("--min-score {}, expected 0 to 1", self.min_score);
        }
        Ok(JobTerms {
            price_per_unit,
            replicas: if self.private { 1 } else { self.replicas },
            units_per_lease: self.units_per_lease.unwrap_or_else(|| units_per_lease(units)),
            lease_seconds: self.lease_seconds.unwrap_or(600),
            deadline_seconds: self.deadline_seconds,
            requirements: Requirements { memory_mib: self.memory_mib, class: self.class, regions: 0 },
            challenge_seconds: self.challenge_seconds,
            min_stake: base_units(&self.min_stake, decimals)?,
            min_score_bps: (self.min_score * 10_000.0).round() as u16,
            allowed: self.allow.clone(),
            denied: self.deny.clone(),
            private: self.private,
            store_url: store_url.to_owned(),
        })
    }
}

impl Offer {
    /// The store's address.
    pub fn store(&self) -> Result<&str> {
        self.store.as_deref().context("which store? give --store URL or set TESSERA_STORE")
    }

    /// The market of the options and what is offered in it.
    pub async fn quote(&self, options: &Options, tessera: &Tessera) -> Result<Quote> {
        let price = self.price.as_deref().context("at what price? give --price TOKENS")?;
        // What else can be missing is asked for at once.
        self.store()?;
        let market = options.market(tessera).await?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        Ok(Quote { market, decimals, price: base_units(price, decimals)?, limits: options.limits()? })
    }

    /// The offer for a job of `units` at so many base units for each.
    pub fn at(&self, quote: &Quote, units: u64, price: u64) -> Result<Deal> {
        let terms = self.terms.of(units, price, quote.decimals, self.store()?)?;
        self.of_terms(quote, terms, units)
    }

    /// The offer for a private job of one unit, which `provider` alone may take.
    pub fn private(&self, quote: &Quote, provider: Pubkey) -> Result<Deal> {
        let mut terms = self.terms.of(1, quote.price, quote.decimals, self.store()?)?;
        (terms.private, terms.replicas, terms.allowed, terms.denied) = (true, 1, vec![provider], vec![]);
        self.of_terms(quote, terms, 1)
    }

    fn of_terms(&self, quote: &Quote, terms: JobTerms, units: u64) -> Result<Deal> {
        let Quote { market, decimals, limits, .. } = quote;
        let escrow = terms.escrow(units, market).and_then(|escrow| Some((escrow, escrow.total()?)));
        let (escrow, deposit) = escrow.context(TOO_MUCH)?;
        let most = self.max_spend.as_deref().map(|text| base_units(text, *decimals)).transpose()?;
        let (market, mint) = (market.address, market.mint);
        Ok(Deal { market, decimals: *decimals, terms, escrow, deposit, mint, limits: limits.clone(), most })
    }
}

impl Deal {
    /// Puts what the job costs on record, if limits allow it.
    pub fn spend(&self) -> Result<Recorded> {
        let Self { mint, decimals, deposit, most, .. } = self;
        let spend = Spend { mint, decimals: *decimals, amount: *deposit, of_job: 0, most: *most };
        self.limits.spend(&spend)
    }

    /// What the job costs, in words.
    pub fn cost(&self, units: u64) -> String {
        let JobTerms { price_per_unit, replicas, .. } = self.terms;
        let Escrow { work, reserve, fee } = self.escrow;
        let shown = |amount| tokens(amount, self.decimals);
        format!(
            "{units} units × {replicas} replicas × {} tokens = {} tokens of work, {} in reserve for audits (what they do not take is returned), fee {}: at most {} tokens",
            shown(price_per_unit),
            shown(work),
            shown(reserve),
            shown(fee),
            shown(self.deposit)
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
        bail!("nothing was sent and nothing paid; answer y, or give --yes, to go on");
    }
    Ok(())
}

/// Units in a lease: enough leases to keep many providers busy, few enough that transactions cost little; never more than a job may have.
pub fn units_per_lease(units: u64) -> u32 {
    let wanted = units.div_ceil(64).clamp(1, 16);
    u32::try_from(wanted.max(units.div_ceil(u64::from(MAX_LEASES)))).unwrap_or(u32::MAX)
}

/// Waits until every provider of a job whose leases have settled is paid, then closes it: the rest goes back to the wallet.
pub async fn close(tessera: &Tessera, payer: &AnySigner, job: &Pubkey) -> Result<()> {
    let Some(found) = tessera.job(job).await? else { return Ok(()) };
    let challenge = found.challenge_seconds;
    if challenge > LONGEST_CHALLENGE {
        bail!(
            "providers are paid {challenge} s after they have shown their outputs, as long as you may demand chunks of them; close the job then with {}",
            hint::command(&format!("job close {job}"))
        );
    }
    let patience = LAST_PAY + Duration::from_secs(challenge.into());
    let began = (tessera.clock().await?.time, Instant::now());
    let mut tended = Instant::now();
    loop {
        match tessera.job(job).await? {
            None => return Ok(()),
            Some(found) if found.is_complete() && found.owed_seats == 0 && found.contested == 0 => break,
            Some(_) => {}
        }
        // Providers are paid by the chain's clock.
        let took = began.1.elapsed();
        if took > patience && (took > patience * SLOWER || passed(began.0, patience, tessera.clock().await?.time)) {
            bail!(
                "not every provider was paid within {} s; close the job later with {}",
                took.as_secs(),
                hint::command(&format!("job close {job}"))
            );
        }
        if tended.elapsed() >= TEND {
            // Those who show neither keys nor chunks are not waited for.
            tessera.expire_withheld(payer, job).await?;
            tended = Instant::now();
        } else {
            sleep(Duration::from_millis(500)).await;
        }
    }
    match tessera.close_job(payer, job).await {
        // Somebody else was faster, as anybody may be.
        Err(_) if tessera.job(job).await?.is_none() => Ok(()),
        closed => closed.map(drop).context("cannot close the job"),
    }
}

/// Whether so much time has passed between two Unix times.
fn passed(began: i64, time: Duration, now: i64) -> bool {
    began.saturating_add_unsigned(time.as_secs()) < now
}

/// Looks for ever for seats of a job that are late with their keys or with what was demanded of them: nobody else has to. Where
/// somebody would be asked for it at any time, it is left to `tessera reclaim`.
pub async fn tend(tessera: &Tessera, payer: &AnySigner, job: &Pubkey) {
    if payer.is_interactive() {
        return std::future::pending().await;
    }
    loop {
        sleep(TEND).await;
        // An endpoint that does not answer now is asked again.
        let _ = tessera.expire_withheld(payer, job).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_by_the_clock_of_the_chain() {
        let time = Duration::from_secs(90);
        assert!(!passed(100, time, 100) && !passed(100, time, 190) && passed(100, time, 191));
        assert!(!passed(100, time, 0));
    }

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
