//! Runs a whole training on this machine's processor: `train PLAN.toml [OUT] [options]`. With OUT it saves every round there, goes on
//! from what is saved, and writes the weights before the first round to OUT/start.
//!
//! What may go wrong: `--absent N` participants of a round do not answer, other ones each round; `--poison sign` or `--poison scale`:
//! the first two negate their updates, or send them 100 times as long (updates of 32 bits only). `--private`: steps on private data, of
//! which only the sum of those who answer is seen; sums are exact, so that their weights are, bit for bit, those of rounds with secure
//! sums and the same participants (the example `private-digits` of `sdk/federation`).

use std::{error::Error, path::Path, time::Duration};

use bytes::Bytes;
use tessera_executor::{Backend, Executor, Program, open, outputs};
use tessera_protocol::cid::Cid;
use tessera_train::{MODULE, Plan, PreparedJob, Progress, Training};

/// What is done to the updates of a round.
#[derive(Default)]
struct Faults {
    absent: usize,
    /// The first two updates are multiplied by this.
    poison: Option<f32>,
}

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let (mut given, mut faults, mut private) = (vec![], Faults::default(), false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--absent" => faults.absent = words.next().ok_or("--absent needs a number")?.parse()?,
            "--poison" => faults.poison = Some(if words.next().as_deref() == Some("sign") { -1.0 } else { 100.0 }),
            "--private" => private = true,
            _ => given.push(word),
        }
    }
    let (plan, out) = match given.as_slice() {
        [plan] => (plan, None),
        [plan, out] => (plan, Some(Path::new(out))),
        _ => return Err("expected a plan, and a folder to save the training in".into()),
    };
    let plan = Plan::load(Path::new(plan))?;
    let mut training = match out.filter(|out| out.join("training.json").exists()) {
        Some(out) => Training::resume(plan, out)?,
        None => Training::start(plan)?,
    };
    if let Some(out) = out.filter(|_| training.round() == 0) {
        training.checkpoint(&out.join("start"))?;
    }
    let executor = open(Backend::Cpu)?;
    while training.round() < training.rounds() {
        let mut progress = if private {
            private_round(&*executor, &mut training, faults.absent)?
        } else {
            round(&*executor, &mut training, &faults)?
        };
        if let Some(trial) = training.evaluation()? {
            progress.trial = Some(training.evaluated(&computed(&*executor, &trial, job_inputs)?)?);
        }
        println!("{}", serde_json::to_string(&progress)?);
        if let Some(out) = out {
            training.save(out)?;
        }
    }
    Ok(())
}

fn round(executor: &dyn Executor, training: &mut Training, faults: &Faults) -> Done<Progress> {
    let mut updates: Vec<Option<Bytes>> =
        computed(executor, &training.steps()?, job_inputs)?.into_iter().map(Some).collect();
    for update in updates.iter_mut().take(2).flatten() {
        if let Some(factor) = faults.poison {
            let floats = update.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes) * factor);
            *update = floats.flat_map(f32::to_le_bytes).collect();
        }
    }
    let present = present(training, faults.absent);
    updates.iter_mut().enumerate().filter(|(shard, _)| !present.contains(shard)).for_each(|(_, update)| *update = None);
    let change = computed(executor, &training.aggregation(&updates)?, job_inputs)?;
    Ok(training.advance(&change[0], updates.iter().flatten().count())?)
}

/// Participants who answer in a round: those who do not lie side by side, in the next round it is the next ones.
fn present(training: &Training, absent: usize) -> Vec<usize> {
    let (round, count) = (training.round() as usize, training.plan().shards.count);
    (0..count).filter(|shard| (shard + count - round * absent % count) % count >= absent).collect()
}

/// A round in which only a sum is seen: each participant's update under a mask that the next one takes away.
fn private_round(executor: &dyn Executor, training: &mut Training, absent: usize) -> Done<Progress> {
    let (words, present) = (training.private_words(), present(training, absent));
    let mask = |shard: usize| (0..words as u32).map(move |i| (i ^ (shard as u32) << 20).wrapping_mul(2_654_435_761));
    let mut sum = vec![0u32; words];
    for (place, &shard) in present.iter().enumerate() {
        let next = present[(place + 1) % present.len()];
        let data = training.shard_data(shard, 1 + shard as u64)?;
        let between = mask(shard).zip(mask(next)).map(|(mine, next)| mine.wrapping_sub(next));
        let mask: Bytes = between.flat_map(u32::to_le_bytes).collect();
        let job = training.private_steps((Cid::of(&data), data.len() as u64), Cid::of(&mask))?;
        let output = computed(executor, &job, |job| {
            let mut there = job.inputs().into_iter();
            let named = job.spec.inputs.iter().map(|input| match input.name.as_str() {
                "data" => Some(data.clone()),
                "mask" => Some(mask.clone()),
                _ => there.next(),
            });
            named.flatten().collect()
        })?;
        for (sum, word) in sum.iter_mut().zip(output[0].as_chunks().0) {
            *sum = sum.wrapping_add(u32::from_le_bytes(*word));
        }
    }
    let change = computed(executor, &training.private_aggregation(&sum, present.len())?, job_inputs)?;
    Ok(training.advance(&change[0], present.len())?)
}

fn job_inputs(job: &PreparedJob) -> Vec<Bytes> {
    job.inputs()
}

fn computed(
    executor: &dyn Executor,
    job: &PreparedJob,
    inputs: impl Fn(&PreparedJob) -> Vec<Bytes>,
) -> Done<Vec<Bytes>> {
    let inputs = inputs(job);
    let unit_time = Duration::from_secs(3600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time };
    Ok(outputs(executor, 0, &program, 0..job.spec.units)?.into_iter().map(Bytes::from).collect())
}
