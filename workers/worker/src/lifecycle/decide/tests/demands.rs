//! Outputs that the client may doubt until they are paid.

use super::*;

const PAYABLE_AT: i64 = NOW + 600;

/// Our seat is opened, in a job whose client may demand chunks.
fn opened() -> World {
    World::new().with_peer(SeatState::Opened).at(SeatState::Opened, DECIDED).with(|w| {
        w.job().challenge_seconds = 600;
        w.lease().seats[0].payable_at = PAYABLE_AT;
    })
}

#[test]
fn pay_waits_until_nothing_can_be_demanded() {
    opened().does(Action::Wait);
    opened().after(599).does(Action::Wait);
    opened().after(600).does(Action::Settle);
    opened().does_when(Mood::Leaving, Action::Wait);
    opened().no_job().does(expire(ME.provider));
}

#[test]
fn keys_are_shown_without_asking_for_pay() {
    let challenged = |w: &mut World| w.job().challenge_seconds = 600;
    World::new().at(SeatState::Revealed, DECIDED).with(challenged).does(Action::Open { settle: false });
    let reveal = Action::Reveal(Reveal { key: true, settle: false });
    World::new().at(SeatState::Committed, REVEALS).with(challenged).does(reveal);
}

#[test]
fn what_is_demanded_is_shown_at_once_and_late_rather_than_never() {
    let demanded = || opened().with(|w| w.lease().seats[0].answer_by = NOW + 120);
    demanded().does(Action::Answer);
    demanded().does_when(Mood::Leaving, Action::Answer);
    demanded().with(|w| w.entry.result = None).does(Action::Answer);
    demanded().after(500).does(Action::Answer);
    // Not even what is payable by now is paid before.
    demanded().after(700).does(Action::Answer);
}

#[test]
fn who_shows_nothing_is_convicted_where_it_is_in_the_way() {
    let convict = Action::Convict { provider: PEER };
    let demanded = |w: &mut World| (w.peer().answer_by, w.peer().slot) = (NOW + 120, SLOT);
    opened().with(demanded).after(100).does(Action::Wait);
    opened().with(demanded).after(122).does(convict.clone());
    // A halt of the cluster makes nobody late.
    opened().with(demanded).after(122).with(|w| w.view.now.slot = SLOT + 100).does(Action::Wait);
    // Once we are paid, our rent is still in the lease.
    let paid = || opened().with(demanded).no_seat().with_peer(SeatState::Opened).with(demanded);
    let left = |w: &mut World| (w.entry.phase, w.lease().state) = (Phase::Leaving, LeaseState::Settled);
    paid().with(left).after(100).does(Action::Wait);
    paid().with(left).after(122).does(convict);
}
