//! `tessera-worker withdraw`: earnings, or stake.

use anyhow::{Result, bail};
use solana_signer::Signer;
use tessera_sdk::{Tessera, ix, token};
use tessera_wallet::KeySource;

use super::amount;
use crate::{config::Config, hint};

/// What `withdraw` is told.
#[derive(Debug, clap::Args)]
pub struct Withdraw {
    /// Stake instead of earnings: with an amount, ask for so many tokens back; without, fetch what was asked for
    #[arg(long, value_name = "AMOUNT", num_args = 0..=1, default_missing_value = "")]
    stake: Option<String>,
    /// The authority's key, for stake: a file, `stdin:`, `prompt:`, or `usb://ledger`. Default: that of the solana tools
    #[arg(short, long)]
    keypair: Option<KeySource>,
}

impl Withdraw {
    /// Withdraws to the authority's associated token account.
    ///
    /// # Errors
    /// If there is nothing to withdraw, the chain refuses or a key is missing.
    pub async fn run(self, config: &Config) -> Result<()> {
        let tessera = Tessera::connect(config.cluster()).await?;
        let address = config.cluster.market;
        let market = super::market(&tessera, &address).await?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        let provider = super::provider(&tessera, config).await?;
        let owner = config.provider.authority;
        let shown = |units| amount::format(units, decimals);

        // Lost bonds go first; the chain lets nothing else out before.
        let burn = (provider.to_burn > 0).then(|| ix::burn_bonds(&provider.address, &address, &market.mint));
        if provider.to_burn > 0 {
            println!("burning    {} tokens of lost bonds", shown(provider.to_burn));
        }
        let receipt = match self.stake.as_deref() {
            None => {
                if provider.earned == 0 {
                    bail!("nothing is earned that was not withdrawn");
                }
                // The operator may do this: the tokens go to the authority whoever signs.
                let operator = config.operator()?;
                let account = token::create_ata(&operator.pubkey(), &owner, &market.mint);
                let withdraw = ix::withdraw_earnings(&operator.pubkey(), &owner, &address, &market.mint);
                let all: Vec<_> = burn.into_iter().chain([account, withdraw]).collect();
                let receipt = tessera.send(&all, &operator, &[]).await?;
                println!("withdrawn  {} tokens to {}", shown(provider.earned), token::ata(&owner, &market.mint));
                receipt
            }
            Some("") => {
                let authority = super::authority(self.keypair.as_ref(), config)?;
                let account = token::create_ata(&owner, &owner, &market.mint);
                let withdraw = ix::withdraw_stake(&owner, &address, &market.mint);
                let all: Vec<_> = burn.into_iter().chain([account, withdraw]).collect();
                let receipt = tessera.send(&all, &authority, &[]).await?;
                println!("withdrawn  {} tokens to {}", shown(provider.unstaking), token::ata(&owner, &market.mint));
                receipt
            }
            Some(text) => {
                let authority = super::authority(self.keypair.as_ref(), config)?;
                let units = amount::parse(text, decimals)?;
                let request = ix::request_unstake(&owner, &address, units);
                let receipt = tessera.send(&[request], &authority, &[]).await?;
                let wait = market.params.unstake_seconds;
                println!(
                    "asked for  {} tokens; fetch them with {} in {wait} s",
                    shown(units),
                    hint::command("withdraw --stake")
                );
                receipt
            }
        };
        println!("signature  {}", receipt.signature);
        Ok(())
    }
}
