//! Training on private shards: data stays with participants, who are asked for masked updates, and what is learnt is their sum.

mod errands;
mod group;
mod settings;

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use solana_signer::Signer as _;
use tessera_federation::{Coordinator, CoordinatorConfig};
use tessera_protocol::hash::Digest;
use tessera_sdk::Error;
use tessera_secure_sum::dp::{Accountant, Noise, Spent};
use tessera_train::{MODULE, PreparedJob, Training};
use tokio::{sync::Mutex, time::sleep};

use self::{
    errands::Errands,
    group::Group,
    settings::{Member, Settings},
};
use super::{Args, Made, curve};
use crate::{
    begun::Begun,
    commands::unless_stopped,
    here::{Here, On},
    options::Options,
    output::print,
    posting::confirm,
    session::{Posted, Session, Work},
};

/// The file in which it is noted what was masked so far.
const FILE: &str = "private.json";
/// The file with the sums of a round whose aggregation is not over.
const SUMS: &str = "sums.json";
/// Pause before a round is begun anew.
const PAUSE: Duration = Duration::from_secs(5);
/// What makes a training cheaper.
const LOWER: &str = "--price or the plan's rounds, take fewer participants";

/// What is noted besides how it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Number of the last round that participants were invited to: none has the same twice.
    last: u64,
    /// Noise of each round in which updates were masked: variance of a participant, and how many participants' noise counts.
    noise: Vec<(u64, u8)>,
    /// Bytes of masked updates that were fetched.
    bytes: u64,
}

/// The sums of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    round: u32,
    /// For each group the sum, and of how many updates it is.
    groups: Vec<(Vec<u32>, usize)>,
    /// Participants of the round.
    invited: usize,
}

impl Sums {
    fn updates(&self) -> usize {
        self.groups.iter().map(|(_, updates)| updates).sum()
    }
}

/// Trains with those that the file at `path` names.
pub async fn run(options: &Options, args: &Args, path: &Path) -> Result<()> {
    // First what can be refused without asking anybody, and before any money moves.
    let settings = Settings::load(path)?;
    let plan = tokio::task::block_in_place(|| tessera_train::Plan::load(&args.plan))?;
    let (training, begun) = tokio::task::block_in_place(|| super::open(args, plan))?;
    if args.jobs.restart {
        // Numbers of rounds and what was said of the data stay: participants and their data are the same.
        begun.folder().remove(SUMS)?;
    }
    let state = begun.folder().read(FILE, "what `tessera train` knows of private rounds")?.unwrap_or_default();
    let words = u32::try_from(training.private_words()).context("the model has too many parameters")?;
    settings.check(training.plan(), words)?;
    let mut rounds = Rounds { args, settings, training, begun, state, words };
    let mut spent = None;
    if !rounds.is_over() {
        let session = Session::start(options, &args.jobs).await?;
        unless_stopped(rounds.work(&session), "stopped; the same command goes on, and begins the round under way anew")
            .await?;
        spent = Some(session.shown(rounds.begun.spent()));
    }
    let privacy = rounds.privacy()?;
    let made = MadePrivately {
        made: Made::of(args, &rounds.training, rounds.begun.jobs().to_vec(), spent),
        epsilon: privacy.map(|spent| spent.epsilon),
        delta: privacy.map(|spent| spent.delta),
        masked_bytes: rounds.state.bytes,
    };
    print(options.json, &made, |made| {
        let privacy = privacy.map(|spent| format!("\n{spent}")).unwrap_or_default();
        super::plain(&made.made) + &privacy
    })
}

/// What was made, and what it has cost the participants.
#[derive(Serialize)]
struct MadePrivately {
    #[serde(flatten)]
    made: Made,
    /// Differential privacy of each participant's data; nothing without noise.
    epsilon: Option<f64>,
    delta: Option<f64>,
    /// Bytes of masked updates that were fetched.
    masked_bytes: u64,
}

/// A training, and what there is of its rounds.
struct Rounds<'a> {
    args: &'a Args,
    settings: Settings,
    training: Training,
    begun: Begun,
    state: State,
    /// Words of an update.
    words: u32,
}

/// The aggregation of a round.
struct Change<'a> {
    begun: &'a mut Begun,
    output: Option<Bytes>,
}

impl Work for Change<'_> {
    fn begun(&mut self) -> &mut Begun {
        self.begun
    }

    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error> {
        let (output, none) = (&mut self.output, HashSet::new());
        let all = job.tessera.collect(&job.address, job.spec, job.store, &none, |lease| {
            *output = lease.outputs.first().cloned();
            Ok(())
        });
        all.await.map(drop)
    }
}

impl Rounds<'_> {
    fn is_over(&self) -> bool {
        self.training.round() >= self.training.rounds()
    }

    /// Does all that is left to do.
    async fn work(&mut self, session: &Session<'_>) -> Result<()> {
        let mut errands = Errands::open(self.begun.folder().path())?;
        errands.settle(session, &mut self.begun, false).await?;
        let errands = Mutex::new(errands);
        let members = self.settings.members(session).await?;
        self.agree(session, members.len()).await?;
        let training = tessera_train::training_id(&session.wallet().pubkey().to_bytes(), &self.settings.name);
        let keys = members.iter().map(|member| member.key).collect();
        let coordinator = Coordinator::start(CoordinatorConfig::new(self.settings.listen, training, keys)).await?;
        session.say(&format!("participants are awaited at {}", coordinator.address()))?;
        let mut void = 0;
        while !self.is_over() {
            let sums = match self.begun.folder().read::<Sums>(SUMS, "the sums of a round")? {
                Some(sums) if sums.round == self.training.round() => sums,
                _ => {
                    let found = self.gather(session, &coordinator, training, &members, &errands).await;
                    errands.lock().await.settle(session, &mut self.begun, false).await?;
                    match found? {
                        Some(sums) => sums,
                        None => {
                            void += 1;
                            if void >= self.settings.tries {
                                bail!("{void} rounds in a row came to nothing; the same command tries again");
                            }
                            sleep(PAUSE).await;
                            continue;
                        }
                    }
                }
            };
            void = 0;
            let change = self.change(session, &sums).await?;
            self.training.advance(&change, sums.updates())?;
            self.try_it().await?;
            self.save()?;
            self.tell(session, &sums)?;
        }
        coordinator.shutdown().await;
        // What is still in an escrow comes back when those who leased a job have had their time.
        errands.lock().await.settle(session, &mut self.begun, true).await
    }

    /// A round with all groups: their sums, or nothing if no group came to one.
    async fn gather(
        &mut self,
        session: &Session<'_>,
        coordinator: &Coordinator,
        training: Digest,
        members: &[Member],
        errands: &Mutex<Errands>,
    ) -> Result<Option<Sums>> {
        // Before anybody is invited: a number that was used is not used again. Time goes on even if this file is lost.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.state.last = u64::try_from(now).unwrap_or(u64::MAX).max(self.state.last.saturating_add(1));
        let groups = group::divide(members, self.settings.group)?;
        let noise = groups.iter().map(|group| self.settings.noise(self.training.plan(), group.len(), self.words));
        let noise: Vec<Option<Noise>> = noise.collect::<Result<_>>()?;
        let weakest = noise.iter().flatten().max_by(|a, b| a.rho().total_cmp(&b.rho()));
        self.state.noise.extend(weakest.map(|noise| (noise.variance, noise.honest)));
        self.begun.keep()?;
        self.begun.folder().keep(FILE, &self.state)?;
        let task = self.training.task()?;
        let gathered = (0u32..).zip(groups.iter().zip(noise)).map(|(number, (members, noise))| {
            let group =
                Group { session, coordinator, settings: &self.settings, training: &self.training, errands, members };
            group.sum(group::Numbers {
                training,
                round: self.state.last,
                group: number,
                task,
                noise,
                words: self.words,
            })
        });
        let (mut sums, mut bytes) = (vec![], 0);
        for (number, found) in join_all(gathered).await.into_iter().enumerate() {
            match found {
                Ok((sum, updates)) => {
                    bytes += 4 * u64::from(self.words) * updates as u64;
                    sums.push((sum, updates));
                }
                Err(error) => session.say(&format!("group {number} has no sum: {error:#}"))?,
            }
        }
        self.state.bytes = self.state.bytes.saturating_add(bytes);
        self.begun.folder().keep(FILE, &self.state)?;
        if sums.is_empty() {
            return Ok(None);
        }
        let sums = Sums { round: self.training.round(), groups: sums, invited: members.len() };
        self.begun.folder().keep(SUMS, &sums)?;
        Ok(Some(sums))
    }

    /// The change of the weights that the aggregation makes of a round's sums.
    async fn change(&mut self, session: &Session<'_>, sums: &Sums) -> Result<Bytes> {
        let job: PreparedJob = self.training.groups_aggregation(&sums.groups)?;
        let spent = self.begun.spent();
        let mut change = Change { begun: &mut self.begun, output: None };
        // One that an earlier command has posted.
        session.go_on(&mut change).await?;
        if change.output.is_none() {
            let deal = session.deal(1)?;
            session.check(spent, deal.deposit, LOWER)?;
            let blobs = job.blobs.into_iter().map(|(_, bytes)| bytes).collect();
            session.post(&mut change, deal, &job.spec, blobs).await?;
        }
        change.output.context("the aggregation has no output")
    }

    /// Tries the weights on what is held out, here: whoever trains has these data, and need not pay for that.
    async fn try_it(&mut self) -> Result<()> {
        let Some(job) = self.training.evaluation()? else { return Ok(()) };
        let here = Here::start(&job.spec, MODULE, &job.inputs(), On::Cpu).await?;
        let mut outputs = vec![];
        for unit in 0..job.spec.units {
            outputs.push(here.unit(unit).await?.output);
        }
        self.training.evaluated(&outputs)?;
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let out = &self.args.out;
        tokio::task::block_in_place(|| self.training.save(out))?;
        curve::write(self.training.history(), out)?;
        self.begun.folder().remove(SUMS)
    }

    /// What the rounds so far say of a participant's data at most; nothing without noise.
    fn privacy(&self) -> Result<Option<Spent>> {
        if self.state.noise.is_empty() {
            return Ok(None);
        }
        let bound = self.settings.bound(self.training.plan(), self.words);
        let mut accountant = Accountant::default();
        for (variance, honest) in &self.state.noise {
            accountant.add(&Noise { bound, variance: *variance, honest: *honest, len: self.words });
        }
        Ok(Some(accountant.spent(self.settings.delta)?))
    }

    /// Says what is left to do and what it costs, and asks.
    async fn agree(&self, session: &Session<'_>, members: usize) -> Result<()> {
        let left = u64::from(self.training.rounds() - self.training.round());
        let round = session.private_deposit()?.saturating_mul(members as u64).saturating_add(session.deposits(&[1])?);
        let deposit = round.saturating_mul(left);
        session.check(self.begun.spent(), deposit, LOWER)?;
        session.say(&format!(
            "{}: {left} rounds with {members} participants, whose results nobody checks, {} parameters; at most {} tokens",
            self.training.plan().name,
            self.training.parameters(),
            session.shown(deposit)
        ))?;
        if !self.args.jobs.yes {
            confirm("train it?").await?;
        }
        Ok(())
    }

    /// Says what a round came to.
    fn tell(&self, session: &Session<'_>, sums: &Sums) -> Result<()> {
        let Some(last) = self.training.history().last() else { return Ok(()) };
        let privacy = self.privacy()?.map(|spent| format!("; {spent}")).unwrap_or_default();
        session.say(&format!(
            "round {}/{}: {}; {} of {} participants in {} groups, {} bytes up and {} down each; {} tokens{privacy}",
            last.round + 1,
            self.training.rounds(),
            super::learnt(last),
            sums.updates(),
            sums.invited,
            sums.groups.len(),
            4 * u64::from(self.words),
            last.traffic.down,
            session.shown(self.begun.spent()),
        ))
    }
}
