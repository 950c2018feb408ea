//! `tessera wallet`.

use anyhow::Result;
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::{sol, tokens};
use tessera_sdk::{Account, Claim, Ending, Holdings, JobHolding, Moment, Tessera, What, accounts, types};

use crate::{
    hint,
    money::{Held, Purse},
    options::Options,
    output::{Fields, print, relative, table},
    views,
};

/// Bytes of a lease without seats.
const LEASE: usize = 8 + size_of::<accounts::Lease>();

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the wallet [default: that of --keypair]
    #[arg(value_name = "ADDRESS")]
    wallet: Option<Pubkey>,
}

/// What a wallet holds. Amounts are in base units and lamports.
#[derive(Serialize)]
struct Shown {
    wallet: String,
    lamports: u64,
    tokens: Vec<Held>,
    jobs: Vec<JobMoney>,
    rent: Rent,
    /// Claims that `tessera reclaim` would make now.
    due: usize,
    providers: Vec<Provider>,
}

/// The money of a job that is not closed.
#[derive(Serialize)]
struct JobMoney {
    job: String,
    market: String,
    state: &'static str,
    deposited: u64,
    paid: u64,
    /// To seats that are not paid yet.
    owed: u64,
    escrow: u64,
    /// What comes back at least, and at most.
    refund_least: Option<u64>,
    refund_most: Option<u64>,
    /// When it can be closed, in Unix seconds; what it waits for until then. Nothing if it can be closed now.
    at: Option<i64>,
    waits_for: Option<String>,
    /// Lamports that come back with the refund.
    rent: u64,
}

/// Lamports that lie in accounts of the program.
#[derive(Serialize)]
struct Rent {
    /// Comes back now, with `tessera reclaim`.
    now: u64,
    /// Comes back when jobs and leases have ended.
    later: u64,
    /// Stays, in accounts that number the jobs of the wallet.
    kept: u64,
}

/// A provider that the wallet owns or works for.
#[derive(Serialize)]
struct Provider {
    provider: String,
    market: String,
    earned: u64,
    stake: u64,
    locked: u64,
    unstaking: u64,
    unstake_at: i64,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let wallet = match args.wallet {
        Some(wallet) => wallet,
        None => options.wallet()?.pubkey(),
    };
    let tessera = options.connect().await?;
    let holdings = tessera.holdings(&wallet).await?;
    let market = match options.market_address() {
        Ok(_) => Some(options.market(&tessera).await?),
        Err(_) => None,
    };
    let purse = Purse::read(&tessera, &wallet, &holdings, market.as_ref()).await?;
    let now = tessera.clock().await?;
    let (claims, _) = holdings.due(&wallet, now);
    let shown = Shown {
        wallet: wallet.to_string(),
        lamports: tessera.balance(&wallet).await?,
        tokens: purse.all().cloned().collect(),
        jobs: holdings.jobs.iter().map(|held| JobMoney::new(held, now)).collect(),
        rent: rent(&tessera, &holdings, &claims, &wallet).await?,
        due: claims.len(),
        providers: holdings.providers.iter().map(Provider::new).collect(),
    };
    print(options.json, &shown, |shown| text(shown, &holdings, &purse, now.time))
}

impl JobMoney {
    fn new(held: &JobHolding, now: Moment) -> Self {
        let JobHolding { job, leases, escrow, rent } = held;
        let (at, waits_for) = match job.ending(leases, now) {
            Ending::Now { .. } => (None, None),
            Ending::Waits { why, at } => (Some(at), Some(why)),
            Ending::Runs { over_at } => (Some(over_at), Some("it runs".into())),
            Ending::Later { over_at } => (Some(over_at), Some("its end".into())),
        };
        Self {
            job: job.address.to_string(),
            market: job.market.to_string(),
            state: views::state(job),
            deposited: job.deposited,
            paid: job.paid,
            owed: job.owed,
            escrow: *escrow,
            refund_least: job.least_refund(leases),
            refund_most: job.refund(),
            at,
            waits_for,
            rent: *rent,
        }
    }
}

impl Provider {
    fn new(provider: &Account<accounts::Provider>) -> Self {
        Self {
            provider: provider.address.to_string(),
            market: provider.market.to_string(),
            earned: provider.earned,
            stake: provider.stake,
            locked: provider.locked,
            unstaking: provider.unstaking,
            unstake_at: provider.unstake_at,
        }
    }
}

async fn rent(tessera: &Tessera, holdings: &Holdings, claims: &[Claim], wallet: &Pubkey) -> Result<Rent> {
    let is_due =
        |about: &Pubkey, is: &dyn Fn(What) -> bool| claims.iter().any(|claim| claim.about == *about && is(claim.what));
    let mut rent = Rent { now: 0, later: 0, kept: 0 };
    let mut add = |due: bool, lamports: u64| *(if due { &mut rent.now } else { &mut rent.later }) += lamports;
    for held in &holdings.jobs {
        add(is_due(&held.job.address, &|what| what == What::Close), held.rent);
    }
    let answers: Vec<Pubkey> = holdings.answers.iter().map(|(answer, _)| answer.address).collect();
    for (address, lamports) in answers.iter().zip(tessera.lamports(&answers).await?) {
        add(is_due(address, &|what| what == What::Drop), lamports);
    }
    if !holdings.leases.is_empty() {
        let seat = tessera.rent(size_of::<types::Seat>()).await? - tessera.rent(0).await?;
        let account = tessera.rent(LEASE).await?;
        for (lease, _) in &holdings.leases {
            let seats = lease.seats.iter().filter(|seat| seat.payer == *wallet).count() as u64;
            let due = is_due(&lease.job, &|what| matches!(what, What::Step(_, index) if index == lease.index));
            add(due, seats * seat + if lease.payer == *wallet { account } else { 0 });
        }
    }
    let clients: Vec<Pubkey> = holdings.clients.iter().map(|client| client.address).collect();
    rent.kept = tessera.lamports(&clients).await?.iter().sum();
    Ok(rent)
}

fn text(shown: &Shown, holdings: &Holdings, purse: &Purse, now: i64) -> String {
    let mut fields = Fields::default();
    fields.add("wallet", &shown.wallet).add("SOL", sol(shown.lamports));
    for held in &shown.tokens {
        let amount = held.amount.map_or("no account".to_owned(), |amount| tokens(amount, held.decimals));
        fields.add("tokens", format!("{amount} of mint {}, market {}", held.mint, held.market));
    }
    let Rent { now: due, later, kept } = shown.rent;
    fields.add(
        "rent",
        format!("{} comes back now, {} later, {} stays with the numbers of jobs", sol(due), sol(later), sol(kept)),
    );
    for (own, provider) in shown.providers.iter().zip(holdings.providers.iter()) {
        let show = |amount| purse.show(&provider.market, amount);
        let mut line = format!(
            "{} earned, {} staked, of which seats lock {}",
            show(own.earned),
            show(own.stake),
            show(own.locked)
        );
        if own.unstaking > 0 {
            line += &format!(", {} asked back {}", show(own.unstaking), relative(own.unstake_at, now));
        }
        fields.add(format!("provider {}", own.provider), line);
    }
    let advice = if shown.due > 0 { format!("; get it with {}", hint::command("reclaim")) } else { String::new() };
    fields.add("due now", format!("{} claims{advice}", shown.due));
    if shown.jobs.is_empty() {
        return fields.text();
    }
    let row = |(view, held): (&JobMoney, &JobHolding)| {
        let show = |amount: Option<u64>| amount.map_or("?".to_owned(), |amount| purse.show(&held.job.market, amount));
        let when = match (&view.waits_for, view.at) {
            (Some(why), Some(at)) => format!("{}: {why}", relative(at, now)),
            _ => "now".to_owned(),
        };
        vec![
            view.job.clone(),
            view.state.to_owned(),
            show(Some(view.deposited)),
            show(Some(view.paid)),
            show(Some(view.escrow)),
            format!("{} to {}", show(view.refund_least), show(view.refund_most)),
            when,
        ]
    };
    let rows: Vec<Vec<String>> = shown.jobs.iter().zip(&holdings.jobs).map(row).collect();
    fields.text() + &table(&["job", "state", "deposited", "paid", "in escrow", "to be refunded", "closes"], &rows)
}
