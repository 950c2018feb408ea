//! Uploading a program to a buffer of the upgradeable loader: many small writes in parallel, each of which may be lost,
//! checked against the account until nothing is missing. What an earlier run has written is not written again.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use solana_commitment_config::CommitmentConfig;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_loader_v3_interface::{instruction as loader, state::UpgradeableLoaderState};
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::config::RpcSendTransactionConfig;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::Transaction;
use tokio::time::{Instant, sleep};

use crate::Error;

/// Largest transaction that the network carries, in bytes.
const PACKET: usize = 1232;
/// Compute units of a write and its budget instructions.
pub(crate) const WRITE_UNITS: u32 = 5_000;
/// Writes that share a blockhash; as many as one status request may ask for.
const BATCH: usize = 256;
/// Writes on their way at once.
const PARALLEL: usize = 24;
/// Rounds without progress before the upload is given up.
const IDLE_ROUNDS: u32 = 4;
const POLL: Duration = Duration::from_millis(250);
/// A blockhash lives for a minute or so.
const BATCH_TIMEOUT: Duration = Duration::from_secs(100);

/// Who writes what where.
pub(crate) struct Upload<'a> {
    pub rpc: &'a Arc<RpcClient>,
    pub payer: &'a Keypair,
    pub authority: &'a Keypair,
    pub buffer: Pubkey,
    pub priority_fee: u64,
    pub elf: &'a [u8],
    pub chunk_len: usize,
}

/// Offsets of the chunks of `elf` that `written` does not have.
pub(crate) fn missing(elf: &[u8], written: &[u8], chunk_len: usize) -> Vec<usize> {
    let chunks = elf.chunks(chunk_len.max(1)).enumerate().map(|(i, chunk)| (i * chunk_len, chunk));
    chunks.filter(|(at, chunk)| written.get(*at..*at + chunk.len()) != Some(chunk)).map(|(at, _)| at).collect()
}

/// How many bytes of program fit into one transaction.
pub(crate) fn chunk_len(payer: &Pubkey, authority: &Pubkey, priority_fee: u64) -> usize {
    // Of the length that a full chunk has, so that its own length prefix is counted in full.
    let probe = vec![0; 512];
    let instructions = write(&Pubkey::new_from_array([1; 32]), authority, priority_fee, 0, probe);
    let message = Message::new(&instructions, Some(payer));
    let size = 1 + usize::from(message.header.num_required_signatures) * 64 + message.serialize().len();
    PACKET.saturating_sub(size - 512)
}

fn write(buffer: &Pubkey, authority: &Pubkey, priority_fee: u64, offset: u32, bytes: Vec<u8>) -> Vec<Instruction> {
    let mut instructions = vec![];
    if priority_fee > 0 {
        instructions.push(ComputeBudgetInstruction::set_compute_unit_limit(WRITE_UNITS));
        instructions.push(ComputeBudgetInstruction::set_compute_unit_price(priority_fee));
    }
    instructions.push(loader::write(buffer, authority, offset, bytes));
    instructions
}

impl Upload<'_> {
    /// Writes what is missing, until nothing is. Tells `progress` how many chunks are written, and of how many.
    pub(crate) async fn run(&self, progress: &mut (dyn FnMut(usize, usize) + Send)) -> Result<(), Error> {
        let total = self.elf.len().div_ceil(self.chunk_len);
        let (mut before, mut idle, mut refusal) = (usize::MAX, 0, None);
        loop {
            let todo = missing(self.elf, &self.written().await?, self.chunk_len);
            progress(total - todo.len(), total);
            if todo.is_empty() {
                return Ok(());
            }
            idle = if todo.len() < before { 0 } else { idle + 1 };
            before = todo.len();
            if idle == IDLE_ROUNDS {
                let what = format!("uploading to buffer {}", self.buffer);
                return Err(match refusal {
                    Some(reason) => Error::Refused { what, reason, logs: vec![] },
                    None => Error::Stuck { what },
                });
            }
            let mut done = total - todo.len();
            for batch in todo.chunks(BATCH) {
                refusal = self.batch(batch).await?.or(refusal);
                done += batch.len();
                progress(done.min(total), total);
            }
        }
    }

    async fn written(&self) -> Result<Vec<u8>, Error> {
        let what = || format!("cannot read buffer {}", self.buffer);
        let account = self.rpc.get_account_with_commitment(&self.buffer, CommitmentConfig::confirmed()).await;
        let account = account.map_err(Error::rpc(what()))?.value;
        let account = account.ok_or_else(|| Error::Conflict(format!("{}: it does not exist any more", what())))?;
        Ok(account.data.get(UpgradeableLoaderState::size_of_buffer_metadata()..).unwrap_or_default().to_vec())
    }

    /// Sends one batch of writes and waits until each has landed or can no longer. Returns why one was refused, if any
    /// was: the caller looks at the account to see what is still missing.
    async fn batch(&self, offsets: &[usize]) -> Result<Option<String>, Error> {
        let latest = self.rpc.get_latest_blockhash_with_commitment(CommitmentConfig::confirmed()).await;
        let (blockhash, last_valid) = latest.map_err(Error::rpc("cannot read the latest blockhash"))?;
        let mut signers = vec![self.payer];
        signers.extend((self.authority.pubkey() != self.payer.pubkey()).then_some(self.authority));
        let mut transactions = Vec::with_capacity(offsets.len());
        for at in offsets {
            let chunk = self.elf.get(*at..).unwrap_or_default();
            let chunk = chunk.get(..self.chunk_len).unwrap_or(chunk).to_vec();
            let offset = u32::try_from(*at).map_err(|_| Error::Value("the program is larger than 4 GiB".into()))?;
            let instructions = write(&self.buffer, &self.authority.pubkey(), self.priority_fee, offset, chunk);
            let message = Message::new(&instructions, Some(&self.payer.pubkey()));
            let mut transaction = Transaction::new_unsigned(message);
            transaction.try_sign(&signers, blockhash).map_err(|e| Error::Value(format!("cannot sign: {e}")))?;
            transactions.push(transaction);
        }
        let config = RpcSendTransactionConfig { skip_preflight: true, ..RpcSendTransactionConfig::default() };
        let send = |transaction: &Transaction| {
            let (rpc, transaction) = (Arc::clone(self.rpc), transaction.clone());
            async move { rpc.send_transaction_with_config(&transaction, config).await }
        };
        let sent: Vec<_> = stream::iter(transactions.iter().map(send)).buffer_unordered(PARALLEL).collect().await;
        let mut refusal = None;
        let mut waiting: Vec<Signature> = vec![];
        for answer in sent {
            match answer {
                Ok(signature) => waiting.push(signature),
                Err(error) => refusal = Some(error.to_string()),
            }
        }
        let give_up = Instant::now() + BATCH_TIMEOUT;
        while !waiting.is_empty() && Instant::now() < give_up {
            sleep(POLL).await;
            // An endpoint that does not answer for a moment is asked again; the loop ends in time all the same.
            if let Ok(statuses) = self.rpc.get_signature_statuses(&waiting).await {
                let landed = |status: &solana_transaction_status_client_types::TransactionStatus| {
                    status.satisfies_commitment(CommitmentConfig::confirmed())
                };
                let mut statuses = statuses.value.into_iter();
                waiting.retain(|_| {
                    let status = statuses.next().flatten().filter(landed);
                    if let Some(error) = status.as_ref().and_then(|status| status.err.as_ref()) {
                        refusal = Some(error.to_string());
                    }
                    status.is_none()
                });
            }
            let height = self.rpc.get_block_height_with_commitment(CommitmentConfig::confirmed()).await;
            if height.is_ok_and(|height| height > last_valid) {
                break;
            }
        }
        Ok(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_missing() {
        let elf = b"aabbccd";
        assert_eq!(missing(elf, &[0; 7], 2), [0, 2, 4, 6]);
        assert_eq!(missing(elf, elf, 2), [0; 0]);
        assert_eq!(missing(elf, b"aaxbccx", 2), [2, 6]);
        assert_eq!(missing(elf, b"aabb", 2), [4, 6]);
        assert_eq!(missing(&[0, 0, 1], &[0, 0, 0], 2), [2], "a new buffer is zero already");
    }

    #[test]
    fn a_full_chunk_fills_a_packet() {
        for (authority, priority_fee) in [(0, 0), (0, 9), (1, 0), (1, 9)] {
            let keys = [Keypair::new(), Keypair::new()];
            let (payer, authority) = (&keys[0], &keys[authority]);
            let len = chunk_len(&payer.pubkey(), &authority.pubkey(), priority_fee);
            let buffer = Pubkey::new_unique();
            let instructions = write(&buffer, &authority.pubkey(), priority_fee, u32::MAX, vec![7; len]);
            let mut transaction = Transaction::new_unsigned(Message::new(&instructions, Some(&payer.pubkey())));
            let mut signers = vec![payer, authority];
            signers.dedup_by_key(|key| key.pubkey());
            transaction.try_sign(&signers, Default::default()).unwrap();
            assert_eq!(bincode::serialize(&transaction).unwrap().len(), PACKET);
        }
    }
}
