//! `draw_audit`: a slot hash that did not exist at the commit decides whether somebody else computes the same.

use anchor_lang::prelude::*;
use tessera_protocol::{
    audit,
    chance::Chance,
    slot_hashes::{self, Lookup},
    verdict::Kind,
};

use crate::{
    errors::TesseraError,
    events::ResultDrawn,
    progress,
    state::{Job, Lease, LeaseMut, Moment, Provider, SLOT_HASHES},
};

/// Accounts of `draw_audit`. Nobody signs.
#[derive(Accounts)]
pub struct DrawAudit<'info> {
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat it is.
    pub provider: AccountLoader<'info, Provider>,
    /// The hashes of the latest slots.
    /// CHECK: the sysvar is found by its address, and read where it lies.
    #[account(address = SLOT_HASHES)]
    pub slot_hashes: UncheckedAccount<'info>,
}

impl DrawAudit<'_> {
    /// Checks the seat and returns its position. Once the job is over, no more leases become contested, or it could not end.
    pub fn validate(provider: &Pubkey, fault_slot: u64, job: &Job, lease: &LeaseMut<'_>, now: Moment) -> Result<usize> {
        require!(lease.is_contested() || !job.over(now.time), TesseraError::JobIsOver);
        let seat = lease.seat_of(provider)?;
        lease.check_draw(seat, fault_slot)?;
        Ok(seat)
    }

    /// The chance of an audit of seat `i`, and whether it is drawn: `None` if its hash can no longer be read.
    fn sample(&self, provider: &Provider, job: &Job, lease: &LeaseMut<'_>, i: usize) -> Result<(Chance, Option<u64>)> {
        let seat = &lease.seats[i];
        if audit::reopened(seat.slot, provider.fault_slot) {
            return Ok((Chance::ONE, Some(0)));
        }
        let deterring = Chance::from_units(job.deterring);
        let chance = match seat.kind() {
            Kind::Base => deterring.max(audit::history(job.probation, provider.consecutive)),
            Kind::Audit | Kind::Dispute => deterring,
        };
        let data = self.slot_hashes.try_borrow_data()?;
        Ok(match slot_hashes::first_at_or_after(&data, audit::draw_slot(seat.slot)) {
            Lookup::TooEarly => return err!(TesseraError::DrawTooEarly),
            Lookup::Missed => (chance, None),
            Lookup::Found(_, hash) => {
                let (job, provider) = (lease.job.as_array(), seat.provider.as_array());
                (chance, Some(audit::sample(&hash, job, lease.index, seat.attempt, provider)))
            }
        })
    }

    /// Reads the draw. The last one of a group opens an audit seat, or the window for revealing.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Moment::now()?;
        let job = &mut *accounts.job.load_mut()?;
        let (key, provider) = (accounts.provider.key(), accounts.provider.load()?);
        Lease::with(accounts.lease.as_ref(), |mut lease| {
            let seat = Self::validate(&key, provider.fault_slot, job, &lease, now)?;
            let (chance, sample) = accounts.sample(&provider, job, &lease, seat)?;
            let before = lease.is_contested();
            lease.draw(seat, audit::drawn(chance, sample), now, |pay| job.fund(chance, sample.is_none(), pay))?;
            let next = lease.proceed(now);
            job.contest(before, lease.is_contested())?;
            let Lease { job: of, index, reveal_by, .. } = *lease.lease;
            let draw = lease.seats[seat].draw;
            emit!(ResultDrawn { job: of, index, provider: key, draw, reveal_by });
            progress::go_on(job, &mut lease, next, now).map(drop)
        })
    }
}
