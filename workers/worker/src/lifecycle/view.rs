use solana_pubkey::Pubkey;
pub use tessera_protocol::state::SeatState;
use tessera_protocol::{constants::MAX_SEATS, hash::Digest, lease};

/// What the chain shows about a lease and its job, and what time it is there.
#[derive(Clone, Debug)]
pub struct View {
    /// Chain time, in Unix seconds.
    pub now: i64,
    /// The job; `None` if its account is gone.
    pub job: Option<JobView>,
    /// The lease; `None` if there is no account (never claimed, or closed).
    pub lease: Option<LeaseView>,
    /// For how many seconds our seat has been missing from what the endpoints answer; they may lag behind.
    pub absent_for: u64,
}

/// The part of a job that decides about its leases.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Cancelled or not.
    pub cancelled: bool,
    /// Unix seconds.
    pub deadline: i64,
    /// Seconds after the deadline.
    pub grace_seconds: u32,
    /// Claim to commit.
    pub lease_seconds: u32,
    /// Window for revealing, and again for opening.
    pub reveal_seconds: u32,
}

impl JobView {
    /// Whether the deadline and the grace time have passed.
    #[must_use]
    pub const fn over(&self, now: i64) -> bool {
        now > self.deadline.saturating_add(self.grace_seconds as i64)
    }

    /// Whether somebody who claims now still has all windows before the deadline.
    #[must_use]
    pub const fn takes_claims(&self, now: i64) -> bool {
        lease::fits(now, self.deadline, self.lease_seconds, self.reveal_seconds)
    }
}

/// A lease account.
#[derive(Clone, Debug)]
pub struct LeaseView {
    /// All revealed and equal.
    pub agreed: bool,
    /// One seat, at least, was paid.
    pub settled: bool,
    /// Replicas wanted.
    pub replicas: u8,
    /// Who gets the rent of the account without seats.
    pub payer: Pubkey,
    /// Since when it has been open to claims.
    pub opened_at: i64,
    /// Set when all replicas have committed; else 0.
    pub reveal_by: i64,
    /// Set at agreement; else 0.
    pub open_by: i64,
    /// Everybody in it.
    pub seats: Vec<Seat>,
}

/// A seat of a lease.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Whose.
    pub provider: Pubkey,
    /// Who paid its rent.
    pub payer: Pubkey,
    /// How far it is.
    pub state: SeatState,
    /// Number of the claim.
    pub attempt: u32,
    /// What it pays.
    pub pay: u64,
    /// End of the window for committing.
    pub commit_by: i64,
    /// What was committed, or zero.
    pub commitment: Digest,
}

/// The clock that the worker reads may be a little ahead of the one a transaction meets.
const SLACK: i64 = 1;

impl LeaseView {
    /// The seat of `provider`.
    #[must_use]
    pub fn seat(&self, provider: &Pubkey) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.provider == *provider)
    }

    /// Seats that count as replicas.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.state != SeatState::Rejected)
    }

    /// Whether another replica is wanted. A round in which roots are being revealed takes no newcomers.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let wanted = !self.agreed && !self.settled && self.active().count() < usize::from(self.replicas);
        wanted && self.reveal_by == 0 && self.seats.len() < MAX_SEATS
    }

    /// Whether anybody may remove `seat` now: the table "When a seat can be expired" of docs/protocol.md.
    #[must_use]
    pub fn expirable(&self, seat: &Seat, job: Option<&JobView>, now: i64) -> bool {
        let passed = |by: i64| by != 0 && now > by + SLACK;
        let over = job.is_none_or(|job| job.over(now - SLACK));
        match seat.state {
            SeatState::Leased => passed(seat.commit_by) || over,
            SeatState::Committed => passed(self.reveal_by) || over,
            SeatState::Revealed => ((self.agreed || self.settled) && passed(self.open_by)) || over,
            SeatState::Opened => job.is_none(),
            SeatState::Rejected => self.settled || over,
        }
    }
}
