//! `tessera-worker run`.

mod chain;
mod claimer;
mod compute;
mod context;
mod engine;
mod inspection;
mod jobs;
mod monitor;
mod observe;
mod orphans;
mod outbox;
mod pace;
mod proving;
pub mod report;
mod sealing;
mod seeding;
mod sender;
mod steps;
mod supervisor;
mod trainings;

use std::{path::Path, sync::Arc};

use anyhow::Result;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use crate::config::{Change, Live};
use context::Context;
use engine::{Engine, unix_now};
use jobs::Jobs;

/// Entries done with are kept for so long, keys and nonces included.
const KEEP_SECONDS: i64 = 30 * 86_400;

/// Works with the configuration at `path` until a signal says stop. `adopt_orphans`: take over seats of this provider that the
/// journal does not know.
///
/// # Errors
/// If the worker cannot start, or its journal fails.
pub async fn run(path: &Path, adopt_orphans: bool) -> Result<()> {
    let context = Arc::new(Context::open(Live::read(path.to_owned())?).await?);
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
    if let Some(address) = context.config.monitor.listen {
        monitor::serve(address, engine.newest_report()).await?;
    }
    let signals = Signals::new()?;
    let following = tokio::spawn(jobs.clone().follow());
    let trainings = context.trainings.start(&context.operator, &context.tessera, &context.private);
    let signals = tokio::spawn(signals.listen(Arc::clone(&stop), Arc::clone(&context), jobs));
    supervisor::ready();
    let counts = engine.run(wake, stop).await;
    drop(trainings);
    following.abort();
    signals.abort();
    let counts = counts?;
    tracing::info!(paid = counts.paid, pay = counts.pay, gone = counts.gone, "worker has stopped");
    Ok(())
}

/// The signals that the worker obeys.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self { term: term?, int: int?, hup: hup? })
    }

    /// SIGTERM and SIGINT stop the worker, SIGHUP has it read its settings again.
    async fn listen(mut self, stop: Arc<Notify>, context: Arc<Context>, jobs: Jobs) {
        loop {
            tokio::select! {
                Some(()) = self.term.recv() => stop.notify_one(),
                Some(()) = self.int.recv() => stop.notify_one(),
                Some(()) = self.hup.recv() => reload(&context, &jobs),
                else => return,
            }
        }
    }
}

/// Reads the settings again.
fn reload(context: &Context, jobs: &Jobs) {
    match context.live.reload() {
        Err(error) => tracing::error!(
            error = format!("{error:#}"),
            "the configuration cannot be read again: the worker goes on with what it had"
        ),
        Ok(changes) => {
            for Change { name, from, to, needs_restart } in &changes {
                let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
                let (from, to) = (said(from), said(to));
                if *needs_restart {
                    tracing::warn!(setting = name, from, to, "setting has changed and counts only after a restart");
                } else {
                    tracing::info!(setting = name, from, to, "setting has changed");
                }
            }
            tracing::info!(changes = changes.len(), "configuration read again");
            if !changes.is_empty() {
                jobs.reconsider();
            }
        }
    }
}
