//! A training through the network: strangers compute its rounds, and the weights are, bit for bit, those that are computed
//! here, whoever is stopped or late.

#[path = "../../../sdk/workloads/train/tests/support/mod.rs"]
pub mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use support::{Folder, MLP, SGD, SMALL_CODE};
use tessera_executor::Checks;
use tessera_sdk::JobFilter;
use tessera_train::Training;

use crate::{
    faults::network,
    network::Network,
    process::{PATIENCE, Process, answer, wait_for},
};

pub fn command(network: &Network, plan: &Path, out: &Path, options: &[&str]) -> Command {
    let mut command = network.tessera();
    command.args(["--json", "train"]).arg(plan).arg("--out").arg(out);
    command.args(["--price", "0.01", "--lease-seconds", "60", "--try", "0", "--yes"]).args(options);
    command
}

pub fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("model/model.safetensors")).unwrap()
}

/// The weights of a training as a file.
pub fn saved(training: &Training, network: &Network) -> Vec<u8> {
    let folder = network.path("here");
    training.save(&folder).unwrap();
    weights(&folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_train_and_whoever_is_killed_goes_on() {
    let (network, _workers) = network(2, [1, 2], &[]);
    let folder = Folder::new();
    let text =
        support::plan(MLP, SGD, SMALL_CODE).replace("rounds = 3", "rounds = 2").replace("every = 1", "every = 2");
    let mut here = folder.training(&text);
    let (plan, out) = (folder.path("plan.toml"), network.path("trained"));
    // In two rounds a job of three shards and one that puts them together; at last one of four units that tries the weights.
    let jobs = 5;
    let (good, _, said) = answer(&mut command(&network, &plan, &out, &["--max-price", "0.3"]));
    assert!(!good && said.contains("--max-price is 0.3") && said.contains("nothing more was posted"), "{said}");
    // Aggregations and the trial for less: the same limit suffices.
    let cheap = ["--max-price", "0.3", "--aggregation-price", "0.001"];

    let mut killed = Process::start("train", command(&network, &plan, &out, &cheap), &network.path("train.log"));
    wait_for("the first round", PATIENCE, || {
        let is_there = out.join("training.json").is_file();
        if !is_there {
            killed.assert_running();
        }
        is_there
    });
    killed.signal("KILL");
    assert!(!killed.wait(PATIENCE).success());
    let (good, made, said) = answer(&mut command(&network, &plan, &out, &cheap));
    assert!(good, "{said}");

    for _ in 0..2 {
        support::round(&mut here, |_| (), Checks::NONE);
    }
    let trial = here.evaluation().unwrap().unwrap();
    here.evaluated(&support::run(&trial, Checks::NONE)).unwrap();
    assert!(weights(&out) == saved(&here, &network), "other weights than those that are computed here");
    for (made, here) in made["rounds"].as_array().unwrap().iter().zip(here.history()) {
        assert_eq!((made["round"].as_u64(), made["updates"].as_u64()), (Some(here.round.into()), Some(3)));
        assert_eq!(made["loss"].as_f64().map(|loss| loss as f32), here.loss);
        assert_eq!(made["trial"]["count"].as_u64(), here.trial.map(|trial| trial.count));
    }
    assert_eq!(made["jobs"].as_array().unwrap().len(), jobs, "something was paid twice");
    for name in ["curve.csv", "curve.svg", "curve.png"] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 0, "{name}");
    }
    assert_eq!(fs::read_to_string(out.join("curve.csv")).unwrap().lines().count(), 3);
    let tessera = network.connect().await;
    for job in made["jobs"].as_array().unwrap() {
        assert!(tessera.ledger(&job.as_str().unwrap().parse().unwrap()).await.unwrap().balances());
    }
    assert!(tessera.jobs(&network.market(), JobFilter::All).await.unwrap().is_empty(), "a job is open");

    // All is there: nothing is posted any more. Another plan is another training.
    let (good, again, said) = answer(&mut command(&network, &plan, &out, &[]));
    assert!(good && again["spent"].is_null() && again["jobs"] == made["jobs"], "{said}");
    folder.plan(&text.replace("seed = 5", "seed = 6"));
    let (good, _, said) = answer(&mut command(&network, &plan, &out, &[]));
    assert!(!good && said.contains("another plan") && said.contains("--restart"), "{said}");
}

/// Shards whose updates were put together in the last round, as the command has noted.
fn taken(out: &Path) -> Option<Vec<u64>> {
    let noted = fs::read(out.join(".tessera-train/train.json")).ok()?;
    let noted: Value = serde_json::from_slice(&noted).ok()?;
    noted["posted"][1].as_str().filter(|kind| *kind == "aggregation")?;
    serde_json::from_value(noted["taken"][1].clone()).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_does_not_wait_for_who_is_late() {
    let (network, mut workers) = network(1, [1], &[]);
    let folder = Folder::new();
    let text = support::plan(MLP, SGD, SMALL_CODE)
        .replace("shards = { count = 3 }", "shards = { count = 16 }")
        .replace("rounds = 3", "rounds = 1")
        .replace("every = 1", "every = 0");
    let mut here = folder.training(&text);
    let (plan, out) = (folder.path("plan.toml"), network.path("trained"));
    let options = ["--replicas", "1", "--units-per-lease", "1", "--round-seconds", "2", "--least", "1"];
    let mut training = Process::start("train", command(&network, &plan, &out, &options), &network.path("train.log"));
    let steps: PathBuf = out.join(".tessera-train/round-0/steps");
    let there = || fs::read_dir(&steps).map_or(0, |entries| entries.flatten().filter(|e| is_unit(&e.path())).count());
    wait_for("the first update", PATIENCE, || {
        training.assert_running();
        there() > 0
    });
    workers[0].kill();
    workers[0].wait(PATIENCE);
    wait_for("the end of the steps", PATIENCE, || {
        training.assert_running();
        taken(&out).is_some()
    });
    let taken = taken(&out).unwrap();
    workers.push(network.run_worker(1));
    assert!(training.wait(PATIENCE).success(), "{}", training.log());

    assert!(!taken.is_empty() && taken.len() < 16, "{taken:?}");
    let late = |shard: usize| !taken.contains(&(shard as u64));
    let leave_out = |updates: &mut Vec<_>| {
        updates.iter_mut().enumerate().filter(|(shard, _)| late(*shard)).for_each(|(_, update)| *update = None);
    };
    let round = support::round(&mut here, leave_out, Checks::NONE);
    assert_eq!(round.updates, taken.len());
    assert!(weights(&out) == saved(&here, &network), "other weights than those that are computed here");
}

fn is_unit(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bin")
}
