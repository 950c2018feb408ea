//! Which settings there are, and what they are where the file does not say.

use std::{net::SocketAddr, path::PathBuf};

use directories::ProjectDirs;
use serde::Deserialize;
use solana_pubkey::Pubkey;

use super::{
    hours::{Window, Zone},
    private::PrivateSettings,
};

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
    /// When GPUs are left alone.
    #[serde(default)]
    pub gpu: GpuSettings,
    /// Which jobs may read files that only this machine has.
    #[serde(default)]
    pub private: PrivateSettings,
    /// What is kept on disk.
    #[serde(default)]
    pub data: Data,
    /// What others can see of the worker.
    #[serde(default)]
    pub monitor: Monitor,
}

/// Which network and market.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// JSON-RPC endpoints, best first: the first one that is well is asked, and transactions go to all.
    pub rpc: Vec<String>,
    /// WebSocket endpoints, best first; one is derived from each of `rpc` where none is given.
    #[serde(default, deserialize_with = "one_or_several")]
    pub websocket: Vec<String>,
    /// An endpoint that is behind the furthest by more than so many slots is not asked until it has caught up.
    #[serde(default = "max_lag")]
    pub max_lag_slots: u64,
    /// The market.
    #[serde(deserialize_with = "parsed")]
    pub market: Pubkey,
    /// Paid on top of the base fee, in micro-lamports per compute unit; `None`: what others paid lately.
    #[serde(default, deserialize_with = "fee")]
    pub priority_fee: Option<u64>,
    /// Most of what others paid lately that is paid too, in micro-lamports per compute unit.
    #[serde(default = "fee_cap")]
    pub priority_fee_cap: u64,
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
    /// Jobs of which a seat locks more pays than this are left to others.
    pub max_lock_multiple: u16,
    /// Jobs whose disputes need a longer lead than this are left to others.
    pub max_lead: u8,
    /// Jobs that pay later than this after outputs are opened are left to others.
    pub max_challenge_seconds: u32,
    /// Most outputs of one lease; a few times this much memory is used for sealing them.
    pub max_output_mib: u64,
    /// Most inputs and module of one job.
    pub max_input_mib: u64,
    /// Longest time that one unit may take.
    pub unit_seconds: u64,
    /// Hosts of stores that may be used; empty allows all.
    pub stores: Vec<String>,
    /// Front ends whose jobs are taken, such as `render`; empty takes all.
    pub kinds: Vec<String>,
    /// Regions of which a job must name one to be taken; empty takes all, those included that name none.
    pub regions: Vec<u8>,
    /// Hours in which leases are claimed; empty: always.
    pub hours: Vec<Window>,
    /// The time zone of these hours.
    pub time_zone: Zone,
    /// How often an idle worker computes units whose bits are known; 0: only when it starts, and when its execution process does.
    pub self_test_minutes: u64,
    /// How long a worker that is asked to stop goes on with what it has begun.
    pub shutdown_seconds: u64,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            min_price_per_unit: 0,
            max_leases: 32,
            prefetch: 1,
            max_lock_multiple: 200,
            max_lead: 32,
            max_challenge_seconds: 86_400,
            max_output_mib: 1024,
            max_input_mib: 8192,
            unit_seconds: 600,
            stores: Vec::new(),
            kinds: Vec::new(),
            regions: Vec::new(),
            hours: Vec::new(),
            time_zone: Zone::default(),
            self_test_minutes: 60,
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutorSettings {
    /// Which backend.
    pub backend: Backend,
    /// Resident memory that the execution process may use; 0: three quarters of the machine's.
    pub memory_mib: u64,
    /// Region number announced to the market, 0 to 63.
    pub region: u8,
    /// GPUs that are used, by their UUIDs as `nvidia-smi -L` shows them; empty uses all.
    pub devices: Vec<String>,
    /// Whether the execution process is locked in.
    pub sandbox: Sandbox,
    /// Memory that the processor shows, in MiB, in a market that asks for proofs. GPUs show what is free.
    pub proof_mib: u32,
}

impl Default for ExecutorSettings {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            memory_mib: 0,
            region: 0,
            devices: vec![],
            sandbox: Sandbox::default(),
            proof_mib: 64,
        }
    }
}

/// Whether the execution process is locked in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// Fully, or nothing runs.
    Require,
}

impl Sandbox {
    /// As it is written in the file and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Require => "require",
        }
    }
}

/// When GPUs are left alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GpuSettings {
    /// Nothing is claimed while a GPU is hotter, until it is five degrees cooler; 0: no limit.
    pub max_celsius: u32,
    /// Nothing is claimed while a GPU draws more power, until it draws a twentieth less; 0: no limit.
    pub max_watts: u32,
    /// Nothing is claimed while others use a GPU.
    pub pause_for: PauseFor,
}

/// Whose use of a GPU has the worker wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PauseFor {
    /// Nobody's.
    #[default]
    Nobody,
    /// That of processes which compute.
    Compute,
    /// That of all processes: a desktop's, too.
    Anybody,
}

/// What others can see of the worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitor {
    /// Where `/metrics` and `/health` are served over HTTP, without any protection; nowhere if not given.
    pub listen: Option<SocketAddr>,
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

pub(super) fn parsed<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Pubkey, D::Error> {
    key(&String::deserialize(from)?)
}

/// A list of public keys.
pub(super) fn parsed_list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Pubkey>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|text| key(text)).collect()
}

fn key<E: serde::de::Error>(text: &str) -> Result<Pubkey, E> {
    text.parse().map_err(|_| E::custom(format!("expected a public key in base 58, found {text:?}")))
}

/// A text, or a list of texts.
fn one_or_several<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a URL or a list of URLs")]
    enum Urls {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Urls::deserialize(from)? {
        Urls::One(url) => vec![url],
        Urls::Several(urls) => urls,
    })
}

/// A number, or "auto".
fn fee<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number or \"auto\"")]
    enum Fee {
        Fixed(u64),
        Auto(String),
    }
    match Fee::deserialize(from)? {
        Fee::Fixed(fee) => Ok(Some(fee)),
        Fee::Auto(auto) if auto == "auto" => Ok(None),
        Fee::Auto(other) => Err(serde::de::Error::custom(format!("expected a number or \"auto\", found {other:?}"))),
    }
}

const fn max_lag() -> u64 {
    25
}

const fn fee_cap() -> u64 {
    100_000
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
