//! One module per command.

pub mod demo;
pub mod denoise;
pub mod embed;
pub mod estimate;
pub mod generate;
pub mod job;
pub mod localnet;
pub mod market;
pub mod module;
pub mod provider;
pub mod reclaim;
pub mod render;
pub mod run;
pub mod score;
pub mod shard;
pub mod shell;
pub mod simulate;
pub mod store;
pub mod texts;
pub mod train;
pub mod verify;
pub mod wallet;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl-C or a request to terminate.
pub async fn asked_to_stop() -> Result<()> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Does some work, unless this program is asked to stop, which `stopped` then says.
pub async fn unless_stopped<T>(work: impl Future<Output = Result<T>>, stopped: &str) -> Result<T> {
    let watch = tokio::spawn(stop_waiting(stopped.to_owned()));
    let ended = tokio::select! {
        done = work => done,
        asked = asked_to_stop() => asked.and_then(|()| bail!("{stopped}")),
    };
    watch.abort();
    ended
}

/// Ends this program when it is asked to stop while it waits for somebody to press a button: nothing else gets to hear of it then.
async fn stop_waiting(stopped: String) {
    if asked_to_stop().await.is_ok() && tessera_wallet::is_waiting() {
        eprintln!("error: {stopped}");
        std::process::exit(1);
    }
}
