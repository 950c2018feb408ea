//! `settle_lease`: one opened seat is paid.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::{lease, seeds};

use crate::{
    errors::TesseraError,
    events::{LeaseClosed, LeaseSettled},
    state::{Job, Lease, LeaseState, Provider},
    vault,
};

/// Accounts of `settle_lease`. Nobody signs.
#[derive(Accounts)]
pub struct SettleLease<'info> {
    /// The job.
    #[account(mut)]
    pub job: Box<Account<'info, Job>>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob,
        constraint = lease.payer == lease_payer.key() @ TesseraError::WrongRentPayer)]
    pub lease: Box<Account<'info, Lease>>,
    /// The provider whose seat is paid.
    #[account(mut)]
    pub provider: Box<Account<'info, Provider>>,
    /// The job's escrow.
    #[account(mut, seeds = [seeds::ESCROW, job.key().as_ref()], bump = job.escrow_bump)]
    pub escrow: Box<Account<'info, TokenAccount>>,
    /// The provider's stake vault.
    #[account(mut, seeds = [seeds::STAKE, provider.key().as_ref()], bump = provider.stake_bump)]
    pub stake_vault: Box<Account<'info, TokenAccount>>,
    /// Gets the rent of the seat back.
    /// CHECK: the seat names it.
    #[account(mut)]
    pub seat_payer: UncheckedAccount<'info>,
    /// Gets the rent of the lease back, with its last seat.
    /// CHECK: the lease names it.
    #[account(mut)]
    pub lease_payer: UncheckedAccount<'info>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl SettleLease<'_> {
    /// Checks the seat and returns its position.
    pub fn validate(&self) -> Result<usize> {
        let seat = self.lease.seat_of(&self.provider.key())?;
        self.lease.check_settle(seat)?;
        require_keys_eq!(self.lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Marks the lease settled: from here on the seats that revealed the agreed root are owed their pay.
    fn settle(&mut self) -> Result<()> {
        let (job, lease) = (&mut self.job, &mut self.lease);
        let marked = lease::mark_settled(&mut Job::bitmap_mut(&job.to_account_info())?, lease.index);
        require!(marked, TesseraError::LeaseSettled);
        lease.state = LeaseState::Settled;
        job.settled_leases = job.settled_leases.checked_add(1).ok_or(TesseraError::Overflow)?;
        job.settled_units = job.settled_units.checked_add(u64::from(lease.units)).ok_or(TesseraError::Overflow)?;
        let due = lease.due().ok_or(TesseraError::Overflow)?;
        job.owed = job.owed.checked_add(due).ok_or(TesseraError::Overflow)?;
        Ok(())
    }

    /// Pays the seat, takes it out, returns its rent, and closes the lease with its last seat.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let position = accounts.validate()?;
        if accounts.lease.state == LeaseState::Agreed {
            accounts.settle()?;
        }
        let seat = accounts.lease.remove(position, Clock::get()?.unix_timestamp);
        let pay = seat.pay;

        let job = &mut accounts.job;
        job.owed = job.owed.checked_sub(pay).ok_or(TesseraError::Overflow)?;
        job.paid = job.paid.checked_add(pay).ok_or(TesseraError::Overflow)?;
        let units = accounts.lease.units;
        let provider = &mut accounts.provider;
        provider.earned = provider.earned.checked_add(pay).ok_or(TesseraError::Overflow)?;
        // History alone: the same tokens can go round often enough to reach its end, and that must block nobody's pay.
        provider.total_earned = provider.total_earned.saturating_add(pay);
        provider.open_leases = provider.open_leases.checked_sub(1).ok_or(TesseraError::Overflow)?;
        provider.leases_settled = provider.leases_settled.saturating_add(1);
        provider.units_settled = provider.units_settled.saturating_add(u64::from(units));

        accounts.job.with_signer(|signer| {
            let owner = accounts.job.to_account_info();
            let to = accounts.stake_vault.to_account_info();
            vault::withdraw(&accounts.token_program, &accounts.escrow, to, owner, signer, pay)
        })?;
        let (job, lease) = (&accounts.job, &accounts.lease);
        let index = lease.index;
        emit!(LeaseSettled {
            job: lease.job,
            index,
            provider: seat.provider,
            pay,
            first_unit: lease::units(job.units, job.units_per_lease, index).start,
            units,
            result_root: lease.result_root,
            sealed: seat.sealed,
            key: seat.key,
        });
        vault::remove_seat(lease.as_ref().as_ref(), accounts.seat_payer.as_ref(), lease.seats.len())?;
        if lease.seats.is_empty() {
            lease.close(accounts.lease_payer.to_account_info())?;
            emit!(LeaseClosed { job: lease.job, index });
        }
        Ok(())
    }
}
