//! Draws, audits and disputes.

use super::*;

#[test]
fn a_draw_waits_for_its_slot_and_brings_the_reveal_along() {
    World::new().undrawn(8).does(Action::Wait);
    let all = Reveal { key: true, settle: true };
    World::new().undrawn(9).does(draw(Some(all)));
    World::new().undrawn(9).does_when(Mood::Leaving, draw(Some(all)));
    World::new().undrawn(500).does(draw(Some(all)));
    // The other replica reveals before or after: without the key.
    let two = |state| World::new().with_peer(state).undrawn(9);
    two(SeatState::Committed).does(draw(Some(Reveal::default())));
    two(SeatState::Leased).does(draw(None));
    two(SeatState::Committed).with(|w| w.peer().draw = Draw::Waiting).does(draw(None));
    // Another seat is to be audited, or missing.
    two(SeatState::Committed).with(|w| w.lease().audit_due = true).does(draw(None));
    World::new().undrawn(9).with(|w| w.lease().missing = 1).does(draw(None));
    // A result that is lost is drawn all the same: only then can it be given back.
    World::new().undrawn(9).with(|w| w.entry.result = None).does(draw(None));
}

#[test]
fn a_draw_that_is_certain_goes_alone() {
    let beginner = || World::new().undrawn(9).with(|w| w.job().audit.probation = 3);
    beginner().does(draw(None));
    beginner().with(|w| w.view.record.consecutive = 3).does(draw(Some(Reveal { key: true, settle: true })));
    let fault = |slot| World::new().undrawn(9).with(move |w| w.view.record.fault_slot = slot);
    fault(SLOT).does(draw(None));
    fault(SLOT - 1).does(draw(Some(Reveal { key: true, settle: true })));
    // History does not count for auditors.
    let auditor = beginner().called(Kind::Audit).with(|w| w.lease().seats.push(seat(PEER, SeatState::Committed)));
    auditor.does(draw(Some(Reveal::default())));
}

#[test]
fn jurors_are_not_drawn() {
    let juror = World::new().undrawn(500).called(Kind::Dispute).with(|w| w.lease().missing = 1);
    juror.does(Action::Wait);
    World::new()
        .called(Kind::Dispute)
        .at(SeatState::Committed, REVEALS)
        .does(Action::Reveal(Reveal { key: true, settle: false }));
}

#[test]
fn a_committed_seat_that_could_be_judged_is_not_given_up() {
    let moods = [Mood::Working, Mood::Draining, Mood::Leaving];
    for kind in [Kind::Base, Kind::Audit, Kind::Dispute] {
        let waiting = World::new().at(SeatState::Committed, GATHERS).called(kind);
        let undrawn = World::new().undrawn(3).called(kind);
        for world in [waiting, undrawn].map(|world| world.with(|w| w.lease().missing = 1)) {
            assert!(moods.iter().all(|mood| world.action(*mood) == Action::Wait));
        }
    }
    for mood in moods {
        World::new().undrawn(3).does_when(mood, Action::Wait);
    }
}

#[test]
fn who_is_called_finishes_before_it_goes() {
    for kind in [Kind::Audit, Kind::Dispute] {
        let called = || World::new().called(kind);
        called().does(EXECUTE);
        called().does_when(Mood::Draining, EXECUTE);
        // It cannot be given back, and is not worth waiting for without the time to compute it.
        called().does_when(Mood::Leaving, Action::Wait);
        called().after(62).does(expire(ME.provider));
        // No deadline of the job ends what is contested.
        called().executed().after(50).with(|w| w.job().deadline = NOW - 5_000).does(Action::Commit);
    }
}

#[test]
fn others_are_drawn_for_once_they_had_time() {
    let world = |slots| {
        let world = World::new().with_peer(SeatState::Committed).at(SeatState::Committed, GATHERS);
        world.with(|w| (w.peer().draw, w.view.now.slot) = (Draw::Waiting, SLOT + slots))
    };
    world(20).does(Action::Wait);
    world(21).does(Action::Draw { provider: PEER, reveal: None });
    world(21).with(|w| (w.peer().kind, w.lease().missing) = (Kind::Dispute, 1)).does(Action::Wait);
    let revealed = world(21).at(SeatState::Revealed, GATHERS);
    revealed.does(Action::Draw { provider: PEER, reveal: None });
}

#[test]
fn a_group_that_nobody_fills_goes_on() {
    // 64 steps of a second, and 60 seconds for the work.
    let world = |seconds| {
        let world = World::new().at(SeatState::Revealed, GATHERS).after(seconds);
        world.with(|w| {
            let lease = w.lease();
            (lease.group, lease.contested, lease.missing) = (Kind::Dispute, true, 2);
            (lease.opened_at, lease.window_slot) = (NOW, SLOT);
        })
    };
    world(124).does(Action::Wait);
    world(126).does(Action::Advance);
    world(126).with(|w| w.view.now.slot = SLOT + 100).does(Action::Wait);
    // The last that it waited for has left, and nobody has said so.
    world(5).with(|w| (w.lease().missing, w.lease().exhausted) = (0, true)).does(Action::Advance);
    world(5).with(|w| w.lease().missing = 0).does(Action::Advance);
}

#[test]
fn a_group_without_a_seed_gets_one() {
    let world = |slots| {
        let world = World::new().at(SeatState::Revealed, GATHERS);
        world.with(|w| {
            let lease = w.lease();
            (lease.group, lease.contested, lease.missing) = (Kind::Audit, true, 1);
            (lease.opened_at, lease.seed.1) = (0, SLOT);
            w.view.now.slot = SLOT + slots;
        })
    };
    world(12).does(Action::Wait);
    world(13).does(Action::Seed);
}

#[test]
fn losers_leave_and_winners_are_paid_from_their_locks() {
    // What is not needed for its own pay has failed: a juror that has all it needs goes on.
    let opened = || World::new().with_peer(SeatState::Convicted).at(SeatState::Opened, DECIDED);
    let juror = || opened().called(Kind::Dispute).with(|w| w.view.failing = true);
    juror().does(slash(PEER));
    juror().with(|w| w.lease().awards = 5).does(Action::Settle);
    juror().with(|w| w.peer().pay = 0).does(Action::Settle);
    juror().with(|w| w.lease().seats[0].paid_by_rest = true).does(Action::Settle);
    World::new().at(SeatState::Convicted, GATHERS).does(slash(ME.provider));
    for state in [SeatState::Late, SeatState::Released] {
        World::new().at(state, GATHERS).does(expire(ME.provider));
    }
}

#[test]
fn silence_is_final() {
    let world = |state| {
        let world = World::new().with_peer(state).at(SeatState::Committed, REVEALS).called(Kind::Dispute);
        world.with(|w| w.peer().silent = state == SeatState::Committed)
    };
    // Nobody waits for who did not reveal in time: another answers in its place, and decides.
    let decides = Action::Reveal(Reveal { key: true, settle: false });
    world(SeatState::Committed).does(decides);
    world(SeatState::Committed).with(|w| w.peer().silent = false).does(Action::Reveal(Reveal::default()));
    // Two are silent, and one answers: another has to.
    let silent = Seat { attempt: 99, ..seat(Pubkey::new_from_array([3; 32]), SeatState::Committed) };
    let two = world(SeatState::Committed).with(|w| w.lease().seats.push(Seat { silent: true, ..silent.clone() }));
    two.does(Action::Reveal(Reveal::default()));
    let ours = || world(SeatState::Revealed).with(|w| w.lease().seats[0].silent = true);
    ours().does(Action::Wait);
    ours().after(62).does(Action::Advance);
}

#[test]
fn a_seat_of_a_contested_lease_is_not_given_up() {
    let contested = || World::new().with(|w| w.lease().contested = true);
    contested().does_when(Mood::Draining, EXECUTE);
    contested().does_when(Mood::Leaving, Action::Wait);
}
