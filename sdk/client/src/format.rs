//! The wire formats of transactions.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_message::{
    Hash, Message, VersionedMessage,
    v1::{self, TransactionConfig},
};
use solana_pubkey::Pubkey;

use crate::{Error, Tessera};

/// The feature that brings transactions of version 1 (SIMD-0385).
const VERSION_1: Pubkey = Pubkey::from_str_const("txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL");
/// The program that owns the accounts of features.
const FEATURES: Pubkey = Pubkey::from_str_const("Feature111111111111111111111111111111111111");
/// Bytes of a signature.
const SIGNATURE: usize = 64;
/// Bytes of accounts that a transaction may load: what a legacy one gets without asking, and version 1 must ask for.
const MAX_LOADED: u32 = 64 << 20;
/// How long the cluster's format is taken for known.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Most addresses, and most instructions with those that they call, that every cluster takes in a transaction.
const MOST: usize = 64;
/// Instructions that one of the program's calls at most, and itself.
const CALLS: usize = 2;

/// How a transaction is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As every cluster takes it: 1,232 bytes.
    Legacy,
    /// Version 1: 4,096 bytes.
    V1,
}

impl Format {
    /// Most bytes of a transaction with its signatures.
    #[must_use]
    pub const fn max_len(self) -> usize {
        match self {
            Self::Legacy => 1_232,
            Self::V1 => v1::MAX_TRANSACTION_SIZE,
        }
    }

    /// A message that asks for `limit` compute units and offers `price` micro-lamports for each.
    ///
    /// # Errors
    /// If the instructions name more than a message can hold.
    pub fn compile(
        self,
        instructions: &[Instruction],
        payer: &Pubkey,
        limit: u32,
        price: u64,
        blockhash: Hash,
    ) -> Result<VersionedMessage, Error> {
        match self {
            Self::Legacy => {
                let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(limit)];
                if price > 0 {
                    all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
                }
                all.extend_from_slice(instructions);
                let message = Message::new_with_blockhash(&all, Some(payer), &blockhash);
                Ok(VersionedMessage::Legacy(message))
            }
            Self::V1 => {
                let fee = (u128::from(price) * u128::from(limit)).div_ceil(1_000_000);
                let mut config = TransactionConfig::empty()
                    .with_compute_unit_limit(limit)
                    .with_loaded_accounts_data_size_limit(MAX_LOADED);
                if fee > 0 {
                    config = config.with_priority_fee(u64::try_from(fee).unwrap_or(u64::MAX));
                }
                v1::Message::try_compile_with_config(payer, instructions, blockhash, config)
                    .map(VersionedMessage::V1)
                    .map_err(|e| Error::Signing(format!("these instructions make no transaction: {e}")))
            }
        }
    }

    /// Bytes of the transaction that `payer` alone signs; `None` if it is none that a cluster takes.
    #[must_use]
    pub fn len(self, instructions: &[Instruction], payer: &Pubkey) -> Option<usize> {
        // With a price, so that a fee still fits.
        let message = self.compile(instructions, payer, u32::MAX, 1, Hash::default()).ok()?;
        let taken = message.static_account_keys().len() <= MOST && message.instructions().len() * CALLS <= MOST;
        let signatures = usize::from(message.header().num_required_signatures) * SIGNATURE;
        // Before the signatures a legacy transaction has their number.
        let len = message.serialize().len() + signatures + usize::from(self == Self::Legacy);
        (taken && len <= self.max_len()).then_some(len)
    }
}

impl Tessera {
    /// The format that holds most of what the cluster takes; asked again after a while.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn format(&self) -> Result<Format, Error> {
        let known = *self.known_format().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((format, since)) = known
            && since.elapsed() < REMEMBERED
        {
            return Ok(format);
        }
        let feature = self.raw(&FEATURES, &[VERSION_1]).await?.pop().flatten();
        // An account of a feature: whether it is active, then since which slot.
        let active = feature.is_some_and(|bytes| bytes.first() == Some(&1));
        let format = if active { Format::V1 } else { Format::Legacy };
        self.remember(format);
        Ok(format)
    }

    /// Uses a format for a while.
    pub(crate) fn remember(&self, format: Format) {
        *self.known_format().lock().unwrap_or_else(PoisonError::into_inner) = Some((format, Instant::now()));
    }
}
