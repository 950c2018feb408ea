//! `expire_lease`: a seat whose window has passed is taken out, by anyone.

use anchor_lang::prelude::*;
use tessera_protocol::state::LeaseState;

use crate::{
    errors::TesseraError,
    events::LeaseExpired,
    state::{Departure, Job, JobEnd, Lease, LeaseMut, Moment, Provider},
    vault,
};

/// Accounts of `expire_lease`. Nobody signs.
#[derive(Accounts)]
pub struct ExpireLease<'info> {
    /// The job, which may be gone.
    /// CHECK: the lease names it; it is read by `Job::find`.
    #[account(mut)]
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, constraint = lease.load()?.job == job.key() @ TesseraError::NotTheJobOfTheLease)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat it is.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
}

impl<'info> ExpireLease<'info> {
    /// Checks the seat and returns its position and how it leaves.
    pub fn validate(&self, lease: &LeaseMut<'_>, now: Moment, job: JobEnd) -> Result<(usize, Departure)> {
        let seat = lease.seat_of(&self.provider.key())?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        let departure = lease.departure(seat, now, job);
        Ok((seat, departure.ok_or(TesseraError::WindowStillOpen)?))
    }

    /// Takes the seat out, counts it, takes the bond of one that was late, and returns its rent.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let now = Moment::now()?;
        let job = Job::find(accounts.job.as_ref())?;
        let end = Job::end(job.as_ref(), now.time)?;
        let (departure, lock, lost, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let (position, departure) = accounts.validate(&lease, now, end)?;
            let seat = lease.remove(position, now.time);
            // A seat of a settled lease was owed its pay since the lease settled, unless its round had disagreed.
            if lease.is(LeaseState::Settled) && departure != Departure::Disagreed {
                let job = job.as_ref().ok_or(TesseraError::Overflow)?;
                job.load_mut()?.release(seat.pay)?;
            }
            let lost = if departure.is_late() { seat.bond } else { 0 };
            emit!(LeaseExpired { job: lease.job, index: lease.index, provider: seat.provider, departure, lost });
            Ok((departure, seat.lock, lost, lease.seats.len()))
        })?;
        accounts.count(departure, lock, lost)?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }

    /// Takes into account that the seat is gone.
    fn count(&self, departure: Departure, lock: u64, lost: u64) -> Result<()> {
        let provider = &mut *self.provider.load_mut()?;
        provider.seat_left(lock)?;
        provider.lose(lost)?;
        let counter = match departure {
            Departure::Expired => Some(&mut provider.expired),
            Departure::Fault => Some(&mut provider.faults),
            Departure::Disagreed => Some(&mut provider.disagreed),
            Departure::Blameless => None,
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        Ok(())
    }
}
