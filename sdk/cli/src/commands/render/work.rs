//! The jobs of a rendering, one after the other: what is missing is posted, what comes in is merged and written.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{
    cid::Cid,
    spec::{JobSpec, MAX_SPEC_LEN},
};
use tessera_render::{Rounds, Shot, Work};
use tessera_sdk::{Error, StoreClient, Tessera};
use tessera_wallet::Wallet;

use super::{Args, Reel, Roll, cost, state::Kept};
use crate::{
    options::Options,
    output::line,
    posted,
    posting::{Quote, close, confirm, tend},
};

/// Everything that the work needs.
pub struct Session<'a> {
    options: &'a Options,
    args: &'a Args,
    reel: &'a Reel,
    rounds: Option<Rounds>,
    kept: Kept,
    roll: Roll,
    tessera: Tessera,
    wallet: Wallet,
    quote: Quote,
    /// Most that all of it may cost, in base units.
    most: Option<u64>,
}

impl<'a> Session<'a> {
    /// Connects.
    pub async fn start(
        options: &'a Options,
        args: &'a Args,
        reel: &'a Reel,
        rounds: Option<Rounds>,
        kept: Kept,
        roll: Roll,
    ) -> Result<Self> {
        let tessera = options.connect().await?;
        let wallet = options.wallet()?;
        let quote = args.offer.quote(options, &tessera).await?;
        let most = args.max_price.as_deref().map(|most| base_units(most, quote.decimals)).transpose()?;
        Ok(Self { options, args, reel, rounds, kept, roll, tessera, wallet, quote, most })
    }

    /// What jobs have cost so far, in base units.
    pub const fn spent(&self) -> u64 {
        self.kept.state().spent
    }

    /// Digits of the market's token.
    pub const fn decimals(&self) -> u8 {
        self.quote.decimals
    }

    /// Saves what is not written yet.
    pub fn save(&mut self) -> Result<()> {
        self.kept.save(&mut self.roll)
    }

    /// What is left when the work is over.
    pub fn end(self) -> (Kept, Roll) {
        (self.kept, self.roll)
    }

    /// Does all that is left to do. `first` is the first frame.
    pub async fn work(&mut self, first: Shot) -> Result<()> {
        self.go_on().await?;
        let left: BTreeSet<u32> = self.reel.frames().difference(self.roll.done()).copied().collect();
        if left.is_empty() {
            return Ok(());
        }
        let batches = tokio::task::block_in_place(|| self.reel.batches(&left, &first, self.args.frames_per_job))?;
        self.agree(&batches, &first).await?;
        // The scene may be large, and is packed again with each batch.
        drop(first);
        for (place, batch) in batches.iter().enumerate() {
            let shot = tokio::task::block_in_place(|| self.reel.pack(batch))?;
            self.batch(batch, &shot, &batches[place + 1..]).await?;
        }
        Ok(())
    }

    /// Goes on with the job that an earlier command posted, if it was not collected to its end.
    async fn go_on(&mut self) -> Result<()> {
        let Some(note) = posted::note(self.kept.folder())? else { return Ok(()) };
        let (url, cid) = (note.store.clone(), note.spec.parse::<Cid>());
        let wallet = self.wallet.pubkey();
        let Some(job) = posted::find(&self.tessera, &wallet, self.kept.folder(), note).await? else { return Ok(()) };
        let store = StoreClient::new(&url)?;
        let cid = cid.ok().context("job.json: the specification has no content id; --restart begins anew")?;
        let spec = store.get(&cid, MAX_SPEC_LEN as u64).await;
        let spec = JobSpec::decode(&spec.with_context(|| format!("cannot get the specification of job {job}"))?)?;
        self.say(&format!("going on with job {job}"))?;
        self.follow(job, &spec, &store).await
    }

    /// Says what it takes and costs, and asks.
    async fn agree(&self, batches: &[BTreeSet<u32>], first: &Shot) -> Result<()> {
        let settings = self.reel.settings();
        let jobs: Vec<u64> = batches.iter().map(|batch| self.most_units(batch)).collect();
        let (units, frames) = (jobs.iter().sum::<u64>(), batches.iter().map(BTreeSet::len).sum::<usize>());
        let deposit = cost::deposits(&self.args.offer, &self.quote, &jobs)?;
        let begin = match self.rounds {
            None => deposit,
            Some(_) => cost::deposits(&self.args.offer, &self.quote, &self.first_units(batches))?,
        };
        // Before anything takes long.
        cost::check(self.most, self.spent(), begin, self.quote.decimals)?;
        let Some(frame) = first.frames().next() else { bail!("no frames") };
        let trial = cost::try_tiles(first, frame, self.args.tries).await?;
        let at_most = if self.rounds.is_some() { "at most " } else { "" };
        self.say(&format!(
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
        let shown = |amount| tokens(amount, self.quote.decimals);
        if let Some(trial) = trial {
            let price = self.quote.price as f64 / 10f64.powi(self.quote.decimals.into()) / trial.gas.max(1.0) * 1e9;
            self.say(&format!(
                "a unit: about {:.3e} gas, {:.2} s here ({}); all of them about {:.0} s here; the price is {price:.6} tokens per 10^9 gas",
                trial.gas,
                trial.seconds,
                trial.device,
                trial.seconds * units as f64
            ))?;
        }
        let replicas = self.args.offer.terms.replicas;
        self.say(&format!(
            "{replicas} replicas of each unit at {} tokens, reserve for audits (what they do not take is returned) and fee: at most {} tokens{}",
            shown(self.quote.price),
            shown(deposit),
            if self.spent() > 0 { format!(", besides {} that were spent", shown(self.spent())) } else { String::new() }
        ))?;
        if !self.args.yes {
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
            cost::units(&Work::whole(fresh, rounds.first), self.reel.settings())
        };
        batches.iter().map(of).collect()
    }

    fn missing(&self, frames: &BTreeSet<u32>) -> Work {
        self.roll.merge().missing(&Work::whole(frames.iter().copied(), self.reel.settings().samples))
    }

    /// Renders the frames of a batch, round by round. `later` are the batches that follow.
    async fn batch(&mut self, batch: &BTreeSet<u32>, shot: &Shot, later: &[BTreeSet<u32>]) -> Result<()> {
        loop {
            let work = match &self.rounds {
                None => self.missing(batch),
                Some(rounds) => self.next_round(batch, *rounds)?,
            };
            if work.is_empty() {
                break;
            }
            let units = cost::units(&work, self.reel.settings());
            let reserved = cost::deposits(&self.args.offer, &self.quote, &self.first_units(later))?;
            let deal = self.args.offer.at(&self.quote, units)?;
            let fits = cost::check(self.most, self.spent(), deal.deposit.saturating_add(reserved), self.quote.decimals);
            if self.rounds.is_some() && self.kept.state().round > 0 && fits.is_err() {
                eprintln!("warning: --max-price leaves no room for another round; the frames keep the noise they have");
                break;
            }
            fits?;
            let job = tokio::task::block_in_place(|| shot.job(&work))?;
            let blobs: Vec<Bytes> = job.blobs.into_iter().map(|(_, bytes)| bytes).collect();
            let store = StoreClient::new(&deal.terms.store_url)?;
            // From here on other options are noticed.
            self.kept.change(|_| {})?;
            let posted = posted::post(&self.tessera, &self.wallet, deal, &job.spec, blobs, self.kept.folder()).await?;
            let deposited = tokens(posted.deposited, self.quote.decimals);
            self.say(&format!("job {}: {units} units, {deposited} tokens in escrow", posted.job))?;
            self.follow(posted.job, &job.spec, &store).await?;
        }
        let left: Vec<u32> = batch.difference(self.roll.done()).copied().collect();
        for frame in left {
            self.finish(frame)?;
        }
        self.kept.change(|state| state.round = 0)
    }

    /// What the next round computes; frames that need none are written.
    fn next_round(&mut self, batch: &BTreeSet<u32>, rounds: Rounds) -> Result<Work> {
        let mut work = Work::default();
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
            self.say(&format!(
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

    /// Follows a job to its end: outputs are merged, what is not finished is saved, and the job is closed.
    async fn follow(&mut self, job: Pubkey, spec: &JobSpec, store: &StoreClient) -> Result<()> {
        let Self { tessera, wallet, kept, roll, reel, quote, args, .. } = self;
        let (before, replicas) = (kept.state().spent, u64::from(args.offer.terms.replicas));
        let all = reel.frames().len();
        let status = |roll: &Roll, frame: u32, units: u64| {
            let paid = before.saturating_add(units.saturating_mul(quote.price).saturating_mul(replicas));
            let done = roll.done().intersection(reel.frames()).count();
            format!("frame {frame}, {done} of {all} finished, {} tokens", tokens(paid, quote.decimals))
        };
        let collected = tokio::select! {
            collected = roll.collect(tessera, &job, spec, store, status, |frame| kept.finished(frame)) => collected,
            () = tend(tessera, wallet, &job) => bail!("the job is not looked after any more"),
        };
        kept.save(roll)?;
        if let Err(error) = collected {
            let over = matches!(error, Error::Incomplete { .. });
            if over {
                // Nothing more comes of it. What is missing can be posted again.
                self.ended(job).await?;
                return Err(error).context("the same command posts what is missing, and only that");
            }
            return Err(error)
                .with_context(|| format!("job {job} goes on without this program; the same command goes on with it"));
        }
        if !self.args.keep_open {
            // The outputs are there, which is what was asked for.
            if let Err(error) = close(&self.tessera, &self.wallet, &job).await {
                eprintln!("warning: {error:#}");
            }
        }
        self.kept.change(|state| state.round += 1)?;
        self.ended(job).await
    }

    /// Writes down that a job is over and what it has cost.
    async fn ended(&mut self, job: Pubkey) -> Result<()> {
        let ledger = self.tessera.ledger(&job).await?;
        let cost = ledger.deposited.saturating_sub(ledger.refunded);
        self.kept.change(|state| {
            state.spent = state.spent.saturating_add(cost);
            state.jobs.push(job.to_string());
        })?;
        posted::forget(self.kept.folder())
    }

    fn say(&self, text: &str) -> Result<()> {
        if self.options.json { Ok(()) } else { line(text) }
    }
}
