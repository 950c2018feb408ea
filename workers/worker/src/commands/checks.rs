//! What may be missing on this machine or on the chain, and how to get it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use solana_signer::Signer;
use tessera_executor::Finding;
use tessera_sdk::{EndpointHealth, EndpointKind, JobFilter, Standing, StoreClient, Tessera, accounts};

use super::amount;
use crate::{
    config::{Backend, Config, Sandbox},
    device,
    execution::sandbox,
    health, hint, machine,
    proof::Proof,
    run::report::{self, ReputationReport},
};

mod private;

/// The clock of the chain follows its validators; a difference up to this is nothing to worry about.
const SKEW: (u64, u64) = (15, 120);
/// An operator with less than this will soon be unable to pay rents: about fifty seats.
pub(super) const LAMPORTS: u64 = 150_000_000;
/// Memory below which nothing sensible runs.
const MEMORY: u64 = 2 << 30;
/// Disk below which results can hardly be kept.
const DISK: u64 = 1 << 30;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Warning,
    Missing,
}

/// A check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub name: &'static str,
    pub state: State,
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Checks, in the order in which they were made.
#[derive(Default)]
pub(super) struct Checks(pub Vec<Check>);

impl Checks {
    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.0.push(Check { name, state: State::Ok, found: found.into(), remedy: None });
    }

    pub(super) fn warn(&mut self, name: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Check { name, state: State::Warning, found: found.into(), remedy: Some(remedy.into()) });
    }

    pub(super) fn missing(&mut self, name: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Check { name, state: State::Missing, found: found.into(), remedy: Some(remedy.into()) });
    }

    pub(super) fn is_missing_something(&self) -> bool {
        self.0.iter().any(|check| check.state == State::Missing)
    }

    /// Prints all of them from number `from` on.
    pub(super) fn show(&self, from: usize) {
        for Check { name, state, found, remedy } in self.0.iter().skip(from) {
            let state = match state {
                State::Ok => "ok     ",
                State::Warning => "warning",
                State::Missing => "missing",
            };
            println!("{state}  {name:<14} {found}");
            if let Some(remedy) = remedy {
                println!("         {:<14} -> {remedy}", "");
            }
        }
    }
}

/// Checks driver, devices, memory and disk.
pub(super) fn machine_checks(checks: &mut Checks, config: Option<&Config>) {
    let backend = config.map_or(Backend::Auto, |config| config.executor.backend);
    let needed = backend == Backend::Cuda;
    let plugged = machine::has_nvidia_device();
    let how = "install NVIDIA's driver 580 or newer (on Debian and Ubuntu: `apt install nvidia-driver`), then restart the machine";
    for Finding { good, subject, text } in tessera_executor::probe() {
        match (good, needed || plugged) {
            (true, _) => checks.ok(subject, text),
            (false, true) => checks.missing(subject, text, how),
            (false, false) => {
                checks.warn(subject, text, "units run on the processor; jobs that ask for a GPU are left to others")
            }
        }
    }
    let executor = config.map_or_else(Default::default, |config| config.executor.clone());
    match device::find(&executor) {
        Ok(devices) => checks.ok("executor", device::summary(&devices)),
        Err(e) if needed => checks.missing("executor", format!("{e:#}"), how),
        Err(e) => checks.missing("executor", format!("{e:#}"), "set executor.backend = \"cpu\""),
    }
    match machine::memory() {
        Some((total, available)) if available < MEMORY => checks.warn(
            "memory",
            format!("{} MiB, of which {} MiB are available", total >> 20, available >> 20),
            "end other programs, or set executor.memory_mib lower",
        ),
        Some((total, available)) => {
            checks.ok("memory", format!("{} MiB, of which {} MiB are available", total >> 20, available >> 20));
        }
        None => checks.warn("memory", "the system does not tell", "set executor.memory_mib"),
    }
    sandbox_check(checks, executor.sandbox);
    let Some(config) = config else { return };
    let directory = &config.data.directory;
    let probe = directory.join("doctor");
    match std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe))
    {
        Ok(()) => disk_check(checks, config, directory),
        Err(e) => {
            let found = format!("cannot write to {}: {e}", directory.display());
            checks.missing("data", found, "make it writable for this user, or change data.directory");
        }
    }
    private::private_checks(checks, config);
    match health::read_from(directory) {
        Ok(quarantine) => quarantine.values().for_each(|device| {
            let found = format!("{} is in quarantine: {}", device.name, device.reason);
            let release = hint::command("release-device");
            let remedy = format!("run `tessera-conformance instructions --backend cuda`, then {release}");
            checks.warn("device", found, remedy);
        }),
        Err(e) => checks.warn("device", format!("cannot read which are in quarantine: {e}"), "see data.directory"),
    }
    match report::read(directory) {
        Some(report) if report.is_fresh() => checks.ok("worker", format!("running as process {}", report.pid)),
        _ => checks.ok("worker", "not running"),
    }
}

/// Whether the execution process can be locked in.
fn sandbox_check(checks: &mut Checks, mode: Sandbox) {
    let missing = sandbox::missing().join("; ");
    let how = "use a kernel with Landlock (5.13 or newer, \"landlock\" in the boot option lsm=) and seccomp";
    match mode {
        Sandbox::Off => {
            checks.warn("sandbox", "off: kernels of others run unconfined", "set executor.sandbox = \"auto\"")
        }
        _ if missing.is_empty() => checks.ok("sandbox", "Landlock and seccomp"),
        Sandbox::Auto => checks.warn("sandbox", missing, how),
        Sandbox::Require => checks.missing("sandbox", missing, how),
    }
}

/// Room for what the cache and the driver's compiled modules may grow to.
fn disk_check(checks: &mut Checks, config: &Config, directory: &Path) {
    let Some(available) = machine::disk(directory) else {
        return checks.ok("data", directory.display().to_string());
    };
    let wanted = config.cache_len().saturating_add(config.data.cubins_mib << 20);
    let found = format!("{}, {} MiB are free", directory.display(), available >> 20);
    if available < DISK {
        checks.missing("data", found, "make room, or set data.directory to a larger disk");
    } else if available < wanted {
        let remedy = format!("the cache may grow to {} MiB: make room, or set data.cache_mib lower", wanted >> 20);
        checks.warn("data", found, remedy);
    } else {
        checks.ok("data", found);
    }
}

/// Checks keys, cluster, market, provider and stores.
pub(super) async fn chain_checks(checks: &mut Checks, config: &Config) {
    let operator = match config.operator() {
        Ok(keypair) => {
            checks.ok("operator", keypair.pubkey().to_string());
            Some(keypair.pubkey())
        }
        Err(e) => {
            let remedy = format!("run {}, or set provider.operator_keypair", hint::command("init"));
            checks.missing("operator", format!("{e:#}"), remedy);
            None
        }
    };
    let mut cluster = config.cluster();
    cluster.patience = Duration::from_secs(5);
    let start = Instant::now();
    let tessera = match Tessera::connect(cluster).await {
        Ok(tessera) => tessera,
        Err(e) => {
            return checks.missing(
                "rpc",
                e.to_string(),
                "check cluster.rpc, the network, and that the program is on this cluster",
            );
        }
    };
    checks.ok("rpc", format!("the cluster answers within {} ms", start.elapsed().as_millis()));
    tessera.check_endpoints().await.iter().for_each(|endpoint| endpoint_check(checks, endpoint));
    match tessera.clock().await {
        Ok(chain) => clock_check(checks, chain.time, report::unix_now()),
        Err(e) => checks.missing("clock", e.to_string(), "check cluster.rpc"),
    }
    if let Some(operator) = operator {
        match tessera.balance(&operator).await {
            Ok(has) => balance_check(checks, has, &operator.to_string()),
            Err(e) => checks.missing("balance", e.to_string(), "check cluster.rpc"),
        }
    }
    let market = match tessera.market(&config.cluster.market).await {
        Ok(Some(market)) => market,
        Ok(None) => {
            let found = format!("there is none at {}", config.cluster.market);
            return checks.missing("market", found, "check cluster.market and cluster.rpc");
        }
        Err(e) => return checks.missing("market", e.to_string(), "check cluster.market"),
    };
    if market.paused {
        checks.warn("market", "is paused: nothing can be claimed", "wait, or work for another market");
    } else {
        checks.ok("market", config.cluster.market.to_string());
    }
    match tessera.provider(&config.provider_address()).await {
        Ok(Some(provider)) => provider_checks(checks, config, &market, &provider, operator.map(|key| key.to_string())),
        Ok(None) => checks.missing("provider", "is not registered", format!("run {}", hint::command("setup"))),
        Err(e) => checks.missing("provider", e.to_string(), "check cluster.rpc"),
    }
    store_checks(checks, config, &tessera).await;
}

/// One endpoint that answers is enough; what is wrong with others is worth a warning.
fn endpoint_check(checks: &mut Checks, endpoint: &EndpointHealth) {
    let (name, without) = match endpoint.kind {
        EndpointKind::Rpc => ("endpoint", "others are asked meanwhile"),
        EndpointKind::WebSocket => {
            ("notifications", "without them news come late: leases are found by asking now and then")
        }
    };
    let setting = match endpoint.kind {
        EndpointKind::Rpc => "cluster.rpc",
        EndpointKind::WebSocket => "cluster.websocket",
    };
    let remedy = match endpoint.standing {
        Standing::Untried | Standing::Ready => return checks.ok(name, endpoint.to_string()),
        Standing::Failing => format!("check {setting} and the network; {without}"),
        Standing::Limited => format!("use one that takes more requests, or add another to {setting}"),
        Standing::Behind => format!("add another to {setting} if it does not catch up"),
        Standing::Refusing => format!("check the key in its address in {setting}"),
        Standing::Nonsense => format!("check that {setting} names endpoints of Solana's RPC"),
        Standing::OtherCluster => format!("name endpoints of one cluster in {setting}"),
    };
    checks.warn(name, endpoint.to_string(), remedy);
}

fn clock_check(checks: &mut Checks, chain: i64, here: i64) {
    let skew = chain.abs_diff(here);
    let found = format!("{skew} s from the chain's");
    let remedy = "set the clock: `timedatectl set-ntp true`";
    if skew <= SKEW.0 {
        checks.ok("clock", found);
    } else if skew <= SKEW.1 {
        checks.warn("clock", found, remedy);
    } else {
        // Signatures for the store are refused, and windows end before the worker thinks they do.
        checks.missing("clock", found, remedy);
    }
}

fn balance_check(checks: &mut Checks, lamports: u64, operator: &str) {
    let found = format!("{} SOL on the operator key", amount::format(lamports, 9));
    let remedy = format!("send SOL to {operator}: `solana transfer {operator} 0.5 --allow-unfunded-recipient`");
    match lamports {
        0 => checks.missing("balance", found, remedy),
        1..LAMPORTS => checks.warn("balance", found, remedy),
        _ => checks.ok("balance", found),
    }
}

fn provider_checks(
    checks: &mut Checks,
    config: &Config,
    market: &accounts::Market,
    provider: &accounts::Provider,
    operator: Option<String>,
) {
    if operator.is_some_and(|operator| operator != provider.operator.to_string()) {
        let found = format!("its operator is {}, not the key of this worker", provider.operator);
        checks.missing("provider", found, format!("run {} to change it", hint::command("register")));
    } else {
        checks.ok("provider", config.provider_address().to_string());
    }
    let (stake, min) = (provider.stake, market.params.min_stake);
    if stake < min {
        let found = format!("{stake} base units, the market asks for {min}");
        checks.missing("stake", found, format!("run {}", hint::command("stake AMOUNT")));
    } else {
        checks.ok("stake", format!("{stake} base units, the market asks for {min}"));
    }
    proof_check(checks, &Proof::of(provider, market), report::unix_now());
    reputation_check(checks, market, &ReputationReport::new(&provider.reputation(), report::unix_now()));
    if provider.locked >= stake - stake.div_ceil(4) && provider.locked > 0 {
        let found = format!("{} base units of {stake} are locked: no more than audits can be claimed", provider.locked);
        let remedy = format!("wait until leases are paid, or run {}", hint::command("stake AMOUNT"));
        checks.warn("locks", found, remedy);
    }
    if let Ok(has) = device::capabilities(config)
        && has != provider.capabilities()
    {
        let found = format!("announced as {:?}, found {has:?}", provider.capabilities());
        let remedy = format!("run {} to announce what there is", hint::command("register"));
        checks.warn("capabilities", found, remedy);
    }
}

fn proof_check(checks: &mut Checks, proof: &Proof, now: i64) {
    if proof.is_missing(now) {
        let remedy = "run the worker: it shows its memory when it computes nothing; if it cannot, its log says why";
        checks.warn("proof", proof.describe(now), remedy);
    } else {
        checks.ok("proof", proof.describe(now));
    }
}

fn reputation_check(checks: &mut Checks, market: &accounts::Market, reputation: &ReputationReport) {
    let probation = u32::from(market.params.audit.probation);
    if reputation.faults > 0 && reputation.consecutive < probation {
        // Wrong results come from memory and overclocking more often than from anything else.
        let remedy = format!(
            "every result is audited until {probation} are confirmed; run `tessera-conformance` on this machine before going on"
        );
        checks.warn("reputation", reputation.to_string(), remedy);
    } else {
        checks.ok("reputation", reputation.to_string());
    }
}

/// The stores of the jobs that are there.
async fn store_checks(checks: &mut Checks, config: &Config, tessera: &Tessera) {
    let jobs = match tessera.jobs(&config.cluster.market, JobFilter::Open).await {
        Ok(jobs) => jobs,
        Err(e) => return checks.warn("stores", e.to_string(), "check cluster.rpc"),
    };
    let mut urls: Vec<String> = jobs.iter().map(tessera_sdk::Job::store_url).collect();
    urls.sort();
    urls.dedup();
    if urls.is_empty() {
        return checks.ok("stores", "there is no open job whose store could be asked");
    }
    // A market may have many; a few tell whether this machine gets through at all.
    for url in urls.into_iter().take(3) {
        let health = match StoreClient::new(&url) {
            Ok(store) => store.health().await,
            Err(e) => Err(e),
        };
        match health {
            Ok(()) => checks.ok("store", url),
            Err(e) => checks.warn("store", e.to_string(), "jobs of this store are left to others until it answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(run: impl FnOnce(&mut Checks)) -> Vec<State> {
        let mut checks = Checks::default();
        run(&mut checks);
        assert!(checks.0.iter().all(|check| (check.state == State::Ok) == check.remedy.is_none()));
        checks.0.into_iter().map(|check| check.state).collect()
    }

    #[test]
    fn skew_balance_and_proofs_are_graded() {
        let clock = |chain| states(|checks| clock_check(checks, chain, 1_000));
        assert_eq!([clock(1_015), clock(984), clock(1_121)].concat(), [State::Ok, State::Warning, State::Missing]);
        let balance = |lamports| states(|checks| balance_check(checks, lamports, "key"));
        let proof = |seconds, at| {
            let proof = Proof { seconds, at, ..Proof::default() };
            states(|checks| proof_check(checks, &proof, 1_000))
        };
        let proofs = [proof(0, 0), proof(60, 941), proof(60, 940), proof(60, 0)].concat();
        assert_eq!(proofs, [State::Ok, State::Ok, State::Warning, State::Warning]);
        assert_eq!([balance(LAMPORTS), balance(1), balance(0)].concat(), [State::Ok, State::Warning, State::Missing]);
    }

    #[test]
    fn a_machine_without_configuration_is_told_how_to_begin() {
        let mut checks = Checks::default();
        machine_checks(&mut checks, None);
        assert!(checks.0.iter().any(|check| check.name == "memory"));
        assert!(checks.0.iter().any(|check| check.name == "executor"));
    }
}
