//! What is due in a job: the steps that bring it nearer to its end and that anybody may send, and when there will be others.
//!
//! Workers do these steps by themselves, as their pay depends on them. A client, or a provider whose worker is gone, does them
//! to get back what is left: see [`crate::Tessera::holdings`] for where that is.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::{audit, lease};

use crate::{Draw, Job, Kind, Lease, LeaseState, Moment, Seat, SeatState, ix};

mod ending;

pub use ending::Ending;

/// Seconds by which the clock of an endpoint may be ahead of the one that the program sees next.
const SLACK: i64 = 1;
/// Slots for which a seed or a draw is left to those whose pay waits for it.
const PATIENCE: u64 = 32;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Seeds the open group of a lease.
    Seed,
    /// Reads the draw of a committed seat.
    Draw,
    /// Lets a lease go on without those who are late.
    Advance,
    /// Removes a seat whose window has passed.
    Expire,
    /// Convicts a seat that has not shown what was demanded, and takes its lock.
    Convict,
    /// Takes the lock of a convicted seat.
    Slash,
    /// Pays an opened seat.
    Settle,
    /// Closes the account of a lease that nobody needs any more.
    CloseLease,
}

impl Action {
    /// What it does, in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Seed => "seed the seats that are open",
            Self::Draw => "read a draw",
            Self::Advance => "go on without those who are late",
            Self::Expire => "remove a seat that is late",
            Self::Convict => "convict a seat of not showing its outputs",
            Self::Slash => "take the lock of a convicted seat",
            Self::Settle => "pay a seat",
            Self::CloseLease => "close a lease",
        }
    }
}

/// A step that is due in a lease.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// Number of the lease.
    pub index: u32,
    /// What does it, in one transaction.
    pub instructions: Vec<Instruction>,
}

/// What is left of the job of a lease.
#[derive(Clone, Copy)]
struct End<'a> {
    job: Option<&'a Job>,
    now: Moment,
}

impl End<'_> {
    /// Whether the account is gone, or deadline and grace have passed.
    fn over(self) -> bool {
        self.job.is_none_or(|job| self.now.time > job.over_at().saturating_add(SLACK))
    }

    /// Whether that is still to come, also for a transaction that meets a later clock.
    fn is_ahead(self) -> bool {
        self.job.is_some_and(|job| self.now.time.saturating_add(SLACK) <= job.over_at())
    }
}

/// Whether a window that ends at `by` has passed.
fn passed(by: i64, now: Moment, since_slot: u64, seconds: u32) -> bool {
    by != 0 && lease::passed(by.saturating_add(SLACK), now.time, since_slot, now.slot, seconds)
}

impl Seat {
    /// Whether nobody has read yet if it is audited.
    pub(crate) fn awaits_draw(&self) -> bool {
        self.state == SeatState::Committed && self.draw == Draw::Waiting && self.kind != Kind::Dispute
    }

    /// Whether it still has something to do or to get.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state <= SeatState::Opened
    }
}

impl Lease {
    /// Whether it is known which root is right.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        matches!(self.state, LeaseState::Agreed | LeaseState::Settled)
    }

    /// Whether nobody works on it, or has anything to get from it.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        !self.seats.iter().any(Seat::is_active)
    }

    fn gathers(&self) -> bool {
        self.state == LeaseState::Open && self.reveal_by == 0
    }

    /// Whether the window for keys has passed.
    pub(crate) fn open_passed(&self, now: Moment) -> bool {
        self.is_decided() && passed(self.open_by, now, self.window_slot, self.reveal_seconds)
    }

    /// Whether the time for showing what was demanded of a seat has passed.
    pub(crate) fn demand_passed(&self, seat: &Seat, now: Moment) -> bool {
        seat.state == SeatState::Opened && passed(seat.answer_by, now, seat.slot, self.answer_seconds())
    }

    /// When the open group has waited long enough for those who never came; `None` if it does not wait.
    fn group_by(&self, job: &Job) -> Option<(i64, u32)> {
        let waits = self.is_contested() && self.gathers() && self.missing > 0 && self.opened_at != 0;
        let seconds = lease::group_seconds(job.step_seconds, self.lease_seconds);
        waits.then(|| (self.opened_at.saturating_add(seconds.into()), seconds))
    }

    /// Whether everything is there that the group waits for, and nobody has said so.
    fn is_stuck(&self) -> bool {
        let waits = |seat: &Seat| seat.state == SeatState::Leased || seat.awaits_draw();
        self.gathers() && self.missing == 0 && !self.seats.iter().any(waits) && !self.is_vacant()
    }

    /// The steps that are due at `now`; one may make another needless. `job` is `None` if its account is gone.
    #[must_use]
    pub fn due(&self, market: &Pubkey, job: Option<&Job>, now: Moment) -> Vec<Step> {
        let end = End { job, now };
        let seats = self.seats.iter().filter_map(|seat| self.due_of(seat, market, end));
        let mut steps: Vec<Step> = seats.collect();
        let at = (&self.job, self.index);
        if let Some(job) = job {
            let revealed =
                self.state == LeaseState::Open && passed(self.reveal_by, now, self.window_slot, self.reveal_seconds);
            let deserted = self.group_by(job).is_some_and(|(by, seconds)| passed(by, now, self.window_slot, seconds));
            let ends = end.over() && !self.is_contested();
            if !ends && (revealed || deserted || self.is_stuck()) {
                steps.push(self.step(Action::Advance, vec![ix::advance_lease(at.0, at.1)]));
            }
            let seedless = self.gathers() && self.opened_at == 0 && self.missing > 0 && !self.seats.is_empty();
            if !ends && seedless && now.slot > self.seed_slot.saturating_add(PATIENCE) {
                steps.push(self.step(Action::Seed, vec![ix::seed_lease(at.0, at.1)]));
            }
        }
        if self.seats.is_empty() && (self.state == LeaseState::Settled || end.over()) {
            steps.push(self.step(Action::CloseLease, vec![ix::close_lease(at.0, at.1, &self.payer)]));
        }
        steps
    }

    fn step(&self, action: Action, instructions: Vec<Instruction>) -> Step {
        Step { action, index: self.index, instructions }
    }

    /// What is due for one seat: the table "When a seat can be expired" of docs/protocol.md, and what is not in it.
    fn due_of(&self, seat: &Seat, market: &Pubkey, end: End<'_>) -> Option<Step> {
        let (job, index, now) = (&self.job, self.index, end.now);
        let expire =
            || Some(self.step(Action::Expire, vec![ix::expire_lease(job, index, &seat.provider, &seat.payer)]));
        let slash = || ix::slash_seat(market, job, index, &seat.provider, &seat.payer);
        let ended = end.job.is_none() || (end.over() && !self.is_contested());
        match seat.state {
            SeatState::Late | SeatState::Released => expire(),
            SeatState::Convicted => Some(self.step(Action::Slash, vec![slash()])),
            _ if end.job.is_none() => expire(),
            SeatState::Leased if passed(seat.commit_by, now, seat.slot, self.lease_seconds) => expire(),
            SeatState::Revealed if self.open_passed(now) => expire(),
            SeatState::Leased | SeatState::Committed | SeatState::Revealed if ended => expire(),
            // Of a job that is over nothing is drawn any more, unless it was before.
            SeatState::Committed if self.gathers() && seat.awaits_draw() && (self.is_contested() || end.is_ahead()) => {
                let known = now.slot > audit::draw_slot(seat.slot).saturating_add(PATIENCE);
                known.then(|| self.step(Action::Draw, vec![ix::draw_audit(job, index, &seat.provider)]))
            }
            SeatState::Opened if self.demand_passed(seat, now) => {
                Some(self.step(Action::Convict, vec![ix::expire_demand(job, index, &seat.provider), slash()]))
            }
            SeatState::Opened if seat.answer_by != 0 || !self.is_decided() => None,
            SeatState::Opened if self.awaits_award(seat) => {
                let grace = end.job.map_or(0, |job| job.grace_seconds);
                let given_up = self.open_by.saturating_add(grace.into()).saturating_add(SLACK) < now.time;
                (given_up && self.open_passed(now)).then(expire).flatten()
            }
            SeatState::Opened => (now.time >= seat.payable_at.saturating_add(SLACK)).then(|| {
                let pay = ix::settle_lease(job, index, &seat.provider, &seat.payer, &self.payer);
                self.step(Action::Settle, vec![pay])
            }),
            SeatState::Leased | SeatState::Committed | SeatState::Revealed => None,
        }
    }

    /// Whether a juror is still to be paid by those who lost.
    fn awaits_award(&self, seat: &Seat) -> bool {
        seat.kind == Kind::Dispute && !seat.is_paid_by_rest() && self.awards < seat.pay
    }

    /// When the next step will be due at the latest, in Unix seconds, unless those who have a seat are faster. `None` where
    /// nothing will be due before the job is over.
    #[must_use]
    pub fn next_at(&self, job: &Job) -> Option<i64> {
        let of_seat = |seat: &Seat| match seat.state {
            SeatState::Leased => Some(seat.commit_by),
            SeatState::Revealed if self.is_decided() => Some(self.open_by),
            SeatState::Opened if seat.answer_by != 0 => Some(seat.answer_by),
            SeatState::Opened => Some(seat.payable_at),
            _ => None,
        };
        let seats = self.seats.iter().filter_map(of_seat);
        let group = self.group_by(job).map(|(by, _)| by);
        let reveal = (self.state == LeaseState::Open && self.reveal_by != 0).then_some(self.reveal_by);
        seats.chain(group).chain(reveal).min().map(|by| by.saturating_add(SLACK + 1))
    }
}
