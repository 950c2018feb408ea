//! `tessera-worker setup`: from nothing to a worker that can earn. It may be repeated: what is done stays done.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_system_interface::instruction::transfer;
use tessera_sdk::{Account, Tessera, accounts, ix, token};
use tessera_wallet::{KeySource, Wallet};

use super::{
    amount, ask,
    checks::{Checks, LAMPORTS, chain_checks, machine_checks},
    init,
    register::announce,
    unit,
};
use crate::{config::Config, device};

/// SOL that the worker's key is given unless said otherwise.
const FUND: &str = "0.5";
/// What the authority needs besides: the rent of the provider account with its vault, and fees.
const RENTS: u64 = 10_000_000;

/// What `setup` is told.
#[derive(Debug, clap::Args)]
pub struct Setup {
    /// JSON-RPC endpoint, or its moniker: localhost, devnet, mainnet-beta. Default: that of the solana tools
    #[arg(short, long, env = "TESSERA_URL", value_delimiter = ',')]
    url: Vec<String>,
    /// The market to work for
    #[arg(long, env = "TESSERA_MARKET")]
    market: Option<Pubkey>,
    /// The wallet that owns stake and earnings: its key file, `stdin:`, `prompt:`, or `usb://ledger`. Default: that of the solana
    /// tools
    #[arg(short, long)]
    keypair: Option<KeySource>,
    /// File with the worker's own key; made if it does not exist. Default: beside the configuration
    #[arg(long)]
    operator_keypair: Option<PathBuf>,
    /// Directory for journal, cache and status
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Bring the stake up to so many tokens. Default: what the market asks for
    #[arg(long, value_name = "TOKENS")]
    stake: Option<String>,
    /// Bring the worker's key up to so much SOL
    #[arg(long, value_name = "SOL", default_value = FUND)]
    fund: String,
    /// Ask nothing: do what the options say
    #[arg(short, long)]
    yes: bool,
    /// With --yes: let the worker's key take the place of another one with which the provider is registered
    #[arg(long)]
    replace_operator: bool,
    /// Also install a systemd unit that runs the worker as this user
    #[arg(long)]
    systemd: bool,
}

/// What is missing on the chain.
struct Plan {
    instructions: Vec<Instruction>,
    /// For people.
    lines: Vec<String>,
    /// SOL and tokens that leave the authority's wallet.
    costs: (u64, u64),
    /// Whether another key is the provider's now.
    replaces: bool,
}

impl Setup {
    /// Does what is still to be done.
    ///
    /// # Errors
    /// If something is missing; the text says what to do, and the same command goes on from there.
    pub async fn run(self, path: &Path) -> Result<()> {
        // A key that was read is kept: it may come from somewhere where it is to be had once.
        let (wallet, config) = if path.exists() {
            println!("going on with {}", path.display());
            let config = Config::read(path)?;
            (self.check_against(&config, path)?, config)
        } else {
            let wallet = self.write(path)?;
            let config = Config::read(path)?;
            // A file with a wrong endpoint or market would be gone on with the next time.
            if let Err(e) = look_up(&config).await {
                fs::remove_file(path).with_context(|| format!("cannot remove {} again", path.display()))?;
                return Err(e.context("no configuration was written"));
            }
            (wallet, config)
        };
        let mut checks = Checks::default();
        machine_checks(&mut checks, Some(&config));
        checks.show(0);
        ensure!(!checks.is_missing_something(), "do what the arrows say, then run the same command again");

        self.join(&config, wallet).await?;
        let shown = checks.0.len();
        chain_checks(&mut checks, &config).await;
        checks.show(shown);
        ensure!(!checks.is_missing_something(), "do what the arrows say, then run the same command again");
        if self.systemd {
            return unit::install(path, &config);
        }
        println!();
        println!("All is ready: `tessera-worker --config {} run` works until it is told to stop.", path.display());
        Ok(())
    }

    /// Checks that the options do not say anything else than the configuration that is there; returns the wallet if it was given.
    fn check_against(&self, config: &Config, path: &Path) -> Result<Option<Wallet>> {
        let wallet = self.keypair.as_ref().map(KeySource::read).transpose()?;
        let other = |what: &str, found: String| {
            format!("{} is for {what} {found}: edit it, or give another file with --config", path.display())
        };
        let urls: Vec<String> = self.url.iter().map(|url| init::expand(url)).collect();
        let cluster = &config.cluster;
        ensure!(urls.is_empty() || urls == cluster.rpc, other("the endpoints", cluster.rpc.join(", ")));
        ensure!(self.market.is_none_or(|market| market == cluster.market), other("market", cluster.market.to_string()));
        let authority = config.provider.authority;
        let is_ours = wallet.as_ref().is_none_or(|wallet| wallet.pubkey() == authority);
        ensure!(is_ours, other("the wallet", authority.to_string()));
        Ok(wallet)
    }

    /// Writes the configuration; returns the wallet if it was needed for that.
    fn write(&self, path: &Path) -> Result<Option<Wallet>> {
        let cli = super::solana_cli();
        let asks = !self.yes && ask::is_possible();
        let rpc = match (self.url.is_empty(), &cli) {
            (false, _) => self.url.iter().map(|url| init::expand(url)).collect(),
            (true, Some((config, _))) => config.rpc_urls.clone(),
            (true, None) if asks => vec![ask::ask("RPC endpoint?", None, |url| Ok(init::expand(url)))?],
            (true, None) => bail!("which cluster? Give --url"),
        };
        let market = match self.market {
            Some(market) => market,
            None if asks => ask::ask("Address of the market to work for?", None, |text| {
                text.parse().map_err(|_| "that is no address in base 58".to_owned())
            })?,
            None => bail!("which market? Give --market"),
        };
        let theirs = cli.as_ref().and_then(|(_, path)| path.to_string_lossy().parse::<KeySource>().ok());
        let theirs = theirs.filter(|source| !matches!(source, KeySource::File(path) if !path.exists()));
        let wallet = self.keypair.clone().or(theirs).map(|source| source.read()).transpose()?;
        let authority = match &wallet {
            Some(wallet) => wallet.pubkey(),
            None if asks => {
                ask::ask("The wallet that owns stake and earnings (key file or address)?", None, init::address)?
            }
            None => bail!(
                "which wallet owns stake and earnings? Give its key file with --keypair (`solana-keygen new` makes one)"
            ),
        };
        init::write(path, &rpc, &market, &authority, self.operator_keypair.clone(), self.data_dir.clone())?;
        Ok(wallet)
    }

    /// Registers, funds and stakes in one transaction, as far as that is not done. The wallet is read if it was not.
    async fn join(&self, config: &Config, wallet: Option<Wallet>) -> Result<()> {
        let tessera = Tessera::connect(config.cluster()).await?;
        let market = super::market(&tessera, &config.cluster.market).await?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        let plan = self.plan(config, &tessera, &market, decimals).await?;
        if market.params.proof_seconds > 0 {
            println!();
            println!(
                "This market asks for proofs of capability: the worker fills the free memory of a device when it starts and then about every {} minutes, while nothing is computed. Each time takes seconds to minutes and two transactions.",
                (market.params.proof_seconds / 2).div_ceil(60)
            );
        }
        if plan.instructions.is_empty() {
            println!("registered, funded and staked already");
            return Ok(());
        }
        let (sol, tokens) = plan.costs;
        println!();
        plan.lines.iter().for_each(|line| println!("{line}"));
        has_enough(config, &tessera, &market, decimals, (sol.saturating_add(RENTS), tokens)).await?;
        ensure!(
            !(self.yes && plan.replaces) || self.replace_operator,
            "nothing was sent: another worker's key would be replaced; give --replace-operator if that is meant"
        );
        if !self.yes {
            ensure!(ask::is_possible(), "nothing was sent: give --yes to agree without being asked");
            ensure!(ask::confirm("Send this?")?, "nothing was sent");
        }
        let authority = match wallet {
            Some(wallet) => wallet,
            None => super::authority(self.keypair.as_ref(), config)?,
        };
        let receipt = tessera.send(&plan.instructions, &authority, &[]).await?;
        println!("signature  {}", receipt.signature);
        println!();
        Ok(())
    }

    async fn plan(
        &self,
        config: &Config,
        tessera: &Tessera,
        market: &Account<accounts::Market>,
        decimals: u8,
    ) -> Result<Plan> {
        let (authority, address) = (config.provider.authority, config.cluster.market);
        let operator = config.operator()?.pubkey();
        let before = tessera.provider(&config.provider_address()).await?;
        let (mut instructions, mut lines, mut costs) = (vec![], vec![], (0, 0));
        let has = device::capabilities(config)?;
        let replaced = before.as_deref().map(|provider| provider.operator).filter(|before| *before != operator);
        if let Some(old) = replaced {
            lines.push(format!("replace    the worker's key {old} by {operator}: a worker with the old one can do nothing more, and what it has in hand may be lost"));
        }
        if let Some(announce) = announce(config, &market.mint, before.as_deref(), &operator, has) {
            instructions.push(announce);
            lines.push(format!("announce   {} MiB, class {}, region {}", has.memory_mib, has.class, has.region));
        }
        let balance = tessera.balance(&operator).await?;
        let wanted = amount::parse(&self.fund, 9).context("--fund")?;
        let missing = wanted.saturating_sub(balance);
        // Fees of the worker's first leases are no reason to send a little more each time this is repeated.
        if missing > 0 && balance < wanted.min(LAMPORTS) {
            instructions.push(transfer(&authority, &operator, missing));
            lines.push(format!("send       {} SOL to the worker's key {operator}", amount::format(missing, 9)));
            costs.0 = missing;
        }
        let stake = before.as_deref().map_or(0, |provider| provider.stake);
        let wanted = match &self.stake {
            Some(text) => amount::parse(text, decimals).context("--stake")?,
            None => market.params.min_stake,
        };
        let asked = market.params.min_stake;
        ensure!(
            wanted.max(stake) >= asked,
            "--stake {} is less than the {} tokens that the market asks for",
            amount::format(wanted, decimals),
            amount::format(asked, decimals)
        );
        let missing = wanted.saturating_sub(stake);
        if missing > 0 {
            instructions.push(ix::add_stake(&authority, &address, &market.mint, missing));
            let [add, all] = [missing, wanted].map(|units| amount::format(units, decimals));
            lines.push(format!("stake      {add} tokens, {all} in all"));
            costs.1 = missing;
        }
        Ok(Plan { instructions, lines, costs, replaces: replaced.is_some() })
    }
}

/// Whether the market is there.
async fn look_up(config: &Config) -> Result<()> {
    let tessera = Tessera::connect(config.cluster()).await?;
    super::market(&tessera, &config.cluster.market).await.map(drop)
}

/// Whether the authority's wallet holds what is to leave it.
async fn has_enough(
    config: &Config,
    tessera: &Tessera,
    market: &Account<accounts::Market>,
    decimals: u8,
    (lamports, tokens): (u64, u64),
) -> Result<()> {
    let wallet = config.provider.authority;
    let has = tessera.balance(&wallet).await?;
    ensure!(
        has >= lamports,
        "the wallet {wallet} has {} SOL and needs {}: send some to it, then run the same command again",
        amount::format(has, 9),
        amount::format(lamports, 9)
    );
    let account = token::ata(&wallet, &market.mint);
    let has = tessera.token_balance(&account).await?.unwrap_or_default();
    ensure!(
        has >= tokens,
        "the wallet {wallet} has {} tokens of mint {} and needs {}: buy some, or have some sent to its account {account}, then run the same command again",
        amount::format(has, decimals),
        market.mint,
        amount::format(tokens, decimals)
    );
    Ok(())
}
