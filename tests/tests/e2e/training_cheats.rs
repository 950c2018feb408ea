//! Who trains otherwise than the plan says is found out by whoever trains the same shard, and the weights become what they should.

use serde_json::Value;
use solana_pubkey::Pubkey;
use tessera_executor::Checks;
use tessera_sdk::{Account, Event, Tessera, accounts};

use crate::{
    faults::network,
    history::{count, settlements},
    network::Network,
    process::answer,
    training::{
        command, saved,
        support::{self, Folder, MLP, SGD, SMALL_CODE},
        weights,
    },
};

/// Shards of the plan, a lease each.
const SHARDS: usize = 3;

/// A way to cheat.
struct Cheat {
    fault: &'static str,
    rounds: usize,
    /// Leases in which it makes other bits: shard 0 is what is copied, and no weights of the first round are stale.
    lies: usize,
}

const CHEATS: [Cheat; 4] = [
    Cheat { fault: "skip-steps", rounds: 1, lies: SHARDS },
    Cheat { fault: "random-output", rounds: 1, lies: SHARDS + 1 },
    Cheat { fault: "copied-update", rounds: 1, lies: SHARDS - 1 },
    Cheat { fault: "stale-weights", rounds: 2, lies: SHARDS },
];

#[tokio::test(flavor = "multi_thread")]
async fn cheating_trainers_lose_their_locks() {
    let (network, _honest) = network(4, [1, 2, 3], &[]);
    let tessera = network.connect().await;
    for cheat in CHEATS {
        cheat.is_found_out(&network, &tessera).await;
    }
}

impl Cheat {
    /// Provider 4 cheats beside an honest one; others decide.
    async fn is_found_out(&self, network: &Network, tessera: &Tessera) {
        let Self { fault, rounds, lies } = *self;
        let folder = Folder::new();
        let text = support::plan(MLP, SGD, SMALL_CODE)
            .replace("rounds = 3", &format!("rounds = {rounds}"))
            .replace("every = 1", "every = 0");
        let mut here = folder.training(&text);
        let (plan, out) = (folder.path("plan.toml"), network.path(fault));
        let by = [1, 4].map(|n| network.provider(n).to_string()).join(",");
        let options = ["--replicas", "2", "--units-per-lease", "1", "--allow", &by];
        let mut worker = network.run_faulty_worker(4, fault);
        let before = cheater(network, tessera).await.faults as usize;
        let (good, made, said) = answer(&mut command(network, &plan, &out, &options));
        assert!(good, "{fault}: {said}");
        worker.assert_running();
        worker.stop();

        for _ in 0..rounds {
            support::round(&mut here, |_| (), Checks::NONE);
        }
        for (round, here) in made["rounds"].as_array().unwrap().iter().zip(here.history()) {
            let came = (round["updates"].as_u64(), round["loss"].as_f64().map(|loss| loss as f32));
            assert_eq!(came, (Some(SHARDS as u64), here.loss), "{fault}: round {}", here.round);
        }
        assert!(weights(&out) == saved(&here, network), "{fault}: other weights than those that are computed here");

        let address = network.provider(4);
        let (mut slashed, mut paid) = (0, 0);
        for job in jobs(&made) {
            assert!(tessera.ledger(&job).await.unwrap().balances(), "{fault}");
            let history = tessera.job_history(&job).await.unwrap();
            let by_it = count(&history, |event| matches!(event, Event::SeatSlashed(e) if e.provider == address));
            let by_all = count(&history, |event| matches!(event, Event::SeatSlashed(_)));
            assert_eq!(by_it, by_all, "{fault}: others lost a lock");
            slashed += by_it;
            paid += settlements(&history).iter().filter(|seat| seat.provider == address).count();
        }
        // One more lease in each round puts the updates together.
        assert_eq!((slashed, slashed + paid), (lies, rounds * (SHARDS + 1)), "{fault}");
        let found = cheater(network, tessera).await;
        assert!(found.slashed > 0 && found.faults as usize == before + lies, "{fault}");
    }
}

fn jobs(made: &Value) -> Vec<Pubkey> {
    made["jobs"].as_array().unwrap().iter().map(|job| job.as_str().unwrap().parse().unwrap()).collect()
}

async fn cheater(network: &Network, tessera: &Tessera) -> Account<accounts::Provider> {
    tessera.provider(&network.provider(4)).await.unwrap().unwrap()
}
