//! Writes every event of the jobs of a market into a database, across restarts, each once.
//!
//! ```sh
//! source .tessera-localnet/env
//! cargo run -p tessera-sdk --example events_to_database -- events.redb
//! ```

use std::{collections::HashSet, error::Error, future::Future, path::Path};

use futures_util::{StreamExt, stream::SelectAll};
use redb::{Database, TableDefinition};
use solana_pubkey::Pubkey;
use tessera_sdk::{Config, JobUpdate, MarketUpdate, Recorded, Tessera};

/// What happened: by slot and signature, and by the event's name and its fields as text.
pub const EVENTS: TableDefinition<(u64, &str, &str), &str> = TableDefinition::new("events");

/// Follows the jobs of a market until `end` resolves, and tells of each event when it is written; jobs that are there already are
/// told of from their first event.
///
/// What was written before is told again after a restart, and falls on the same key: so nothing is lost and nothing is there twice.
pub async fn run(
    tessera: &Tessera,
    market: &Pubkey,
    file: &Path,
    mut told: impl FnMut(&Recorded),
    end: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let database = Database::create(file)?;
    let mut jobs = tessera.watch_market(market);
    let (mut known, mut updates) = (HashSet::new(), SelectAll::new());
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            update = jobs.next() => match update {
                // Each job has a stream of its own, which ends when the job is closed.
                Some(MarketUpdate::Job(job)) if known.insert(job.address) => updates.push(tessera.watch_job(&job.address)),
                Some(_) => {}
                None => return Ok(()),
            },
            Some(update) = updates.next() => if let JobUpdate::Event(recorded) = update {
                write(&database, &recorded)?;
                told(&recorded);
            },
        }
    }
}

fn write(database: &Database, recorded: &Recorded) -> Result<(), Box<dyn Error + Send + Sync>> {
    let Recorded { signature, slot, event } = recorded;
    let text = format!("{event:?}");
    let writing = database.begin_write()?;
    // Two events of one transaction differ in what they say.
    writing.open_table(EVENTS)?.insert((*slot, signature.to_string().as_str(), text.as_str()), event.name())?;
    writing.commit()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}, as `tessera localnet` says"));
    let tessera = Tessera::connect(Config::new(variable("TESSERA_URL")?)).await?;
    let file = std::env::args().nth(1).ok_or("into which file? give its name")?;
    let market = variable("TESSERA_MARKET")?.parse()?;
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let told = |recorded: &Recorded| println!("slot {}: {}", recorded.slot, recorded.event.name());
    run(&tessera, &market, file.as_ref(), told, interrupted).await
}
