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

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{Account, Tessera, accounts};

use crate::config::{Config, read_keypair};

/// The keypair that the solana tools use, and their configuration.
pub(crate) fn solana_cli() -> Option<(tessera_sdk::Config, PathBuf)> {
    let home = directories::BaseDirs::new()?.home_dir().to_owned();
    let (config, keypair) = tessera_sdk::Config::from_solana_cli(home.join(".config/solana/cli/config.yml")).ok()?;
    Some((config, keypair.unwrap_or_else(|| home.join(".config/solana/id.json"))))
}

/// Reads the authority's key: that of `--keypair`, or else that of the solana tools.
pub(crate) fn authority(given: Option<&Path>, config: &Config) -> Result<Keypair> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => solana_cli().context("the solana tools are not configured: give --keypair")?.1,
    };
    let keypair = read_keypair(&path)?;
    let expected = config.provider.authority;
    ensure!(
        keypair.pubkey() == expected,
        "{} is the key of {}, provider.authority is {expected}: give that one's with --keypair",
        path.display(),
        keypair.pubkey()
    );
    Ok(keypair)
}

/// The configured market.
pub(crate) async fn market(tessera: &Tessera, address: &Pubkey) -> Result<Account<accounts::Market>> {
    let found = tessera.market(address).await?;
    found.with_context(|| format!("there is no market {address} on this cluster: check cluster.market and cluster.rpc"))
}

/// The configured provider.
pub(crate) async fn provider(tessera: &Tessera, config: &Config) -> Result<Account<accounts::Provider>> {
    let found = tessera.provider(&config.provider_address()).await?;
    found.with_context(|| format!("{} is not registered: run `tessera-worker setup`", config.provider.authority))
}
