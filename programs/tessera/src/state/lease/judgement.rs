//! Judging: what was revealed decides who is paid, who loses what, and what happens next.

use anchor_lang::prelude::*;
use tessera_protocol::{
    audit::{self, Caller, Funding, Source, Sources},
    constants::MAX_GROUPS,
    state::{Draw, LeaseState, SeatState},
    verdict::{self, Consequence, Kind, Verdict, VOID_ROOT},
};

use super::{LeaseMut, Moment, Seat, CONFIRMED, PAID_BY_RESERVE, PAID_BY_REST, SILENT};
use crate::{errors::TesseraError, state::Job};

/// What a judgement has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is decided yet.
    Pending,
    /// A root is right.
    Agreed,
    /// More seats are open, for jurors.
    Disputed,
    /// Nobody has shown anything: the lease is open again.
    Reopened,
    /// It will never be decided.
    Void,
}

impl Seat {
    /// The seat as the protocol judges it; `None` if it has nothing to do with what is judged.
    fn judged(&self) -> Option<verdict::Seat> {
        match self.state() {
            SeatState::Committed => Some(verdict::Seat { kind: self.kind(), root: None }),
            SeatState::Revealed => Some(verdict::Seat { kind: self.kind(), root: Some(self.result_root) }),
            _ => None,
        }
    }

    fn has(&self, draw: Draw) -> bool {
        self.draw == draw as u8
    }
}

impl LeaseMut<'_> {
    /// Judges the seats that have committed: those that have not revealed by now are silent.
    pub fn judge(&mut self, job: &mut Job, at: Moment) -> Result<Decision> {
        let before = self.is_contested();
        let decision = self.decide(job, at)?;
        job.contest(before, self.is_contested())?;
        Ok(decision)
    }

    fn decide(&mut self, job: &mut Job, at: Moment) -> Result<Decision> {
        if let Some(root) = self.only_root() {
            return Ok(self.agree(root, at));
        }
        let params = job.audit_params();
        let judged: Vec<verdict::Seat> = self.seats.iter().filter_map(Seat::judged).collect();
        let nobody = (self.group() == Kind::Dispute || self.rounds >= MAX_GROUPS) && !self.may_open();
        let verdict = match verdict::verdict(&params, &judged) {
            Verdict::More(_) if nobody => verdict::without_more(&judged),
            Verdict::More(more) => {
                // Silence is final: else those who wait could speak when it pays, and who was called for them would not be paid.
                for seat in self.seats.iter_mut().filter(|seat| seat.is(SeatState::Committed)) {
                    seat.flags |= SILENT;
                }
                self.open_group(Kind::Dispute, more, at);
                return Ok(Decision::Disputed);
            }
            end => end,
        };
        self.carry_out(job, &verdict, &judged)?;
        Ok(match verdict {
            Verdict::Agreed(root) | Verdict::Decided(root) => self.agree(root, at),
            Verdict::Silent => {
                self.reopen(at.time);
                Decision::Reopened
            }
            Verdict::Undecided | Verdict::More(_) => {
                self.state = LeaseState::Void as u8;
                (self.reveal_by, self.contested) = (0, 0);
                Decision::Void
            }
        })
    }

    /// The root of a lease with a single seat that has called no audit: the verdict on it is plain, and the usual one.
    fn only_root(&self) -> Option<[u8; 32]> {
        let [seat] = &*self.seats else { return None };
        (seat.is(SeatState::Revealed) && seat.has(Draw::Passed)).then_some(seat.result_root)
    }

    /// A root is right.
    fn agree(&mut self, root: [u8; 32], at: Moment) -> Decision {
        self.state = LeaseState::Agreed as u8;
        self.result_root = root;
        self.reveal_by = 0;
        self.open_by = self.begin_window(at);
        Decision::Agreed
    }

    /// What the verdict means for each seat.
    fn carry_out(&mut self, job: &mut Job, verdict: &Verdict, judged: &[verdict::Seat]) -> Result<()> {
        let at_stake = self.drawn != 0 || self.replicas > 1;
        let consequence = |seat: &verdict::Seat| verdict::consequence(verdict, seat, at_stake);
        let losers = judged.iter().filter(|seat| consequence(seat) == Consequence::Slashed).count() as u64;
        let awards = verdict::awards(verdict, judged, self.pay);
        let supporters = verdict::supporters(verdict, judged);
        let (mut loser, mut callers, mut auditors) = (0, Vec::new(), Vec::new());
        for (i, seat) in self.seats.iter_mut().enumerate() {
            let Some(view) = seat.judged() else { continue };
            if seat.has(Draw::Reserve) || seat.has(Draw::Seat) {
                callers.push(i);
            }
            if view.kind == Kind::Audit {
                auditors.push(i);
            }
            match consequence(&view) {
                Consequence::Paid => {
                    if verdict::confirms(supporters, &view) {
                        seat.flags |= CONFIRMED;
                    }
                    if view.kind == Kind::Dispute && *verdict == Verdict::Decided(VOID_ROOT) {
                        seat.flags |= PAID_BY_REST;
                    }
                }
                Consequence::Slashed => {
                    seat.set(SeatState::Convicted);
                    seat.pay = verdict::loss(awards, losers, loser, seat.lock).awarded;
                    loser += 1;
                }
                Consequence::Bond => seat.set(SeatState::Late),
                Consequence::Released => seat.set(SeatState::Released),
            }
        }
        self.fund_audits(job, &callers, &auditors)
    }

    /// Says which auditor is paid out of what: see `tessera_protocol::audit::sources`.
    fn fund_audits(&mut self, job: &mut Job, callers: &[usize], auditors: &[usize]) -> Result<()> {
        let caller = |i: &usize| {
            let seat = &self.seats[*i];
            Caller {
                funding: if seat.has(Draw::Reserve) { Funding::Reserve } else { Funding::Seat },
                paid: seat.is(SeatState::Revealed),
                auditor: auditors.iter().position(|auditor| auditor == i),
            }
        };
        let called: Vec<Caller> = callers.iter().map(caller).collect();
        let paid: Vec<bool> = auditors.iter().map(|i| self.seats[*i].is(SeatState::Revealed)).collect();
        let Sources { of, unspent } = audit::sources(&called, &paid);
        for (auditor, source) in auditors.iter().zip(of) {
            match source {
                Some(Source::Reserve) => self.seats[*auditor].flags |= PAID_BY_RESERVE,
                Some(Source::Caller(k)) => self.pass_on(callers[k], *auditor)?,
                Some(Source::Work) => {}
                // There is a source for everyone that was called and is paid; without one nothing may be paid.
                None if self.seats[*auditor].is(SeatState::Revealed) => self.seats[*auditor].pay = 0,
                None => {}
            }
        }
        for i in callers {
            self.seats[*i].draw = Draw::Passed as u8;
        }
        let unspent = unspent.checked_mul(self.pay).ok_or(TesseraError::Overflow)?;
        job.keep(unspent)
    }

    /// A seat that was drawn pays its auditor, and passes on what the reserve has set aside for itself.
    fn pass_on(&mut self, caller: usize, auditor: usize) -> Result<()> {
        let pay = self.pay;
        let caller = &mut self.seats[caller];
        caller.pay = caller.pay.checked_sub(pay).ok_or(TesseraError::Overflow)?;
        let reserved = caller.flags & PAID_BY_RESERVE;
        caller.flags ^= reserved;
        self.seats[auditor].flags |= reserved;
        Ok(())
    }
}
