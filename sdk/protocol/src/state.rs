//! States of accounts, as the bytes that stand in them.

use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Whether a job takes claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum JobState {
    /// It does until its deadline.
    Open,
    /// The client has cancelled it: only leases already begun go on.
    Cancelled,
}

/// What has been decided about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum LeaseState {
    /// Nothing.
    Open,
    /// All replicas have revealed the same root.
    Agreed,
    /// The first seat has been paid.
    Settled,
}

/// How far a seat has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum SeatState {
    /// Claimed.
    Leased,
    /// The result is fixed.
    Committed,
    /// The roots are known.
    Revealed,
    /// The key to the sealed outputs is known.
    Opened,
    /// Its round disagreed.
    Rejected,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_part_of_the_protocol() {
        assert_eq!([JobState::Open, JobState::Cancelled].map(u8::from), [0, 1]);
        assert_eq!([LeaseState::Open, LeaseState::Agreed, LeaseState::Settled].map(u8::from), [0, 1, 2]);
        let seats = [0, 1, 2, 3, 4].map(|byte| SeatState::try_from(byte).unwrap());
        use SeatState::{Committed, Leased, Opened, Rejected, Revealed};
        assert_eq!(seats, [Leased, Committed, Revealed, Opened, Rejected]);
        assert!(SeatState::try_from(5).is_err() && LeaseState::try_from(3).is_err() && JobState::try_from(2).is_err());
    }
}
