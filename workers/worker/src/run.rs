//! `tessera-worker run`.

mod chain;
mod claimer;
mod compute;
mod context;
mod engine;
mod inspection;
mod jobs;
mod observe;
mod orphans;
mod outbox;
pub mod report;
mod sealing;
mod seeding;
mod sender;
mod steps;

use std::sync::Arc;

use anyhow::Result;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::config::Config;
use context::Context;
use engine::{Engine, unix_now};
use jobs::Jobs;

/// Entries done with are kept for so long, keys and nonces included.
const KEEP_SECONDS: i64 = 30 * 86_400;

/// Works until a signal says stop. `adopt_orphans`: take over seats of this provider that the journal does not know.
///
/// # Errors
/// If the worker cannot start, or its journal fails.
pub async fn run(config: Config, adopt_orphans: bool) -> Result<()> {
    let context = Arc::new(Context::open(config).await?);
    let pruned = context.journal.prune(unix_now() - KEEP_SECONDS)?;
    tracing::info!(
        market = %context.market, provider = %context.me.provider, operator = %context.me.operator, pruned, "worker starts"
    );
    if let Some(obstacle) = context.standing().obstacle {
        tracing::warn!(%obstacle, "nothing can be claimed");
    }
    let (wake, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let jobs = Jobs::new(Arc::clone(&context), Arc::clone(&wake));
    let mut engine = Engine::new(Arc::clone(&context), jobs.clone())?;
    if adopt_orphans {
        engine.adopt(orphans::find(&context).await?);
    }
    let following = tokio::spawn(jobs.follow());
    let signals = tokio::spawn(listen(Arc::clone(&stop))?);
    let counts = engine.run(wake, stop).await;
    following.abort();
    signals.abort();
    let counts = counts?;
    tracing::info!(paid = counts.paid, pay = counts.pay, gone = counts.gone, "worker has stopped");
    Ok(())
}

/// Turns SIGTERM and SIGINT into notifications.
fn listen(stop: Arc<Notify>) -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = term.recv() => {}
                Some(()) = int.recv() => {}
                else => return,
            }
            stop.notify_one();
        }
    })
}
