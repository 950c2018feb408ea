//! Audits and disputes. Nobody signs: anyone may send these.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SLOT_HASHES, TOKEN, build, build_with, mention};
use crate::{
    pda,
    program::tessera::client::{accounts, args},
};

/// Takes the seed that ranks providers for the seats of the open group of a lease.
#[must_use]
pub fn seed_lease(job: &Pubkey, index: u32) -> Instruction {
    let accounts = accounts::SeedLease { lease: pda::lease(job, index), slot_hashes: SLOT_HASHES };
    build_with(&accounts, &args::SeedLease, [mention(job)])
}

/// Reads whether the committed seat of `provider` is audited.
#[must_use]
pub fn draw_audit(job: &Pubkey, index: u32, provider: &Pubkey) -> Instruction {
    let accounts =
        accounts::DrawAudit { job: *job, lease: pda::lease(job, index), provider: *provider, slot_hashes: SLOT_HASHES };
    build(&accounts, &args::DrawAudit)
}

/// Lets a lease go on without those who are late: closes a window for revealing, or a group that nobody fills.
#[must_use]
pub fn advance_lease(job: &Pubkey, index: u32) -> Instruction {
    build(&accounts::AdvanceLease { job: *job, lease: pda::lease(job, index) }, &args::AdvanceLease)
}

/// Takes the lock of the convicted seat of `provider`. `seat_payer` is the seat's `payer`.
#[must_use]
pub fn slash_seat(market: &Pubkey, job: &Pubkey, index: u32, provider: &Pubkey, seat_payer: &Pubkey) -> Instruction {
    let accounts = accounts::SlashSeat {
        market: *market,
        job: *job,
        lease: pda::lease(job, index),
        provider: *provider,
        stake_vault: pda::stake_vault(provider),
        escrow: pda::escrow(job),
        seat_payer: *seat_payer,
        token_program: TOKEN,
    };
    build(&accounts, &args::SlashSeat)
}
