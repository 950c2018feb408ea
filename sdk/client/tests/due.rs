//! What is due in leases and jobs, state by state.

use bytemuck::Zeroable;
use solana_pubkey::Pubkey;
use tessera_protocol::state::JobState;
use tessera_sdk::{Action, Draw, Ending, Job, Kind, Lease, LeaseState, Moment, Seat, SeatState, accounts, types};

const NOW: Moment = Moment { slot: 1_000_000, time: 1_000_000 };
const MARKET: Pubkey = Pubkey::new_from_array([9; 32]);

fn job(change: impl FnOnce(&mut accounts::Job)) -> Job {
    let mut data = Box::new(accounts::Job::zeroed());
    (data.units, data.units_per_lease, data.leases, data.replicas) = (8, 4, 2, 2);
    (data.price_per_unit, data.fee_bps, data.treasury_bps) = (10, 500, 5_000);
    (data.deadline, data.grace_seconds) = (NOW.time + 1_000, 60);
    (data.deposited, data.audit_reserve) = (210, 40);
    change(&mut data);
    let state = JobState::try_from(data.state).unwrap();
    Job { address: Pubkey::new_from_array([1; 32]), data, state, bitmap: vec![0], allowed: vec![], denied: vec![] }
}

fn seat(state: SeatState, change: impl FnOnce(&mut types::Seat)) -> Seat {
    let mut data = types::Seat::zeroed();
    (data.pay, data.commit_by) = (40, NOW.time + 100);
    change(&mut data);
    Seat { data, state, kind: Kind::Base, draw: Draw::Passed }
}

fn lease(state: LeaseState, seats: Vec<Seat>, change: impl FnOnce(&mut accounts::Lease)) -> Lease {
    let mut data = Box::new(accounts::Lease::zeroed());
    (data.units, data.replicas, data.reveal_seconds, data.lease_seconds) = (4, 2, 30, 60);
    data.opened_at = 1;
    change(&mut data);
    Lease { address: Pubkey::default(), data, state, group: Kind::Base, seats }
}

fn actions(lease: &Lease, job: Option<&Job>) -> Vec<Action> {
    lease.due(&MARKET, job, NOW).iter().map(|step| step.action).collect()
}

#[test]
fn each_seat_gets_the_step_that_it_is_due() {
    let running = job(|_| {});
    let late = NOW.time - 2;
    let of = |state, decided, change: fn(&mut types::Seat)| {
        let at = if decided { LeaseState::Agreed } else { LeaseState::Open };
        let lease = lease(at, vec![seat(state, change)], |lease| {
            (lease.missing, lease.open_by) = (1, if decided { NOW.time + 5 } else { 0 });
        });
        actions(&lease, Some(&running))
    };
    assert_eq!(of(SeatState::Leased, false, |_| {}), []);
    assert_eq!(of(SeatState::Leased, false, |seat| seat.commit_by = NOW.time - 2), [Action::Expire]);
    // Its window was short of slots: after a halt nobody is late.
    let halted = |seat: &mut types::Seat| (seat.commit_by, seat.slot) = (NOW.time - 2, NOW.slot - 59);
    assert_eq!(of(SeatState::Leased, false, halted), []);
    assert_eq!(of(SeatState::Late, false, |_| {}), [Action::Expire]);
    assert_eq!(of(SeatState::Released, true, |_| {}), [Action::Expire]);
    assert_eq!(of(SeatState::Convicted, true, |_| {}), [Action::Slash]);
    assert_eq!(of(SeatState::Opened, true, |_| {}), [Action::Settle]);
    assert_eq!(of(SeatState::Opened, true, |seat| seat.payable_at = NOW.time + 9), []);
    assert_eq!(of(SeatState::Opened, true, |seat| seat.answer_by = NOW.time + 9), []);
    assert_eq!(of(SeatState::Opened, true, |seat| seat.answer_by = NOW.time - 2), [Action::Convict]);
    assert_eq!(of(SeatState::Revealed, true, |_| {}), []);

    let withheld = lease(LeaseState::Settled, vec![seat(SeatState::Revealed, |_| {})], |lease| lease.open_by = late);
    assert_eq!(actions(&withheld, Some(&running)), [Action::Expire]);
    let silent = lease(LeaseState::Open, vec![seat(SeatState::Committed, |_| {})], |lease| lease.reveal_by = late);
    assert_eq!(actions(&silent, Some(&running)), [Action::Advance]);
    assert_eq!(silent.next_at(&running), Some(NOW.time));
    let stuck = lease(LeaseState::Open, vec![seat(SeatState::Committed, |_| {})], |_| {});
    assert_eq!(actions(&stuck, Some(&running)), [Action::Advance]);
    let deserted = lease(LeaseState::Open, vec![seat(SeatState::Committed, |_| {})], |lease| {
        (lease.contested, lease.missing) = (1, 1);
    });
    assert_eq!(actions(&deserted, Some(&running)), [Action::Advance]);
    let seedless = lease(LeaseState::Open, vec![seat(SeatState::Committed, |_| {})], |lease| {
        (lease.contested, lease.missing, lease.opened_at) = (1, 1, 0);
    });
    assert_eq!(actions(&seedless, Some(&running)), [Action::Seed]);
    let empty = |state| lease(state, vec![], |_| {});
    assert_eq!(actions(&empty(LeaseState::Settled), Some(&running)), [Action::CloseLease]);
    assert_eq!(actions(&empty(LeaseState::Open), Some(&running)), []);
}

#[test]
fn an_end_of_the_job_ends_what_nobody_contests() {
    let over = job(|job| job.deadline = NOW.time - 62);
    let begun =
        |contested| lease(LeaseState::Open, vec![seat(SeatState::Leased, |_| {})], |lease| lease.contested = contested);
    assert_eq!(actions(&begun(0), Some(&over)), [Action::Expire]);
    assert_eq!(actions(&begun(1), Some(&over)), []);
    assert_eq!(actions(&begun(1), None), [Action::Expire]);
    assert_eq!(actions(&lease(LeaseState::Open, vec![], |_| {}), None), [Action::CloseLease]);
}

#[test]
fn a_job_says_when_it_can_be_closed() {
    let cancelled = |change: fn(&mut accounts::Job)| {
        job(|job| {
            job.state = JobState::Cancelled.into();
            change(job);
        })
    };
    let over_at = NOW.time + 1_062;
    assert_eq!(job(|_| {}).ending(&[], NOW), Ending::Runs { over_at });
    assert_eq!(cancelled(|_| {}).ending(&[], NOW), Ending::Now { vacant: vec![0, 1] });
    let begun = [lease(LeaseState::Open, vec![seat(SeatState::Leased, |_| {})], |_| {})];
    let waits = cancelled(|_| {}).ending(&begun, NOW);
    assert!(matches!(waits, Ending::Waits { at, .. } if at == NOW.time + 102), "{waits:?}");
    let owed = cancelled(|job| job.owed_seats = 1).ending(&[], NOW);
    assert!(matches!(owed, Ending::Waits { at, .. } if at == over_at - 1), "{owed:?}");
    let over = job(|job| job.deadline = NOW.time - 62);
    assert_eq!(over.ending(&begun, NOW), Ending::Now { vacant: vec![] });
    assert_eq!(job(|job| job.settled_leases = 2).ending(&[], NOW), Ending::Now { vacant: vec![] });
    // More leases than one transaction shows.
    let large = cancelled(|job| (job.leases, job.units) = (100, 400));
    assert_eq!(large.ending(&[], NOW), Ending::Later { over_at });
}

#[test]
fn a_client_knows_between_what_its_refund_lies() {
    // Nothing is taken: all comes back once the job is cancelled; running, it may cost what was escrowed.
    let running = job(|_| {});
    assert_eq!((running.refund(), running.least_refund(&[])), (Some(210), Some(0)));
    let cancelled = job(|job| job.state = JobState::Cancelled.into());
    assert_eq!((cancelled.refund(), cancelled.least_refund(&[])), (Some(210), Some(210)));
    // A seat is taken, and another may be: 80 and 40, and the fee of 6.
    let begun = [lease(LeaseState::Open, vec![seat(SeatState::Leased, |_| {})], |lease| lease.missing = 1)];
    assert_eq!((cancelled.refund(), cancelled.least_refund(&begun)), (Some(210), Some(84)));
    // Somebody was paid 40, and somebody is owed 40: 84 with the fee, or 42 if that one never shows its key.
    let owes = job(|job| (job.state, job.paid, job.owed, job.audits_paid) = (JobState::Cancelled.into(), 40, 40, 40));
    assert_eq!((owes.refund(), owes.least_refund(&[])), (Some(168), Some(126)));
}
