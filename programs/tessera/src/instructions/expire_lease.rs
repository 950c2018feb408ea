//! `expire_lease`: a seat whose window has passed is taken out, by anyone.

use anchor_lang::prelude::*;

use crate::{
    errors::TesseraError,
    events::LeaseExpired,
    state::{Departure, Job, JobEnd, Lease, LeaseState, Provider},
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
    #[account(mut, constraint = lease.job == job.key() @ TesseraError::NotTheJobOfTheLease)]
    pub lease: Box<Account<'info, Lease>>,
    /// The provider whose seat it is.
    #[account(mut)]
    pub provider: Box<Account<'info, Provider>>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
}

impl ExpireLease<'_> {
    /// Checks the seat and returns its position and how it leaves.
    pub fn validate(&self, now: i64, job: JobEnd) -> Result<(usize, Departure)> {
        let seat = self.lease.seat_of(&self.provider.key())?;
        require_keys_eq!(self.lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        let departure = self.lease.departure(seat, now, job);
        Ok((seat, departure.ok_or(TesseraError::WindowStillOpen)?))
    }

    /// Takes the seat out, counts it, and returns its rent.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let job = Job::find(&accounts.job)?;
        let (position, departure) = accounts.validate(now, Job::end(job.as_deref(), now))?;
        let seat = accounts.lease.remove(position, now);

        // A seat of a settled lease was owed its pay since the lease settled, unless its round had disagreed.
        if accounts.lease.state == LeaseState::Settled && departure != Departure::Disagreed {
            let mut job = job.ok_or(TesseraError::Overflow)?;
            job.owed = job.owed.checked_sub(seat.pay).ok_or(TesseraError::Overflow)?;
            job.try_serialize(&mut &mut accounts.job.try_borrow_mut_data()?[..])?;
        }
        let provider = &mut accounts.provider;
        provider.open_leases = provider.open_leases.checked_sub(1).ok_or(TesseraError::Overflow)?;
        let counter = match departure {
            Departure::Expired => Some(&mut provider.expired),
            Departure::Fault => Some(&mut provider.faults),
            Departure::Disagreed => Some(&mut provider.disagreed),
            Departure::Blameless => None,
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        let lease = &accounts.lease;
        vault::remove_seat(lease.as_ref().as_ref(), accounts.seat_payer.as_ref(), lease.seats.len())?;
        emit!(LeaseExpired { job: lease.job, index: lease.index, provider: seat.provider, departure });
        Ok(())
    }
}
