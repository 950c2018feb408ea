//! `close_job`: the escrow is divided, what is left goes back to the client, and the job is gone.

use anchor_lang::prelude::*;
use anchor_spl::{
    associated_token::AssociatedToken,
    token::{self, CloseAccount, Token, TokenAccount},
};
use tessera_protocol::{
    lease,
    payout::{self, Closing},
    seeds,
};

use crate::{
    errors::TesseraError,
    events::JobClosed,
    state::{Job, Lease, Market},
    vault,
};

/// Accounts of `close_job`. Remaining accounts, only for a cancelled job before its deadline and grace have passed: the
/// addresses of all leases that have not settled, in order.
#[derive(Accounts)]
pub struct CloseJob<'info> {
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The job.
    #[account(mut, has_one = market @ TesseraError::WrongMarket, has_one = wallet @ TesseraError::WrongWallet)]
    pub job: AccountLoader<'info, Job>,
    /// The client's wallet, which gets the rent of job and escrow.
    /// CHECK: the job names it.
    #[account(mut)]
    pub wallet: UncheckedAccount<'info>,
    /// The job's escrow.
    #[account(mut, address = job.load()?.escrow @ TesseraError::WrongVault)]
    pub escrow: Box<Account<'info, TokenAccount>>,
    /// The market's treasury.
    #[account(mut, seeds = [seeds::TREASURY, market.key().as_ref()], bump = market.treasury_bump)]
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// The wallet's associated token account, which gets the refund. It need not exist if there is none.
    /// CHECK: found by its seeds; the token program checks the rest when something is moved.
    #[account(mut, seeds = [wallet.key().as_ref(), token::ID.as_ref(), market.mint.as_ref()], bump,
        seeds::program = AssociatedToken::id())]
    pub refund: UncheckedAccount<'info>,
    /// The market's mint; needed, and written, only if a part of the fee is burned.
    /// CHECK: the market names it.
    #[account(mut, address = market.mint @ TesseraError::WrongMint)]
    pub mint: Option<UncheckedAccount<'info>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl<'info> CloseJob<'info> {
    /// Checks that nobody can be paid from the job any more.
    pub fn validate(&self, now: i64, unsettled: &'info [AccountInfo<'info>]) -> Result<()> {
        let job = self.job.load()?;
        require!(job.owed == 0 && job.owed_seats == 0, TesseraError::PayStillOwed);
        require!(job.contested == 0, TesseraError::LeaseContested);
        if job.settled_leases == job.leases || job.over(now) {
            return Ok(());
        }
        require!(!job.is_open(), TesseraError::JobNotOver);
        self.check_vacancy(job.leases, unsettled)
    }

    /// Checks that `unsettled` are all leases that have not settled, and that nobody works on any of them.
    fn check_vacancy(&self, leases: u32, unsettled: &'info [AccountInfo<'info>]) -> Result<()> {
        let job = self.job.key();
        let info = self.job.to_account_info();
        let bitmap = Job::bitmap(&info)?;
        let mut shown = unsettled.iter();
        for index in (0..leases).filter(|index| !lease::is_settled(&bitmap, *index)) {
            let info = shown.next().ok_or(TesseraError::LeaseNotShown)?;
            if info.owner == &crate::ID {
                AccountLoader::<Lease>::try_from(info)?;
                Lease::with(info, |lease| {
                    require!(lease.job == job && lease.index == index, TesseraError::LeaseNotShown);
                    require!(lease.is_vacant(), TesseraError::LeaseNotVacant);
                    Ok(())
                })?;
            } else {
                // Nobody but the program can put data at this address: there has never been such a lease.
                require_keys_eq!(*info.key, Lease::address(&job, index)?, TesseraError::LeaseNotShown);
            }
        }
        require!(shown.next().is_none(), TesseraError::LeaseNotShown);
        Ok(())
    }

    /// Divides the escrow and closes escrow and job.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(Clock::get()?.unix_timestamp, ctx.remaining_accounts)?;
        let job = *accounts.job.load()?;
        let Closing { treasury, burned, refund } =
            payout::closing(job.deposited, job.paid, job.fee_bps, job.treasury_bps).ok_or(TesseraError::Overflow)?;
        // What strangers sent to the escrow goes to the client too.
        let fee = treasury.checked_add(burned).ok_or(TesseraError::Overflow)?;
        let rest = accounts.escrow.amount.checked_sub(fee).ok_or(TesseraError::Overflow)?;
        let surplus = rest.checked_sub(refund).ok_or(TesseraError::Overflow)?;
        let event = JobClosed {
            job: accounts.job.key(),
            deposited: job.deposited,
            paid: job.paid,
            treasury,
            burned,
            audit_reserve: job.audit_reserve,
            audits_paid: job.audits_paid,
            refunded: refund,
            surplus,
        };
        accounts.divide(&job.signer().seeds(), treasury, burned, rest)?;
        accounts.job.close(accounts.wallet.to_account_info())?;
        emit!(event);
        Ok(())
    }

    fn divide(&self, signer: &[&[u8]], treasury: u64, burned: u64, rest: u64) -> Result<()> {
        let program = &self.token_program;
        let (escrow, owner) = (|| self.escrow.to_account_info(), || self.job.to_account_info());
        if treasury > 0 {
            vault::withdraw(program, escrow(), self.treasury.to_account_info(), owner(), signer, treasury)?;
        }
        if burned > 0 {
            let mint = self.mint.as_ref().ok_or(TesseraError::MintMissing)?.to_account_info();
            vault::burn(program, mint, escrow(), owner(), signer, burned)?;
        }
        if rest > 0 {
            require_keys_eq!(*self.refund.owner, token::ID, TesseraError::RefundAccountMissing);
            vault::withdraw(program, escrow(), self.refund.to_account_info(), owner(), signer, rest)?;
        }
        let accounts =
            CloseAccount { account: escrow(), destination: self.wallet.to_account_info(), authority: owner() };
        token::close_account(CpiContext::new_with_signer(program.key(), accounts, &[signer]))
    }
}
