//! `expire_lease`: a seat whose window has passed is taken out, by anyone.

use anchor_lang::prelude::*;
use tessera_protocol::state::LeaseState;

use crate::{
    errors::TesseraError,
    events::LeaseExpired,
    state::{Departure, Job, JobEnd, Lease, LeaseMut, Provider},
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
    pub fn validate(&self, lease: &LeaseMut<'_>, now: i64, job: JobEnd) -> Result<(usize, Departure)> {
        let seat = lease.seat_of(&self.provider.key())?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        let departure = lease.departure(seat, now, job);
        Ok((seat, departure.ok_or(TesseraError::WindowStillOpen)?))
    }

    /// Takes the seat out, counts it, and returns its rent.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let job = Job::find(accounts.job.as_ref())?;
        let end = Job::end(job.as_ref(), now)?;
        let (departure, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let (position, departure) = accounts.validate(&lease, now, end)?;
            let seat = lease.remove(position, now);
            // A seat of a settled lease was owed its pay since the lease settled, unless its round had disagreed.
            if lease.is(LeaseState::Settled) && departure != Departure::Disagreed {
                let job = job.as_ref().ok_or(TesseraError::Overflow)?;
                job.load_mut()?.release(seat.pay)?;
            }
            emit!(LeaseExpired { job: lease.job, index: lease.index, provider: seat.provider, departure });
            Ok((departure, lease.seats.len()))
        })?;
        let provider = &mut *accounts.provider.load_mut()?;
        provider.seat_left()?;
        let counter = match departure {
            Departure::Expired => Some(&mut provider.expired),
            Departure::Fault => Some(&mut provider.faults),
            Departure::Disagreed => Some(&mut provider.disagreed),
            Departure::Blameless => None,
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }
}
