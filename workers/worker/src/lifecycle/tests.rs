use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;

use super::*;
use crate::{
    journal::{LeaseId, Sealed},
    lifecycle::JobView,
};

const ME: Me = Me { provider: Pubkey::new_from_array([7; 32]), operator: Pubkey::new_from_array([8; 32]) };
const PEER: Pubkey = Pubkey::new_from_array([9; 32]);
const NOW: i64 = 10_000;
const BY: i64 = NOW + 60;
const OPEN: (i64, i64) = (BY, 0);

/// A lease in hand, as journal and chain have it; each test changes what it is about.
struct World {
    entry: Entry,
    view: View,
}

fn result() -> Sealed {
    Sealed { result_root: [1; 32], work_root: [2; 32], key: [3; 32], nonce: [4; 32], cid: Cid::of(b"x"), len: 1 }
}

fn seat(provider: Pubkey, state: SeatState) -> Seat {
    Seat { provider, payer: provider, state, attempt: 0, pay: 5, commit_by: BY, commitment: [0; 32] }
}

impl World {
    /// One replica, our seat is leased, nothing computed yet.
    fn new() -> Self {
        let id = LeaseId { job: [1; 32], index: 3 };
        let claiming = Entry::claiming(id, &ME.provider, NOW - 5);
        let entry = Entry { attempt: Some(0), phase: Phase::Leased, ..claiming };
        let job = JobView {
            cancelled: false,
            deadline: NOW + 1000,
            grace_seconds: 100,
            lease_seconds: 60,
            reveal_seconds: 30,
        };
        let lease = LeaseView {
            agreed: false,
            settled: false,
            replicas: 1,
            payer: ME.operator,
            opened_at: NOW - 100,
            reveal_by: 0,
            open_by: 0,
            seats: vec![seat(ME.provider, SeatState::Leased)],
        };
        Self { entry, view: View { now: NOW, job: Some(job), lease: Some(lease), absent_for: 0 } }
    }

    /// Two replicas; the peer's seat is in `state`.
    fn with_peer(mut self, state: SeatState) -> Self {
        self.lease().replicas = 2;
        self.lease().seats.push(seat(PEER, state));
        self
    }

    fn executed(mut self) -> Self {
        (self.entry.phase, self.entry.result) = (Phase::Executed, Some(result()));
        self
    }

    /// Our seat is in `state` with our own commitment; `(reveal_by, open_by)`.
    fn at(self, state: SeatState, windows: (i64, i64)) -> Self {
        let mut world = self.executed();
        let commitment = world.entry.commitment().unwrap();
        world.entry.phase = Phase::Committing;
        let lease = world.lease();
        (lease.reveal_by, lease.open_by) = windows;
        lease.agreed = windows.1 != 0;
        (lease.seats[0].state, lease.seats[0].commitment) = (state, commitment);
        world
    }

    fn lease(&mut self) -> &mut LeaseView {
        self.view.lease.as_mut().unwrap()
    }

    fn after(mut self, seconds: i64) -> Self {
        self.view.now += seconds;
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

    #[track_caller]
    fn does(&self, action: Action) {
        self.does_when(Mood::Working, action);
    }

    #[track_caller]
    fn does_when(&self, mood: Mood, action: Action) {
        assert_eq!(decide(&self.entry, &self.view, &ME, mood), action, "{:?} {:?}", self.entry, self.view);
    }
}

fn expire(provider: Pubkey) -> Action {
    Action::Expire { provider, payer: provider }
}

#[test]
fn a_claim_is_waited_for_adopted_or_forgotten() {
    let claiming = || World::new().with(|w| (w.entry.phase, w.entry.attempt) = (Phase::Claiming, None));
    claiming().does(Action::Adopt { attempt: 0, pay: 5 });
    claiming().no_seat().does(Action::Wait);
    claiming().with(|w| w.view.lease = None).does(Action::Wait);
    claiming().no_seat().after(180).does(Action::Finish(Exit::NotClaimed));
    claiming().with(|w| w.view.lease = None).after(180).does(Action::Finish(Exit::NotClaimed));
}

#[test]
fn a_result_of_another_attempt_is_void() {
    World::new().executed().with(|w| w.lease().seats[0].attempt = 4).does(Action::Adopt { attempt: 4, pay: 5 });
}

#[test]
fn leased_is_executed_committed_returned_or_expired() {
    World::new().does(Action::Execute { until: BY });
    World::new().executed().does(Action::Commit);
    World::new().executed().does_when(Mood::Leaving, Action::Commit);
    World::new().does_when(Mood::Draining, Action::Return);
    World::new().after(58).does(Action::Return);
    World::new().after(61).does(Action::Return);
    World::new().after(62).does(expire(ME.provider));
    World::new().executed().after(62).does(expire(ME.provider));
    World::new().no_job().does(expire(ME.provider));
    World::new().with(|w| w.view.job.as_mut().unwrap().cancelled = true).does(Action::Execute { until: BY });
}

#[test]
fn a_single_replica_reveals_with_its_key() {
    World::new().at(SeatState::Committed, OPEN).does(Action::Reveal { with_key: true });
}

#[test]
fn a_reveal_counts_late_too_but_not_once_the_job_is_over() {
    let world = || World::new().with_peer(SeatState::Committed).at(SeatState::Committed, OPEN);
    world().does(Action::Reveal { with_key: false });
    world().does_when(Mood::Leaving, Action::Reveal { with_key: false });
    world().after(500).does(Action::Reveal { with_key: false });
    world().after(1102).does(expire(ME.provider));
    world().no_job().does(expire(ME.provider));
}

#[test]
fn committed_waits_for_the_others_and_removes_who_is_late() {
    let world = |peer| World::new().with_peer(peer).at(SeatState::Committed, (0, 0));
    world(SeatState::Leased).does(Action::Wait);
    world(SeatState::Leased).after(61).does(Action::Wait);
    world(SeatState::Leased).after(62).does(expire(PEER));
    world(SeatState::Leased).does_when(Mood::Draining, Action::Wait);
    world(SeatState::Leased).does_when(Mood::Leaving, Action::Return);
}

#[test]
fn committed_is_given_back_when_nobody_can_come_any_more() {
    let alone = || World::new().at(SeatState::Committed, (0, 0)).with(|w| w.lease().replicas = 2);
    alone().does(Action::Wait);
    alone().after(880).does(Action::Wait);
    alone().after(881).does(Action::Return);
}

#[test]
fn a_lost_result_is_given_back_while_that_is_free() {
    let lost = |windows| World::new().at(SeatState::Committed, windows).with(|w| w.entry.result = None);
    lost((0, 0)).does(Action::Return);
    lost(OPEN).does(Action::Wait);
    lost(OPEN).after(62).does(expire(ME.provider));
    let other = |w: &mut World| w.entry.result.as_mut().unwrap().nonce = [9; 32];
    World::new().at(SeatState::Committed, OPEN).with(other).does(Action::Wait);
    World::new().at(SeatState::Revealed, (BY, BY)).with(other).does(Action::Wait);
}

#[test]
fn revealed_waits_opens_or_leaves() {
    let world = |peer, windows| World::new().with_peer(peer).at(SeatState::Revealed, windows);
    world(SeatState::Committed, OPEN).does(Action::Wait);
    world(SeatState::Committed, OPEN).after(62).does(expire(PEER));
    world(SeatState::Revealed, (BY, BY)).does(Action::Open);
    world(SeatState::Revealed, (BY, BY)).after(300).does(Action::Open);
    world(SeatState::Revealed, (BY, BY)).after(1102).does(expire(ME.provider));
    world(SeatState::Committed, OPEN).no_job().does(expire(ME.provider));
}

#[test]
fn opened_is_settled() {
    let world = || World::new().with_peer(SeatState::Opened).at(SeatState::Opened, (BY, BY));
    world().does(Action::Settle);
    world().after(5000).does(Action::Settle);
    world().with(|w| w.entry.result = None).does(Action::Settle);
    world().no_job().does(expire(ME.provider));
}

#[test]
fn rejected_leaves_once_the_lease_is_settled_or_the_job_over() {
    let world = || World::new().with_peer(SeatState::Rejected).at(SeatState::Rejected, (0, 0));
    world().does(Action::Wait);
    world().with(|w| w.lease().settled = true).does(expire(ME.provider));
    world().after(1102).does(expire(ME.provider));
}

#[test]
fn a_missing_seat_is_believed_late_unless_we_removed_it() {
    let world = |phase| World::new().no_seat().with(|w| (w.entry.phase, w.lease().payer) = (phase, PEER));
    world(Phase::Committing).does(Action::Wait);
    world(Phase::Committing).with(|w| w.view.absent_for = 20).does(Action::Finish(Exit::Gone));
    world(Phase::Leaving).does(Action::Finish(Exit::Gone));
    world(Phase::Revealing).with(|w| w.entry.paid = true).does(Action::Finish(Exit::Paid));
    world(Phase::Leaving).with(|w| w.view.lease = None).does(Action::Finish(Exit::Gone));
}

#[test]
fn rent_of_an_empty_lease_is_fetched_when_it_can_be() {
    let world = || World::new().no_seat().with(|w| w.entry.phase = Phase::Leaving);
    world().does(Action::Wait);
    world().with(|w| w.lease().settled = true).does(Action::CloseLease);
    world().after(1102).does(Action::CloseLease);
    world().no_job().does(Action::CloseLease);
    let shared = || world().with(|w| w.lease().seats.push(seat(PEER, SeatState::Leased)));
    shared().after(1102).does(Action::Wait);
    shared().with(|w| w.lease().payer = PEER).does(Action::Finish(Exit::Gone));
}

#[test]
fn every_state_ends_once_the_job_is_over() {
    for state in [SeatState::Leased, SeatState::Committed, SeatState::Revealed, SeatState::Opened, SeatState::Rejected]
    {
        for windows in [(0, 0), OPEN, (BY, BY)] {
            let world = World::new().with_peer(SeatState::Leased).at(state, windows).no_job();
            world.does(expire(ME.provider));
            world.does_when(Mood::Leaving, expire(ME.provider));
        }
    }
}
