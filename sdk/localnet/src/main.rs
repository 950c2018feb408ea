//! `tessera-localnet`: a local Solana node.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use tessera_localnet::{Config, Endpoints, Genesis, Running, start};
use tokio::signal::unix::{SignalKind, signal};

/// A local Solana node: JSON-RPC and WebSocket on 127.0.0.1, never connected to any cluster.
#[derive(Parser)]
#[command(name = "tessera-localnet", version)]
struct Args {
    /// Directory that keeps the node's state over restarts
    #[arg(long, value_name = "DIR", default_value = "tessera-ledger")]
    ledger: PathBuf,
    /// Keep nothing on disk
    #[arg(long, conflicts_with_all = ["ledger", "reset"])]
    in_memory: bool,
    /// Forget what the ledger holds
    #[arg(long)]
    reset: bool,
    /// Port for JSON-RPC (0: any free port)
    #[arg(long, default_value_t = 8899)]
    rpc_port: u16,
    /// Port for WebSocket subscriptions (0: any free port)
    #[arg(long, default_value_t = 8900)]
    ws_port: u16,
    /// Milliseconds from slot to slot
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    slot_time: u64,
    /// A program that a new ledger begins with, and who may upgrade it
    #[arg(long, num_args = 3, value_names = ["ADDRESS", "FILE", "AUTHORITY"])]
    upgradeable_program: Vec<String>,
    /// File to write the addresses to, as JSON, once the node answers; removed when it stops
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "error,tessera_localnet=warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    if let Some(path) = &args.ready_file {
        remove(path)?;
    }
    // Before the node is there: a signal that comes while it starts must not be lost.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let config = Config {
        ledger: (!args.in_memory).then(|| args.ledger.clone()),
        reset: args.reset,
        rpc_port: args.rpc_port,
        ws_port: args.ws_port,
        slot_time: Duration::from_millis(args.slot_time),
        programs: programs(&args.upgradeable_program)?,
    };
    let node = tokio::task::spawn_blocking(move || start(&config)).await.context("the node panicked")??;
    announce(node.endpoints(), args.ready_file.as_deref())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = ended(&node) => {}
    }
    let result = tokio::task::spawn_blocking(move || node.stop()).await.context("the node panicked")?;
    if let Some(path) = &args.ready_file {
        remove(path)?;
    }
    result?;
    // Standard output may be gone by now (a closed pipe), which is no reason to fail.
    let _ = writeln!(std::io::stdout(), "STOPPED");
    Ok(())
}

/// Programs, given as address, file and authority one after the other.
fn programs(given: &[String]) -> Result<Vec<Genesis>> {
    let address =
        |text: &String| text.parse().map_err(|e| anyhow!("--upgradeable-program: {text:?} is no address ({e})"));
    let programs = given.chunks_exact(3).map(|given| {
        let file = &given[1];
        let elf = fs::read(file).with_context(|| format!("--upgradeable-program: cannot read {file}"))?;
        Ok(Genesis { address: address(&given[0])?, elf, authority: address(&given[2])? })
    });
    programs.collect()
}

/// Returns once the node has ended by itself.
async fn ended(node: &Running) {
    while node.is_alive() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Tells whoever waits that the node answers.
fn announce(endpoints: &Endpoints, ready_file: Option<&Path>) -> Result<()> {
    let Endpoints { rpc_url, ws_url } = endpoints;
    let mut out = std::io::stdout();
    writeln!(out, "READY rpc={rpc_url} ws={ws_url} pid={}", std::process::id())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")?;
    let Some(path) = ready_file else { return Ok(()) };
    let ready = serde_json::json!({ "rpc_url": rpc_url, "ws_url": ws_url, "pid": std::process::id() });
    // Whole or not at all: somebody polls for this file.
    let partial = path.with_extension("partial");
    fs::write(&partial, format!("{ready}\n")).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => bail!("cannot remove {}: {e}", path.display()),
        _ => Ok(()),
    }
}
