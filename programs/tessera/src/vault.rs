//! Movements of tokens and of rent.
//!
//! Tokens move by the token program; rent of lease accounts is moved by hand. The runtime compares balances at every
//! call of another program, so rent moves after the last such call of an instruction.

use anchor_lang::{
    prelude::*,
    system_program::{self, Transfer as SystemTransfer},
};
use anchor_spl::token::{self, Token, TokenAccount, Transfer};

use crate::state::Lease;

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
    vault: &Account<'info, TokenAccount>,
    to: AccountInfo<'info>,
    owner: AccountInfo<'info>,
    signer: &[&[&[u8]]],
    amount: u64,
) -> Result<()> {
    let accounts = Transfer { from: vault.to_account_info(), to, authority: owner };
    token::transfer(CpiContext::new_with_signer(program.key(), accounts, signer), amount)
}

/// The rent of the last of `seats` seats.
fn seat_rent(rent: &Rent, seats: usize) -> u64 {
    let without = rent.minimum_balance(Lease::space(seats.saturating_sub(1)));
    rent.minimum_balance(Lease::space(seats)).saturating_sub(without)
}

/// Grows a lease account to `seats` seats, one more than before; `payer` pays the rent of that seat.
pub fn add_seat<'info>(
    program: &Program<'info, System>,
    lease: &AccountInfo<'info>,
    payer: &Signer<'info>,
    seats: usize,
) -> Result<()> {
    let rent = Rent::get()?;
    // More than the seat only where rent has risen since the account was made: it must be exempt in any case.
    let missing = rent.minimum_balance(Lease::space(seats)).saturating_sub(lease.lamports());
    let amount = seat_rent(&rent, seats).max(missing);
    let accounts = SystemTransfer { from: payer.to_account_info(), to: lease.clone() };
    system_program::transfer(CpiContext::new(program.key(), accounts), amount)?;
    lease.resize(Lease::space(seats)).map_err(Into::into)
}

/// Shrinks a lease account to `seats` seats, one fewer than before; `payer` gets the rent of that seat back.
pub fn remove_seat<'info>(lease: &AccountInfo<'info>, payer: &AccountInfo<'info>, seats: usize) -> Result<()> {
    let rent = Rent::get()?;
    let surplus = lease.lamports().saturating_sub(rent.minimum_balance(Lease::space(seats)));
    let amount = seat_rent(&rent, seats.saturating_add(1)).min(surplus);
    lease.sub_lamports(amount)?;
    payer.add_lamports(amount)?;
    lease.resize(Lease::space(seats)).map_err(Into::into)
}
