//! Seeds out of slot hashes.

use anchor_lang::prelude::*;
use tessera_protocol::slot_hashes::{self, Lookup};

use crate::errors::TesseraError;

/// Address of the sysvar that holds the hashes of the latest slots.
pub const SLOT_HASHES: Pubkey = pubkey!("SysvarS1otHashes111111111111111111111111111");

/// A slot and its hash, which nobody knew before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The slot.
    pub slot: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl Seed {
    /// The first slot at or after `target`. `None` if that can no longer be read: then another slot must decide that has not
    /// ended, since whoever asks could choose among those that have.
    pub fn after(sysvar: &AccountInfo<'_>, target: u64) -> Result<Option<Self>> {
        let data = sysvar.try_borrow_data()?;
        match slot_hashes::first_at_or_after(&data, target) {
            Lookup::Found(slot, hash) => Ok(Some(Self { slot, hash })),
            Lookup::TooEarly => err!(TesseraError::SlotTooEarly),
            Lookup::Missed => Ok(None),
        }
    }
}
