//! What those who share a lease do about others in it who have been at fault.

use super::*;

/// Both replicas have committed and were drawn without an audit; the other one has been at fault since.
fn at_fault(windows: (i64, i64)) -> World {
    World::new()
        .with_peer(SeatState::Committed)
        .at(SeatState::Committed, windows)
        .with(|w| (w.peer().fault_slot, w.lease().missing) = (SLOT, u8::from(windows == GATHERS)))
}

const AGAIN: Action = Action::Draw { provider: PEER, reveal: None };

#[test]
fn who_was_at_fault_since_is_drawn_once_more_before_anybody_reveals() {
    at_fault(REVEALS).does(AGAIN);
    at_fault(GATHERS).does(AGAIN);
    // Before our own draw, which would bring the reveal along.
    at_fault(GATHERS)
        .with(|w| (w.lease().seats[0].draw, w.lease().missing, w.view.now.slot) = (Draw::Waiting, 0, SLOT + 9))
        .does(AGAIN);
    at_fault(REVEALS).with(|w| w.peer().fault_slot = SLOT - 1).does(REVEAL);
    at_fault(REVEALS).with(|w| w.peer().draw = Draw::Reserve).does(REVEAL);
    let revealed = |w: &mut World| w.lease().seats.push(seat(Pubkey::new_from_array([2; 32]), SeatState::Revealed));
    at_fault(REVEALS).with(revealed).does(REVEAL);
    at_fault(REVEALS).with(|w| w.lease().group = Kind::Dispute).does(REVEAL);
    // An audit is due, which looks at all.
    at_fault(REVEALS).with(|w| w.lease().drawn = true).does(REVEAL);
}

#[test]
fn a_reveal_is_not_risked_for_it() {
    at_fault(REVEALS).with(|w| w.view.failing = true).does(REVEAL);
    at_fault(REVEALS).does_when(Mood::Draining, REVEAL);
    // Half of the window is over.
    at_fault((NOW + 15, 0)).does(REVEAL);
    at_fault((NOW + 16, 0)).does(AGAIN);
    at_fault(REVEALS).no_job().does(expire(ME.provider));
}

#[test]
fn convicted_seats_are_slashed_by_whoever_is_there() {
    let decided = |state| World::new().with_peer(SeatState::Convicted).at(state, DECIDED);
    decided(SeatState::Revealed).does(Action::Open { settle: false });
    decided(SeatState::Opened).does(slash(PEER));
    let waits = |w: &mut World| w.lease().seats[0].payable_at = NOW + 600;
    decided(SeatState::Opened).with(waits).does(slash(PEER));
    // Our pay does not wait for it.
    let failing = |w: &mut World| w.view.failing = true;
    decided(SeatState::Revealed).with(failing).does(OPEN);
    decided(SeatState::Opened).with(failing).does(Action::Settle);
}
