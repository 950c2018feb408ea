//! Accounts of the program, read from their bytes.

use std::ops::Deref;

use anchor_lang::{AccountDeserialize, Discriminator};
use bytemuck::Pod;
use tessera::state::{self, LeaseState, Seat};

/// What is read from the bytes of an account.
pub trait Load {
    /// Reads it.
    fn load(bytes: &[u8]) -> Self;
}

/// The fields of an account, and what stands behind them.
fn split<T: Pod + Discriminator>(bytes: &[u8]) -> (T, &[u8]) {
    let (discriminator, rest) = bytes.split_at(8);
    assert_eq!(discriminator, T::DISCRIMINATOR, "another kind of account");
    let (fields, rest) = rest.split_at(size_of::<T>());
    (bytemuck::pod_read_unaligned(fields), rest)
}

fn borsh<T: AccountDeserialize>(mut bytes: &[u8]) -> T {
    T::try_deserialize(&mut bytes).expect("an account of the program decodes")
}

impl Load for state::Market {
    fn load(bytes: &[u8]) -> Self {
        borsh(bytes)
    }
}

impl Load for state::Client {
    fn load(bytes: &[u8]) -> Self {
        borsh(bytes)
    }
}

impl Load for state::Provider {
    fn load(bytes: &[u8]) -> Self {
        split(bytes).0
    }
}

impl Load for state::Job {
    fn load(bytes: &[u8]) -> Self {
        split(bytes).0
    }
}

/// A lease and its seats. Dereferences to the lease.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The fields.
    pub lease: state::Lease,
    /// What has been decided.
    pub state: LeaseState,
    /// The seats.
    pub seats: Vec<Seat>,
}

impl Deref for Lease {
    type Target = state::Lease;

    fn deref(&self) -> &state::Lease {
        &self.lease
    }
}

impl Lease {
    /// Seats that take part in the present round.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_active())
    }
}

impl Load for Lease {
    fn load(bytes: &[u8]) -> Self {
        let (lease, seats) = split::<state::Lease>(bytes);
        let seats = seats.chunks(size_of::<Seat>()).map(bytemuck::pod_read_unaligned).collect();
        Self { lease, state: lease.state(), seats }
    }
}
