//! `tessera provider`.

use anyhow::{Context as _, Result};
use solana_pubkey::Pubkey;
use tessera_migrate::amount::tokens;
use tessera_sdk::pda;

use crate::{
    options::Options,
    output::{Fields, print, relative, table},
    views::ProviderView,
};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the providers of a market
    List,
    /// Show a provider
    Show {
        /// Address of the provider account, or the wallet that registered it
        address: Pubkey,
    },
}

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let tessera = options.connect().await?;
    match command {
        Command::List => {
            let market = options.market(&tessera).await?;
            let decimals = tessera.mint(&market.mint).await?.decimals;
            let mut providers = tessera.providers(&market.address).await?;
            providers.sort_by_key(|provider| std::cmp::Reverse(provider.stake));
            let views: Vec<ProviderView> = providers.iter().map(ProviderView::new).collect();
            print(options.json, &views, |views| {
                let row = |view: &ProviderView| {
                    vec![
                        view.address.clone(),
                        view.class.to_string(),
                        view.memory_mib.to_string(),
                        tokens(view.stake, decimals),
                        tokens(view.total_earned, decimals),
                        view.leases_settled.to_string(),
                        (view.expired + view.faults + view.disagreed).to_string(),
                        view.open_leases.to_string(),
                    ]
                };
                let rows: Vec<Vec<String>> = views.iter().map(row).collect();
                table(&["provider", "class", "MiB", "stake", "earned", "settled", "failed", "open"], &rows)
            })
        }
        Command::Show { address } => {
            let mut found = tessera.provider(&address).await.ok().flatten();
            if found.is_none() {
                found = match options.market_address() {
                    Ok(market) => tessera.provider(&pda::provider(&market, &address)).await?,
                    Err(_) => None,
                };
            }
            let provider = found.with_context(|| {
                format!("there is no provider at {address}, nor one that this wallet registered in --market; check the address")
            })?;
            let market = tessera.market(&provider.market).await?.context("the provider's market is not there")?;
            let decimals = tessera.mint(&market.mint).await?.decimals;
            let now = tessera.clock().await?;
            print(options.json, &ProviderView::new(&provider), |view| {
                let amount = |units| format!("{} tokens", tokens(units, decimals));
                let mut fields = Fields::default();
                fields
                    .add("provider", &view.address)
                    .add("authority", &view.authority)
                    .add("operator", &view.operator)
                    .add("device", format!("class {}, {} MiB, region {}", view.class, view.memory_mib, view.region))
                    .add("stake", amount(view.stake));
                if view.unstaking > 0 {
                    fields.add(
                        "unstaking",
                        format!("{}, may leave {}", amount(view.unstaking), relative(view.unstake_at, now)),
                    );
                }
                fields
                    .add(
                        "earned",
                        format!("{} not yet withdrawn, {} ever", amount(view.earned), amount(view.total_earned)),
                    )
                    .add(
                        "leases",
                        format!(
                            "{} open, {} settled ({} units)",
                            view.open_leases, view.leases_settled, view.units_settled
                        ),
                    )
                    .add("locked", format!("{} of the stake, by open leases", amount(view.locked)))
                    .add("bonds", format!("{} lost, of which {} to burn", amount(view.lost), amount(view.to_burn)))
                    .add(
                        "failures",
                        format!("{} expired, {} faults, {} disagreed", view.expired, view.faults, view.disagreed),
                    )
                    .add("registered", relative(view.registered_at, now));
                fields.text()
            })
        }
    }
}
