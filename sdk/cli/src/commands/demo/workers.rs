//! The demo's providers: keys, registration, stake, and a worker process each.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use futures_util::future::select_all;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::pda;
use tokio::{process::Command, time::timeout};

use crate::{
    children::{Child, sibling},
    network::{self, Network, Plan, SOL, TOKEN},
};

/// Tokens that each provider stakes.
const STAKE: u64 = 1_000;
/// How long a command of the worker may take that takes a second.
const COMMAND: Duration = Duration::from_secs(120);

/// Registers and stakes `count` providers and starts a worker for each. Returns the provider accounts too.
pub async fn start(
    plan: &Plan,
    network: &Network,
    count: u16,
    backend: &str,
    say: &impl Fn(String),
) -> Result<(Vec<Pubkey>, Workers)> {
    let program = sibling("tessera-worker")?;
    let (mut providers, mut workers) = (vec![], Workers(vec![]));
    for number in 1..=count {
        let provider = Provider::new(plan, number);
        let authority = network::key(&provider.authority)?.pubkey();
        network.fund(&authority, 10 * SOL, STAKE * TOKEN).await?;
        provider.command(&program, provider.init(network, &authority)).await?;
        provider.configure(network, backend)?;
        let key: OsString = provider.authority.clone().into();
        provider
            .command(&program, ["register".into(), "--keypair".into(), key.clone(), "--fund".into(), "5".into()])
            .await?;
        provider.command(&program, ["stake".into(), STAKE.to_string().into(), "--keypair".into(), key]).await?;
        let name = format!("worker {number}");
        let log = plan.logs().join(format!("worker-{number}.log"));
        workers.0.push(Child::start(&name, &program, provider.args(["run".into()]), &log)?);
        providers.push(pda::provider(&network.market.address, &authority));
        say(format!("{name} runs, its log is {}", log.display()));
    }
    Ok((providers, workers))
}

/// Running workers. Dropping them stops them.
pub struct Workers(Vec<Child>);

impl Workers {
    /// Waits until one ends by itself, which none should.
    pub async fn failed(&mut self) -> anyhow::Error {
        let (error, ..) = select_all(self.0.iter_mut().map(|child| Box::pin(child.ended()))).await;
        error
    }

    /// Stops all of them.
    pub async fn stop(mut self) {
        futures_util::future::join_all(self.0.iter_mut().map(Child::stop)).await;
    }
}

/// Files of one provider.
struct Provider {
    config: PathBuf,
    authority: PathBuf,
    operator: PathBuf,
    data: PathBuf,
}

impl Provider {
    fn new(plan: &Plan, number: u16) -> Self {
        let key = |name: &str| plan.keys().join(format!("{name}-{number}.json"));
        let data = plan.dir.join(format!("worker-{number}"));
        Self { config: data.with_extension("toml"), authority: key("provider"), operator: key("operator"), data }
    }

    fn args(&self, command: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--config".into(), self.config.clone().into()];
        args.extend(command);
        args
    }

    fn init(&self, network: &Network, authority: &Pubkey) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["init", "--force", "--url", &network.rpc_url].map(OsString::from).into();
        args.extend(["--market".into(), network.market.address.to_string().into()]);
        args.extend(["--authority".into(), authority.to_string().into()]);
        args.extend(["--operator-keypair".into(), self.operator.clone().into()]);
        args.extend(["--data-dir".into(), self.data.clone().into()]);
        args
    }

    /// Sets what `init` leaves at its default: the node's ports are not those of the solana tools, and time is short.
    fn configure(&self, network: &Network, backend: &str) -> Result<()> {
        let path = self.config.display();
        let text = std::fs::read_to_string(&self.config).with_context(|| format!("cannot read {path}"))?;
        let mut config: toml::Table = text.parse().with_context(|| format!("{path} is broken"))?;
        let values = [
            ("cluster", "websocket", toml::Value::from(network.ws_url.as_str())),
            ("cluster", "poll_seconds", toml::Value::from(0.5)),
            ("executor", "backend", toml::Value::from(backend)),
        ];
        for (section, name, value) in values {
            let section = config.entry(section).or_insert_with(|| toml::Table::new().into());
            section.as_table_mut().with_context(|| format!("{path} is broken"))?.insert(name.to_owned(), value);
        }
        std::fs::write(&self.config, config.to_string()).with_context(|| format!("cannot write {path}"))
    }

    /// Runs a command of the worker that ends by itself.
    async fn command(&self, program: &Path, command: impl IntoIterator<Item = OsString>) -> Result<()> {
        let args = self.args(command);
        let name = args.get(2).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let run = Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(COMMAND, run)
            .await
            .with_context(|| format!("tessera-worker {name} did not end within {} s", COMMAND.as_secs()))?;
        let output = output.with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("tessera-worker {name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}
