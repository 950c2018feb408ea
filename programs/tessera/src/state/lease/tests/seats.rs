//! One seat, from its claim to its end.

use super::*;

#[test]
fn one_replica_runs_its_course() {
    let mut lease = Owned::agreed(1);
    let Lease { result_root, open_by, .. } = lease.lease;
    assert_eq!((lease.lease.state(), result_root, open_by), (LeaseState::Agreed, [9; 32], OPEN_BY));
    assert_eq!((lease.seats[0].sealed, lease.seats[0].slot), ([1; 32], 55));
    refused(lease.view().check_settle(0, at(NOW)), E::SeatNotOpened);
    refused(lease.view().open(0, [2; 32], at(NOW)), E::KeyMismatch);
    lease.view().open(0, [1; 32], at(NOW)).unwrap();
    refused(lease.view().open(0, [1; 32], at(NOW)), E::SeatNotRevealed);
    lease.view().check_settle(0, at(NOW)).unwrap();
    assert_eq!(lease.view().due(), Some(PAY));
}

#[test]
fn nobody_reveals_before_all_have_committed_and_been_drawn() {
    let mut lease = Owned::new(2);
    lease.claim(1).unwrap();
    assert_eq!(lease.commit(1, 9).unwrap(), Next::Gather);
    refused(lease.reveal(1, 9), E::RevealNotOpen);
    lease.claim(2).unwrap();
    refused(lease.reveal(2, 9), E::SeatNotCommitted);
    lease.commit(2, 9).unwrap();
    assert_eq!(lease.draw(2, None).unwrap(), Next::Gather);
    refused(lease.reveal(1, 9), E::RevealNotOpen);
    assert_eq!(lease.draw(1, None).unwrap(), Next::Reveal);
    assert_eq!(lease.lease.reveal_by, REVEAL_BY);
    refused(lease.commit(2, 9), E::SeatNotLeased);
    refused(lease.view().open(0, [1; 32], at(NOW)), E::LeaseNotAgreed);
}

#[test]
fn a_reveal_must_be_what_was_committed() {
    let mut lease = Owned::committed(&[(1, 9), (2, 9)]);
    refused(lease.reveal(1, 8), E::CommitmentMismatch);
    // What another has committed fits no other place, not even with all its secrets.
    let copied = lease.seats[0].commitment;
    lease.seat(2).commitment = copied;
    let shown = shown(1, 9);
    refused(lease.view().reveal(1, &shown), E::CommitmentMismatch);
    assert_eq!(lease.reveal(1, 9).unwrap(), Decision::Pending);
    refused(lease.reveal(1, 9), E::SeatNotCommitted);
}

#[test]
fn a_provider_has_one_seat_and_a_group_as_many_as_are_missing() {
    let mut lease = Owned::new(2);
    lease.claim(1).unwrap();
    refused(lease.claim(1), E::AlreadySeated);
    lease.claim(2).unwrap();
    refused(lease.claim(3), E::LeaseFull);
    assert_eq!(lease.remove(1).attempt, 0);
    lease.claim(1).unwrap();
    assert_eq!((lease.seat(1).attempt, lease.lease.claims, lease.lease.missing), (2, 3, 0));
    lease.seats.resize(constants::MAX_SEATS, Seat { provider: provider(50), ..Seat::default() });
    lease.lease.missing = 1;
    refused(lease.view().check_claim(&provider(9)), E::LeaseFull);
}

#[test]
fn what_is_decided_takes_no_claims() {
    for (state, reason) in
        [(LeaseState::Agreed, E::LeaseAgreed), (LeaseState::Settled, E::LeaseSettled), (LeaseState::Void, E::LeaseVoid)]
    {
        let mut lease = Owned::new(1);
        lease.lease.state = state as u8;
        refused(lease.claim(1), reason);
    }
    let mut lease = Owned::new(1);
    lease.lease.opened_at = 0;
    refused(lease.claim(1), E::LeaseNotSeeded);
}

#[test]
fn who_may_be_drawn_does_not_return() {
    let mut lease = Owned::new(2);
    lease.claim(1).unwrap();
    lease.view().check_return(0, at(NOW)).unwrap();
    refused(lease.view().check_return(0, at(NOW + 51)), E::SeatNotReturnable);
    lease.commit(1, 9).unwrap();
    refused(lease.view().check_return(0, at(NOW)), E::SeatNotReturnable);
    let mut contested = lease.clone();
    contested.claim(2).unwrap();
    contested.draw(1, Some(Funding::Seat)).unwrap();
    refused(contested.view().check_return(1, at(NOW)), E::SeatNotReturnable);
    let mut drawn = lease.clone();
    lease.draw(1, None).unwrap();
    lease.view().check_return(0, at(NOW)).unwrap();
    drawn.draw(1, Some(Funding::Seat)).unwrap();
    refused(drawn.view().check_return(0, at(NOW)), E::SeatNotReturnable);
    // Nor does anybody once roots are shown.
    lease.join(&[(2, 9)]);
    lease.draw(2, None).unwrap();
    refused(lease.view().check_return(0, at(NOW)), E::SeatNotReturnable);
}

#[test]
fn who_has_waited_goes_for_nothing() {
    let mut lease = Owned::new(2);
    lease.lease.lease_seconds = 50;
    lease.join(&[(1, 9)]);
    assert!(!lease.view().has_waited(0, at(NOW + 49)));
    assert!(lease.view().has_waited(0, at(NOW + 50)));
}

#[test]
fn windows_end_and_jobs_too() {
    use Departure::{Blameless, Expired, Silent, Withheld};
    use JobEnd::{Gone, Over, Running};
    let mut leased = Owned::new(1);
    leased.lease.lease_seconds = 50;
    leased.claim(1).unwrap();
    let committed = Owned::committed(&[(1, 9), (2, 9)]);
    let mut contested = committed.clone();
    contested.lease.contested = 1;
    let agreed = Owned::agreed(1);
    let mut opened = agreed.clone();
    opened.view().open(0, [1; 32], at(NOW)).unwrap();
    let mut juror = opened.clone();
    juror.seats[0].kind = Kind::Dispute as u8;
    let with = |state| {
        let mut lease = agreed.clone();
        lease.seats[0].state = state as u8;
        lease
    };
    let table = [
        (&leased, NOW + 49, Running, None),
        (&leased, NOW + 51, Running, Some(Expired)),
        (&leased, NOW, Over, Some(Blameless)),
        (&leased, NOW + 51, Gone, Some(Blameless)),
        // Whoever is silent is judged, not removed.
        (&committed, REVEAL_BY + 1, Running, None),
        (&committed, NOW, Over, Some(Blameless)),
        (&contested, REVEAL_BY + 1, Over, None),
        (&contested, NOW, Gone, Some(Blameless)),
        (&agreed, OPEN_BY, Running, None),
        (&agreed, OPEN_BY + 1, Running, Some(Withheld)),
        (&agreed, NOW, Over, Some(Blameless)),
        (&opened, OPEN_BY + 1_000, Over, None),
        (&opened, NOW, Gone, Some(Blameless)),
        (&juror, OPEN_BY + i64::from(GRACE), Running, None),
        (&juror, OPEN_BY + i64::from(GRACE) + 1, Running, Some(Blameless)),
        (&with(SeatState::Late), NOW, Running, Some(Silent)),
        (&with(SeatState::Late), NOW, Gone, Some(Silent)),
        (&with(SeatState::Released), NOW, Running, Some(Blameless)),
        (&with(SeatState::Convicted), OPEN_BY + 10_000, Gone, None),
    ];
    for (i, (lease, time, job, expected)) in table.into_iter().enumerate() {
        assert_eq!(lease.clone().departure(0, time, job), expected, "row {i}");
    }
}

#[test]
fn a_clock_that_leaps_makes_nobody_late() {
    let mut lease = Owned::agreed(1);
    let halted = Moment { time: OPEN_BY + 10_000, slot: SLOT + 5 };
    assert_eq!(lease.view().departure(0, halted, JobEnd::Running, GRACE), None);
}
