//! `tessera run`.

use std::{collections::HashSet, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use solana_pubkey::Pubkey;
use tessera_kernels::PreparedJob;
use tessera_migrate::amount::tokens;
use tessera_protocol::{cid::Cid, commitment::result_root};
use tessera_sdk::{AnySigner, StoreClient, Tessera};

use super::estimate::{Planned, spread, try_units};
use crate::{
    commands::unless_stopped,
    options::Options,
    output::{line, print},
    outputs::Outputs,
    posted,
    posting::{Offer, close, confirm, tend},
    progress::Progress,
};

/// Limit of a unit's gas, in terms of the most that a unit of the sample spent. Units differ, and one above the limit is
/// never paid for.
const GAS_MARGIN: u64 = 4;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    planned: Planned,
    #[command(flatten)]
    posting: Posting,
    /// Folder for the outputs, one file for each unit; the same command goes on where an earlier one was stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Units to run here before the job is posted, to learn how much gas one needs; not used if the plan has unit_gas
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    sample: u64,
}

/// How a job is posted and ended.
#[derive(clap::Args, Debug)]
pub struct Posting {
    #[command(flatten)]
    offer: Offer,
    /// Post without asking
    #[arg(short, long)]
    yes: bool,
    /// Leave the job open instead of closing it when all outputs are there
    #[arg(long)]
    keep_open: bool,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let mut prepared = args.planned.prepare().await?;
    let outputs = Outputs::create(&args.out)?;
    let (job, collected) = compute(options, &args.posting, args.sample, &mut prepared, &outputs).await?;
    let units = prepared.spec.units;
    let (dir, last) = (outputs.folder().path(), Outputs::name(units - 1));
    let result = serde_json::json!({ "job": job.to_string(), "outputs": dir, "units": units, "collected": collected });
    print(options.json, &result, |_| {
        format!("{units} outputs in {}: {} to {last}, of which {collected} are new", dir.display(), Outputs::name(0))
    })
}

/// Posts a job, or goes on with the one that `outputs` belongs to, until all outputs are there. Returns the job and how many
/// outputs came in now. `sample` units are tried here first, if the job does not limit its gas.
pub async fn compute(
    options: &Options,
    posting: &Posting,
    sample: u64,
    prepared: &mut PreparedJob,
    outputs: &Outputs,
) -> Result<(Pubkey, u64)> {
    unless_stopped(
        work(options, posting, sample, prepared, outputs),
        "stopped; a job that was posted goes on without this program, and the same command collects its outputs",
    )
    .await
}

async fn work(
    options: &Options,
    posting: &Posting,
    sample: u64,
    prepared: &mut PreparedJob,
    outputs: &Outputs,
) -> Result<(Pubkey, u64)> {
    let tessera = options.connect().await?;
    let wallet = options.wallet()?;
    let (job, store) = match begun(&tessera, &wallet, prepared, outputs).await? {
        Some((job, store)) => (job, store),
        None => post(options, posting, sample, &tessera, &wallet, prepared, outputs).await?,
    };
    let collected = tokio::select! {
        collected = collect(&tessera, &job, prepared, &store, outputs) => collected,
        () = tend(&tessera, &wallet, &job) => bail!("the job is not looked after any more"),
    };
    let collected = collected
        .with_context(|| format!("job {job} goes on without this program; the same command collects its outputs"))?;
    if !posting.keep_open {
        // The outputs are there, which is what was asked for.
        if let Err(error) = close(&tessera, &wallet, &job).await {
            eprintln!("warning: {error:#}");
        }
    }
    Ok((job, collected))
}

/// The job that this folder belongs to, if it was posted. `prepared` becomes exactly what was posted.
async fn begun(
    tessera: &Tessera,
    wallet: &AnySigner,
    prepared: &mut PreparedJob,
    outputs: &Outputs,
) -> Result<Option<(Pubkey, StoreClient)>> {
    let Some(note) = posted::note(outputs.folder())? else { return Ok(None) };
    let mut spec = prepared.spec.clone();
    if spec.unit_gas == 0 {
        spec.unit_gas = note.unit_gas;
    }
    if Cid::of(&spec.encode()?).to_string() != note.spec {
        bail!(
            "{} holds the outputs of another job: plan, module or inputs have changed since; give another --out, or remove the folder",
            outputs.folder().path().display()
        );
    }
    let store = StoreClient::new(&note.store)?;
    let Some(job) = posted::find(tessera, &wallet.pubkey(), outputs.folder(), note).await? else { return Ok(None) };
    prepared.spec = spec;
    Ok(Some((job, store)))
}

/// Tries some units here, shows the cost, and posts.
async fn post(
    options: &Options,
    posting: &Posting,
    sample: u64,
    tessera: &Tessera,
    wallet: &AnySigner,
    prepared: &mut PreparedJob,
    outputs: &Outputs,
) -> Result<(Pubkey, StoreClient)> {
    let units = prepared.spec.units;
    let deal = posting.offer.deal(options, tessera, units).await?;
    let store = StoreClient::new(posting.offer.store()?)?;
    let asked = if prepared.spec.unit_gas == 0 { sample } else { 0 };
    // Also where nothing is tried, this finds what providers would refuse.
    let (tried, _) = try_units(&prepared.spec, &prepared.module, &prepared.inputs, &spread(asked, units)).await?;
    if let Some(most) = tried.iter().map(|unit| unit.gas).max() {
        prepared.spec.unit_gas = most.saturating_mul(GAS_MARGIN).max(1);
    }
    let cost = deal.cost(units);
    if !options.json {
        line(&format!("{}: at most {} gas a unit; {cost}", prepared.name, prepared.spec.unit_gas))?;
    }
    if !posting.yes {
        confirm("post the job?").await?;
    }
    let decimals = deal.decimals;
    let posted = posted::post(tessera, wallet, deal, &prepared.spec, prepared.blobs(), outputs.folder()).await?;
    if !options.json {
        let deposited = tokens(posted.deposited, decimals);
        line(&format!("job {}: {deposited} tokens in escrow from {}", posted.job, wallet.pubkey()))?;
    }
    Ok((posted.job, store))
}

/// Collects the outputs that are not there yet, each checked against the root that was paid for; returns how many.
async fn collect(
    tessera: &Tessera,
    job: &Pubkey,
    prepared: &PreparedJob,
    store: &StoreClient,
    outputs: &Outputs,
) -> Result<u64> {
    let mut done = HashSet::new();
    let mut progress = Progress::new("computing", prepared.spec.units);
    for lease in tessera.settled(job).await? {
        let hashes = outputs.hashes(lease.units.clone());
        if hashes.and_then(result_root) == Some(lease.result_root) {
            done.insert(lease.index);
            progress.add(lease.units.end - lease.units.start);
        }
    }
    let collected = tessera.collect(job, &prepared.spec, store, &done, |lease| {
        for (unit, output) in lease.units() {
            outputs.put(unit, output)?;
        }
        progress.note(format!("lease {}", lease.index));
        progress.add(lease.outputs.len() as u64);
        Ok(())
    });
    Ok(collected.await.context("cannot collect the outputs")?.units)
}
