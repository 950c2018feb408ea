//! Runs a whole training on this machine's processor; `--help` says how.

use std::{error::Error, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use tessera_executor::{Backend, Executor, Program, open, outputs};
use tessera_protocol::cid::Cid;
use tessera_train::{MODULE, Plan, PreparedJob, Progress, Training};

/// Runs a whole training on this machine's processor, and prints a line of JSON for each round
#[derive(Parser)]
struct Args {
    /// The plan
    plan: PathBuf,
    /// Folder in which every round is saved; a training goes on from what is saved, and the weights before the first round are
    /// written to its folder `start`
    out: Option<PathBuf>,
    /// Participants who do not answer in a round, other ones each round
    #[arg(long, default_value_t = 0)]
    absent: usize,
    /// What the first two do to their updates (updates of 32 bits only)
    #[arg(long)]
    poison: Option<Lie>,
    /// Steps on private data, of which only the sum of those who answer is seen. Sums are exact: the weights are, bit for bit, those of
    /// rounds with secure sums and the same participants (the example `private-digits` of `sdk/federation`)
    #[arg(long, conflicts_with = "poison")]
    private: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Lie {
    /// They are negated
    Sign,
    /// They are 100 times as long
    Scale,
}

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let args = Args::parse();
    let plan = Plan::load(&args.plan)?;
    let mut training = match args.out.as_ref().filter(|out| out.join("training.json").exists()) {
        Some(out) => Training::resume(plan, out)?,
        None => Training::start(plan)?,
    };
    if let Some(out) = args.out.as_ref().filter(|_| training.round() == 0) {
        training.checkpoint(&out.join("start"))?;
    }
    let executor = open(Backend::Cpu)?;
    while training.round() < training.rounds() {
        let mut progress = if args.private {
            private_round(&*executor, &mut training, args.absent)?
        } else {
            round(&*executor, &mut training, args.absent, args.poison)?
        };
        if let Some(trial) = training.evaluation()? {
            progress.trial = Some(training.evaluated(&computed(&*executor, &trial, &[])?)?);
        }
        println!("{}", serde_json::to_string(&progress)?);
        if let Some(out) = &args.out {
            training.save(out)?;
        }
    }
    Ok(())
}

fn round(executor: &dyn Executor, training: &mut Training, absent: usize, poison: Option<Lie>) -> Done<Progress> {
    let mut updates: Vec<Option<Bytes>> = computed(executor, &training.steps()?, &[])?.into_iter().map(Some).collect();
    if let Some(lie) = poison {
        let factor = match lie {
            Lie::Sign => -1.0,
            Lie::Scale => 100.0,
        };
        for update in updates.iter_mut().take(2).flatten() {
            let floats = update.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes) * factor);
            *update = floats.flat_map(f32::to_le_bytes).collect();
        }
    }
    let present = present(training, absent);
    updates.iter_mut().enumerate().filter(|(shard, _)| !present.contains(shard)).for_each(|(_, update)| *update = None);
    let change = computed(executor, &training.aggregation(&updates)?, &[])?;
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
        let output = computed(executor, &job, &[("data", &data), ("mask", &mask)])?;
        for (sum, word) in sum.iter_mut().zip(output[0].as_chunks().0) {
            *sum = sum.wrapping_add(u32::from_le_bytes(*word));
        }
    }
    let change = computed(executor, &training.private_aggregation(&sum, present.len())?, &[])?;
    Ok(training.advance(&change[0], present.len())?)
}

/// Outputs of a job, whose inputs of these names only a participant has.
fn computed(executor: &dyn Executor, job: &PreparedJob, own: &[(&str, &Bytes)]) -> Done<Vec<Bytes>> {
    let inputs = job.inputs_with(own)?;
    let unit_time = Duration::from_secs(3600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time };
    Ok(outputs(executor, 0, &program, 0..job.spec.units)?.into_iter().map(Bytes::from).collect())
}
