//! `settle_lease`: one opened seat is paid.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use tessera_protocol::{lease, state::LeaseState};

use crate::{
    errors::TesseraError,
    events::{LeaseClosed, LeaseSettled},
    state::{Job, Lease, LeaseMut, Provider, Seat},
    vault,
};

/// Accounts of `settle_lease`. Nobody signs.
#[derive(Accounts)]
pub struct SettleLease<'info> {
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob,
        constraint = lease.load()?.payer == lease_payer.key() @ TesseraError::WrongRentPayer)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat is paid.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// The job's escrow.
    /// CHECK: the job names it.
    #[account(mut, address = job.load()?.escrow @ TesseraError::WrongVault)]
    pub escrow: UncheckedAccount<'info>,
    /// The provider's stake vault.
    /// CHECK: the provider names it.
    #[account(mut, address = provider.load()?.stake_vault @ TesseraError::WrongVault)]
    pub stake_vault: UncheckedAccount<'info>,
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
    pub fn validate(&self, lease: &LeaseMut<'_>) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_settle(seat)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Marks the lease settled: from here on the seats that revealed the agreed root are owed their pay.
    fn settle(&self, lease: &mut LeaseMut<'_>) -> Result<()> {
        let marked = lease::mark_settled(&mut Job::bitmap_mut(self.job.as_ref())?, lease.index);
        require!(marked, TesseraError::LeaseSettled);
        lease.state = LeaseState::Settled as u8;
        let due = lease.due().ok_or(TesseraError::Overflow)?;
        self.job.load_mut()?.owe(lease.units, due)
    }

    /// Pays the seat, takes it out, returns its rent, and closes the lease with its last seat.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let (head, seat, left) = Lease::with(accounts.lease.as_ref(), |mut lease| {
            let position = accounts.validate(&lease)?;
            if lease.is(LeaseState::Agreed) {
                accounts.settle(&mut lease)?;
            }
            let seat = lease.remove(position, now);
            Ok((*lease.lease, seat, lease.seats.len()))
        })?;
        accounts.pay(&head, &seat)?;
        vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)?;
        if left == 0 {
            accounts.lease.close(accounts.lease_payer.to_account_info())?;
            emit!(LeaseClosed { job: head.job, index: head.index });
        }
        Ok(())
    }

    /// Moves what the seat is owed from the escrow to the provider's vault.
    fn pay(&self, lease: &Lease, seat: &Seat) -> Result<()> {
        let (pay, units) = (seat.pay, lease.units);
        let (signer, first_unit) = {
            let job = &mut *self.job.load_mut()?;
            job.release(pay)?;
            job.paid = job.paid.checked_add(pay).ok_or(TesseraError::Overflow)?;
            (job.signer(), lease::units(job.units, job.units_per_lease, lease.index).start)
        };
        {
            let provider = &mut *self.provider.load_mut()?;
            provider.seat_left(seat.lock)?;
            provider.earned = provider.earned.checked_add(pay).ok_or(TesseraError::Overflow)?;
            // History alone: the same tokens can go round often enough to reach its end, and that must block nobody's pay.
            provider.total_earned = provider.total_earned.saturating_add(pay);
            provider.leases_settled = provider.leases_settled.saturating_add(1);
            provider.units_settled = provider.units_settled.saturating_add(u64::from(units));
        }
        let (from, to) = (self.escrow.to_account_info(), self.stake_vault.to_account_info());
        vault::withdraw(&self.token_program, from, to, self.job.to_account_info(), &signer.seeds(), pay)?;
        emit!(LeaseSettled {
            job: lease.job,
            index: lease.index,
            provider: seat.provider,
            pay,
            first_unit,
            units,
            result_root: lease.result_root,
            sealed: seat.sealed,
            key: seat.key,
        });
        Ok(())
    }
}
