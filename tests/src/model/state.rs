//! Leases and their seats, and where they stand.

/// State of a seat. Up to `Opened`, later states come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeatState {
    /// Claimed, nothing committed yet.
    Leased,
    /// A result is committed.
    Committed,
    /// The roots are known.
    Revealed,
    /// The key is known.
    Opened,
    /// Its lock is lost.
    Convicted,
    /// Its bond is lost.
    Late,
    /// It may leave for nothing.
    Released,
}

/// State of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nothing is decided.
    Open,
    /// There is a result.
    Agreed,
    /// At least one seat was paid.
    Settled,
    /// A dispute came to no decision.
    Void,
}

/// What seats are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the client asked for.
    Base,
    /// Called by a draw.
    Audit,
    /// Called because answers differ or are missing.
    Dispute,
}

/// What was drawn for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Nothing yet.
    Waiting,
    /// No audit of its own.
    Passed,
    /// An audit that the job pays.
    Reserve,
    /// An audit that the seat pays.
    Seat,
}

/// A provider's place in a lease.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Index of the provider.
    pub provider: usize,
    /// What it is for.
    pub kind: Kind,
    /// Where it stands.
    pub state: SeatState,
    /// What was drawn for it.
    pub draw: Draw,
    /// Number of its claim in the lease.
    pub attempt: u32,
    /// What it will be paid; of a convicted one, what of its lock goes to others.
    pub pay: u64,
    /// Last second for its commit.
    pub commit_by: i64,
    /// Stake that it locks.
    pub lock: u64,
    /// Part of it that burns when it is late.
    pub bond: u64,
    /// Slot of its claim, then of its commit, then of a demand.
    pub slot: u64,
    /// Which result it committed: equal numbers are equal roots.
    pub result: u8,
    /// Somebody drawn from the whole market got the same.
    pub confirmed: bool,
    /// The reserve of the job pays this audit.
    pub from_reserve: bool,
    /// What the reserve has left pays this vote.
    pub from_rest: bool,
    /// It said nothing when others were judged, and may not any more.
    pub silent: bool,
    /// From when on it may be paid, 0 before it is opened.
    pub payable_at: i64,
    /// Last second for showing a chunk, 0 if none is demanded.
    pub answer_by: i64,
    /// Which chunk was demanded last.
    pub demand: u64,
    /// Demands so far.
    pub demands: u8,
    /// Bonds of demands, which are the seat's.
    pub bonds: u64,
}

/// A lease that has been claimed at least once and is not closed yet.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Where it stands.
    pub state: LeaseState,
    /// Which group of seats is open.
    pub group: Kind,
    /// Index of the provider whose operator opened the account.
    pub opener: usize,
    /// Units in it.
    pub units: u64,
    /// Claims so far.
    pub claims: u32,
    /// Seats of the group that nobody has taken.
    pub missing: u8,
    /// Seats that the group opened with.
    pub wanted: u8,
    /// Groups of audits and disputes since it opened.
    pub rounds: u32,
    /// A draw has called an audit that is not open yet.
    pub audit_due: bool,
    /// A seat was drawn.
    pub drawn: bool,
    /// It counts among the contested leases of its job.
    pub contested: bool,
    /// The group goes on without seats that nobody took.
    pub exhausted: bool,
    /// Number for which providers are ranked.
    pub call: u8,
    /// Slot in which the present window, or the time for missing seats, began.
    pub window_slot: u64,
    /// When the group was opened to claims, 0 while it has no seed.
    pub opened_at: i64,
    /// End of the reveal window, 0 while there is none.
    pub reveal_by: i64,
    /// End of the open window, 0 while there is none.
    pub open_by: i64,
    /// What audit and dispute seats are paid.
    pub pay: u64,
    /// Received from losers and not paid out.
    pub awards: u64,
    /// Slot of the seed; before there is one, that from which on it may be read.
    pub seed_slot: u64,
    /// What ranks the providers.
    pub seed: [u8; 32],
    /// The result.
    pub result: Option<u8>,
    /// Its seats in the order of their claims.
    pub seats: Vec<Seat>,
}

impl Seat {
    /// Whether it takes part.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state <= SeatState::Opened
    }

    /// What it gets if it is paid.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.pay + self.bonds
    }
}

impl Lease {
    /// Seats that take part.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_active())
    }

    /// Whether a seat of it is in this state.
    #[must_use]
    pub fn has(&self, state: SeatState) -> bool {
        self.seats.iter().any(|seat| seat.state == state)
    }

    /// Whether seats are still claimed, committed and drawn.
    #[must_use]
    pub fn gathers(&self) -> bool {
        self.state == LeaseState::Open && self.reveal_by == 0
    }

    /// Whether a result has been decided for.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        matches!(self.state, LeaseState::Agreed | LeaseState::Settled)
    }

    /// Whether somebody has yet to reveal, and may.
    #[must_use]
    pub fn awaits_reveals(&self) -> bool {
        self.seats.iter().any(|seat| seat.state == SeatState::Committed && !seat.silent)
    }

    /// Where the seat of a provider is.
    #[must_use]
    pub fn seat(&self, provider: usize) -> Option<usize> {
        self.seats.iter().position(|seat| seat.provider == provider)
    }
}
