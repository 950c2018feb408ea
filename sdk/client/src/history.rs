//! The events of a job, from the ledger.

use std::collections::HashMap;

use serde_json::json;
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind},
    config::{RpcSignaturesForAddressConfig, RpcTransactionConfig},
    request::{RpcError, RpcRequest},
    response::RpcConfirmedTransactionStatusWithSignature,
};
use solana_signature::Signature;
use solana_transaction_status_client_types::{EncodedConfirmedTransactionWithStatusMeta, UiTransactionEncoding};

use crate::{Error, Tessera, events, events::Recorded, logs, logs::InstructionCost};

/// Most signatures in one answer.
const PAGE: usize = 1000;
/// How many transactions are fetched at once.
const AT_ONCE: usize = 8;

/// A successful transaction that mentions an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub signature: Signature,
    pub slot: u64,
}

/// A landed transaction as the ledger has it.
pub(crate) struct Found {
    pub logs: Vec<String>,
    pub compute_units: u64,
    pub fee: u64,
}

impl Tessera {
    /// A transaction from the ledger; `None` if it is not (yet) there.
    pub(crate) async fn transaction(&self, signature: Signature) -> Result<Option<Found>, Error> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(self.config().commitment),
            max_supported_transaction_version: Some(1),
        };
        let answer = self.rpc().find(move |rpc| async move {
            let params = json!([signature.to_string(), config]);
            let found =
                rpc.send::<Option<EncodedConfirmedTransactionWithStatusMeta>>(RpcRequest::GetTransaction, params);
            match found.await {
                Err(error) if is_absent(&error) => Ok(None),
                found => found,
            }
        });
        Ok(answer.await?.map(|found| match found.transaction.meta {
            None => Found { logs: vec![], compute_units: 0, fee: 0 },
            Some(meta) => Found {
                logs: Option::<Vec<String>>::from(meta.log_messages).unwrap_or_default(),
                compute_units: Option::<u64>::from(meta.compute_units_consumed).unwrap_or(0),
                fee: meta.fee,
            },
        }))
    }

    /// The successful transactions that mention `address` in slots from `from` on, oldest first.
    pub(crate) async fn mentions(&self, address: &Pubkey, from: u64) -> Result<Vec<Mention>, Error> {
        // All pages from one endpoint: another may not know the transaction where the next one begins.
        let floor = self.rpc().floor();
        let found = self.rpc().call(|rpc| async move { self.pages(&rpc, address, from, floor).await }).await?;
        let mention = |entry: RpcConfirmedTransactionStatusWithSignature| {
            let signature = entry.signature.parse();
            let unknown = |_| Error::Invalid(format!("the endpoint sent signature {:?}", entry.signature));
            Ok(Mention { signature: signature.map_err(unknown)?, slot: entry.slot })
        };
        found.into_iter().rev().filter(|entry| entry.err.is_none() && entry.slot >= from).map(mention).collect()
    }

    /// What an endpoint that has seen slot `floor` knows of transactions that mention `address`, newest first, as far back as `from`.
    async fn pages(
        &self,
        rpc: &RpcClient,
        address: &Pubkey,
        from: u64,
        floor: u64,
    ) -> Result<Vec<RpcConfirmedTransactionStatusWithSignature>, client_error::Error> {
        let mut config = RpcSignaturesForAddressConfig {
            before: None,
            until: None,
            limit: Some(PAGE),
            commitment: Some(self.config().commitment),
            min_context_slot: Some(floor).filter(|slot| *slot > 0),
        };
        let mut found = vec![];
        loop {
            let params = json!([address.to_string(), config]);
            let page: Vec<RpcConfirmedTransactionStatusWithSignature> =
                rpc.send(RpcRequest::GetSignaturesForAddress, params).await?;
            let (len, oldest) = (page.len(), page.last().map(|entry| (entry.signature.clone(), entry.slot)));
            found.extend(page);
            match oldest {
                Some((signature, slot)) if len == PAGE && slot >= from => config.before = Some(signature),
                _ => return Ok(found),
            }
        }
    }

    /// The logs of transactions, in the order given.
    pub(crate) async fn logs_of(&self, mentions: &[Mention]) -> Result<Vec<Vec<String>>, Error> {
        let mut logs = HashMap::with_capacity(mentions.len());
        for chunk in mentions.chunks(AT_ONCE) {
            let fetched = chunk
                .iter()
                .map(|mention| async move { (mention.signature, self.transaction(mention.signature).await) });
            for (signature, found) in futures_util::future::join_all(fetched).await {
                let missing = || {
                    Error::Invalid(format!(
                        "the endpoint does not have transaction {signature} any more; use one that keeps history"
                    ))
                };
                logs.insert(signature, found?.ok_or_else(missing)?.logs);
            }
        }
        Ok(mentions.iter().filter_map(|mention| logs.remove(&mention.signature)).collect())
    }

    /// Everything that happened to a job, oldest first. Works after the job was closed.
    ///
    /// Transactions that name a job may do other things too: workers settle leases of several jobs in one, and strangers may
    /// put any job's address into theirs. What those say of other jobs is left out.
    ///
    /// # Errors
    /// As [`Self::history`].
    pub async fn job_history(&self, job: &Pubkey) -> Result<Vec<Recorded>, Error> {
        let mut history = self.history(job).await?;
        history.retain(|recorded| recorded.event.job() == Some(*job));
        Ok(history)
    }

    /// Everything that happened in transactions that name an account (a market, provider, lease), oldest first. Works after the
    /// account was closed.
    ///
    /// # Errors
    /// If no endpoint answers, or the endpoint does not keep the ledger for so long.
    pub async fn history(&self, address: &Pubkey) -> Result<Vec<Recorded>, Error> {
        let mentions = self.mentions(address, 0).await?;
        let logs = self.logs_of(&mentions).await?;
        let events = mentions.iter().zip(&logs).flat_map(|(mention, log)| {
            let Mention { signature, slot } = *mention;
            events::from_logs(log).into_iter().map(move |event| Recorded { signature, slot, event })
        });
        Ok(events.collect())
    }

    /// What the instructions that named an account took, oldest first.
    ///
    /// # Errors
    /// As [`Self::history`].
    pub async fn costs(&self, address: &Pubkey) -> Result<Vec<InstructionCost>, Error> {
        let mentions = self.mentions(address, 0).await?;
        Ok(self.logs_of(&mentions).await?.iter().flat_map(|log| logs::instruction_costs(log)).collect())
    }
}

/// Whether an endpoint says that it does not have what is asked for (any more, or yet).
fn is_absent(error: &client_error::Error) -> bool {
    match error.kind() {
        ErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => {
            matches!(code, -32004 | -32007 | -32009) || message.to_ascii_lowercase().contains("not found")
        }
        _ => false,
    }
}
