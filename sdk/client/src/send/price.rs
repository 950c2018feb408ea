//! What a transaction is to cost: compute units and the fee for each.

use solana_instruction::Instruction;
use solana_message::Hash;
use solana_pubkey::Pubkey;
use solana_rpc_client_api::config::RpcSimulateTransactionConfig;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status_client_types::UiTransactionEncoding;

use super::refusal;
use crate::{Error, Format, PriorityFee, Tessera, failure};

/// Most compute units of a transaction.
const MAX_UNITS: u32 = 1_400_000;
/// Compute units by which transactions differ that are equal otherwise. Of two processes with one key that want the same within a
/// slot, one would be taken for the other: two equal transactions with one blockhash have one signature.
const DIFFERENCE: u64 = 4_096;

impl Tessera {
    /// Micro-lamports per compute unit to offer.
    pub(super) async fn priority_fee(&self, instructions: &[Instruction]) -> Result<u64, Error> {
        let (percentile, cap) = match self.config().priority_fee {
            PriorityFee::None => return Ok(0),
            PriorityFee::Fixed(price) => return Ok(price),
            PriorityFee::Recent { percentile, cap } => (percentile, cap),
        };
        let mut written: Vec<Pubkey> = instructions
            .iter()
            .flat_map(|ix| &ix.accounts)
            .filter(|meta| meta.is_writable)
            .map(|meta| meta.pubkey)
            .collect();
        written.sort_unstable();
        written.dedup();
        // The most that the request takes.
        written.truncate(128);
        let written = &written;
        let fees = self.rpc().call(|rpc| async move { rpc.get_recent_prioritization_fees(written).await });
        let fees = match fees.await {
            Ok(fees) => fees,
            // Endpoints that do not tell are no reason not to send.
            Err(Error::Rpc { url, source }) => {
                tracing::debug!(url, %source, "no recent fees");
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        Ok(percentile_of(fees.into_iter().map(|fee| fee.prioritization_fee).collect(), percentile).min(cap))
    }

    /// Runs a transaction without effect and returns the compute units to ask for.
    pub(super) async fn simulate(
        &self,
        format: Format,
        instructions: &[Instruction],
        payer: &Pubkey,
    ) -> Result<u32, Error> {
        let message = format.compile(instructions, payer, MAX_UNITS, 0, Hash::default())?;
        let signatures = vec![Signature::default(); usize::from(message.header().num_required_signatures)];
        let transaction = VersionedTransaction { signatures, message };
        let commitment = self.config().commitment;
        let answer = self.rpc().call(|rpc| {
            let transaction = &transaction;
            let config = RpcSimulateTransactionConfig {
                sig_verify: false,
                replace_recent_blockhash: true,
                commitment: Some(commitment),
                encoding: Some(UiTransactionEncoding::Base64),
                ..RpcSimulateTransactionConfig::default()
            };
            async move { rpc.simulate_transaction_with_config(transaction, config).await }
        });
        let result = answer.await.map_err(refusal)?.value;
        if let Some(error) = result.err {
            return Err(failure::decode(&error.into(), &result.logs.unwrap_or_default()));
        }
        // State may change until it runs, and with it the work: bump seeds are found, vectors grow.
        let used = result.units_consumed.unwrap_or(u64::from(MAX_UNITS));
        let room = used / 5 + 5_000 + fastrand::u64(..DIFFERENCE);
        Ok(u32::try_from(used + room).unwrap_or(MAX_UNITS).min(MAX_UNITS))
    }
}

/// The nearest-rank percentile; 0 of nothing.
fn percentile_of(mut values: Vec<u64>, percentile: u8) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * usize::from(percentile)).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile_of(vec![], 50), 0);
        assert_eq!(percentile_of(vec![5, 1, 3, 2, 4], 50), 3);
        assert_eq!(percentile_of(vec![5, 1, 3, 2, 4], 0), 1);
        assert_eq!(percentile_of(vec![5, 1, 3, 2, 4], 100), 5);
    }
}
