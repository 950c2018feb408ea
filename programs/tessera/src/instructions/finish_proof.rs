//! `finish_proof`: a provider shows places of the table that has filled its memory, and the program computes each of them.

use anchor_lang::prelude::*;
use tessera_protocol::{
    audit,
    capability::{self, SHOWN},
};

use crate::{
    errors::TesseraError,
    events::CapabilityProven,
    state::{Moment, Provider, Seed, SLOT_HASHES},
};

/// Accounts of `finish_proof`.
#[derive(Accounts)]
pub struct FinishProof<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
    /// The hashes of the latest slots.
    /// CHECK: the sysvar is found by its address, and read where it lies.
    #[account(address = SLOT_HASHES)]
    pub slot_hashes: UncheckedAccount<'info>,
}

impl FinishProof<'_> {
    /// Checks the places, and returns the seed they belong to.
    pub fn validate(&self, provider: &Provider, shown: &[u32; SHOWN]) -> Result<Seed> {
        require!(provider.proof_slot != 0, TesseraError::NoProof);
        let target = audit::draw_slot(provider.proof_slot);
        let seed = Seed::after(self.slot_hashes.as_ref(), target)?.ok_or(TesseraError::ProofMissed)?;
        let of = capability::seed(&seed.hash, self.provider.key().as_array(), provider.proof_mib);
        require!(capability::is_proof(&of, provider.proof_mib, shown), TesseraError::WrongProof);
        Ok(seed)
    }

    /// Notes the memory, and how fast it was filled.
    pub fn handle(ctx: Context<Self>, shown: [u32; SHOWN]) -> Result<()> {
        let accounts = ctx.accounts;
        let provider = &mut *accounts.provider.load_mut()?;
        let seed = accounts.validate(provider, &shown)?;
        provider.finish_proof(seed.slot, Moment::now()?);
        let Provider { proven_mib: memory_mib, speed, proven_at: at, .. } = *provider;
        emit!(CapabilityProven { provider: accounts.provider.key(), memory_mib, speed, at });
        Ok(())
    }
}
