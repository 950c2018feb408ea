//! The subcommands.

pub mod amount;
mod ask;
mod checks;
pub mod doctor;
pub mod earnings;
pub mod init;
pub mod register;
pub mod release;
pub mod setup;
pub mod stake;
pub mod status;
pub mod top;
pub mod unit;
pub mod withdraw;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{Account, Tessera, accounts};
use tessera_wallet::{KeySource, Wallet};

use crate::{config::Config, hint};

/// The configuration of the solana tools, and the key that they use: a file, or what else they know as one.
pub(crate) fn solana_cli() -> Option<(tessera_sdk::Config, PathBuf)> {
    let home = directories::BaseDirs::new()?.home_dir().to_owned();
    let (config, keypair) = tessera_sdk::Config::from_solana_cli(home.join(".config/solana/cli/config.yml")).ok()?;
    Some((config, keypair.unwrap_or_else(|| home.join(".config/solana/id.json"))))
}

/// What signs for the authority: that of `--keypair`, or else that of the solana tools.
pub(crate) fn authority(given: Option<&KeySource>, config: &Config) -> Result<Wallet> {
    let source = match given {
        Some(source) => source.clone(),
        None => {
            let (_, path) = solana_cli().context("the solana tools are not configured: give --keypair")?;
            path.to_string_lossy().parse()?
        }
    };
    let wallet = source.read().with_context(|| format!("cannot get the authority's key from {source}"))?;
    let (found, expected) = (wallet.pubkey(), config.provider.authority);
    ensure!(
        found == expected,
        "{source} is the key of {found}, provider.authority is {expected}: give that one's with --keypair"
    );
    Ok(wallet)
}

/// The configured market.
pub(crate) async fn market(tessera: &Tessera, address: &Pubkey) -> Result<Account<accounts::Market>> {
    let found = tessera.market(address).await?;
    found.with_context(|| format!("there is no market {address} on this cluster: check cluster.market and cluster.rpc"))
}

/// The configured provider.
pub(crate) async fn provider(tessera: &Tessera, config: &Config) -> Result<Account<accounts::Provider>> {
    let found = tessera.provider(&config.provider_address()).await?;
    found.with_context(|| format!("{} is not registered: run {}", config.provider.authority, hint::command("setup")))
}
