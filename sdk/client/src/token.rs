//! Classic SPL tokens, as far as the network needs them.

use solana_instruction::Instruction;
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use spl_associated_token_account_interface::{
    address::get_associated_token_address, instruction::create_associated_token_account_idempotent,
};
use spl_token_interface::{instruction, state::Mint};

use crate::{AnySigner, Error, Receipt, Tessera};

/// The associated token account of `owner` for `mint`.
#[must_use]
pub fn ata(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    get_associated_token_address(owner, mint)
}

/// Creates the associated token account of `owner` if it does not exist.
#[must_use]
pub fn create_ata(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    create_associated_token_account_idempotent(payer, owner, mint, &spl_token_interface::ID)
}

/// Creates a mint whose authority is `payer`, at the address of `mint`.
///
/// # Errors
/// If the transaction fails, for instance since the address is taken.
pub async fn create_mint(
    tessera: &Tessera,
    payer: &AnySigner,
    mint: &AnySigner,
    decimals: u8,
) -> Result<Receipt, Error> {
    let rent = tessera.rent(Mint::LEN).await?;
    let (payer_key, mint_key, program) = (payer.pubkey(), mint.pubkey(), spl_token_interface::ID);
    let create =
        solana_system_interface::instruction::create_account(&payer_key, &mint_key, rent, Mint::LEN as u64, &program);
    let init = instruction::initialize_mint2(&program, &mint_key, &payer_key, None, decimals)
        .map_err(|e| Error::Invalid(format!("cannot create a mint: {e}")))?;
    tessera.send(&[create, init], payer, &[mint]).await
}

/// Mints `amount` base units to the associated token account of `owner`, which is created if need be.
///
/// # Errors
/// If `authority` is not the mint's authority, or the transaction fails.
pub async fn mint_to(
    tessera: &Tessera,
    authority: &AnySigner,
    mint: &Pubkey,
    owner: &Pubkey,
    amount: u64,
) -> Result<Receipt, Error> {
    let key = authority.pubkey();
    let mint_it = instruction::mint_to(&spl_token_interface::ID, mint, &ata(owner, mint), &key, &[], amount)
        .map_err(|e| Error::Invalid(format!("cannot mint: {e}")))?;
    tessera.send(&[create_ata(&key, owner, mint), mint_it], authority, &[]).await
}
