//! `tessera job watch`.

mod event;
mod offer;
mod status;

use std::{io::IsTerminal, time::Duration};

use anyhow::{Result, bail};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use solana_pubkey::Pubkey;
use tessera_sdk::{Event, Job, JobUpdate, Lease, Tessera};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{decimals_of, ledger_text};
use crate::{commands::asked_to_stop, hint, options::Options, output::line};
use offer::Rise;
use status::Status;

/// How often the view is brought up to date.
const REFRESH: Duration = Duration::from_secs(1);
/// After which time leases are read again although nothing was said of them: answers to demands name no job.
const AGE: Duration = Duration::from_secs(10);

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the job
    job: Pubkey,
    #[command(flatten)]
    rise: Rise,
}

pub async fn run(options: &Options, tessera: &Tessera, args: Args) -> Result<()> {
    let address = args.job;
    let job = tessera.job(&address).await?;
    if job.is_none() && !tessera.ledger(&address).await?.closed {
        bail!("there is and was no job at {address}; check the address and --url");
    }
    let decimals = decimals_of(tessera, options, job.as_ref()).await?;
    let raiser = match &job {
        Some(job) => args.rise.raiser(options, tessera, job).await?,
        None => None,
    };
    let view = View::new(options.json, decimals);
    let watch = Watch { tessera, address, view, job, raiser, changed: true, read: None };
    tokio::select! {
        done = watch.follow() => done,
        asked = asked_to_stop() => {
            eprintln!("the job goes on; {} shows it again", hint::command(&format!("job watch {address}")));
            asked
        }
    }
}

/// What is shown of a job, and where.
struct View {
    json: bool,
    decimals: Option<u8>,
    /// The state of things below the events, on a terminal.
    bar: Option<ProgressBar>,
}

impl View {
    fn new(json: bool, decimals: Option<u8>) -> Self {
        let live = !json && std::io::stdout().is_terminal();
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { json, decimals, bar }
    }

    fn say(&self, text: &str) -> Result<()> {
        match &self.bar {
            Some(bar) => {
                bar.println(text);
                Ok(())
            }
            None => line(text),
        }
    }

    fn show(&self, status: &Status, changed: bool) -> Result<()> {
        match &self.bar {
            Some(bar) => bar.set_message(status.block(self.decimals)),
            None if self.json && changed => line(&serde_json::json!({ "status": status }).to_string())?,
            None if changed => line(&status.line(self.decimals))?,
            None => {}
        }
        Ok(())
    }
}

struct Watch<'a> {
    tessera: &'a Tessera,
    address: Pubkey,
    view: View,
    job: Option<Job>,
    raiser: Option<offer::Raiser>,
    /// Whether something has happened since the leases were read last.
    changed: bool,
    /// The leases, when they were read, and what time it was.
    read: Option<(Vec<Lease>, Instant, i64)>,
}

impl Watch<'_> {
    async fn follow(mut self) -> Result<()> {
        let mut updates = self.tessera.watch_job(&self.address);
        let mut ticks = interval(REFRESH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            tokio::select! {
                update = updates.next() => match update {
                    Some(JobUpdate::Event(recorded)) => {
                        self.changed = true;
                        if let (Some(raiser), Event::LeaseClaimed(_)) = (&mut self.raiser, &recorded.event) {
                            raiser.claimed();
                        }
                        self.view.say(&event::text(self.view.json, &recorded))?;
                    }
                    Some(JobUpdate::Job(job)) => (self.job, self.changed) = (Some(job), true),
                    Some(JobUpdate::Closed) | None => break,
                },
                _ = ticks.tick() => self.refresh(&mut last).await?,
            }
        }
        if let Some(bar) = &self.view.bar {
            bar.finish_and_clear();
        }
        let ledger = self.tessera.ledger(&self.address).await?;
        if self.view.json {
            return line(&serde_json::json!({ "closed": ledger }).to_string());
        }
        line(&format!("job {} is closed", self.address))?;
        line(ledger_text(&ledger, self.view.decimals).trim_end())
    }

    /// Shows how things are. An endpoint that does not answer now is asked again with the next tick.
    async fn refresh(&mut self, last: &mut Option<String>) -> Result<()> {
        let Some(job) = &self.job else { return Ok(()) };
        let aged = self.read.as_ref().is_none_or(|(_, at, _)| at.elapsed() > AGE);
        if self.changed || aged {
            match self.look().await {
                Ok((leases, time)) => (self.read, self.changed) = (Some((leases, Instant::now(), time)), false),
                Err(error) => return self.miss(&error),
            }
        }
        let Some((leases, at, time)) = &self.read else { return Ok(()) };
        let now = time.saturating_add(i64::try_from(at.elapsed().as_secs()).unwrap_or(0));
        let status = Status::new(job, leases, now);
        let text = status.line(self.view.decimals);
        let changed = last.as_ref() != Some(&text);
        self.view.show(&status, changed)?;
        *last = Some(text);
        if let Some(raiser) = &mut self.raiser
            && let Some(said) = raiser.raise(self.tessera, job, &status).await
        {
            let said = if self.view.json { serde_json::json!({ "raise": said }).to_string() } else { said };
            self.view.say(&said)?;
        }
        Ok(())
    }

    async fn look(&self) -> Result<(Vec<Lease>, i64), tessera_sdk::Error> {
        Ok((self.tessera.job_leases(&self.address).await?, self.tessera.clock().await?.time))
    }

    fn miss(&self, error: &tessera_sdk::Error) -> Result<()> {
        match &self.view.bar {
            Some(bar) => bar.set_message(format!("no answer now: {error}")),
            None => eprintln!("warning: {error}"),
        }
        Ok(())
    }
}
