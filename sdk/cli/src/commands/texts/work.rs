//! The jobs that read texts, one after the other: what is missing is posted, what comes in is kept and written.

use std::{collections::HashSet, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail};
use tessera_sdk::Error;

use super::{FILE, Front, Kept, Made, Plan, Reader as _, State, Text, TextArgs, kept::Lines, plan::posted};
use crate::{
    begun::Begun,
    posting::confirm,
    progress::Progress,
    session::{Posted, Session, Work},
};

/// What makes answers cheaper.
const LOWER: &str = "--price or the number of texts, take a larger --batch";

/// What is wanted, and what there is of it.
pub struct Reading<'a, F> {
    args: &'a TextArgs,
    /// The file that is written, if one is.
    out: Option<&'a Path>,
    front: &'a F,
    plan: &'a Plan,
    texts: &'a [Text],
    begun: Begun,
    state: State,
    kept: Kept,
    /// The file, where it is written as answers come, once that has begun.
    lines: Option<Lines>,
    /// Since when outputs are collected, and how many tokens have come since.
    since: Option<Instant>,
    came: u64,
}

impl<F: Front> Work for Reading<'_, F> {
    fn begun(&mut self) -> &mut Begun {
        &mut self.begun
    }

    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error> {
        let caller = |error: anyhow::Error| Error::Caller(error.into());
        let units: Vec<u64> = self.state.posted.iter().flat_map(|(first, end)| *first..*end).collect();
        if units.len() as u64 != job.spec.units {
            let (found, expected) = (job.spec.units, units.len());
            return Err(caller(anyhow::anyhow!(
                "the job has {found} units, expected {expected}; --restart begins anew"
            )));
        }
        self.since.get_or_insert_with(Instant::now);
        self.open().map_err(caller)?;
        let mut reader = self.front.reader(job.spec).map_err(caller)?;
        let mut progress = Progress::new(F::DOING, self.texts.len() as u64);
        let there = (0..self.kept.units()).filter(|unit| self.kept.has(*unit));
        progress.add(there.map(|unit| self.plan.texts(unit).len() as u64).sum());
        let of_job = |unit: u64| usize::try_from(unit).ok().and_then(|place| units.get(place)).copied();
        let mut known = HashSet::new();
        let mut collected = 0;
        for mut lease in job.tessera.settled(&job.address).await? {
            let count = lease.units.end - lease.units.start;
            if lease.units.all(|unit| of_job(unit).is_some_and(|unit| self.kept.has(unit))) {
                known.insert(lease.index);
                collected += count;
            }
        }
        let all = job.tessera.collect(&job.address, job.spec, job.store, &known, |lease| {
            for (place, output) in lease.units() {
                let unit = of_job(place).with_context(|| format!("the job has no unit {place}"))?;
                if !self.kept.has(unit) {
                    let texts = &self.texts[self.plan.texts(unit)];
                    let bytes = reader.unit(self.plan.model(), place, output, texts)?;
                    self.kept.put(unit, &bytes)?;
                    self.came += self.tokens(unit, &bytes)?;
                    progress.add(texts.len() as u64);
                }
            }
            if let Some(lines) = &mut self.lines {
                lines.go_on(&self.kept)?;
            }
            collected += lease.outputs.len() as u64;
            progress.note(format!("{} tokens paid", job.paid(collected)));
            Ok(())
        });
        all.await.map(drop)
    }
}

impl<'a, F: Front> Reading<'a, F> {
    /// What there is, and nothing collected yet.
    pub const fn new(
        (args, out): (&'a TextArgs, Option<&'a Path>),
        front: &'a F,
        (plan, texts): (&'a Plan, &'a [Text]),
        begun: Begun,
        state: State,
        kept: Kept,
    ) -> Self {
        Self { args, out, front, plan, texts, begun, state, kept, lines: None, since: None, came: 0 }
    }

    /// What jobs that have ended have cost, in base units.
    pub const fn spent(&self) -> u64 {
        self.begun.spent()
    }

    /// Does all that is left to do.
    pub async fn work(&mut self, session: &Session<'_>) -> Result<()> {
        session.go_on(self).await?;
        let jobs = self.missing();
        if jobs.is_empty() {
            return Ok(());
        }
        self.agree(session, &jobs).await?;
        for units in jobs {
            let deal = session.deal(units.len() as u64)?;
            let job = tokio::task::block_in_place(|| self.plan.job(self.front, self.texts, &units))?;
            self.state.posted = ranges(&units);
            self.begun.keep()?;
            self.begun.folder().keep(FILE, &self.state)?;
            session.post(self, deal, &job.spec, job.blobs()).await?;
        }
        let missing = self.missing().iter().map(Vec::len).sum::<usize>();
        if missing > 0 {
            bail!("{missing} units are missing; the same command posts them, and only these");
        }
        Ok(())
    }

    /// Units of each job that is still to be posted.
    fn missing(&self) -> Vec<Vec<u64>> {
        let is_drawn = self.front.is_drawn();
        let of = |part| posted(part, is_drawn, |unit| !self.kept.has(unit));
        self.plan.parts().iter().map(of).filter(|units| !units.is_empty()).collect()
    }

    /// Says what it takes and costs, and asks.
    async fn agree(&self, session: &Session<'_>, jobs: &[Vec<u64>]) -> Result<()> {
        let counts: Vec<u64> = jobs.iter().map(|units| units.len() as u64).collect();
        let (units, deposit) = (counts.iter().sum::<u64>(), session.deposits(&counts)?);
        // Before anything takes long.
        session.check(self.spent(), deposit, LOWER)?;
        let trial = self.plan.try_texts(self.front, self.texts, self.args.tries).await?;
        let texts: usize = jobs.iter().flatten().map(|unit| self.plan.texts(*unit).len()).sum();
        session.say(&format!(
            "{texts} of {} texts, which have {} tokens: {units} units in {} {}",
            self.texts.len(),
            self.plan.tokens(),
            jobs.len(),
            if jobs.len() == 1 { "job" } else { "jobs" },
        ))?;
        if let Some(trial) = trial {
            let (all, share) = (self.plan.units().max(1) as f64, units as f64);
            let at_most = if self.front.made() > 1 { "at most " } else { "" };
            session.say(&format!(
                "a unit: {at_most}about {:.3e} gas, {:.2} s here ({}); all of them {at_most}about {:.0} s here; the price is {:.6} tokens per 10^9 gas",
                trial.gas / all,
                trial.seconds / all,
                trial.device,
                trial.seconds / all * share,
                session.price_of_gas(trial.gas / all)
            ))?;
        }
        session.say(&session.offered(deposit, self.spent()))?;
        if !self.args.jobs.yes {
            confirm("post it?").await?;
        }
        Ok(())
    }

    /// Opens the file, where it is written as answers come.
    fn open(&mut self) -> Result<()> {
        if let Some(out) = self.out.filter(|_| F::IS_STREAMED && self.lines.is_none()) {
            self.lines = Some(Lines::open(out, &self.kept)?);
        }
        Ok(())
    }

    /// Tokens whose number says how fast a unit was: those that were made, else those of its texts.
    fn tokens(&self, unit: u64, bytes: &[u8]) -> Result<u64> {
        if self.front.made() > 0 {
            return self.front.tokens(bytes);
        }
        let mut sum = 0;
        for text in &self.texts[self.plan.texts(unit)] {
            sum += self.plan.model().tokens(&text.text)?.len() as u64;
        }
        Ok(sum)
    }

    /// Writes what is not written yet, and removes what is of no use any more.
    pub fn finish(&mut self, made: &mut Made) -> Result<()> {
        if self.front.made() > 0 {
            let mut sum = 0;
            for unit in 0..self.kept.units() {
                sum += self.front.tokens(&self.kept.read(unit)?)?;
            }
            made.made = Some(sum);
        }
        self.open()?;
        match (&self.lines, self.out) {
            (Some(lines), _) => lines.sync()?,
            (None, Some(out)) => self.front.write(out, self.texts, &self.kept)?,
            (None, None) => {}
        }
        self.state.total = self.front.total(&self.kept)?;
        made.total = self.state.total;
        self.state.done = true;
        self.begun.keep()?;
        self.begun.folder().keep(FILE, &self.state)?;
        self.kept.clear()?;
        made.jobs = self.begun.jobs().to_vec();
        if let Some(since) = self.since {
            let seconds = since.elapsed().as_secs_f64();
            made.seconds = Some(seconds);
            made.tokens_per_second = Some(self.came as f64 / seconds.max(f64::MIN_POSITIVE));
        }
        Ok(())
    }
}

/// Runs of numbers that follow one another.
fn ranges(units: &[u64]) -> Vec<(u64, u64)> {
    let runs = units.chunk_by(|one, next| one + 1 == *next);
    runs.filter_map(|run| Some((*run.first()?, run.last()? + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_units_are_noted_shortly() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), [(0, 3), (5, 6), (7, 9)]);
        assert!(ranges(&[]).is_empty());
    }
}
