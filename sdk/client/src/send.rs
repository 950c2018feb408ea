//! Sending transactions so that each has its effect once: a transaction is signed anew only when its predecessor can no
//! longer land, and a lost answer is looked up, never guessed.

use std::{collections::VecDeque, time::Duration};

use solana_commitment_config::CommitmentConfig;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Hash, VersionedMessage};
use solana_pubkey::Pubkey;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind, TransactionError},
    config::{RpcSendTransactionConfig, RpcSimulateTransactionConfig},
    request::RpcError,
};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status_client_types::UiTransactionEncoding;
use tokio::time::{Instant, sleep};

use crate::{ComputeUnits, Error, Event, Format, PriorityFee, Tessera, events, failure};

/// How often a transaction is signed anew before it is given up.
const ATTEMPTS: u32 = 5;
/// Most compute units of a transaction.
const MAX_UNITS: u32 = 1_400_000;
/// How often a transaction that has not landed is sent again.
const REBROADCAST: Duration = Duration::from_secs(2);
/// First and longest pause between two looks for a transaction.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Longest that an attempt may take, in case block heights do not advance.
const ATTEMPT: Duration = Duration::from_secs(150);
/// How long the log of a landed transaction is waited for.
const LOG_WAIT: Duration = Duration::from_secs(15);
/// Signatures remembered, so that two equal transactions are not taken for one.
const REMEMBERED: usize = 4096;

/// A transaction that landed and succeeded.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Its signature.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// Compute units that it took.
    pub compute_units: u64,
    /// Its fee in lamports.
    pub fee: u64,
    /// Its log; empty where the endpoint keeps none.
    pub logs: Vec<String>,
    /// The program's events in it.
    pub events: Vec<Event>,
}

/// Where an attempt ended.
enum Attempt {
    Landed(u64, Option<TransactionError>),
    Expired,
}

/// Signatures of this process's latest transactions.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<Signature>);

impl Recent {
    /// Remembers a signature; false if it was there.
    fn add(&mut self, signature: Signature) -> bool {
        if self.0.contains(&signature) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(signature);
        true
    }
}

impl Tessera {
    /// Sends a transaction and waits until it has landed.
    ///
    /// `signers` are those besides `payer`. On [`Error::Program`] and [`Error::Transaction`] nothing has changed; on
    /// [`Error::Expired`] nothing has happened and nothing will; on [`Error::Unknown`] look the signature up.
    ///
    /// # Errors
    /// If it is refused, expires in every attempt, or no endpoint answers.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        payer: &Keypair,
        signers: &[&Keypair],
    ) -> Result<Receipt, Error> {
        self.send_in(Format::Legacy, instructions, payer, signers).await
    }

    /// As [`Self::send`], in a certain format.
    pub(crate) async fn send_in(
        &self,
        format: Format,
        instructions: &[Instruction],
        payer: &Keypair,
        signers: &[&Keypair],
    ) -> Result<Receipt, Error> {
        let mut keys: Vec<&Keypair> = vec![payer];
        keys.extend(signers.iter().filter(|key| key.pubkey() != payer.pubkey()));
        let price = self.priority_fee(instructions).await?;
        let limit = match self.config().compute_units {
            ComputeUnits::Fixed(units) => units,
            ComputeUnits::Auto => self.simulate(format, instructions, payer).await?,
        };
        let compile = |blockhash| format.compile(instructions, &payer.pubkey(), limit, price, blockhash);
        let mut signature = Signature::default();
        for _ in 0..ATTEMPTS {
            let (transaction, last_valid) = self.sign(&compile, &keys).await?;
            signature = transaction.signatures.first().copied().unwrap_or_default();
            match self.land(&transaction, signature, last_valid).await? {
                Attempt::Landed(slot, error) => return self.receipt(signature, slot, error).await,
                Attempt::Expired => tracing::debug!(%signature, "transaction expired, signing anew"),
            }
        }
        Err(Error::Expired { attempts: ATTEMPTS, signature })
    }

    /// Micro-lamports per compute unit to offer.
    async fn priority_fee(&self, instructions: &[Instruction]) -> Result<u64, Error> {
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
        let fees = self.rpc().call(|rpc| async move { rpc.get_recent_prioritization_fees(written).await }).await?;
        Ok(percentile_of(fees.into_iter().map(|fee| fee.prioritization_fee).collect(), percentile).min(cap))
    }

    /// Runs a transaction without effect and returns the compute units to ask for.
    async fn simulate(&self, format: Format, instructions: &[Instruction], payer: &Keypair) -> Result<u32, Error> {
        let message = format.compile(instructions, &payer.pubkey(), MAX_UNITS, 0, Hash::default())?;
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
        Ok(u32::try_from(used + used / 5 + 5_000).unwrap_or(MAX_UNITS).min(MAX_UNITS))
    }

    /// Signs with a fresh blockhash. A transaction equal to an earlier one of this process waits for another blockhash:
    /// with the same it would have the same signature, and one of the two would never run.
    async fn sign(
        &self,
        compile: &impl Fn(Hash) -> Result<VersionedMessage, Error>,
        keys: &[&Keypair],
    ) -> Result<(VersionedTransaction, u64), Error> {
        let commitment = self.config().commitment;
        for _ in 0..150 {
            let answer =
                self.rpc().call(|rpc| async move { rpc.get_latest_blockhash_with_commitment(commitment).await });
            let (blockhash, last_valid) = answer.await?;
            let transaction = VersionedTransaction::try_new(compile(blockhash)?, keys)
                .map_err(|e| Error::Signing(format!("{e}; check that every signer's key was given")))?;
            let signature = transaction.signatures.first().copied().unwrap_or_default();
            let new = self.recent().lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(signature);
            if new {
                return Ok((transaction, last_valid));
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(Error::Signing("the cluster has made no new block for 30 s".into()))
    }

    /// Sends until it has landed or can no longer land.
    async fn land(
        &self,
        transaction: &VersionedTransaction,
        signature: Signature,
        last_valid: u64,
    ) -> Result<Attempt, Error> {
        let unknown = |source: Error| Error::Unknown { signature, source: Box::new(source) };
        let started = Instant::now();
        let (mut sent, mut pause) = (None::<Instant>, LOOK.0);
        loop {
            if sent.is_none_or(|at| at.elapsed() >= REBROADCAST) {
                let first = sent.is_none();
                let answer = self.broadcast(transaction).await;
                sent = Some(Instant::now());
                match answer {
                    Ok(()) => {}
                    // Whether it arrived is found out below.
                    Err(error @ (Error::Unreachable { .. } | Error::Rpc { .. })) if !first || error.is_transient() => {
                        tracing::debug!(%signature, %error, "sending failed");
                    }
                    Err(error) if first => {
                        if let Some((slot, failed)) = self.status(signature, false).await.map_err(unknown)? {
                            return Ok(Attempt::Landed(slot, failed));
                        }
                        return Err(refusal(error));
                    }
                    Err(error) => tracing::debug!(%signature, %error, "sending again was refused"),
                }
            }
            if let Some((slot, error)) = self.status(signature, false).await.map_err(unknown)? {
                return Ok(Attempt::Landed(slot, error));
            }
            let commitment = self.config().commitment;
            let height = self.rpc().call(|rpc| async move { rpc.get_block_height_with_commitment(commitment).await });
            if height.await.map_err(unknown)? > last_valid || started.elapsed() > ATTEMPT {
                return self.expired(signature, started).await.map_err(unknown);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
        }
    }

    /// The last look at a transaction whose blockhash has passed: it may have landed in the last moment.
    async fn expired(&self, signature: Signature, started: Instant) -> Result<Attempt, Error> {
        // Where heights do not tell, only time does: no cluster keeps a blockhash for longer than this.
        if started.elapsed() < ATTEMPT {
            sleep(LOOK.1).await;
        }
        let status = self.status(signature, true).await?;
        Ok(status.map_or(Attempt::Expired, |(slot, error)| Attempt::Landed(slot, error)))
    }

    async fn broadcast(&self, transaction: &VersionedTransaction) -> Result<(), Error> {
        // What can be refused was refused by the simulation; a second one would only cost time.
        let skip_preflight = self.config().compute_units == ComputeUnits::Auto;
        let level = self.config().commitment.commitment;
        let sent = self.rpc().call(|rpc| {
            let config = RpcSendTransactionConfig {
                skip_preflight,
                preflight_commitment: Some(level),
                encoding: Some(UiTransactionEncoding::Base64),
                ..RpcSendTransactionConfig::default()
            };
            async move {
                match rpc.send_transaction_with_config(transaction, config).await {
                    Err(error) if is_processed(&error) => Ok(()),
                    answer => answer.map(drop),
                }
            }
        });
        sent.await
    }

    /// Slot and outcome of a transaction that has landed at the configured commitment.
    async fn status(
        &self,
        signature: Signature,
        search: bool,
    ) -> Result<Option<(u64, Option<TransactionError>)>, Error> {
        let signatures = [signature];
        let answer = self.rpc().call(|rpc| async move {
            if search {
                rpc.get_signature_statuses_with_history(&signatures).await
            } else {
                rpc.get_signature_statuses(&signatures).await
            }
        });
        let status = answer.await?.value.into_iter().next().flatten();
        let commitment: CommitmentConfig = self.config().commitment;
        Ok(status.filter(|status| status.satisfies_commitment(commitment)).map(|status| (status.slot, status.err)))
    }

    async fn receipt(
        &self,
        signature: Signature,
        slot: u64,
        error: Option<TransactionError>,
    ) -> Result<Receipt, Error> {
        let give_up = Instant::now() + LOG_WAIT;
        let found = loop {
            match self.transaction(signature).await {
                Ok(Some(found)) => break Some(found),
                Ok(None) if Instant::now() < give_up => sleep(LOOK.1 / 2).await,
                // It has landed, which is what counts.
                Ok(None) | Err(_) => break None,
            }
        };
        let logs = found.as_ref().map(|found| found.logs.clone()).unwrap_or_default();
        if let Some(error) = error {
            return Err(failure::decode(&error, &logs));
        }
        let events = events::from_logs(&logs);
        let (compute_units, fee) = found.map_or((0, 0), |found| (found.compute_units, found.fee));
        Ok(Receipt { signature, slot, compute_units, fee, logs, events })
    }
}

fn is_processed(error: &client_error::Error) -> bool {
    matches!(error.get_transaction_error(), Some(TransactionError::AlreadyProcessed))
}

/// An endpoint's refusal of a transaction, as the error of the program behind it where there is one.
fn refusal(error: Error) -> Error {
    let Error::Rpc { url, source } = error else { return error };
    if let ErrorKind::RpcError(RpcError::RpcResponseError { data, .. }) = source.kind()
        && let solana_rpc_client_api::request::RpcResponseErrorData::SendTransactionPreflightFailure(result) = data
        && let Some(failed) = &result.err
    {
        return failure::decode(&failed.clone().into(), result.logs.as_deref().unwrap_or_default());
    }
    match source.get_transaction_error() {
        Some(failed) => failure::decode(&failed, &[]),
        None => Error::Rpc { url, source },
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

    #[test]
    fn equal_signatures_are_noticed() {
        let mut recent = Recent::default();
        let signature = |i: usize| {
            let mut bytes = [0; 64];
            bytes[..8].copy_from_slice(&(i as u64).to_le_bytes());
            Signature::from(bytes)
        };
        assert!(recent.add(signature(0)));
        assert!(!recent.add(signature(0)));
        for i in 1..=REMEMBERED {
            assert!(recent.add(signature(i)));
        }
        assert!(recent.add(signature(0)), "the oldest is forgotten");
        assert_eq!(recent.0.len(), REMEMBERED);
    }
}
