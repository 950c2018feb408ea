//! `tessera localnet`.

mod airdrop;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use solana_signer::Signer;

use crate::{
    network::{self, Network, Node, Plan, SLOT_TIME, SOL, TOKEN},
    output::line,
};

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Give a wallet SOL and tokens of the market, in a local network that runs
    Airdrop(airdrop::Args),
}

/// What runs.
#[derive(clap::Args, Debug)]
struct NetworkArgs {
    /// Directory that keeps ledger, keys, blobs and logs over restarts
    #[arg(long, default_value = DIR)]
    dir: PathBuf,
    /// The program as built by scripts/build-program [default: that of this checkout]
    #[arg(long, value_name = "FILE", env = "TESSERA_PROGRAM")]
    program: Option<PathBuf>,
    /// Port for JSON-RPC
    #[arg(long, default_value_t = 8899)]
    rpc_port: u16,
    /// Port for WebSocket subscriptions
    #[arg(long, default_value_t = 8900)]
    ws_port: u16,
    /// Port of the store
    #[arg(long, default_value_t = 8910)]
    store_port: u16,
    /// Funded keys to have ready for providers
    #[arg(long, default_value_t = 3)]
    providers: u16,
    /// Begin anew; keys are kept
    #[arg(long)]
    reset: bool,
    /// Keep the ledger in memory: faster, and gone when it stops
    #[arg(long, conflicts_with = "node")]
    in_memory: bool,
    /// Milliseconds from slot to slot: a job takes some tens of slots, whatever it computes
    #[arg(long, value_name = "MS", default_value_t = SLOT_TIME, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    slot_time: u64,
    /// Use a node that is running already, given as its JSON-RPC and WebSocket URLs; it must give airdrops
    #[arg(long, value_name = "RPC_URL,WS_URL", value_parser = node_urls)]
    node: Option<(String, String)>,
}

/// Where a network lies if nothing else is said.
const DIR: &str = ".tessera-localnet";
/// The file in it that points other tools at the network.
const ENVIRONMENT: &str = "env";

fn node_urls(text: &str) -> Result<(String, String), String> {
    let (rpc, ws) = text.split_once(',').ok_or("expected two URLs with a comma between them")?;
    Ok((rpc.to_owned(), ws.to_owned()))
}

pub async fn run(args: Args) -> Result<()> {
    match args.command {
        Some(Command::Airdrop(args)) => airdrop::run(args).await,
        None => start(args.network).await,
    }
}

async fn start(args: NetworkArgs) -> Result<()> {
    fs::create_dir_all(&args.dir).with_context(|| format!("cannot create {}", args.dir.display()))?;
    // Other tools are told these paths, and may be started from anywhere.
    let dir = args.dir.canonicalize().with_context(|| format!("cannot use {}", args.dir.display()))?;
    let ports = (args.rpc_port, args.ws_port);
    let plan = Plan {
        dir,
        program: network::program(args.program)?,
        store: SocketAddr::from((Ipv4Addr::LOCALHOST, args.store_port)),
        node: match args.node {
            Some((rpc_url, ws_url)) => Node::Running { rpc_url, ws_url },
            None if args.in_memory => Node::InMemory { ports },
            None => Node::OnDisk { ports },
        },
        slot_time: args.slot_time,
        // What lies here of a ledger in memory is of one that is gone.
        reset: args.reset || args.in_memory,
    };
    let mut say = |text| eprintln!("localnet: {text}");
    let (network, mut services) = tokio::select! {
        started = Network::start(&plan, &mut say) => started?,
        asked = super::asked_to_stop() => return asked,
    };
    let wallet = plan.keys().join("client.json");
    network.fund(&network::key(&wallet)?.pubkey(), 100 * SOL, 100_000 * TOKEN).await?;
    for i in 1..=args.providers {
        let key = network::key(&plan.keys().join(format!("provider-{i}.json")))?;
        network.fund(&key.pubkey(), 10 * SOL, 1_000 * TOKEN).await?;
    }
    let environment = format!(
        "export TESSERA_URL={}\nexport TESSERA_WS={}\nexport TESSERA_MARKET={}\nexport TESSERA_STORE={}\nexport TESSERA_KEYPAIR={}\n",
        network.rpc_url,
        network.ws_url,
        network.market.address,
        network.store_url,
        wallet.display()
    );
    let file = plan.dir.join(ENVIRONMENT);
    fs::write(&file, &environment).with_context(|| format!("cannot write {}", file.display()))?;
    line(&format!(
        "The network runs. In another terminal, point the tools at it with\n\n  source {}\n\nwhich says\n\n{environment}\n\
         Funded keys of providers: {}\nA wallet of your own is funded by `tessera localnet airdrop ADDRESS`.\nLogs: {}\nCtrl-C stops it; started again, it goes on where it was.",
        file.display(),
        plan.keys().join("provider-*.json").display(),
        plan.logs().display()
    ))?;
    tokio::select! {
        asked = super::asked_to_stop() => {
            eprintln!("localnet: stopping");
            services.stop().await?;
            asked
        }
        error = services.failed() => Err(error),
    }
}
