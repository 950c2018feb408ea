//! `claim_lease`: a provider takes a seat in the open group of a lease, which begins with its first claim.

use anchor_lang::prelude::*;
use tessera_protocol::{
    bonds,
    chance::Chance,
    constants::ACCOUNT_VERSION,
    lease, payout,
    routing::{self, Call, Opening},
    state::LeaseState,
    verdict::Kind,
};

use crate::{
    errors::TesseraError,
    events::LeaseClaimed,
    state::{Job, Lease, LeaseMut, MarketView, Moment, Provider, Seat},
    vault,
};

/// Accounts of `claim_lease`. The job is only read, so claims of different leases run in parallel.
#[derive(Accounts)]
pub struct ClaimLease<'info> {
    /// Hot key of the provider; pays the rent of its seat, and of the lease if it is the first.
    #[account(mut)]
    pub operator: Signer<'info>,
    /// The market.
    /// CHECK: job and provider name it; it is read by `MarketView`.
    #[account(owner = crate::ID)]
    pub market: UncheckedAccount<'info>,
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
        require!(job.is_seeded(), TesseraError::JobNotSeeded);
        let units = Self::units(job, index)?;
        Ok(Lease {
            version: ACCOUNT_VERSION,
            state: LeaseState::Open as u8,
            replicas: job.replicas,
            index,
            job: self.job.key(),
            payer: self.operator.key(),
            units,
            reveal_seconds: job.reveal_seconds,
            lease_seconds: job.lease_seconds,
            challenge_seconds: job.challenge_seconds,
            private: job.private,
            wanted: job.replicas,
            missing: job.replicas,
            opened_at: job.seeded_at,
            pay: payout::lease_pay(job.price_per_unit, units).ok_or(TesseraError::Overflow)?,
            seed_slot: job.seed_slot,
            seed: job.seed,
            ..Lease::default()
        })
    }

    /// The seat that is claimed in the open group of a lease.
    fn seat(&self, job: &Job, lease: &Lease, now: Moment) -> Result<Seat> {
        let pay = match lease.group() {
            Kind::Base => payout::lease_pay(job.price_per_unit, lease.units).ok_or(TesseraError::Overflow)?,
            Kind::Audit | Kind::Dispute => lease.pay,
        };
        let lock = bonds::lock(job.lock_multiple, job.expiry_bond_bps, pay).ok_or(TesseraError::Overflow)?;
        Ok(Seat {
            provider: self.provider.key(),
            payer: self.operator.key(),
            pay,
            commit_by: now.time.saturating_add(i64::from(job.lease_seconds)),
            slot: now.slot,
            lock,
            bond: bonds::expiry_bond(job.expiry_bond_bps, pay),
            ..Seat::default()
        })
    }

    /// Units of a lease.
    fn units(job: &Job, index: u32) -> Result<u32> {
        let units = lease::units(job.units, job.units_per_lease, index);
        Ok(u32::try_from(units.end - units.start).map_err(|_| TesseraError::Overflow)?)
    }

    /// Checks market, job, lease (which has begun) and provider, and returns the seat.
    pub fn validate(&self, job: &Job, lease: &LeaseMut<'_>, now: Moment) -> Result<Seat> {
        let provider = self.provider.load()?;
        let kind = lease.group();
        lease.check_claim(&self.provider.key())?;
        let market = MarketView::read(self.market.as_ref())?;
        if kind == Kind::Base {
            self.validate_base(&market, job, lease, &provider, now.time)?;
        }
        let seat = self.seat(job, lease, now)?;
        let free = bonds::may_lock(provider.stake, provider.locked, seat.lock, kind);
        require!(free, TesseraError::StakeLocked);
        self.admit(&market, job, lease, &provider, now.time)?;
        Ok(seat)
    }

    /// What a replica that the client asked for must fit. None of it counts for those who judge: neither client nor authority
    /// may choose them, and what has begun is judged whatever becomes of the job.
    fn validate_base(
        &self,
        market: &MarketView,
        job: &Job,
        lease: &LeaseMut<'_>,
        provider: &Provider,
        now: i64,
    ) -> Result<()> {
        require!(!market.paused, TesseraError::MarketPaused);
        let begun = job.is_open() || !lease.is_vacant();
        require!(begun, TesseraError::JobCancelled);
        require!(job.lists(self.job.as_ref(), &self.provider.key())?, TesseraError::NotListed);
        require!(provider.stake >= market.min_stake, TesseraError::StakeTooLow);
        require!(provider.open_leases < market.max_open_leases, TesseraError::TooManyOpenLeases);
        require!(job.fits(now), TesseraError::WindowsDoNotFit);
        Ok(())
    }

    /// Checks that it is the provider's turn. Those who may take a private job have no turns.
    fn admit(&self, market: &MarketView, job: &Job, lease: &Lease, provider: &Provider, now: i64) -> Result<()> {
        let kind = lease.group();
        let score = if kind == Kind::Base { provider.reputation().score(now) } else { Chance::ZERO };
        let (key, has, asks) = (self.provider.key(), provider.qualities(market.proof_seconds, now), job.requirements());
        let (standing, threshold) = (provider.standing(score), job.threshold());
        if job.is_private() {
            let qualified = routing::qualified(&has, &standing, &asks, &threshold);
            return qualified.map_err(|refusal| error!(TesseraError::from(refusal)));
        }
        let opening = Opening {
            kind,
            wanted: lease.wanted,
            stake: market.total_stake,
            opened_at: lease.opened_at,
            step_seconds: job.step_seconds,
        };
        let call = Call {
            seed: &lease.seed,
            seed_slot: lease.seed_slot,
            lease: lease.index,
            seat: lease.call,
            opening,
            weight_cap: job.stake_cap,
        };
        let admitted = routing::admit(&call, key.as_array(), &has, &standing, &asks, &threshold, now);
        admitted.map_err(|refusal| error!(TesseraError::from(refusal)))
    }

    /// Makes sure that there is an account with room for one more seat, after all checks, and returns the seat.
    fn prepare(&'info self, job: &Job, index: u32, now: Moment) -> Result<Seat> {
        let info = self.lease.as_ref();
        require_keys_eq!(*info.key, Lease::address(&self.job.key(), index)?, TesseraError::WrongLease);
        require!(index < job.leases, TesseraError::NoSuchLease);
        require!(!lease::is_settled(&Job::bitmap(self.job.as_ref())?, index), TesseraError::LeaseSettled);
        if info.owner != &crate::ID {
            let mut lease = self.begin(job, index)?;
            let seat = self.validate(job, &LeaseMut { lease: &mut lease, seats: &mut [] }, now)?;
            vault::create_lease(info, &self.job, &self.operator, index)?;
            let mut data = info.try_borrow_mut_data()?;
            let (discriminator, rest) = data.split_at_mut(Lease::DISCRIMINATOR.len());
            discriminator.copy_from_slice(Lease::DISCRIMINATOR);
            rest[..size_of::<Lease>()].copy_from_slice(bytemuck::bytes_of(&lease));
            return Ok(seat);
        }
        AccountLoader::<Lease>::try_from(info)?;
        let (seat, seats) = Lease::with(info, |lease| Ok((self.validate(job, &lease, now)?, lease.seats.len())))?;
        vault::add_seat(info, &self.operator, seats + 1)?;
        Ok(seat)
    }

    /// Gives the provider a seat.
    pub fn handle(ctx: Context<'info, Self>, index: u32) -> Result<()> {
        let accounts: &'info Self = ctx.accounts;
        let now = Moment::now()?;
        let job = accounts.job.load()?;
        let seat = accounts.prepare(&job, index, now)?;
        accounts.provider.load_mut()?.seat_taken(seat.lock)?;
        Lease::with(accounts.lease.as_ref(), |mut lease| {
            let attempt = lease.claim(seat)?;
            let Seat { provider, pay, commit_by, .. } = seat;
            emit!(LeaseClaimed { job: lease.job, index, provider, kind: lease.group, attempt, pay, commit_by });
            Ok(())
        })
    }
}
