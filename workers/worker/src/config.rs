//! The worker's configuration file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use directories::ProjectDirs;
use serde::Deserialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

const MIB: u64 = 1 << 20;
/// Most that is offered for what must not be late, in micro-lamports per compute unit, unless more is paid for everything.
const URGENT_FEE: u64 = 500_000;

/// All settings. Every one but the market and the authority has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which network and market.
    pub cluster: Cluster,
    /// Who earns.
    pub provider: Provider,
    /// Which work is taken, and how much of it.
    #[serde(default)]
    pub work: WorkSettings,
    /// What it runs on.
    #[serde(default)]
    pub executor: ExecutorSettings,
    /// What is kept on disk.
    #[serde(default)]
    pub data: Data,
}

/// Which network and market.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// JSON-RPC endpoints, best first.
    pub rpc: Vec<String>,
    /// WebSocket endpoint; derived from the first of `rpc` where it is not given.
    pub websocket: Option<String>,
    /// The market.
    #[serde(deserialize_with = "parsed")]
    pub market: Pubkey,
    /// Paid on top of the base fee, in micro-lamports per compute unit.
    #[serde(default)]
    pub priority_fee: u64,
    /// How often leases in hand are looked at when nothing else happens.
    #[serde(default = "two_seconds")]
    pub poll_seconds: f64,
}

/// Who earns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The wallet that owns stake and earnings.
    #[serde(deserialize_with = "parsed")]
    pub authority: Pubkey,
    /// File with the worker's own key, which signs claims and results and pays fees and rents.
    #[serde(default = "operator_keypair")]
    pub operator_keypair: PathBuf,
}

/// Which work is taken, and how much of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkSettings {
    /// Jobs that pay less for a unit are left to others, in base units of the market's token.
    pub min_price_per_unit: u64,
    /// Most leases in hand at once, those included that only wait for other providers.
    pub max_leases: usize,
    /// Leases claimed ahead while one is computed.
    pub prefetch: usize,
    /// Most outputs of one lease; a few times this much memory is used for sealing them.
    pub max_output_mib: u64,
    /// Most inputs and module of one job.
    pub max_input_mib: u64,
    /// Longest time that one unit may take.
    pub unit_seconds: u64,
    /// Hosts of stores that may be used; empty allows all.
    pub stores: Vec<String>,
    /// How long a worker that is asked to stop goes on with what it has begun.
    pub shutdown_seconds: u64,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            min_price_per_unit: 0,
            max_leases: 32,
            prefetch: 1,
            max_output_mib: 1024,
            max_input_mib: 8192,
            unit_seconds: 600,
            stores: Vec::new(),
            shutdown_seconds: 60,
        }
    }
}

/// What the worker computes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The GPUs of the machine if there are any, else its processor.
    #[default]
    Auto,
    /// NVIDIA GPUs.
    Cuda,
    /// The processor.
    Cpu,
}

impl Backend {
    /// As it is written in the file and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
        }
    }
}

/// What units run on.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutorSettings {
    /// Which backend.
    pub backend: Backend,
    /// Resident memory that the execution process may use; 0: three quarters of the machine's.
    pub memory_mib: u64,
    /// Region number announced to the market, 0 to 63.
    pub region: u8,
}

/// What is kept on disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Journal, cache and status.
    pub directory: PathBuf,
    /// Most space for modules and inputs.
    pub cache_mib: u64,
    /// Most space for modules that the GPU driver has compiled; 0: none are kept.
    pub cubins_mib: u64,
}

impl Default for Data {
    fn default() -> Self {
        Self { directory: default_directory(), cache_mib: 20_480, cubins_mib: 512 }
    }
}

fn parsed<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Pubkey, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("expected a public key in base 58, found {text:?}")))
}

const fn two_seconds() -> f64 {
    2.0
}

fn project() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "tessera")
}

/// `~/.config/tessera`.
fn config_directory() -> PathBuf {
    project().map_or_else(|| ".".into(), |dirs| dirs.config_dir().to_owned())
}

fn default_directory() -> PathBuf {
    project().map_or_else(|| "tessera-worker".into(), |dirs| dirs.data_dir().join("worker"))
}

/// Where the configuration lies unless said otherwise.
#[must_use]
pub fn default_path() -> PathBuf {
    config_directory().join("worker.toml")
}

/// Where the worker's own key lies unless said otherwise.
#[must_use]
pub fn operator_keypair() -> PathBuf {
    config_directory().join("operator.json")
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or a setting makes no sense; the text says which.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read {}: run `tessera-worker init` first, or give --config", path.display())
        })?;
        let mut config = Self::parse(&text).with_context(|| format!("in {}", path.display()))?;
        // Relative names are relative to the file, so that a worker can be started from anywhere.
        let base = path.parent().unwrap_or(Path::new(""));
        for file in [&mut config.provider.operator_keypair, &mut config.data.directory] {
            *file = match file.strip_prefix("~") {
                Ok(rest) => {
                    directories::BaseDirs::new().context("this user has no home directory")?.home_dir().join(rest)
                }
                Err(_) => base.join(&*file),
            };
        }
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        ensure!(!config.cluster.rpc.is_empty(), "cluster.rpc is empty, expected at least one URL");
        let poll = config.cluster.poll_seconds;
        ensure!((0.1..=60.0).contains(&poll), "cluster.poll_seconds is {poll}, expected 0.1 to 60");
        ensure!(config.executor.region < 64, "executor.region is {}, expected 0 to 63", config.executor.region);
        for (name, value) in [
            ("work.max_leases", config.work.max_leases as u64),
            ("work.max_output_mib", config.work.max_output_mib),
            ("work.max_input_mib", config.work.max_input_mib),
            ("work.unit_seconds", config.work.unit_seconds),
            ("data.cache_mib", config.data.cache_mib),
        ] {
            ensure!(value > 0, "{name} is 0, expected at least 1");
        }
        Ok(config)
    }

    /// How to reach the cluster.
    #[must_use]
    pub fn cluster(&self) -> tessera_sdk::Config {
        let mut config = tessera_sdk::Config::new(self.cluster.rpc.first().cloned().unwrap_or_default());
        config.rpc_urls.clone_from(&self.cluster.rpc);
        config.ws_url.clone_from(&self.cluster.websocket);
        if self.cluster.priority_fee > 0 {
            config.priority_fee = tessera_sdk::PriorityFee::Fixed(self.cluster.priority_fee);
        }
        config
    }

    /// The same for what must not be late: it outbids most of what others pay.
    #[must_use]
    pub fn urgent_cluster(&self) -> tessera_sdk::Config {
        let cap = self.cluster.priority_fee.saturating_mul(10).max(URGENT_FEE);
        let priority_fee = tessera_sdk::PriorityFee::Recent { percentile: 95, cap };
        tessera_sdk::Config { priority_fee, ..self.cluster() }
    }

    /// Reads the worker's own key.
    ///
    /// # Errors
    /// If there is none.
    pub fn operator(&self) -> Result<Keypair> {
        read_keypair(&self.provider.operator_keypair)
    }

    /// The provider account.
    #[must_use]
    pub fn provider_address(&self) -> Pubkey {
        tessera_sdk::pda::provider(&self.cluster.market, &self.provider.authority)
    }

    /// See [`Cluster::poll_seconds`].
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_secs_f64(self.cluster.poll_seconds)
    }

    /// Resident memory that the execution process may use, in bytes.
    #[must_use]
    pub fn child_memory(&self) -> u64 {
        match self.executor.memory_mib {
            0 => crate::machine::memory().map_or(u64::MAX, |(total, _)| total / 4 * 3),
            mib => mib * MIB,
        }
    }

    /// See [`WorkSettings::max_output_mib`], in bytes.
    #[must_use]
    pub const fn max_output(&self) -> u64 {
        self.work.max_output_mib.saturating_mul(MIB)
    }

    /// See [`WorkSettings::max_input_mib`], in bytes.
    #[must_use]
    pub const fn max_input(&self) -> u64 {
        self.work.max_input_mib.saturating_mul(MIB)
    }

    /// See [`Data::cache_mib`], in bytes.
    #[must_use]
    pub const fn cache_len(&self) -> u64 {
        self.data.cache_mib.saturating_mul(MIB)
    }
}

/// Reads a key file of the solana tools.
///
/// # Errors
/// If the file is not there or is no key.
pub fn read_keypair(path: &Path) -> Result<Keypair> {
    match solana_keypair::read_keypair_file(path) {
        Ok(keypair) => Ok(keypair),
        Err(e) => bail!("cannot read the keypair {}: {e}", path.display()),
    }
}

/// A commented configuration file with the given settings.
#[must_use]
pub fn template(rpc: &[String], market: &Pubkey, authority: &Pubkey, operator: &Path, data: &Path) -> String {
    let WorkSettings {
        min_price_per_unit,
        max_leases,
        prefetch,
        max_output_mib,
        max_input_mib,
        unit_seconds,
        shutdown_seconds,
        ..
    } = WorkSettings::default();
    let Data { cache_mib, cubins_mib, .. } = Data::default();
    let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().as_ref()).to_string();
    let rpc = toml::Value::from(rpc.to_vec());
    let (operator, data) = (quoted(operator), quoted(data));
    format!(
        r#"# Configuration of tessera-worker. Lines that begin with # show the defaults.

[cluster]
# JSON-RPC endpoints, best first; the next one is used when one fails.
rpc = {rpc}
# WebSocket endpoint; derived from the first RPC endpoint as the solana tools do.
# websocket = "ws://127.0.0.1:8900"
market = "{market}"
# Paid on top of the base fee, in micro-lamports per compute unit.
# priority_fee = 0
# How often leases in hand are looked at when nothing else happens.
# poll_seconds = 2.0

[provider]
# The wallet that owns stake and earnings. Its key is needed for `register`, `stake` and `withdraw` only.
authority = "{authority}"
# The worker's own key: signs claims and results, pays fees and rents. Keep a little SOL on it.
operator_keypair = {operator}

[work]
# Jobs that pay less for a unit are left to others (base units of the market's token).
# min_price_per_unit = {min_price_per_unit}
# Most leases in hand at once, those included that only wait for other providers.
# max_leases = {max_leases}
# Leases claimed ahead while one is computed.
# prefetch = {prefetch}
# Most outputs of one lease, and most inputs of one job.
# max_output_mib = {max_output_mib}
# max_input_mib = {max_input_mib}
# Longest time that one unit may take.
# unit_seconds = {unit_seconds}
# Hosts of stores that may be used, for example ["store.example.org"]; empty allows all.
# stores = []
# How long a worker that is asked to stop goes on with what it has begun.
# shutdown_seconds = {shutdown_seconds}

[executor]
# "cuda", "cpu", or "auto": the GPUs if there are any, else the processor.
# backend = "auto"
# Resident memory that the execution process may use; 0: three quarters of the machine's.
# memory_mib = 0
# Region number announced to the market, 0 to 63.
# region = 0

[data]
# Journal, cache, outputs that are not paid yet, and status. The journal holds the keys of results under way: losing it loses
# their pay. Outputs may be demanded until they are paid: losing them may lose the stake that their lease locks.
directory = {data}
# Most space for modules and inputs.
# cache_mib = {cache_mib}
# Most space for modules that the GPU driver has compiled; 0: none are kept, and each is compiled for each job.
# cubins_mib = {cubins_mib}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let rpc = ["http://127.0.0.1:8899".to_owned(), "http://b".to_owned()];
        let key = |n| Pubkey::new_from_array([n; 32]);
        template(&rpc, &key(1), &key(2), Path::new("keys/operator.json"), Path::new("/var/data"))
    }

    #[test]
    fn the_template_is_a_configuration_with_the_defaults() {
        let config = Config::parse(&text()).unwrap();
        assert_eq!(config.cluster.rpc.len(), 2);
        assert_eq!(config.provider.authority, Pubkey::new_from_array([2; 32]));
        let shown = text();
        for (name, value) in [
            ("max_leases", config.work.max_leases as u64),
            ("max_output_mib", config.work.max_output_mib),
            ("unit_seconds", config.work.unit_seconds),
            ("cache_mib", config.data.cache_mib),
            ("cubins_mib", config.data.cubins_mib),
            ("memory_mib", config.executor.memory_mib),
        ] {
            assert!(shown.contains(&format!("\n# {name} = {value}\n")), "{name} = {value} is not in\n{shown}");
        }
    }

    #[test]
    fn settings_shown_as_comments_can_be_turned_on() {
        let on: String = text()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => {
                    format!("{setting}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(on.contains("\nprefetch = 1\n"));
        assert_eq!(Config::parse(&on).unwrap().cluster.websocket.as_deref(), Some("ws://127.0.0.1:8900"));
    }

    #[test]
    fn relative_names_are_relative_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.toml");
        std::fs::write(&path, text()).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.provider.operator_keypair, dir.path().join("keys/operator.json"));
        assert_eq!(config.data.directory, Path::new("/var/data"));
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |from: &str, to: &str| format!("{:#}", Config::parse(&text().replace(from, to)).unwrap_err());
        assert!(refused("[work]", "[work]\nmax_lease = 3").contains("max_lease"));
        assert!(refused("[work]", "[work]\nmax_leases = 0").contains("work.max_leases is 0"));
        assert!(refused("[executor]", "[executor]\nregion = 64").contains("executor.region is 64"));
        assert!(refused("[executor]", "[executor]\nbackend = \"rocm\"").contains("rocm"));
        assert!(refused("market = \"", "market = \"0").contains("base 58"));
        assert!(refused("[provider]", "poll_seconds = 0.0\n[provider]").contains("poll_seconds"));
        let e = Config::read(Path::new("/nowhere/worker.toml")).unwrap_err();
        assert!(format!("{e:#}").contains("tessera-worker init"));
    }
}
