//! Training on private shards through the network: participants keep their data, one of them or who trains is killed in a round, and
//! the weights are, bit for bit, those of the plain sums of the updates of those who are left.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_executor::{Backend, Program, open, outputs};
use tessera_protocol::cid::Cid;
use tessera_sdk::{JobFilter, StoreClient, Tessera};
use tessera_train::{MODULE, Plan, PreparedJob, Training, private_inputs};

use crate::{
    faults::network,
    network::{Network, free_port},
    private::holding,
    process::{PATIENCE, Process, answer, run, wait_for},
};

/// Participants where one is killed: those who are left are as many as a round needs.
const PARTICIPANTS: u16 = 4;
/// The one that is killed in the second round.
const KILLED: u16 = 4;
/// How many seconds others are waited for where all of them come.
const LATE: u32 = 120;
/// Bytes before the values of the files with digits.
const HEAD: usize = 128;
const PIXELS: usize = 64;

const PLAN: &str = r#"
name = "digits"
seed = 3
rounds = 2
model = { kind = "mlp", hidden = [8] }
data = { kind = "samples", files = ["public.csv"], scale = 0.0625, test = ["test.csv"] }
shards = { count = 4 }
steps = { count = 4, batch = 8, optimiser = { kind = "sgd", rate = 0.2, momentum = 0.9 } }
private = { clip = 2.0, steps = 65536.0 }
aggregation = { rate = 0.8, momentum = 0.5 }
"#;

/// Lines of some digits: their pixels, then what they are.
fn digits(which: impl Iterator<Item = usize>) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/workloads/train/data");
    let read = |name: &str| fs::read(data.join(name)).unwrap().split_off(HEAD);
    let (pixels, labels) = (read("digits.npy"), read("digits-labels.npy"));
    assert_eq!(pixels.len(), PIXELS * labels.len());
    which
        .map(|n| {
            let line = pixels[n * PIXELS..][..PIXELS].iter().map(|pixel| format!("{pixel},")).collect::<String>();
            format!("{line}{}\n", labels[n])
        })
        .collect()
}

/// Where what only participants have lies.
fn own(network: &Network, n: u16) -> PathBuf {
    network.path(&format!("own/{n}"))
}

fn plan(network: &Network) -> PathBuf {
    network.path("plan.toml")
}

/// The plan, of one round.
fn one_round() -> String {
    PLAN.replace("rounds = 2", "rounds = 1")
}

/// Writes the plan, the data of whoever trains, and a shard for each of so many participants; returns the blobs of these.
fn prepare(network: &Network, text: &str, participants: u16) -> Vec<Bytes> {
    fs::write(plan(network), text).unwrap();
    fs::write(network.path("public.csv"), digits(0..40)).unwrap();
    fs::write(network.path("test.csv"), digits(40..100)).unwrap();
    let shard = |n: u16| {
        let folder = own(network, n).join("data");
        fs::create_dir_all(&folder).unwrap();
        let (csv, blob) = (network.path(&format!("own/{n}.csv")), folder.join("digits.shard"));
        // Others in number, too.
        let first = 100 * usize::from(n);
        fs::write(&csv, digits(first..first + 20 + usize::from(n))).unwrap();
        let mut command = network.tessera();
        command.arg("shard").arg(plan(network)).arg(&csv).arg("--out").arg(&blob);
        run(command);
        Bytes::from(fs::read(blob).unwrap())
    };
    (1..=participants).map(shard).collect()
}

/// Has worker `n` of so many participants take part with its shard.
fn take_part(network: &Network, n: u16, participants: u16, port: u16) {
    let others = (1..=participants).filter(|other| *other != n);
    let peers: Vec<toml::Value> = others.map(|other| network.operator(other).pubkey().to_string().into()).collect();
    let training = toml::toml! {
        name = "digits of spring"
        shard = "data/digits.shard"
        honest_others = 1
    };
    let mut training = training;
    training.insert("client".into(), network.client().pubkey().to_string().into());
    training.insert("coordinator".into(), format!("http://127.0.0.1:{port}").into());
    training.insert("plan".into(), plan(network).display().to_string().into());
    training.insert("peers".into(), peers.into());
    let mut private = toml::Table::new();
    private.insert("folder".into(), own(network, n).display().to_string().into());
    private.insert("training".into(), vec![toml::Value::Table(training)].into());
    let path = network.config(n);
    let mut settings: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    settings.insert("private".into(), private.into());
    fs::write(&path, settings.to_string()).unwrap();
}

/// Starts the workers of so many participants.
fn all_take_part(network: &Network, participants: u16, port: u16) -> Vec<Process> {
    (1..=participants).for_each(|n| take_part(network, n, participants, port));
    (1..=participants).map(|n| network.run_worker(n)).collect()
}

/// `tessera train` with so many participants; `late` is for how many seconds others are waited for once as many updates are there
/// as must be, and `more` what else their file says.
fn train(network: &Network, participants: u16, port: u16, late: u32, more: &str) -> Command {
    let addresses: Vec<String> = (1..=participants).map(|n| format!("\"{}\"", network.provider(n))).collect();
    let text = format!(
        "name = \"digits of spring\"\nlisten = \"127.0.0.1:{port}\"\nparticipants = [{}]\n\
         deadline_seconds = 900\nlate_seconds = {late}\nphase_seconds = 40\n{more}",
        addresses.join(", ")
    );
    fs::write(network.path("participants.toml"), text).unwrap();
    let mut command = network.tessera();
    command.arg("train").arg(plan(network)).arg("--out").arg(network.path("out"));
    command.arg("--participants").arg(network.path("participants.toml"));
    command.args(["--price", "0.01", "--replicas", "1", "--lease-seconds", "60", "--yes"]);
    command
}

/// The outputs of a job, computed here.
fn computed(job: &PreparedJob, inputs: &[Bytes]) -> Vec<u8> {
    let executor = open(Backend::Cpu).unwrap();
    let unit_time = Duration::from_secs(600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs, unit_gas: 0, unit_time };
    outputs(&*executor, 0, &program, 0..1).unwrap().remove(0).to_vec()
}

/// The update of a shard without any mask.
fn update(training: &Training, shard: &Bytes) -> Vec<u32> {
    let zeros = Bytes::from(vec![0; 4 * training.private_words()]);
    let job = training.private_job((Cid::of(shard), shard.len() as u64), Cid::of(&zeros)).unwrap();
    let inputs = job.inputs_with(&[("data", shard), ("mask", &zeros)]).unwrap();
    computed(&job, &inputs).chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// The weights after rounds in which these shards took part, computed here without masks, network or chain.
fn weights_here(plan: &Path, rounds: &[&[Bytes]]) -> Vec<u32> {
    let mut training = Training::start(Plan::load(plan).unwrap()).unwrap();
    for shards in rounds {
        let mut sum = vec![0u32; training.private_words()];
        for shard in *shards {
            sum.iter_mut().zip(update(&training, shard)).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
        let job = training.groups_aggregation(&[(sum, shards.len())]).unwrap();
        training.advance(&computed(&job, &job.inputs().unwrap()), shards.len()).unwrap();
    }
    bits(&training)
}

fn bits(training: &Training) -> Vec<u32> {
    training.weights().iter().map(|weight| weight.to_bits()).collect()
}

/// Files of masks that a participant has now.
fn masks(network: &Network, n: u16) -> Vec<PathBuf> {
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_mask = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "part");
    entries(own(network, n).join("masks")).flat_map(entries).filter(is_mask).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_summed_and_nobody_sees_one() {
    let (network, port) = (network(PARTICIPANTS, [], &[]).0, free_port());
    let tessera = network.connect().await;
    let shards = prepare(&network, PLAN, PARTICIPANTS);
    let mut workers = all_take_part(&network, PARTICIPANTS, port);
    // One will be waited for in vain.
    let mut command = train(&network, PARTICIPANTS, port, 60, "noise = 0.0\n");
    command.arg("--json");
    let client = thread::spawn(move || answer(&mut command));

    // In the second round one of them is killed once it has its mask, before anybody can have asked for its job.
    let mut first = Vec::new();
    wait_for("the mask of the second round", PATIENCE, || {
        let there = masks(&network, KILLED);
        if first.is_empty() {
            first.clone_from(&there);
        }
        assert!(!client.is_finished(), "the client has ended too early");
        there.iter().any(|mask| !first.contains(mask))
    });
    workers[usize::from(KILLED) - 1].signal("KILL");
    let (good, made, said) = client.join().unwrap();
    assert!(good, "{said}");

    let updates: Vec<u64> = made["rounds"].as_array().unwrap().iter().filter_map(|r| r["updates"].as_u64()).collect();
    assert_eq!(updates, [4, 3], "{said}");
    assert!(made["epsilon"].is_null() && made["masked_bytes"].as_u64() > Some(0), "{made}");
    let trained = Training::resume(Plan::load(&plan(&network)).unwrap(), &network.path("out")).unwrap();
    assert_eq!(bits(&trained), weights_here(&plan(&network), &[&shards, &shards[..3]]));
    assert!(trained.history().iter().all(|round| round.trial.is_some() && round.loss.is_none()));

    // Four and three or four participants, depending on how far the last one came, and two aggregations.
    let jobs = nothing_is_left_in_an_escrow(&network, &tessera, &made).await;
    assert!((9..=10).contains(&jobs.len()), "{jobs:?}");
    nobody_has_seen(&network, &shards).await;
    for n in (1..=PARTICIPANTS).filter(|n| *n != KILLED) {
        wait_for("masks to be removed", PATIENCE, || masks(&network, n).is_empty());
        wait_for("the worker to count its rounds", PATIENCE, || {
            let (_, status, _) = answer(network.worker("tessera-worker", n).args(["status", "--json"]));
            status["worker"]["trainings"][0]["summed"].as_u64() == Some(2)
        });
    }
    workers.remove(usize::from(KILLED) - 1);
    workers.into_iter().for_each(|worker| worker.stop());
}

/// Every job is closed, those that came to nothing too, and their money adds up; returns them.
async fn nothing_is_left_in_an_escrow(network: &Network, tessera: &Tessera, made: &Value) -> Vec<Pubkey> {
    assert!(tessera.jobs(&network.market(), JobFilter::All).await.unwrap().is_empty(), "a job is open");
    let jobs = made["jobs"].as_array().unwrap().iter().filter_map(Value::as_str);
    let jobs: Vec<Pubkey> = jobs.map(|job| job.parse().unwrap()).collect();
    for job in &jobs {
        let ledger = tessera.ledger(job).await.unwrap();
        assert!(ledger.balances() && ledger.closed, "{job}");
    }
    jobs
}

/// Neither the store nor anything else outside the participants' folders has anything of the shards.
async fn nobody_has_seen(network: &Network, shards: &[Bytes]) {
    let store = StoreClient::new(network.env("TESSERA_STORE")).unwrap();
    for shard in shards {
        assert!(!store.exists(&Cid::of(shard)).await.unwrap());
        // Two samples: a single one might be there by chance.
        let record = 4 * (PIXELS + 1);
        let samples = &shard[shard.len() - 2 * record..];
        let elsewhere = holding(&network.path(""), &network.path("own"), samples);
        assert!(elsewhere.is_empty(), "found in {elsewhere:?}");
    }
}

/// Masks that these jobs have taken, one for each private job.
async fn masks_of(network: &Network, tessera: &Tessera, jobs: &[Pubkey]) -> Vec<Cid> {
    let mut masks = Vec::new();
    for job in jobs {
        let (spec, _) = tessera.job_spec(job, Some(network.env("TESSERA_STORE"))).await.unwrap();
        masks.extend(private_inputs(&spec).map(|[_, mask]| spec.inputs[usize::from(mask)].cid));
    }
    masks
}

/// The noted jobs of participants.
fn noted(network: &Network) -> usize {
    fs::read_dir(network.path("out/.tessera-train/participants")).map_or(0, |entries| entries.flatten().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_in_which_the_client_is_killed_is_begun_anew() {
    let (network, port) = (network(PARTICIPANTS, [], &[]).0, free_port());
    let tessera = network.connect().await;
    let shards = prepare(&network, &one_round(), PARTICIPANTS);
    let workers = all_take_part(&network, PARTICIPANTS, port);
    let begin = || train(&network, PARTICIPANTS, port, LATE, "");
    let mut client = Process::start("train", begin(), &network.path("train.log"));
    // Everybody has a mask, and the first job is posted, or about to be.
    wait_for("the first job of a participant", PATIENCE, || {
        client.assert_running();
        noted(&network) > 0
    });
    let before: HashSet<PathBuf> = (1..=PARTICIPANTS).flat_map(|n| masks(&network, n)).collect();
    client.signal("KILL");
    assert!(!client.wait(PATIENCE).success());
    assert!(!before.is_empty() && !network.path("out/training.json").exists());
    let (good, made, said) = answer(begin().arg("--json"));
    assert!(good, "{said}");

    let updates = made["rounds"][0]["updates"].as_u64();
    assert_eq!(updates, Some(PARTICIPANTS.into()), "{said}");
    let trained = Training::resume(Plan::load(&plan(&network)).unwrap(), &network.path("out")).unwrap();
    assert_eq!(bits(&trained), weights_here(&plan(&network), &[&shards]));
    // The jobs of the first attempt are closed as well, and no mask was in two.
    let jobs = nothing_is_left_in_an_escrow(&network, &tessera, &made).await;
    let taken = masks_of(&network, &tessera, &jobs).await;
    assert!(taken.len() >= usize::from(PARTICIPANTS), "{jobs:?}");
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len(), "a mask was taken twice");
    for n in 1..=PARTICIPANTS {
        let stake = || async { tessera.provider(&network.provider(n)).await.unwrap().unwrap().locked };
        assert_eq!(stake().await, 0, "stake of provider {n} is locked");
        wait_for("masks to be removed", PATIENCE, || masks(&network, n).is_empty());
    }
    workers.into_iter().for_each(|worker| worker.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_have_sums_of_their_own_and_noise_is_accounted_for() {
    const MEMBERS: u16 = 6;
    let (network, port) = (network(MEMBERS, [], &[]).0, free_port());
    let tessera = network.connect().await;
    let shards = prepare(&network, &one_round(), MEMBERS);
    let workers = all_take_part(&network, MEMBERS, port);
    let begin = || train(&network, MEMBERS, port, LATE, "group = 3\nnoise = 2.0\ndelta = 1e-6\n");
    let output = begin().output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{said}");
    assert!(told.contains("6 of 6 participants in 2 groups") && !told.contains("loss"), "{told}");
    // All is there: it is only told.
    let (good, made, said) = answer(begin().arg("--json"));
    assert!(good && made["spent"].is_null() && made["rounds"][0]["updates"].as_u64() == Some(MEMBERS.into()), "{said}");
    // One round of noise with a multiplier of 2; one that came to nothing, as may be on a busy machine, counts as well.
    let epsilon = made["epsilon"].as_f64().unwrap();
    assert!(epsilon > 2.418 && made["delta"].as_f64() == Some(1e-6), "{made}");
    assert!(told.contains(&format!("(ε = {epsilon:.3}, δ = 1e-6) for each participant after")), "{told}");
    // With noise the weights are not those of plain sums.
    let trained = Training::resume(Plan::load(&plan(&network)).unwrap(), &network.path("out")).unwrap();
    assert_ne!(bits(&trained), weights_here(&plan(&network), &[&shards]));
    let jobs = nothing_is_left_in_an_escrow(&network, &tessera, &made).await;
    assert!(masks_of(&network, &tessera, &jobs).await.len() >= usize::from(MEMBERS), "{jobs:?}");
    workers.into_iter().for_each(|worker| worker.stop());
}
