//! The jobs that one command posts, one after the other: what was begun goes on, what is missing is posted, what comes in
//! is used, and all of it is written down, so that nothing is paid twice.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{
    cid::Cid,
    spec::{JobSpec, MAX_SPEC_LEN},
};
use tessera_sdk::{Account, Error, StoreClient, Tessera, accounts};
use tessera_wallet::Wallet;

use crate::{
    begun::Begun,
    commands::job::cancel::{self, Patience},
    hint,
    options::Options,
    output::line,
    posted,
    posting::{Deal, Offer, Quote, close, tend},
    takers,
};

/// How jobs are posted and ended.
#[derive(clap::Args, Debug)]
pub struct Jobs {
    #[command(flatten)]
    pub offer: Offer,
    /// Most tokens that all of it may cost: nothing is posted that could cost more
    #[arg(long, value_name = "TOKENS")]
    pub max_price: Option<String>,
    /// Forget what an earlier command began at the same --out
    #[arg(long)]
    pub restart: bool,
    /// Post without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Leave jobs open instead of closing them when their outputs are there
    #[arg(long)]
    pub keep_open: bool,
}

/// What the outputs of jobs become.
pub trait Work {
    /// How it was begun, and what it has cost.
    fn begun(&mut self) -> &mut Begun;

    /// Collects the outputs of a job that are not there yet, and uses them as they come. Returns when all are there that are
    /// wanted.
    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error>;

    /// Saves what is only in memory, whatever has become of the job.
    fn save(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether some outputs of the job were not waited for.
    fn is_cut(&self) -> bool {
        false
    }

    /// The outputs of a job are there, and nobody has noted yet that it is over.
    fn complete(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether the note of a job stays when its outputs are there, so that the same command looks for lost ones.
    fn keeps_note(&self) -> bool {
        false
    }

    /// What the same command does when a job has ended without all outputs.
    fn rest(&self) -> &'static str {
        "posts what is missing"
    }
}

/// A job that was posted.
pub struct Posted<'a> {
    pub tessera: &'a Tessera,
    pub address: Pubkey,
    pub spec: &'a JobSpec,
    pub store: &'a StoreClient,
    /// What earlier jobs have cost, and what a unit of this one does in all replicas, in base units.
    before: u64,
    unit: u64,
    decimals: u8,
}

impl Posted<'_> {
    /// Tokens that were paid when so many units of this job are there, as far as is known.
    pub fn paid(&self, units: u64) -> String {
        tokens(self.before.saturating_add(units.saturating_mul(self.unit)), self.decimals)
    }
}

/// Where jobs are posted, by whom and on what terms.
pub struct Session<'a> {
    options: &'a Options,
    jobs: &'a Jobs,
    tessera: Tessera,
    wallet: Wallet,
    quote: Quote,
    /// Most that all of it may cost, in base units.
    most: Option<u64>,
}

impl<'a> Session<'a> {
    /// Connects.
    pub async fn start(options: &'a Options, jobs: &'a Jobs) -> Result<Self> {
        let tessera = options.connect().await?;
        let wallet = options.wallet()?;
        let quote = jobs.offer.quote(options, &tessera).await?;
        let most = jobs.max_price.as_deref().map(|most| base_units(most, quote.decimals)).transpose()?;
        Ok(Self { options, jobs, tessera, wallet, quote, most })
    }

    /// Base units as tokens.
    pub fn shown(&self, amount: u64) -> String {
        tokens(amount, self.quote.decimals)
    }

    /// Says something to people.
    pub fn say(&self, text: &str) -> Result<()> {
        if self.options.json { Ok(()) } else { line(text) }
    }

    /// Tokens as base units.
    pub fn amount(&self, tokens: &str) -> Result<u64> {
        Ok(base_units(tokens, self.quote.decimals)?)
    }

    /// What jobs of so many units would put into their escrows, in base units.
    pub fn deposits(&self, jobs: &[u64]) -> Result<u64> {
        let mut sum = 0u64;
        for units in jobs.iter().filter(|units| **units > 0) {
            sum = sum.saturating_add(self.deal(*units)?.deposit);
        }
        Ok(sum)
    }

    /// The offer for a job of so many units.
    pub fn deal(&self, units: u64) -> Result<Deal> {
        self.deal_at(units, self.quote.price)
    }

    /// The same at another price of a unit, in base units.
    pub fn deal_at(&self, units: u64, price: u64) -> Result<Deal> {
        self.jobs.offer.at(&self.quote, units, price)
    }

    /// The offer for a private job of one unit to one provider.
    pub fn private_deal(&self, provider: Pubkey) -> Result<Deal> {
        self.jobs.offer.private(&self.quote, provider)
    }

    /// What such a job puts into its escrow, in base units.
    pub fn private_deposit(&self) -> Result<u64> {
        Ok(self.private_deal(Pubkey::default())?.deposit)
    }

    /// The chain.
    pub const fn tessera(&self) -> &Tessera {
        &self.tessera
    }

    /// Who pays.
    pub const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The market.
    pub const fn market(&self) -> &Account<accounts::Market> {
        &self.quote.market
    }

    /// The store's address.
    pub fn store_url(&self) -> Result<&str> {
        self.jobs.offer.store()
    }

    /// Refuses what costs more than the user wants to pay. `lower` are the options that make it cheaper.
    pub fn check(&self, spent: u64, next: u64, lower: &str) -> Result<()> {
        check(self.most, spent, next, self.quote.decimals, lower)
    }

    /// The price in tokens per 10⁹ gas, where a unit takes so much.
    pub fn price_of_gas(&self, gas: f64) -> f64 {
        self.quote.price as f64 / 10f64.powi(self.quote.decimals.into()) / gas.max(1.0) * 1e9
    }

    /// What is offered, and what it comes to at most.
    pub fn offered(&self, deposit: u64, spent: u64) -> String {
        format!(
            "{} replicas of each unit at {} tokens, reserve for audits (what they do not take is returned) and fee: at most {} tokens{}",
            self.jobs.offer.terms.replicas,
            self.shown(self.quote.price),
            self.shown(deposit),
            if spent > 0 { format!(", besides {} that were spent", self.shown(spent)) } else { String::new() }
        )
    }

    /// Goes on with the job that an earlier command posted, if its note is there. Returns whether there was one: its outputs
    /// are there then.
    pub async fn go_on(&self, work: &mut impl Work) -> Result<bool> {
        self.settle(work.begun()).await?;
        let Some(note) = posted::note(work.begun().folder())? else { return Ok(false) };
        let (url, cid) = (note.store.clone(), note.spec.parse::<Cid>());
        let wallet = self.wallet.pubkey();
        let found = posted::find(&self.tessera, &wallet, work.begun().folder(), note).await?;
        let Some(job) = found else { return Ok(false) };
        let store = StoreClient::new(&url)?;
        let cid = cid.ok().context("job.json: the specification has no content id; --restart begins anew")?;
        let spec = store.get(&cid, MAX_SPEC_LEN as u64).await;
        let spec = JobSpec::decode(&spec.with_context(|| format!("cannot get the specification of job {job}"))?)?;
        self.say(&format!("going on with job {job}"))?;
        self.follow(work, job, &spec, &store).await?;
        Ok(true)
    }

    /// Posts a job and follows it to its end.
    pub async fn post(&self, work: &mut impl Work, deal: Deal, spec: &JobSpec, blobs: Vec<Bytes>) -> Result<()> {
        let store = StoreClient::new(&deal.terms.store_url)?;
        let begun = work.begun();
        begun.keep()?;
        let posted = posted::post(&self.tessera, &self.wallet, deal, spec, blobs, begun.folder()).await?;
        let deposited = self.shown(posted.deposited);
        self.say(&format!("job {}: {} units, {deposited} tokens in escrow", posted.job, spec.units))?;
        self.follow(work, posted.job, spec, &store).await
    }

    /// Follows a job to its end: outputs are used, what is left in memory is saved, and the job is closed.
    async fn follow(&self, work: &mut impl Work, job: Pubkey, spec: &JobSpec, store: &StoreClient) -> Result<()> {
        let Self { tessera, wallet, quote, jobs, .. } = self;
        // It may have been posted at another price, or raised.
        let found = tessera.job(&job).await?;
        let unit = found.map_or(0, |job| job.price_per_unit.saturating_mul(u64::from(job.replicas)));
        let before = work.begun().spent();
        let posted = Posted { tessera, address: job, spec, store, before, unit, decimals: quote.decimals };
        let collected = tokio::select! {
            collected = work.collect(&posted) => collected,
            () = tend(tessera, wallet, &job) => bail!("the job is not looked after any more"),
            () = takers::watch(tessera, &quote.market, &job, quote.decimals) => bail!("nobody looks for takers any more"),
        };
        work.save()?;
        match &collected {
            Ok(()) if work.is_cut() => self.end(&job).await,
            // Its outputs are there, which is what was asked for.
            Ok(()) if !jobs.keep_open => {
                if let Err(error) = close(tessera, wallet, &job).await {
                    eprintln!("warning: {error:#}");
                }
            }
            Ok(()) => {}
            // Nothing more comes of it that is wanted. What is missing can be posted again.
            Err(Error::Incomplete { .. } | Error::NotComputable { .. }) => self.end(&job).await,
            Err(_) => {}
        }
        match collected {
            Ok(()) => {
                work.complete()?;
                self.ended(work, job).await
            }
            Err(error @ (Error::Incomplete { .. } | Error::NotComputable { .. })) => {
                self.ended(work, job).await?;
                posted::forget(work.begun().folder())?;
                Err(error).with_context(|| format!("the same command {}", work.rest()))
            }
            Err(error) => Err(error)
                .with_context(|| format!("job {job} goes on without this program; the same command goes on with it")),
        }
    }

    /// Ends a job of which nothing more is wanted: whoever is at work goes on and is paid, nobody else begins.
    async fn end(&self, job: &Pubkey) {
        let ended = async {
            let closed = cancel::end(&self.tessera, &self.wallet, &self.quote.market, *job, Patience::None).await?;
            if closed.is_none() && self.tessera.job(job).await?.is_some() {
                let reclaim = hint::command("reclaim");
                self.say(&format!("job {job}: cancelled; {reclaim} brings back what nobody earns"))?;
            }
            anyhow::Ok(())
        };
        if let Err(error) = ended.await {
            eprintln!("warning: cannot end job {job}: {error:#}");
        }
    }

    /// Writes down that a job is over and what it has cost.
    async fn ended(&self, work: &mut impl Work, job: Pubkey) -> Result<()> {
        let keeps_note = work.keeps_note();
        let begun = work.begun();
        self.count(begun, &job).await?;
        if !keeps_note {
            posted::forget(begun.folder())?;
        }
        // Those that are to stay open are not looked at after each job.
        if self.jobs.keep_open { Ok(()) } else { self.settle(begun).await }
    }

    async fn count(&self, begun: &mut Begun, job: &Pubkey) -> Result<()> {
        let ledger = self.tessera.ledger(job).await?;
        begun.count(job, ledger.spent(), ledger.closed)
    }

    /// Looks again at jobs that were not closed when they were over: what comes back from them was not spent. Those that can be
    /// closed are, unless they are to stay open or somebody would be asked to sign.
    async fn settle(&self, begun: &mut Begun) -> Result<()> {
        for job in begun.open_jobs() {
            if !self.jobs.keep_open
                && !self.wallet.is_interactive()
                && let Err(error) = cancel::close_if_over(&self.tessera, &self.wallet, &self.quote.market, job).await
            {
                eprintln!("warning: cannot close job {job}: {error:#}");
            }
            self.count(begun, &job).await?;
        }
        Ok(())
    }
}

fn check(most: Option<u64>, spent: u64, next: u64, decimals: u8, lower: &str) -> Result<()> {
    let Some(most) = most.filter(|most| spent.saturating_add(next) > *most) else { return Ok(()) };
    let shown = |amount| tokens(amount, decimals);
    let before = if spent > 0 { format!("{} were spent and ", shown(spent)) } else { String::new() };
    bail!(
        "--max-price is {} tokens, but {before}{} more would be needed; nothing more was posted: lower {lower}, or allow more",
        shown(most),
        shown(next)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_more_than_they_allow() {
        check(None, 5, u64::MAX, 0, "--price").unwrap();
        check(Some(10), 4, 6, 0, "--price").unwrap();
        let error = check(Some(10), 4, 7, 0, "--price or --size").unwrap_err().to_string();
        assert!(error.contains("4 were spent") && error.contains("7 more"), "{error}");
        assert!(error.contains("lower --price or --size, or allow more"), "{error}");
    }
}
