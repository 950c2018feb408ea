//! An answer to a demand on its way to the chain: longer than a transaction, so it is written piece by piece.

use anchor_lang::prelude::*;

/// Bytes of an answer. Address: `["answer", lease, provider, payer]`. Behind the fields lie the bytes, the Borsh of a
/// `tessera_protocol::outputs::Answer`.
#[account]
#[derive(InitSpace, Debug)]
pub struct ChunkAnswer {
    /// Layout version.
    pub version: u8,
    /// Who pays its rent, writes it, and gets the rent back.
    pub payer: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// The provider that it answers for.
    pub provider: Pubkey,
}

impl ChunkAnswer {
    /// Where the bytes begin.
    pub const BYTES_OFFSET: usize = Self::DISCRIMINATOR.len() + Self::INIT_SPACE;

    /// Bytes of the account of an answer of `len` bytes.
    #[must_use]
    pub const fn space(len: u16) -> usize {
        Self::BYTES_OFFSET + len as usize
    }
}
