//! Reading accounts.

use anchor_lang::Discriminator;
use serde_json::json;
use solana_account_decoder_client_types::UiAccountEncoding;
use solana_pubkey::Pubkey;
use solana_rpc_client_api::{
    config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
    filter::{Memcmp, RpcFilterType},
    request::RpcRequest,
    response::{Response, RpcKeyedAccount},
};

use crate::{Account, Decode, Error, ID, Job, Lease, Tessera, accounts, pda};

/// Most accounts in one request.
pub(crate) const CHUNK: usize = 100;

/// Where the accounts' keys stand, in bytes (see docs/protocol.md).
mod offset {
    pub const PROVIDER_MARKET: usize = 16;
    pub const JOB_STATE: usize = 10;
    pub const JOB_MARKET: usize = 16;
    pub const JOB_WALLET: usize = 80;
    pub const LEASE_JOB: usize = 16;
    pub const LEASE_CONTESTED: usize = 103;
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

pub(crate) fn memcmp(offset: usize, bytes: &[u8]) -> RpcFilterType {
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

    async fn read<T: Decode>(&self, address: &Pubkey) -> Result<Option<T>, Error> {
        let bytes = self.raw(&ID, &[*address]).await?.pop().flatten();
        bytes.map(|bytes| T::decode(*address, &bytes)).transpose()
    }

    pub(crate) async fn read_several<T: Decode>(&self, addresses: &[Pubkey]) -> Result<Vec<Option<T>>, Error> {
        let found = self.raw(&ID, addresses).await?;
        let decode =
            |(address, bytes): (&Pubkey, Option<Vec<u8>>)| bytes.map(|bytes| T::decode(*address, &bytes)).transpose();
        addresses.iter().zip(found).map(decode).collect()
    }

    pub(crate) async fn read_all<T: Decode>(&self, filters: Vec<RpcFilterType>) -> Result<Vec<T>, Error> {
        let (_, found) = self.program_accounts(filters).await?;
        found.into_iter().map(|(address, bytes)| T::decode(address, &bytes)).collect()
    }

    /// The program's accounts that pass the filters, and the slot as of which they are.
    pub(crate) async fn program_accounts(
        &self,
        filters: Vec<RpcFilterType>,
    ) -> Result<(u64, Vec<(Pubkey, Vec<u8>)>), Error> {
        let mut config = program_accounts_config(self, filters);
        config.with_context = Some(true);
        let params = json!([ID.to_string(), config]);
        let answer = self.rpc().call(|rpc| {
            let params = params.clone();
            async move { rpc.send::<Response<Vec<RpcKeyedAccount>>>(RpcRequest::GetProgramAccounts, params).await }
        });
        let answer = answer.await?;
        let decode = |RpcKeyedAccount { pubkey, account }| {
            let address: Pubkey =
                pubkey.parse().map_err(|_| Error::Invalid(format!("the endpoint sent address {pubkey:?}")))?;
            let undecodable = Error::Account { address, expected: "base64 data", found: "something else".into() };
            Ok((address, account.data.decode().ok_or(undecodable)?))
        };
        Ok((answer.context.slot, answer.value.into_iter().map(decode).collect::<Result<_, Error>>()?))
    }

    /// A market.
    ///
    /// # Errors
    /// If another kind of account is there, or no endpoint answers.
    pub async fn market(&self, address: &Pubkey) -> Result<Option<Account<accounts::Market>>, Error> {
        self.read(address).await
    }

    /// A provider.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn provider(&self, address: &Pubkey) -> Result<Option<Account<accounts::Provider>>, Error> {
        self.read(address).await
    }

    /// Several providers, in the order asked for.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn providers_at(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account<accounts::Provider>>>, Error> {
        self.read_several(addresses).await
    }

    /// All providers of a market.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn providers(&self, market: &Pubkey) -> Result<Vec<Account<accounts::Provider>>, Error> {
        let filters =
            vec![memcmp(0, accounts::Provider::DISCRIMINATOR), memcmp(offset::PROVIDER_MARKET, market.as_ref())];
        self.read_all(filters).await
    }

    /// A client account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn client(&self, address: &Pubkey) -> Result<Option<Account<accounts::Client>>, Error> {
        self.read(address).await
    }

    /// A job.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn job(&self, address: &Pubkey) -> Result<Option<Job>, Error> {
        self.read(address).await
    }

    /// The jobs of a market.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn jobs(&self, market: &Pubkey, filter: JobFilter) -> Result<Vec<Job>, Error> {
        self.read_all(filter.filters(market)).await
    }

    /// A lease that is open or not yet closed; a lease that nobody claimed has no account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn lease(&self, job: &Pubkey, index: u32) -> Result<Option<Lease>, Error> {
        self.read(&pda::lease(job, index)).await
    }

    /// Several leases of a job, in the order asked for.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn leases(&self, job: &Pubkey, indexes: &[u32]) -> Result<Vec<Option<Lease>>, Error> {
        let addresses: Vec<Pubkey> = indexes.iter().map(|index| pda::lease(job, *index)).collect();
        self.read_several(&addresses).await
    }

    /// All leases of a job that have an account.
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn job_leases(&self, job: &Pubkey) -> Result<Vec<Lease>, Error> {
        let filters = vec![memcmp(0, accounts::Lease::DISCRIMINATOR), memcmp(offset::LEASE_JOB, job.as_ref())];
        self.read_all(filters).await
    }

    /// The leases that are being audited or disputed: those of one job, or of all. Some want auditors or jurors, see
    /// [`Lease::wants_seats`].
    ///
    /// # Errors
    /// As [`Self::market`].
    pub async fn contested_leases(&self, job: Option<&Pubkey>) -> Result<Vec<Lease>, Error> {
        let mut filters = vec![memcmp(0, accounts::Lease::DISCRIMINATOR), memcmp(offset::LEASE_CONTESTED, &[1])];
        filters.extend(job.map(|job| memcmp(offset::LEASE_JOB, job.as_ref())));
        self.read_all(filters).await
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
    use crate::types;
    use tessera_protocol::{
        state::{Draw, LeaseState, SeatState},
        verdict::Kind,
    };

    const LEASE: usize = 8 + size_of::<accounts::Lease>();
    const SEAT: usize = size_of::<types::Seat>();
    /// Where the state of a seat stands: behind two keys, five numbers and that of the attempt.
    const STATE: usize = 2 * 32 + 5 * 8 + 4;

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
        assert_eq!(Account::<accounts::Provider>::decode(key(), &provider).unwrap().market, key());
        let lease = bytes::<accounts::Lease>(offset::LEASE_JOB, 32);
        assert_eq!(Lease::decode(key(), &lease[..LEASE + 2 * SEAT]).unwrap().job, key());
        let contested = bytes::<accounts::Lease>(offset::LEASE_CONTESTED, 1);
        assert!(Lease::decode(key(), &contested[..LEASE + SEAT]).unwrap().is_contested());
        for other in [offset::LEASE_CONTESTED - 1, offset::LEASE_CONTESTED + 1] {
            assert!(!Lease::decode(key(), &bytes::<accounts::Lease>(other, 1)[..LEASE]).unwrap().is_contested());
        }
    }

    #[test]
    fn jobs_come_with_their_lists() {
        let mut data = bytes::<accounts::Job>(offset::JOB_MARKET, 32);
        let mut fields: accounts::Job = bytemuck::pod_read_unaligned(&data[8..8 + size_of::<accounts::Job>()]);
        (fields.leases, fields.allowed, fields.denied) = (9, 2, 1);
        data.truncate(8);
        data.extend_from_slice(bytemuck::bytes_of(&fields));
        data.extend([[7; 2].as_slice(), &[1; 32], &[2; 32], &[3; 32]].concat());
        let job = Job::decode(key(), &data).unwrap();
        assert_eq!((job.bitmap.len(), job.allowed.len(), job.denied.len()), (2, 2, 1));
        let lists = [1, 2, 3, 4].map(|n| job.lists(&Pubkey::new_from_array([n; 32])));
        assert_eq!(lists, [true, true, false, false]);
        assert!(Job::decode(key(), &data[..data.len() - 1]).unwrap_err().to_string().contains("2 listed"));
    }

    #[test]
    fn leases_come_with_their_seats() {
        let mut data = bytes::<accounts::Lease>(offset::LEASE_JOB, 32);
        data.truncate(LEASE + 2 * SEAT);
        data[9] = 1;
        data[LEASE + SEAT..LEASE + SEAT + 32].fill(1);
        data[LEASE + SEAT + STATE] = 3;
        let lease = Lease::decode(key(), &data).unwrap();
        assert_eq!((lease.state, lease.seats.len()), (LeaseState::Agreed, 2));
        assert_eq!((lease.seats[0].state, lease.seats[0].provider), (SeatState::Leased, Pubkey::default()));
        assert_eq!((lease.seats[1].state, lease.seats[1].provider), (SeatState::Opened, key()));
        assert!(Lease::decode(key(), &data[..data.len() - 1]).is_err());
        data[LEASE + SEAT + STATE] = 9;
        assert!(Lease::decode(key(), &data).unwrap_err().to_string().contains("state 9"));
        data[LEASE + SEAT + STATE..][..3].copy_from_slice(&[4, 2, 3]);
        let seat = &Lease::decode(key(), &data).unwrap().seats[1];
        assert_eq!((seat.state, seat.kind, seat.draw), (SeatState::Convicted, Kind::Dispute, Draw::Seat));
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
