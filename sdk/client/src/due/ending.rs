//! Whether a job can be closed, and what its client then gets.

use std::collections::HashMap;

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::payout::{self, Closing};

use super::SLACK;
use crate::{Format, Job, Kind, Lease, Moment, Seat, ix, token};

/// Whether a job can be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Now. A job that was cancelled shows these leases, in which nobody is.
    Now {
        /// Numbers of the leases.
        vacant: Vec<u32>,
    },
    /// Not before somebody who has a seat has done his part, or is late with it.
    Waits {
        /// For what.
        why: String,
        /// When somebody is late if nothing happens, in Unix seconds.
        at: i64,
    },
    /// Not before it is over, since providers may still take its leases; cancelled, it ends sooner.
    Runs {
        /// When it is over, in Unix seconds.
        over_at: i64,
    },
    /// Not before it is over, although it was cancelled: too many leases never settled to show in one transaction that nobody is
    /// in them.
    Later {
        /// When it is over, in Unix seconds.
        over_at: i64,
    },
}

impl Job {
    /// Whether it can be closed at `now`; `leases` are all its leases that have an account.
    #[must_use]
    pub fn ending(&self, leases: &[Lease], now: Moment) -> Ending {
        let over = self.over_at().saturating_add(SLACK);
        let next = || leases.iter().filter_map(|lease| lease.next_at(self)).min().unwrap_or(over);
        if self.contested > 0 {
            let why = format!("{} leases are being audited, disputed or asked for chunks", self.contested);
            return Ending::Waits { why, at: next() };
        }
        if self.owed_seats > 0 {
            return Ending::Waits { why: format!("{} seats are still to be paid", self.owed_seats), at: next() };
        }
        if self.is_complete() || now.time > over {
            return Ending::Now { vacant: vec![] };
        }
        if self.is_open() {
            return Ending::Runs { over_at: over + 1 };
        }
        let busy = leases.iter().filter(|lease| !self.is_settled(lease.index) && !lease.is_vacant()).count();
        if busy > 0 {
            return Ending::Waits { why: format!("{busy} leases run their course"), at: next() };
        }
        self.showable().map_or(Ending::Later { over_at: over + 1 }, |vacant| Ending::Now { vacant })
    }

    /// The leases that have not settled, if one transaction can show that nobody is in them.
    #[must_use]
    pub fn showable(&self) -> Option<Vec<u32>> {
        // Those that have settled are not counted one by one in a job of thousands of leases.
        let vacant: Vec<u32> = self.unsettled().take(usize::from(u8::MAX)).collect();
        let all = self.close_with(&self.market, &vacant);
        Format::Legacy.len(&all, &self.wallet).is_some().then_some(vacant)
    }

    /// What cancels it if it is open, makes the account that the refund goes to, and closes it: all in one transaction.
    #[must_use]
    pub fn close_with(&self, mint: &Pubkey, vacant: &[u32]) -> Vec<Instruction> {
        let cancel = self.is_open() && !vacant.is_empty();
        let cancel = cancel.then(|| ix::cancel_job(&self.wallet, &self.address));
        let refund = token::create_ata(&self.wallet, &self.wallet, mint);
        cancel.into_iter().chain([refund, ix::close_job(self, mint, vacant)]).collect()
    }

    /// What its client gets back at most: if nobody is paid any more. `None` on overflow.
    #[must_use]
    pub fn refund(&self) -> Option<u64> {
        self.divided(0).map(|closing| closing.refund)
    }

    /// What its client gets back at least: if all seats are paid that have been or may still be taken, and all that is
    /// reserved for audits is spent. `None` on overflow.
    #[must_use]
    pub fn least_refund(&self, leases: &[Lease]) -> Option<u64> {
        let begun: HashMap<u32, &Lease> = leases.iter().map(|lease| (lease.index, lease)).collect();
        let units = |index| u32::try_from(self.lease_units(index).count()).unwrap_or(u32::MAX);
        let (mut most, mut audits) = (self.owed, 0);
        for index in self.unsettled() {
            let lease = begun.get(&index);
            if lease.is_none() && !self.is_open() {
                continue;
            }
            audits = self.audit_reserve.saturating_sub(self.audits_paid);
            let taken = || lease.iter().flat_map(|lease| &lease.seats).filter(|seat| seat.is_active());
            let base = taken().filter(|seat| seat.kind == Kind::Base).count() as u64;
            let pay = payout::lease_pay(self.price_per_unit, units(index))?;
            let free = pay.checked_mul(u64::from(self.replicas).saturating_sub(base))?;
            // Somebody who comes instead of one who was late is paid by the price of then.
            let due = |seat: &Seat| if seat.kind == Kind::Base { seat.pay.max(pay) } else { seat.pay };
            let add = |sum: u64, seat: &Seat| sum.checked_add(due(seat))?.checked_add(seat.bonds);
            most = taken().try_fold(most.checked_add(free)?, add)?;
        }
        // What is escrowed covers all of it and the fee: more is never paid.
        Some(self.divided(most.checked_add(audits)?).map_or(0, |closing| closing.refund))
    }

    fn divided(&self, more: u64) -> Option<Closing> {
        let paid = self.paid.checked_add(more)?;
        payout::closing(self.deposited, paid, self.fee_bps, self.treasury_bps)
    }
}
