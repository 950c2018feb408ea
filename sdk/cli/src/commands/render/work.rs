//! The jobs of a rendering, one after the other: what is missing is posted, what comes in is merged and written.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use tessera_render::{Rounds, Shot, Work as Parts};
use tessera_sdk::Error;

use super::{Args, Reel, Roll, cost, state::Kept};
use crate::{
    begun::Begun,
    posting::confirm,
    session::{Posted, Session, Work},
};

/// What makes a rendering cheaper.
const LOWER: &str = "--price, --size or --samples";

/// A rendering: what is wanted, and what there is of it.
pub struct Rendering<'a> {
    pub args: &'a Args,
    pub reel: &'a Reel,
    pub rounds: Option<Rounds>,
    pub kept: Kept,
    pub roll: Roll,
}

impl Work for Rendering<'_> {
    fn begun(&mut self) -> &mut Begun {
        self.kept.begun_mut()
    }

    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error> {
        let Self { kept, roll, reel, .. } = self;
        let all = reel.frames().len();
        let status = |roll: &Roll, frame: u32, units: u64| {
            let done = roll.done().intersection(reel.frames()).count();
            format!("frame {frame}, {done} of {all} finished, {} tokens", job.paid(units))
        };
        roll.collect(job.tessera, &job.address, job.spec, job.store, status, |frame| kept.finished(frame)).await
    }

    fn save(&mut self) -> Result<()> {
        self.kept.save(&mut self.roll)
    }

    fn complete(&mut self) -> Result<()> {
        self.kept.change(|state| state.round += 1)
    }
}

impl Rendering<'_> {
    /// Does all that is left to do. `first` is the first frame.
    pub async fn work(&mut self, session: &Session<'_>, first: Shot) -> Result<()> {
        session.go_on(self).await?;
        let left: BTreeSet<u32> = self.reel.frames().difference(self.roll.done()).copied().collect();
        if left.is_empty() {
            return Ok(());
        }
        let batches = tokio::task::block_in_place(|| self.reel.batches(&left, &first, self.args.frames_per_job))?;
        self.agree(session, &batches, &first).await?;
        // The scene may be large, and is packed again with each batch.
        drop(first);
        for (place, batch) in batches.iter().enumerate() {
            let shot = tokio::task::block_in_place(|| self.reel.pack(batch))?;
            self.batch(session, batch, &shot, &batches[place + 1..]).await?;
        }
        Ok(())
    }

    const fn spent(&self) -> u64 {
        self.kept.begun().spent()
    }

    /// Says what it takes and costs, and asks.
    async fn agree(&self, session: &Session<'_>, batches: &[BTreeSet<u32>], first: &Shot) -> Result<()> {
        let settings = self.reel.settings();
        let jobs: Vec<u64> = batches.iter().map(|batch| self.most_units(batch)).collect();
        let (units, frames) = (jobs.iter().sum::<u64>(), batches.iter().map(BTreeSet::len).sum::<usize>());
        let deposit = session.deposits(&jobs)?;
        let begin = match self.rounds {
            None => deposit,
            Some(_) => session.deposits(&self.first_units(batches))?,
        };
        // Before anything takes long.
        session.check(self.spent(), begin, LOWER)?;
        let Some(frame) = first.frames().next() else { bail!("no frames") };
        let trial = cost::try_tiles(first, frame, self.args.tries).await?;
        let at_most = if self.rounds.is_some() { "at most " } else { "" };
        session.say(&format!(
            "{}: {frames} {} of {} x {}, {at_most}{} samples: {at_most}{units} units in {} {}",
            self.args.scene.display(),
            if frames == 1 { "frame" } else { "frames" },
            settings.width,
            settings.height,
            settings.samples,
            jobs.len(),
            match (jobs.len(), self.rounds) {
                (1, None) => "job",
                (_, None) => "jobs",
                (1, Some(_)) => "job a round",
                (_, Some(_)) => "jobs a round",
            }
        ))?;
        if let Some(trial) = trial {
            session.say(&format!(
                "a unit: about {:.3e} gas, {:.2} s here ({}); all of them about {:.0} s here; the price is {:.6} tokens per 10^9 gas",
                trial.gas,
                trial.seconds,
                trial.device,
                trial.seconds * units as f64,
                session.price_of_gas(trial.gas)
            ))?;
        }
        session.say(&session.offered(deposit, self.spent()))?;
        if !self.args.jobs.yes {
            confirm("render it?").await?;
        }
        Ok(())
    }

    /// Most units that the frames of a batch still take.
    fn most_units(&self, batch: &BTreeSet<u32>) -> u64 {
        let settings = self.reel.settings();
        match &self.rounds {
            None => cost::units(&self.missing(batch), settings),
            Some(rounds) => {
                let of = |frame: &u32| cost::most_units(self.roll.merge().samples(*frame).0, rounds, settings);
                batch.iter().map(of).sum()
            }
        }
    }

    /// Units of the first round of batches of which nothing was rendered yet.
    fn first_units(&self, batches: &[BTreeSet<u32>]) -> Vec<u64> {
        let Some(rounds) = &self.rounds else { return batches.iter().map(|batch| self.most_units(batch)).collect() };
        let of = |batch: &BTreeSet<u32>| {
            let fresh = batch.iter().copied().filter(|frame| self.roll.merge().samples(*frame).1 == 0);
            cost::units(&Parts::whole(fresh, rounds.first), self.reel.settings())
        };
        batches.iter().map(of).collect()
    }

    fn missing(&self, frames: &BTreeSet<u32>) -> Parts {
        self.roll.merge().missing(&Parts::whole(frames.iter().copied(), self.reel.settings().samples))
    }

    /// Renders the frames of a batch, round by round. `later` are the batches that follow.
    async fn batch(
        &mut self,
        session: &Session<'_>,
        batch: &BTreeSet<u32>,
        shot: &Shot,
        later: &[BTreeSet<u32>],
    ) -> Result<()> {
        loop {
            let parts = match &self.rounds {
                None => self.missing(batch),
                Some(rounds) => self.next_round(session, batch, *rounds)?,
            };
            if parts.is_empty() {
                break;
            }
            let reserved = session.deposits(&self.first_units(later))?;
            let deal = session.deal(cost::units(&parts, self.reel.settings()))?;
            let fits = session.check(self.spent(), deal.deposit.saturating_add(reserved), LOWER);
            if self.rounds.is_some() && self.kept.state().round > 0 && fits.is_err() {
                eprintln!("warning: --max-price leaves no room for another round; the frames keep the noise they have");
                break;
            }
            fits?;
            let job = tokio::task::block_in_place(|| shot.job(&parts))?.prepared;
            session.post(self, deal, &job.spec, job.blobs()).await?;
        }
        let left: Vec<u32> = batch.difference(self.roll.done()).copied().collect();
        for frame in left {
            self.finish(frame)?;
        }
        self.kept.change(|state| state.round = 0)
    }

    /// What the next round computes; frames that need none are written.
    fn next_round(&mut self, session: &Session<'_>, batch: &BTreeSet<u32>, rounds: Rounds) -> Result<Parts> {
        let mut work = Parts::default();
        let left: Vec<u32> = batch.difference(self.roll.done()).copied().collect();
        for frame in left {
            let parts = self.roll.merge().next_round([frame], &rounds).parts;
            let gaps = self.roll.merge().samples(frame).0 < rounds.first;
            if parts.is_empty() || (self.kept.state().round >= self.args.rounds && !gaps) {
                self.finish(frame)?;
            } else {
                work.parts.extend(parts);
            }
        }
        if !work.is_empty() {
            let all = self.reel.settings().film().tile_count();
            let frames = work.frames();
            let tiles: u64 = work.parts.iter().map(|part| u64::from(part.tiles.count(all))).sum();
            let samples = work.parts.iter().map(|part| part.first_sample + part.samples).max().unwrap_or(0);
            let noise = frames.iter().filter_map(|frame| self.roll.merge().noise(*frame)).reduce(f32::max);
            let noise = noise.map_or_else(String::new, |noise| format!("; the noisiest tile has {noise:.4}"));
            session.say(&format!(
                "round {}: {tiles} of {} tiles of {} frames go on, to {samples} samples at most{noise}",
                self.kept.state().round + 1,
                u64::from(all) * frames.len() as u64,
                frames.len()
            ))?;
        }
        Ok(work)
    }

    fn finish(&mut self, frame: u32) -> Result<()> {
        self.roll.finish(frame)?;
        self.kept.finished(frame)
    }
}
