//! How much more a worker may take.

use std::collections::HashMap;

use crate::journal::{Entry, LeaseId};

/// Seconds of work that are claimed ahead where leases are short: a claim takes a part of that on a busy cluster.
pub const AHEAD: f64 = 8.0;

/// Work in hand, as far as it decides about more.
#[derive(Clone, Debug, Default)]
pub struct InHand {
    /// Leases in the journal.
    pub entries: HashMap<LeaseId, Entry>,
    /// Seconds that those without a result will take.
    pub ahead: f64,
    /// How many seats more may be taken: of those that clients ask for, and of audits and disputes.
    pub room: Room,
    /// The same while there is work for less than [`AHEAD`].
    pub places: Room,
}

/// A number of base seats, and one of seats that vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Of those that clients ask for.
    pub base: usize,
    /// Of audits and disputes.
    pub called: usize,
}

impl Room {
    /// Whether there is any.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}
