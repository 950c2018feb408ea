//! `top_up_job`: more time, or a higher price for what is not settled yet.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::{constants, payout};

use crate::{errors::TesseraError, events::JobToppedUp, state::Job, vault};

/// Accounts of `top_up_job`.
#[derive(Accounts)]
pub struct TopUpJob<'info> {
    /// The client's wallet; pays.
    pub wallet: Signer<'info>,
    /// The job.
    #[account(mut, has_one = wallet @ TesseraError::WrongWallet)]
    pub job: AccountLoader<'info, Job>,
    /// The job's escrow.
    #[account(mut, address = job.load()?.escrow @ TesseraError::WrongVault)]
    pub escrow: Box<Account<'info, TokenAccount>>,
    /// Where the tokens come from.
    #[account(mut, constraint = from.mint == escrow.mint @ TesseraError::WrongMint, token::authority = wallet)]
    pub from: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl TopUpJob<'_> {
    /// Checks the job and returns the new deadline.
    pub fn validate(job: &Job, add_seconds: u32, add_price: u64, now: i64) -> Result<i64> {
        require!(job.is_open(), TesseraError::JobCancelled);
        require!(now <= job.deadline, TesseraError::DeadlinePassed);
        require!(add_seconds > 0 || add_price > 0, TesseraError::NothingToTopUp);
        let deadline = job.deadline.saturating_add(i64::from(add_seconds));
        let latest = job.posted_at.saturating_add_unsigned(constants::MAX_JOB_SECONDS);
        require!(deadline <= latest, TesseraError::DeadlineTooFar);
        Ok(deadline)
    }

    /// Extends the deadline, raises the price and escrows the difference. Seats already claimed keep their pay.
    pub fn handle(ctx: Context<Self>, add_seconds: u32, add_price: u64) -> Result<()> {
        let accounts = ctx.accounts;
        let job = &mut *accounts.job.load_mut()?;
        let deadline = Self::validate(job, add_seconds, add_price, Clock::get()?.unix_timestamp)?;
        let units_left = job.units.checked_sub(job.settled_units).ok_or(TesseraError::Overflow)?;
        let raise =
            payout::top_up(add_price, units_left, job.units_per_lease, job.replicas, &job.audit_params(), job.fee_bps)
                .ok_or(TesseraError::Overflow)?;
        let added = raise.total().ok_or(TesseraError::Overflow)?;
        job.audit_reserve = job.audit_reserve.checked_add(raise.reserve).ok_or(TesseraError::Overflow)?;
        job.keep(raise.reserve)?;
        job.deadline = deadline;
        job.price_per_unit = job.price_per_unit.checked_add(add_price).ok_or(TesseraError::Overflow)?;
        job.deposited = job.deposited.checked_add(added).ok_or(TesseraError::Overflow)?;
        emit!(JobToppedUp { job: accounts.job.key(), price_per_unit: job.price_per_unit, added, deadline });
        if added > 0 {
            vault::deposit(&accounts.token_program, &accounts.from, &accounts.escrow, &accounts.wallet, added)?;
        }
        Ok(())
    }
}
