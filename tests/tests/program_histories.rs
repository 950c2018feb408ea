//! Random histories of a market on the built program, with wrong signers, wrong accounts and jumps of the clock. After
//! every instruction the chain must be as the model says and the invariants of docs/protocol.md must hold; at the end of
//! every history everything is brought to its end and every token and lamport is counted.
//!
//! `TESSERA_SEQUENCES` sets how many histories run; `TESSERA_SEED` runs a single one again.

use std::sync::atomic::{AtomicU64, Ordering};

use tessera_tests::{history, model::Model, terms::MarketTerms, world::World};

const TOKENS: u64 = 100_000;
const STAKE: u64 = 5_000;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a number")))
}

/// The beginning of all histories, on the chain and in the model.
fn beginning() -> (World, Model) {
    let terms = MarketTerms {
        fee_bps: 250,
        treasury_bps: 3_333,
        min_stake: 1_000,
        max_open_leases: 5,
        unstake_seconds: 10,
        reveal_seconds: 10,
        grace_seconds: 10,
    };
    let world = World::with(|b| {
        (b.terms, b.providers, b.clients, b.tokens, b.stake) = (terms, 4, 2, TOKENS, STAKE);
        b.verify_signatures = false;
    });
    let model = Model::new(world.now(), terms, 4, 2, TOKENS, STAKE);
    (world, model)
}

#[test]
fn random_histories_follow_the_model() {
    if let Some(seed) = setting("TESSERA_SEED") {
        let (world, model) = beginning();
        history::run(world, model, seed).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let sequences = setting("TESSERA_SEQUENCES").unwrap_or(2_000);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let failure = std::thread::scope(|scope| {
        let work = || -> Result<(), String> {
            let (world, model) = beginning();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= sequences {
                    return Ok(());
                }
                history::run(world.clone(), model.clone(), seed).inspect_err(|_| {
                    // The other threads may stop as well.
                    next.store(sequences, Ordering::Relaxed);
                })?;
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().find_map(|thread| thread.join().expect("a thread of the test").err())
    });
    if let Some(failure) = failure {
        panic!("{failure}\nrun it again with TESSERA_SEED=<the seed above>");
    }
}
