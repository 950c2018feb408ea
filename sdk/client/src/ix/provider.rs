//! Providers. The provider account is that of `authority` in `market`; tokens come from and go to the associated token
//! account of the authority.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::{capability::SHOWN, routing::Capabilities};

use super::{SLOT_HASHES, SYSTEM, TOKEN, build};
use crate::{
    pda,
    program::tessera::client::{accounts, args},
    token, types,
};

const fn capabilities(has: Capabilities) -> types::Capabilities {
    types::Capabilities { memory_mib: has.memory_mib, class: has.class, region: has.region }
}

/// Creates a provider, paid by `authority`, whose workers sign with `operator`.
#[must_use]
pub fn register_provider(
    authority: &Pubkey,
    market: &Pubkey,
    mint: &Pubkey,
    operator: &Pubkey,
    has: Capabilities,
) -> Instruction {
    let provider = pda::provider(market, authority);
    let accounts = accounts::RegisterProvider {
        authority: *authority,
        market: *market,
        mint: *mint,
        provider,
        stake_vault: pda::stake_vault(&provider),
        token_program: TOKEN,
        system_program: SYSTEM,
    };
    build(&accounts, &args::RegisterProvider { operator: *operator, capabilities: capabilities(has) })
}

/// Replaces what is given.
#[must_use]
pub fn update_provider(
    authority: &Pubkey,
    market: &Pubkey,
    operator: Option<Pubkey>,
    has: Option<Capabilities>,
) -> Instruction {
    let accounts = accounts::UpdateProvider { authority: *authority, provider: pda::provider(market, authority) };
    build(&accounts, &args::UpdateProvider { operator, capabilities: has.map(capabilities) })
}

/// Begins a proof that `provider` has so much device memory; `operator` signs, as for [`finish_proof`].
#[must_use]
pub fn begin_proof(operator: &Pubkey, provider: &Pubkey, memory_mib: u32) -> Instruction {
    let accounts = accounts::BeginProof { operator: *operator, provider: *provider };
    build(&accounts, &args::BeginProof { memory_mib })
}

/// Shows places of the table that filled the memory, see [`tessera_protocol::capability`].
#[must_use]
pub fn finish_proof(operator: &Pubkey, provider: &Pubkey, shown: [u32; SHOWN]) -> Instruction {
    let accounts = accounts::FinishProof { operator: *operator, provider: *provider, slot_hashes: SLOT_HASHES };
    build(&accounts, &args::FinishProof { shown })
}

/// Adds to the stake.
#[must_use]
pub fn add_stake(authority: &Pubkey, market: &Pubkey, mint: &Pubkey, amount: u64) -> Instruction {
    let provider = pda::provider(market, authority);
    let accounts = accounts::AddStake {
        authority: *authority,
        market: *market,
        provider,
        stake_vault: pda::stake_vault(&provider),
        from: token::ata(authority, mint),
        token_program: TOKEN,
    };
    build(&accounts, &args::AddStake { amount })
}

/// Asks for stake back.
#[must_use]
pub fn request_unstake(authority: &Pubkey, market: &Pubkey, amount: u64) -> Instruction {
    let accounts =
        accounts::RequestUnstake { authority: *authority, market: *market, provider: pda::provider(market, authority) };
    build(&accounts, &args::RequestUnstake { amount })
}

/// Takes all stake that was asked back.
#[must_use]
pub fn withdraw_stake(authority: &Pubkey, market: &Pubkey, mint: &Pubkey) -> Instruction {
    let provider = pda::provider(market, authority);
    let accounts = accounts::WithdrawStake {
        authority: *authority,
        provider,
        stake_vault: pda::stake_vault(&provider),
        to: token::ata(authority, mint),
        token_program: TOKEN,
    };
    build(&accounts, &args::WithdrawStake)
}

/// Moves what was earned to the authority; `signer` is the authority or the operator.
#[must_use]
pub fn withdraw_earnings(signer: &Pubkey, authority: &Pubkey, market: &Pubkey, mint: &Pubkey) -> Instruction {
    let provider = pda::provider(market, authority);
    let accounts = accounts::WithdrawEarnings {
        signer: *signer,
        provider,
        stake_vault: pda::stake_vault(&provider),
        to: token::ata(authority, mint),
        token_program: TOKEN,
    };
    build(&accounts, &args::WithdrawEarnings)
}

/// Burns the stake that a provider has lost; anyone may.
#[must_use]
pub fn burn_bonds(provider: &Pubkey, market: &Pubkey, mint: &Pubkey) -> Instruction {
    let accounts = accounts::BurnBonds {
        market: *market,
        provider: *provider,
        stake_vault: pda::stake_vault(provider),
        mint: *mint,
        token_program: TOKEN,
    };
    build(&accounts, &args::BurnBonds)
}
