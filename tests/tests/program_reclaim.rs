//! Random histories of a market, left off where they are: nobody works any more. By what the SDK says is due, and by nothing else,
//! every client and provider gets back all that is theirs, and a refund is within what was said.

use std::collections::BTreeMap;

use anchor_lang::prelude::Pubkey;
use solana_account::ReadableAccount;
use tessera_sdk::{Account, Decode, Holdings, Job, JobHolding, Lease, Moment, accounts};
use tessera_tests::{
    history::{beginning, leave_off},
    world::{self, World},
};

/// How many histories.
const HISTORIES: u64 = 150;
/// More rounds than the end of any of them takes.
const ROUNDS: usize = 400;
/// Seconds to wait where a hash that was not read in time is replaced by another.
const SEED: i64 = 20;

fn read<T: Decode>(world: &World, address: Pubkey) -> Option<T> {
    let account = world.account(address).filter(|account| *account.owner() == tessera_sdk::ID)?;
    Some(T::decode(address, account.data()).unwrap())
}

fn leases(world: &World, job: &world::Job) -> Vec<Lease> {
    (0..job.leases).filter_map(|index| read(world, job.lease(index))).collect()
}

/// What `Tessera::holdings` finds on a cluster.
fn holdings(world: &World, jobs: &[world::Job], wallet: Pubkey) -> Holdings {
    let market: Account<accounts::Market> = read(world, world.market).unwrap();
    let (mut mine, mut paid) = (vec![], vec![]);
    for job in jobs {
        let (found, leases) = (read::<Job>(world, job.address), leases(world, job));
        match found {
            Some(found) if job.client.wallet == wallet => mine.push(JobHolding {
                job: found,
                leases,
                escrow: world.tokens(job.escrow),
                rent: world.lamports(job.address) + world.lamports(job.escrow),
            }),
            found => {
                let pays = |lease: &Lease| lease.payer == wallet || lease.seats.iter().any(|seat| seat.payer == wallet);
                paid.extend(leases.into_iter().filter(pays).map(|lease| (lease, found.clone())));
            }
        }
    }
    let mut providers: Vec<Account<accounts::Provider>> =
        world.providers.iter().filter_map(|provider| read(world, provider.address)).collect();
    providers.retain(|provider| provider.authority == wallet || provider.operator == wallet);
    Holdings {
        jobs: mine,
        providers,
        leases: paid,
        markets: BTreeMap::from([(market.address, market)]),
        ..Holdings::default()
    }
}

fn now(world: &World) -> Moment {
    Moment { slot: world.slot(), time: world.now() }
}

/// Does what is due to a wallet; each claim must be taken. Returns when more will be due.
fn reclaim(world: &mut World, jobs: &[world::Job], wallet: Pubkey, seed: u64) -> Option<i64> {
    let held = holdings(world, jobs, wallet);
    let (claims, pending) = held.due(&wallet, now(world));
    for claim in claims {
        if let Err(failed) = world.send(&claim.instructions) {
            panic!("history {seed}: {claim:?}: {:?}\n{}", failed.err, failed.meta.logs.join("\n"));
        }
    }
    pending.into_iter().filter_map(|pending| pending.at).min()
}

/// Bounds of a refund.
fn bounds(world: &World, job: &world::Job) -> Option<(u64, u64)> {
    let found: Job = read(world, job.address)?;
    Some((found.least_refund(&leases(world, job)).unwrap(), found.refund().unwrap()))
}

fn play(seed: u64) {
    let (world, model) = beginning();
    let (mut world, jobs) = leave_off(world, model, seed).unwrap();
    let first: Vec<_> = jobs.iter().map(|job| bounds(&world, job)).collect();
    let clients: Vec<Pubkey> = world.clients.iter().map(|client| client.wallet).collect();
    let keys: Vec<Pubkey> =
        world.providers.iter().flat_map(|provider| [provider.authority, provider.operator]).collect();
    for _ in 0..ROUNDS {
        let mut next = vec![];
        for wallet in clients.iter().chain(&keys) {
            let before: Vec<_> =
                jobs.iter().map(|job| (read::<Job>(&world, job.address), world.tokens(job.escrow))).collect();
            let tokens: Vec<u64> = world.clients.iter().map(|client| world.tokens(client.tokens)).collect();
            next.extend(reclaim(&mut world, &jobs, *wallet, seed));
            let mut refunds = vec![0; tokens.len()];
            for (i, (job, (found, escrow))) in jobs.iter().zip(before).enumerate() {
                let Some(found) = found.filter(|_| !world.exists(job.address)) else { continue };
                let refund = found.refund().unwrap();
                let (least, most) = first[i].expect("the job was there");
                assert!((least..=most).contains(&refund), "history {seed}: {refund} is not in {least}..={most}");
                // With what strangers have put there.
                let of = world.clients.iter().position(|client| client.wallet == job.client.wallet).unwrap();
                refunds[of] += refund + (escrow - (found.deposited - found.paid));
            }
            for (client, (before, refund)) in world.clients.iter().zip(tokens.iter().zip(refunds)) {
                assert_eq!(world.tokens(client.tokens), before + refund, "history {seed}");
            }
        }
        let left = jobs.iter().any(|job| world.exists(job.address) || !leases(&world, job).is_empty());
        let owed = world.providers.iter().any(|provider| {
            let account: Account<accounts::Provider> = read(&world, provider.address).unwrap();
            account.earned > 0 || account.unstaking > 0 || account.locked > 0
        });
        if !left && !owed {
            assert_eq!(world.tokens_everywhere(), world.supply(), "history {seed}");
            return;
        }
        let seedless = jobs.iter().flat_map(|job| leases(&world, job)).any(|lease| lease.opened_at == 0);
        let wait = next.into_iter().min().map_or(1, |at| (at - world.now()).max(1));
        world.advance(if seedless { wait.min(SEED) } else { wait });
    }
    panic!("history {seed} does not come to its end");
}

#[test]
fn everybody_gets_back_what_is_theirs() {
    (0..HISTORIES).for_each(play);
}
