//! Movements of tokens and of rent.
//!
//! Tokens move by the token program; rent of lease accounts is moved by hand. The runtime compares balances at every
//! call of another program, so rent moves after the last such call of an instruction.

use anchor_lang::{
    prelude::*,
    solana_program::{
        instruction::Instruction,
        program::{invoke, invoke_signed},
        system_instruction,
    },
};
use anchor_spl::token::{self, Burn, Token, TokenAccount, Transfer};
use tessera_protocol::seeds;

use crate::state::{Job, Lease, Seat};

/// Moves tokens of a signer into a vault.
pub fn deposit<'info>(
    program: &Program<'info, Token>,
    from: &Account<'info, TokenAccount>,
    vault: &Account<'info, TokenAccount>,
    authority: &Signer<'info>,
    amount: u64,
) -> Result<()> {
    let accounts =
        Transfer { from: from.to_account_info(), to: vault.to_account_info(), authority: authority.to_account_info() };
    token::transfer(CpiContext::new(program.key(), accounts), amount)
}

/// Moves tokens out of a vault, signed by the account that owns it.
pub fn withdraw<'info>(
    program: &Program<'info, Token>,
    vault: AccountInfo<'info>,
    to: AccountInfo<'info>,
    owner: AccountInfo<'info>,
    signer: &[&[u8]],
    amount: u64,
) -> Result<()> {
    let accounts = Transfer { from: vault, to, authority: owner };
    token::transfer(CpiContext::new_with_signer(program.key(), accounts, &[signer]), amount)
}

/// Burns tokens of a vault, signed by the account that owns it.
pub fn burn<'info>(
    program: &Program<'info, Token>,
    mint: AccountInfo<'info>,
    vault: AccountInfo<'info>,
    owner: AccountInfo<'info>,
    signer: &[&[u8]],
    amount: u64,
) -> Result<()> {
    let accounts = Burn { mint, from: vault, authority: owner };
    token::burn(CpiContext::new_with_signer(program.key(), accounts, &[signer]), amount)
}

/// The rent of `bytes` bytes more in an account that is paid for.
fn rent_of(rent: &Rent, bytes: usize) -> u64 {
    rent.minimum_balance(bytes).saturating_sub(rent.minimum_balance(0))
}

/// Makes the account of lease `index` of a job, with room for one seat; `payer` pays the rent.
pub fn create_lease<'info>(
    lease: &AccountInfo<'info>,
    job: &AccountLoader<'info, Job>,
    payer: &Signer<'info>,
    index: u32,
) -> Result<()> {
    let (space, signer) = (Lease::space(1), job.load()?.signer());
    let seed = seeds::lease(index);
    let seed = std::str::from_utf8(&seed).map_err(|_| ErrorCode::ConstraintSeeds)?;
    let (to, base) = (lease.key(), job.key());
    let needed = Rent::get()?.minimum_balance(space);
    let seeds = signer.seeds();
    let run = |instruction: &Instruction, accounts: &[AccountInfo<'info>]| {
        invoke_signed(instruction, accounts, &[&seeds]).map_err(Error::from)
    };
    let (lease, job, payer) = (lease.clone(), job.to_account_info(), payer.to_account_info());
    if lease.lamports() == 0 {
        let create =
            system_instruction::create_account_with_seed(payer.key, &to, &base, seed, needed, space as u64, &crate::ID);
        return run(&create, &[payer, lease, job]);
    }
    // Somebody has sent lamports to the address, where creating fails.
    let missing = needed.saturating_sub(lease.lamports());
    if missing > 0 {
        run(&system_instruction::transfer(payer.key, &to, missing), &[payer, lease.clone()])?;
    }
    let allocate = system_instruction::allocate_with_seed(&to, &base, seed, space as u64, &crate::ID);
    run(&allocate, &[lease, job])
}

/// Grows a lease account to `seats` seats, one more than before; `payer` pays the rent of that seat.
pub fn add_seat<'info>(lease: &AccountInfo<'info>, payer: &Signer<'info>, seats: usize) -> Result<()> {
    let rent = Rent::get()?;
    // More than the seat only where rent has risen since the account was made: it must be exempt in any case.
    let missing = rent.minimum_balance(Lease::space(seats)).saturating_sub(lease.lamports());
    let amount = rent_of(&rent, size_of::<Seat>()).max(missing);
    let transfer = system_instruction::transfer(payer.key, lease.key, amount);
    invoke(&transfer, &[payer.to_account_info(), lease.clone()])?;
    lease.resize(Lease::space(seats)).map_err(Into::into)
}

/// Shrinks a lease account to `seats` seats, one fewer than before; `payer` gets the rent of that seat back.
pub fn remove_seat<'info>(lease: &AccountInfo<'info>, payer: &AccountInfo<'info>, seats: usize) -> Result<()> {
    let rent = Rent::get()?;
    let surplus = lease.lamports().saturating_sub(rent.minimum_balance(Lease::space(seats)));
    let amount = rent_of(&rent, size_of::<Seat>()).min(surplus);
    lease.sub_lamports(amount)?;
    payer.add_lamports(amount)?;
    lease.resize(Lease::space(seats)).map_err(Into::into)
}
