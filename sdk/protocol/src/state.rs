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
    /// What was revealed is equal, or a vote has decided.
    Agreed,
    /// The first seat has been paid.
    Settled,
    /// A dispute has ended without a decision: nobody is paid.
    Void,
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
    /// Wrong, or silent where that counts as wrong: its lock is lost.
    Convicted,
    /// Not revealed in time, with nothing at stake for others: its bond is lost.
    Late,
    /// Neither paid nor punished.
    Released,
}

/// What the draw of a committed seat has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum Draw {
    /// Nobody has read it yet.
    Waiting,
    /// No audit for this seat, or another of its group has called one already.
    Passed,
    /// An audit, which the job's reserve pays.
    Reserve,
    /// An audit, which the seat's own pay pays.
    Seat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_part_of_the_protocol() {
        assert_eq!([JobState::Open, JobState::Cancelled].map(u8::from), [0, 1]);
        let leases = [LeaseState::Open, LeaseState::Agreed, LeaseState::Settled, LeaseState::Void];
        assert_eq!(leases.map(u8::from), [0, 1, 2, 3]);
        let seats = [0, 1, 2, 3, 4, 5, 6].map(|byte| SeatState::try_from(byte).unwrap());
        use SeatState::{Committed, Convicted, Late, Leased, Opened, Released, Revealed};
        assert_eq!(seats, [Leased, Committed, Revealed, Opened, Convicted, Late, Released]);
        assert_eq!([Draw::Waiting, Draw::Passed, Draw::Reserve, Draw::Seat].map(u8::from), [0, 1, 2, 3]);
        assert!(SeatState::try_from(7).is_err() && LeaseState::try_from(4).is_err() && JobState::try_from(2).is_err());
    }
}
