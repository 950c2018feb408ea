//! `claim_lease`: a provider takes a seat in a lease, which begins with its first claim.

use anchor_lang::prelude::*;
use tessera_protocol::{constants::ACCOUNT_VERSION, lease, payout, routing, seeds};

use crate::{
    errors::TesseraError,
    events::LeaseClaimed,
    state::{Job, JobState, Lease, LeaseState, Market, Provider},
    vault,
};

/// Accounts of `claim_lease`. The job is only read, so claims of different leases run in parallel.
#[derive(Accounts)]
#[instruction(index: u32)]
pub struct ClaimLease<'info> {
    /// Hot key of the provider; pays the rent of its seat, and of the lease if it is the first.
    #[account(mut)]
    pub operator: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The job.
    #[account(has_one = market @ TesseraError::WrongMarket)]
    pub job: Box<Account<'info, Job>>,
    /// The provider.
    #[account(mut, has_one = market @ TesseraError::WrongMarket, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: Box<Account<'info, Provider>>,
    /// The lease.
    #[account(init_if_needed, payer = operator, space = lease.data_len().max(Lease::space(0)),
        seeds = [seeds::LEASE, job.key().as_ref(), &index.to_le_bytes()], bump)]
    pub lease: Box<Account<'info, Lease>>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl ClaimLease<'_> {
    /// Makes the fields of a lease that has just been created.
    fn begin(&mut self, index: u32, bump: u8) -> Result<()> {
        let units = lease::units(self.job.units, self.job.units_per_lease, index);
        let units = u32::try_from(units.end - units.start).map_err(|_| TesseraError::Overflow)?;
        let (job, payer) = (self.job.key(), self.operator.key());
        let (replicas, opened_at) = (self.job.replicas, self.job.posted_at);
        let lease = &mut self.lease;
        lease.version = ACCOUNT_VERSION;
        lease.bump = bump;
        lease.state = LeaseState::Open;
        lease.job = job;
        lease.index = index;
        lease.units = units;
        lease.replicas = replicas;
        lease.payer = payer;
        lease.opened_at = opened_at;
        Ok(())
    }

    /// Checks market, job, lease (which has begun) and provider.
    pub fn validate(&self, index: u32, now: i64) -> Result<()> {
        let (market, job, provider) = (&self.market, &self.job, &self.provider);
        require!(!market.paused, TesseraError::MarketPaused);
        require!(index < job.leases, TesseraError::NoSuchLease);
        let settled = lease::is_settled(&Job::bitmap(&job.to_account_info())?, index);
        require!(!settled, TesseraError::LeaseSettled);
        let begun = job.state == JobState::Open || !self.lease.is_vacant();
        require!(begun, TesseraError::JobCancelled);
        self.lease.check_claim(&provider.key())?;
        require!(provider.stake >= market.params.min_stake, TesseraError::StakeTooLow);
        require!(provider.open_leases < market.params.max_open_leases, TesseraError::TooManyOpenLeases);
        require!(lease::fits(now, job.deadline, job.lease_seconds, job.reveal_seconds), TesseraError::WindowsDoNotFit);
        let replica = u8::try_from(self.lease.active().count()).map_err(|_| TesseraError::Overflow)?;
        let rank = routing::rank(&job.key().to_bytes(), index, replica, &provider.key().to_bytes());
        let opened_at = self.lease.opened_at;
        let turn = routing::may_claim(&job.requirements.into(), &provider.capabilities.into(), rank, opened_at, now);
        require!(turn, TesseraError::MayNotClaim);
        Ok(())
    }

    /// Gives the provider a seat.
    pub fn handle(ctx: Context<Self>, index: u32) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        if accounts.lease.version == 0 {
            accounts.begin(index, ctx.bumps.lease)?;
        }
        accounts.validate(index, now)?;
        let open_leases = accounts.provider.open_leases;
        accounts.provider.open_leases = open_leases.checked_add(1).ok_or(TesseraError::Overflow)?;

        let pay = payout::lease_pay(accounts.job.price_per_unit, accounts.lease.units).ok_or(TesseraError::Overflow)?;
        let commit_by = now.saturating_add(i64::from(accounts.job.lease_seconds));
        let (provider, payer) = (accounts.provider.key(), accounts.operator.key());
        let attempt = accounts.lease.claim(provider, payer, pay, commit_by)?.attempt;
        vault::add_seat(
            &accounts.system_program,
            accounts.lease.as_ref().as_ref(),
            &accounts.operator,
            accounts.lease.seats.len(),
        )?;
        emit!(LeaseClaimed { job: accounts.job.key(), index, provider, attempt, pay, commit_by });
        Ok(())
    }
}
