//! `begin_proof`: a provider is about to show that it has so much device memory.

use anchor_lang::prelude::*;
use tessera_protocol::capability;

use crate::{
    errors::TesseraError,
    state::{Moment, Provider},
};

/// Accounts of `begin_proof`.
#[derive(Accounts)]
pub struct BeginProof<'info> {
    /// Hot key of the provider.
    pub operator: Signer<'info>,
    /// The provider.
    #[account(mut, has_one = operator @ TesseraError::WrongOperator)]
    pub provider: AccountLoader<'info, Provider>,
}

impl BeginProof<'_> {
    /// Checks the memory.
    pub fn validate(memory_mib: u32) -> Result<()> {
        let (least, most) = capability::MEMORY_MIB;
        require!((least..=most).contains(&memory_mib), TesseraError::ProofMemoryOutOfBounds);
        Ok(())
    }

    /// Fixes the slot after which the seed is known, and from which the time counts.
    pub fn handle(ctx: Context<Self>, memory_mib: u32) -> Result<()> {
        Self::validate(memory_mib)?;
        ctx.accounts.provider.load_mut()?.begin_proof(memory_mib, Moment::now()?);
        Ok(())
    }
}
