//! Who trains otherwise than the plan says is found out by whoever trains the same shard, and the weights become what they should.

use std::{fs::File, path::PathBuf, process::Command};

use serde_json::Value;
use tessera_executor::Checks;
use tessera_sdk::Event;

use crate::{
    faults::network,
    history::{count, settlements},
    process::Process,
    training::{
        PATIENCE, command, saved,
        support::{self, Folder, MLP, SGD, SMALL_CODE},
        weights,
    },
};

/// How a provider cheats, its number, and the number of leases that it cheats in at least: one for each shard, but that
/// shard 0 is what is copied, and that in the first round no weights are stale.
const CHEATS: [(&str, u16, usize); 4] =
    [("skip-steps", 4, 6), ("random-output", 5, 8), ("stale-weights", 6, 3), ("copied-update", 7, 4)];
/// Rounds of each training.
const ROUNDS: u32 = 2;

/// A training that a provider who cheats computes together with an honest one.
struct Training {
    out: PathBuf,
    answer: PathBuf,
    process: Process,
    cheater: Process,
}

#[tokio::test(flavor = "multi_thread")]
async fn cheating_trainers_lose_their_locks() {
    let (network, _honest) = network(7, [1, 2, 3], &[]);
    let folder = Folder::new();
    let text = support::plan(MLP, SGD, SMALL_CODE)
        .replace("rounds = 3", &format!("rounds = {ROUNDS}"))
        .replace("every = 1", "every = 0");
    let mut here = folder.training(&text);
    let plan = folder.path("plan.toml");
    // All at once: what takes long is waiting for windows.
    let start = |(fault, cheater, _): (&'static str, u16, usize)| {
        let (out, answer) = (network.path(fault), network.path(&format!("{fault}.json")));
        let by = [1, cheater].map(|n| network.provider(n).to_string()).join(",");
        let options = ["--replicas", "2", "--units-per-lease", "1", "--allow", &by];
        let mut command: Command = command(&network, &plan, &out, &options);
        command.stdout(File::create(&answer).unwrap());
        let process = Process::start_with_output(fault, command, &network.path(&format!("{fault}.log")));
        Training { out, answer, process, cheater: network.run_faulty_worker(cheater, fault) }
    };
    let trainings = CHEATS.map(start);
    for _ in 0..ROUNDS {
        support::round(&mut here, |_| (), Checks::NONE);
    }
    let expected = saved(&here, &network);

    let tessera = network.connect().await;
    for (mut training, (fault, cheater, least)) in trainings.into_iter().zip(CHEATS) {
        assert!(training.process.wait(PATIENCE).success(), "{fault}: {}", training.process.log());
        training.cheater.assert_running();
        assert!(weights(&training.out) == expected, "{fault}: other weights than those that are computed here");
        let made: Value = serde_json::from_reader(File::open(&training.answer).unwrap()).unwrap();
        let cheater = network.provider(cheater);
        let (mut slashed, mut paid) = (0, 0);
        let jobs = made["jobs"].as_array().unwrap();
        for job in jobs {
            let job = job.as_str().unwrap().parse().unwrap();
            assert!(tessera.ledger(&job).await.unwrap().balances(), "{fault}");
            let history = tessera.job_history(&job).await.unwrap();
            let lost = count(&history, |event| matches!(event, Event::SeatSlashed(e) if e.provider == cheater));
            assert_eq!(
                count(&history, |event| matches!(event, Event::SeatSlashed(_))),
                lost,
                "{fault}: others lost a lock"
            );
            slashed += lost;
            paid += settlements(&history).iter().filter(|seat| seat.provider == cheater).count();
        }
        // A lease of each shard and one that puts them together, in each round; and no lease is both.
        let rounds = ROUNDS as usize;
        assert_eq!((jobs.len(), slashed + paid), (2 * rounds, 4 * rounds), "{fault}");
        assert!(slashed >= least, "{fault}: {slashed} locks lost");
        let found = tessera.provider(&cheater).await.unwrap().unwrap();
        assert!(found.slashed > 0 && found.faults as usize == slashed, "{fault}");
    }
}
