//! How to reach a cluster, and what to pay it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use solana_commitment_config::CommitmentConfig;
use url::Url;

use crate::Error;

/// How to reach a cluster, and what to pay it.
#[derive(Clone, Debug)]
pub struct Config {
    /// JSON-RPC endpoints, best first. A request goes to the first one that is well, and to the next when it fails or hangs;
    /// transactions go to all.
    pub rpc_urls: Vec<String>,
    /// WebSocket endpoints, best first; where there are none, one is derived from each of `rpc_urls` as the solana tools do.
    pub ws_urls: Vec<String>,
    /// What counts as having happened.
    pub commitment: CommitmentConfig,
    /// Paid on top of the base fee.
    pub priority_fee: PriorityFee,
    /// How many compute units a transaction asks for.
    pub compute_units: ComputeUnits,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// How long unreachable endpoints are tried again before a request fails.
    pub patience: Duration,
    /// An endpoint that is behind the furthest one by more than so many slots is not asked until it has caught up.
    pub max_lag: u64,
    /// How often followers of jobs and markets ask even though no notification came.
    pub poll: Duration,
}

/// Paid on top of the base fee, per compute unit asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityFee {
    /// Nothing.
    None,
    /// So many micro-lamports per compute unit.
    Fixed(u64),
    /// What others paid lately for the same accounts.
    Recent {
        /// Percentile of the recent fees, 0..=100.
        percentile: u8,
        /// Never more than so many micro-lamports per compute unit.
        cap: u64,
    },
}

/// How many compute units a transaction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeUnits {
    /// What a simulation took, and a margin.
    Auto,
    /// Always so many.
    Fixed(u32),
}

impl PriorityFee {
    /// What others paid lately, up to a bound that is next to nothing: 0.00002 SOL for a transaction of 200,000 compute units.
    pub const AUTO: Self = Self::Recent { percentile: 50, cap: 100_000 };

    /// The same with a bound of one's own.
    #[must_use]
    pub const fn auto(cap: Option<u64>) -> Self {
        match cap {
            Some(cap) => Self::Recent { percentile: 50, cap },
            None => Self::AUTO,
        }
    }
}

impl Config {
    /// A configuration with defaults for the cluster at `rpc_url`.
    #[must_use]
    pub fn new(rpc_url: impl Into<String>) -> Self {
        Self {
            rpc_urls: vec![rpc_url.into()],
            ws_urls: vec![],
            commitment: CommitmentConfig::confirmed(),
            priority_fee: PriorityFee::AUTO,
            compute_units: ComputeUnits::Auto,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(30),
            max_lag: 25,
            poll: Duration::from_secs(5),
        }
    }

    /// The local node at its usual address.
    #[must_use]
    pub fn localnet() -> Self {
        Self::new("http://127.0.0.1:8899")
    }

    /// Reads a configuration file of the solana command line (`~/.config/solana/cli/config.yml`); also returns the
    /// path of the keypair that it names.
    ///
    /// # Errors
    /// If the file cannot be read or names no RPC endpoint.
    pub fn from_solana_cli(path: impl AsRef<Path>) -> Result<(Self, Option<PathBuf>), Error> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|e| {
            Error::Config(format!("cannot read {}: {e}; give --url or run `solana config set`", path.display()))
        })?;
        let file: SolanaCli = serde_yaml::from_str(&text)
            .map_err(|e| Error::Config(format!("{} is no solana configuration: {e}", path.display())))?;
        let mut config = Self::new(file.json_rpc_url);
        config.ws_urls = vec![file.websocket_url];
        config.ws_urls.retain(|url| !url.is_empty());
        if let Some(commitment) = file.commitment {
            config.commitment = commitment.parse().map_err(|_| {
                Error::Config(format!(
                    "{}: commitment {commitment:?}, expected processed, confirmed or finalized",
                    path.display()
                ))
            })?;
        }
        Ok((config, Some(file.keypair_path).filter(|path| !path.is_empty()).map(PathBuf::from)))
    }

    /// The WebSocket endpoints: the configured ones, or for each RPC endpoint the one with `ws` for `http` and, where a port
    /// is named, the port after it.
    ///
    /// # Errors
    /// If an endpoint is not a URL.
    pub fn websocket_urls(&self) -> Result<Vec<String>, Error> {
        if self.ws_urls.is_empty() {
            return self.rpc_urls.iter().map(|url| websocket_of(url)).collect();
        }
        Ok(self.ws_urls.clone())
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if let PriorityFee::Recent { percentile, .. } = self.priority_fee
            && percentile > 100
        {
            return Err(Error::Config(format!("priority fee at percentile {percentile}, expected 0 to 100")));
        }
        if self.commitment.is_finalized() || self.commitment.is_confirmed() {
            Ok(())
        } else {
            Err(Error::Config("commitment processed may be rolled back; expected confirmed or finalized".into()))
        }
    }
}

fn websocket_of(rpc_url: &str) -> Result<String, Error> {
    let bad = |why: &str| {
        Error::Config(format!("RPC endpoint {rpc_url:?}: {why}; expected http://host:port or https://host"))
    };
    let mut url = Url::parse(rpc_url).map_err(|e| bad(&e.to_string()))?;
    let scheme = match url.scheme() {
        "http" => "ws",
        "https" => "wss",
        _ => return Err(bad("not an http address")),
    };
    let port = url
        .port()
        .map(|port| port.checked_add(1).ok_or_else(|| bad("no port after it for the WebSocket")))
        .transpose()?;
    url.set_scheme(scheme).map_err(|()| bad("not an http address"))?;
    url.set_port(port).map_err(|()| bad("not an http address"))?;
    Ok(url.into())
}

/// The fields of interest of the solana command line's configuration file.
#[derive(Deserialize)]
struct SolanaCli {
    json_rpc_url: String,
    #[serde(default)]
    websocket_url: String,
    #[serde(default)]
    keypair_path: String,
    commitment: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn websocket_endpoints_are_derived_as_the_solana_tools_do() {
        let of = |url: &str| Config::new(url).websocket_urls().map(|urls| urls.concat());
        assert_eq!(of("http://127.0.0.1:8899").unwrap(), "ws://127.0.0.1:8900/");
        assert_eq!(of("https://api.devnet.solana.com").unwrap(), "wss://api.devnet.solana.com/");
        assert_eq!(of("https://host/key?x=1").unwrap(), "wss://host/key?x=1");
        assert!(of("127.0.0.1:8899").is_err());
        assert!(of("http://host:65535").unwrap_err().to_string().contains("no port after it"));
        let mut config = Config::new("http://a:1");
        config.rpc_urls.push("http://b:3".into());
        assert_eq!(config.websocket_urls().unwrap(), ["ws://a:2/", "ws://b:4/"]);
        config.ws_urls = vec!["ws://c".into()];
        assert_eq!(config.websocket_urls().unwrap(), ["ws://c"]);
    }

    #[test]
    fn the_solana_configuration_is_read() {
        let dir = std::env::temp_dir().join(format!("tessera-sdk-config-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("config.yml");
        fs::write(
            &path,
            "---\njson_rpc_url: http://10.0.0.1:8899\nwebsocket_url: ''\nkeypair_path: /k/id.json\n\
             address_labels:\n  '11111111111111111111111111111111': System Program\ncommitment: finalized\n",
        )
        .unwrap();
        let (config, keypair) = Config::from_solana_cli(&path).unwrap();
        assert_eq!((config.rpc_urls[0].as_str(), config.ws_urls.len()), ("http://10.0.0.1:8899", 0));
        assert!(config.commitment.is_finalized());
        assert_eq!(keypair, Some(PathBuf::from("/k/id.json")));
        fs::remove_dir_all(&dir).unwrap();
        assert!(Config::from_solana_cli(&path).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn what_may_be_rolled_back_is_refused() {
        let mut config = Config::localnet();
        config.commitment = CommitmentConfig::processed();
        assert!(config.validate().unwrap_err().to_string().contains("rolled back"));
        config.commitment = CommitmentConfig::confirmed();
        config.priority_fee = PriorityFee::Recent { percentile: 101, cap: 1 };
        assert!(config.validate().unwrap_err().to_string().contains("percentile 101"));
    }
}
