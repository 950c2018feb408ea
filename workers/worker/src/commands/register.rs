//! `tessera-worker register`: announces this machine to the market.

use anyhow::{Result, ensure};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::routing::Capabilities;
use tessera_sdk::{Tessera, accounts, ix};
use tessera_wallet::KeySource;

use crate::{config::Config, device};

/// What `register` is told.
#[derive(Debug, clap::Args)]
pub struct Register {
    /// The authority's key: a file, `stdin:`, `prompt:`, or `usb://ledger`. Default: that of the solana tools
    #[arg(short, long)]
    keypair: Option<KeySource>,
    /// Also send so much SOL from the authority to the operator
    #[arg(long, value_name = "SOL")]
    fund: Option<String>,
}

impl Register {
    /// Registers the provider, or brings what is registered up to date.
    ///
    /// # Errors
    /// If the chain refuses or a key is missing.
    pub async fn run(self, config: &Config) -> Result<()> {
        let authority = super::authority(self.keypair.as_ref(), config)?;
        let operator = config.operator()?.pubkey();
        let tessera = Tessera::connect(config.cluster()).await?;
        let address = config.cluster.market;
        let market = super::market(&tessera, &address).await?;
        let has = device::capabilities(config)?;

        let before = tessera.provider(&config.provider_address()).await?;
        let mut instructions: Vec<_> =
            announce(config, &market.mint, before.as_deref(), &operator, has).into_iter().collect();
        if let Some(sol) = &self.fund {
            let lamports = super::amount::parse(sol, 9)?;
            ensure!(lamports > 0, "--fund 0 sends nothing");
            let transfer = solana_system_interface::instruction::transfer(&authority.pubkey(), &operator, lamports);
            instructions.push(transfer);
        }
        if instructions.is_empty() {
            println!("provider {} is registered as it should be", config.provider_address());
            return Ok(());
        }
        let receipt = tessera.send(&instructions, &authority, &[]).await?;
        println!("provider   {}", config.provider_address());
        println!("operator   {operator}");
        println!("announced  {} MiB, class {}, region {}", has.memory_mib, has.class, has.region);
        println!("signature  {}", receipt.signature);
        Ok(())
    }
}

/// What registers the provider, or brings what is registered up to date.
pub(super) fn announce(
    config: &Config,
    mint: &Pubkey,
    before: Option<&accounts::Provider>,
    operator: &Pubkey,
    has: Capabilities,
) -> Option<Instruction> {
    let (authority, market) = (&config.provider.authority, &config.cluster.market);
    let Some(before) = before else {
        return Some(ix::register_provider(authority, market, mint, operator, has));
    };
    let operator = (before.operator != *operator).then_some(*operator);
    let has = (before.capabilities() != has).then_some(has);
    (operator.is_some() || has.is_some()).then(|| ix::update_provider(authority, market, operator, has))
}
