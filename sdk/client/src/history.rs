//! The events of a job, from the ledger.

use std::collections::HashMap;

use solana_pubkey::Pubkey;
use solana_rpc_client::rpc_client::GetConfirmedSignaturesForAddress2Config;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind},
    config::RpcTransactionConfig,
    request::RpcError,
};
use solana_signature::Signature;
use solana_transaction_status_client_types::UiTransactionEncoding;

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
        let answer = self.rpc().call(|rpc| async move {
            match rpc.get_transaction_with_config(&signature, config).await {
                Ok(found) => Ok(Some(found)),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(error),
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
        let commitment = self.config().commitment;
        let mut found: Vec<Mention> = vec![];
        let mut before = None;
        loop {
            let answer = self.rpc().call(|rpc| {
                let config = GetConfirmedSignaturesForAddress2Config {
                    before,
                    until: None,
                    limit: Some(PAGE),
                    commitment: Some(commitment),
                };
                async move { rpc.get_signatures_for_address_with_config(address, config).await }
            });
            let page = answer.await?;
            let (len, oldest) = (page.len(), page.last().map(|entry| (entry.signature.clone(), entry.slot)));
            for entry in page.into_iter().filter(|entry| entry.err.is_none() && entry.slot >= from) {
                let signature = entry
                    .signature
                    .parse()
                    .map_err(|_| Error::Invalid(format!("the endpoint sent signature {:?}", entry.signature)))?;
                found.push(Mention { signature, slot: entry.slot });
            }
            match oldest {
                Some((signature, slot)) if len == PAGE && slot >= from => before = signature.parse().ok(),
                _ => break,
            }
            if before.is_none() {
                break;
            }
        }
        found.reverse();
        Ok(found)
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

/// A transaction that has no meta or is null makes the client fail to parse it: that is how "not there" looks.
fn is_absent(error: &client_error::Error) -> bool {
    match error.kind() {
        ErrorKind::SerdeJson(_) => true,
        ErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => {
            matches!(code, -32004 | -32007 | -32009) || message.to_ascii_lowercase().contains("not found")
        }
        _ => false,
    }
}
