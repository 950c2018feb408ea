//! Posting a job: client account, blobs, escrow.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::{cid::Cid, constants, lease, payout, routing::Requirements, spec::JobSpec};

use crate::{Account, Error, Receipt, Tessera, accounts, ix, pda, store::StoreClient, token};

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
    /// What is asked of providers.
    pub requirements: Requirements,
    /// URL of the store that holds inputs and takes outputs; workers must reach it under the same address.
    pub store_url: String,
}

/// A job that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its address.
    pub job: Pubkey,
    /// Its number among those of the client.
    pub number: u64,
    /// What was escrowed.
    pub deposited: u64,
    /// Blobs that the store did not have.
    pub uploaded: usize,
    /// The transaction.
    pub receipt: Receipt,
}

impl Tessera {
    /// Posts a job that `wallet` pays for: registers the wallet as a client if need be, puts the blobs into the store
    /// that does not have them, and escrows the price.
    ///
    /// # Errors
    /// If specification or terms are not valid, a blob is missing, the wallet holds too little, or a transaction fails.
    pub async fn post_job(
        &self,
        wallet: &Keypair,
        market: &Pubkey,
        spec: &JobSpec,
        blobs: Vec<Bytes>,
        terms: JobTerms,
    ) -> Result<Posted, Error> {
        let encoded = Bytes::from(spec.encode()?);
        let spec_cid = Cid::of(&encoded);
        let given: HashSet<Cid> = blobs.iter().map(|blob| Cid::of(blob)).collect();
        let needed = std::iter::once(&spec.module).chain(spec.inputs.iter().map(|input| &input.cid));
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
        let deposited = check_terms(&market, spec, &terms)?;
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
        let uploaded = upload(&store, wallet, blobs).await?;
        let (number, receipt) = self.send_post(wallet, &market, &spec_cid, spec.units, deposited, &terms).await?;
        let job = pda::job(&pda::client(&market.address, &wallet.pubkey()), number);
        Ok(Posted { job, number, deposited, uploaded, receipt })
    }

    /// Registers a wallet as a client of a market, if it is not.
    ///
    /// # Errors
    /// If the transaction fails.
    pub async fn register_client(&self, wallet: &Keypair, market: &Pubkey) -> Result<(), Error> {
        let address = pda::client(market, &wallet.pubkey());
        if self.client(&address).await?.is_none() {
            self.send(&[ix::register_client(&wallet.pubkey(), market)], wallet, &[]).await?;
        }
        Ok(())
    }

    /// Cancels a job of `wallet`: leases already begun run their course, no others begin.
    ///
    /// # Errors
    /// If the transaction fails.
    pub async fn cancel_job(&self, wallet: &Keypair, job: &Pubkey) -> Result<Receipt, Error> {
        self.send(&[ix::cancel_job(&wallet.pubkey(), job)], wallet, &[]).await
    }

    /// Closes a job, whoever posted it: divides what is left in its escrow. `payer` only pays for the transaction.
    ///
    /// # Errors
    /// If the job is not at its end, with the time from which it is.
    pub async fn close_job(&self, payer: &Keypair, job: &Pubkey) -> Result<Receipt, Error> {
        let job = self.job(job).await?.ok_or(Error::NotFound { what: "job", address: *job })?;
        let market = self.market(&job.market).await?.ok_or(Error::NotFound { what: "market", address: job.market })?;
        let over = self.clock().await? > job.over_at();
        let mut vacant: Vec<u32> = vec![];
        if !job.is_complete() && !over {
            if job.is_open() {
                return Err(Error::Invalid(format!(
                    "{} of {} leases have settled; the job can be closed when all have, {} s from now, or sooner if it is cancelled first",
                    job.settled_leases,
                    job.leases,
                    job.over_at() - self.clock().await? + 1
                )));
            }
            vacant.extend(job.unsettled().take(MAX_VACANT + 1));
            if vacant.len() > MAX_VACANT {
                let wait = job.over_at() - self.clock().await? + 1;
                return Err(Error::Invalid(format!(
                    "too many leases never settled to show in one transaction that nobody is in them; close the job in {wait} s"
                )));
            }
        }
        self.send(&[ix::close_job(&job, &market.mint, &vacant)], payer, &[]).await
    }

    /// Sends the post under the client's next job number; again if another post of the same wallet was faster.
    async fn send_post(
        &self,
        wallet: &Keypair,
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
                deadline: self.clock().await?.saturating_add(i64::from(terms.deadline_seconds)),
                requirements: terms.requirements,
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

/// Checks terms against the bounds that the program enforces; returns the deposit.
fn check_terms(market: &accounts::Market, spec: &JobSpec, terms: &JobTerms) -> Result<u64, Error> {
    let refuse = |text: String| Err(Error::Invalid(text));
    let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
    if market.paused {
        return refuse("the market is paused; it takes no new jobs".into());
    }
    if !(1..=constants::MAX_REPLICAS).contains(&terms.replicas) {
        return refuse(format!("{} replicas, expected 1 to {}", terms.replicas, constants::MAX_REPLICAS));
    }
    if !(1..=constants::MAX_UNITS_PER_LEASE).contains(&terms.units_per_lease) {
        return refuse(format!(
            "{} units per lease, expected 1 to {}",
            terms.units_per_lease,
            constants::MAX_UNITS_PER_LEASE
        ));
    }
    let leases = lease::count(spec.units, terms.units_per_lease);
    if leases > u64::from(constants::MAX_LEASES) {
        return refuse(format!("{leases} leases, at most {}; put more units into a lease", constants::MAX_LEASES));
    }
    if !within(terms.lease_seconds, constants::LEASE_SECONDS) {
        let (low, high) = constants::LEASE_SECONDS;
        return refuse(format!("{} seconds for a lease, expected {low} to {high}", terms.lease_seconds));
    }
    let longest = lease::longest(terms.lease_seconds, market.params.reveal_seconds);
    if i64::from(terms.deadline_seconds) <= longest || u64::from(terms.deadline_seconds) > constants::MAX_JOB_SECONDS {
        return refuse(format!(
            "a deadline in {} s, expected more than the {longest} s that one lease may take, and at most {}",
            terms.deadline_seconds,
            constants::MAX_JOB_SECONDS
        ));
    }
    if terms.store_url.len() > constants::MAX_STORE_URL {
        return refuse(format!("a store URL of {} bytes, at most {}", terms.store_url.len(), constants::MAX_STORE_URL));
    }
    if terms.price_per_unit == 0 {
        return refuse("a price of 0, expected at least 1 base unit".into());
    }
    let deposit = payout::deposit(terms.price_per_unit, spec.units, terms.replicas, market.params.fee_bps);
    deposit.ok_or_else(|| {
        Error::Invalid("price × units × replicas is more than any token account can hold; lower the price".into())
    })
}

/// Puts those blobs that the store does not have; returns how many.
async fn upload(store: &StoreClient, wallet: &Keypair, blobs: Vec<Bytes>) -> Result<usize, Error> {
    let puts = stream::iter(blobs).map(|blob| async move {
        if store.exists(&Cid::of(&blob)).await? {
            return Ok::<usize, Error>(0);
        }
        store.put(wallet, blob).await?;
        Ok(1)
    });
    puts.buffer_unordered(AT_ONCE).try_fold(0, |sum, one| async move { Ok(sum + one) }).await
}
