//! The life of leases and seats, without accounts.

use super::*;
use crate::TesseraError as E;
use tessera_protocol::commitment::{self, Place, Reveal};
use tessera_protocol::constants;
use tessera_protocol::state::{LeaseState, SeatState};

const NOW: i64 = 1_000;
const SLOT: u64 = 55;
const REVEAL_BY: i64 = 2_000;
const OPEN_BY: i64 = REVEAL_BY + 1;

/// A moment on a cluster that makes a slot each second.
fn at(time: i64) -> Moment {
    Moment { time, slot: SLOT + u64::try_from(time - NOW).unwrap() }
}

/// A lease and its seats outside an account.
#[derive(Clone)]
struct Owned {
    lease: Lease,
    seats: Vec<Seat>,
}

impl Owned {
    fn view(&mut self) -> LeaseMut<'_> {
        LeaseMut { lease: &mut self.lease, seats: &mut self.seats }
    }

    fn state(&self) -> LeaseState {
        self.lease.state()
    }
}

fn lease(replicas: u8) -> Owned {
    let (job, reveal_seconds) = (Pubkey::new_from_array([7; 32]), (REVEAL_BY - NOW) as u32);
    let lease = Lease { version: 1, job, index: 3, units: 4, replicas, reveal_seconds, ..Lease::default() };
    Owned { lease, seats: Vec::new() }
}

fn provider(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

/// What provider `n` reveals: the root is its own choice, the rest follows from `n`.
fn shown(n: u8, root: u8) -> Reveal {
    Reveal { result_root: [root; 32], work_root: [n; 32], key_hash: commitment::key_hash(&[n; 32]), nonce: [n; 32] }
}

fn claim(lease: &mut Owned, n: u8) -> Result<()> {
    lease.view().check_claim(&provider(n))?;
    lease.seats.push(Seat::default());
    let seat =
        Seat { provider: provider(n), payer: provider(n), pay: 10, commit_by: NOW, slot: SLOT, ..Seat::default() };
    lease.view().claim(seat)?;
    Ok(())
}

fn commit(lease: &mut Owned, n: u8, root: u8) -> Result<()> {
    let i = lease.view().seat_of(&provider(n))?;
    let place = Place { job: [7; 32], lease: 3, attempt: lease.seats[i].attempt, provider: provider(n).to_bytes() };
    lease.view().commit(i, commitment::commit(&place, &shown(n, root)), [n; 32], at(NOW))
}

fn reveal(lease: &mut Owned, n: u8, root: u8) -> Result<Decision> {
    let i = lease.view().seat_of(&provider(n))?;
    lease.view().reveal(i, &shown(n, root), at(NOW + 1))
}

fn remove(lease: &mut Owned, n: u8) -> Seat {
    let i = lease.view().seat_of(&provider(n)).unwrap();
    let seat = lease.view().remove(i, NOW + 2);
    lease.seats.pop();
    seat
}

/// A lease in which each `(provider, root)` has claimed and committed.
fn committed(seats: &[(u8, u8)]) -> Owned {
    let mut lease = lease(seats.len() as u8);
    seats.iter().for_each(|(n, _)| claim(&mut lease, *n).unwrap());
    seats.iter().for_each(|(n, root)| commit(&mut lease, *n, *root).unwrap());
    lease
}

/// A lease in which providers 1 to `replicas` agree on root 9.
fn agreed(replicas: u8) -> Owned {
    let seats: Vec<_> = (1..=replicas).map(|n| (n, 9)).collect();
    let mut lease = committed(&seats);
    for (n, root) in seats {
        let decision = reveal(&mut lease, n, root).unwrap();
        assert_eq!(decision, if n == replicas { Decision::Agreed } else { Decision::Pending });
    }
    lease
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, reason: E) {
    assert_eq!(result.unwrap_err(), error!(reason));
}

#[test]
fn one_replica_runs_its_course() {
    let mut lease = agreed(1);
    assert_eq!((lease.state(), lease.lease.result_root, lease.lease.open_by), (LeaseState::Agreed, [9; 32], OPEN_BY));
    assert_eq!((lease.seats[0].sealed, lease.seats[0].slot), ([1; 32], 55));
    refused(lease.view().check_settle(0), E::SeatNotOpened);
    refused(lease.view().open(0, [2; 32]), E::KeyMismatch);
    lease.view().open(0, [1; 32]).unwrap();
    refused(lease.view().open(0, [1; 32]), E::SeatNotRevealed);
    lease.view().check_settle(0).unwrap();
    assert_eq!(lease.view().due(), Some(10));
}

#[test]
fn a_round_waits_for_all_replicas() {
    let mut lease = lease(2);
    claim(&mut lease, 1).unwrap();
    commit(&mut lease, 1, 9).unwrap();
    assert_eq!(lease.lease.reveal_by, 0);
    refused(reveal(&mut lease, 1, 9), E::RevealNotOpen);
    claim(&mut lease, 2).unwrap();
    refused(reveal(&mut lease, 1, 9), E::RevealNotOpen);
    refused(reveal(&mut lease, 2, 9), E::SeatNotCommitted);
    commit(&mut lease, 2, 9).unwrap();
    assert_eq!(lease.lease.reveal_by, REVEAL_BY);
    refused(commit(&mut lease, 2, 9), E::SeatNotLeased);
    refused(lease.view().open(0, [1; 32]), E::LeaseNotAgreed);
}

#[test]
fn a_commit_must_be_in_time_and_a_reveal_what_was_committed() {
    let mut lease = lease(1);
    claim(&mut lease, 1).unwrap();
    refused(lease.view().commit(0, [0; 32], [0; 32], at(NOW + 1)), E::CommitTooLate);
    commit(&mut lease, 1, 9).unwrap();
    refused(reveal(&mut lease, 1, 8), E::CommitmentMismatch);
    assert_eq!(lease.seats[0].state(), SeatState::Committed);
}

#[test]
fn a_commitment_of_an_earlier_attempt_is_worth_nothing() {
    let mut lease = committed(&[(1, 9)]);
    let old = lease.seats[0].commitment;
    remove(&mut lease, 1);
    claim(&mut lease, 1).unwrap();
    assert_eq!(lease.seats[0].attempt, 1);
    lease.view().commit(0, old, [1; 32], at(NOW)).unwrap();
    refused(reveal(&mut lease, 1, 9), E::CommitmentMismatch);
}

#[test]
fn a_lease_takes_each_provider_once_and_as_many_as_it_has_replicas() {
    let mut lease = lease(2);
    claim(&mut lease, 1).unwrap();
    refused(claim(&mut lease, 1), E::AlreadySeated);
    claim(&mut lease, 2).unwrap();
    refused(claim(&mut lease, 3), E::LeaseFull);
    let mut lease = agreed(2);
    refused(claim(&mut lease, 3), E::LeaseAgreed);
    lease.lease.state = LeaseState::Settled as u8;
    refused(claim(&mut lease, 3), E::LeaseSettled);
}

#[test]
fn disagreement_pays_nobody_and_opens_the_lease_to_others() {
    let mut lease = committed(&[(1, 9), (2, 8)]);
    assert_eq!(reveal(&mut lease, 1, 9).unwrap(), Decision::Pending);
    assert_eq!(reveal(&mut lease, 2, 8).unwrap(), Decision::Disagreed);
    assert_eq!(
        (lease.state(), lease.lease.rounds, lease.lease.reveal_by, lease.lease.opened_at),
        (LeaseState::Open, 1, 0, NOW + 1)
    );
    assert!(lease.view().is_vacant() && lease.view().due() == Some(0));
    refused(claim(&mut lease, 1), E::AlreadySeated);
    for n in [3, 4] {
        claim(&mut lease, n).unwrap();
    }
    for n in [3, 4] {
        commit(&mut lease, n, 9).unwrap();
    }
    reveal(&mut lease, 3, 9).unwrap();
    // The first provider's equal root is of a round that is over: it is not part of this one.
    assert_eq!(reveal(&mut lease, 4, 9).unwrap(), Decision::Agreed);
    assert_eq!(lease.view().due(), Some(20));
    assert_eq!(lease.view().departure(0, at(NOW), JobEnd::Running), None);
    lease.lease.state = LeaseState::Settled as u8;
    assert_eq!(lease.view().departure(0, at(NOW), JobEnd::Running), Some(Departure::Disagreed));
}

#[test]
fn rejected_seats_fill_a_lease_up() {
    let mut lease = lease(8);
    for round in 0..3 {
        let names: Vec<u8> = (0..8).map(|i| 1 + round * 8 + i).collect();
        names.iter().for_each(|n| claim(&mut lease, *n).unwrap());
        names.iter().for_each(|n| commit(&mut lease, *n, *n).unwrap());
        for n in names {
            reveal(&mut lease, n, n).unwrap();
        }
    }
    assert_eq!((lease.lease.rounds, lease.seats.len()), (3, constants::MAX_SEATS));
    refused(claim(&mut lease, 99), E::LeaseFull);
}

#[test]
fn who_does_not_reveal_is_replaced_by_somebody_who_joins_after_the_window() {
    let mut lease = committed(&[(1, 9), (2, 9), (3, 9)]);
    reveal(&mut lease, 1, 9).unwrap();
    assert_eq!(lease.view().departure(1, at(REVEAL_BY), JobEnd::Running), None);
    assert_eq!(lease.view().departure(1, at(REVEAL_BY + 1), JobEnd::Running), Some(Departure::Fault));
    refused(lease.view().check_return(1, at(NOW)), E::SeatNotReturnable);
    remove(&mut lease, 2);
    // One who has not revealed either is left: nobody may join, nobody escapes the fault.
    assert_eq!(lease.lease.reveal_by, REVEAL_BY);
    refused(claim(&mut lease, 4), E::LeaseFull);
    remove(&mut lease, 3);
    assert_eq!(lease.lease.reveal_by, 0);
    for n in [4, 5] {
        claim(&mut lease, n).unwrap();
        commit(&mut lease, n, 9).unwrap();
    }
    assert_eq!(lease.lease.reveal_by, REVEAL_BY);
    reveal(&mut lease, 5, 9).unwrap();
    assert_eq!(reveal(&mut lease, 4, 9).unwrap(), Decision::Agreed);
}

#[test]
fn a_late_reveal_counts_until_somebody_closes_the_window() {
    let mut lease = committed(&[(1, 9), (2, 9)]);
    let late = lease.view().reveal(0, &shown(1, 9), at(REVEAL_BY + 50)).unwrap();
    assert_eq!(late, Decision::Pending);
    let mut expired = lease.clone();
    assert_eq!(reveal(&mut lease, 2, 9).unwrap(), Decision::Agreed);

    // With the other one expired first, the round gathers again around the seat that has revealed.
    remove(&mut expired, 2);
    assert_eq!((expired.lease.reveal_by, expired.state()), (0, LeaseState::Open));
    refused(expired.view().check_return(0, at(NOW)), E::SeatNotReturnable);
    claim(&mut expired, 3).unwrap();
    commit(&mut expired, 3, 9).unwrap();
    assert_eq!(reveal(&mut expired, 3, 9).unwrap(), Decision::Agreed);
}

#[test]
fn the_last_reveal_of_a_broken_round_lets_newcomers_in() {
    let mut lease = committed(&[(1, 9), (2, 9)]);
    remove(&mut lease, 1);
    assert_eq!(lease.lease.reveal_by, REVEAL_BY);
    assert_eq!(reveal(&mut lease, 2, 9).unwrap(), Decision::Pending);
    assert_eq!(lease.lease.reveal_by, 0);
    claim(&mut lease, 3).unwrap();
}

#[test]
fn an_agreed_lease_that_nobody_opens_begins_anew() {
    let mut lease = agreed(2);
    assert_eq!(lease.view().departure(0, at(OPEN_BY), JobEnd::Running), None);
    assert_eq!(lease.view().departure(0, at(OPEN_BY + 1), JobEnd::Running), Some(Departure::Fault));
    remove(&mut lease, 1);
    assert_eq!(lease.state(), LeaseState::Agreed);
    remove(&mut lease, 2);
    assert_eq!((lease.state(), lease.lease.open_by, lease.lease.result_root), (LeaseState::Open, 0, [0; 32]));
    assert_eq!(lease.lease.opened_at, NOW + 2);
    claim(&mut lease, 1).unwrap();
}

#[test]
fn a_settled_lease_stays_settled_without_seats() {
    let mut lease = agreed(1);
    lease.lease.state = LeaseState::Settled as u8;
    remove(&mut lease, 1);
    assert_eq!((lease.state(), lease.lease.result_root), (LeaseState::Settled, [9; 32]));
}

/// The table of the protocol page, cell by cell: running with windows open, all windows passed, over, gone.
#[test]
fn seats_leave_as_the_table_says() {
    use Departure::{Blameless, Disagreed, Expired, Fault};
    let leased = {
        let mut lease = lease(1);
        claim(&mut lease, 1).unwrap();
        lease
    };
    let waiting = {
        let mut lease = lease(2);
        claim(&mut lease, 1).unwrap();
        commit(&mut lease, 1, 9).unwrap();
        lease
    };
    let alone = {
        let mut lease = committed(&[(1, 9), (2, 9)]);
        reveal(&mut lease, 1, 9).unwrap();
        remove(&mut lease, 2);
        lease
    };
    let opened = {
        let mut lease = agreed(1);
        lease.view().open(0, [1; 32]).unwrap();
        lease
    };
    let rejected = {
        let mut lease = committed(&[(1, 9), (2, 8)]);
        reveal(&mut lease, 1, 9).unwrap();
        reveal(&mut lease, 2, 8).unwrap();
        lease
    };
    let table = [
        ("leased", leased, [None, Some(Expired), Some(Blameless), Some(Blameless)]),
        ("committed, replicas missing", waiting, [None, None, Some(Blameless), Some(Blameless)]),
        ("committed", committed(&[(1, 9)]), [None, Some(Fault), Some(Blameless), Some(Blameless)]),
        ("revealed, replicas missing", alone, [None, None, Some(Blameless), Some(Blameless)]),
        ("revealed", agreed(1), [None, Some(Fault), Some(Blameless), Some(Blameless)]),
        ("opened", opened, [None, None, None, Some(Blameless)]),
        ("rejected", rejected, [None, None, Some(Disagreed), Some(Disagreed)]),
    ];
    let late = OPEN_BY + 1;
    for (name, mut lease, expected) in table {
        let found = [
            lease.view().departure(0, at(NOW), JobEnd::Running),
            lease.view().departure(0, at(late), JobEnd::Running),
            lease.view().departure(0, at(NOW), JobEnd::Over),
            lease.view().departure(0, at(NOW), JobEnd::Gone),
        ];
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_clock_that_leaps_punishes_nobody() {
    let mut lease = lease(1);
    lease.lease.lease_seconds = 100;
    claim(&mut lease, 1).unwrap();
    let leap = |slots| Moment { time: NOW + 1_000_000, slot: SLOT + slots };
    assert_eq!(lease.view().departure(0, leap(99), JobEnd::Running), None);
    assert_eq!(lease.view().departure(0, leap(99), JobEnd::Over), Some(Departure::Blameless));
    assert_eq!(lease.view().departure(0, leap(100), JobEnd::Running), Some(Departure::Expired));
    refused(lease.view().commit(0, [0; 32], [0; 32], leap(100)), E::CommitTooLate);
    lease.view().commit(0, [0; 32], [0; 32], leap(99)).unwrap();
    let slots = 99 + (REVEAL_BY - NOW) as u64;
    let late = |slots| Moment { time: NOW + 2_000_000, slot: SLOT + slots };
    assert_eq!(lease.view().departure(0, late(slots - 1), JobEnd::Running), None);
    assert_eq!(lease.view().departure(0, late(slots), JobEnd::Running), Some(Departure::Fault));
}

#[test]
fn only_what_binds_nobody_can_be_returned() {
    let mut open = lease(2);
    claim(&mut open, 1).unwrap();
    open.view().check_return(0, at(NOW)).unwrap();
    commit(&mut open, 1, 9).unwrap();
    open.view().check_return(0, at(NOW)).unwrap();
    for mut lease in [committed(&[(1, 9)]), agreed(1)] {
        refused(lease.view().check_return(0, at(NOW)), E::SeatNotReturnable);
    }
}

#[test]
fn who_is_late_does_not_return_and_who_has_waited_may_go() {
    let mut open = lease(2);
    open.lease.lease_seconds = 50;
    claim(&mut open, 1).unwrap();
    open.view().check_return(0, at(NOW)).unwrap();
    assert!(!open.view().has_waited(0, at(NOW + 500)));
    refused(open.view().check_return(0, at(NOW + 50)), E::SeatNotReturnable);
    commit(&mut open, 1, 9).unwrap();
    assert!(!open.view().has_waited(0, at(NOW + 49)) && open.view().has_waited(0, at(NOW + 50)));
}

#[test]
fn an_account_has_the_bytes_its_seats_need() {
    let three = agreed(3);
    let bytes = [Lease::DISCRIMINATOR, bytemuck::bytes_of(&three.lease), bytemuck::cast_slice(&three.seats)].concat();
    assert_eq!(bytes.len(), Lease::space(3));
    assert_eq!(bytes[LEASE_JOB_OFFSET as usize..][..32], [7; 32]);

    let (key, owner, mut lamports) = (Pubkey::default(), crate::ID, 0);
    // Aligned as the runtime aligns accounts.
    let mut words = vec![0u64; bytes.len() / 8];
    bytemuck::cast_slice_mut(&mut words).copy_from_slice(&bytes);
    let info = AccountInfo::new(&key, false, true, &mut lamports, bytemuck::cast_slice_mut(&mut words), &owner, false);
    Lease::with(&info, |lease| {
        assert_eq!((lease.index, &*lease.seats), (3, &*three.seats));
        Ok(())
    })
    .unwrap();
    for len in [8, Lease::SEATS_OFFSET - 1, Lease::space(1) - 1, Lease::space(2) + 8] {
        let mut words = vec![0u64; Lease::space(3) / 8];
        let data = &mut bytemuck::cast_slice_mut(&mut words)[..len];
        let info = AccountInfo::new(&key, false, true, &mut lamports, data, &owner, false);
        assert!(Lease::with(&info, |_| Ok(())).is_err(), "{len}");
    }
}
