//! `claim_lease`: a provider takes a seat in a lease, which begins with its first claim.

use anchor_lang::prelude::*;
use tessera_protocol::{bonds, constants::ACCOUNT_VERSION, lease, payout, routing, state::LeaseState, verdict::Kind};

use crate::{
    errors::TesseraError,
    events::LeaseClaimed,
    state::{Job, Lease, LeaseMut, Market, Moment, Provider, Seat},
    vault,
};

/// Accounts of `claim_lease`. The job is only read, so claims of different leases run in parallel.
#[derive(Accounts)]
pub struct ClaimLease<'info> {
    /// Hot key of the provider; pays the rent of its seat, and of the lease if it is the first.
    #[account(mut)]
    pub operator: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The job.
    #[account(has_one = market @ TesseraError::WrongMarket)]
    pub job: AccountLoader<'info, Job>,
    /// The provider.
    #[account(mut, has_one = market @ TesseraError::WrongMarket, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The lease, which need not exist.
    /// CHECK: its address is that of the lease; what is there was made by this program, or is made now.
    #[account(mut)]
    pub lease: UncheckedAccount<'info>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl<'info> ClaimLease<'info> {
    /// The fields of a lease that begins.
    fn begin(&self, job: &Job, index: u32) -> Result<Lease> {
        Ok(Lease {
            version: ACCOUNT_VERSION,
            state: LeaseState::Open as u8,
            replicas: job.replicas,
            index,
            job: self.job.key(),
            payer: self.operator.key(),
            units: Self::units(job, index)?,
            reveal_seconds: job.reveal_seconds,
            lease_seconds: job.lease_seconds,
            opened_at: job.posted_at,
            ..Lease::default()
        })
    }

    /// The seat that is claimed.
    fn seat(&self, job: &Job, index: u32, now: Moment) -> Result<Seat> {
        let units = Self::units(job, index)?;
        let pay = payout::lease_pay(job.price_per_unit, units).ok_or(TesseraError::Overflow)?;
        let lock = bonds::lock(job.lock_multiple, pay).ok_or(TesseraError::Overflow)?;
        Ok(Seat {
            provider: self.provider.key(),
            payer: self.operator.key(),
            pay,
            commit_by: now.time.saturating_add(i64::from(job.lease_seconds)),
            slot: now.slot,
            lock,
            bond: bonds::expiry_bond(job.expiry_bond_bps, pay).min(lock),
            ..Seat::default()
        })
    }

    /// Units of a lease.
    fn units(job: &Job, index: u32) -> Result<u32> {
        let units = lease::units(job.units, job.units_per_lease, index);
        Ok(u32::try_from(units.end - units.start).map_err(|_| TesseraError::Overflow)?)
    }

    /// Checks market, job, lease (which has begun) and provider.
    pub fn validate(&self, job: &Job, lease: &LeaseMut<'_>, seat: &Seat, now: i64) -> Result<()> {
        let (market, provider) = (&self.market, self.provider.load()?);
        require!(!market.paused, TesseraError::MarketPaused);
        let begun = job.is_open() || !lease.is_vacant();
        require!(begun, TesseraError::JobCancelled);
        lease.check_claim(&self.provider.key())?;
        require!(provider.stake >= market.params.min_stake, TesseraError::StakeTooLow);
        require!(provider.open_leases < market.params.max_open_leases, TesseraError::TooManyOpenLeases);
        let free = bonds::may_lock(provider.stake, provider.locked, seat.lock, Kind::Base);
        require!(free, TesseraError::StakeLocked);
        require!(lease::fits(now, job.deadline, job.lease_seconds, job.reveal_seconds), TesseraError::WindowsDoNotFit);
        let replica = u8::try_from(lease.active().count()).map_err(|_| TesseraError::Overflow)?;
        let rank = routing::rank(&self.job.key().to_bytes(), lease.index, replica, &self.provider.key().to_bytes());
        let (asks, has) = (job.requirements(), provider.qualities());
        require!(routing::may_claim(&asks, &has, rank, lease.opened_at, now), TesseraError::MayNotClaim);
        Ok(())
    }

    /// Makes sure that there is an account with room for one more seat, after all checks.
    fn prepare(&'info self, job: &Job, index: u32, seat: &Seat, now: i64) -> Result<()> {
        let info = self.lease.as_ref();
        require_keys_eq!(*info.key, Lease::address(&self.job.key(), index)?, TesseraError::WrongLease);
        require!(index < job.leases, TesseraError::NoSuchLease);
        require!(!lease::is_settled(&Job::bitmap(self.job.as_ref())?, index), TesseraError::LeaseSettled);
        if info.owner != &crate::ID {
            let mut lease = self.begin(job, index)?;
            self.validate(job, &LeaseMut { lease: &mut lease, seats: &mut [] }, seat, now)?;
            vault::create_lease(info, &self.job, &self.operator, index)?;
            let mut data = info.try_borrow_mut_data()?;
            let (discriminator, rest) = data.split_at_mut(Lease::DISCRIMINATOR.len());
            discriminator.copy_from_slice(Lease::DISCRIMINATOR);
            rest[..size_of::<Lease>()].copy_from_slice(bytemuck::bytes_of(&lease));
            return Ok(());
        }
        AccountLoader::<Lease>::try_from(info)?;
        let seats = Lease::with(info, |lease| {
            self.validate(job, &lease, seat, now)?;
            Ok(lease.seats.len())
        })?;
        vault::add_seat(info, &self.operator, seats + 1)
    }

    /// Gives the provider a seat.
    pub fn handle(ctx: Context<'info, Self>, index: u32) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let now = Moment::now()?;
        let job = accounts.job.load()?;
        let seat = accounts.seat(&job, index, now)?;
        accounts.prepare(&job, index, &seat, now.time)?;
        accounts.provider.load_mut()?.seat_taken(seat.lock)?;
        Lease::with(accounts.lease.as_ref(), |mut lease| {
            let attempt = lease.claim(seat)?;
            let Seat { provider, pay, commit_by, .. } = seat;
            emit!(LeaseClaimed { job: lease.job, index, provider, attempt, pay, commit_by });
            Ok(())
        })
    }
}
