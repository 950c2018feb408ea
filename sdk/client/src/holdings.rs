//! What belongs to a wallet, in all markets: found by the keys that stand in the accounts.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang::Discriminator;
use futures_util::{StreamExt, TryStreamExt, stream};
use solana_pubkey::Pubkey;

use crate::{Account, Error, Job, Lease, Tessera, accounts, pda, read::memcmp};

mod reclaim;

pub use reclaim::{Claim, Pending, What};

/// Leases read at once.
const AT_ONCE: usize = 4;
/// Places in a lease that are searched for seats of a wallet. Few leases ever have more.
const SEATS: usize = 8;

/// Where keys stand in accounts, in bytes (see docs/protocol.md).
mod offset {
    use crate::{accounts, types};

    pub const CLIENT_WALLET: usize = 42;
    pub const JOB_WALLET: usize = 80;
    pub const PROVIDER_AUTHORITY: usize = 48;
    pub const PROVIDER_OPERATOR: usize = 80;
    pub const LEASE_PAYER: usize = 48;
    pub const ANSWER_PAYER: usize = 9;

    /// Who paid the rent of seat `i` of a lease: behind the provider.
    pub const fn seat_payer(i: usize) -> usize {
        8 + size_of::<accounts::Lease>() + i * size_of::<types::Seat>() + 32
    }
}

/// A job and its leases that have an account.
#[derive(Clone, Debug)]
pub struct JobHolding {
    /// The job.
    pub job: Job,
    /// Its leases.
    pub leases: Vec<Lease>,
    /// Base units in its escrow.
    pub escrow: u64,
    /// Lamports that come back when it is closed: the rent of the job and of its escrow.
    pub rent: u64,
}

/// What belongs to a wallet.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// Its jobs, oldest first.
    pub jobs: Vec<JobHolding>,
    /// Its client accounts, which stay for ever, as job numbers never repeat.
    pub clients: Vec<Account<accounts::Client>>,
    /// Providers whose stake and earnings are its own, or whose workers sign with it.
    pub providers: Vec<Account<accounts::Provider>>,
    /// Leases of other clients' jobs whose rent, or that of a seat in them, it has paid; with the job unless that is gone.
    pub leases: Vec<(Lease, Option<Job>)>,
    /// Answers to demands that it has begun, each with its lease unless that is gone.
    pub answers: Vec<(Account<accounts::ChunkAnswer>, Option<Lease>)>,
    /// The markets that it has to do with.
    pub markets: BTreeMap<Pubkey, Account<accounts::Market>>,
}

impl Tessera {
    /// The jobs of a wallet in all markets.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn jobs_of(&self, wallet: &Pubkey) -> Result<Vec<Job>, Error> {
        self.read_by(accounts::Job::DISCRIMINATOR, offset::JOB_WALLET, wallet).await
    }

    /// The client accounts of a wallet.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn clients_of(&self, wallet: &Pubkey) -> Result<Vec<Account<accounts::Client>>, Error> {
        self.read_by(accounts::Client::DISCRIMINATOR, offset::CLIENT_WALLET, wallet).await
    }

    /// The providers that a wallet owns, or whose workers sign with it.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn providers_of(&self, wallet: &Pubkey) -> Result<Vec<Account<accounts::Provider>>, Error> {
        let kind = accounts::Provider::DISCRIMINATOR;
        let mut found: Vec<Account<_>> = self.read_by(kind, offset::PROVIDER_AUTHORITY, wallet).await?;
        let works: Vec<Account<accounts::Provider>> = self.read_by(kind, offset::PROVIDER_OPERATOR, wallet).await?;
        found.extend(works.into_iter().filter(|provider| provider.authority != *wallet));
        Ok(found)
    }

    /// The leases whose rent `payer` has paid, or that of one of their first seats.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn leases_paid_by(&self, payer: &Pubkey) -> Result<Vec<Lease>, Error> {
        let kind = accounts::Lease::DISCRIMINATOR;
        let places = std::iter::once(offset::LEASE_PAYER).chain((0..SEATS).map(offset::seat_payer));
        let mut leases = BTreeMap::new();
        for place in places {
            let found: Vec<Lease> = self.read_by(kind, place, payer).await?;
            leases.extend(found.into_iter().map(|lease| (lease.address, lease)));
        }
        Ok(leases.into_values().collect())
    }

    /// The answers to demands that `payer` has begun.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn answers_of(&self, payer: &Pubkey) -> Result<Vec<Account<accounts::ChunkAnswer>>, Error> {
        self.read_by(accounts::ChunkAnswer::DISCRIMINATOR, offset::ANSWER_PAYER, payer).await
    }

    /// Everything that belongs to a wallet.
    ///
    /// [`Holdings::due`] says what of it can be had back now, and by which transactions:
    ///
    /// ```
    /// # use solana_signer::Signer;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let network = tessera_testing::Network::start().await?;
    /// # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
    /// # let (spec, blobs) = tessera_testing::sample::job(8);
    /// # let terms = tessera_testing::sample::terms(network.store_url());
    /// # let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
    /// tessera.cancel_job(wallet, &posted.job).await?;
    ///
    /// let key = wallet.pubkey();
    /// let holdings = tessera.holdings(&key).await?;
    /// assert_eq!(holdings.jobs[0].escrow, posted.deposited);
    /// let (claims, pending) = holdings.due(&key, tessera.clock().await?);
    /// for claim in &claims {
    ///     println!("{}: {}", claim.about, claim.what); // close the job
    ///     tessera.send(&claim.instructions, wallet, &[]).await?;
    /// }
    /// for later in &pending {
    ///     println!("{}: {}, until {:?}", later.about, later.why, later.at);
    /// }
    /// # assert!(claims.len() == 1 && pending.is_empty(), "{claims:?} {pending:?}");
    /// assert!(tessera.holdings(&key).await?.jobs.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn holdings(&self, wallet: &Pubkey) -> Result<Holdings, Error> {
        let (clients, mut jobs) = (self.clients_of(wallet).await?, self.jobs_of(wallet).await?);
        jobs.sort_by_key(|job| (job.posted_at, job.number));
        let providers = self.providers_of(wallet).await?;
        let begun = self.answers_of(wallet).await?;
        let of: Vec<Pubkey> = begun.iter().map(|answer| answer.lease).collect();
        let answers = begun.into_iter().zip(self.read_several(&of).await?).collect();
        // Only who works for a provider has paid for leases of others; a search through all of them is not for free.
        let paid = if providers.is_empty() { vec![] } else { self.leases_paid_by(wallet).await? };
        let mut leases = vec![];
        for lease in paid.into_iter().filter(|lease| jobs.iter().all(|job| job.address != lease.job)) {
            let job = self.job(&lease.job).await?;
            leases.push((lease, job));
        }
        let named = clients.iter().map(|client| client.market).chain(providers.iter().map(|provider| provider.market));
        let named: BTreeSet<Pubkey> = named.chain(jobs.iter().map(|job| job.market)).collect();
        let mut markets = BTreeMap::new();
        for address in named {
            let market = self.market(&address).await?.ok_or(Error::NotFound { what: "market", address })?;
            markets.insert(address, market);
        }
        let jobs = stream::iter(jobs).map(|job| self.job_holding(job)).buffered(AT_ONCE).try_collect().await?;
        Ok(Holdings { jobs, clients, providers, leases, answers, markets })
    }

    /// A job as its client holds it.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn job_holding(&self, job: Job) -> Result<JobHolding, Error> {
        let escrow = pda::escrow(&job.address);
        let leases = self.job_leases(&job.address).await?;
        let rent = self.lamports(&[job.address, escrow]).await?.iter().sum();
        let escrow = self.token_balance(&escrow).await?.unwrap_or(0);
        Ok(JobHolding { job, leases, escrow, rent })
    }

    async fn read_by<T: crate::Decode>(&self, kind: &[u8], at: usize, key: &Pubkey) -> Result<Vec<T>, Error> {
        self.read_all(vec![memcmp(0, kind), memcmp(at, key.as_ref())]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, types};

    const KEY: Pubkey = Pubkey::new_from_array([1; 32]);

    /// Bytes of an account of zeros, with a key at `at`.
    fn bytes<T: Discriminator>(at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[..8].copy_from_slice(T::DISCRIMINATOR);
        bytes[8] = 1;
        bytes[at..at + 32].copy_from_slice(KEY.as_ref());
        bytes
    }

    #[test]
    fn filters_look_where_the_keys_are() {
        let client = bytes::<accounts::Client>(offset::CLIENT_WALLET, 146);
        assert_eq!(Account::<accounts::Client>::decode(KEY, &client).unwrap().wallet, KEY);
        let job = bytes::<accounts::Job>(offset::JOB_WALLET, 8 + size_of::<accounts::Job>());
        assert_eq!(Job::decode(KEY, &job).unwrap().wallet, KEY);
        let provider = |at| {
            let bytes = bytes::<accounts::Provider>(at, 8 + size_of::<accounts::Provider>());
            Account::<accounts::Provider>::decode(KEY, &bytes).unwrap()
        };
        assert_eq!(provider(offset::PROVIDER_AUTHORITY).authority, KEY);
        assert_eq!(provider(offset::PROVIDER_OPERATOR).operator, KEY);
        let answer = bytes::<accounts::ChunkAnswer>(offset::ANSWER_PAYER, 200);
        assert_eq!(Account::<accounts::ChunkAnswer>::decode(KEY, &answer).unwrap().payer, KEY);
        let len = 8 + size_of::<accounts::Lease>() + 3 * size_of::<types::Seat>();
        let lease = |at| Lease::decode(KEY, &bytes::<accounts::Lease>(at, len)).unwrap();
        assert_eq!(lease(offset::LEASE_PAYER).payer, KEY);
        assert_eq!(lease(offset::seat_payer(2)).seats[2].payer, KEY);
    }
}
