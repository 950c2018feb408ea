//! Modules that cannot be computed.

use tessera_protocol::verdict::VOID_ROOT;

use super::*;

/// What is committed where units come to a fault.
fn void(mut world: World) -> World {
    world.entry.result = Some(Sealed { result_root: VOID_ROOT, cid: Cid::default(), len: 0, ..result() });
    world
}

/// A seat of ours that says so.
fn said(state: SeatState, windows: (i64, i64)) -> World {
    void(World::new()).at(state, windows).with(|w| {
        w.entry.result.as_mut().unwrap().result_root = VOID_ROOT;
        let commitment = w.entry.commitment().unwrap();
        let ours = &mut w.lease().seats[0];
        ours.commitment = commitment;
        ours.result_root = if state >= SeatState::Revealed { VOID_ROOT } else { [0; 32] };
    })
}

#[test]
fn a_void_result_is_committed_revealed_and_paid_like_any_other() {
    for kind in [Kind::Base, Kind::Audit, Kind::Dispute] {
        void(World::new()).called(kind).does(Action::Commit);
        void(World::new()).called(kind).does_when(Mood::Leaving, Action::Commit);
    }
    said(SeatState::Committed, REVEALS).does(REVEAL_ALL);
    let two = || said(SeatState::Committed, REVEALS).with_peer(SeatState::Revealed);
    two().does(REVEAL);
    two().with(|w| w.peer().result_root = VOID_ROOT).does(REVEAL_ALL);
    said(SeatState::Revealed, DECIDED).does(OPEN);
    said(SeatState::Opened, DECIDED).does(Action::Settle);
}

#[test]
fn who_decides_whether_a_lease_is_void_looks_closely() {
    let juror = |root| {
        let called = World::new().with_peer(SeatState::Revealed).called(Kind::Dispute);
        called.with(|w| w.peer().result_root = root)
    };
    juror(VOID_ROOT).does(Action::Execute { until: BY, closely: true });
    juror([9; 32]).does(EXECUTE);
    // Others have already lost over it.
    juror(VOID_ROOT).with(|w| w.peer().state = SeatState::Convicted).does(Action::Execute { until: BY, closely: true });
}
