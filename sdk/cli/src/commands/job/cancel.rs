//! `tessera job cancel`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::tokens;
use tessera_sdk::{
    Account, AnySigner, Ending, Error, Event, Job, JobHolding, Moment, Receipt, Tessera, accounts, batch::unsigned,
    token,
};
use tokio::time::{Instant, sleep};

use crate::{
    commands::unless_stopped,
    hint,
    options::Options,
    output::{line, print, relative},
};

/// How often is looked whether everybody has left the job.
const LOOK: Duration = Duration::from_secs(2);
/// How long after the last window of a job it is waited for.
const MARGIN: Duration = Duration::from_secs(120);
/// How often a claim may come between looking at a job and cancelling it, until it is only cancelled.
const TRIES: u32 = 2;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the job
    job: Pubkey,
    /// Wait until leases that have begun have run their course, and close the job
    #[arg(long)]
    wait: bool,
}

/// What came of it, in base units.
#[derive(Debug, Default, Serialize)]
struct Cancelled {
    job: String,
    closed: bool,
    /// What came back, and what was paid for; once it is closed.
    refunded: Option<u64>,
    paid: Option<u64>,
    fee: Option<u64>,
    /// What the wallet's token account holds more than before.
    received: Option<u64>,
    /// Until then: what comes back at least and at most, and when at the latest.
    refund_least: Option<u64>,
    refund_most: Option<u64>,
    at: Option<i64>,
}

pub async fn run(options: &Options, tessera: &Tessera, args: Args) -> Result<()> {
    unless_stopped(
        cancel(options, tessera, &args),
        &format!("stopped; once the job has ended, {} brings back what is left", hint::command("reclaim")),
    )
    .await
}

async fn cancel(options: &Options, tessera: &Tessera, args: &Args) -> Result<()> {
    let wallet = options.wallet()?;
    let job = tessera.job(&args.job).await?.with_context(|| format!("there is no job at {} any more", args.job))?;
    if job.wallet != wallet.pubkey() {
        bail!("the job belongs to wallet {}; give its key with --keypair", job.wallet);
    }
    let market = tessera.market(&job.market).await?.context("the market of the job is gone")?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let refund = token::ata(&wallet.pubkey(), &market.mint);
    let before = tessera.token_balance(&refund).await?.unwrap_or(0);
    let mut closed = try_both(tessera, &wallet, &market, args.job).await?;
    if closed.is_none() && args.wait {
        let held = held(tessera, &args.job).await?;
        if let (false, Some(held)) = (options.json, &held) {
            line(&outlook(held, decimals, tessera.clock().await?))?;
        }
        closed = wait(tessera, &wallet, &market, args.job).await?;
    }
    let Some(receipt) = closed else {
        let Some(held) = held(tessera, &args.job).await? else {
            let show = hint::command(&format!("job show {}", args.job));
            bail!("somebody else has closed the job; {show} says what came back")
        };
        let now = tessera.clock().await?;
        let cancelled = Cancelled {
            job: args.job.to_string(),
            refund_least: held.job.least_refund(&held.leases),
            refund_most: held.job.refund(),
            at: Some(held.job.over_at()),
            ..Cancelled::default()
        };
        return print(options.json, &cancelled, |_| outlook(&held, decimals, now));
    };
    let after = tessera.token_balance(&refund).await?.unwrap_or(0);
    let cancelled = Cancelled::closed(&args.job, &receipt, after.checked_sub(before))?;
    print(options.json, &cancelled, |cancelled| {
        let show = |amount: Option<u64>| amount.map_or("?".to_owned(), |amount| tokens(amount, decimals));
        format!(
            "closed: {} tokens came back ({} base units), {} were paid to providers, {} are the fee on that",
            show(cancelled.refunded),
            cancelled.refunded.unwrap_or(0),
            show(cancelled.paid),
            show(cancelled.fee)
        )
    })
}

/// How long somebody waits for those who have leased something of a cancelled job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until their time is over.
    UntilItEnds,
}

/// Cancels a job, and closes it if nobody works on it, or when nobody does any more. `None` if it is not closed by this.
pub async fn end(
    tessera: &Tessera,
    wallet: &AnySigner,
    market: &Account<accounts::Market>,
    job: Pubkey,
    patience: Patience,
) -> Result<Option<Receipt>> {
    match try_both(tessera, wallet, market, job).await? {
        None if patience == Patience::UntilItEnds => wait(tessera, wallet, market, job).await,
        closed => Ok(closed),
    }
}

/// Closes a job if nobody is waited for in it any more.
pub async fn close_if_over(
    tessera: &Tessera,
    wallet: &AnySigner,
    market: &Account<accounts::Market>,
    address: Pubkey,
) -> Result<()> {
    let Some(JobHolding { job, leases, .. }) = held(tessera, &address).await? else { return Ok(()) };
    let Ending::Now { vacant } = job.ending(&leases, tessera.clock().await?) else { return Ok(()) };
    match tessera.send(&job.close_with(&market.mint, &vacant), wallet, &[]).await {
        // Somebody else may be faster.
        Ok(_) | Err(Error::Program { .. }) => Ok(()),
        Err(error) => Err(error).context("cannot close the job"),
    }
}

async fn held(tessera: &Tessera, job: &Pubkey) -> Result<Option<JobHolding>> {
    Ok(match tessera.job(job).await? {
        Some(job) => Some(tessera.job_holding(job).await?),
        None => None,
    })
}

/// Cancels the job; where nobody works on it, closes it in the same transaction.
async fn try_both(
    tessera: &Tessera,
    wallet: &AnySigner,
    market: &Account<accounts::Market>,
    address: Pubkey,
) -> Result<Option<Receipt>> {
    for _ in 0..TRIES {
        let Some(JobHolding { job, leases, .. }) = held(tessera, &address).await? else { return Ok(None) };
        let vacant = match job.ending(&leases, tessera.clock().await?) {
            Ending::Now { vacant } => Some(vacant),
            Ending::Runs { .. } if leases.iter().all(|lease| lease.is_vacant() || job.is_settled(lease.index)) => {
                job.showable()
            }
            _ => None,
        };
        let Some(vacant) = vacant else { break };
        match tessera.send(&job.close_with(&market.mint, &vacant), wallet, &[]).await {
            Ok(receipt) => return Ok(Some(receipt)),
            // Somebody has taken a lease in the meantime; nothing has changed.
            Err(Error::Program { .. }) => {}
            Err(error) => return Err(error).context("cannot cancel the job"),
        }
    }
    if tessera.job(&address).await?.is_some_and(|job| job.is_open()) {
        tessera.cancel_job(wallet, &address).await.context("cannot cancel the job")?;
    }
    Ok(None)
}

/// What comes back, and when.
fn outlook(held: &JobHolding, decimals: u8, now: Moment) -> String {
    let JobHolding { job, leases, .. } = held;
    let show = |amount: Option<u64>| amount.map_or("?".to_owned(), |amount| tokens(amount, decimals));
    let (least, most) = (show(job.least_refund(leases)), show(job.refund()));
    let amount = if least == most { format!("{most} tokens") } else { format!("{least} to {most} tokens") };
    let (why, at) = match job.ending(leases, now) {
        Ending::Waits { why, .. } => (why, job.over_at()),
        Ending::Now { .. } => ("nothing is waited for".into(), now.time),
        Ending::Runs { over_at } | Ending::Later { over_at } => ("its windows run out".into(), over_at),
    };
    format!(
        "cancelled: {amount} come back {} at the latest; {why}. Get it then with {}",
        relative(at, now.time),
        hint::command("reclaim")
    )
}

/// Waits until nobody is left who has something to do or to get, doing what is due and nobody does, and closes the job.
/// `None` if somebody else has closed it.
async fn wait(
    tessera: &Tessera,
    wallet: &AnySigner,
    market: &Account<accounts::Market>,
    address: Pubkey,
) -> Result<Option<Receipt>> {
    let give_up = |job: &Job, now: i64| {
        let left = u64::try_from(job.over_at().saturating_sub(now)).unwrap_or(0);
        Instant::now() + Duration::from_secs(left) + MARGIN
    };
    let mut until = None;
    loop {
        let Some(JobHolding { job, leases, .. }) = held(tessera, &address).await? else { return Ok(None) };
        let now = tessera.clock().await?;
        if let Ending::Now { vacant } = job.ending(&leases, now) {
            match tessera.send(&job.close_with(&market.mint, &vacant), wallet, &[]).await {
                Ok(receipt) => return Ok(Some(receipt)),
                Err(Error::Program { .. }) => {}
                Err(error) => return Err(error).context("cannot close the job"),
            }
        }
        let steps = leases.iter().flat_map(|lease| lease.due(&job.market, Some(&job), now));
        let groups: Vec<_> = steps.map(|step| step.instructions).collect();
        // What is refused was done by others, or is looked at again; a wallet that does not sign is not asked again.
        if let Some(error) = unsigned(&tessera.send_all(&groups, wallet).await) {
            return Err(error).context("cannot do what is due in the job");
        }
        if Instant::now() > *until.get_or_insert_with(|| give_up(&job, now.time)) {
            bail!("the job has not ended although its time is over; {} tries again", hint::command("reclaim"));
        }
        sleep(LOOK).await;
    }
}

impl Cancelled {
    /// What the receipt of the closing says, which must be what has arrived.
    fn closed(job: &Pubkey, receipt: &Receipt, received: Option<u64>) -> Result<Self> {
        let mut cancelled = Self { job: job.to_string(), closed: true, received, ..Self::default() };
        let event = receipt.events.iter().find_map(|event| match event {
            Event::JobClosed(event) if event.job == *job => Some(event),
            _ => None,
        });
        let Some(event) = event else { return Ok(cancelled) };
        cancelled.refunded = Some(event.refunded.saturating_add(event.surplus));
        (cancelled.paid, cancelled.fee) = (Some(event.paid), Some(event.treasury.saturating_add(event.burned)));
        if received != cancelled.refunded {
            eprintln!(
                "warning: {:?} base units were refunded and {received:?} have arrived; something else has moved tokens of the wallet at the same time",
                cancelled.refunded.unwrap_or(0)
            );
        }
        Ok(cancelled)
    }
}
