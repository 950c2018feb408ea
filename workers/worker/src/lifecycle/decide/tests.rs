use solana_pubkey::Pubkey;
use tessera_protocol::{
    audit::AuditParams,
    cid::Cid,
    routing::{Requirements, Threshold},
    verdict::Kind,
};
use tessera_sdk::Moment;

use super::*;
use crate::{
    journal::{LeaseId, Sealed},
    lifecycle::{Draw, JobView, Record},
};

const ME: Me = Me { provider: Pubkey::new_from_array([7; 32]), operator: Pubkey::new_from_array([8; 32]) };
const PEER: Pubkey = Pubkey::new_from_array([9; 32]);
const NOW: i64 = 10_000;
const BY: i64 = NOW + 60;
/// Slot of our claim or commit.
const SLOT: u64 = 50_000;
/// `(reveal_by, open_by)` of a lease that reveals, and of one that is decided.
const REVEALS: (i64, i64) = (BY, 0);
const DECIDED: (i64, i64) = (0, BY);
const GATHERS: (i64, i64) = (0, 0);

/// A lease in hand, as journal and chain have it; each test changes what it is about.
struct World {
    entry: Entry,
    view: View,
}

fn result() -> Sealed {
    Sealed { result_root: [1; 32], work_root: [2; 32], key: [3; 32], nonce: [4; 32], cid: Cid::of(b"x"), len: 1 }
}

fn seat(provider: Pubkey, state: SeatState) -> Seat {
    Seat {
        provider,
        payer: provider,
        kind: Kind::Base,
        draw: Draw::Passed,
        state,
        attempt: u32::from(provider.to_bytes()[0]),
        pay: 5,
        slot: SLOT,
        commit_by: BY,
        commitment: [0; 32],
        result_root: if state >= SeatState::Revealed { [1; 32] } else { [0; 32] },
        paid_by_rest: false,
        silent: false,
        sealed: [0; 32],
        key: [0; 32],
        payable_at: 0,
        answer_by: 0,
        demand: 0,
        fault_slot: 0,
    }
}

impl World {
    /// One replica, our seat is leased, nothing computed yet.
    fn new() -> Self {
        let id = LeaseId { job: [1; 32], index: 3 };
        let claiming = Entry::claiming(id, &ME.provider, NOW - 5);
        let entry = Entry { attempt: Some(7), phase: Phase::Leased, ..claiming };
        let job = JobView {
            cancelled: false,
            replicas: 1,
            deadline: NOW + 1000,
            grace_seconds: 100,
            lease_seconds: 60,
            reveal_seconds: 30,
            challenge_seconds: 0,
            step_seconds: 1,
            stake_cap: 1_000,
            audit: AuditParams { lead: 1, probation: 0, ..AuditParams::default() },
            seed: ([0; 32], 10),
            seeded_at: NOW - 100,
            asks: Requirements::default(),
            threshold: Threshold::default(),
            listed: true,
            private: false,
        };
        let ours = seat(ME.provider, SeatState::Leased);
        let lease = LeaseView { missing: 0, payer: ME.operator, seats: vec![ours], ..LeaseView::fresh(&job) };
        let now = Moment { slot: SLOT + 2, time: NOW };
        let view =
            View { now, job: Some(job), lease: Some(lease), absent_for: 0, record: Record::default(), failing: false };
        Self { entry, view }
    }

    /// Another replica; its seat is in `state`.
    fn with_peer(mut self, state: SeatState) -> Self {
        self.lease().seats.push(seat(PEER, state));
        self
    }

    fn executed(mut self) -> Self {
        (self.entry.phase, self.entry.result) = (Phase::Executed, Some(result()));
        self
    }

    /// Our seat is in `state` with our own commitment, its draw has passed; `(reveal_by, open_by)`.
    fn at(self, state: SeatState, windows: (i64, i64)) -> Self {
        let mut world = self.executed();
        let commitment = world.entry.commitment().unwrap();
        world.entry.phase = Phase::Committing;
        let lease = world.lease();
        (lease.reveal_by, lease.open_by) = windows;
        lease.window_slot = SLOT;
        if windows.1 != 0 {
            lease.state = LeaseState::Agreed;
        }
        let ours = &mut lease.seats[0];
        (ours.state, ours.commitment) = (state, commitment);
        ours.result_root = if state >= SeatState::Revealed { [1; 32] } else { [0; 32] };
        world
    }

    /// Our seat has committed, and nobody has read its draw; it is so many slots later.
    fn undrawn(self, slots: u64) -> Self {
        let mut world = self.at(SeatState::Committed, GATHERS);
        world.lease().seats[0].draw = Draw::Waiting;
        world.view.now.slot = SLOT + slots;
        world
    }

    /// Our seat is an audit or dispute seat.
    fn called(self, kind: Kind) -> Self {
        self.with(|w| {
            w.lease().seats[0].kind = kind;
            (w.lease().group, w.lease().contested) = (kind, true);
        })
    }

    fn lease(&mut self) -> &mut LeaseView {
        self.view.lease.as_mut().unwrap()
    }

    fn peer(&mut self) -> &mut Seat {
        self.lease().seats.iter_mut().find(|seat| seat.provider == PEER).unwrap()
    }

    fn job(&mut self) -> &mut JobView {
        self.view.job.as_mut().unwrap()
    }

    /// So many seconds later, with slots enough for every window.
    fn after(mut self, seconds: i64) -> Self {
        self.view.now.time += seconds;
        self.view.now.slot += u64::try_from(seconds).unwrap() * 3;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn no_seat(self) -> Self {
        self.with(|w| w.lease().seats.clear())
    }

    fn no_job(self) -> Self {
        self.with(|w| w.view.job = None)
    }

    fn action(&self, mood: Mood) -> Action {
        decide(&self.entry, &self.view, &ME, mood)
    }

    #[track_caller]
    fn does(&self, action: Action) {
        self.does_when(Mood::Working, action);
    }

    #[track_caller]
    fn does_when(&self, mood: Mood, action: Action) {
        assert_eq!(self.action(mood), action, "{:?} {:?}", self.entry, self.view);
    }
}

fn expire(provider: Pubkey) -> Action {
    Action::Expire { provider, payer: provider }
}

fn slash(provider: Pubkey) -> Action {
    Action::Slash { provider, payer: provider }
}

const ADOPT: Action = Action::Adopt { attempt: 7, kind: Kind::Base, pay: 5 };
/// Revealing where others are still to do so, and where it decides.
const REVEAL: Action = Action::Reveal(Reveal { key: false, settle: false });
const EXECUTE: Action = Action::Execute { until: BY, closely: false };
const OPEN: Action = Action::Open { settle: true };
const REVEAL_ALL: Action = Action::Reveal(Reveal { key: true, settle: true });

fn draw(reveal: Option<Reveal>) -> Action {
    Action::Draw { provider: ME.provider, reveal }
}

mod audits;
mod demands;
mod peers;
mod voids;

#[test]
fn a_claim_is_waited_for_adopted_or_forgotten() {
    let claiming = || World::new().with(|w| (w.entry.phase, w.entry.attempt) = (Phase::Claiming, None));
    claiming().does(ADOPT);
    claiming().no_seat().does(Action::Wait);
    claiming().with(|w| w.view.lease = None).does(Action::Wait);
    claiming().no_seat().after(180).does(Action::Finish(Exit::NotClaimed));
    claiming().with(|w| w.view.lease = None).after(180).does(Action::Finish(Exit::NotClaimed));
}

#[test]
fn a_result_of_another_attempt_is_void() {
    let again = Action::Adopt { attempt: 4, kind: Kind::Base, pay: 5 };
    World::new().executed().with(|w| w.lease().seats[0].attempt = 4).does(again);
}

#[test]
fn leased_is_executed_committed_returned_or_expired() {
    World::new().does(EXECUTE);
    World::new().executed().does(Action::Commit);
    World::new().executed().does_when(Mood::Leaving, Action::Commit);
    World::new().does_when(Mood::Draining, Action::Return);
    World::new().after(58).does(Action::Return);
    World::new().after(61).does(Action::Return);
    World::new().after(62).does(expire(ME.provider));
    World::new().executed().after(62).does(expire(ME.provider));
    World::new().no_job().does(expire(ME.provider));
    World::new().with(|w| w.job().cancelled = true).does(EXECUTE);
}

#[test]
fn a_window_needs_its_slots_too() {
    let halted = World::new().executed().after(62).with(|w| w.view.now.slot = SLOT + 30);
    halted.does(Action::Commit);
}

#[test]
fn who_decides_a_lease_reveals_with_its_key() {
    World::new().at(SeatState::Committed, REVEALS).does(REVEAL_ALL);
    let world = |peer| World::new().with_peer(peer).at(SeatState::Committed, REVEALS);
    world(SeatState::Committed).does(REVEAL);
    world(SeatState::Revealed).does(REVEAL_ALL);
    world(SeatState::Revealed).with(|w| w.peer().result_root = [9; 32]).does(REVEAL);
}

#[test]
fn a_reveal_counts_late_too_but_not_once_the_job_is_over() {
    let world = || World::new().with_peer(SeatState::Committed).at(SeatState::Committed, REVEALS);
    world().does(REVEAL);
    world().does_when(Mood::Leaving, REVEAL);
    world().after(500).does(REVEAL);
    world().after(1102).does(expire(ME.provider));
    world().with(|w| w.lease().contested = true).after(1102).does(REVEAL);
    world().no_job().does(expire(ME.provider));
}

#[test]
fn committed_waits_for_the_others_and_removes_who_is_late() {
    let world = |peer| World::new().with_peer(peer).at(SeatState::Committed, GATHERS);
    world(SeatState::Leased).does(Action::Wait);
    world(SeatState::Leased).after(61).does(Action::Wait);
    world(SeatState::Leased).after(62).does(expire(PEER));
    world(SeatState::Leased).does_when(Mood::Draining, Action::Wait);
    world(SeatState::Leased).does_when(Mood::Leaving, Action::Return);
}

#[test]
fn committed_is_given_back_when_nobody_can_come_any_more() {
    let alone = || World::new().at(SeatState::Committed, GATHERS).with(|w| w.lease().missing = 1);
    alone().does(Action::Wait);
    alone().after(880).does(Action::Wait);
    alone().after(881).does(Action::Return);
    // What is contested is judged by those who have come.
    alone().after(881).with(|w| w.lease().contested = true).does(Action::Advance);
}

#[test]
fn a_lost_result_is_given_back_while_that_is_possible() {
    let lost = |windows| World::new().at(SeatState::Committed, windows).with(|w| w.entry.result = None);
    lost(GATHERS).does(Action::Return);
    lost(GATHERS).with(|w| (w.lease().contested, w.lease().missing) = (true, 1)).does(Action::Wait);
    lost(REVEALS).does(Action::Wait);
    lost(REVEALS).after(62).does(Action::Advance);
    let other = |w: &mut World| w.entry.result.as_mut().unwrap().nonce = [9; 32];
    World::new().at(SeatState::Committed, REVEALS).with(other).does(Action::Wait);
    World::new().at(SeatState::Revealed, DECIDED).with(other).does(Action::Wait);
    World::new().at(SeatState::Revealed, DECIDED).with(other).after(62).does(expire(ME.provider));
}

#[test]
fn revealed_waits_opens_or_leaves() {
    let world = |peer, windows| World::new().with_peer(peer).at(SeatState::Revealed, windows);
    world(SeatState::Committed, REVEALS).does(Action::Wait);
    world(SeatState::Committed, REVEALS).after(62).does(Action::Advance);
    world(SeatState::Revealed, DECIDED).does(OPEN);
    world(SeatState::Revealed, DECIDED).after(300).does(OPEN);
    world(SeatState::Revealed, DECIDED).after(1102).does(expire(ME.provider));
    world(SeatState::Committed, REVEALS).no_job().does(expire(ME.provider));
}

#[test]
fn opened_is_settled() {
    let world = || World::new().with_peer(SeatState::Opened).at(SeatState::Opened, DECIDED);
    world().does(Action::Settle);
    world().after(5000).does(Action::Settle);
    world().with(|w| w.entry.result = None).does(Action::Settle);
    world().no_job().does(expire(ME.provider));
}

#[test]
fn a_missing_seat_is_believed_late_unless_we_removed_it() {
    let world = |phase| World::new().no_seat().with(|w| (w.entry.phase, w.lease().payer) = (phase, PEER));
    world(Phase::Committing).does(Action::Wait);
    world(Phase::Committing).with(|w| w.view.absent_for = 20).does(Action::Finish(Exit::Gone));
    world(Phase::Leaving).does(Action::Finish(Exit::Gone));
    world(Phase::Leaving).with(|w| w.entry.paid = true).does(Action::Finish(Exit::Paid));
    world(Phase::Leaving).with(|w| w.view.lease = None).does(Action::Finish(Exit::Gone));
}

#[test]
fn rent_of_a_lease_is_fetched_when_it_can_be() {
    let world = || World::new().no_seat().with(|w| w.entry.phase = Phase::Leaving);
    let state = |state: LeaseState| move |w: &mut World| (w.lease().state, w.lease().open_by) = (state, NOW - 1);
    world().does(Action::Wait);
    world().with(state(LeaseState::Settled)).does(Action::CloseLease);
    world().with(state(LeaseState::Void)).does(Action::Wait);
    world().after(1102).does(Action::CloseLease);
    world().no_job().does(Action::CloseLease);
    let shared = |seat_state| world().with(|w| w.lease().seats.push(seat(PEER, seat_state)));
    shared(SeatState::Leased).does(Action::Wait);
    shared(SeatState::Leased).after(1102).does(expire(PEER));
    shared(SeatState::Leased).with(|w| w.lease().payer = PEER).does(Action::Finish(Exit::Gone));
    // Who has lost does not keep our rent.
    shared(SeatState::Convicted).does(Action::Wait);
    shared(SeatState::Convicted).with(state(LeaseState::Settled)).does(slash(PEER));
    shared(SeatState::Convicted).with(state(LeaseState::Void)).does(slash(PEER));
    shared(SeatState::Released).with(state(LeaseState::Settled)).does(expire(PEER));
    shared(SeatState::Opened).with(state(LeaseState::Settled)).does(Action::Wait);
}

#[test]
fn every_state_ends_once_the_job_is_gone() {
    use SeatState::{Committed, Convicted, Late, Leased, Opened, Released, Revealed};
    for state in [Leased, Committed, Revealed, Opened, Convicted, Late, Released] {
        for windows in [GATHERS, REVEALS, DECIDED] {
            let world = World::new().with_peer(SeatState::Leased).at(state, windows).no_job();
            let leaves = if state == Convicted { slash(ME.provider) } else { expire(ME.provider) };
            world.does(leaves.clone());
            world.does_when(Mood::Leaving, leaves);
        }
    }
}
