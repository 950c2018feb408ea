//! Sending transactions so that each has its effect once: a transaction is signed anew only when its predecessor can no
//! longer land, and a lost answer is looked up, never guessed.

mod price;

use std::{sync::Arc, time::Duration};

use serde_json::json;
use solana_instruction::Instruction;
use solana_message::Hash;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind, TransactionError},
    config::RpcSendTransactionConfig,
    request::{RpcError, RpcRequest},
    response::Response,
};
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status_client_types::UiTransactionEncoding;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{AnySigner, ComputeUnits, Error, Event, Format, Tessera, events, failure, rpc::Failed};

/// How often a transaction is signed anew before it is given up.
const ATTEMPTS: u32 = 5;
/// The same where somebody is asked each time.
const ATTEMPTS_ASKING: u32 = 3;
/// How often a transaction that has not landed is sent again.
const REBROADCAST: Duration = Duration::from_secs(2);
/// First and longest pause between two looks for a transaction.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Longest that an attempt may take, in case block heights do not advance. What becomes of it is not known then: a cluster that
/// stood still goes on with the same blockhashes.
const ATTEMPT: Duration = Duration::from_secs(180);
/// Slots after the one that shows that a blockhash has passed, before a transaction with it is looked for the last time: some
/// nodes judge blockhashes by blocks that nobody has confirmed, and do not tell of transactions in these.
const UNSURE: u64 = 2;
/// How long other endpoints are waited for when one says that a transaction has not landed.
const OTHERS: Duration = Duration::from_secs(2);
/// How long the log of a landed transaction is waited for.
const LOG_WAIT: Duration = Duration::from_secs(15);

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

/// What became of sending to all endpoints.
enum Sent {
    /// At least one took it.
    Accepted,
    /// None took it, but one may have: it did not answer, or not with sense.
    Unclear,
    /// No endpoint took it.
    Refused(Error),
}

impl Tessera {
    /// Sends a transaction and waits until it has landed.
    ///
    /// `signers` are those besides `payer`; keys and devices sign alike. On [`Error::Program`] and [`Error::Transaction`] nothing
    /// has changed; on [`Error::Expired`] and [`Error::Signer`] nothing has happened and nothing will; on [`Error::Unknown`] look
    /// the signature up.
    ///
    /// # Errors
    /// If it is refused, a signer does not sign, it expires in every attempt, or no endpoint answers.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        payer: &AnySigner,
        signers: &[&AnySigner],
    ) -> Result<Receipt, Error> {
        self.send_in(Format::Legacy, instructions, payer, signers).await
    }

    /// As [`Self::send`], in a certain format.
    pub(crate) async fn send_in(
        &self,
        format: Format,
        instructions: &[Instruction],
        payer: &AnySigner,
        signers: &[&AnySigner],
    ) -> Result<Receipt, Error> {
        let mut keys: Vec<&AnySigner> = vec![payer];
        keys.extend(signers.iter().filter(|key| key.pubkey() != payer.pubkey()));
        let limit = async {
            match self.config().compute_units {
                ComputeUnits::Fixed(units) => Ok(units),
                ComputeUnits::Auto => self.simulate(format, instructions, &payer.pubkey()).await,
            }
        };
        let (price, limit) = futures_util::try_join!(self.priority_fee(instructions), limit)?;
        let compile = |blockhash| format.compile(instructions, &payer.pubkey(), limit, price, blockhash);
        let mut signature = Signature::default();
        let asks = keys.iter().any(|key| key.is_interactive());
        let attempts = if asks { ATTEMPTS_ASKING } else { ATTEMPTS };
        for attempt in 1..=attempts {
            let transaction = self.sign(&compile, &keys).await?;
            signature = transaction.signatures.first().copied().unwrap_or_default();
            match self.land(transaction, signature).await? {
                Attempt::Landed(slot, error) => return self.receipt(signature, slot, error).await,
                Attempt::Expired if asks && attempt < attempts => tracing::warn!(
                    "the transaction has not landed in its time, and never will: it has to be signed once more ({attempt} of {attempts} attempts)"
                ),
                Attempt::Expired => tracing::debug!(%signature, "transaction expired"),
            }
        }
        Err(Error::Expired { attempts, signature })
    }

    /// Sends until it has landed or can no longer land.
    async fn land(&self, transaction: VersionedTransaction, signature: Signature) -> Result<Attempt, Error> {
        let blockhash = *transaction.message.recent_blockhash();
        let unknown = |source: Error| Error::Unknown { signature, source: Box::new(source) };
        let transaction = Arc::new(transaction);
        let started = Instant::now();
        let (mut sent, mut pause) = (None::<Instant>, LOOK.0);
        // The slot of the answer since which the blockhash counts as passed.
        let mut passed = None;
        loop {
            if sent.is_none_or(|at| at.elapsed() >= REBROADCAST) {
                let first = sent.is_none();
                sent = Some(Instant::now());
                match self.broadcast(&transaction).await {
                    Sent::Accepted => {}
                    // Whether it arrived is found out below.
                    Sent::Unclear => tracing::debug!(%signature, "sending failed"),
                    Sent::Refused(error) if first => return Err(refusal(error)),
                    Sent::Refused(error) => tracing::debug!(%signature, %error, "sending again was refused"),
                }
            }
            if let Some((slot, error)) = self.status(signature).await.map_err(unknown)? {
                self.rpc().saw(slot);
                return Ok(Attempt::Landed(slot, error));
            }
            let valid = self.is_valid(&blockhash).await.map_err(unknown)?;
            // Each later answer has a later slot, and looks that had to be past that one might never be.
            passed = if valid.value { None } else { passed.or(Some(valid.context.slot)) };
            if let Some(slot) = passed
                && let Some(end) = self.expired(signature, slot).await
            {
                return Ok(end);
            }
            if started.elapsed() > ATTEMPT {
                let why =
                    format!("neither landed nor expired within {} s: the cluster stands still", ATTEMPT.as_secs());
                return Err(unknown(Error::Invalid(why)));
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK.1);
        }
    }

    /// Whether transactions with a blockhash may still land, and as of which slot.
    async fn is_valid(&self, blockhash: &Hash) -> Result<Response<bool>, Error> {
        let params = json!([blockhash.to_string(), self.config().commitment]);
        let answer = self.rpc().call(|rpc| {
            let params = params.clone();
            async move { rpc.send(RpcRequest::IsBlockhashValid, params).await }
        });
        answer.await
    }

    /// The last look at a transaction whose blockhash has passed by `slot`: it may have landed in the last moment. All endpoints
    /// are asked, and only one that is past that slot is believed that it has not. `None` if it is not certain yet.
    async fn expired(&self, signature: Signature, slot: u64) -> Option<Attempt> {
        let commitment = self.config().commitment;
        let mut answers = self.rpc().everywhere(move |rpc| async move {
            match rpc.get_signature_statuses_with_history(&[signature]).await {
                // It keeps no history; what is so recent it knows all the same.
                Err(error) if matches!(error.kind(), ErrorKind::RpcError(RpcError::RpcResponseError { .. })) => {
                    rpc.get_signature_statuses(&[signature]).await
                }
                answer => answer,
            }
        });
        let (mut gone, mut give_up) = (false, Instant::now() + self.config().timeout);
        while let Ok(Some((_, answer))) = timeout_at(give_up, answers.recv()).await {
            let Ok(answer) = answer else { continue };
            match answer.value.into_iter().next() {
                Some(Some(status)) if status.satisfies_commitment(commitment) => {
                    self.rpc().saw(status.slot);
                    return Some(Attempt::Landed(status.slot, status.err));
                }
                Some(Some(_)) => return None,
                Some(None) if answer.context.slot >= slot + UNSURE => {
                    gone = true;
                    give_up = give_up.min(Instant::now() + OTHERS);
                }
                _ => {}
            }
        }
        gone.then_some(Attempt::Expired)
    }

    /// Sends to all endpoints. Done when one has taken it: the others go on.
    async fn broadcast(&self, transaction: &Arc<VersionedTransaction>) -> Sent {
        // What can be refused was refused by the simulation; a second one would only cost time.
        let skip_preflight = self.config().compute_units == ComputeUnits::Auto;
        let level = self.config().commitment.commitment;
        let mut answers = self.rpc().everywhere(|rpc| {
            let transaction = Arc::clone(transaction);
            let config = RpcSendTransactionConfig {
                skip_preflight,
                preflight_commitment: Some(level),
                encoding: Some(UiTransactionEncoding::Base64),
                ..RpcSendTransactionConfig::default()
            };
            async move {
                match rpc.send_transaction_with_config(&*transaction, config).await {
                    Err(error) if is_processed(&error) => Ok(()),
                    answer => answer.map(drop),
                }
            }
        });
        let mut refused: Option<Failed> = None;
        let mut unclear = false;
        while let Some((_, answer)) = answers.recv().await {
            match answer {
                Ok(()) => return Sent::Accepted,
                Err(failed) if failed.is_unclear => unclear = true,
                // What a program refused says more than what an endpoint does not do.
                Err(failed) if failed.error.get_transaction_error().is_some() => refused = Some(failed),
                Err(failed) => refused = refused.or(Some(failed)),
            }
        }
        // One that did not answer may have passed it on.
        refused.filter(|_| !unclear).map_or(Sent::Unclear, |failed| Sent::Refused(failed.into()))
    }

    /// Slot and outcome of a transaction that has landed at the configured commitment.
    async fn status(&self, signature: Signature) -> Result<Option<(u64, Option<TransactionError>)>, Error> {
        let answer = self.rpc().call(|rpc| async move { rpc.get_signature_statuses(&[signature]).await });
        let status = answer.await?.value.into_iter().next().flatten();
        let commitment = self.config().commitment;
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

/// Whether an endpoint has refused a transaction because it landed before. Some say so only in words.
fn is_processed(error: &client_error::Error) -> bool {
    let in_words = || match error.kind() {
        ErrorKind::RpcError(RpcError::RpcResponseError { message, .. }) => message.contains("already been processed"),
        _ => false,
    };
    matches!(error.get_transaction_error(), Some(TransactionError::AlreadyProcessed)) || in_words()
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
