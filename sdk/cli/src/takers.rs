//! What is known of who could take a job that nobody takes.

use std::time::Duration;

use solana_pubkey::Pubkey;
use tessera_migrate::amount::tokens;
use tessera_protocol::{bonds, routing, routing::Refusal, verdict::Kind};
use tessera_sdk::{Account, Error, Job, JobFilter, Tessera, accounts, types::MarketParams};
use tokio::time::sleep;

use crate::hint;

/// For how long nobody has taken anything when somebody is told, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(5);

/// Providers of a market, by why they cannot take a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Takers {
    all: usize,
    /// As far as the chain knows, these can.
    can: usize,
    /// The job's lists leave them out.
    listed: usize,
    /// Too little memory shown, or another class or region.
    machine: usize,
    /// Less stake or score than market or job ask for.
    standing: usize,
    /// Less stake than one seat locks, whatever else they have in hand.
    poor: usize,
    /// They hold all the seats that their stake or the market allows.
    busy: usize,
}

/// Tells, on standard error, if nobody takes a lease of a job for a while, and when somebody does after that. Runs for ever.
pub async fn watch(tessera: &Tessera, market: &Account<accounts::Market>, job: &Pubkey, decimals: u8) {
    sleep(PATIENCE).await;
    let mut told = false;
    loop {
        // An endpoint that does not answer now is asked again.
        match look(tessera, market, job, decimals, told).await {
            Ok(Some(text)) => {
                eprintln!("{text}");
                if told {
                    return std::future::pending().await;
                }
                told = true;
            }
            Ok(None) if !told => return std::future::pending().await,
            Ok(None) | Err(_) => {}
        }
        sleep(LOOK).await;
    }
}

/// What is to be told: that nobody has come, or, if that was `told`, that somebody has.
async fn look(
    tessera: &Tessera,
    market: &Account<accounts::Market>,
    address: &Pubkey,
    decimals: u8,
    told: bool,
) -> Result<Option<String>, Error> {
    let job = tessera.job(address).await?.filter(|job| job.is_open() && job.settled_leases == 0);
    let Some(job) = job else { return Ok(None) };
    match (tessera.job_leases(address).await?.is_empty(), told) {
        (true, true) | (false, false) => return Ok(None),
        (false, true) => return Ok(Some(format!("job {address}: somebody has taken a lease now"))),
        (true, false) => {}
    }
    let now = tessera.clock().await?.time;
    let takers = count(&job, &market.params, &tessera.providers(&market.address).await?, now);
    let others = tessera.jobs(&market.address, JobFilter::Open).await?;
    let others = others.iter().filter(|other| other.address != job.address && !other.is_complete());
    Ok(Some(text(&job, &takers, others.map(|job| job.price_per_unit).collect(), decimals)))
}

/// Sorts the providers of a job's market at `now`, in Unix seconds.
fn count(job: &Job, params: &MarketParams, providers: &[Account<accounts::Provider>], now: i64) -> Takers {
    let mut takers = Takers { all: providers.len(), ..Takers::default() };
    let pay = job.price_per_unit.saturating_mul(job.units_per_lease.into());
    let lock = bonds::lock(job.lock_multiple, job.expiry_bond_bps, pay).unwrap_or(u64::MAX);
    for provider in providers {
        let (has, standing) = (provider.qualities(params.proof_seconds, now), provider.standing(now));
        let locks = |locked| bonds::may_lock(provider.stake, locked, lock, Kind::Base);
        let qualified = routing::qualified(&has, &standing, &job.requirements(), &job.threshold());
        *match qualified {
            _ if !job.lists(&provider.address) => &mut takers.listed,
            Err(Refusal::Capabilities) => &mut takers.machine,
            Err(_) => &mut takers.standing,
            Ok(()) if provider.stake < params.min_stake => &mut takers.standing,
            Ok(()) if !locks(0) => &mut takers.poor,
            Ok(()) if !locks(provider.locked) || provider.open_leases >= params.max_open_leases => &mut takers.busy,
            Ok(()) => &mut takers.can,
        } += 1;
    }
    takers
}

/// What it comes to, with what to do about it. `others` are the prices of other open jobs.
fn text(job: &Job, takers: &Takers, mut others: Vec<u64>, decimals: u8) -> String {
    let Takers { all, can, listed, machine, standing, poor, busy } = *takers;
    let address = &job.address;
    let shown = |amount| tokens(amount, decimals);
    let mut said = format!("job {address}: nobody has taken a lease for {} s. ", PATIENCE.as_secs());
    if all == 0 {
        return said + "No provider is registered in this market: nobody can take it";
    }
    let noun = if all == 1 { "provider" } else { "providers" };
    said += &format!("Of {all} {noun} in the market {can} could take one, as far as the chain knows");
    let why = [
        (listed, "left out by --allow or --deny"),
        (machine, "with too little memory shown, or of another class or region"),
        (standing, "with too little stake or score"),
        (poor, "with less stake than one lease locks (lower --price or --units-per-lease)"),
        (busy, "with all hands full"),
    ];
    let why: Vec<String> =
        why.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    if !why.is_empty() {
        said += &format!("; {}", why.join(", "));
    }
    if can < usize::from(job.replicas) {
        said += &format!("; each lease needs {}", job.replicas);
    }
    if can == 0 {
        return said + &format!(". See {}", hint::command("provider list"));
    }
    others.sort_unstable();
    let price = shown(job.price_per_unit);
    said += &match (others.first(), others.last()) {
        (Some(least), Some(most)) => format!(
            ". The price is {price} tokens a unit; {} other open jobs offer {} to {}",
            others.len(),
            shown(*least),
            shown(*most)
        ),
        _ => format!(". The price is {price} tokens a unit, and no other job is open to compare with"),
    };
    let (list, raise) = (hint::command("provider list"), hint::command(&format!("job raise {address} --price TOKENS")));
    said + &format!(
        ". Whether their workers run, and from what price on they take work, the chain does not know: see {list}, or raise the price: {raise}"
    )
}

#[cfg(test)]
mod tests {
    use tessera_migrate::MarketSettings;
    use tessera_protocol::state::JobState;

    use super::*;

    fn key(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    /// A job of leases that pay 10 and lock 20.
    fn job() -> Job {
        let mut data: Box<accounts::Job> = Box::new(bytemuck::Zeroable::zeroed());
        (data.price_per_unit, data.units_per_lease, data.replicas, data.lock_multiple) = (5, 2, 2, 2);
        (data.memory_mib, data.class, data.min_stake) = (100, 0, 50);
        let (allowed, denied) = (vec![], vec![key(1)]);
        Job { address: key(9), data, state: JobState::Open, bitmap: vec![], allowed, denied }
    }

    fn provider(byte: u8, stake: u64, memory_mib: u32) -> Account<accounts::Provider> {
        let mut data: accounts::Provider = bytemuck::Zeroable::zeroed();
        (data.stake, data.memory_mib) = (stake, memory_mib);
        Account { address: key(byte), data }
    }

    fn params() -> MarketParams {
        let params = MarketSettings::localnet().unwrap().params(8).unwrap();
        MarketParams { min_stake: 10, max_open_leases: 3, proof_seconds: 0, ..params }
    }

    #[test]
    fn providers_are_sorted_by_what_they_lack() {
        let mut busy = provider(6, 100, 100);
        busy.data.locked = 60;
        let mut full = provider(7, 100, 100);
        full.data.open_leases = 3;
        let providers = [
            provider(1, 100, 100),
            provider(2, 100, 99),
            provider(3, 49, 100),
            provider(4, 100, 100),
            provider(5, 100, 200),
            busy,
            full,
        ];
        let found = count(&job(), &params(), &providers, 0);
        let expected = Takers { all: 7, can: 2, listed: 1, machine: 1, standing: 1, poor: 0, busy: 2 };
        assert_eq!(found, expected);
        let mut dear = job();
        dear.data.price_per_unit = 20;
        assert_eq!(count(&dear, &params(), &providers, 0).poor, 4, "a lease locks 80, of which 75 may be locked");
    }

    #[test]
    fn it_is_said_once_what_to_look_at() {
        let takers = Takers { all: 3, can: 1, machine: 2, ..Takers::default() };
        let said = text(&job(), &takers, vec![9, 7], 0);
        for words in
            ["Of 3 providers", "1 could", "2 with too little memory", "each lease needs 2", "5 tokens", "7 to 9"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.contains("`tessera job raise"), "{said}");
        let said = text(&job(), &Takers { can: 0, ..takers }, vec![], 0);
        assert!(said.contains("`tessera provider list`") && !said.contains("raise"), "{said}");
        assert!(text(&job(), &Takers::default(), vec![], 0).contains("No provider is registered"));
    }
}
