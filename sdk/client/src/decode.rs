//! What accounts hold.

use std::ops::{Deref, Range};

use anchor_lang::{AnchorDeserialize, Discriminator};
use bytemuck::Pod;
use solana_pubkey::Pubkey;
use tessera_protocol::{
    constants::ACCOUNT_VERSION,
    lease,
    state::{Draw, JobState, LeaseState, SeatState},
    verdict::Kind,
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

impl Decode for Account<accounts::ChunkAnswer> {
    fn decode(address: Pubkey, bytes: &[u8]) -> Result<Self, Error> {
        Source { address, expected: "an answer to a demand" }.borsh(bytes)
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
    /// What the seats are for that are or were taken last.
    pub group: Kind,
    /// Replicas, auditors and jurors, and those who have not left yet after losing.
    pub seats: Vec<Seat>,
}

impl Lease {
    /// Whether it is being audited or disputed.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.data.contested != 0
    }

    /// Whether seats of its open group are free.
    #[must_use]
    pub fn wants_seats(&self) -> bool {
        self.state == LeaseState::Open && self.reveal_by == 0 && self.missing > 0
    }
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
    /// How it came to the lease.
    pub kind: Kind,
    /// What its draw has said.
    pub draw: Draw,
}

/// Bits of [`types::Seat::flags`].
mod flag {
    pub const CONFIRMED: u8 = 1;
    pub const PAID_BY_RESERVE: u8 = 2;
    pub const PAID_BY_REST: u8 = 4;
    pub const SILENT: u8 = 8;
}

impl Seat {
    /// Whether somebody drawn from the whole market has found the same.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.flags & flag::CONFIRMED != 0
    }

    /// Whether it is paid by the job's reserve for audits.
    #[must_use]
    pub fn is_paid_by_reserve(&self) -> bool {
        self.flags & flag::PAID_BY_RESERVE != 0
    }

    /// Whether it is paid by what the job's reserve has left: it decided that there is no result, and nobody has lost.
    #[must_use]
    pub fn is_paid_by_rest(&self) -> bool {
        self.flags & flag::PAID_BY_REST != 0
    }

    /// Whether it has not revealed in time, and may not any more.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.flags & flag::SILENT != 0
    }
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
            let (state, kind, draw) = (source.byte(data.state)?, source.byte(data.kind)?, source.byte(data.draw)?);
            Ok(Seat { data, state, kind, draw })
        };
        let seats = seats.iter().map(seat).collect::<Result<_, Error>>()?;
        let (state, group) = (source.byte(data.state)?, source.byte(data.group)?);
        Ok(Self { address, state, group, data: Box::new(data), seats })
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
    /// The only providers that may take base seats; empty: all may.
    pub allowed: Vec<Pubkey>,
    /// Providers that may take no base seats.
    pub denied: Vec<Pubkey>,
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
        let (bitmap, rest) = rest
            .split_at_checked(lease::bitmap_len(data.leases))
            .ok_or_else(|| source.refuse(format!("{} bytes of bitmap for {} leases", rest.len(), data.leases)))?;
        let mut listed = rest.as_chunks::<32>().0.iter().copied().map(Pubkey::new_from_array);
        let (allowed, denied) = (usize::from(data.allowed), usize::from(data.denied));
        let found = listed.len();
        if found < allowed + denied {
            return Err(
                source.refuse(format!("{found} listed providers of {allowed} allowed and {denied} denied ones"))
            );
        }
        Ok(Self {
            address,
            state: source.byte(data.state)?,
            bitmap: bitmap.to_vec(),
            allowed: listed.by_ref().take(allowed).collect(),
            denied: listed.take(denied).collect(),
            data: Box::new(data),
        })
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

    /// Whether its leases are open to claims: somebody has sent `seed_job`.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.seeded_at != 0
    }

    /// Whether only those that its client allows have its inputs: nobody audits it or decides about its results.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private != 0
    }

    /// Whether its lists let a provider take base seats.
    #[must_use]
    pub fn lists(&self, provider: &Pubkey) -> bool {
        (self.allowed.is_empty() || self.allowed.contains(provider)) && !self.denied.contains(provider)
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

    /// A byte that stands for one of a few things.
    fn byte<T: TryFrom<u8>>(&self, byte: u8) -> Result<T, Error> {
        T::try_from(byte).map_err(|_| self.refuse(format!("broken data (state {byte})")))
    }
}
