//! `tessera store`.

use anyhow::{Context as _, Result};
use tessera_store::{
    cli::{GRACE, Serve},
    server::serve,
};

use crate::{options::Options, output::line};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Serve blobs over HTTP to everybody, and take them from the market's clients and providers
    Serve(Serve),
}

pub async fn run(options: &Options, command: Command) -> Result<()> {
    let Command::Serve(args) = command;
    let tessera = options.connect().await?;
    let market = options.market(&tessera).await?;
    let mut running = serve(args.config(market.address), tessera).await.context("cannot serve")?;
    line(&format!("store for market {} at http://{}", market.address, running.address()))?;
    tokio::select! {
        ended = running.wait() => ended.context("the store failed"),
        asked = super::asked_to_stop() => {
            asked?;
            Ok(running.shutdown(GRACE).await?)
        }
    }
}
