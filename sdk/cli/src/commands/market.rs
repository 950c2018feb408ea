//! `tessera market`.

use anyhow::{Context as _, Result};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::{base_units, tokens};
use tessera_sdk::{Tessera, ix, pda, types::MarketParams};

use crate::{
    options::Options,
    output::{Fields, print},
    views::MarketView,
};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Create a market; the wallet becomes its authority
    Create(Create),
    /// Show a market
    Show {
        /// Address of the market [default: --market]
        address: Option<Pubkey>,
    },
}

#[derive(clap::Args, Debug)]
pub struct Create {
    /// Mint of the token that is paid with
    #[arg(long)]
    mint: Pubkey,
    /// Number of the market among those of the wallet
    #[arg(long, default_value_t = 0)]
    id: u16,
    /// Fee on top of what providers earn, in basis points
    #[arg(long, default_value_t = 500)]
    fee_bps: u16,
    /// Treasury's share of the fee, in basis points; the rest is burned
    #[arg(long, default_value_t = 5_000)]
    treasury_bps: u16,
    /// Tokens that a provider must stake
    #[arg(long, default_value = "100")]
    min_stake: String,
    /// Most leases that a provider may hold at once
    #[arg(long, default_value_t = 64)]
    max_open_leases: u32,
    /// Wait between asking for stake back and taking it
    #[arg(long, default_value_t = 604_800)]
    unstake_seconds: u32,
    /// Window for revealing results, and again for opening them
    #[arg(long, default_value_t = 120)]
    reveal_seconds: u32,
    /// Time after a job's deadline during which only settlement happens
    #[arg(long, default_value_t = 600)]
    grace_seconds: u32,
    /// Stake that a seat locks, in multiples of its pay
    #[arg(long, default_value_t = 117)]
    lock_multiple: u16,
    /// Bond that a late seat burns, in basis points of its pay
    #[arg(long, default_value_t = 1_000)]
    expiry_bond_bps: u16,
    /// Seats that a provider may return for nothing within --returns-seconds
    #[arg(long, default_value_t = 20)]
    free_returns: u32,
    /// Time in which all free returns come back
    #[arg(long, default_value_t = 86_400)]
    returns_seconds: u32,
}

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let tessera = options.connect().await?;
    match command {
        Command::Create(args) => create(options, &tessera, args).await,
        Command::Show { address: Some(address) } => show(options, &tessera, &address).await,
        Command::Show { address: None } => show(options, &tessera, &options.market_address()?).await,
    }
}

async fn create(options: &Options, tessera: &Tessera, args: Create) -> Result<()> {
    let wallet = options.wallet()?;
    let mint = tessera.mint(&args.mint).await?;
    let params = MarketParams {
        fee_bps: args.fee_bps,
        treasury_bps: args.treasury_bps,
        min_stake: base_units(&args.min_stake, mint.decimals)?,
        max_open_leases: args.max_open_leases,
        unstake_seconds: args.unstake_seconds,
        reveal_seconds: args.reveal_seconds,
        grace_seconds: args.grace_seconds,
        lock_multiple: args.lock_multiple,
        expiry_bond_bps: args.expiry_bond_bps,
        free_returns: args.free_returns,
        returns_seconds: args.returns_seconds,
    };
    let create = ix::create_market(&wallet.pubkey(), args.id, &args.mint, params);
    tessera.send(&[create], &wallet, &[]).await.context("cannot create the market")?;
    show(options, tessera, &pda::market(&wallet.pubkey(), args.id)).await
}

async fn show(options: &Options, tessera: &Tessera, address: &Pubkey) -> Result<()> {
    let market = tessera
        .market(address)
        .await?
        .with_context(|| format!("there is no market at {address}; check the address and --url"))?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let treasury = tessera.token_balance(&pda::treasury(address)).await?.unwrap_or(0);
    print(options.json, &MarketView::new(&market, decimals, treasury), |view| {
        let mut fields = Fields::default();
        fields
            .add("market", &view.address)
            .add("authority", &view.authority)
            .add("mint", format!("{} ({} decimals)", view.mint, view.decimals))
            .add("paused", if view.paused { "yes: no new jobs and claims" } else { "no" })
            .add(
                "fee",
                format!(
                    "{} %, of which {} % to the treasury, the rest burned",
                    percent(view.fee_bps),
                    percent(view.treasury_bps)
                ),
            )
            .add("treasury", format!("{} tokens", tokens(view.treasury, decimals)))
            .add("minimum stake", format!("{} tokens", tokens(view.min_stake, decimals)))
            .add("open leases", format!("at most {} for a provider", view.max_open_leases))
            .add(
                "bonds",
                format!(
                    "a seat locks {} times its pay; {} % of the pay burn when it is late; {} returns in {} s are free",
                    view.lock_multiple,
                    percent(view.expiry_bond_bps),
                    view.free_returns,
                    view.returns_seconds
                ),
            )
            .add(
                "windows",
                format!(
                    "reveal and open {} s each, grace {} s, unstaking {} s",
                    view.reveal_seconds, view.grace_seconds, view.unstake_seconds
                ),
            );
        fields.text()
    })
}

/// Basis points as per cent.
fn percent(bps: u16) -> String {
    tokens(u64::from(bps), 2)
}
