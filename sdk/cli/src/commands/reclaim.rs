//! `tessera reclaim`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;
use tessera_migrate::amount::{sol, tokens};
use tessera_sdk::{AnySigner, Claim, Event, Holdings, Moment, Pending, Receipt, Tessera, batch::unsigned};
use tokio::time::sleep;

use crate::{
    commands::unless_stopped,
    money::Purse,
    options::Options,
    output::{line, print, relative},
    posting::confirm,
};

/// Most rounds: closing a job makes its leases due, and each of their steps may be followed by another.
const ROUNDS: u32 = 16;
/// Pause after a round in which nothing succeeded, as others may have been faster.
const PAUSE: Duration = Duration::from_secs(2);
/// Such rounds in a row after which it is given up.
const FUTILE: u32 = 3;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show what is due, and do nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
}

/// What came back, in base units and lamports.
#[derive(Debug, Default, Serialize)]
struct Report {
    wallet: String,
    /// What was done, or with --dry-run would be.
    done: Vec<Done>,
    /// Tokens by mint, as the program's events report them.
    tokens: BTreeMap<String, u64>,
    /// Lamports of rent, and what the transactions cost.
    rent: i64,
    fees: u64,
    /// What is not due yet.
    pending: Vec<Later>,
}

#[derive(Debug, Serialize)]
struct Done {
    what: String,
    about: String,
    /// The transaction; several claims may share one.
    signature: Option<String>,
    /// Why it was not possible.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Later {
    about: String,
    why: String,
    at: Option<i64>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let tessera = options.connect().await?;
    if args.dry_run {
        let wallet = options.wallet()?.pubkey();
        let (holdings, now) = look(&tessera, &wallet).await?;
        let purse = Purse::read(&tessera, &wallet, &holdings, None).await?;
        let (claims, pending) = holdings.due(&wallet, now);
        let mut report = Report { wallet: wallet.to_string(), ..Report::default() };
        report.done = claims.iter().map(|claim| Done::new(claim, None, None)).collect();
        report.pending = pending.into_iter().map(Later::new).collect();
        return print(options.json, &report, |report| text(report, &purse, now.time, true));
    }
    unless_stopped(
        reclaim(options, &tessera, &args),
        "stopped; what was done is done, and the same command does the rest",
    )
    .await
}

async fn look(tessera: &Tessera, wallet: &Pubkey) -> Result<(Holdings, Moment)> {
    let holdings = tessera.holdings(wallet).await.context("cannot find out what the wallet holds")?;
    Ok((holdings, tessera.clock().await?))
}

async fn reclaim(options: &Options, tessera: &Tessera, args: &Args) -> Result<()> {
    let wallet = options.wallet()?;
    let key = wallet.pubkey();
    let before = tessera.balance(&key).await?;
    let (mut holdings, mut now) = look(tessera, &key).await?;
    let purse = Purse::read(tessera, &key, &holdings, None).await?;
    let mut report = Report { wallet: key.to_string(), ..Report::default() };
    let (mut futile, mut failed) = (0, vec![]);
    for round in 0..ROUNDS {
        let (claims, pending) = holdings.due(&key, now);
        report.pending = pending.into_iter().map(Later::new).collect();
        if claims.is_empty() {
            failed.clear();
            break;
        }
        if round == 0 && !args.yes {
            let shown: Vec<String> = claims.iter().map(|claim| format!("{}: {}", claim.about, claim.what)).collect();
            line(&shown.join("\n"))?;
            confirm("do this?").await?;
        }
        let (sent, is_signed) = send(tessera, &wallet, &claims, &holdings, &mut report).await;
        futile = if sent.len() < claims.len() { 0 } else { futile + 1 };
        failed = sent;
        if futile == FUTILE || !is_signed {
            break;
        }
        if futile > 0 {
            sleep(PAUSE).await;
        }
        (holdings, now) = look(tessera, &key).await?;
    }
    let after = tessera.balance(&key).await?;
    let signed = |lamports: u64| i64::try_from(lamports).unwrap_or(i64::MAX);
    report.rent = signed(after).saturating_add(signed(report.fees)).saturating_sub(signed(before));
    let errors = failed.len();
    report.done.append(&mut failed);
    print(options.json, &report, |report| text(report, &purse, now.time, false))?;
    if errors > 0 {
        bail!("{errors} claims were refused; the same command tries them again");
    }
    Ok(())
}

/// Sends claims and adds what came of them to the report; returns those that were refused, and whether the wallet has signed all
/// that it was to sign.
async fn send(
    tessera: &Tessera,
    wallet: &AnySigner,
    claims: &[Claim],
    holdings: &Holdings,
    report: &mut Report,
) -> (Vec<Done>, bool) {
    let groups: Vec<_> = claims.iter().map(|claim| claim.instructions.clone()).collect();
    let mut receipts: BTreeMap<Signature, Arc<Receipt>> = BTreeMap::new();
    let mut failed = vec![];
    let outcomes = tessera.send_all(&groups, wallet).await;
    let is_signed = unsigned(&outcomes).is_none();
    for (claim, outcome) in claims.iter().zip(outcomes) {
        match outcome {
            Ok(receipt) => {
                report.done.push(Done::new(claim, Some(receipt.signature), None));
                receipts.insert(receipt.signature, receipt);
            }
            Err(error) => failed.push(Done::new(claim, None, Some(error.to_string()))),
        }
    }
    for receipt in receipts.values() {
        report.fees += receipt.fee;
        for (mint, amount) in receipt.events.iter().filter_map(|event| returned(event, holdings)) {
            *report.tokens.entry(mint.to_string()).or_default() += amount;
        }
    }
    (failed, is_signed)
}

/// What an event says has come back to the wallet: the mint, and base units.
fn returned(event: &Event, holdings: &Holdings) -> Option<(Pubkey, u64)> {
    let of_job = |job| holdings.jobs.iter().find(|held| held.job.address == job).map(|held| held.job.market);
    let of_provider = |key| holdings.providers.iter().find(|own| own.address == key).map(|own| own.market);
    let (market, amount) = match event {
        Event::JobClosed(e) => (of_job(e.job)?, e.refunded.saturating_add(e.surplus)),
        Event::EarningsWithdrawn(e) => (of_provider(e.provider)?, e.amount),
        Event::StakeWithdrawn(e) => (of_provider(e.provider)?, e.amount),
        _ => return None,
    };
    holdings.markets.get(&market).map(|market| (market.mint, amount))
}

impl Done {
    fn new(claim: &Claim, signature: Option<Signature>, error: Option<String>) -> Self {
        let signature = signature.map(|signature| signature.to_string());
        Self { what: claim.what.to_string(), about: claim.about.to_string(), signature, error }
    }
}

impl Later {
    fn new(pending: Pending) -> Self {
        Self { about: pending.about.to_string(), why: pending.why, at: pending.at }
    }
}

fn text(report: &Report, purse: &Purse, now: i64, dry: bool) -> String {
    let mut lines = vec![];
    for done in &report.done {
        let refused = done.error.as_ref().map_or(String::new(), |error| format!(": refused: {error}"));
        lines.push(format!("{}: {}{refused}", done.about, done.what));
    }
    if report.done.is_empty() {
        lines.push("nothing is due now".into());
    } else if !dry {
        for (mint, amount) in &report.tokens {
            let held = purse.all().find(|held| held.mint == *mint);
            let shown = held.map_or("?".to_owned(), |held| tokens(*amount, held.decimals));
            lines.push(format!("came back: {shown} tokens of mint {mint} ({amount} base units)"));
        }
        let rent = u64::try_from(report.rent).map_or_else(|_| format!("{} lamports", report.rent), sol);
        lines.push(format!("came back: {rent} of rent; the transactions took {}", sol(report.fees)));
    }
    for later in &report.pending {
        let at = later.at.map_or(String::new(), |at| format!(", {} at the latest", relative(at, now)));
        lines.push(format!("not yet: {}: {}{at}", later.about, later.why));
    }
    lines.join("\n")
}
