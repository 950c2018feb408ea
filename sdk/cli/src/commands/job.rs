//! `tessera job`.

pub mod cancel;
mod demand;
mod raise;
mod watch;

use anyhow::{Context as _, Result};
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::tokens;
use tessera_sdk::{Job, JobFilter, Ledger, Tessera};

use crate::{
    hint,
    options::Options,
    output::{Fields, print, relative, table},
    views::{self, JobView, LeaseView},
};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the jobs of a market that are not closed
    List {
        /// Only those of this wallet
        #[arg(long, value_name = "ADDRESS")]
        wallet: Option<Pubkey>,
        /// Only those of the wallet of --keypair
        #[arg(long, conflicts_with = "wallet")]
        mine: bool,
    },
    /// Show a job, its leases and where its money went; closed jobs too
    Show {
        /// Address of the job
        job: Pubkey,
    },
    /// Follow a job until it is closed: its leases, who is at work, money and time left
    Watch(watch::Args),
    /// Raise the price of what has not settled, give the job more time, or both
    Raise(raise::Args),
    /// Demand to be shown a chunk of the outputs of a lease, whose provider else loses its lock
    Demand(demand::Args),
    /// End a job early: what nobody works on is refunded at once, leases already begun run their course
    Cancel(cancel::Args),
    /// Close a finished job: fee, burn and refund
    Close {
        /// Address of the job
        job: Pubkey,
    },
}

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let tessera = options.connect().await?;
    match command {
        Command::List { wallet, mine } => {
            let wallet = if mine { Some(options.wallet()?.pubkey()) } else { wallet };
            list(options, &tessera, wallet.map_or(JobFilter::All, JobFilter::Wallet)).await
        }
        Command::Show { job } => show(options, &tessera, &job).await,
        Command::Watch(args) => watch::run(options, &tessera, args).await,
        Command::Raise(args) => raise::run(options, &tessera, args).await,
        Command::Demand(args) => demand::run(options, &tessera, args).await,
        Command::Cancel(args) => cancel::run(options, &tessera, args).await,
        Command::Close { job } => {
            tessera.close_job(&options.wallet()?, &job).await.context("cannot close the job")?;
            show(options, &tessera, &job).await
        }
    }
}

async fn list(options: &Options, tessera: &Tessera, filter: JobFilter) -> Result<()> {
    let market = options.market(tessera).await?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let now = tessera.clock().await?.time;
    let mut jobs = tessera.jobs(&market.address, filter).await?;
    jobs.sort_by_key(|job| std::cmp::Reverse(job.posted_at));
    let views: Vec<JobView> = jobs.iter().map(JobView::new).collect();
    print(options.json, &views, |views| {
        let row = |view: &JobView| {
            vec![
                view.address.clone(),
                view.state.to_owned(),
                format!("{}/{}", view.settled_units, view.units),
                view.replicas.to_string(),
                tokens(view.price_per_unit, decimals),
                tokens(view.deposited, decimals),
                relative(view.posted_at, now),
                relative(view.deadline, now),
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table(&["job", "state", "units", "replicas", "price", "deposited", "posted", "deadline"], &rows)
    })
}

/// A job as `show` prints it.
#[derive(Serialize)]
struct Shown {
    job: Option<JobView>,
    leases: Vec<LeaseView>,
    ledger: Ledger,
}

async fn show(options: &Options, tessera: &Tessera, address: &Pubkey) -> Result<()> {
    let job = tessera.job(address).await?;
    let ledger = tessera.ledger(address).await?;
    if job.is_none() && !ledger.closed {
        anyhow::bail!("there is and was no job at {address}; check the address and --url");
    }
    let leases = if job.is_some() { tessera.job_leases(address).await? } else { vec![] };
    let decimals = decimals_of(tessera, options, job.as_ref()).await?;
    let now = tessera.clock().await?.time;
    let mut leases: Vec<LeaseView> = leases.iter().map(LeaseView::new).collect();
    leases.sort_by_key(|lease| lease.index);
    let shown = Shown { job: job.as_ref().map(JobView::new), leases, ledger };
    print(options.json, &shown, |shown| {
        let mut fields = Fields::default();
        fields.add("job", address);
        match &shown.job {
            None => {
                fields.add("state", "closed");
            }
            Some(view) => {
                fields
                    .add("state", view.state)
                    .add("wallet", &view.wallet)
                    .add(
                        "work",
                        format!(
                            "{} units in {} leases, {} replicas, specification {}",
                            view.units, view.leases, view.replicas, view.spec
                        ),
                    )
                    .add("settled", format!("{} leases, {} units", view.settled_leases, view.settled_units))
                    .add(
                        "in work",
                        format!(
                            "{} leases, {} seats",
                            shown.leases.len(),
                            shown.leases.iter().map(|lease| lease.seats.len()).sum::<usize>()
                        ),
                    )
                    .add("contested", contested(view, &shown.leases))
                    .add("demanded", demanded(&shown.leases, now))
                    .add("pay", pay(view, decimals))
                    .add("price", format!("{} tokens for a unit and replica", amount(view.price_per_unit, decimals)))
                    .add("audits", audits(view, decimals))
                    .add("asks for", asks(view, decimals))
                    .add("posted", relative(view.posted_at, now))
                    .add("deadline", relative(view.deadline, now))
                    .add("store", view.store.escape_debug());
            }
        }
        fields.text() + &ledger_text(&shown.ledger, decimals)
    })
}

/// Whether results are audited, and what that has cost.
fn audits(view: &JobView, decimals: Option<u8>) -> String {
    if view.private {
        return "none: the job is private, only those allowed have its inputs".into();
    }
    format!(
        "{} tokens in reserve, of which {} are paid; what is left is returned",
        amount(view.audit_reserve, decimals),
        amount(view.audits_paid, decimals)
    )
}

/// How far audits and disputes are.
fn contested(view: &JobView, leases: &[LeaseView]) -> String {
    let of = |lease: &LeaseView| {
        let seats = |kind: &str| lease.seats.iter().filter(|seat| seat.kind == kind).count();
        let wanted =
            if lease.missing > 0 { format!(", {} {} seats free", lease.missing, lease.group) } else { String::new() };
        format!("lease {} ({} auditors, {} jurors{wanted})", lease.index, seats("audit"), seats("dispute"))
    };
    let list: Vec<String> = leases.iter().filter(|lease| lease.contested).map(of).collect();
    if list.is_empty() { format!("{} leases", view.contested) } else { list.join(", ") }
}

/// Chunks that providers have to show.
fn demanded(leases: &[LeaseView], now: i64) -> String {
    let of = |lease: &LeaseView| -> Vec<String> {
        let show = |seat: &views::SeatView| {
            let demand = seat.demand.as_ref()?;
            let by = relative(demand.answer_by, now);
            Some(format!("chunk {} of lease {} by {}, {by}", demand.chunk, lease.index, seat.provider))
        };
        lease.seats.iter().filter_map(show).collect()
    };
    let list: Vec<String> = leases.iter().flat_map(of).collect();
    if list.is_empty() { "nothing".into() } else { list.join("; ") }
}

/// When providers are paid, and what can be done before.
fn pay(view: &JobView, decimals: Option<u8>) -> String {
    match view.challenge_seconds {
        0 => "at once when outputs are open".into(),
        seconds => format!(
            "{seconds} s after outputs are open; until then {} costs {} tokens and the fee on it",
            hint::command(&format!("job demand {} LEASE", view.address)),
            amount(view.demand_bond, decimals)
        ),
    }
}

/// What the job asks of providers' standing.
fn asks(view: &JobView, decimals: Option<u8>) -> String {
    let mut asks = vec![];
    if view.min_stake > 0 {
        asks.push(format!("a stake of {} tokens", amount(view.min_stake, decimals)));
    }
    if view.min_score > 0.0 {
        asks.push(format!("a score of {:.2}", view.min_score));
    }
    if !view.allowed.is_empty() {
        asks.push(format!("one of {}", view.allowed.join(", ")));
    }
    if !view.denied.is_empty() {
        asks.push(format!("none of {}", view.denied.join(", ")));
    }
    if asks.is_empty() { "nothing of its providers' standing".into() } else { asks.join("; ") }
}

/// Digits after the point of the mint of a job; `None` if the job is closed and no market was given.
async fn decimals_of(tessera: &Tessera, options: &Options, job: Option<&Job>) -> Result<Option<u8>> {
    let market = match (job, options.market_address()) {
        (Some(job), _) => job.market,
        (None, Ok(market)) => market,
        (None, Err(_)) => return Ok(None),
    };
    let Some(market) = tessera.market(&market).await? else { return Ok(None) };
    Ok(Some(tessera.mint(&market.mint).await?.decimals))
}

fn amount(base_units: u64, decimals: Option<u8>) -> String {
    decimals.map_or_else(|| format!("{base_units} base"), |decimals| tokens(base_units, decimals))
}

/// Where the money went, as lines.
pub fn ledger_text(ledger: &Ledger, decimals: Option<u8>) -> String {
    let mut fields = Fields::default();
    fields.add("deposited", amount(ledger.deposited, decimals));
    fields.add("  of which in reserve for audits", amount(ledger.reserve, decimals));
    for (provider, paid) in &ledger.paid {
        fields.add(format!("  paid to {provider}"), amount(*paid, decimals));
    }
    fields.add("  of which for audits", amount(ledger.paid_to_auditors, decimals));
    if ledger.awarded_sum() + ledger.slashed > 0 {
        fields
            .add("  of which by losers of disputes", amount(ledger.paid_by_losers, decimals))
            .add("  burned of the locks of losers", amount(ledger.slashed, decimals));
    }
    if ledger.closed {
        fields
            .add("  fee to the treasury", amount(ledger.treasury, decimals))
            .add("  fee burned", amount(ledger.burned, decimals))
            .add("  refunded", amount(ledger.refunded, decimals));
    }
    fields.add("  still in escrow", amount(ledger.in_escrow, decimals));
    fields.text()
}
