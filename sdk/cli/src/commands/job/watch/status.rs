//! How a job stands at one moment.

use serde::Serialize;
use tessera_sdk::{Job, Lease};

use super::super::amount;
use crate::{
    output::relative,
    views::{JobView, LeaseView, SeatView},
};

/// Leases that are shown one by one; more than this are counted.
const LINES: usize = 12;

/// How a job stands. Amounts are in base units.
#[derive(Serialize)]
pub struct Status {
    /// Chain time, in Unix seconds.
    now: i64,
    job: JobView,
    /// Leases that nobody has begun, and free seats in those that are begun.
    free_leases: u32,
    free_seats: u32,
    /// Seats by what they are at.
    seats: Counts,
    /// What comes back at least, and at most.
    refund_least: Option<u64>,
    refund_most: Option<u64>,
    /// Seconds until everything has settled at the pace so far.
    seconds_left: Option<i64>,
    leases: Vec<LeaseView>,
}

/// Seats by what they are at.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    leased: u32,
    committed: u32,
    revealed: u32,
    opened: u32,
    /// Late, wrong or released.
    leaving: u32,
}

impl Status {
    pub fn new(job: &Job, leases: &[Lease], now: i64) -> Self {
        let mut views: Vec<LeaseView> = leases.iter().map(LeaseView::new).collect();
        views.sort_by_key(|lease| lease.index);
        let begun = leases.iter().filter(|lease| !job.is_settled(lease.index)).count() as u32;
        let takes = |lease: &&Lease| lease.wants_seats() && !job.is_settled(lease.index);
        Self {
            now,
            free_leases: if job.is_open() { (job.leases - job.settled_leases).saturating_sub(begun) } else { 0 },
            free_seats: leases.iter().filter(takes).map(|lease| u32::from(lease.missing)).sum(),
            seats: Counts::of(views.iter().flat_map(|lease| &lease.seats)),
            refund_least: job.least_refund(leases),
            refund_most: job.refund(),
            seconds_left: left(job.settled_units, job.units, now - job.posted_at),
            job: JobView::new(job),
            leases: views,
        }
    }

    /// Whether somebody is wanted who is not there.
    pub const fn wants_more(&self) -> bool {
        self.free_leases > 0 || self.free_seats > 0
    }

    /// In one line.
    pub fn line(&self, decimals: Option<u8>) -> String {
        let Self { job, free_leases, free_seats, seats, .. } = self;
        let show = |base| amount(base, decimals);
        let maybe = |base: Option<u64>| base.map_or("?".to_owned(), show);
        let Counts { leased, committed, revealed, opened, leaving } = seats;
        let mut parts = vec![
            format!("{}: {}/{} units settled", job.state, job.settled_units, job.units),
            format!("{free_leases} leases and {free_seats} seats free"),
            format!("seats: {leased} computing, {committed} committed, {revealed} revealed, {opened} open"),
        ];
        if *leaving > 0 {
            parts.push(format!("{leaving} leaving"));
        }
        if job.contested > 0 {
            parts.push(format!("{} leases audited or disputed", job.contested));
        }
        parts.push(format!("paid {} of {}", show(job.paid), show(job.deposited)));
        parts.push(format!("{} to {} to be refunded", maybe(self.refund_least), maybe(self.refund_most)));
        parts.join("; ")
    }

    /// In several lines, with what changes from second to second.
    pub fn block(&self, decimals: Option<u8>) -> String {
        let Self { job, now, .. } = self;
        let left = self.seconds_left.map_or("time left unknown".to_owned(), |left| {
            format!("done about {} at this pace", relative(now.saturating_add(left), *now))
        });
        let mut lines = vec![
            self.line(decimals),
            format!(
                "{left}; price {} a unit; deadline {}, over {}",
                amount(job.price_per_unit, decimals),
                relative(job.deadline, *now),
                relative(job.over_at, *now)
            ),
        ];
        lines.extend(self.leases.iter().take(LINES).map(|lease| lease_line(lease, *now)));
        if self.leases.len() > LINES {
            lines.push(format!("and {} leases more", self.leases.len() - LINES));
        }
        lines.join("\n")
    }
}

fn lease_line(lease: &LeaseView, now: i64) -> String {
    let seats: Vec<String> = lease.seats.iter().map(|seat| seat_text(seat, now)).collect();
    let contested = if lease.contested { format!(", {} group", lease.group) } else { String::new() };
    let free = if lease.missing > 0 { format!(", {} seats free", lease.missing) } else { String::new() };
    format!("  lease {} ({}{contested}{free})  {}", lease.index, lease.state, seats.join("  "))
}

fn seat_text(seat: &SeatView, now: i64) -> String {
    let until = match (&seat.demand, seat.state) {
        (Some(demand), _) => format!(", shows chunk {} {}", demand.chunk, relative(demand.answer_by, now)),
        (None, "leased") => format!(", commits {}", relative(seat.commit_by, now)),
        (None, "opened") if seat.payable_at > now => format!(", paid {}", relative(seat.payable_at, now)),
        _ => String::new(),
    };
    let kind = if seat.kind == "base" { "" } else { seat.kind };
    // The first characters tell the few providers of a lease apart.
    let provider: String = seat.provider.chars().take(8).collect();
    format!("{provider} {kind}{}{}{until}", if kind.is_empty() { "" } else { " " }, seat.state)
}

impl Counts {
    fn of<'a>(seats: impl Iterator<Item = &'a SeatView>) -> Self {
        let mut counts = Self::default();
        for seat in seats {
            *match seat.state {
                "leased" => &mut counts.leased,
                "committed" => &mut counts.committed,
                "revealed" => &mut counts.revealed,
                "opened" => &mut counts.opened,
                _ => &mut counts.leaving,
            } += 1;
        }
        counts
    }
}

/// Seconds until `units` are done, of which `done` took `elapsed`.
fn left(done: u64, units: u64, elapsed: i64) -> Option<i64> {
    let pace = elapsed as f64 / done as f64;
    (done > 0 && elapsed > 0).then(|| (pace * (units - done) as f64).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(state: &'static str, kind: &'static str) -> SeatView {
        SeatView {
            provider: "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi".into(),
            kind,
            draw: "passed",
            state,
            attempt: 0,
            pay: 1,
            commit_by: 130,
            payable_at: 0,
            demand: None,
            bonds: 0,
        }
    }

    #[test]
    fn the_time_left_follows_the_pace() {
        assert_eq!((left(0, 10, 5), left(5, 10, 20), left(10, 10, 20)), (None, Some(20), Some(0)));
    }

    #[test]
    fn seats_are_counted_and_shown() {
        let seats = [seat("leased", "base"), seat("leased", "base"), seat("opened", "audit"), seat("late", "base")];
        let counts = Counts::of(seats.iter());
        assert_eq!((counts.leased, counts.opened, counts.leaving, counts.committed), (2, 1, 1, 0));
        let lease =
            LeaseView { index: 3, state: "open", group: "audit", missing: 1, contested: true, seats: seats.into() };
        let text = lease_line(&lease, 100);
        assert!(text.contains("lease 3 (open, audit group, 1 seats free)"), "{text}");
        assert!(text.contains("4vJ9JU1b leased, commits in 30 s") && text.contains("4vJ9JU1b audit opened"), "{text}");
    }
}
