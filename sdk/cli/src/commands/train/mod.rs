//! `tessera train`: federated training in rounds, computed by strangers.

mod curve;
mod private;
mod work;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tessera_protocol::cid::Cid;
use tessera_train::{MODULE, Plan, Progress, Training};

use self::work::Rounds;
use crate::{
    begun::Begun,
    commands::unless_stopped,
    options::Options,
    output::print,
    session::{Jobs, Session},
};

/// Folder in `--out` for what is under way.
const UNDER_WAY: &str = ".tessera-train";
/// The file by which a folder is known that holds a training.
const TRAINING: &str = "training.json";

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The plan: a TOML file, see docs/training.md
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,
    /// Folder for the weights, the curve of losses and what is known of the rounds; the same command goes on where an earlier
    /// one was stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seconds after which a round goes on without the shards that are missing, which then count nothing; 0: it waits for all
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "participants")]
    round_seconds: u64,
    /// Shards that a round needs, however long they take [default: half of them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "participants")]
    least: Option<u64>,
    /// Shards to compute here before anything is posted, to say how long a unit takes and what its gas is
    #[arg(long = "try", value_name = "N", default_value_t = 1, conflicts_with = "participants")]
    tries: u64,
    /// Tokens that one replica of an aggregation pays, and of a unit that tries the weights: both mostly take less than the steps of a
    /// shard [default: --price]
    #[arg(long, value_name = "TOKENS", conflicts_with = "participants")]
    aggregation_price: Option<String>,
    /// Train on private shards of those whom this file names, which also says how long they are waited for; see
    /// docs/private-training.md
    #[arg(long, value_name = "FILE.toml")]
    participants: Option<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    /// Jobs that were posted, now or earlier.
    jobs: Vec<String>,
    /// Files that are there now.
    files: Vec<PathBuf>,
    /// What each round came to.
    rounds: Vec<Progress>,
    /// Tokens that the jobs have cost; nothing if none was needed.
    spent: Option<String>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    if let Some(path) = &args.participants {
        return private::run(options, &args, path).await;
    }
    // First what can be refused without asking anybody, and before any money moves.
    let plan = tokio::task::block_in_place(|| Plan::load(&args.plan))?;
    let (training, begun) = tokio::task::block_in_place(|| open(&args, plan))?;
    let mut rounds = Rounds::new(&args, training, begun)?;
    let mut spent = None;
    if !rounds.is_over()? {
        let session = Session::start(options, &args.jobs).await?;
        unless_stopped(
            rounds.work(&session),
            "stopped; a job that was posted goes on without this program, and the same command goes on with it",
        )
        .await?;
        spent = Some(session.shown(rounds.spent()));
    }
    let made = Made::of(&args, rounds.training(), rounds.jobs().to_vec(), spent);
    print(options.json, &made, plain)
}

impl Made {
    /// What there is of a training.
    fn of(args: &Args, training: &Training, jobs: Vec<String>, spent: Option<String>) -> Self {
        let files = ["model/model.safetensors", curve::TABLE, curve::DRAWING, curve::PICTURE]
            .map(|name| args.out.join(name))
            .into_iter()
            .filter(|path| path.is_file())
            .collect();
        Self { jobs, files, rounds: training.history().to_vec(), spent }
    }
}

/// The training, from its beginning or from where an earlier command was stopped.
fn open(args: &Args, plan: Plan) -> Result<(Training, Begun)> {
    let fresh = Training::start(plan)?;
    let state = args.out.join(UNDER_WAY);
    let begun = Begun::open(&state, "this training was", begun_with(&fresh)?, args.jobs.restart)?;
    let known = args.out.join(TRAINING);
    if args.jobs.restart {
        work::discard(&state)?;
        remove(&known)?;
    }
    let training = if known.is_file() { Training::resume(fresh.plan().clone(), &args.out)? } else { fresh };
    Ok((training, begun))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// What the weights depend on, to notice when something changed between two commands.
fn begun_with(training: &Training) -> Result<BTreeMap<String, String>> {
    let plan = serde_json::to_vec(training.plan()).context("cannot write JSON")?;
    let job = training.steps()?;
    let data = job.spec.inputs.iter().filter(|input| input.name == "data").map(|input| input.cid.to_string());
    Ok(BTreeMap::from([
        ("plan".into(), Cid::of(&plan).to_string()),
        ("set of data".into(), data.collect()),
        ("version of the kernels".into(), Cid::of(MODULE.as_bytes()).to_string()),
    ]))
}

/// What a round has come to: losses, as far as they are known.
fn learnt(round: &Progress) -> String {
    let loss = round.loss.map(|loss| format!("loss {loss:.4}"));
    let held_out =
        round.trial.map(|trial| format!("held out {:.4} with {:.1} % right", trial.loss, 100.0 * trial.accuracy));
    let known: Vec<String> = loss.into_iter().chain(held_out).collect();
    if known.is_empty() { "not tried".into() } else { known.join(", ") }
}

fn plain(made: &Made) -> String {
    let mut text: String = made.files.iter().map(|file| format!("{}\n", file.display())).collect();
    if let Some(last) = made.rounds.last() {
        text += &format!("{} rounds, {}", made.rounds.len(), learnt(last));
    }
    if let Some(spent) = &made.spent {
        text += &format!("; {spent} tokens paid");
    }
    text
}
