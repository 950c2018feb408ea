//! The rounds of a training, one after the other: each is a job of local steps and one that puts their updates together.

use std::{cell::Cell, collections::HashSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tessera_sdk::Error;
use tessera_train::{MODULE, PreparedJob, Progress as Round, Training};
use tokio::time::{Instant, sleep};

use super::{super::estimate::try_units, Args, curve};
use crate::{
    begun::Begun,
    outputs::Outputs,
    posting::confirm,
    progress::Progress,
    session::{Posted, Session, Work},
};

/// The file in which it is noted what the job at work computes.
const FILE: &str = "train.json";
/// How the names of folders with outputs begin.
const ROUND: &str = "round-";
/// How often somebody looks whether enough shards have come, when others are not waited for any more.
const LOOK: Duration = Duration::from_secs(1);
/// What makes a training cheaper.
const LOWER: &str = "--price or the plan's rounds or shards";

/// What a job computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Steps,
    Aggregation,
    Evaluation,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Aggregation => "aggregation",
            Self::Evaluation => "evaluation",
        }
    }

    const fn doing(self) -> &'static str {
        match self {
            Self::Steps => "training",
            Self::Aggregation => "joining",
            Self::Evaluation => "trying",
        }
    }
}

/// What is noted besides how it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Round and kind of the job that was posted last.
    posted: Option<(u32, Kind)>,
    /// A round, and shards whose updates are put together in it: those that come later count nothing.
    taken: Option<(u32, Vec<u64>)>,
}

/// A training, and what there is of its rounds.
pub struct Rounds<'a> {
    args: &'a Args,
    training: Training,
    begun: Begun,
    state: State,
}

/// A job of a round, whose outputs are kept in a folder.
struct Stage<'a> {
    begun: &'a mut Begun,
    state: &'a mut State,
    round: u32,
    kind: Kind,
    units: u64,
    outputs: Outputs,
    /// After how long which number of units is enough.
    enough: Option<(Duration, u64)>,
    /// Whether some units were not waited for.
    is_cut: bool,
}

impl Work for Stage<'_> {
    fn begun(&mut self) -> &mut Begun {
        self.begun
    }

    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error> {
        let (round, doing) = (self.round, self.kind.doing());
        let mut progress = Progress::new(doing, self.units);
        let mut known = HashSet::new();
        let there = Cell::new(0);
        let note = |there: u64| format!("round {}, {} tokens", round + 1, job.paid(there));
        for lease in job.tessera.settled(&job.address).await? {
            if lease.units.clone().all(|unit| self.outputs.has(unit)) {
                known.insert(lease.index);
                there.set(there.get() + lease.units.end - lease.units.start);
            }
        }
        progress.note(note(there.get()));
        progress.add(there.get());
        let outputs = &self.outputs;
        let all = job.tessera.collect(&job.address, job.spec, job.store, &known, |lease| {
            for (unit, output) in lease.units() {
                outputs.put(unit, output)?;
            }
            there.set(there.get() + lease.outputs.len() as u64);
            progress.note(note(there.get()));
            progress.add(lease.outputs.len() as u64);
            Ok(())
        });
        let begun = Instant::now();
        tokio::pin!(all);
        loop {
            let wait = self.enough.map_or(Duration::MAX, |(after, _)| LOOK.max(after.saturating_sub(begun.elapsed())));
            tokio::select! {
                done = &mut all => return done.map(drop),
                // A job of which nothing has come says nothing about who is late.
                () = sleep(wait), if self.enough.is_some() => {
                    if self.enough.is_some_and(|(after, least)| begun.elapsed() >= after && there.get() >= least) {
                        self.is_cut = true;
                        return Ok(());
                    }
                }
            }
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn complete(&mut self) -> Result<()> {
        if self.kind == Kind::Steps {
            let taken = (0..self.units).filter(|unit| self.outputs.has(*unit)).collect();
            self.state.taken = Some((self.round, taken));
            self.begun.folder().keep(FILE, &*self.state)?;
        }
        Ok(())
    }
}

impl<'a> Rounds<'a> {
    /// What there is, as earlier commands have left it.
    pub fn new(args: &'a Args, training: Training, begun: Begun) -> Result<Self> {
        let state = begun.folder().read(FILE, "what `tessera train` knows of a round")?.unwrap_or_default();
        Ok(Self { args, training, begun, state })
    }

    pub const fn training(&self) -> &Training {
        &self.training
    }

    /// Jobs that have ended.
    pub fn jobs(&self) -> &[String] {
        self.begun.jobs()
    }

    /// What jobs that have ended have cost, in base units.
    pub const fn spent(&self) -> u64 {
        self.begun.spent()
    }

    /// Whether nothing is left to do.
    pub fn is_over(&self) -> Result<bool> {
        Ok(self.training.round() >= self.training.rounds() && self.untried()?.is_none())
    }

    /// Does all that is left to do.
    pub async fn work(&mut self, session: &Session<'_>) -> Result<()> {
        if let Some((round, kind)) = self.state.posted.filter(|(round, _)| *round == self.training.round()) {
            let units = self.units(kind)?;
            session.go_on(&mut self.stage(round, kind, units)?).await?;
        }
        if self.is_over()? {
            return Ok(());
        }
        self.agree(session).await?;
        loop {
            if let Some(job) = self.untried()? {
                let outputs = self.outputs_of(session, Kind::Evaluation, job).await?;
                let outputs: Vec<Bytes> = outputs.into_iter().flatten().collect();
                self.training.evaluated(&outputs)?;
                self.save()?;
            }
            if let Some(last) = self.training.history().last() {
                self.tell(session, last)?;
            }
            if self.training.round() >= self.training.rounds() {
                return Ok(());
            }
            let job = self.training.steps()?;
            let updates = self.outputs_of(session, Kind::Steps, job).await?;
            let job = self.training.aggregation(&updates)?;
            let change = self.outputs_of(session, Kind::Aggregation, job).await?;
            let change = change.into_iter().flatten().next().context("the aggregation has no output")?;
            self.training.advance(&change, updates.iter().flatten().count())?;
            self.save()?;
        }
    }

    /// The evaluation of the last round, if the plan wants one and it is not there.
    fn untried(&self) -> Result<Option<PreparedJob>> {
        match self.training.history().last() {
            Some(last) if last.trial.is_none() => Ok(self.training.evaluation()?),
            _ => Ok(None),
        }
    }

    /// Units of a job of this round.
    fn units(&self, kind: Kind) -> Result<u64> {
        Ok(match kind {
            Kind::Steps => self.training.plan().shards.count as u64,
            Kind::Aggregation => 1,
            Kind::Evaluation => self.training.trial()?.map_or(0, |job| job.spec.units),
        })
    }

    fn stage(&mut self, round: u32, kind: Kind, units: u64) -> Result<Stage<'_>> {
        let path = self.begun.folder().path().join(format!("{ROUND}{round}")).join(kind.name());
        let after = Duration::from_secs(self.args.round_seconds);
        let least = self.args.least.unwrap_or(units.div_ceil(2)).min(units);
        let enough = (kind == Kind::Steps && !after.is_zero()).then_some((after, least));
        let outputs = Outputs::create(&path)?;
        Ok(Stage { begun: &mut self.begun, state: &mut self.state, round, kind, units, outputs, enough, is_cut: false })
    }

    /// The outputs of a job of this round: those that are there, or else those of the job, which is posted.
    async fn outputs_of(&mut self, session: &Session<'_>, kind: Kind, job: PreparedJob) -> Result<Vec<Option<Bytes>>> {
        let (round, units) = (self.training.round(), job.spec.units);
        let spent = self.spent();
        let mut stage = self.stage(round, kind, units)?;
        let is_taken = |state: &State| kind == Kind::Steps && state.taken.as_ref().is_some_and(|(of, _)| *of == round);
        if !is_taken(stage.state) && !(0..units).all(|unit| stage.outputs.has(unit)) {
            let deal = session.deal(units)?;
            session.check(spent, deal.deposit, LOWER)?;
            stage.begun.keep()?;
            stage.state.posted = Some((round, kind));
            stage.begun.folder().keep(FILE, &*stage.state)?;
            let blobs = job.blobs.into_iter().map(|(_, bytes)| bytes).collect();
            session.post(&mut stage, deal, &job.spec, blobs).await?;
        }
        let taken: HashSet<u64> = match &stage.state.taken {
            Some((of, taken)) if kind == Kind::Steps && *of == round => taken.iter().copied().collect(),
            _ => (0..units).collect(),
        };
        let output = |unit| taken.contains(&unit).then(|| stage.outputs.read(unit).map(Bytes::from)).transpose();
        (0..units).map(output).collect()
    }

    /// Says what is left to do and what it costs, and asks.
    async fn agree(&self, session: &Session<'_>) -> Result<()> {
        let (rounds, done) = (u64::from(self.training.rounds()), u64::from(self.training.round()));
        let shards = self.units(Kind::Steps)?;
        let trial = self.units(Kind::Evaluation)?;
        let every = u64::from(self.training.plan().evaluation.every);
        let left = rounds.saturating_sub(done);
        let trials = if every == 0 || trial == 0 { 0 } else { rounds.div_ceil(every) - done.div_ceil(every) };
        let cost = |units: u64, times: u64| anyhow::Ok(session.deposits(&[units])?.saturating_mul(times));
        let deposit = cost(shards, left)?.saturating_add(cost(1, left)?).saturating_add(cost(trial, trials)?);
        // Before anything takes long.
        session.check(self.spent(), deposit, LOWER)?;
        session.say(&format!(
            "{}: {left} of {rounds} rounds of {shards} shards, {} parameters; {trials} trials of {trial} units",
            self.training.plan().name,
            self.training.parameters()
        ))?;
        if left > 0 && self.args.tries > 0 {
            let job = self.training.steps()?;
            // The first one also compiles, which is done once: it is run again.
            let units: Vec<u64> = std::iter::once(0).chain(0..self.args.tries.min(shards)).collect();
            let (tried, device) = try_units(&job.spec, MODULE, &job.inputs(), &units).await?;
            let tried = &tried[1..];
            let mean = |sum: f64| sum / tried.len() as f64;
            let gas = mean(tried.iter().map(|unit| unit.gas as f64).sum());
            let seconds = mean(tried.iter().map(|unit| unit.seconds).sum());
            session.say(&format!(
                "the steps of a shard: about {gas:.3e} gas, {seconds:.2} s here ({device}); the price is {:.6} tokens per 10^9 gas",
                session.price_of_gas(gas)
            ))?;
        }
        session.say(&session.offered(deposit, self.spent()))?;
        if !self.args.jobs.yes {
            confirm("train it?").await?;
        }
        Ok(())
    }

    /// Saves the training, and removes what rounds that are over have left.
    fn save(&mut self) -> Result<()> {
        let out = &self.args.out;
        tokio::task::block_in_place(|| self.training.save(out))?;
        curve::write(self.training.history(), out)?;
        let now = format!("{ROUND}{}", self.training.round());
        for path in rounds(self.begun.folder().path())? {
            if path.file_name().is_none_or(|name| name != now.as_str()) {
                fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Says what a round came to.
    fn tell(&self, session: &Session<'_>, round: &Round) -> Result<()> {
        let Round { loss, updates, traffic, trial, .. } = round;
        let held_out = trial.map_or_else(String::new, |trial| {
            format!(", held out {:.4} with {:.1} % right", trial.loss, 100.0 * trial.accuracy)
        });
        let sent = traffic.up + traffic.down;
        session.say(&format!(
            "round {}/{}: loss {loss:.4}{held_out}; {updates} of {} shards, {sent} bytes each, {:.0} times less than dense; {} tokens  {}",
            round.round + 1,
            self.training.rounds(),
            self.training.plan().shards.count,
            traffic.dense as f64 / sent.max(1) as f64,
            session.shown(self.spent()),
            curve::line(self.training.history())
        ))
    }
}

/// Removes what an earlier command has kept in its folder.
pub fn discard(folder: &Path) -> Result<()> {
    super::remove(&folder.join(FILE))?;
    for path in rounds(folder)? {
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// The folders of rounds.
fn rounds(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let is_round = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(ROUND);
    Ok(entries.flatten().filter(is_round).map(|entry| entry.path()).collect())
}
