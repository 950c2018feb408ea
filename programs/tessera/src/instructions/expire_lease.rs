//! `expire_lease`: a seat whose window has passed is taken out, by anyone.

use anchor_lang::prelude::*;
use tessera_protocol::state::LeaseState;

use crate::{
    errors::TesseraError,
    events::LeaseExpired,
    progress,
    state::{Departure, Job, JobEnd, Lease, LeaseMut, Moment, Provider, Seat, PAID_BY_RESERVE},
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
    pub fn validate(&self, lease: &LeaseMut<'_>, now: Moment, job: JobEnd, grace: u32) -> Result<(usize, Departure)> {
        let seat = lease.seat_of(&self.provider.key())?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        require!(lease.check_slash(seat).is_err(), TesseraError::SeatConvicted);
        let departure = lease.departure(seat, now, job, grace);
        Ok((seat, departure.ok_or(TesseraError::WindowStillOpen)?))
    }

    /// Takes the seat out, counts it, takes the bond of one that was late, returns its rent, and lets the lease go on.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let now = Moment::now()?;
        let loader = Job::find(accounts.job.as_ref())?;
        let end = Job::end(loader.as_ref(), now.time)?;
        let mut job = loader.as_ref().map(AccountLoader::load_mut).transpose()?;
        let grace = job.as_ref().map_or(0, |job| job.grace_seconds);
        let (departure, seat, private, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let (position, departure) = accounts.validate(&lease, now, end, grace)?;
            let seat = lease.remove(position);
            let lost = Self::lost(departure, &seat);
            emit!(LeaseExpired { job: lease.job, index: lease.index, provider: seat.provider, departure, lost });
            if let Some(job) = job.as_mut() {
                Self::leave(job, &mut lease, &seat, now)?;
            }
            Ok((departure, seat, lease.is_private(), lease.seats.len()))
        })?;
        accounts.count(departure, &seat, private, now.time)?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)
    }

    /// What changes for the lease and its job when a seat has left.
    fn leave(job: &mut Job, lease: &mut LeaseMut<'_>, seat: &Seat, now: Moment) -> Result<()> {
        if seat.flags & PAID_BY_RESERVE != 0 && seat.is_active() {
            job.keep(seat.pay)?;
        }
        // A seat of a settled lease was owed its pay since the lease settled, unless it had no part in it.
        if lease.is(LeaseState::Settled) && seat.is_active() {
            job.release(seat.due().ok_or(TesseraError::Overflow)?)?;
        }
        if lease.is(LeaseState::Agreed) && lease.is_vacant() {
            return progress::reopen(job, lease, now);
        }
        let next = lease.proceed(now);
        progress::go_on(job, lease, next, now).map(drop)
    }

    /// What the seat loses with its departure.
    fn lost(departure: Departure, seat: &Seat) -> u64 {
        if departure.is_late() {
            seat.bond
        } else {
            0
        }
    }

    /// Takes into account that the seat is gone. Of a private job nothing is remembered.
    fn count(&self, departure: Departure, seat: &Seat, private: bool, now: i64) -> Result<()> {
        let provider = &mut *self.provider.load_mut()?;
        provider.seat_left(seat.lock)?;
        provider.lose(Self::lost(departure, seat))?;
        if departure.is_late() && !private {
            provider.set_reputation(provider.reputation().expiry(now));
        }
        Ok(())
    }
}
