//! `tessera run`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result};
use tessera_kernels::PreparedJob;
use tessera_protocol::cid::Cid;

use super::estimate::{Planned, spread, try_units};
use crate::{
    begun::Begun,
    commands::unless_stopped,
    computing::Computing,
    options::Options,
    output::print,
    outputs::Outputs,
    posting::confirm,
    session::{Jobs, Session},
};

/// Limit of a unit's gas, in terms of the most that a unit of the sample spent. Units differ, and one above the limit is
/// never paid for.
const GAS_MARGIN: u64 = 4;
/// What makes a job cheaper.
const LOWER: &str = "--price, --replicas or the plan's units";

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    planned: Planned,
    #[command(flatten)]
    jobs: Jobs,
    /// Folder for the outputs, one file for each unit; the same command goes on where an earlier one was stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Units to run here before the job is posted, to learn how much gas one needs; not used if the plan has unit_gas
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    sample: u64,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let prepared = args.planned.prepare().await?;
    // As the plan says it: the limit of gas may depend on the sample.
    let begun_with =
        BTreeMap::from([("plan, module or input".to_owned(), Cid::of(&prepared.spec.encode()?).to_string())]);
    let begun = Begun::open(&args.out, "these outputs were", begun_with, args.jobs.restart)?;
    let units = prepared.spec.units;
    let mut computing = Computing::new(begun);
    let session = Session::start(options, &args.jobs).await?;
    unless_stopped(
        work(&session, &args, prepared, &mut computing),
        "stopped; a job that was posted goes on without this program, and the same command collects its outputs",
    )
    .await?;
    let job = computing.jobs().last().context("no job was noted")?;
    let (collected, spent) = (computing.collected(), session.shown(computing.spent()));
    let result =
        serde_json::json!({ "job": job, "outputs": args.out, "units": units, "collected": collected, "spent": spent });
    print(options.json, &result, |_| {
        let (dir, first, last) = (args.out.display(), Outputs::name(0), Outputs::name(units - 1));
        format!("{units} outputs in {dir}: {first} to {last}, of which {collected} are new; {spent} tokens paid")
    })
}

/// Goes on with the job that was posted, or posts it.
async fn work(session: &Session<'_>, args: &Args, mut prepared: PreparedJob, computing: &mut Computing) -> Result<()> {
    if session.go_on(computing).await? {
        return Ok(());
    }
    let units = prepared.spec.units;
    let deal = session.deal(units)?;
    // Before anything takes long.
    session.check(computing.spent(), deal.deposit, LOWER)?;
    limit_gas(&mut prepared, args.sample).await?;
    session.say(&format!("{}: at most {} gas a unit; {}", prepared.name, prepared.spec.unit_gas, deal.cost(units)))?;
    if !args.jobs.yes {
        confirm("post the job?").await?;
    }
    session.post(computing, deal, &prepared.spec, prepared.blobs()).await
}

/// Runs so many units of a job here, and limits its gas by what they spend, unless it has a limit. Then this only finds what
/// providers would refuse.
pub async fn limit_gas(prepared: &mut PreparedJob, sample: u64) -> Result<()> {
    let PreparedJob { spec, module, inputs, .. } = prepared;
    let asked = if spec.unit_gas == 0 { sample } else { 0 };
    let (tried, _) = try_units(spec, module, inputs, &spread(asked, spec.units)).await?;
    if let Some(most) = tried.iter().map(|unit| unit.gas).max() {
        spec.unit_gas = most.saturating_mul(GAS_MARGIN).max(1);
    }
    Ok(())
}
