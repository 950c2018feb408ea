//! Groups of seats, from the draw to the verdict.

use super::*;

/// One replica is drawn, and provider 2 audits it.
fn audited(funding: Funding, roots: [u8; 2]) -> Owned {
    let mut lease = Owned::new(1);
    lease.join(&[(1, roots[0])]);
    assert_eq!(lease.draw(1, Some(funding)).unwrap(), Next::Seats);
    lease.seed();
    lease.join(&[(2, roots[1])]);
    assert_eq!(lease.draw(2, None).unwrap(), Next::Reveal);
    lease
}

#[test]
fn a_drawn_seat_calls_one_audit_for_its_group() {
    let mut lease = Owned::new(2);
    lease.join(&[(1, 9), (2, 9)]);
    assert_eq!(lease.draw(1, Some(Funding::Reserve)).unwrap(), Next::Gather);
    assert!(lease.lease.is_contested());
    assert_eq!(lease.draw(2, Some(Funding::Seat)).unwrap(), Next::Seats);
    assert_eq!([lease.seats[0].draw, lease.seats[1].draw], [Draw::Reserve as u8, Draw::Passed as u8]);
    let Lease { missing, opened_at, seed_slot, call, .. } = lease.lease;
    assert_eq!((lease.lease.group(), missing, opened_at, seed_slot, call), (Kind::Audit, 1, 0, SLOT + 8, 2));
    refused(lease.claim(3), E::LeaseNotSeeded);
    lease.seed();
    refused(lease.claim(1), E::AlreadySeated);
    lease.claim(3).unwrap();
    assert_eq!((lease.seats[2].kind(), lease.seats[2].attempt), (Kind::Audit, 2));
}

#[test]
fn a_draw_is_read_once_unless_its_provider_was_at_fault_since() {
    let mut lease = Owned::committed(&[(1, 9)]);
    refused(lease.view().check_draw(0, 0), E::AlreadyDrawn);
    refused(lease.view().check_draw(0, SLOT - 1), E::AlreadyDrawn);
    lease.view().check_draw(0, SLOT).unwrap();
    lease.view().draw(0, true, at(NOW), |_| Ok(Funding::Seat)).unwrap();
    assert_eq!(lease.view().proceed(at(NOW)), Next::Seats);
    refused(lease.view().check_draw(0, SLOT), E::AlreadyDrawn);
    let mut lease = Owned::agreed(1);
    refused(lease.view().check_draw(0, SLOT), E::SeatNotCommitted);
}

#[test]
fn nobody_looks_at_a_private_lease() {
    let mut lease = Owned::new(1);
    lease.lease.private = 1;
    (lease.job.lead, lease.job.seat_limit) = (0, 0);
    lease.claim(1).unwrap();
    // The commit waits for no hash, and neither its provider's faults nor anything else have it drawn.
    assert_eq!(lease.commit(1, 9).unwrap(), Next::Reveal);
    for fault_slot in [0, SLOT, u64::MAX] {
        refused(lease.view().check_draw(0, fault_slot), E::AlreadyDrawn);
    }
    assert_eq!(lease.judge().unwrap(), Decision::Reopened);
    assert_eq!(lease.states(), [SeatState::Late], "who is silent loses its bond alone");
    lease.claim(2).unwrap();
    assert_eq!(lease.commit(2, 9).unwrap(), Next::Reveal);
    assert_eq!(lease.reveal(2, 9).unwrap(), Decision::Agreed);
    assert_eq!((lease.seats[1].flags, lease.seats[1].pay, lease.job.reserve), (0, PAY, 3 * PAY));
    assert!(!lease.lease.is_contested());
}

#[test]
fn the_reserve_or_the_drawn_seat_pays_the_auditor() {
    let mut lease = audited(Funding::Reserve, [9, 9]);
    lease.reveal(1, 9).unwrap();
    assert_eq!(lease.reveal(2, 9).unwrap(), Decision::Agreed);
    assert_eq!([lease.seats[0].pay, lease.seats[1].pay], [PAY, PAY]);
    assert_eq!([lease.seats[0].flags, lease.seats[1].flags], [CONFIRMED, PAID_BY_RESERVE]);

    let mut lease = audited(Funding::Seat, [9, 9]);
    lease.reveal(1, 9).unwrap();
    lease.reveal(2, 9).unwrap();
    assert_eq!([lease.seats[0].pay, lease.seats[1].pay], [0, PAY]);
    assert_eq!([lease.seats[0].flags, lease.seats[1].flags], [CONFIRMED, 0]);
}

#[test]
fn an_audit_that_is_not_paid_leaves_the_reserve_whole() {
    let mut lease = audited(Funding::Reserve, [9, 9]);
    assert_eq!((lease.job.contested, lease.lease.contested), (1, 1));
    assert_eq!(lease.judge().unwrap(), Decision::Reopened);
    assert_eq!(lease.job.reserve, 4 * PAY);
    assert_eq!((lease.job.contested, lease.lease.contested), (0, 0));
    assert_eq!(lease.states(), [SeatState::Convicted; 2], "who was drawn must not be silent");
    let Lease { missing, opened_at, drawn, .. } = lease.lease;
    assert_eq!((lease.lease.group(), missing, opened_at, drawn), (Kind::Base, 1, NOW + 1, 0));
}

#[test]
fn silence_costs_the_lock_where_others_wait_and_else_the_bond() {
    let mut lease = Owned::committed(&[(1, 9)]);
    assert_eq!(lease.judge().unwrap(), Decision::Reopened);
    assert_eq!(lease.states(), [SeatState::Late]);
    let mut lease = Owned::committed(&[(1, 9), (2, 9)]);
    assert_eq!(lease.judge().unwrap(), Decision::Reopened);
    assert_eq!(lease.states(), [SeatState::Convicted; 2]);
    assert_eq!(lease.seats[0].pay, 0, "nobody is awarded anything");
}

#[test]
fn somebody_answers_for_who_is_silent_and_is_paid_by_it() {
    let mut lease = Owned::committed(&[(1, 9), (2, 9)]);
    lease.reveal(1, 9).unwrap();
    assert_eq!(lease.judge().unwrap(), Decision::Disputed);
    assert_eq!((lease.lease.missing, lease.lease.rounds, lease.job.contested), (1, 1, 1));
    lease.seed();
    lease.join(&[(3, 9)]);
    assert_eq!(lease.lease.reveal_by, REVEAL_BY, "jurors are not drawn");
    refused(lease.reveal(2, 9), E::SeatSilent);
    assert_eq!(lease.reveal(3, 9).unwrap(), Decision::Agreed, "nobody waits for who was silent");
    assert_eq!(lease.states(), [SeatState::Revealed, SeatState::Convicted, SeatState::Revealed]);
    assert_eq!(lease.seats[1].pay, PAY);
}

/// Providers 1 and 2 disagree, and jurors from 3 on vote for root 9.
fn disputed() -> Owned {
    let mut lease = Owned::committed(&[(1, 9), (2, 8)]);
    lease.reveal(1, 9).unwrap();
    assert_eq!(lease.reveal(2, 8).unwrap(), Decision::Disputed);
    assert_eq!(lease.lease.missing, 2);
    lease.seed();
    lease
}

#[test]
fn a_dispute_is_decided_by_those_who_were_called() {
    let mut lease = disputed();
    lease.join(&[(3, 9), (4, 9)]);
    lease.reveal(3, 9).unwrap();
    assert_eq!(lease.reveal(4, 9).unwrap(), Decision::Agreed);
    use SeatState::{Convicted, Revealed};
    assert_eq!(lease.states(), [Revealed, Convicted, Revealed, Revealed]);
    assert_eq!(lease.seats.iter().map(|seat| seat.pay).collect::<Vec<_>>(), [PAY, 2 * PAY, PAY, PAY]);
    assert_eq!((lease.lease.result_root, lease.job.contested, lease.lease.contested), ([9; 32], 1, 1));
    lease.view().check_slash(1).unwrap();
    refused(lease.view().check_slash(0), E::SeatNotConvicted);
}

#[test]
fn a_dispute_without_jurors_is_void() {
    let mut lease = disputed();
    let Owned { lease: head, seats, job } = &mut lease;
    let mut view = LeaseMut { lease: head, seats };
    let overdue = NOW + 64 + 50;
    assert!(!view.exhaust(job, at(overdue)));
    view.lease.window_slot = SLOT;
    assert!(!view.exhaust(job, Moment { time: overdue + 1, slot: SLOT + 10 }), "the clock has leapt");
    assert!(view.exhaust(job, at(overdue + 1)));
    assert_eq!(view.proceed(at(overdue + 1)), Next::Judge);
    assert_eq!(lease.judge().unwrap(), Decision::Void);
    assert_eq!(lease.states(), [SeatState::Released; 2]);
    assert_eq!((lease.lease.state(), lease.job.contested), (LeaseState::Void, 0));
}

/// Lets the group of a lease go on at a time at which it is overdue.
fn exhaust(lease: &mut Owned) -> Option<Next> {
    let Owned { lease: head, seats, job } = lease;
    let mut view = LeaseMut { lease: head, seats };
    view.lease.window_slot = SLOT;
    view.exhaust(job, at(NOW + 10_000)).then(|| view.proceed(at(NOW + 10_000)))
}

#[test]
fn an_audit_that_nobody_takes_does_not_hold_up_the_lease() {
    let mut lease = Owned::new(1);
    lease.join(&[(1, 9)]);
    lease.draw(1, Some(Funding::Reserve)).unwrap();
    lease.seed();
    assert_eq!(exhaust(&mut lease), Some(Next::Reveal));
    assert_eq!(lease.reveal(1, 9).unwrap(), Decision::Agreed);
    assert_eq!((lease.seats[0].pay, lease.job.reserve), (PAY, 4 * PAY));
}

#[test]
fn an_audit_that_somebody_takes_and_lets_lapse_is_asked_for_again() {
    let mut lease = Owned::new(1);
    lease.join(&[(1, 9)]);
    lease.draw(1, Some(Funding::Seat)).unwrap();
    for n in [2, 3] {
        lease.seed();
        lease.claim(n).unwrap();
        assert_eq!(exhaust(&mut lease), None, "nothing is missing");
        let i = lease.view().seat_of(&provider(n)).unwrap();
        refused(lease.view().check_return(i, at(NOW)), E::SeatNotReturnable);
        lease.remove(n);
        assert_eq!(lease.view().proceed(at(NOW)), Next::Seats);
        assert_eq!((lease.lease.group(), lease.lease.missing, lease.lease.opened_at), (Kind::Audit, 1, 0));
    }
    lease.seed();
    lease.join(&[(4, 9)]);
    assert_eq!(lease.draw(4, None).unwrap(), Next::Reveal);
}

#[test]
fn a_juror_that_does_not_come_is_replaced() {
    let mut lease = disputed();
    lease.join(&[(3, 9)]);
    lease.claim(4).unwrap();
    lease.remove(4);
    assert_eq!(lease.view().proceed(at(NOW)), Next::Reveal);
    assert_eq!(lease.reveal(3, 9).unwrap(), Decision::Disputed);
    assert_eq!((lease.lease.missing, lease.lease.rounds), (1, 2));
    lease.seed();
    lease.join(&[(5, 9)]);
    assert_eq!(lease.reveal(5, 9).unwrap(), Decision::Agreed);
    assert_eq!(lease.seat(2).pay, 2 * PAY);
}

#[test]
fn a_group_that_some_have_joined_is_not_the_last() {
    let mut lease = disputed();
    lease.join(&[(3, 9)]);
    assert_eq!(exhaust(&mut lease), Some(Next::Reveal));
    assert_eq!(lease.reveal(3, 9).unwrap(), Decision::Disputed, "one has come, so others may");
    lease.seed();
    assert_eq!(exhaust(&mut lease), Some(Next::Judge));
    assert_eq!(lease.judge().unwrap(), Decision::Void);
}

#[test]
fn who_goes_on_lapsing_ends_a_dispute_after_many_groups() {
    let mut lease = disputed();
    for n in 3..100 {
        lease.claim(n).unwrap();
        lease.remove(n);
        lease.lease.missing = 0;
        assert_eq!(lease.view().proceed(at(NOW)), Next::Judge);
        match lease.judge().unwrap() {
            Decision::Disputed => lease.seed(),
            end => {
                assert_eq!((end, lease.lease.rounds), (Decision::Void, constants::MAX_GROUPS));
                return;
            }
        }
    }
    panic!("it never ends");
}

#[test]
fn a_void_module_is_nobodys_fault() {
    use tessera_protocol::verdict::VOID_ROOT;
    let mut lease = disputed();
    lease.join(&[(3, 9), (4, 9)]);
    for n in [3, 4] {
        lease.reveal(n, 9).map(drop).unwrap();
        lease.seat(n).result_root = VOID_ROOT;
        if n == 3 {
            lease.lease.state = LeaseState::Open as u8;
        }
    }
    // The roots were exchanged behind the commitments, so judge once more.
    lease.lease.state = LeaseState::Open as u8;
    for seat in &mut lease.seats {
        seat.state = SeatState::Revealed as u8;
        (seat.flags, seat.pay) = (0, PAY);
    }
    assert_eq!(lease.judge().unwrap(), Decision::Agreed);
    use SeatState::{Released, Revealed};
    assert_eq!(lease.states(), [Released, Released, Revealed, Revealed]);
    assert_eq!(lease.seats[2].flags & PAID_BY_REST, PAID_BY_REST);
}

#[test]
fn what_a_wrong_auditor_was_to_be_paid_goes_to_who_found_it_out() {
    // 2 audits 1, 3 audits 2; 2 is wrong, and jurors say so.
    for (first, reserve, pays) in [(Funding::Reserve, PAID_BY_RESERVE, [PAY, PAY]), (Funding::Seat, 0, [0, PAY])] {
        let mut lease = Owned::new(1);
        lease.join(&[(1, 9)]);
        lease.draw(1, Some(first)).unwrap();
        lease.seed();
        lease.join(&[(2, 8)]);
        lease.draw(2, Some(Funding::Seat)).unwrap();
        lease.seed();
        lease.join(&[(3, 9)]);
        lease.draw(3, None).unwrap();
        for (n, root) in [(1, 9), (2, 8), (3, 9)] {
            lease.reveal(n, root).unwrap();
        }
        lease.seed();
        assert_eq!(lease.lease.missing, 2, "one vote against one");
        lease.join(&[(4, 9), (5, 9)]);
        lease.reveal(4, 9).unwrap();
        assert_eq!(lease.reveal(5, 9).unwrap(), Decision::Agreed);
        assert_eq!([lease.seat(1).pay, lease.seat(3).pay], pays);
        assert_eq!(lease.seat(3).flags & PAID_BY_RESERVE, reserve);
        assert_eq!(lease.job.reserve, 3 * PAY, "what was set aside is spent, nothing else");
    }
}

#[test]
fn an_auditor_that_pays_its_own_auditor_passes_on_what_was_set_aside() {
    let mut lease = Owned::new(1);
    lease.join(&[(1, 9)]);
    lease.draw(1, Some(Funding::Reserve)).unwrap();
    lease.seed();
    lease.join(&[(2, 9)]);
    lease.draw(2, Some(Funding::Seat)).unwrap();
    lease.seed();
    lease.join(&[(3, 9)]);
    lease.draw(3, None).unwrap();
    for n in 1..=3 {
        lease.reveal(n, 9).unwrap();
    }
    assert_eq!([1, 2, 3].map(|n| lease.seat(n).pay), [PAY, 0, PAY]);
    assert_eq!([2, 3].map(|n| lease.seat(n).flags), [CONFIRMED, CONFIRMED | PAID_BY_RESERVE]);
}

#[test]
fn convicts_of_an_earlier_judgement_are_no_auditors() {
    let mut lease = audited(Funding::Seat, [9, 9]);
    assert_eq!(lease.judge().unwrap(), Decision::Reopened);
    lease.join(&[(3, 9)]);
    lease.draw(3, Some(Funding::Reserve)).unwrap();
    lease.seed();
    lease.join(&[(4, 9)]);
    lease.draw(4, None).unwrap();
    lease.reveal(3, 9).unwrap();
    assert_eq!(lease.reveal(4, 9).unwrap(), Decision::Agreed);
    assert_eq!([3, 4].map(|n| lease.seat(n).pay), [PAY, PAY]);
    assert_eq!(lease.seat(4).flags, PAID_BY_RESERVE);
}
