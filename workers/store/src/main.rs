//! `tessera-store`: a store by itself, for machines that need nothing else of Tessera.

use std::{
    collections::HashSet,
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use solana_pubkey::Pubkey;
use tessera_sdk::{Config, Tessera};
use tessera_store::{
    cli::{GRACE, Serve},
    server::{Running, serve, serve_members},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Serves blobs over HTTP to everybody, and takes them from a market's clients and providers
#[derive(Parser, Debug)]
#[command(name = "tessera-store", version)]
struct Cli {
    /// JSON-RPC endpoint of the cluster
    #[arg(short, long, value_name = "URL", env = "TESSERA_URL", required_unless_present = "members")]
    url: Option<String>,
    /// Address of the market
    #[arg(long, value_name = "ADDRESS", env = "TESSERA_MARKET")]
    market: Pubkey,
    /// Take blobs from the keys in this file only, one a line; the cluster is not asked then, whatever --url says
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    #[command(flatten)]
    serve: Serve,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,tessera_store=info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<()> {
    // Every connection and every open blob is a handle.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut running = tokio::select! {
        running = start(cli) => running?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    tokio::select! {
        ended = running.wait() => return ended.context("the store failed"),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(running.shutdown(GRACE).await?)
}

async fn start(cli: Cli) -> Result<Running> {
    let config = cli.serve.config(cli.market);
    let running = match (&cli.members, cli.url) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let keys = lines.map(|line| {
                line.parse().with_context(|| format!("{}: {line:?} is no public key in base 58", path.display()))
            });
            let members: HashSet<Pubkey> = keys.collect::<Result<_>>()?;
            serve_members(config, Arc::new(members)).await
        }
        (None, url) => {
            let url = url.context("--url is missing: give the JSON-RPC endpoint of the cluster")?;
            let tessera = Tessera::connect(Config::new(url.as_str())).await;
            let tessera = tessera.with_context(|| format!("cannot use the cluster at {url}"))?;
            serve(config, tessera).await
        }
    };
    let running = running.context("cannot serve")?;
    // What scripts wait for; a closed pipe does not stop the store.
    let _ = writeln!(std::io::stdout(), "store for market {} at http://{}", cli.market, running.address());
    Ok(running)
}
