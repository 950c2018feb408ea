use solana_pubkey::Pubkey;
pub use tessera_protocol::state::{Draw, LeaseState, SeatState};
use tessera_protocol::{
    audit::{self, AuditParams},
    constants::MIN_ANSWER_SECONDS,
    hash::Digest,
    lease,
    routing::{Requirements, Threshold},
    verdict::{self, Kind, VOID_ROOT, Verdict},
};
use tessera_sdk::Moment;

/// What the chain shows about a lease and its job, and what time it is there.
#[derive(Clone, Debug)]
pub struct View {
    /// Chain time.
    pub now: Moment,
    /// The job; `None` if its account is gone.
    pub job: Option<JobView>,
    /// The lease; `None` if there is no account (never claimed, or closed).
    pub lease: Option<LeaseView>,
    /// For how many seconds our seat has been missing from what the endpoints answer; they may lag behind.
    pub absent_for: u64,
    /// What the chain remembers of us.
    pub record: Record,
    /// The last step did not succeed: what others could do as well is left to them, so that nothing keeps us from our own.
    pub failing: bool,
}

/// What the chain remembers of a provider, as far as it decides about draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Results confirmed since the last fault.
    pub consecutive: u32,
    /// Slot of the last fault; 0 without one.
    pub fault_slot: u64,
}

/// The part of a job that decides about its leases.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Cancelled or not.
    pub cancelled: bool,
    /// Replicas of each lease.
    pub replicas: u8,
    /// Unix seconds.
    pub deadline: i64,
    /// Seconds after the deadline.
    pub grace_seconds: u32,
    /// Claim to commit.
    pub lease_seconds: u32,
    /// Window for revealing, and again for opening.
    pub reveal_seconds: u32,
    /// Time after the opening of outputs before which they are not paid.
    pub challenge_seconds: u32,
    /// Time after which the opening of a group doubles.
    pub step_seconds: u32,
    /// Stake of full weight.
    pub stake_cap: u64,
    /// How results are audited, as far as the chain keeps it.
    pub audit: AuditParams,
    /// Hash that ranks providers for base seats, and its slot; 0: it is not known yet.
    pub seed: (Digest, u64),
    /// Since when leases have been open to claims.
    pub seeded_at: i64,
    /// What it asks of machines.
    pub asks: Requirements,
    /// What it asks of a provider's standing.
    pub threshold: Threshold,
    /// Whether its lists let us take base seats.
    pub listed: bool,
    /// Whether only those on its list have its inputs.
    pub private: bool,
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
        lease::fits(now, self.deadline, self.lease_seconds, self.reveal_seconds, self.challenge_seconds)
    }
}

/// A lease account.
#[derive(Clone, Debug)]
pub struct LeaseView {
    /// What has been decided.
    pub state: LeaseState,
    /// What the seats of the open group are for.
    pub group: Kind,
    /// Seats that it opened with.
    pub wanted: u8,
    /// Seats of it that nobody has taken.
    pub missing: u8,
    /// Number that providers are ranked for.
    pub call: u8,
    /// An audit has been drawn, and its group opens next.
    pub audit_due: bool,
    /// It is being audited or disputed: no deadline ends it.
    pub contested: bool,
    /// Some seat of it was drawn since it opened.
    pub drawn: bool,
    /// Its group was closed with seats missing.
    pub exhausted: bool,
    /// Who gets the rent of the account without seats.
    pub payer: Pubkey,
    /// Its units.
    pub units: u32,
    /// Claim to commit, and the window for revealing, in seconds.
    pub seconds: (u32, u32),
    /// Slot in which the present window began.
    pub window_slot: u64,
    /// Since when the group has been open to claims; 0: it has no seed yet.
    pub opened_at: i64,
    /// Hash that ranks providers for the group, and its slot; before it is known, the slot to wait for.
    pub seed: (Digest, u64),
    /// Set when everybody has committed and been drawn; else 0.
    pub reveal_by: i64,
    /// Set when it is decided; else 0.
    pub open_by: i64,
    /// What audit and dispute seats pay.
    pub pay: u64,
    /// Received from losers for dispute seats, and not paid out.
    pub awards: u64,
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
    /// How it came to the lease.
    pub kind: Kind,
    /// What its draw has said.
    pub draw: Draw,
    /// How far it is.
    pub state: SeatState,
    /// Number of the claim.
    pub attempt: u32,
    /// What it pays; of a convicted seat, what goes to those who decided.
    pub pay: u64,
    /// Slot of the claim, then of the commit.
    pub slot: u64,
    /// End of the window for committing.
    pub commit_by: i64,
    /// What was committed, or zero.
    pub commitment: Digest,
    /// What was revealed, or zero.
    pub result_root: Digest,
    /// It decided that there is no result, so the job pays it and not the losers.
    pub paid_by_rest: bool,
    /// It did not reveal in time, and may not any more.
    pub silent: bool,
    /// Names the sealed outputs, or zero.
    pub sealed: Digest,
    /// What opens them, or zero.
    pub key: Digest,
    /// When it may be paid; set when it opens.
    pub payable_at: i64,
    /// By when a chunk of the outputs must be shown; 0: none is demanded.
    pub answer_by: i64,
    /// Which chunk, modulo their number.
    pub demand: u64,
    /// Slot of its provider's last fault, where that was looked up; else 0.
    pub fault_slot: u64,
}

/// The clock that the worker reads may be a little ahead of the one a transaction meets.
const SLACK: i64 = 1;

/// Whether a window has passed beyond doubt.
fn passed(by: i64, now: Moment, since_slot: u64, seconds: u32) -> bool {
    by != 0 && lease::passed(by.saturating_add(SLACK), now.time, since_slot.saturating_add(1), now.slot, seconds)
}

impl Seat {
    /// Whether it takes part: it has neither lost nor been let go.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, SeatState::Leased | SeatState::Committed | SeatState::Revealed | SeatState::Opened)
    }

    /// Whether nobody has read yet if it is audited.
    #[must_use]
    pub fn awaits_draw(&self) -> bool {
        self.state == SeatState::Committed && self.draw == Draw::Waiting && self.kind != Kind::Dispute
    }

    /// Whether the hash that draws it exists, and has for `patience` slots.
    #[must_use]
    pub const fn can_be_drawn(&self, now: Moment, patience: u64) -> bool {
        now.slot > audit::draw_slot(self.slot).saturating_add(patience)
    }
}

impl LeaseView {
    /// A lease that nobody has claimed yet.
    #[must_use]
    pub fn fresh(job: &JobView) -> Self {
        Self {
            state: LeaseState::Open,
            group: Kind::Base,
            wanted: job.replicas,
            missing: job.replicas,
            call: 0,
            audit_due: false,
            contested: false,
            drawn: false,
            exhausted: false,
            payer: Pubkey::default(),
            units: 0,
            seconds: (job.lease_seconds, job.reveal_seconds),
            window_slot: 0,
            opened_at: job.seeded_at,
            seed: job.seed,
            reveal_by: 0,
            open_by: 0,
            pay: 0,
            awards: 0,
            seats: vec![],
        }
    }

    /// The seat of `provider`.
    #[must_use]
    pub fn seat(&self, provider: &Pubkey) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.provider == *provider)
    }

    /// Whether seats are claimed, committed and drawn, and nobody reveals.
    #[must_use]
    pub fn gathers(&self) -> bool {
        self.state == LeaseState::Open && self.reveal_by == 0
    }

    /// Whether it is known which root is right.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        matches!(self.state, LeaseState::Agreed | LeaseState::Settled)
    }

    /// Whether somebody says that the module cannot be computed. Then it has to be looked at closely: what is void may pass
    /// unseen by who only computes.
    #[must_use]
    pub fn is_called_void(&self) -> bool {
        self.seats.iter().any(|seat| seat.result_root == VOID_ROOT)
    }

    /// The seats whose draw has passed and may be read once more, if their providers have been at fault since: nobody was
    /// drawn, and nobody has revealed.
    pub fn passed(&self) -> impl Iterator<Item = &Seat> {
        let revealed = self.seats.iter().any(|seat| seat.state == SeatState::Revealed);
        let again = self.state == LeaseState::Open && !self.drawn && !revealed && self.group != Kind::Dispute;
        let passed = |seat: &&Seat| {
            seat.state == SeatState::Committed && seat.draw == Draw::Passed && seat.kind != Kind::Dispute
        };
        self.seats.iter().filter(move |seat| again && passed(seat))
    }

    /// Whether its job has ended, and it with the job. What is contested goes on.
    #[must_use]
    pub fn is_over(&self, job: Option<&JobView>, now: Moment) -> bool {
        job.is_none_or(|job| !self.contested && job.over(now.time - SLACK))
    }

    /// Whether a seat may be given up: nobody counts on it, and nobody could judge it. Who is called to audit or to decide
    /// stays: a lease must not depend on whether its judges like to come.
    #[must_use]
    pub fn lets_go(&self, seat: &Seat) -> bool {
        match seat.state {
            SeatState::Leased => seat.kind == Kind::Base && !self.contested,
            SeatState::Committed => {
                self.gathers() && !self.contested && seat.kind == Kind::Base && seat.draw == Draw::Passed
            }
            _ => false,
        }
    }

    /// Whether anybody may remove `seat` now: the table "When a seat can be expired" of docs/protocol.md.
    #[must_use]
    pub fn expirable(&self, seat: &Seat, job: Option<&JobView>, now: Moment) -> bool {
        let over = self.is_over(job, now);
        let (lease_seconds, reveal_seconds) = self.seconds;
        match seat.state {
            SeatState::Leased => passed(seat.commit_by, now, seat.slot, lease_seconds) || over,
            SeatState::Committed => over,
            SeatState::Revealed => {
                (self.is_decided() && passed(self.open_by, now, self.window_slot, reveal_seconds)) || over
            }
            SeatState::Opened => job.is_none(),
            SeatState::Convicted => false,
            SeatState::Late | SeatState::Released => true,
        }
    }

    /// Whether the window for revealing has passed: anybody may have it judged who was silent.
    #[must_use]
    pub fn reveal_passed(&self, now: Moment) -> bool {
        self.state == LeaseState::Open && passed(self.reveal_by, now, self.window_slot, self.seconds.1)
    }

    /// Whether the open group has waited long enough for those who never came.
    #[must_use]
    pub fn is_overdue(&self, job: &JobView, now: Moment) -> bool {
        let seconds = lease::group_seconds(job.step_seconds, self.seconds.0);
        let by = self.opened_at.saturating_add(seconds.into());
        let waits = self.contested && self.gathers() && self.missing > 0 && self.opened_at != 0;
        waits && passed(by, now, self.window_slot, seconds)
    }

    /// Whether at least half of the window for revealing is left, or it has not begun.
    #[must_use]
    pub fn has_time_to_reveal(&self, now: Moment) -> bool {
        self.reveal_by == 0 || self.reveal_by - now.time > i64::from(self.seconds.1 / 2)
    }

    /// Whether everything is there that the group waits for, and nobody has said so.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let waits = |seat: &Seat| seat.state == SeatState::Leased || seat.awaits_draw();
        let complete = self.missing == 0 && !self.seats.iter().any(waits);
        self.gathers() && complete && self.seats.iter().any(Seat::is_active)
    }

    /// Whether the time for showing a chunk that was demanded of `seat` has passed: anybody may have it convicted.
    #[must_use]
    pub fn demand_passed(&self, seat: &Seat, now: Moment) -> bool {
        let seconds = self.seconds.1.max(MIN_ANSWER_SECONDS);
        seat.state == SeatState::Opened && passed(seat.answer_by, now, seat.slot, seconds)
    }

    /// Whether the open group waits for somebody to send its seed, which has existed for `patience` slots.
    #[must_use]
    pub fn wants_seed(&self, now: Moment, patience: u64) -> bool {
        self.gathers() && self.opened_at == 0 && now.slot > self.seed.1.saturating_add(patience)
    }

    /// Whether everybody but `ours` has done what comes before revealing: with its draw the window may open.
    #[must_use]
    pub fn waits_only_for(&self, ours: &Seat) -> bool {
        let done = |seat: &Seat| seat.state != SeatState::Leased && !seat.awaits_draw();
        self.missing == 0 && !self.audit_due && self.seats.iter().all(|seat| seat.attempt == ours.attempt || done(seat))
    }

    /// Whether the lease would be decided in favour of `root` once `ours` has revealed it.
    #[must_use]
    pub fn is_decided_by(&self, ours: &Seat, root: Digest, params: &AuditParams) -> bool {
        let speaks = |seat: &Seat| seat.state == SeatState::Committed && seat.attempt != ours.attempt && !seat.silent;
        if self.seats.iter().any(speaks) {
            return false;
        }
        let judged = |seat: &Seat| match seat.state {
            _ if seat.attempt == ours.attempt => Some(verdict::Seat { kind: seat.kind, root: Some(root) }),
            SeatState::Committed => Some(verdict::Seat { kind: seat.kind, root: None }),
            SeatState::Revealed => Some(verdict::Seat { kind: seat.kind, root: Some(seat.result_root) }),
            _ => None,
        };
        let seats: Vec<verdict::Seat> = self.seats.iter().filter_map(judged).collect();
        matches!(verdict::verdict(params, &seats), Verdict::Agreed(right) | Verdict::Decided(right) if right == root)
    }
}
