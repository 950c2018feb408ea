//! Leases and the seats in them.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, commitment::Reveal, hash::Digest};

use super::{SYSTEM, TOKEN, build, build_with, mention};
use crate::{
    pda,
    program::tessera::client::{accounts, args},
    types,
};

/// Takes a seat. `provider` is the provider account whose operator signs and pays the rent.
#[must_use]
pub fn claim_lease(operator: &Pubkey, provider: &Pubkey, market: &Pubkey, job: &Pubkey, index: u32) -> Instruction {
    let accounts = accounts::ClaimLease {
        operator: *operator,
        market: *market,
        job: *job,
        provider: *provider,
        lease: pda::lease(job, index),
        system_program: SYSTEM,
    };
    build(&accounts, &args::ClaimLease { index })
}

/// Fixes the result of a seat; `sealed` names the sealed outputs.
#[must_use]
pub fn commit_result(
    operator: &Pubkey,
    provider: &Pubkey,
    job: &Pubkey,
    index: u32,
    commitment: Digest,
    sealed: Cid,
) -> Instruction {
    let accounts =
        accounts::CommitResult { operator: *operator, provider: *provider, job: *job, lease: pda::lease(job, index) };
    build(&accounts, &args::CommitResult { commitment, sealed: sealed.0 })
}

/// Shows the roots of a seat; `key` may come along where this reveal decides the lease.
#[must_use]
pub fn reveal_result(provider: &Pubkey, job: &Pubkey, index: u32, reveal: Reveal, key: Option<Digest>) -> Instruction {
    let accounts = accounts::RevealResult { provider: *provider, job: *job, lease: pda::lease(job, index) };
    let Reveal { result_root, work_root, key_hash, nonce } = reveal;
    let reveal = types::Reveal { result_root, work_root, key_hash, nonce };
    build(&accounts, &args::RevealResult { reveal, key })
}

/// Shows the key to the sealed outputs of a seat, once the lease is decided.
#[must_use]
pub fn open_result(provider: &Pubkey, job: &Pubkey, index: u32, key: Digest) -> Instruction {
    let accounts = accounts::OpenResult { provider: *provider, lease: pda::lease(job, index) };
    build_with(&accounts, &args::OpenResult { key }, [mention(job)])
}

/// Pays one opened seat. `seat_payer` is the seat's `payer`, `lease_payer` the lease's.
#[must_use]
pub fn settle_lease(
    job: &Pubkey,
    index: u32,
    provider: &Pubkey,
    seat_payer: &Pubkey,
    lease_payer: &Pubkey,
) -> Instruction {
    let accounts = accounts::SettleLease {
        job: *job,
        lease: pda::lease(job, index),
        provider: *provider,
        escrow: pda::escrow(job),
        stake_vault: pda::stake_vault(provider),
        seat_payer: *seat_payer,
        lease_payer: *lease_payer,
        token_program: TOKEN,
    };
    build(&accounts, &args::SettleLease)
}

/// Gives up a seat in `market`. `seat_payer` is the seat's `payer`. Its bond is lost if the provider has no free return left.
#[must_use]
pub fn return_lease(
    operator: &Pubkey,
    provider: &Pubkey,
    market: &Pubkey,
    job: &Pubkey,
    index: u32,
    seat_payer: &Pubkey,
) -> Instruction {
    let accounts = accounts::ReturnLease {
        operator: *operator,
        provider: *provider,
        lease: pda::lease(job, index),
        seat_payer: *seat_payer,
        market: *market,
    };
    build_with(&accounts, &args::ReturnLease, [mention(job)])
}

/// Takes out a seat whose window has passed. `seat_payer` is the seat's `payer`.
#[must_use]
pub fn expire_lease(job: &Pubkey, index: u32, provider: &Pubkey, seat_payer: &Pubkey) -> Instruction {
    let accounts = accounts::ExpireLease {
        job: *job,
        lease: pda::lease(job, index),
        provider: *provider,
        seat_payer: *seat_payer,
    };
    build(&accounts, &args::ExpireLease)
}

/// Closes a lease account that has no seats and will get none. `payer` is the lease's.
#[must_use]
pub fn close_lease(job: &Pubkey, index: u32, payer: &Pubkey) -> Instruction {
    let accounts = accounts::CloseLease { job: *job, lease: pda::lease(job, index), payer: *payer };
    build(&accounts, &args::CloseLease)
}
