//! A whole training on private shards on this machine; `--help` says how.
//!
//! Participants and who trains speak over HTTP as they would over the Internet; jobs are run here instead of being posted, and masked
//! vectors are handed over.

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Parser;
use ed25519_dalek::SigningKey;
use tessera_executor::{Backend, Executor, Program, open, outputs};
use tessera_federation::{Coordinator, CoordinatorConfig, Offer, Participant, ParticipantConfig, Times};
use tessera_protocol::cid::Cid;
use tessera_secure_sum::{
    Key, Policy, Round,
    dp::{Accountant, Noise, rounded_bound},
    words_from_bytes,
};
use tessera_train::{MODULE, Plan, PreparedJob, Training};
use tokio::{sync::mpsc, time::timeout};

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long anything may take.
const LONG: Duration = Duration::from_secs(600);
/// How many participants may collude with who trains.
const COLLUDERS: u8 = 3;

/// Runs a whole training on private shards on this machine, and prints a line of JSON for each round
#[derive(Parser)]
struct Args {
    /// The plan
    plan: PathBuf,
    /// Folder in which every round is saved
    out: Option<PathBuf>,
    /// Participants who fall silent in a round, other ones each round, half of them before they dealt shares and half after
    #[arg(long, default_value_t = 0)]
    absent: usize,
    /// Seconds for which these are waited for in each phase
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// Discrete Gaussian noise of so many times what `clip` allows in the sum, whatever drops out
    #[arg(long, default_value_t = 0.0)]
    noise: f64,
}

/// Where a participant falls silent.
#[derive(Clone, Copy, PartialEq)]
enum Silent {
    /// It does not take part at all.
    Away,
    /// It has its mask, and then is gone.
    Masked,
}

#[tokio::main]
async fn main() -> Done<()> {
    let Args { plan, out, absent, patience, noise: sigma } = Args::parse();
    let patience = Duration::from_secs(patience);
    let plan = Plan::load(&plan)?;
    let (count, private) = (plan.shards.count, plan.private);
    let mut training = Training::start(plan)?;
    let len = u32::try_from(training.private_words())?;
    let threshold = u8::try_from(Round::least_threshold(count, COLLUDERS.into()))?;
    let bound = rounded_bound(private.clip.into(), 1.0 / f64::from(private.steps), len);
    let noise = match sigma > 0.0 {
        true => Some(Noise::new(bound, sigma, threshold - COLLUDERS, len)?),
        false => None,
    };

    let mut keys: Vec<_> = (1..=count).map(|i| SigningKey::from_bytes(&[i as u8; 32])).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    let members: Vec<Key> = keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
    let name = [7; 32];
    let listen = ([127, 0, 0, 1], 0).into();
    let coordinator = Coordinator::start(CoordinatorConfig::new(listen, name, members.clone())).await?;
    let folder = tempfile::tempdir()?;
    let executor: Arc<dyn Executor> = Arc::from(open(Backend::Cpu)?);
    let mut accountant = Accountant::default();
    let mut participants = Vec::new();
    for (shard, key) in keys.iter().enumerate() {
        let policy = Policy { colluders: COLLUDERS, ..Policy::new(name, members.clone()) };
        let url = format!("http://{}", coordinator.address()).parse()?;
        let rounds = folder.path().join(shard.to_string());
        participants.push(Participant::new(ParticipantConfig::new(url, key.clone(), name, policy, rounds))?);
    }

    while training.round() < training.rounds() {
        let number = training.round() as usize;
        let silent = |shard: usize| {
            let turn = (shard + count - number * absent % count) % count;
            (turn < absent).then_some(if turn.is_multiple_of(2) { Silent::Away } else { Silent::Masked })
        };
        let round = Round {
            training: name,
            round: u64::from(training.round()) + 1,
            group: 0,
            task: Cid::of(bytes_of(training.weights()).as_slice()).0,
            len,
            threshold,
            colluders: COLLUDERS,
            noise: noise.map_or(0, |noise| noise.variance),
            members: members.clone(),
        };
        // Masked vectors on their way, as by chain and store: each participant's job is run where its data is.
        let (send, mut vectors) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for (shard, mut participant) in participants.drain(..).enumerate() {
            let (send, executor) = (send.clone(), Arc::clone(&executor));
            let data = training.shard_data(shard, 1 + shard as u64)?;
            let silent = silent(shard);
            let (jobs, mut job) = mpsc::unbounded_channel::<PreparedJob>();
            let task = tokio::spawn(async move {
                if silent == Some(Silent::Away) {
                    return Ok(participant);
                }
                let mut turn = participant.round(LONG).await?.ok_or("no invitation")?;
                let mask = Bytes::from(turn.take_mask().ok_or("no mask")?.to_bytes().to_vec());
                let offers = [&data, &mask].map(|blob| Offer { cid: Cid::of(blob).0, len: blob.len() as u64 });
                turn.offer(offers.to_vec()).await?;
                if silent == Some(Silent::Masked) {
                    drop(turn);
                    return Ok(participant);
                }
                let job = job.recv().await.ok_or("no job")?;
                let run = move || computed(&*executor, &job, &[("data", &data), ("mask", &mask)]);
                let masked = tokio::task::spawn_blocking(run).await??;
                send.send((shard, words_from_bytes(&masked[0])?))?;
                turn.finish().await?;
                Done::Ok(participant)
            });
            tasks.push((task, jobs));
        }
        let times = Times { adverts: patience, deals: patience, confirmations: patience, openings: patience };
        let gathering = coordinator.gather(round, times).await?;
        for (key, offers) in gathering.offers(patience).await? {
            let shard = members.binary_search(&key).map_err(|_| "an offer of nobody")?;
            let [data, mask] = offers[..] else { return Err("expected data and mask".into()) };
            let job = training.private_steps((Cid(data.cid), data.len), Cid(mask.cid))?;
            // Who is silent by now does not listen.
            let _ = tasks[shard].1.send(job);
        }
        for _ in 0..count - absent {
            let (shard, words) = timeout(LONG, vectors.recv()).await?.ok_or("no vector")?;
            gathering.vector(&members[shard], &words)?;
        }
        let gathered = gathering.finish().await?;
        for (task, _) in tasks {
            participants.push(task.await??);
        }
        let job = training.private_aggregation(&gathered.sum.words, gathered.members.len())?;
        let change = computed(&*executor, &job, &[])?;
        let mut progress = training.advance(&change[0], gathered.members.len())?;
        if let Some(trial) = training.evaluation()? {
            progress.trial = Some(training.evaluated(&computed(&*executor, &trial, &[])?)?);
        }
        println!("{}", serde_json::to_string(&progress)?);
        if let Some(out) = &out {
            training.save(out)?;
        }
        if let Some(noise) = &noise {
            accountant.add(noise);
            println!("{}", accountant.spent(1e-5)?);
        }
    }
    coordinator.shutdown().await;
    Ok(())
}

fn bytes_of(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

/// Outputs of a job, whose inputs of these names only a participant has.
fn computed(executor: &dyn Executor, job: &PreparedJob, own: &[(&str, &Bytes)]) -> Done<Vec<Bytes>> {
    let inputs = job.inputs_with(own)?;
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time: LONG };
    Ok(outputs(executor, 0, &program, 0..job.spec.units)?.into_iter().map(Bytes::from).collect())
}
