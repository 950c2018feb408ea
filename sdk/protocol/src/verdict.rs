//! Verdicts: what the roots that a lease's seats revealed amount to, and who pays for it.
//!
//! Equal roots settle, once somebody drawn from the whole market stands in for each seat that stayed silent. Otherwise seats are added until one root leads all others together by `lead` votes: Wald's
//! sequential test of two simple hypotheses, which needs the fewest votes for its error (A. Wald, "Sequential tests of
//! statistical hypotheses", Ann. Math. Stat. 16, 1945). Only seats drawn from the whole market vote, as a client could
//! pick those that it asked first. If a share ρ of the drawn seats agree on a lie, the lie wins with probability
//!
//! ```text
//! 1 / (1 + ((1 − ρ)/ρ)^lead)
//! ```
//!
//! the ruin probability of a gambler between two barriers at distance `lead` (W. Feller, "An Introduction to Probability
//! Theory and Its Applications", vol. 1, XIV.2); for ρ = 0.3 and lead = 16 it is 1.3·10⁻⁶.

use num_enum::{IntoPrimitive, TryFromPrimitive};

use crate::{audit::AuditParams, hash::Digest};

/// The root that stands for "this module cannot be computed": it raced, read what was never written, left its buffers,
/// or spent more gas than declared. `H("tessera-void-1")`.
#[rustfmt::skip]
pub const VOID_ROOT: Digest = [
    0xf3, 0x03, 0x6c, 0x13, 0xc2, 0x19, 0xc7, 0x71, 0x14, 0xba, 0x16, 0x2a, 0x3f, 0x02, 0x41, 0x9f,
    0xb8, 0xd2, 0x89, 0x82, 0x2f, 0x6a, 0x1e, 0x59, 0xd1, 0x88, 0xf1, 0x08, 0x90, 0x94, 0x33, 0xc4,
];

/// How a seat came to its lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum Kind {
    /// One of the replicas that the client asked for.
    #[default]
    Base,
    /// Drawn by chance after a commit.
    Audit,
    /// Called because roots differ.
    Dispute,
}

impl Kind {
    /// Whether seats of this kind are drawn from the whole market, and so have a vote.
    #[must_use]
    pub const fn votes(self) -> bool {
        matches!(self, Self::Audit | Self::Dispute)
    }
}

/// A seat that committed. Seats that expired before are left out: they neither vote nor use up the limit, or letting seats
/// expire would be a cheap way to leave a dispute undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// How it came to the lease.
    pub kind: Kind,
    /// The result root it revealed. `None` if it never revealed, or if its work root was shown not to come from the bytes of
    /// that result: it copied what others had revealed.
    pub root: Option<Digest>,
}

/// What the revealed roots amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody revealed anything: the lease opens again.
    Silent,
    /// All revealed roots are equal.
    Agreed(Digest),
    /// Roots differ, or seats are silent: this many seats more must answer.
    More(u8),
    /// Roots differ, and this one has won the vote.
    Decided(Digest),
    /// Roots differ and the limit of seats is reached: the client is refunded, and nobody is slashed for what it revealed.
    Undecided,
}

/// What a verdict means for one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Right: paid. Base seats from the escrow, audits as [`crate::audit::funding`] says, dispute seats by the losers.
    Paid,
    /// Wrong: the lock is lost, see [`loss`].
    Slashed,
    /// Committed and never revealed, with nothing at stake for others: the expiry bond burns.
    Bond,
    /// Neither paid nor punished.
    Released,
}

/// The verdict on the seats that committed, once every one of them has revealed or its window was closed.
#[must_use]
pub fn verdict(params: &AuditParams, seats: &[Seat]) -> Verdict {
    let mut revealed = seats.iter().filter_map(|seat| seat.root);
    let Some(first) = revealed.next() else { return Verdict::Silent };
    let room = usize::from(params.seat_limit).saturating_sub(seats.len());
    if revealed.all(|root| root == first) {
        return match unanswered(seats).min(room) {
            0 => Verdict::Agreed(first),
            more => Verdict::More(more as u8),
        };
    }
    let lead = usize::from(params.lead);
    let ahead = match majority(seats) {
        Some((root, ahead)) if ahead >= lead => return Verdict::Decided(root),
        Some((_, ahead)) => ahead,
        // Without a majority no root is ahead of all others together, so at least `lead` votes are missing.
        None => 0,
    };
    match (lead - ahead).min(room) {
        0 => Verdict::Undecided,
        more => Verdict::More(more as u8),
    }
}

/// What [`verdict`] amounts to where nobody comes who could answer: one root, or no decision.
#[must_use]
pub fn without_more(seats: &[Seat]) -> Verdict {
    let mut revealed = seats.iter().filter_map(|seat| seat.root);
    match revealed.next() {
        None => Verdict::Silent,
        Some(first) if revealed.all(|root| root == first) => Verdict::Agreed(first),
        Some(_) => Verdict::Undecided,
    }
}

/// Silent seats for which no dispute seat has answered. Whoever asks for several answers, or draws an audit, shall have them
/// although somebody keeps quiet; those who do pay for it.
fn unanswered(seats: &[Seat]) -> usize {
    let silent = seats.iter().filter(|seat| seat.root.is_none()).count();
    let answers = seats.iter().filter(|seat| seat.kind == Kind::Dispute && seat.root.is_some()).count();
    silent.saturating_sub(answers)
}

/// The root that more than half of the votes name, and by how many votes it leads all others together. Boyer and Moore's
/// majority vote: two passes however many roots there are, for a program that pays for every comparison.
fn majority(seats: &[Seat]) -> Option<(Digest, usize)> {
    let votes = || seats.iter().filter(|seat| seat.kind.votes()).filter_map(|seat| seat.root);
    let mut candidate = None;
    let mut count = 0usize;
    for root in votes() {
        if count == 0 {
            candidate = Some(root);
        }
        count = if candidate == Some(root) { count + 1 } else { count - 1 };
    }
    let root = candidate?;
    let (all, votes) = votes().fold((0, 0), |(all, named), vote| (all + 1, named + usize::from(vote == root)));
    (2 * votes > all).then(|| (root, 2 * votes - all))
}

/// What the verdict means for a seat.
///
/// `at_stake` says that the lease had been drawn, or asks for more than one replica: then an answer withheld is a wrong
/// answer, else whoever dislikes its draw would just say nothing.
#[must_use]
pub fn consequence(verdict: &Verdict, seat: &Seat, at_stake: bool) -> Consequence {
    let Some(root) = seat.root else {
        return if at_stake || seat.kind.votes() { Consequence::Slashed } else { Consequence::Bond };
    };
    match *verdict {
        Verdict::Agreed(right) | Verdict::Decided(right) if root == right => Consequence::Paid,
        // Devices that do not look for races compute something where there is nothing to compute; it is no lie.
        Verdict::Decided(VOID_ROOT) => Consequence::Released,
        Verdict::Agreed(_) | Verdict::Decided(_) => Consequence::Slashed,
        Verdict::Silent | Verdict::More(_) | Verdict::Undecided => Consequence::Released,
    }
}

/// How many seats drawn from the whole market had the root that is right.
#[must_use]
pub fn supporters(verdict: &Verdict, seats: &[Seat]) -> usize {
    let (Verdict::Agreed(right) | Verdict::Decided(right)) = *verdict else { return 0 };
    seats.iter().filter(|seat| seat.kind.votes() && seat.root == Some(right)).count()
}

/// Whether the result of a seat that was right is confirmed, for its reputation: somebody else among the [`supporters`] got
/// the same.
#[must_use]
pub fn confirms(supporters: usize, seat: &Seat) -> bool {
    supporters > usize::from(seat.kind.votes())
}

/// What the seats that lost owe together to those that were called to decide: one pay for each dispute seat that won.
#[must_use]
pub fn awards(verdict: &Verdict, seats: &[Seat], pay: u64) -> u64 {
    let right = match *verdict {
        Verdict::Decided(VOID_ROOT) => return 0,
        Verdict::Agreed(right) | Verdict::Decided(right) => right,
        Verdict::Silent | Verdict::More(_) | Verdict::Undecided => return 0,
    };
    let won = seats.iter().filter(|seat| seat.kind == Kind::Dispute && seat.root == Some(right)).count();
    pay.saturating_mul(won as u64)
}

/// How a lost lock is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Goes to the dispute seats that won.
    pub awarded: u64,
    /// Is burned.
    pub burned: u64,
}

/// How the lock of loser number `index` of `losers` is divided when they owe `awards` together: an even share, the first
/// ones one base unit more, and everything else burned. `awarded + burned` is the lock.
///
/// The lead bounds the share: the winners are at most `losers + lead`, so it is at most `(1 + lead)` pays.
#[must_use]
pub fn loss(awards: u64, losers: u64, index: u64, lock: u64) -> Loss {
    let share = match losers {
        0 => 0,
        _ => awards / losers + u64::from(index < awards % losers),
    };
    let awarded = share.min(lock);
    Loss { awarded, burned: lock - awarded }
}

/// What each of `seats` that found a lease to be void gets when `available` is what the job still holds for work and audits.
///
/// A lease that is void after a dispute has no losers who would pay its dispute seats, and its own escrow was made for its
/// replicas only. The client brought the module, so the rest of its job pays; never more than is there.
#[must_use]
pub fn void_pay(pay: u64, seats: u64, available: u64) -> u64 {
    available.checked_div(seats).unwrap_or(0).min(pay)
}

#[cfg(test)]
mod tests;
