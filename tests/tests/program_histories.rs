//! Random histories of a market on the built program, with wrong signers, wrong accounts and jumps of the clock. After
//! every instruction the chain must be as the model says and the invariants of docs/protocol.md must hold; at the end of
//! every history everything is brought to its end and every token and lamport is counted.
//!
//! `TESSERA_SEQUENCES` sets how many histories run; `TESSERA_SEED` runs a single one again.

use std::sync::atomic::{AtomicU64, Ordering};

use tessera_tests::history::{self, Tally, beginning};

/// What histories must do, be refused, and bring about.
const EVERYWHERE: [&str; 94] = [
    "add_stake",
    "add_stake refused",
    "advance",
    "advance_lease",
    "advance_lease refused",
    "agreed",
    "answer_chunk",
    "answer_chunk refused",
    "audit",
    "audit called again",
    "audit of an audit",
    "burn_bonds",
    "burn_bonds refused",
    "cancel_job",
    "cancel_job refused",
    "claim_lease",
    "claim_lease refused",
    "close_job",
    "close_job refused",
    "close_lease",
    "close_lease refused",
    "commit_result",
    "commit_result refused",
    "confirmed",
    "demand_chunk",
    "demand_chunk refused",
    "departure Blameless",
    "departure Expired",
    "departure Silent",
    "departure Withheld",
    "dispute",
    "draw passed",
    "draw: the reserve pays",
    "draw: the seat pays",
    "draw_audit",
    "draw_audit refused",
    "drawn after all",
    "exhausted Audit",
    "exhausted Base",
    "exhausted Dispute",
    "expire_demand",
    "expire_demand refused",
    "expire_lease",
    "expire_lease refused",
    "give_to_escrow",
    "give_to_vault",
    "leap",
    "open_result",
    "open_result refused",
    "paid as asked",
    "paid for a vote",
    "paid for an audit",
    "paid in private",
    "paid with bonds",
    "pause",
    "pause refused",
    "post_job",
    "post_job refused",
    "reopened",
    "request_unstake",
    "request_unstake refused",
    "return_lease",
    "return_lease refused",
    "reveal_result",
    "reveal_result refused",
    "reveal_result with its key",
    "reveal_result with its key refused",
    "seed missed",
    "seed_job",
    "seed_job refused",
    "seed_lease",
    "seed_lease refused",
    "settle_lease",
    "settle_lease refused",
    "silenced",
    "silent in private",
    "slash_seat",
    "slash_seat refused",
    "slashed",
    "slashed for others",
    "top_up_job",
    "top_up_job refused",
    "undecided",
    "unpause",
    "unpause refused",
    "update_market",
    "void by vote",
    "withdraw_earnings",
    "withdraw_earnings refused",
    "withdraw_stake",
    "withdraw_stake refused",
    "withdraw_treasury",
    "withheld a chunk",
    "withheld in private",
];

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a number")))
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
    let work = || -> Result<Tally, String> {
        let (world, model) = beginning();
        let mut total = Tally::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= sequences {
                return Ok(total);
            }
            match history::run(world.clone(), model.clone(), seed) {
                Ok(tally) => tally.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count),
                Err(failure) => {
                    // The other threads may stop as well.
                    next.store(sequences, Ordering::Relaxed);
                    return Err(failure);
                }
            }
        }
    };
    let tally = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_fold(Tally::new(), |mut total, thread| {
            let tally = thread.join().expect("a thread of the test")?;
            tally.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count);
            Ok::<_, String>(total)
        })
    });
    let tally = tally.unwrap_or_else(|failure| panic!("{failure}\nrun it again with TESSERA_SEED=<the seed above>"));
    println!("{sequences} histories: {tally:#?}");
    if sequences >= 500 {
        let silent: Vec<_> = EVERYWHERE.iter().filter(|what| !tally.contains_key(**what)).collect();
        assert!(silent.is_empty(), "the histories never reached {silent:?}");
    }
}
