//! `tessera-worker stake`.

use anyhow::Result;
use solana_signer::Signer;
use tessera_sdk::{Tessera, ix};
use tessera_wallet::KeySource;

use super::amount;
use crate::config::Config;

/// What `stake` is told.
#[derive(Debug, clap::Args)]
pub struct Stake {
    /// Tokens to add to the stake, such as 12.5
    amount: String,
    /// The authority's key: a file, `stdin:`, `prompt:`, or `usb://ledger`. Default: that of the solana tools
    #[arg(short, long)]
    keypair: Option<KeySource>,
}

impl Stake {
    /// Adds to the stake.
    ///
    /// # Errors
    /// If the chain refuses or a key is missing.
    pub async fn run(self, config: &Config) -> Result<()> {
        let authority = super::authority(self.keypair.as_ref(), config)?;
        let tessera = Tessera::connect(config.cluster()).await?;
        let market = super::market(&tessera, &config.cluster.market).await?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        super::provider(&tessera, config).await?;
        let units = amount::parse(&self.amount, decimals)?;
        let add = ix::add_stake(&authority.pubkey(), &config.cluster.market, &market.mint, units);
        let receipt = tessera.send(&[add], &authority, &[]).await?;
        let stake = super::provider(&tessera, config).await?.stake;
        println!(
            "stake      {} tokens (the market asks for {})",
            amount::format(stake, decimals),
            amount::format(market.params.min_stake, decimals)
        );
        println!("signature  {}", receipt.signature);
        Ok(())
    }
}
