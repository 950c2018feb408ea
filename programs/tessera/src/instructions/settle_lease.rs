//! `settle_lease`: one opened seat is paid.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use tessera_protocol::{lease, state::LeaseState, verdict::Kind};

use crate::{
    errors::TesseraError,
    events::{LeaseClosed, LeaseSettled},
    state::{Job, JobSigner, Lease, LeaseMut, Moment, Provider, Seat, CONFIRMED, PAID_BY_RESERVE, PAID_BY_REST},
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
    pub fn validate(&self, lease: &LeaseMut<'_>, now: Moment) -> Result<usize> {
        let seat = lease.seat_of(&self.provider.key())?;
        lease.check_settle(seat, now)?;
        require_keys_eq!(lease.seats[seat].payer, self.seat_payer.key(), TesseraError::WrongRentPayer);
        Ok(seat)
    }

    /// Marks the lease settled: from here on all seats that revealed the agreed root are owed their pay.
    fn settle(job: &mut Job, lease: &mut LeaseMut<'_>) -> Result<()> {
        lease.state = LeaseState::Settled as u8;
        let due = lease.due().ok_or(TesseraError::Overflow)?;
        job.contest(lease.is_contested(), false)?;
        lease.contested = 0;
        job.owe(lease.units, lease.active().count(), due)
    }

    /// What the seat is paid, out of what it comes from: the escrow, the job's audit reserve, or the locks of those who lost.
    fn take(job: &mut Job, lease: &mut LeaseMut<'_>, seat: &Seat) -> Result<u64> {
        let due = seat.due().ok_or(TesseraError::Overflow)?;
        job.release(due)?;
        job.paid = job.paid.checked_add(seat.bonds).ok_or(TesseraError::Overflow)?;
        let pay = match seat.kind() {
            // The client has brought what cannot be computed.
            Kind::Dispute if seat.flags & PAID_BY_REST != 0 => job.spend_reserve(seat.pay.min(job.reserve))?,
            Kind::Dispute => {
                lease.awards = lease.awards.checked_sub(seat.pay).ok_or(TesseraError::AwardsMissing)?;
                return Ok(due);
            }
            Kind::Audit if seat.flags & PAID_BY_RESERVE != 0 => {
                job.keep(seat.pay)?;
                job.spend_reserve(seat.pay)?
            }
            Kind::Base | Kind::Audit => seat.pay,
        };
        job.paid = job.paid.checked_add(pay).ok_or(TesseraError::Overflow)?;
        Ok(pay.checked_add(seat.bonds).ok_or(TesseraError::Overflow)?)
    }

    /// Settles the books, and returns what is to be paid and how many seats are left.
    fn book(&self, lease: &mut LeaseMut<'_>, now: Moment) -> Result<(Payment, usize)> {
        let position = self.validate(lease, now)?;
        let first = lease.is(LeaseState::Agreed);
        if first {
            let marked = lease::mark_settled(&mut Job::bitmap_mut(self.job.as_ref())?, lease.index);
            require!(marked, TesseraError::LeaseSettled);
        }
        let job = &mut *self.job.load_mut()?;
        if first {
            Self::settle(job, lease)?;
        }
        let seat = lease.remove(position);
        let amount = Self::take(job, lease, &seat)?;
        let confirmed = seat.flags & CONFIRMED != 0;
        let payment = Payment {
            lease: *lease.lease,
            seat,
            amount,
            first_unit: lease::units(job.units, job.units_per_lease, lease.index).start,
            credit: confirmed.then(|| (job.fee_burned(amount), job.credit_fee)),
            signer: job.signer(),
        };
        Ok((payment, lease.seats.len()))
    }

    /// Pays the seat, takes it out, returns its rent, and closes the lease with its last seat.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Moment::now()?;
        let (payment, left) = Lease::with(accounts.lease.as_ref(), |mut lease| accounts.book(&mut lease, now))?;
        accounts.pay(&payment, now.time)?;
        // With its last seat the lease closes, and all rent goes to one payer where it is the same.
        if left > 0 || accounts.seat_payer.key != accounts.lease_payer.key {
            vault::remove_seat(accounts.lease.as_ref(), accounts.seat_payer.as_ref(), left)?;
        }
        if left == 0 {
            accounts.lease.close(accounts.lease_payer.to_account_info())?;
            emit!(LeaseClosed { job: payment.lease.job, index: payment.lease.index });
        }
        Ok(())
    }

    /// Moves what the seat is paid from the escrow to the provider's vault.
    fn pay(&self, payment: &Payment, now: i64) -> Result<()> {
        let Payment { lease, seat, amount, first_unit, credit, signer } = payment;
        {
            let provider = &mut *self.provider.load_mut()?;
            provider.seat_left(seat.lock)?;
            provider.earned = provider.earned.checked_add(*amount).ok_or(TesseraError::Overflow)?;
            // History alone: the same tokens can go round often enough to reach its end, and that must block nobody's pay.
            provider.total_earned = provider.total_earned.saturating_add(*amount);
            // What nobody looks at shows nothing of who was paid for it.
            if !lease.is_private() {
                provider.leases_settled = provider.leases_settled.saturating_add(1);
                provider.units_settled = provider.units_settled.saturating_add(u64::from(lease.units));
            }
            if let Some((burned, full)) = *credit {
                provider.set_reputation(provider.reputation().confirmed(now, burned, full));
            }
        }
        if *amount > 0 {
            let (from, to) = (self.escrow.to_account_info(), self.stake_vault.to_account_info());
            vault::withdraw(&self.token_program, from, to, self.job.to_account_info(), &signer.seeds(), *amount)?;
        }
        emit!(LeaseSettled {
            job: lease.job,
            index: lease.index,
            provider: seat.provider,
            kind: seat.kind,
            pay: *amount,
            first_unit: *first_unit,
            units: lease.units,
            result_root: lease.result_root,
            sealed: seat.sealed,
            key: seat.key,
        });
        Ok(())
    }
}

/// What is paid to whom.
struct Payment {
    /// The lease as it was.
    lease: Lease,
    /// The seat that is paid.
    seat: Seat,
    /// How much.
    amount: u64,
    /// First unit of the lease.
    first_unit: u64,
    /// Of a confirmed result: the fee burned for it, and the one that earns the whole credit.
    credit: Option<(u64, u64)>,
    /// By what the job signs.
    signer: JobSigner,
}
