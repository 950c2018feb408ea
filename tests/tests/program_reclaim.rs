//! Random histories of a market, left off where they are: nobody works any more. By what the SDK says is due, and by nothing else,
//! every client and provider gets back all that is theirs, and a refund is within what was said.

use std::collections::BTreeMap;

use anchor_lang::prelude::Pubkey;
use solana_account::ReadableAccount;
use tessera_sdk::{Account, Decode, Holdings, Job, JobHolding, Lease, Moment, What, accounts};
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

/// Between what the refund of each job was said to be.
type Bounds = BTreeMap<Pubkey, (u64, u64)>;

/// Does what is due to a wallet, one claim after the other; each must be taken. Returns when more will be due.
fn reclaim(world: &mut World, jobs: &[world::Job], wallet: Pubkey, first: &Bounds, seed: u64) -> Option<i64> {
    for _ in 0..ROUNDS {
        let (claims, pending) = holdings(world, jobs, wallet).due(&wallet, now(world));
        // What was due to a lease may be different after another step of it.
        let Some(claim) = claims.into_iter().next() else {
            return pending.into_iter().filter_map(|pending| pending.at).min();
        };
        let closed = jobs.iter().find(|job| claim.what == What::Close && job.address == claim.about);
        let before = closed.map(|job| (read::<Job>(world, job.address).unwrap(), world.tokens(job.escrow)));
        let tokens: Vec<u64> = world.clients.iter().map(|client| world.tokens(client.tokens)).collect();
        if let Err(failed) = world.send(&claim.instructions) {
            panic!("history {seed}: {claim:?}: {:?}\n{}", failed.err, failed.meta.logs.join("\n"));
        }
        let refund = closed.zip(before).map(|(job, (found, escrow))| {
            let (refund, (least, most)) = (found.refund().unwrap(), first[&job.address]);
            assert!((least..=most).contains(&refund), "history {seed}: {refund} is not in {least}..={most}");
            // With what strangers have put there, and awards that nobody has fetched.
            (job.client.tokens, refund + escrow - (found.deposited - found.paid))
        });
        for (client, before) in world.clients.iter().zip(tokens) {
            let back = refund.filter(|(tokens, _)| *tokens == client.tokens).map_or(0, |(_, back)| back);
            assert_eq!(world.tokens(client.tokens), before + back, "history {seed}: {claim:?}");
        }
    }
    panic!("history {seed}: there is no end to what is due");
}

/// Bounds of a refund.
fn bounds(world: &World, job: &world::Job) -> Option<(u64, u64)> {
    let found: Job = read(world, job.address)?;
    Some((found.least_refund(&leases(world, job)).unwrap(), found.refund().unwrap()))
}

fn play(seed: u64) {
    let (world, model) = beginning();
    let (mut world, jobs) = leave_off(world, model, seed).unwrap();
    let first: Bounds = jobs.iter().filter_map(|job| Some((job.address, bounds(&world, job)?))).collect();
    let clients: Vec<Pubkey> = world.clients.iter().map(|client| client.wallet).collect();
    let keys: Vec<Pubkey> =
        world.providers.iter().flat_map(|provider| [provider.authority, provider.operator]).collect();
    for _ in 0..ROUNDS {
        let mut next = vec![];
        for wallet in clients.iter().chain(&keys) {
            next.extend(reclaim(&mut world, &jobs, *wallet, &first, seed));
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
