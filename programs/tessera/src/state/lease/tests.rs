//! The life of leases and seats, without accounts.

use bytemuck::Zeroable;
use tessera_protocol::{
    audit::Funding,
    commitment::{self, Place, Reveal},
    constants,
    state::{Draw, LeaseState, SeatState},
    verdict::Kind,
};

use super::*;
use crate::{state::Job, TesseraError as E};

mod demands;
mod groups;
mod seats;

const NOW: i64 = 1_000;
const SLOT: u64 = 55;
/// Length of the windows for revealing and for opening.
const WINDOW: i64 = 1_000;
const REVEAL_BY: i64 = NOW + WINDOW;
const OPEN_BY: i64 = REVEAL_BY + 1;
const GRACE: u32 = 100;
/// What a seat pays.
const PAY: u64 = 10;
/// What it locks.
const LOCK: u64 = 200;

/// A moment on a cluster that makes a slot each second.
fn at(time: i64) -> Moment {
    Moment { time, slot: SLOT + u64::try_from(time - NOW).unwrap() }
}

/// A lease and its seats outside an account, and its job.
#[derive(Clone)]
struct Owned {
    lease: Lease,
    seats: Vec<Seat>,
    job: Job,
}

impl Owned {
    /// A lease that its job has seeded.
    fn new(replicas: u8) -> Self {
        let (key, missing, wanted) = (Pubkey::new_from_array([7; 32]), replicas, replicas);
        let lease = Lease {
            version: 1,
            job: key,
            index: 3,
            units: 4,
            replicas,
            missing,
            wanted,
            reveal_seconds: WINDOW as u32,
            opened_at: NOW,
            pay: PAY,
            ..Lease::default()
        };
        let job = Job { lead: 2, seat_limit: 8, reserve: 3 * PAY, step_seconds: 1, lease_seconds: 50, ..Job::zeroed() };
        Self { lease, seats: Vec::new(), job }
    }

    /// A lease in which each `(provider, root)` has claimed and committed, and nobody was drawn.
    fn committed(seats: &[(u8, u8)]) -> Self {
        let mut lease = Self::new(seats.len() as u8);
        lease.join(seats);
        for (n, _) in seats {
            lease.draw(*n, None).unwrap();
        }
        lease
    }

    /// A lease in which `replicas` providers agree on root 9.
    fn agreed(replicas: u8) -> Self {
        let seats: Vec<_> = (1..=replicas).map(|n| (n, 9)).collect();
        let mut lease = Self::committed(&seats);
        for (n, root) in seats {
            let decision = lease.reveal(n, root).unwrap();
            assert_eq!(decision, if n == replicas { Decision::Agreed } else { Decision::Pending });
        }
        lease
    }

    fn view(&mut self) -> LeaseMut<'_> {
        LeaseMut { lease: &mut self.lease, seats: &mut self.seats }
    }

    fn seat(&mut self, n: u8) -> &mut Seat {
        let i = self.view().seat_of(&provider(n)).unwrap();
        &mut self.seats[i]
    }

    fn states(&self) -> Vec<SeatState> {
        self.seats.iter().map(Seat::state).collect()
    }

    /// Claims and commits by each `(provider, root)`.
    fn join(&mut self, seats: &[(u8, u8)]) {
        seats.iter().for_each(|(n, _)| self.claim(*n).unwrap());
        for (n, root) in seats {
            self.commit(*n, *root).unwrap();
        }
    }

    fn claim(&mut self, n: u8) -> Result<()> {
        self.view().check_claim(&provider(n))?;
        self.seats.push(Seat::default());
        let provider = provider(n);
        let seat =
            Seat { provider, payer: provider, pay: PAY, lock: LOCK, commit_by: NOW, slot: SLOT, ..Seat::default() };
        self.view().claim(seat)?;
        Ok(())
    }

    fn commit(&mut self, n: u8, root: u8) -> Result<Next> {
        let i = self.view().seat_of(&provider(n))?;
        let place = Place { job: [7; 32], lease: 3, attempt: self.seats[i].attempt, provider: provider(n).to_bytes() };
        self.view().commit(i, commitment::commit(&place, &shown(n, root)), [n; 32], at(NOW))?;
        Ok(self.view().proceed(at(NOW)))
    }

    /// Reads the draw of `n`: an audit, paid like this, or none.
    fn draw(&mut self, n: u8, funding: Option<Funding>) -> Result<Next> {
        let i = self.view().seat_of(&provider(n))?;
        self.view().check_draw(i, 0)?;
        let before = self.lease.is_contested();
        self.view().draw(i, funding.is_some(), at(NOW), |_| Ok(funding.unwrap()))?;
        self.job.contest(before, self.lease.is_contested())?;
        Ok(self.view().proceed(at(NOW)))
    }

    fn seed(&mut self) {
        assert_eq!(self.lease.opened_at, 0);
        self.lease.opened_at = NOW;
    }

    fn reveal(&mut self, n: u8, root: u8) -> Result<Decision> {
        let i = self.view().seat_of(&provider(n))?;
        if self.view().reveal(i, &shown(n, root))? {
            Ok(Decision::Pending)
        } else {
            self.judge()
        }
    }

    fn judge(&mut self) -> Result<Decision> {
        let mut view = LeaseMut { lease: &mut self.lease, seats: &mut self.seats };
        view.judge(&mut self.job, at(NOW + 1))
    }

    fn departure(&mut self, i: usize, time: i64, job: JobEnd) -> Option<Departure> {
        self.view().departure(i, at(time), job, GRACE)
    }

    fn remove(&mut self, n: u8) -> Seat {
        let i = self.view().seat_of(&provider(n)).unwrap();
        let seat = self.view().remove(i);
        self.seats.pop();
        seat
    }
}

fn provider(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

/// What provider `n` reveals: the root is its own choice, the rest follows from `n`.
fn shown(n: u8, root: u8) -> Reveal {
    Reveal { result_root: [root; 32], work_root: [n; 32], key_hash: commitment::key_hash(&[n; 32]), nonce: [n; 32] }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, reason: E) {
    assert_eq!(result.unwrap_err(), error!(reason));
}
