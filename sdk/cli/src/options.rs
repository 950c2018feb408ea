//! Options that every command takes, and what they resolve to. Names and defaults are those of the solana command line.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use solana_pubkey::Pubkey;
use tessera_sdk::{Account, Config, PriorityFee, Tessera, accounts};
use tessera_wallet::{KeySource, Wallet};

use crate::limits::Limits;

/// Options that every command takes.
#[derive(Args, Debug)]
pub struct Options {
    /// JSON-RPC endpoint or moniker: mainnet-beta, testnet, devnet, localhost (m, t, d, l); of several, best first and separated
    /// by commas, the first one that is well is asked, and transactions go to all
    #[arg(short, long, global = true, value_name = "URL_OR_MONIKER", env = "TESSERA_URL", value_delimiter = ',')]
    url: Vec<String>,
    /// WebSocket endpoint; several, best first, are separated by commas [default: derived from each --url]
    #[arg(long, global = true, value_name = "URL", env = "TESSERA_WS", value_delimiter = ',')]
    ws: Vec<String>,
    /// Key of the wallet that signs and pays: a file, stdin: or -, prompt: for a seed phrase (prompt://?key=0/0 for another key
    /// of it), or usb://ledger for a hardware wallet (usb://ledger?key=0/0), as in the solana command line
    #[arg(short, long, global = true, value_name = "KEY", env = "TESSERA_KEYPAIR")]
    keypair: Option<KeySource>,
    /// Configuration file of the solana command line [default: ~/.config/solana/cli/config.yml]
    #[arg(short = 'C', long, global = true, value_name = "FILE", env = "TESSERA_CONFIG")]
    config: Option<PathBuf>,
    /// Address of the market
    #[arg(long, global = true, value_name = "ADDRESS", env = "TESSERA_MARKET")]
    market: Option<Pubkey>,
    /// Confirmed or finalized
    #[arg(long, global = true, value_name = "LEVEL", value_parser = ["confirmed", "finalized"])]
    commitment: Option<String>,
    /// Micro-lamports to offer per compute unit, or `auto` for what others paid lately
    #[arg(long, global = true, value_name = "PRICE", default_value = "auto", env = "TESSERA_PRIORITY_FEE")]
    priority_fee: String,
    /// Most micro-lamports per compute unit that `--priority-fee auto` offers [default: 100000]
    #[arg(long, global = true, value_name = "PRICE", env = "TESSERA_PRIORITY_FEE_CAP")]
    priority_fee_cap: Option<u64>,
    /// File with limits on what this client may spend [default: ~/.config/tessera/client.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "TESSERA_LIMITS")]
    limits: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more about what goes on, on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// How long the first answer of a cluster is waited for.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

fn moniker(url: &str) -> String {
    match url {
        "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
        "t" | "testnet" => "https://api.testnet.solana.com",
        "d" | "devnet" => "https://api.devnet.solana.com",
        "l" | "localhost" => "http://127.0.0.1:8899",
        other => other,
    }
    .to_owned()
}

impl Options {
    /// What the solana configuration file says; `None` if there is none and none was asked for.
    fn solana_config(&self) -> Result<Option<(Config, Option<PathBuf>)>> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => match std::env::home_dir() {
                Some(home) => home.join(".config/solana/cli/config.yml"),
                None => return Ok(None),
            },
        };
        if self.config.is_none() && !path.exists() {
            return Ok(None);
        }
        Ok(Some(Config::from_solana_cli(path)?))
    }

    /// How to reach the cluster.
    pub fn rpc_config(&self) -> Result<Config> {
        // The file is read only for what is not given: a broken one must not be in the way of who gives everything.
        let mut config = if self.url.is_empty() {
            let found = self.solana_config()?.map(|(config, _)| config);
            found.unwrap_or_else(|| Config::new(moniker("mainnet-beta")))
        } else {
            let mut config = Config::localnet();
            config.rpc_urls = self.url.iter().map(|url| moniker(url)).collect();
            config
        };
        if !self.ws.is_empty() {
            config.ws_urls.clone_from(&self.ws);
        }
        if let Some(level) = &self.commitment {
            config.commitment =
                level.parse().map_err(|_| anyhow!("commitment {level:?}, expected confirmed or finalized"))?;
        }
        config.priority_fee = match self.priority_fee.as_str() {
            "auto" => PriorityFee::auto(self.priority_fee_cap),
            "0" => PriorityFee::None,
            price => PriorityFee::Fixed(
                price.parse().with_context(|| format!("--priority-fee {price:?}, expected a number or auto"))?,
            ),
        };
        Ok(config)
    }

    /// Connects. A cluster that never answered is given up sooner than one that falls silent later.
    pub async fn connect(&self) -> Result<Tessera> {
        let config = self.rpc_config()?;
        let url = config.rpc_urls.join(", ");
        let mut hasty = config.clone();
        hasty.patience = FIRST_ANSWER;
        Tessera::connect(hasty).await.with_context(|| format!("cannot use the cluster at {url}"))?;
        Ok(Tessera::new(config)?)
    }

    /// What signs for the wallet.
    pub fn wallet(&self) -> Result<Wallet> {
        let source = match &self.keypair {
            Some(source) => source.clone(),
            None => match self.solana_config()?.and_then(|(_, path)| path) {
                Some(path) => path.to_string_lossy().parse()?,
                None => std::env::home_dir()
                    .map(|home| KeySource::File(home.join(".config/solana/id.json")))
                    .context("there is no home directory to look for a key in; give --keypair")?,
            },
        };
        source.read().with_context(|| format!("cannot get the wallet's key from {source}"))
    }

    /// What may be spent.
    pub fn limits(&self) -> Result<Limits> {
        Limits::load(self.limits.as_deref())
    }

    /// The market's address.
    pub fn market_address(&self) -> Result<Pubkey> {
        self.market.context("which market? give --market ADDRESS or set TESSERA_MARKET")
    }

    /// The market.
    pub async fn market(&self, tessera: &Tessera) -> Result<Account<accounts::Market>> {
        let address = self.market_address()?;
        let market = tessera.market(&address).await?;
        market.with_context(|| format!("there is no market at {address}; check --market and --url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use solana_signer::Signer;

    #[derive(Parser)]
    struct Bare {
        #[command(flatten)]
        options: Options,
    }

    fn parse(args: &[&str]) -> Options {
        Bare::parse_from([&["tessera"], args].concat()).options
    }

    #[test]
    fn endpoints_come_from_monikers_and_lists() {
        let config = parse(&["-u", "l,https://other.example", "--priority-fee", "7"]).rpc_config().unwrap();
        assert_eq!(config.rpc_urls, ["http://127.0.0.1:8899", "https://other.example"]);
        assert_eq!(config.priority_fee, PriorityFee::Fixed(7));
        assert_eq!(parse(&["-u", "l"]).rpc_config().unwrap().priority_fee, PriorityFee::AUTO);
        let config = parse(&["-u", "l", "--ws", "ws://a,ws://b", "--priority-fee-cap", "9"]).rpc_config().unwrap();
        assert_eq!(config.ws_urls, ["ws://a", "ws://b"]);
        assert!(matches!(config.priority_fee, PriorityFee::Recent { cap: 9, .. }));
        assert!(parse(&["-u", "l", "--priority-fee", "much"]).rpc_config().unwrap_err().to_string().contains("much"));
    }

    #[test]
    fn a_configuration_that_was_asked_for_must_be_there() {
        let error = parse(&["-C", "/nowhere/config.yml"]).rpc_config().unwrap_err();
        assert!(error.to_string().contains("/nowhere/config.yml"));
        let error = parse(&["-k", "/nowhere/id.json"]).wallet().err().unwrap();
        assert!(format!("{error:#}").contains("solana-keygen"));
        assert!(parse(&[]).market_address().unwrap_err().to_string().contains("--market"));
    }

    #[test]
    fn the_wallet_is_that_of_the_solana_configuration() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let key = solana_keypair::Keypair::new();
        solana_keypair::write_keypair_file(&key, path("id.json")).unwrap();
        let with = |keypair: &str| {
            let text = format!("json_rpc_url: http://127.0.0.1:1\nwebsocket_url: ''\nkeypair_path: {keypair}\n");
            std::fs::write(path("config.yml"), text).unwrap();
            parse(&["-C", &path("config.yml")]).wallet()
        };
        assert_eq!(with(&path("id.json")).unwrap().pubkey(), key.pubkey());
        for (name, says) in [("usb://toaster", "not a manufacturer"), ("prompt://?keys=0", "expected prompt:")] {
            let error = format!("{:#}", with(name).err().unwrap());
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}
