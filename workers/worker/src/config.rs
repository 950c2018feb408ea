//! The worker's configuration file.

pub mod hours;
mod live;
mod private;
mod settings;
mod template;
mod training;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use tessera_protocol::capability;
use tessera_sdk::PriorityFee;

pub use live::{Change, Live};
pub use private::{Allowance, Origin, PrivateInput, PrivateSettings};
pub use settings::{
    Backend, Cluster, Config, Data, ExecutorSettings, GpuSettings, Monitor, PauseFor, Provider, Sandbox, WorkSettings,
    default_path, operator_keypair,
};
pub use template::template;
pub use training::TrainingSettings;

use crate::hint;

const MIB: u64 = 1 << 20;
/// Most that is offered for what must not be late, in micro-lamports per compute unit, unless more is paid for everything.
const URGENT_FEE: u64 = 500_000;

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or a setting makes no sense; the text says which.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(read_file(path)?.0)
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        ensure!(!config.cluster.rpc.is_empty(), "cluster.rpc is empty, expected at least one URL");
        let poll = config.cluster.poll_seconds;
        ensure!((0.1..=60.0).contains(&poll), "cluster.poll_seconds is {poll}, expected 0.1 to 60");
        ensure!(config.executor.region < 64, "executor.region is {}, expected 0 to 63", config.executor.region);
        let (least, most) = capability::MEMORY_MIB;
        let proof = config.executor.proof_mib;
        ensure!((least..=most).contains(&proof), "executor.proof_mib is {proof}, expected {least} to {most}");
        ensure!(
            config.work.regions.iter().all(|region| *region < 64),
            "work.regions is {:?}, expected numbers from 0 to 63",
            config.work.regions
        );
        for (name, value) in [
            ("work.max_leases", config.work.max_leases as u64),
            ("work.max_output_mib", config.work.max_output_mib),
            ("work.max_input_mib", config.work.max_input_mib),
            ("work.unit_seconds", config.work.unit_seconds),
            ("work.max_lock_multiple", config.work.max_lock_multiple.into()),
            ("work.max_lead", config.work.max_lead.into()),
            ("data.cache_mib", config.data.cache_mib),
        ] {
            ensure!(value > 0, "{name} is 0, expected at least 1");
        }
        config.private.check()?;
        Ok(config)
    }

    /// How to reach the cluster.
    #[must_use]
    pub fn cluster(&self) -> tessera_sdk::Config {
        let mut config = tessera_sdk::Config::new(self.cluster.rpc.first().cloned().unwrap_or_default());
        config.rpc_urls.clone_from(&self.cluster.rpc);
        config.ws_urls.clone_from(&self.cluster.websocket);
        config.max_lag = self.cluster.max_lag_slots;
        config.priority_fee = match self.cluster.priority_fee {
            Some(0) => PriorityFee::None,
            Some(price) => PriorityFee::Fixed(price),
            None => PriorityFee::auto(Some(self.cluster.priority_fee_cap)),
        };
        config
    }

    /// The same for what must not be late: it outbids most of what others pay.
    #[must_use]
    pub fn urgent_cluster(&self) -> tessera_sdk::Config {
        let usual = self.cluster.priority_fee.unwrap_or(self.cluster.priority_fee_cap);
        let priority_fee = PriorityFee::Recent { percentile: 95, cap: usual.saturating_mul(10).max(URGENT_FEE) };
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

    /// Memory in MiB that the processor shows: at most half of what the execution process may use.
    #[must_use]
    pub fn proof_mib(&self) -> u32 {
        self.executor.proof_mib.min(u32::try_from(self.child_memory() / 2 / MIB).unwrap_or(u32::MAX))
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

/// Reads a configuration file: the settings, and what of them the file says.
fn read_file(path: &Path) -> Result<(Config, toml::Table)> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read {}: run {} first, or give another --config", path.display(), hint::command("setup"))
    })?;
    let within = || format!("in {}", path.display());
    // From the text, not from the table: errors then name the line.
    let mut config = Config::parse(&text).with_context(within)?;
    let table = toml::from_str(&text).with_context(within)?;
    // Relative names are relative to the file, so that a worker can be started from anywhere.
    let base = path.parent().unwrap_or(Path::new(""));
    let files = [&mut config.provider.operator_keypair, &mut config.data.directory];
    let plans = config.private.training.iter_mut().map(|training| &mut training.plan);
    for file in files.into_iter().chain(&mut config.private.folder).chain(plans) {
        *file = match file.strip_prefix("~") {
            Ok(rest) => directories::BaseDirs::new().context("this user has no home directory")?.home_dir().join(rest),
            Err(_) => base.join(&*file),
        };
    }
    let (private, data) = (&config.private.folder, &config.data.directory);
    // Execution processes of all jobs may read some of what is there.
    ensure!(
        !private.as_ref().is_some_and(|folder| folder.starts_with(data) || data.starts_with(folder)),
        "{}: private.folder and data.directory, expected neither to lie in the other",
        path.display()
    );
    Ok((config, table))
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

#[cfg(test)]
mod tests;
