//! `tessera job raise`.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::{base_units, tokens};
use tessera_sdk::{AnySigner, Event, Job, Tessera};

use crate::{
    hint,
    limits::{Limits, Recorded, Spend},
    options::Options,
    output::{line, print, relative},
    posting::confirm,
};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the job
    job: Pubkey,
    /// Tokens that one replica of one unit pays from now on; seats that are taken keep their pay
    #[arg(long, value_name = "TOKENS", required_unless_present = "deadline_seconds")]
    price: Option<String>,
    /// Seconds from now to the new deadline
    #[arg(long, value_name = "SECONDS")]
    deadline_seconds: Option<u32>,
    /// Most tokens that this may take
    #[arg(long, value_name = "TOKENS")]
    max_spend: Option<String>,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
}

/// What was raised.
#[derive(Debug, Serialize)]
pub struct Raised {
    job: String,
    /// In base units.
    pub price_per_unit: u64,
    deadline: i64,
    /// Base units that went into the escrow.
    pub added: u64,
}

pub async fn run(options: &Options, tessera: &Tessera, args: Args) -> Result<()> {
    let wallet = options.wallet()?;
    let job = tessera.job(&args.job).await?.with_context(|| format!("there is no job at {} any more", args.job))?;
    let bank = Bank::new(options, tessera, &job, args.max_spend.as_deref()).await?;
    let now = tessera.clock().await?.time;
    let price = args.price.as_deref().map(|text| base_units(text, bank.decimals)).transpose()?;
    let add_price = match price {
        None => 0,
        Some(price) => price.checked_sub(job.price_per_unit).with_context(|| {
            format!("a unit pays {} tokens already, and a price is never lowered", bank.show(job.price_per_unit))
        })?,
    };
    let add_seconds = match args.deadline_seconds {
        None => 0,
        Some(seconds) => add_seconds(&job, now.saturating_add(seconds.into()), now)?,
    };
    if add_price == 0 && add_seconds == 0 {
        return print(options.json, &Raised::as_it_is(&job), |_| {
            "the job offers that already; nothing was sent".into()
        });
    }
    let cost = bank.cost(&job, add_price)?;
    let deadline = job.deadline.saturating_add(add_seconds.into());
    if !options.json {
        line(&format!(
            "{} tokens for a unit and replica instead of {}, deadline {}: at most {} tokens more in escrow",
            bank.show(job.price_per_unit.saturating_add(add_price)),
            bank.show(job.price_per_unit),
            relative(deadline, now),
            bank.show(cost)
        ))?;
    }
    if !args.yes {
        confirm("raise it?").await?;
    }
    let raised = bank.raise(tessera, &wallet, &job, add_price, add_seconds).await?;
    print(options.json, &raised, |raised| format!("{} tokens were added to the escrow", bank.show(raised.added)))
}

/// Seconds to add for a deadline at `wanted`.
fn add_seconds(job: &Job, wanted: i64, now: i64) -> Result<u32> {
    if wanted > job.latest_deadline() {
        bail!("a job may last a year from its posting; its last deadline is {}", relative(job.latest_deadline(), now));
    }
    let add = wanted.saturating_sub(job.deadline);
    if add < 0 {
        bail!(
            "the deadline is {} already, and is never brought forward; {} ends the job",
            relative(job.deadline, now),
            hint::command(&format!("job cancel {}", job.address))
        );
    }
    u32::try_from(add).context("too far away")
}

/// What may be spent on a job.
pub struct Bank {
    limits: Limits,
    mint: Pubkey,
    /// Digits after the point of the mint.
    pub decimals: u8,
    most: Option<u64>,
}

impl Bank {
    /// That of a job.
    pub async fn new(options: &Options, tessera: &Tessera, job: &Job, most: Option<&str>) -> Result<Self> {
        let market = tessera.market(&job.market).await?.context("the market of the job is gone")?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        let most = most.map(|text| base_units(text, decimals)).transpose()?;
        Ok(Self { limits: options.limits()?, mint: market.mint, decimals, most })
    }

    /// Base units as tokens.
    pub fn show(&self, base_units: u64) -> String {
        tokens(base_units, self.decimals)
    }

    /// What a raise of the price takes at most: less if more has settled until then.
    pub fn cost(&self, job: &Job, add_price: u64) -> Result<u64> {
        let cost = job.raise_cost(add_price).and_then(|cost| cost.total());
        cost.context("the price is more than any token account can hold; raise it by less")
    }

    /// Puts what is added to the escrow of a job on record, if limits allow it.
    pub fn spend(&self, job: &Job, amount: u64) -> Result<Recorded> {
        let Self { mint, decimals, most, .. } = self;
        self.limits.spend(&Spend { mint, decimals: *decimals, amount, of_job: job.deposited, most: *most })
    }

    /// Raises a job, if limits allow it.
    pub async fn raise(
        &self,
        tessera: &Tessera,
        wallet: &AnySigner,
        job: &Job,
        add_price: u64,
        add_seconds: u32,
    ) -> Result<Raised> {
        let recorded = self.spend(job, self.cost(job, add_price)?)?;
        let receipt = tessera.raise_job(wallet, job, add_price, add_seconds).await;
        let receipt = receipt.map_err(|error| recorded.failed(error)).context("cannot raise the job")?;
        let raised = receipt.events.iter().find_map(|event| match event {
            Event::JobToppedUp(raised) => Some(raised),
            _ => None,
        });
        let raised = raised.with_context(|| {
            let show = hint::command(&format!("job show {}", job.address));
            format!("the job was raised, but the endpoint keeps no log of it; see {show}")
        })?;
        Ok(Raised {
            job: job.address.to_string(),
            price_per_unit: raised.price_per_unit,
            deadline: raised.deadline,
            added: raised.added,
        })
    }
}

impl Raised {
    fn as_it_is(job: &Job) -> Self {
        Self { job: job.address.to_string(), price_per_unit: job.price_per_unit, deadline: job.deadline, added: 0 }
    }
}
