//! Reading accounts.

use std::ops::{Deref, Range};

use anchor_lang::{AnchorDeserialize, Discriminator};
use solana_account_decoder_client_types::UiAccountEncoding;
use solana_pubkey::Pubkey;
use solana_rpc_client_api::{
    config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
    filter::{Memcmp, RpcFilterType},
};
use tessera_protocol::lease;

use crate::{Error, ID, Tessera, accounts, pda, types};

/// Most accounts in one request.
const CHUNK: usize = 100;

/// Where the accounts' keys stand, in bytes (see docs/protocol.md).
mod offset {
    pub const PROVIDER_MARKET: usize = 11;
    pub const JOB_STATE: usize = 11;
    pub const JOB_MARKET: usize = 12;
    pub const JOB_WALLET: usize = 76;
    pub const LEASE_JOB: usize = 11;
}

/// An account and its address. Dereferences to the account.
#[derive(Clone, Debug)]
pub struct Account<T> {
    /// Where it is.
    pub address: Pubkey,
    /// What it holds.
    pub data: T,
}

impl<T> Deref for Account<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// A job account with its bitmap of settled leases. Dereferences to the account.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where it is.
    pub address: Pubkey,
    /// The fields.
    pub data: Box<accounts::Job>,
    /// One bit per lease, set when it has settled.
    pub bitmap: Vec<u8>,
}

impl Deref for Job {
    type Target = accounts::Job;

    fn deref(&self) -> &accounts::Job {
        &self.data
    }
}

impl Job {
    /// Reads a job account.
    ///
    /// # Errors
    /// If the bytes are not a job account.
    pub fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let data: accounts::Job = decode_prefix(&address, "a job account", &mut rest)?;
        let len = lease::bitmap_len(data.leases);
        let bitmap = rest.get(..len).ok_or_else(|| Error::Account {
            address,
            expected: "a job account",
            found: format!("{} bytes of bitmap for {} leases", rest.len(), data.leases),
        })?;
        Ok(Self { address, data: Box::new(data), bitmap: bitmap.to_vec() })
    }

    /// Whether a lease has settled.
    #[must_use]
    pub fn is_settled(&self, index: u32) -> bool {
        lease::is_settled(&self.bitmap, index)
    }

    /// The leases that have not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.leases).filter(|index| !self.is_settled(*index))
    }

    /// The units of a lease.
    #[must_use]
    pub fn lease_units(&self, index: u32) -> Range<u64> {
        lease::units(self.units, self.units_per_lease, index)
    }

    /// Whether the job was not cancelled. Its deadline may have passed all the same.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.data.state, types::JobState::Open)
    }

    /// Whether every lease has settled.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.data.settled_leases == self.data.leases
    }

    /// URL of the store that holds inputs and takes outputs. Written by a stranger.
    #[must_use]
    pub fn store_url(&self) -> String {
        let len = usize::from(self.store_len).min(self.store.len());
        String::from_utf8_lossy(&self.store[..len]).into_owned()
    }

    /// When the last settlement may happen; after it, anyone may close the job (Unix seconds).
    #[must_use]
    pub fn over_at(&self) -> i64 {
        self.deadline.saturating_add(i64::from(self.grace_seconds))
    }
}

/// Which jobs of a market to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobFilter {
    /// All that exist.
    #[default]
    All,
    /// Those that were not cancelled.
    Open,
    /// Those of one wallet.
    Wallet(Pubkey),
}

fn decode_prefix<T: AnchorDeserialize + Discriminator>(
    address: &Pubkey,
    expected: &'static str,
    bytes: &mut &[u8],
) -> Result<T, Error> {
    let refuse = |found: String| Error::Account { address: *address, expected, found };
    let mut rest = bytes.strip_prefix(T::DISCRIMINATOR).ok_or_else(|| refuse("another kind of account".into()))?;
    let version = rest.first().copied();
    if version != Some(tessera_protocol::constants::ACCOUNT_VERSION) {
        return Err(refuse(format!("version {version:?}; update this software")));
    }
    let value = T::deserialize(&mut rest).map_err(|e| refuse(format!("broken data ({e})")))?;
    *bytes = rest;
    Ok(value)
}

fn memcmp(offset: usize, bytes: &[u8]) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(offset, bytes.to_vec()))
}

impl JobFilter {
    pub(crate) fn filters(self, market: &Pubkey) -> Vec<RpcFilterType> {
        let mut filters = vec![memcmp(0, accounts::Job::DISCRIMINATOR), memcmp(offset::JOB_MARKET, market.as_ref())];
        match self {
            Self::All => {}
            Self::Open => filters.push(memcmp(offset::JOB_STATE, &[0])),
            Self::Wallet(wallet) => filters.push(memcmp(offset::JOB_WALLET, wallet.as_ref())),
        }
        filters
    }
}

impl Tessera {
    /// The bytes of accounts; `None` where there is none, or one of another program.
    pub(crate) async fn raw(&self, owner: &Pubkey, addresses: &[Pubkey]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let commitment = self.config().commitment;
        let mut found = Vec::with_capacity(addresses.len());
        for chunk in addresses.chunks(CHUNK) {
            let answer = self.rpc().call(|rpc| async move {
                let answer = rpc.get_multiple_accounts_with_commitment(chunk, commitment).await?;
                Ok(answer.value)
            });
            let bytes =
                |account: Option<solana_account::Account>| account.filter(|a| a.owner == *owner).map(|a| a.data);
            found.extend(answer.await?.into_iter().map(bytes));
        }
        if found.len() != addresses.len() {
            return Err(Error::Invalid(format!(
                "asked for {} accounts, the endpoint answered {}",
                addresses.len(),
                found.len()
            )));
        }
        Ok(found)
    }

    async fn read<T: AnchorDeserialize + Discriminator>(
        &self,
        address: &Pubkey,
        kind: &'static str,
    ) -> Result<Option<Account<T>>, Error> {
        let Some(bytes) = self.raw(&ID, &[*address]).await?.pop().flatten() else { return Ok(None) };
        let data = decode_prefix(address, kind, &mut bytes.as_slice())?;
        Ok(Some(Account { address: *address, data }))
    }

    pub(crate) async fn program_accounts(&self, filters: Vec<RpcFilterType>) -> Result<Vec<(Pubkey, Vec<u8>)>, Error> {
        let config = program_accounts_config(self, filters);
        let answer = self.rpc().call(|rpc| {
            let config = config.clone();
            async move { rpc.get_program_ui_accounts_with_config(&ID, config).await }
        });
        let undecodable = |address| Error::Account { address, expected: "base64 data", found: "something else".into() };
        let decode = |(address, account): (Pubkey, solana_account_decoder_client_types::UiAccount)| {
            account.data.decode().map(|bytes| (address, bytes)).ok_or_else(|| undecodable(address))
        };
        answer.await?.into_iter().map(decode).collect()
    }

    /// A market.
    ///
    /// # Errors
    /// If another kind of account is there, or no endpoint answers.
    pub async fn market(&self, address: &Pubkey) -> Result<Option<Account<accounts::Market>>, Error> {
        self.read(address, "a market account").await
    }

    /// A provider.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn provider(&self, address: &Pubkey) -> Result<Option<Account<accounts::Provider>>, Error> {
        self.read(address, "a provider account").await
    }

    /// All providers of a market.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn providers(&self, market: &Pubkey) -> Result<Vec<Account<accounts::Provider>>, Error> {
        let filters =
            vec![memcmp(0, accounts::Provider::DISCRIMINATOR), memcmp(offset::PROVIDER_MARKET, market.as_ref())];
        self.decode_all(filters, "a provider account").await
    }

    /// A client account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn client(&self, address: &Pubkey) -> Result<Option<Account<accounts::Client>>, Error> {
        self.read(address, "a client account").await
    }

    /// A job.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn job(&self, address: &Pubkey) -> Result<Option<Job>, Error> {
        let bytes = self.raw(&ID, &[*address]).await?.pop().flatten();
        bytes.map(|bytes| Job::decode(*address, &bytes)).transpose()
    }

    /// The jobs of a market.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn jobs(&self, market: &Pubkey, filter: JobFilter) -> Result<Vec<Job>, Error> {
        let found = self.program_accounts(filter.filters(market)).await?;
        found.into_iter().map(|(address, bytes)| Job::decode(address, &bytes)).collect()
    }

    /// A lease that is open or not yet closed; a lease that nobody claimed has no account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn lease(&self, job: &Pubkey, index: u32) -> Result<Option<Account<accounts::Lease>>, Error> {
        self.read(&pda::lease(job, index), "a lease account").await
    }

    /// Several leases of a job, in the order asked for.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn leases(&self, job: &Pubkey, indexes: &[u32]) -> Result<Vec<Option<Account<accounts::Lease>>>, Error> {
        let addresses: Vec<Pubkey> = indexes.iter().map(|index| pda::lease(job, *index)).collect();
        let found = self.raw(&ID, &addresses).await?;
        let decode = |(address, bytes): (Pubkey, Option<Vec<u8>>)| {
            let Some(bytes) = bytes else { return Ok(None) };
            let data = decode_prefix(&address, "a lease account", &mut bytes.as_slice())?;
            Ok(Some(Account { address, data }))
        };
        addresses.into_iter().zip(found).map(decode).collect()
    }

    /// All leases of a job that have an account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn job_leases(&self, job: &Pubkey) -> Result<Vec<Account<accounts::Lease>>, Error> {
        let filters = vec![memcmp(0, accounts::Lease::DISCRIMINATOR), memcmp(offset::LEASE_JOB, job.as_ref())];
        self.decode_all(filters, "a lease account").await
    }

    async fn decode_all<T: AnchorDeserialize + Discriminator>(
        &self,
        filters: Vec<RpcFilterType>,
        kind: &'static str,
    ) -> Result<Vec<Account<T>>, Error> {
        let found = self.program_accounts(filters).await?;
        let decode = |(address, bytes): (Pubkey, Vec<u8>)| {
            let data = decode_prefix(&address, kind, &mut bytes.as_slice())?;
            Ok(Account { address, data })
        };
        found.into_iter().map(decode).collect()
    }
}

pub(crate) fn program_accounts_config(tessera: &Tessera, filters: Vec<RpcFilterType>) -> RpcProgramAccountsConfig {
    RpcProgramAccountsConfig {
        filters: Some(filters),
        account_config: RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            commitment: Some(tessera.config().commitment),
            ..RpcAccountInfoConfig::default()
        },
        ..RpcProgramAccountsConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of an account of ones at `at` and zeros elsewhere.
    fn bytes<T: Discriminator>(at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[..8].copy_from_slice(T::DISCRIMINATOR);
        bytes[8] = 1;
        bytes[at..at + len].fill(1);
        bytes
    }

    fn key() -> Pubkey {
        Pubkey::new_from_array([1; 32])
    }

    #[test]
    fn filters_look_where_the_fields_are() {
        let job = |at, len| Job::decode(key(), &bytes::<accounts::Job>(at, len)).unwrap();
        assert_eq!(job(offset::JOB_MARKET, 32).market, key());
        assert_eq!(job(offset::JOB_WALLET, 32).wallet, key());
        assert!(!job(offset::JOB_STATE, 1).is_open());
        let provider = bytes::<accounts::Provider>(offset::PROVIDER_MARKET, 32);
        assert_eq!(decode_prefix::<accounts::Provider>(&key(), "", &mut provider.as_slice()).unwrap().market, key());
        let lease = bytes::<accounts::Lease>(offset::LEASE_JOB, 32);
        assert_eq!(decode_prefix::<accounts::Lease>(&key(), "", &mut lease.as_slice()).unwrap().job, key());
    }

    #[test]
    fn other_accounts_are_refused() {
        let lease = bytes::<accounts::Lease>(20, 1);
        assert!(matches!(Job::decode(key(), &lease), Err(Error::Account { .. })));
        let mut future = bytes::<accounts::Job>(20, 1);
        future[8] = 2;
        assert!(Job::decode(key(), &future).unwrap_err().to_string().contains("update this software"));
        let short = &bytes::<accounts::Job>(20, 1)[..100];
        assert!(Job::decode(key(), short).is_err());
    }
}
