//! `tessera-worker status`.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use solana_signer::Signer;
use tessera_sdk::{Tessera, endpoint_name};
use tokio::time::timeout;

use super::amount;
use crate::{
    config::Config,
    health::{self, Quarantine},
    hint,
    proof::Proof,
    run::report::{self, Report, ReputationReport},
};

/// How long nothing is said while the cluster does not answer.
const SILENCE: Duration = Duration::from_secs(3);

/// What `status` shows.
#[derive(Debug, Serialize)]
struct Status {
    market: String,
    provider: String,
    authority: String,
    operator: String,
    operator_lamports: u64,
    decimals: u8,
    stake: u64,
    min_stake: u64,
    unstaking: u64,
    unstake_at: i64,
    earned: u64,
    total_earned: u64,
    open_leases: u32,
    leases_settled: u64,
    units_settled: u64,
    reputation: ReputationReport,
    proof: Proof,
    locked: u64,
    lost: u64,
    slashed: u64,
    to_burn: u64,
    running: bool,
    quarantine: Quarantine,
    /// Which private jobs are taken.
    private: Vec<String>,
    worker: Option<Report>,
}

/// Shows provider and worker.
///
/// # Errors
/// If the chain cannot be read or the provider is not registered.
pub async fn run(config: &Config, json: bool) -> Result<()> {
    let cluster = config.cluster();
    let silent = format!(
        "no answer from {} yet: it is asked for {} s at most; {} says what else there is",
        cluster.rpc_urls.iter().map(|url| endpoint_name(url)).collect::<Vec<_>>().join(", "),
        cluster.patience.as_secs(),
        hint::command("top")
    );
    let status = told(look(config), || eprintln!("{silent}")).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        show(&status);
    }
    Ok(())
}

/// Does something, and says if it takes long.
async fn told<T>(work: impl Future<Output = T>, say: impl FnOnce()) -> T {
    let mut work = std::pin::pin!(work);
    match timeout(SILENCE, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            say();
            work.await
        }
    }
}

async fn look(config: &Config) -> Result<Status> {
    let tessera = Tessera::connect(config.cluster()).await?;
    let market = super::market(&tessera, &config.cluster.market).await?;
    let provider = super::provider(&tessera, config).await?;
    let operator = config.operator()?.pubkey();
    let worker = report::read(&config.data.directory);
    Ok(Status {
        market: config.cluster.market.to_string(),
        provider: provider.address.to_string(),
        authority: provider.authority.to_string(),
        operator: operator.to_string(),
        operator_lamports: tessera.balance(&operator).await?,
        decimals: tessera.mint(&market.mint).await?.decimals,
        stake: provider.stake,
        min_stake: market.params.min_stake,
        unstaking: provider.unstaking,
        unstake_at: provider.unstake_at,
        earned: provider.earned,
        total_earned: provider.total_earned,
        open_leases: provider.open_leases,
        leases_settled: provider.leases_settled,
        units_settled: provider.units_settled,
        reputation: ReputationReport::new(&provider.reputation(), tessera.clock().await?.time),
        proof: Proof::of(&provider, &market),
        locked: provider.locked,
        lost: provider.lost,
        slashed: provider.slashed,
        to_burn: provider.to_burn,
        running: worker.as_ref().is_some_and(Report::is_fresh),
        quarantine: health::read_from(&config.data.directory).unwrap_or_default(),
        private: config.private.describe(),
        worker,
    })
}

fn show(status: &Status) {
    let tokens = |units| amount::format(units, status.decimals);
    println!("market      {}", status.market);
    println!("provider    {}", status.provider);
    println!("authority   {}", status.authority);
    println!("operator    {}  ({} SOL)", status.operator, amount::format(status.operator_lamports, 9));
    println!("stake       {} (the market asks for {})", tokens(status.stake), tokens(status.min_stake));
    println!("locked      {} of it by open leases", tokens(status.locked));
    println!("lost        {} bonds, {} locks", tokens(status.lost), tokens(status.slashed));
    if status.unstaking > 0 {
        println!("unstaking   {} from Unix time {}", tokens(status.unstaking), status.unstake_at);
    }
    println!("earned      {} to withdraw, {} ever", tokens(status.earned), tokens(status.total_earned));
    println!("settled     {} leases, {} units", status.leases_settled, status.units_settled);
    println!("reputation  {}", status.reputation);
    println!("proof       {}", status.proof.describe(report::unix_now()));
    println!("open        {} leases", status.open_leases);
    for (id, device) in &status.quarantine {
        let state = if device.on_trial { "about to be tested" } else { "in quarantine" };
        println!("device      {} {id} is {state}: {}", device.name, device.reason);
    }
    status.private.iter().for_each(|allowed| println!("private     {allowed}"));
    match &status.worker {
        Some(worker) if status.running => {
            println!(
                "worker      {}, process {}, {} of {} jobs can be taken",
                worker.mood, worker.pid, worker.jobs.1, worker.jobs.0
            );
            if let Some(obstacle) = &worker.obstacle {
                println!("            {obstacle}");
            }
            for (_, reason) in &worker.devices.pauses {
                println!("            claiming pauses: {reason}");
            }
            if !worker.devices.unlocked.is_empty() {
                println!("            not locked in: {}", worker.devices.unlocked.join("; "));
            }
            let counts = &worker.counts;
            println!(
                "            {} leases paid {} since it started, {} of them as audits, {} in disputes",
                counts.paid,
                tokens(counts.pay),
                counts.audits,
                counts.disputes
            );
            if counts.flawed > 0 {
                println!("            {} times others in the same leases withheld outputs, see the log", counts.flawed);
            }
            for training in &worker.trainings {
                let error = training.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
                println!(
                    "training    {}: {}; rounds: {} summed, {} without this machine, {} void{error}",
                    training.name, training.state, training.summed, training.dropped, training.void
                );
            }
            for endpoint in worker.endpoints.iter().filter(|endpoint| !endpoint.is_ready()) {
                println!("endpoint    {endpoint}");
            }
            for lease in &worker.leases {
                println!(
                    "  {:<10} {:<7} {}/{}  {}",
                    lease.phase,
                    lease.kind,
                    lease.job,
                    lease.index,
                    tokens(lease.pay)
                );
            }
        }
        _ => println!("worker      not running"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_is_silent_is_told_of() {
        for (seconds, expected) in [(1, 0), (60, 1)] {
            let mut told_of = 0;
            let work = tokio::time::sleep(Duration::from_secs(seconds));
            told(work, || told_of += 1).await;
            assert_eq!(told_of, expected, "{seconds} s");
        }
    }
}
