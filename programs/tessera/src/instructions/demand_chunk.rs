//! `demand_chunk`: the client puts a bond down and wants to see a chunk of opened outputs.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use tessera_protocol::payout;

use crate::{
    errors::TesseraError,
    events::ChunkDemanded,
    state::{Job, Lease, Moment},
    vault,
};

/// Accounts of `demand_chunk`.
#[derive(Accounts)]
pub struct DemandChunk<'info> {
    /// The client's wallet; pays the bond and the fee on it.
    pub wallet: Signer<'info>,
    /// The job.
    #[account(mut, has_one = wallet @ TesseraError::WrongWallet)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
    /// The provider whose seat it is.
    /// CHECK: only its address is used, to find the seat.
    pub provider: UncheckedAccount<'info>,
    /// The job's escrow.
    #[account(mut, address = job.load()?.escrow @ TesseraError::WrongVault)]
    pub escrow: Box<Account<'info, TokenAccount>>,
    /// Where the tokens come from.
    #[account(mut, constraint = from.mint == escrow.mint @ TesseraError::WrongMint, token::authority = wallet)]
    pub from: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
}

impl DemandChunk<'_> {
    /// Notes the demand and escrows the bond, which is returned with the rest of the escrow if nobody answers.
    pub fn handle(ctx: Context<Self>, chunk: u64) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Moment::now()?;
        let deposit = {
            let job = &mut *accounts.job.load_mut()?;
            let provider = accounts.provider.key();
            Lease::with(accounts.lease.as_ref(), |mut lease| {
                let seat = lease.seat_of(&provider)?;
                lease.demand(job, seat, chunk, now)?;
                let (index, answer_by) = (lease.index, lease.seats[seat].answer_by);
                emit!(ChunkDemanded { job: lease.job, index, provider, chunk, answer_by });
                Ok(())
            })?;
            let deposit = payout::with_fee(job.demand_bond, job.fee_bps).ok_or(TesseraError::Overflow)?;
            job.deposited = job.deposited.checked_add(deposit).ok_or(TesseraError::Overflow)?;
            deposit
        };
        vault::deposit(&accounts.token_program, &accounts.from, &accounts.escrow, &accounts.wallet, deposit)
    }
}
