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
            let now = tessera.clock().await?.time;
            let views: Vec<ProviderView> = providers.iter().map(|found| ProviderView::new(found, now)).collect();
            print(options.json, &views, |views| {
                let row = |view: &ProviderView| {
                    vec![
                        view.address.clone(),
                        view.class.to_string(),
                        view.memory_mib.to_string(),
                        view.proven_mib.to_string(),
                        tokens(view.stake, decimals),
                        tokens(view.total_earned, decimals),
                        view.leases_settled.to_string(),
                        format!("{:.2}", view.score),
                        view.faults.to_string(),
                        view.expiries.to_string(),
                        view.open_leases.to_string(),
                    ]
                };
                let rows: Vec<Vec<String>> = views.iter().map(row).collect();
                let head = [
                    "provider", "class", "MiB", "shown", "stake", "earned", "settled", "score", "faults", "late",
                    "open",
                ];
                table(&head, &rows)
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
            let now = tessera.clock().await?.time;
            print(options.json, &ProviderView::new(&provider, now), |view| {
                let amount = |units| format!("{} tokens", tokens(units, decimals));
                let mut fields = Fields::default();
                fields
                    .add("provider", &view.address)
                    .add("authority", &view.authority)
                    .add("operator", &view.operator)
                    .add("device", format!("class {}, {} MiB, region {}", view.class, view.memory_mib, view.region))
                    .add(
                        "shown",
                        match view.proven_at {
                            0 => "nothing yet".to_owned(),
                            at => format!(
                                "{} MiB, filled with {} million digests a second, {}",
                                view.proven_mib,
                                f64::from(view.speed) / 1e3,
                                relative(at, now)
                            ),
                        },
                    )
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
                    .add(
                        "lost",
                        format!(
                            "{} in bonds, {} in locks; {} to burn",
                            amount(view.lost),
                            amount(view.slashed),
                            amount(view.to_burn)
                        ),
                    )
                    .add(
                        "reputation",
                        format!(
                            "score {:.2}, {} results confirmed in a row, {} faults, {} late",
                            view.score, view.consecutive, view.faults, view.expiries
                        ),
                    )
                    .add("registered", relative(view.registered_at, now));
                fields.text()
            })
        }
    }
}
