//! Demands of chunks, and their answers.

use tessera_protocol::{
    cid::Cid,
    commitment::LeaseHasher,
    outputs::{self, Answer, Layout},
    seal,
};

use super::*;

const LAYOUT: Layout = Layout { units: 4, output_len: 1_500 };
/// What a demand costs.
const BOND: u64 = 5;
/// Time in which chunks may be demanded.
const CHALLENGE: u32 = 300;

/// An agreed lease of one replica whose outputs are real, opened, and sealed in this blob.
fn opened() -> (Owned, Vec<u8>) {
    let mut lease = Owned::agreed(1);
    lease.lease.challenge_seconds = CHALLENGE;
    lease.job.demand_bond = BOND;
    let (mut hasher, mut blob) = (LeaseHasher::new([1; 32]), Vec::new());
    for unit in 0..LAYOUT.units as u8 {
        let output = vec![unit; LAYOUT.output_len as usize];
        hasher.push(&output);
        blob.extend(&output);
        blob.resize(blob.len() + LAYOUT.padding() as usize, 0);
    }
    seal::apply(&[1; 32], 0, &mut blob);
    let (result_root, work_root) = hasher.roots().unwrap();
    let seat = &mut lease.seats[0];
    (seat.result_root, seat.work_root, seat.sealed) = (result_root, work_root, Cid::of(&blob).0);
    lease.view().open(0, [1; 32], at(NOW)).unwrap();
    (lease, blob)
}

impl Owned {
    fn demand(&mut self, chunk: u64, at: Moment) -> Result<()> {
        let Self { lease, seats, job } = self;
        LeaseMut { lease, seats }.demand(job, 0, chunk, at)
    }
}

fn answer(blob: &[u8], chunk: u64) -> Answer {
    outputs::answer(&[1; 32], &[1; 32], &LAYOUT, blob, chunk).unwrap()
}

#[test]
fn a_seat_is_paid_after_the_time_for_demands() {
    let (mut lease, _) = opened();
    let end = NOW + i64::from(CHALLENGE);
    refused(lease.view().check_settle(0, at(end - 1)), E::ChallengeOpen);
    lease.view().check_settle(0, at(end)).unwrap();
    refused(lease.demand(3, at(end)), E::ChallengeOver);
}

#[test]
fn a_right_answer_earns_the_bond() {
    let (mut lease, blob) = opened();
    refused(lease.view().answer(0, &answer(&blob, 3)), E::NothingDemanded);
    lease.demand(8 + 3, at(NOW)).unwrap();
    assert_eq!((lease.seats[0].answer_by, lease.lease.contested), (NOW + WINDOW, 1));
    refused(lease.demand(4, at(NOW)), E::DemandPending);
    refused(lease.view().check_settle(0, at(NOW + 10_000)), E::DemandPending);
    refused(lease.view().answer(0, &answer(&blob, 4)), E::WrongAnswer);
    lease.view().answer(0, &answer(&blob, 3)).unwrap();
    assert_eq!((lease.seats[0].bonds, lease.view().due()), (BOND, Some(PAY + BOND)));
    assert_eq!((lease.lease.contested, lease.job.contested), (1, 1));
    lease.view().check_settle(0, at(NOW + 10_000)).unwrap();
}

#[test]
fn a_client_cannot_ask_for_ever() {
    let (mut lease, blob) = opened();
    for chunk in 0..u64::from(constants::MAX_DEMANDS) {
        lease.demand(chunk, at(NOW)).unwrap();
        lease.view().answer(0, &answer(&blob, chunk)).unwrap();
    }
    refused(lease.demand(0, at(NOW)), E::TooManyDemands);
}

#[test]
fn who_does_not_answer_is_convicted() {
    let (mut lease, _) = opened();
    let Owned { lease: head, seats, job } = &mut lease;
    let mut view = LeaseMut { lease: head, seats };
    refused(view.convict(job, 0, at(NOW)), E::NothingDemanded);
    view.demand(job, 0, 0, at(NOW)).unwrap();
    refused(view.convict(job, 0, at(NOW + WINDOW)), E::WindowStillOpen);
    refused(view.convict(job, 0, Moment { time: NOW + 10_000, slot: SLOT }), E::WindowStillOpen);
    view.convict(job, 0, at(NOW + WINDOW + 1)).unwrap();
    assert!(view.is_vacant());
    assert_eq!((lease.states(), lease.seats[0].pay), (vec![SeatState::Convicted], 0));
}

#[test]
fn nothing_is_demanded_before_outputs_are_open() {
    let mut lease = Owned::committed(&[(1, 9)]);
    refused(lease.demand(0, at(NOW)), E::LeaseNotAgreed);
    let mut lease = Owned::agreed(1);
    refused(lease.demand(0, at(NOW)), E::SeatNotOpened);
    lease.view().open(0, [1; 32], at(NOW)).unwrap();
    refused(lease.demand(0, at(NOW)), E::ChallengeOver);
    lease.lease.result_root = tessera_protocol::verdict::VOID_ROOT;
    refused(lease.demand(0, at(NOW)), E::NothingToDemand);
}

#[test]
fn a_demand_of_a_settled_lease_gives_back_what_it_owed() {
    let (mut lease, _) = opened();
    lease.lease.state = LeaseState::Settled as u8;
    (lease.job.owed, lease.job.owed_seats) = (PAY, 1);
    lease.seats[0].flags = PAID_BY_RESERVE;
    let Owned { lease: head, seats, job } = &mut lease;
    let mut view = LeaseMut { lease: head, seats };
    view.demand(job, 0, 0, at(NOW)).unwrap();
    assert_eq!(job.owed, PAY + BOND);
    assert!(!view.is_contested(), "what is owed keeps the job");
    view.convict(job, 0, at(NOW + WINDOW + 1)).unwrap();
    assert_eq!((lease.job.owed, lease.job.owed_seats, lease.job.reserve), (0, 0, 4 * PAY));
}

#[test]
fn an_answer_has_time_and_jurors_wait_less() {
    let (mut lease, _) = opened();
    lease.lease.reveal_seconds = 10;
    lease.demand(0, at(NOW)).unwrap();
    assert_eq!(lease.seats[0].answer_by, NOW + i64::from(constants::MIN_ANSWER_SECONDS));
    let mut lease = Owned::agreed(1);
    lease.lease.challenge_seconds = 604_800;
    lease.seats[0].kind = Kind::Dispute as u8;
    lease.view().open(0, [1; 32], at(NOW)).unwrap();
    assert_eq!(lease.seats[0].payable_at, NOW + i64::from(constants::MAX_JUROR_CHALLENGE_SECONDS));
}
