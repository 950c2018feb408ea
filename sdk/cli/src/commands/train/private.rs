//! Training on private shards: data stays with participants, who are asked for masked updates, and what is learnt is their sum.

mod errands;
mod group;
mod settings;
mod state;
mod sums;

use std::{collections::HashSet, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_federation::{Coordinator, CoordinatorConfig};
use tessera_protocol::hash::Digest;
use tessera_sdk::Error;
use tessera_secure_sum::dp::Noise;
use tessera_train::{MODULE, PreparedJob, Training};
use tokio::{sync::Mutex, time::sleep};

use self::{
    errands::Errands,
    group::Group,
    settings::{Member, Settings},
    state::{Privacy, State},
    sums::Sums,
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
/// Pause before a round is begun anew.
const PAUSE: Duration = Duration::from_secs(5);
/// What makes a training cheaper.
const LOWER: &str = "--price or the plan's rounds, take fewer participants";

/// Trains with those that the file at `path` names.
pub async fn run(options: &Options, args: &Args, path: &Path) -> Result<()> {
    // First what can be refused without asking anybody, and before any money moves.
    let settings = Settings::load(path)?;
    let plan = tokio::task::block_in_place(|| tessera_train::Plan::load(&args.plan))?;
    let (training, begun) = tokio::task::block_in_place(|| super::open(args, plan))?;
    let state: State = begun.folder().read(FILE, "what `tessera train` knows of private rounds")?.unwrap_or_default();
    if args.jobs.restart {
        // Numbers of rounds and what was said of the data stay: participants and their data are the same.
        Sums::remove(begun.folder())?;
        if !state.is_new() {
            eprintln!(
                "warning: participants do not help to sum the same updates twice, since the difference of two sums is that of whoever is missing in one: rounds that had their sum under this plan come to nothing; agree with them on another seed of the plan"
            );
        }
    }
    let words = u32::try_from(training.private_words()).context("the model has too many parameters")?;
    settings.check(training.plan(), words)?;
    let mut rounds = Rounds { args, settings, training, begun, state, words, left_out: HashSet::new() };
    // An earlier command may have been stopped while it did.
    if rounds.training.history().last().is_some_and(|last| last.trial.is_none()) {
        unless_stopped(rounds.try_it(), "stopped; the same command goes on").await?;
    }
    let mut spent = None;
    if !rounds.is_over() {
        let session = Session::start(options, &args.jobs).await?;
        unless_stopped(rounds.work(&session), "stopped; the same command goes on, and begins the round under way anew")
            .await?;
        spent = Some(session.shown(rounds.begun.spent()));
    }
    let privacy = rounds.privacy()?;
    let bound = privacy.as_ref().and_then(Privacy::spent);
    let made = MadePrivately {
        made: Made::of(args, &rounds.training, rounds.begun.jobs().to_vec(), spent),
        epsilon: bound.map(|spent| spent.epsilon),
        delta: bound.map(|spent| spent.delta),
        masked_bytes: rounds.state.bytes,
    };
    print(options.json, &made, |made| {
        let privacy = privacy.map(|privacy| format!("\n{privacy}")).unwrap_or_default();
        super::plain(&made.made) + &privacy
    })
}

/// What was made, and what it has cost the participants.
#[derive(Serialize)]
struct MadePrivately {
    #[serde(flatten)]
    made: Made,
    /// Differential privacy of each participant's data; nothing if a round had no noise.
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
    /// Provider accounts that are not invited any more.
    left_out: HashSet<Pubkey>,
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

/// What a round with so many participants puts into escrows, in base units.
fn deposit(session: &Session<'_>, members: usize) -> Result<u64> {
    Ok(session.private_deposit()?.saturating_mul(members as u64).saturating_add(session.deposits(&[1])?))
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
        let open = errands.lock().await.cost();
        self.agree(session, members.len(), open).await?;
        let training = tessera_train::training_id(&session.wallet().pubkey().to_bytes(), &self.settings.name);
        let keys = members.iter().map(|member| member.key).collect();
        let coordinator = Coordinator::start(CoordinatorConfig::new(self.settings.listen, training, keys)).await?;
        session.say(&format!("participants are awaited at {}", coordinator.address()))?;
        let mut void = 0;
        while !self.is_over() {
            let sums = match Sums::read(self.begun.folder(), self.training.round())? {
                Some(sums) => sums,
                None => {
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
            let open = errands.lock().await.cost();
            let change = self.change(session, &sums, open).await?;
            self.training.advance(&change, sums.updates())?;
            // It is paid for: trying takes minutes, in which this program may be stopped.
            self.save()?;
            Sums::remove(self.begun.folder())?;
            self.try_it().await?;
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
        let members: Vec<Member> =
            members.iter().filter(|member| !self.left_out.contains(&member.provider)).copied().collect();
        let open = errands.lock().await.cost();
        session.check(self.begun.spent().saturating_add(open), deposit(session, members.len())?, LOWER)?;
        let groups = group::divide(&members, self.settings.group)?;
        let noise = groups.iter().map(|group| self.settings.noise(self.training.plan(), group.len(), self.words));
        let noise: Vec<Option<Noise>> = noise.collect::<Result<_>>()?;
        let weakest = noise.iter().flatten().max_by(|a, b| a.rho().total_cmp(&b.rho()));
        // Before anybody is invited: a number that was used is not used again, and what was masked may be known.
        let round = self.state.begin(weakest.map(Noise::rho));
        self.begun.keep()?;
        self.begun.folder().keep(FILE, &self.state)?;
        let task = self.training.task()?;
        let (folder, invited, words) = (self.begun.folder(), members.len(), self.words);
        let gathered = (0u32..).zip(groups.iter().zip(noise)).map(|(number, (members, noise))| {
            let (settings, training_here) = (&self.settings, &self.training);
            let group =
                Group { session, coordinator, settings, training: training_here, errands, folder, members, invited };
            group.sum(group::Numbers { training, round, group: number, task, noise, words })
        });
        let gathered = join_all(gathered).await;
        let (mut bytes, mut suspects) = (0, vec![]);
        for (number, (found, members)) in gathered.into_iter().zip(&groups).enumerate() {
            match found {
                Ok(updates) => bytes += 4 * u64::from(words) * updates as u64,
                Err(error) => {
                    session.say(&format!("group {number} has no sum: {error:#}"))?;
                    suspects.extend(group::because_of(&error, members));
                }
            }
        }
        self.state.bytes = self.state.bytes.saturating_add(bytes);
        self.begun.folder().keep(FILE, &self.state)?;
        self.leave_out(session, &suspects, invited)?;
        Sums::read(self.begun.folder(), self.training.round())
    }

    /// Does not invite those any more because of whom there was no sum, if there are enough others.
    fn leave_out(&mut self, session: &Session<'_>, suspects: &[Member], invited: usize) -> Result<()> {
        if suspects.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = suspects.iter().map(|member| member.provider.to_string()).collect();
        let names = names.join(", ");
        let left = invited.saturating_sub(suspects.len());
        match self.settings.suffices(self.training.plan(), self.words, left) {
            Ok(()) => {
                self.left_out.extend(suspects.iter().map(|member| member.provider));
                session.say(&format!("shares did not fit because of {names}: not invited any more by this command"))
            }
            Err(error) => session.say(&format!(
                "shares did not fit because of {names}, who are invited again, because without them it cannot go on: {error:#}"
            )),
        }
    }

    /// The change of the weights that the aggregation makes of a round's sums.
    /// `open` is what jobs cost that are not closed yet.
    async fn change(&mut self, session: &Session<'_>, sums: &Sums, open: u64) -> Result<Bytes> {
        let job: PreparedJob = self.training.groups_aggregation(&sums.groups)?;
        let spent = self.begun.spent().saturating_add(open);
        let mut change = Change { begun: &mut self.begun, output: None };
        // One that an earlier command has posted.
        session.go_on(&mut change).await?;
        if change.output.is_none() {
            let deal = session.deal(1)?;
            session.check(spent, deal.deposit, LOWER)?;
            session.post(&mut change, deal, &job.spec, job.blobs()).await?;
        }
        change.output.context("the aggregation has no output")
    }

    /// Tries the weights on what is held out, here: whoever trains has these data, and need not pay for that.
    async fn try_it(&mut self) -> Result<()> {
        let Some(job) = self.training.evaluation()? else { return Ok(()) };
        let here = Here::start(&job.spec, MODULE, &job.inputs()?, On::Cpu).await?;
        let mut outputs = vec![];
        for unit in 0..job.spec.units {
            outputs.push(here.unit(unit).await?.output);
        }
        self.training.evaluated(&outputs)?;
        self.save()
    }

    fn save(&self) -> Result<()> {
        let out = &self.args.out;
        tokio::task::block_in_place(|| self.training.save(out))?;
        curve::write(self.training.history(), out)
    }

    /// What the rounds so far say of a participant's data at most.
    fn privacy(&self) -> Result<Option<Privacy>> {
        self.state.privacy(self.settings.delta)
    }

    /// Says what is left to do and what it costs, and asks. `open` is what jobs cost that are not closed yet.
    async fn agree(&self, session: &Session<'_>, members: usize, open: u64) -> Result<()> {
        let left = u64::from(self.training.rounds() - self.training.round());
        let deposit = deposit(session, members)?.saturating_mul(left);
        session.check(self.begun.spent().saturating_add(open), deposit, LOWER)?;
        let honest = self.settings.honest_others(members)?;
        if honest < 2 {
            session.say(&format!(
                "each sum has an update of {honest} honest other at the least: participants with honest_others = 2, as it is unless they say otherwise, do not take part; more of them, or a higher threshold, make it more"
            ))?;
        }
        session.say(&format!(
            "{}: {left} rounds with {members} participants, whose results nobody checks, {} parameters; at most {} tokens if no round comes to nothing",
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
        let privacy = self.privacy()?.map(|privacy| format!("; {privacy}")).unwrap_or_default();
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
