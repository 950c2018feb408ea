//! `tessera estimate`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde::Serialize;
use tessera_kernels::{Plan, PreparedJob, name_of};
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{
    audit::AuditParams,
    payout::{self, Escrow},
    spec::JobSpec,
};
use tessera_sdk::{JobFilter, types::MarketParams};

use crate::{
    here::{Here, On},
    options::Options,
    output::{Fields, print},
    posting::{TOO_MUCH, units_per_lease},
    progress::Progress,
};

/// Digits after the point with which prices are computed where no market says how many its token has.
const DIGITS: u8 = 9;
/// What prices are quoted per.
const GAS_UNIT: f64 = 1e9;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    planned: Planned,
    #[command(flatten)]
    sample: Sample,
    /// Run all units, so that the sum of gas is exact
    #[arg(long, conflicts_with_all = ["units", "sample"])]
    all: bool,
    /// First run these units with checks, which takes long: a race, or a value that nobody wrote, ends the estimate
    #[arg(long)]
    checks: bool,
    /// Tokens that one replica of one unit would pay, to see what the job would cost
    #[arg(long, value_name = "TOKENS")]
    price: Option<String>,
    /// Providers that would have to agree on each lease
    #[arg(long, default_value_t = 2)]
    replicas: u8,
}

/// A plan and its inputs.
#[derive(clap::Args, Debug)]
pub struct Planned {
    /// The plan: a TOML file, see docs/kernels.md
    #[arg(value_name = "PLAN.toml")]
    pub plan: PathBuf,
    /// Another file for an input of the plan
    #[arg(long = "in", value_name = "NAME=FILE", value_parser = named_file)]
    pub inputs: Vec<(String, PathBuf)>,
}

/// Which units are tried.
#[derive(clap::Args, Debug)]
pub struct Sample {
    /// Units to run, separated by commas
    #[arg(long, value_name = "UNITS", value_delimiter = ',', conflicts_with = "sample")]
    units: Vec<u64>,
    /// How many units to run, spread over all of them [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected NAME=FILE".into()),
    }
}

impl Planned {
    /// Reads the plan and its inputs and compiles its module.
    pub async fn prepare(&self) -> Result<PreparedJob> {
        let (path, mut replaced) = (self.plan.clone(), BTreeMap::new());
        for (name, file) in &self.inputs {
            if replaced.insert(name.clone(), file.clone()).is_some() {
                bail!("--in gives input {name} twice; give it once");
            }
        }
        let made = tokio::task::spawn_blocking(move || Plan::load(&path)?.prepare(&replaced));
        Ok(made.await.context("reading the plan failed")??)
    }
}

impl Sample {
    /// The units to try of a job of `units`.
    pub fn of(&self, units: u64) -> Result<Vec<u64>> {
        if let Some(unit) = self.units.iter().find(|unit| **unit >= units) {
            bail!("there is no unit {unit}: the plan has {units}, numbered from 0");
        }
        if !self.units.is_empty() {
            return Ok(self.units.clone());
        }
        Ok(spread(self.sample.unwrap_or(3), units))
    }
}

/// So many units from the first to the last, evenly.
pub fn spread(count: u64, units: u64) -> Vec<u64> {
    let count = count.min(units);
    let (last, steps) = (u128::from(units.saturating_sub(1)), u128::from(count.saturating_sub(1).max(1)));
    (0..count).map(|n| u64::try_from(u128::from(n) * last / steps).unwrap_or(u64::MAX)).collect()
}

/// A unit that was tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tried {
    pub unit: u64,
    pub gas: u64,
    pub seconds: f64,
}

/// Runs units of a job on this machine's processor, which counts gas. Returns the device's name too.
pub async fn try_units(spec: &JobSpec, module: &str, inputs: &[Bytes], units: &[u64]) -> Result<(Vec<Tried>, String)> {
    let here = Here::start(spec, module, inputs, On::Cpu).await?;
    units_on(here, "trying", units).await
}

async fn units_on(here: Here, doing: &'static str, units: &[u64]) -> Result<(Vec<Tried>, String)> {
    let mut progress = Progress::new(doing, units.len() as u64);
    let mut tried = Vec::with_capacity(units.len());
    for unit in units {
        let computed = here.unit(*unit).await?;
        let gas = computed.gas.context("this device does not count gas")?;
        tried.push(Tried { unit: *unit, gas, seconds: computed.seconds });
        progress.add(1);
    }
    Ok((tried, here.device))
}

/// What was found.
#[derive(Serialize)]
struct Estimate {
    name: String,
    units: u64,
    /// Whether all units were run.
    exact: bool,
    gas_min: u64,
    gas_mean: f64,
    gas_max: u64,
    /// Of all units; extrapolated from the mean unless `exact`.
    gas_total: u128,
    /// Device memory of a unit in bytes.
    memory: u64,
    /// Bytes of a unit's output.
    output: u64,
    device: String,
    seconds_mean: f64,
    /// Of all units, one after the other on this machine.
    seconds_total: f64,
    market: Option<Offers>,
    cost: Option<Cost>,
    tried: Vec<Tried>,
}

/// What the open jobs of a market offer for one replica of one unit, in tokens.
#[derive(Serialize)]
struct Offers {
    address: String,
    open_jobs: usize,
    lowest: Option<String>,
    median: Option<String>,
    highest: Option<String>,
}

/// What the job would cost, in tokens.
#[derive(Serialize)]
struct Cost {
    price_per_unit: String,
    replicas: u8,
    total: String,
    /// Whether the market's fee is in it; without a market it is not known.
    with_fee: bool,
    /// What would be escrowed besides, for audits; what they do not take is returned.
    reserve: Option<String>,
    /// What the price is per 10⁹ gas of a mean unit.
    price_per_billion_gas: f64,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let job = args.planned.prepare().await?;
    let units = if args.all { (0..job.spec.units).collect() } else { args.sample.of(job.spec.units)? };
    // Before the units, which may take long.
    let (market, decimals, params) = look_at_market(options).await?;
    let price = args.price.as_deref().map(|price| base_units(price, decimals)).transpose()?;
    let inputs = job.inputs()?;
    if args.checks {
        // Providers would not agree on a unit that fails here.
        let here = Here::start(&job.spec, job.module(), &inputs, On::Checked).await?;
        units_on(here, "checking", &units).await?;
    }
    let (tried, device) = try_units(&job.spec, job.module(), &inputs, &units).await?;

    let gas = || tried.iter().map(|unit| unit.gas);
    let sum: u128 = gas().map(u128::from).sum();
    let (count, all) = (tried.len() as f64, job.spec.units as f64);
    let (gas_mean, seconds_mean) = (sum as f64 / count, tried.iter().map(|unit| unit.seconds).sum::<f64>() / count);
    let cost = price.map(|price| {
        let (units, replicas) = (job.spec.units, args.replicas);
        let fee_bps = params.map_or(0, |params| params.fee_bps);
        let audit = params.map_or_else(AuditParams::default, |params| params.audit.into());
        let escrow = payout::escrow(price, units, units_per_lease(units), replicas, &audit, fee_bps);
        let Escrow { work, reserve, .. } = escrow.context(TOO_MUCH)?;
        let total = work.checked_add(payout::share(work, fee_bps)).context(TOO_MUCH)?;
        anyhow::Ok(Cost {
            price_per_unit: tokens(price, decimals),
            replicas,
            total: tokens(total, decimals),
            with_fee: params.is_some(),
            reserve: params.map(|_| tokens(reserve, decimals)),
            price_per_billion_gas: price as f64 / 10f64.powi(i32::from(decimals)) / gas_mean.max(1.0) * GAS_UNIT,
        })
    });
    let estimate = Estimate {
        name: name_of(&job.spec),
        units: job.spec.units,
        exact: args.all,
        gas_min: gas().min().unwrap_or(0),
        gas_mean,
        gas_max: gas().max().unwrap_or(0),
        gas_total: if args.all { sum } else { (gas_mean * all) as u128 },
        memory: job.spec.device_memory(),
        output: job.spec.output_len(),
        device,
        seconds_mean,
        seconds_total: seconds_mean * all,
        market,
        cost: cost.transpose()?,
        tried,
    };
    print(options.json, &estimate, plain)
}

/// What the market's open jobs offer, its token's digits, and its parameters; without `--market` nothing is asked of anybody.
async fn look_at_market(options: &Options) -> Result<(Option<Offers>, u8, Option<MarketParams>)> {
    let Ok(address) = options.market_address() else { return Ok((None, DIGITS, None)) };
    let tessera = options.connect().await?;
    let market = options.market(&tessera).await?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let jobs = tessera.jobs(&address, JobFilter::Open).await?;
    let mut prices: Vec<u64> = jobs.iter().map(|job| job.price_per_unit).collect();
    prices.sort_unstable();
    let show = |price: Option<&u64>| price.map(|price| tokens(*price, decimals));
    let offers = Offers {
        address: address.to_string(),
        open_jobs: prices.len(),
        lowest: show(prices.first()),
        median: show(prices.get(prices.len() / 2)),
        highest: show(prices.last()),
    };
    Ok((Some(offers), decimals, Some(market.params)))
}

fn plain(estimate: &Estimate) -> String {
    let Estimate { units, exact, gas_min, gas_mean, gas_max, gas_total, .. } = estimate;
    let tried = estimate.tried.len();
    let about = if *exact { "" } else { "about " };
    let mut fields = Fields::default();
    fields
        .add("plan", &estimate.name)
        .add("units", format!("{units}, of which {tried} were run"))
        .add("gas of a unit", format!("{gas_min} to {gas_max}, {gas_mean:.0} on average"))
        .add("gas of all units", format!("{about}{gas_total}"))
        .add("device memory", format!("{} MiB", (estimate.memory as f64 / f64::from(1 << 20)).ceil()))
        .add("output", format!("{} bytes a unit", estimate.output))
        .add(
            "time here",
            format!(
                "{:.3} s a unit, about {:.0} s for all ({})",
                estimate.seconds_mean, estimate.seconds_total, estimate.device
            ),
        );
    if let Some(Cost { price_per_unit, replicas, total, with_fee, reserve, price_per_billion_gas }) = &estimate.cost {
        let fee = if *with_fee { "with the market's fee" } else { "and the market's fee, which --market would tell" };
        fields
            .add(
                "cost",
                format!("{units} units × {replicas} replicas × {price_per_unit} tokens: {total} tokens, {fee}"),
            )
            .add("price", format!("{price_per_billion_gas:.6} tokens per 10^9 gas"));
        if let Some(reserve) = reserve {
            fields.add("reserve", format!("{reserve} tokens more, for audits; what they do not take is returned"));
        }
    }
    if let Some(offers) = &estimate.market {
        let found = match (&offers.lowest, &offers.median, &offers.highest) {
            (Some(lowest), Some(median), Some(highest)) => format!(
                "{} open jobs offer {lowest} to {highest} tokens for a unit, in the middle {median}; their units may be larger or smaller",
                offers.open_jobs
            ),
            _ => "no open job to compare with".into(),
        };
        fields.add("market", format!("has no price of its own, each job offers one; {found}"));
    }
    fields.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(units: &[u64], sample: Option<u64>) -> Sample {
        Sample { units: units.to_vec(), sample }
    }

    #[test]
    fn samples_are_spread_from_first_to_last() {
        assert_eq!(sample(&[], None).of(10).unwrap(), [0, 4, 9]);
        assert_eq!(sample(&[], Some(4)).of(u64::MAX).unwrap().last(), Some(&(u64::MAX - 1)));
        assert_eq!(sample(&[], Some(9)).of(3).unwrap(), [0, 1, 2]);
        assert_eq!(sample(&[], Some(1)).of(3).unwrap(), [0]);
        assert_eq!(sample(&[], None).of(1).unwrap(), [0]);
        assert!(spread(0, 5).is_empty());
        assert_eq!(sample(&[5, 2], None).of(6).unwrap(), [5, 2]);
        assert!(sample(&[6], None).of(6).unwrap_err().to_string().contains("no unit 6"));
    }
}
