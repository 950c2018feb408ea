//! Posting a job: client account, blobs, escrow.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use solana_pubkey::Pubkey;
use tessera_protocol::{
    audit::AuditParams,
    cid::Cid,
    payout::{self, Escrow},
    routing::Requirements,
    spec::JobSpec,
};

use crate::{Account, AnySigner, Error, Receipt, Tessera, accounts, ix, pda, store::StoreClient, token};

mod late;
mod raise;
mod terms;

use terms::check_terms;

/// Unsettled leases of a cancelled job that fit in one transaction.
const MAX_VACANT: usize = 20;
/// Blobs uploaded at once.
const AT_ONCE: usize = 4;

/// What a client offers for a job.
#[derive(Clone, Debug)]
pub struct JobTerms {
    /// What one replica of one unit pays, in base units of the market's mint.
    pub price_per_unit: u64,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Time from claim to commit, in seconds.
    pub lease_seconds: u32,
    /// Time from now to the deadline, in seconds.
    pub deadline_seconds: u32,
    /// What is asked of providers' machines.
    pub requirements: Requirements,
    /// Time after the opening of outputs in which chunks of them may be demanded, in seconds; 0: they are paid at once.
    pub challenge_seconds: u32,
    /// Least stake of providers, in base units.
    pub min_stake: u64,
    /// Least score of providers, in basis points. Who is new has none.
    pub min_score_bps: u16,
    /// The only providers that may take the job; empty: all may. Audits and disputes go to the whole market in any case.
    pub allowed: Vec<Pubkey>,
    /// Providers that may not take it.
    pub denied: Vec<Pubkey>,
    /// Whether inputs are among those that only the allowed providers have: then these are not looked for in the store, nobody
    /// audits results or decides about them, and the client trusts whom it allows. One replica, and somebody must be allowed.
    pub private: bool,
    /// URL of the store that holds inputs and takes outputs; workers must reach it under the same address.
    pub store_url: String,
}

/// One replica of each unit, a lease for each, ten minutes for one and a day for all, nothing asked of providers. Price and store
/// have to be said.
impl Default for JobTerms {
    fn default() -> Self {
        Self {
            price_per_unit: 0,
            replicas: 1,
            units_per_lease: 1,
            lease_seconds: 600,
            deadline_seconds: 86_400,
            requirements: Requirements::default(),
            challenge_seconds: 0,
            min_stake: 0,
            min_score_bps: 0,
            allowed: vec![],
            denied: vec![],
            private: false,
            store_url: String::new(),
        }
    }
}

/// A job that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its address.
    pub job: Pubkey,
    /// Its number among those of the client.
    pub number: u64,
    /// What was escrowed: work, reserve for audits, fee.
    pub escrow: Escrow,
    /// All of it.
    pub deposited: u64,
    /// Blobs that the store did not have.
    pub uploaded: usize,
    /// The transaction.
    pub receipt: Receipt,
}

impl JobTerms {
    /// What a job of `units` would put into its escrow in a market. `None` if that is more than any token account holds.
    #[must_use]
    pub fn escrow(&self, units: u64, market: &accounts::Market) -> Option<Escrow> {
        let Self { price_per_unit, units_per_lease, replicas, .. } = *self;
        let (params, fee_bps) = (market.audit_params(), market.params.fee_bps);
        let params = if self.private { AuditParams::unaudited(params.expiry_bond_bps) } else { params };
        payout::escrow(price_per_unit, units, units_per_lease, replicas, &params, fee_bps)
    }
}

impl Tessera {
    /// Posts a job that `wallet` pays for: registers the wallet as a client if need be, puts the blobs into the store
    /// that does not have them, and escrows the price.
    ///
    /// Specification and blobs come from a front end, such as `tessera_kernels` for kernels of your own and `tessera_render` for
    /// scenes.
    ///
    /// ```
    /// use tessera_protocol::routing::Requirements;
    /// use tessera_sdk::{JobTerms, token};
    /// # use solana_signer::Signer;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let network = tessera_testing::Network::start().await?;
    /// # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
    /// # let (store_url, mint) = (network.store_url(), network.mint());
    /// # let (spec, blobs) = tessera_testing::sample::job(8);
    /// let terms = JobTerms {
    ///     price_per_unit: 1_000_000,
    ///     replicas: 2,
    ///     units_per_lease: 4,
    ///     lease_seconds: 60,
    ///     deadline_seconds: 3_600,
    ///     requirements: Requirements { memory_mib: 4_096, class: 0, regions: 0 },
    ///     store_url: store_url.into(),
    ///     ..JobTerms::default()
    /// };
    /// let account = token::ata(&wallet.pubkey(), mint);
    /// let before = tessera.token_balance(&account).await?;
    /// let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
    /// println!("job {}: {} base units in escrow", posted.job, posted.deposited);
    /// # assert_eq!(tessera.token_balance(&account).await?, before.map(|held| held - posted.deposited));
    ///
    /// // Nobody has taken a lease of it yet: cancelled, it can be closed at once, and everything comes back.
    /// tessera.cancel_job(wallet, &posted.job).await?;
    /// tessera.close_job(wallet, &posted.job).await?;
    /// assert_eq!(tessera.token_balance(&account).await?, before);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If specification or terms are not valid, a blob is missing, the wallet holds too little, or a transaction fails.
    pub async fn post_job(
        &self,
        wallet: &AnySigner,
        market: &Pubkey,
        spec: &JobSpec,
        blobs: Vec<Bytes>,
        terms: JobTerms,
    ) -> Result<Posted, Error> {
        let encoded = Bytes::from(spec.encode()?);
        let spec_cid = Cid::of(&encoded);
        let given: HashSet<Cid> = blobs.iter().map(|blob| Cid::of(blob)).collect();
        // Where inputs of a private job are is not the client's to know.
        let inputs = spec.inputs.iter().filter(|_| !terms.private).map(|input| &input.cid);
        let needed = std::iter::once(&spec.module).chain(inputs);
        let store = StoreClient::new(&terms.store_url)?;
        for cid in needed.filter(|cid| !given.contains(cid)) {
            if !store.exists(cid).await? {
                return Err(Error::Invalid(format!(
                    "the job needs blob {cid}, which is neither given nor in store {}",
                    store.url()
                )));
            }
        }
        let market = self.market(market).await?.ok_or(Error::NotFound { what: "market", address: *market })?;
        let (escrow, deposited) = check_terms(&market, spec, &terms)?;
        let source = token::ata(&wallet.pubkey(), &market.mint);
        let held = self.token_balance(&source).await?.unwrap_or(0);
        if held < deposited {
            return Err(Error::Invalid(format!(
                "the job costs {deposited} base units of mint {}, token account {source} holds {held}; add tokens or lower the price",
                market.mint
            )));
        }
        self.register_client(wallet, &market.address).await?;
        let blobs: Vec<Bytes> = blobs.into_iter().chain([encoded]).collect();
        let uploaded = self.upload(&store, wallet, blobs).await?;
        let (number, receipt) = self.send_post(wallet, &market, &spec_cid, spec.units, deposited, &terms).await?;
        let job = pda::job(&pda::client(&market.address, &wallet.pubkey()), number);
        Ok(Posted { job, number, escrow, deposited, uploaded, receipt })
    }

    /// Registers a wallet as a client of a market, if it is not.
    ///
    /// # Errors
    /// If the transaction fails, and not because another program registered the same wallet meanwhile.
    pub async fn register_client(&self, wallet: &AnySigner, market: &Pubkey) -> Result<(), Error> {
        let address = pda::client(market, &wallet.pubkey());
        if self.client(&address).await?.is_some() {
            return Ok(());
        }
        match self.send(&[ix::register_client(&wallet.pubkey(), market)], wallet, &[]).await {
            Err(Error::Program { .. }) if self.client(&address).await?.is_some() => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Cancels a job of `wallet`: leases already begun run their course, no others begin.
    ///
    /// # Errors
    /// If the transaction fails.
    pub async fn cancel_job(&self, wallet: &AnySigner, job: &Pubkey) -> Result<Receipt, Error> {
        self.send(&[ix::cancel_job(&wallet.pubkey(), job)], wallet, &[]).await
    }

    /// Closes a job, whoever posted it: divides what is left in its escrow. `payer` only pays for the transaction.
    ///
    /// # Errors
    /// If the job is not at its end, with the time from which it is.
    pub async fn close_job(&self, payer: &AnySigner, job: &Pubkey) -> Result<Receipt, Error> {
        let job = self.job(job).await?.ok_or(Error::NotFound { what: "job", address: *job })?;
        let market = self.market(&job.market).await?.ok_or(Error::NotFound { what: "market", address: job.market })?;
        let now = self.clock().await?.time;
        let (over, wait) = (now > job.over_at(), job.over_at() - now + 1);
        let mut vacant: Vec<u32> = vec![];
        if job.contested > 0 {
            return Err(Error::Invalid(format!(
                "{} leases are being audited, disputed or asked for chunks; close the job when those are decided",
                job.contested
            )));
        }
        if job.owed_seats > 0 {
            return Err(Error::Invalid(format!(
                "{} seats are still to be paid, each {} s after it has opened its outputs; close the job when they are",
                job.owed_seats, job.challenge_seconds
            )));
        }
        if !job.is_complete() && !over {
            if job.is_open() {
                return Err(Error::Invalid(format!(
                    "{} of {} leases have settled; the job can be closed when all have, {wait} s from now, or sooner if it is cancelled first",
                    job.settled_leases, job.leases
                )));
            }
            vacant.extend(job.unsettled().take(MAX_VACANT + 1));
            if vacant.len() > MAX_VACANT {
                return Err(Error::Invalid(format!(
                    "too many leases never settled to show in one transaction that nobody is in them; close the job in {wait} s"
                )));
            }
        }
        self.send(&[ix::close_job(&job, &market.mint, &vacant)], payer, &[]).await
    }

    /// Puts those blobs that the store does not have; returns how many. Who asks somebody for each signature asks for one.
    async fn upload(&self, store: &StoreClient, wallet: &AnySigner, blobs: Vec<Bytes>) -> Result<usize, Error> {
        let puts = stream::iter(blobs).map(|blob| async move {
            if store.exists(&Cid::of(&blob)).await? {
                return Ok::<usize, Error>(0);
            }
            if wallet.is_interactive() {
                store.put_granted(&*self.grant(wallet, store).await?, blob).await?;
            } else {
                store.put(wallet, blob).await?;
            }
            Ok(1)
        });
        puts.buffer_unordered(AT_ONCE).try_fold(0, |sum, one| async move { Ok(sum + one) }).await
    }

    /// Sends the post under the client's next job number; again if another post of the same wallet was faster.
    async fn send_post(
        &self,
        wallet: &AnySigner,
        market: &Account<accounts::Market>,
        spec: &Cid,
        units: u64,
        max_deposit: u64,
        terms: &JobTerms,
    ) -> Result<(u64, Receipt), Error> {
        let key = wallet.pubkey();
        let client = pda::client(&market.address, &key);
        let mut tried = None;
        loop {
            let found =
                self.client(&client).await?.ok_or(Error::NotFound { what: "client account", address: client })?;
            let number = found.next_job;
            let post = ix::PostJob {
                spec: *spec,
                units,
                units_per_lease: terms.units_per_lease,
                replicas: terms.replicas,
                price_per_unit: terms.price_per_unit,
                max_deposit,
                lease_seconds: terms.lease_seconds,
                deadline: self.clock().await?.time.saturating_add(i64::from(terms.deadline_seconds)),
                requirements: terms.requirements,
                challenge_seconds: terms.challenge_seconds,
                min_stake: terms.min_stake,
                min_score_bps: terms.min_score_bps,
                allowed: terms.allowed.clone(),
                denied: terms.denied.clone(),
                private: terms.private,
                store_url: terms.store_url.clone(),
            };
            match self.send(&[ix::post_job(&key, &market.address, &market.mint, number, &post)], wallet, &[]).await {
                Ok(receipt) => return Ok((number, receipt)),
                Err(Error::Program { .. })
                    if tried != Some(number)
                        && self.client(&client).await?.is_some_and(|now| now.next_job != number) =>
                {
                    tried = Some(number);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
