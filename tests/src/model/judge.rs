//! Groups of seats and verdicts: how a lease goes on when something has happened in it.

use super::{At, Draw, Job, Kind, Lease, LeaseState, Seat, SeatState, draw::AHEAD};
use crate::world::VOID;

/// Groups of audits and disputes that a lease may open.
const MOST_GROUPS: u32 = 64;

/// What the shown results amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Silent,
    /// This result, by a vote or because nobody has another.
    Right {
        result: u8,
        voted: bool,
    },
    More(usize),
    Undecided,
}

/// Who pays an auditor: each of these pays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// What the reserve of the job has set aside.
    Reserve,
    /// The pay of this seat.
    Seat(usize),
    /// The pay that a base seat would have got and does not.
    Work,
}

impl Seat {
    /// Whether the lease's verdict is about it.
    fn is_judged(&self) -> bool {
        matches!(self.state, SeatState::Committed | SeatState::Revealed)
    }

    fn votes(&self) -> bool {
        self.kind != Kind::Base
    }
}

impl Lease {
    fn judged(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_judged())
    }

    fn shown(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.state == SeatState::Revealed)
    }

    /// By how many votes a result leads all others together.
    fn lead_of(&self, result: u8) -> i64 {
        let votes = self.shown().filter(|seat| seat.votes());
        votes.map(|seat| if seat.result == result { 1 } else { -1 }).sum()
    }

    fn verdict(&self, lead: i64, limit: usize) -> Verdict {
        let Some(first) = self.shown().next() else { return Verdict::Silent };
        let equal = self.shown().all(|seat| seat.result == first.result);
        let room = limit.saturating_sub(self.judged().count());
        let wanted = if equal {
            let silent = self.judged().count() - self.shown().count();
            silent.saturating_sub(self.shown().filter(|seat| seat.kind == Kind::Dispute).count())
        } else {
            let best = self.shown().max_by_key(|seat| self.lead_of(seat.result)).expect("somebody has shown something");
            let ahead = self.lead_of(best.result).max(0);
            if ahead >= lead {
                return Verdict::Right { result: best.result, voted: true };
            }
            (lead - ahead) as usize
        };
        // Those who come late enough do not get rid of a dispute: only where nobody comes at all it ends.
        let ended = (self.group == Kind::Dispute || self.rounds >= MOST_GROUPS) && !self.may_open();
        match if ended { 0 } else { wanted.min(room) } {
            0 if equal => Verdict::Right { result: first.result, voted: false },
            0 => Verdict::Undecided,
            more => Verdict::More(more),
        }
    }

    fn open_group(&mut self, kind: Kind, missing: usize, at: At) {
        (self.group, self.missing, self.wanted, self.exhausted) = (kind, missing as u8, missing as u8, false);
        self.rounds += 1;
        (self.opened_at, self.seed_slot, self.reveal_by) = (0, at.slot + AHEAD, 0);
        self.call = self.claims as u8;
    }

    /// Whether another group may follow: somebody has come to the last one, and there were not too many.
    fn may_open(&self) -> bool {
        let deserted = self.exhausted && self.call == self.claims as u8;
        !deserted && self.rounds < MOST_GROUPS
    }

    /// Whether the audit that is open has lost its auditor, though somebody had come: the one that called it is unlooked at.
    fn lost_auditor(&self) -> bool {
        let committed = || self.seats.iter().filter(|seat| seat.state == SeatState::Committed);
        let calls = committed().filter(|seat| matches!(seat.draw, Draw::Reserve | Draw::Seat)).count();
        let auditors = committed().filter(|seat| seat.kind == Kind::Audit).count();
        self.group == Kind::Audit && calls > auditors && self.may_open()
    }

    /// Whether somebody has yet to take, commit or draw a seat.
    fn waits(&self) -> bool {
        let undrawn = |seat: &Seat| {
            seat.state == SeatState::Committed && seat.draw == Draw::Waiting && seat.kind != Kind::Dispute
        };
        self.missing > 0 || self.has(SeatState::Leased) || self.seats.iter().any(undrawn)
    }

    /// Whether it gathers, and nothing is left to wait for.
    pub(super) fn is_ready(&self) -> bool {
        self.gathers() && !self.waits() && self.active().next().is_some()
    }
}

impl Job {
    /// Goes on where nothing is left to wait for: an audit that was called, the window for revealing, or a verdict.
    pub(super) fn complete(&mut self, lease: &mut Lease, at: At) {
        if !lease.is_ready() {
            return;
        }
        if lease.audit_due || lease.lost_auditor() {
            lease.audit_due = false;
            lease.open_group(Kind::Audit, 1, at);
            self.contest(lease);
        } else if lease.awaits_reveals() {
            lease.reveal_by = at.now + i64::from(self.market.reveal_seconds);
            lease.window_slot = at.slot;
        } else {
            self.judge(lease, at);
        }
    }

    /// Opens a lease anew for all its replicas.
    pub(super) fn reopen(&mut self, lease: &mut Lease, at: At) {
        self.end_contest(lease);
        (lease.state, lease.group, lease.result) = (LeaseState::Open, Kind::Base, None);
        (lease.missing, lease.wanted, lease.rounds) = (self.terms.replicas, self.terms.replicas, 0);
        (lease.call, lease.opened_at) = (lease.claims as u8, at.now);
        (lease.exhausted, lease.audit_due, lease.drawn) = (false, false, false);
        (lease.reveal_by, lease.open_by) = (0, 0);
    }

    /// Judges the seats that have committed: what was not shown by now is silent.
    pub(super) fn judge(&mut self, lease: &mut Lease, at: At) {
        let verdict = lease.verdict(self.market.lead.into(), self.market.seat_limit.into());
        if let Verdict::More(more) = verdict {
            // Who has said nothing has nothing more to say.
            lease.seats.iter_mut().for_each(|seat| seat.silent |= seat.state == SeatState::Committed);
            lease.open_group(Kind::Dispute, more, at);
            self.contest(lease);
            return;
        }
        let places: Vec<usize> = (0..lease.seats.len()).filter(|i| lease.seats[*i].is_judged()).collect();
        let (right, voted) = match verdict {
            Verdict::Right { result, voted } => (Some(result), voted),
            _ => (None, false),
        };
        let paid = |seat: &Seat| seat.state == SeatState::Revealed && right == Some(seat.result);
        self.pay_auditors(lease, &places, paid);
        self.punish(lease, &places, right, voted);
        lease.reveal_by = 0;
        match verdict {
            Verdict::Right { result, .. } => {
                (lease.state, lease.result) = (LeaseState::Agreed, Some(result));
                (lease.open_by, lease.window_slot) = (at.now + i64::from(self.market.reveal_seconds), at.slot);
            }
            Verdict::Silent => self.reopen(lease, at),
            _ => {
                lease.state = LeaseState::Void;
                self.end_contest(lease);
            }
        }
    }

    /// The k-th audit was called by the k-th seat that was drawn. Each auditor that was right is paid by one source. What was
    /// meant for one that was not goes to the auditor of that auditor, if there is one that was right.
    fn pay_auditors(&mut self, lease: &mut Lease, places: &[usize], paid: impl Fn(&Seat) -> bool) {
        let mut auditors =
            places.iter().copied().filter(|i| lease.seats[*i].kind == Kind::Audit).collect::<Vec<_>>().into_iter();
        let mut left: Vec<(Option<usize>, Source)> = Vec::new();
        for &i in places {
            let source = match lease.seats[i].draw {
                Draw::Waiting | Draw::Passed => continue,
                Draw::Reserve => Source::Reserve,
                Draw::Seat if paid(&lease.seats[i]) => Source::Seat(i),
                Draw::Seat if lease.seats[i].kind == Kind::Base => Source::Work,
                Draw::Seat => {
                    let meant = left.iter().position(|(meant, _)| *meant == Some(i));
                    left.remove(meant.expect("something was meant for every auditor")).1
                }
            };
            let auditor = auditors.next();
            match (auditor.filter(|a| paid(&lease.seats[*a])), source) {
                (Some(a), Source::Reserve) => lease.seats[a].from_reserve = true,
                (Some(a), Source::Seat(payer)) => {
                    lease.seats[payer].pay -= lease.pay;
                    // What is paid on was the reserve's, if that pays the payer.
                    lease.seats[a].from_reserve = std::mem::take(&mut lease.seats[payer].from_reserve);
                }
                (Some(_), Source::Work) => {}
                (None, source) => left.push((auditor, source)),
            }
        }
        let kept = left.iter().filter(|(_, source)| *source == Source::Reserve).count() as u64;
        self.reserve += kept * lease.pay;
        places.iter().for_each(|i| {
            let draw = &mut lease.seats[*i].draw;
            *draw = if *draw == Draw::Waiting { Draw::Waiting } else { Draw::Passed };
        });
    }

    /// What the verdict means for those who were not right, and for the reputation of those who were.
    fn punish(&self, lease: &mut Lease, places: &[usize], right: Option<u8>, voted: bool) {
        let confirming = lease.shown().filter(|seat| seat.votes() && right == Some(seat.result)).count();
        let jurors =
            lease.shown().filter(|seat| seat.kind == Kind::Dispute && right == Some(seat.result)).count() as u64;
        let at_stake = lease.drawn || self.terms.replicas > 1;
        let void = voted && right == Some(VOID);
        let mut losers = Vec::new();
        for &i in places {
            let seat = &mut lease.seats[i];
            let silent = seat.state == SeatState::Committed;
            if !silent && right == Some(seat.result) {
                seat.confirmed = confirming > usize::from(seat.votes());
                // Where a vote found that there is nothing to compute, nobody was wrong, and the job pays.
                seat.from_rest = seat.kind == Kind::Dispute && void;
            } else if silent && !at_stake && !seat.votes() {
                seat.state = SeatState::Late;
            } else if silent || !matches!(right, None | Some(VOID)) {
                seat.state = SeatState::Convicted;
                losers.push(i);
            } else {
                seat.state = SeatState::Released;
            }
        }
        // Those who were called to decide are paid by those who were wrong, in even parts; the first pay what does not divide.
        let owed = if void { 0 } else { jurors * lease.pay };
        let n = losers.len() as u64;
        for (k, &i) in (0u64..).zip(&losers) {
            let part = owed / n + u64::from(k < owed % n);
            lease.seats[i].pay = part.min(lease.seats[i].lock);
        }
    }
}
