//! `tessera job demand`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::tokens;
use tessera_sdk::{AnySigner, Event, Job, Lease, Seat, SeatState, Tessera};
use tokio::time::{Instant, sleep};

use super::raise::Bank;
use crate::{
    hint,
    options::Options,
    output::{line, print},
    posting::confirm,
};

/// How often is looked whether there is an answer.
const LOOK: Duration = Duration::from_secs(2);
/// How long after the end of the window somebody may take to say that there was none.
const MARGIN: Duration = Duration::from_secs(120);

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the job
    job: Pubkey,
    /// Number of the lease
    lease: u32,
    /// Provider that is to show it [default: the only one of which something can be demanded]
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Pubkey>,
    /// Chunk of the sealed outputs, counted modulo their number [default: one by chance]
    #[arg(long, value_name = "N")]
    chunk: Option<u64>,
    /// Pay without asking
    #[arg(short, long)]
    yes: bool,
    /// Do not wait for the answer
    #[arg(long)]
    no_wait: bool,
}

/// What was demanded, and what came of it.
#[derive(Serialize)]
struct Demanded {
    job: String,
    lease: u32,
    provider: String,
    chunk: u64,
    /// Bond and fee, in base units.
    cost: u64,
    answer_by: i64,
    /// Whether the chunk was shown; nothing if that was not waited for.
    shown: Option<bool>,
}

pub async fn run(options: &Options, tessera: &Tessera, args: Args) -> Result<()> {
    let wallet = options.wallet()?;
    let job = tessera.job(&args.job).await?.with_context(|| format!("there is no job at {} any more", args.job))?;
    let now = tessera.clock().await?.time;
    let lease = tessera.lease(&args.job, args.lease).await?;
    let provider = lease.as_ref().map(|lease| choose(lease, args.provider, now)).transpose()?;
    let provider = provider.with_context(|| format!("nobody is in lease {} of the job now", args.lease))?;
    let chunk = match args.chunk {
        Some(chunk) => chunk,
        // Nobody may know before which one it will be.
        None => getrandom::u64().context("the system gives no random numbers")?,
    };
    let cost = job.demand_cost().context("the bond is more than any token account holds")?;
    let shown = in_words(tessera, &job, cost).await?;
    if !options.json {
        line(&format!("chunk {chunk} of the outputs of lease {} from {provider}: {shown}", args.lease))?;
    }
    if !args.yes {
        confirm("demand it?").await?;
    }
    let recorded = Bank::new(options, tessera, &job, None).await?.spend(&job, cost)?;
    let demanded = tessera.demand(&wallet, &args.job, args.lease, &provider, chunk).await;
    let receipt = demanded.map_err(|error| recorded.failed(error)).context("cannot demand the chunk")?;
    let answer_by = receipt.events.iter().find_map(|event| match event {
        Event::ChunkDemanded(demanded) => Some(demanded.answer_by),
        _ => None,
    });
    let answer_by = answer_by.unwrap_or_else(|| {
        let seconds = lease.as_ref().map_or(0, Lease::answer_seconds);
        now.saturating_add(seconds.into())
    });
    let shown = match args.no_wait {
        true => None,
        false => Some(outcome(tessera, &wallet, &args, &provider, answer_by).await?),
    };
    let (job, provider) = (args.job.to_string(), provider.to_string());
    let demanded = Demanded { job, lease: args.lease, provider, chunk, cost, answer_by, shown };
    print(options.json, &demanded, |demanded| match demanded.shown {
        None => format!(
            "it must be shown by Unix time {answer_by}; {} says whether it was",
            hint::command(&format!("job show {}", demanded.job))
        ),
        Some(true) => "it was shown, and is what was committed to: the bond is the provider's".into(),
        Some(false) => {
            "it was not shown: the provider has lost its lock, and somebody else may compute the lease".into()
        }
    })
}

/// What a demand costs.
async fn in_words(tessera: &Tessera, job: &Job, cost: u64) -> Result<String> {
    let market = tessera.market(&job.market).await?.context("the market of the job is gone")?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    Ok(format!(
        "{} tokens and the fee on them, {} together, which the provider gets if it shows the chunk, and you when the job is closed if it does not",
        tokens(job.demand_bond, decimals),
        tokens(cost, decimals)
    ))
}

/// The provider of which a chunk is demanded.
fn choose(lease: &Lease, wanted: Option<Pubkey>, now: i64) -> Result<Pubkey> {
    let possible: Vec<Pubkey> = lease.demandable(now).map(|seat| seat.provider).collect();
    match (wanted, &possible[..]) {
        (Some(wanted), possible) if possible.contains(&wanted) => Ok(wanted),
        (None, [only]) => Ok(*only),
        (_, []) => bail!(
            "nothing can be demanded in lease {}: outputs must be open and not payable yet, without a demand that waits, and after four nothing more can be asked",
            lease.index
        ),
        (_, possible) => {
            let list: Vec<String> = possible.iter().map(ToString::to_string).collect();
            bail!("of whom? give --provider, one of {}", list.join(", "))
        }
    }
}

/// Waits for the answer, or until it is too late for one; then has the seat convicted. Says whether the chunk was shown.
async fn outcome(tessera: &Tessera, payer: &AnySigner, args: &Args, provider: &Pubkey, answer_by: i64) -> Result<bool> {
    let left = answer_by.saturating_sub(tessera.clock().await?.time);
    let give_up = Instant::now() + Duration::from_secs(u64::try_from(left).unwrap_or(0)) + MARGIN;
    loop {
        tessera.expire_withheld(payer, &args.job).await?;
        let lease = tessera.lease(&args.job, args.lease).await?;
        let seat = lease.as_ref().and_then(|lease| lease.seats.iter().find(|seat| seat.provider == *provider));
        let waits = |seat: &&Seat| seat.state == SeatState::Opened && seat.answer_by != 0;
        if seat.filter(waits).is_none() {
            let withheld = |event: &Event| matches!(event, Event::ChunkWithheld(e) if (e.index, e.provider) == (args.lease, *provider));
            let history = tessera.job_history(&args.job).await?;
            return Ok(!history.iter().any(|recorded| withheld(&recorded.event)));
        }
        if Instant::now() > give_up {
            bail!(
                "the time for an answer is over, but nobody could say so yet; {} will",
                hint::command(&format!("job close {}", args.job))
            );
        }
        sleep(LOOK).await;
    }
}
