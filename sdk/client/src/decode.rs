//! What accounts hold.

use std::ops::{Deref, Range};

use anchor_lang::{AnchorDeserialize, Discriminator};
use bytemuck::Pod;
use solana_pubkey::Pubkey;
use tessera_protocol::{
    constants::ACCOUNT_VERSION,
    lease,
    state::{JobState, LeaseState, SeatState},
};

use crate::{Error, accounts, types};

/// Something that is read from the bytes of an account of the program.
pub trait Decode: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// If the bytes are another kind of account, of another version, or broken.
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error>;
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

impl Decode for Account<accounts::Market> {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        Source { address, expected: "a market account" }.borsh(bytes)
    }
}

impl Decode for Account<accounts::Client> {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        Source { address, expected: "a client account" }.borsh(bytes)
    }
}

impl Decode for Account<accounts::Provider> {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        let (data, _) = Source { address, expected: "a provider account" }.pod(bytes)?;
        Ok(Self { address, data })
    }
}

/// A lease account with its seats. Dereferences to the account.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Where it is.
    pub address: Pubkey,
    /// The fields.
    pub data: Box<accounts::Lease>,
    /// What has been decided.
    pub state: LeaseState,
    /// One for each replica, and those of rounds that disagreed.
    pub seats: Vec<Seat>,
}

impl Deref for Lease {
    type Target = accounts::Lease;

    fn deref(&self) -> &accounts::Lease {
        &self.data
    }
}

/// A seat of a lease. Dereferences to what stands in the account.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The fields.
    pub data: types::Seat,
    /// How far it has come.
    pub state: SeatState,
}

impl Deref for Seat {
    type Target = types::Seat;

    fn deref(&self) -> &types::Seat {
        &self.data
    }
}

impl Decode for Lease {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        let source = Source { address, expected: "a lease account" };
        let (data, rest) = source.pod::<accounts::Lease>(bytes)?;
        let (seats, left) = rest.as_chunks::<{ size_of::<types::Seat>() }>();
        if !left.is_empty() {
            return Err(source.refuse(format!("{} bytes that are no seat", left.len())));
        }
        let seat = |bytes: &[u8; size_of::<types::Seat>()]| {
            let data: types::Seat = bytemuck::pod_read_unaligned(bytes);
            Ok(Seat { state: source.state(data.state)?, data })
        };
        let seats = seats.iter().map(seat).collect::<Result<_, Error>>()?;
        Ok(Self { address, state: source.state(data.state)?, data: Box::new(data), seats })
    }
}

/// A job account with its bitmap of settled leases. Dereferences to the account.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where it is.
    pub address: Pubkey,
    /// The fields.
    pub data: Box<accounts::Job>,
    /// Whether it was cancelled.
    pub state: JobState,
    /// One bit per lease, set when it has settled.
    pub bitmap: Vec<u8>,
}

impl Deref for Job {
    type Target = accounts::Job;

    fn deref(&self) -> &accounts::Job {
        &self.data
    }
}

impl Decode for Job {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        let source = Source { address, expected: "a job account" };
        let (data, rest) = source.pod::<accounts::Job>(bytes)?;
        let bitmap = rest
            .get(..lease::bitmap_len(data.leases))
            .ok_or_else(|| source.refuse(format!("{} bytes of bitmap for {} leases", rest.len(), data.leases)))?;
        Ok(Self { address, state: source.state(data.state)?, data: Box::new(data), bitmap: bitmap.to_vec() })
    }
}

impl Job {
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
        self.state == JobState::Open
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

/// Bytes that should be a certain kind of account.
struct Source {
    address: Pubkey,
    expected: &'static str,
}

impl Source {
    fn refuse(&self, found: String) -> Error {
        Error::Account { address: self.address, expected: self.expected, found }
    }

    /// What stands behind the discriminator.
    fn body<'a, T: Discriminator>(&self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let body = bytes.strip_prefix(T::DISCRIMINATOR).ok_or_else(|| self.refuse("another kind of account".into()))?;
        match body.first() {
            Some(&ACCOUNT_VERSION) => Ok(body),
            version => Err(self.refuse(format!("version {version:?}; update this software"))),
        }
    }

    fn borsh<T: AnchorDeserialize + Discriminator>(&self, bytes: &[u8]) -> Result<Account<T>, Error> {
        let data = T::deserialize(&mut self.body::<T>(bytes)?)
            .map_err(|broken| self.refuse(format!("broken data ({broken})")))?;
        Ok(Account { address: self.address, data })
    }

    /// The fields, and what stands behind them.
    fn pod<'a, T: Pod + Discriminator>(&self, bytes: &'a [u8]) -> Result<(T, &'a [u8]), Error> {
        let body = self.body::<T>(bytes)?;
        let (fields, rest) = body
            .split_at_checked(size_of::<T>())
            .ok_or_else(|| self.refuse(format!("broken data ({} bytes)", body.len())))?;
        Ok((bytemuck::pod_read_unaligned(fields), rest))
    }

    fn state<T: TryFrom<u8>>(&self, byte: u8) -> Result<T, Error> {
        T::try_from(byte).map_err(|_| self.refuse(format!("broken data (state {byte})")))
    }
}
