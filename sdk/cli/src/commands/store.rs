//! `tessera store`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use tessera_store::server::{ServeConfig, serve};

use crate::{options::Options, output::line};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Serve blobs over HTTP to everybody, and take them from the market's clients and providers
    Serve(Serve),
}

#[derive(clap::Args, Debug)]
pub struct Serve {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8910")]
    listen: SocketAddr,
    /// Where the blobs lie: a directory, or s3://, gs:// or az:// followed by bucket and path
    #[arg(long, default_value = "tessera-store")]
    location: String,
    /// Host, and port unless it is the scheme's own, under which the public reaches this store [default: as --listen]
    #[arg(long, value_name = "HOST[:PORT]")]
    public_host: Option<String>,
    /// Largest blob taken, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4_096)]
    max_blob: u64,
    /// What one key may put in a day, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 262_144)]
    quota: u64,
}

/// How long requests under way may go on when the store is stopped.
const GRACE: Duration = Duration::from_secs(10);

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let Command::Serve(args) = command;
    let tessera = options.connect().await?;
    let market = options.market(&tessera).await?;
    let mut config = ServeConfig::new(args.location, market.address);
    config.listen = args.listen;
    config.public_host = args.public_host.unwrap_or_default();
    config.max_blob_len = args.max_blob.saturating_mul(1 << 20);
    config.quota_per_key_per_day = args.quota.saturating_mul(1 << 20);
    let mut running = serve(config, tessera).await.context("cannot serve")?;
    line(&format!("store for market {} at http://{}", market.address, running.address()))?;
    tokio::select! {
        ended = running.wait() => ended.context("the store failed"),
        asked = super::asked_to_stop() => {
            asked?;
            Ok(running.shutdown(GRACE).await?)
        }
    }
}
