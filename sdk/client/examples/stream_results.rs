//! Follows a job of which nothing is known but the address, and hands on its outputs while others are still computed.
//!
//! ```sh
//! source .tessera-localnet/env
//! cargo run -p tessera-sdk --example stream_results -- JOB
//! ```

use std::{collections::HashSet, error::Error};

use solana_pubkey::Pubkey;
use tessera_sdk::{Collected, Config, LeaseOutput, Tessera};

/// Calls `take` with the outputs of each lease as soon as they are paid for, in any order.
pub async fn run(
    tessera: &Tessera,
    job: &Pubkey,
    mut take: impl FnMut(LeaseOutput),
) -> Result<Collected, Box<dyn Error + Send + Sync>> {
    // The job names its store, whose address a stranger has written: give one of your own where that matters.
    let (spec, store) = tessera.job_spec(job, None).await?;
    let done = HashSet::new();
    let collected = tessera.collect(job, &spec, &store, &done, |lease| {
        take(lease);
        Ok(())
    });
    Ok(collected.await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = std::env::var("TESSERA_URL").map_err(|_| "set TESSERA_URL, as `tessera localnet` says")?;
    let job = std::env::args().nth(1).ok_or("which job? give its address")?.parse()?;
    let tessera = Tessera::connect(Config::new(url)).await?;
    let collected = run(&tessera, &job, |lease| {
        for (unit, output) in lease.units() {
            println!("unit {unit}: {} bytes by provider {}", output.len(), lease.provider);
        }
    });
    println!("{} units are there", collected.await?.units);
    Ok(())
}
