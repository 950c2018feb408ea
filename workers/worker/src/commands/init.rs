//! `tessera-worker init`: a configuration file, and a key for the worker.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use solana_keypair::{Keypair, write_keypair_file};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_wallet::KeySource;

use crate::{
    config::{self, Data, read_keypair},
    hint,
};

/// What `init` is told.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// JSON-RPC endpoint, or its moniker: localhost, devnet, mainnet-beta. Default: that of the solana tools
    #[arg(short, long)]
    url: Vec<String>,
    /// The market to work for
    #[arg(long)]
    market: Pubkey,
    /// The wallet that owns stake and earnings: its address, or its key (a file, `prompt:`, or `usb://ledger`). Default: that of the
    /// solana tools
    #[arg(long, value_parser = address)]
    authority: Option<Pubkey>,
    /// File with the worker's own key; made if it does not exist. Default: beside the configuration
    #[arg(long)]
    operator_keypair: Option<PathBuf>,
    /// Directory for journal, cache and status
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Replace a configuration file that exists
    #[arg(long)]
    force: bool,
}

/// An address in base 58, or that of a key.
pub(super) fn address(text: &str) -> Result<Pubkey, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let key = text.parse::<KeySource>().and_then(|source| source.read());
    key.map(|key| key.pubkey()).map_err(|e| format!("neither an address in base 58 nor a key: {e:#}"))
}

impl Init {
    /// Writes the configuration to `path`.
    ///
    /// # Errors
    /// If something is missing or a file cannot be written.
    pub fn run(self, path: &Path) -> Result<()> {
        if path.exists() && !self.force {
            bail!("{} exists: edit it, or replace it with --force", path.display());
        }
        let cli = super::solana_cli();
        let rpc = match (self.url.is_empty(), &cli) {
            (false, _) => self.url.iter().map(|url| expand(url)).collect(),
            (true, Some((config, _))) => config.rpc_urls.clone(),
            (true, None) => bail!("the solana tools are not configured: give --url"),
        };
        let authority = match (self.authority, &cli) {
            (Some(authority), _) => authority,
            (None, Some((_, key))) => {
                address(&key.to_string_lossy()).map_err(anyhow::Error::msg).context("give --authority")?
            }
            (None, None) => bail!("the solana tools are not configured: give --authority"),
        };
        let operator = write(path, &rpc, &self.market, &authority, self.operator_keypair, self.data_dir)?;
        println!("operator       {operator}");
        println!();
        let [register, stake, doctor] = ["register", "stake AMOUNT", "doctor"].map(hint::command);
        println!("Next: send a little SOL to the operator, then {register} and {stake}.");
        println!("{doctor} tells what is still missing.");
        Ok(())
    }
}

/// Writes a configuration file to `path`, and makes the worker's own key where there is none; returns that key's address.
pub(super) fn write(
    path: &Path,
    rpc: &[String],
    market: &Pubkey,
    authority: &Pubkey,
    operator_keypair: Option<PathBuf>,
    data_dir: Option<PathBuf>,
) -> Result<Pubkey> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let directory = std::path::absolute(directory)?;
    let operator = operator_keypair.unwrap_or_else(|| directory.join("operator.json"));
    let operator = std::path::absolute(operator)?;
    let key = operator_key(&operator)?;
    let data = std::path::absolute(data_dir.unwrap_or_else(|| Data::default().directory))?;
    let text = config::template(rpc, market, authority, &operator, &data);
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("configuration  {}", path.display());
    println!("operator key   {}", operator.display());
    Ok(key)
}

/// Monikers as the solana tools have them.
pub(super) fn expand(url: &str) -> String {
    match url {
        "l" | "localhost" => "http://127.0.0.1:8899".into(),
        "d" | "devnet" => "https://api.devnet.solana.com".into(),
        "t" | "testnet" => "https://api.testnet.solana.com".into(),
        "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com".into(),
        url => url.into(),
    }
}

/// The worker's own key, made where there is none yet.
fn operator_key(path: &Path) -> Result<Pubkey> {
    if path.exists() {
        return Ok(read_keypair(path)?.pubkey());
    }
    let keypair = Keypair::new();
    // Written readable by its owner alone.
    if let Err(e) = write_keypair_file(&keypair, path) {
        bail!("cannot write the keypair {}: {e}", path.display());
    }
    Ok(keypair.pubkey())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn init(dir: &Path, force: bool) -> Result<()> {
        let init = Init {
            url: vec!["localhost".into()],
            market: Pubkey::new_from_array([1; 32]),
            authority: Some(Pubkey::new_from_array([2; 32])),
            operator_keypair: None,
            data_dir: Some(dir.join("data")),
            force,
        };
        init.run(&dir.join("etc/worker.toml"))
    }

    #[test]
    fn writes_what_can_be_read_and_keeps_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), false).unwrap();
        let config = Config::read(&dir.path().join("etc/worker.toml")).unwrap();
        assert_eq!(config.cluster.rpc, ["http://127.0.0.1:8899"]);
        let key = config.operator().unwrap().pubkey();
        let mode = std::fs::metadata(&config.provider.operator_keypair).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");

        assert!(init(dir.path(), false).unwrap_err().to_string().contains("--force"));
        init(dir.path(), true).unwrap();
        assert_eq!(config.operator().unwrap().pubkey(), key);
    }
}
