//! What can go wrong.

use std::sync::Arc;

use solana_pubkey::Pubkey;
use solana_rpc_client_api::client_error;
use solana_signature::Signature;
use solana_signer::SignerError;
use tessera_protocol::spec::SpecError;

use crate::{signing, store::StoreError};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// An RPC endpoint refused a request.
    #[error("RPC endpoint {url} refused: {source}")]
    Rpc {
        /// The endpoint.
        url: String,
        /// Its answer.
        #[source]
        source: Box<client_error::Error>,
    },
    /// No RPC endpoint could be reached for as long as [`crate::Config::patience`] allows.
    #[error(
        "no answer from RPC endpoint {url} within {seconds} s ({source}{others}); check the URL and the network, or add another endpoint"
    )]
    Unreachable {
        /// The endpoint tried last.
        url: String,
        /// How long it was tried.
        seconds: u64,
        /// What it said last.
        #[source]
        source: Box<client_error::Error>,
        /// What is wrong with the other endpoints, or nothing.
        others: String,
    },
    /// A program refused an instruction.
    #[error("{name} ({code}): {message}")]
    Program {
        /// The program.
        program: Pubkey,
        /// Its error number.
        code: u32,
        /// The error's name.
        name: String,
        /// What it means.
        message: String,
        /// The transaction's log.
        logs: Vec<String>,
    },
    /// The cluster refused a transaction before any program did.
    #[error("transaction refused: {message}")]
    Transaction {
        /// Why.
        message: String,
        /// The transaction's log.
        logs: Vec<String>,
    },
    /// Every attempt expired without landing: nothing has happened.
    #[error(
        "transaction did not land in {attempts} attempts (last signature {signature}); raise the priority fee or try later"
    )]
    Expired {
        /// How often it was signed anew.
        attempts: u32,
        /// The last signature.
        signature: Signature,
    },
    /// It is unknown whether a transaction landed, since no endpoint answers any more.
    #[error("unknown whether transaction {signature} landed: {source}; look it up before trying again")]
    Unknown {
        /// The signature to look up.
        signature: Signature,
        /// Why nothing is known.
        #[source]
        source: Box<Error>,
    },
    /// A transaction could not be signed.
    #[error("cannot sign: {0}")]
    Signing(String),
    /// A signer has not signed: nothing was sent.
    #[error("{signer} has not signed, so nothing was sent: {source}; {}", signing::advice(source))]
    Signer {
        /// The signer's address.
        signer: Pubkey,
        /// Why.
        #[source]
        source: Arc<SignerError>,
    },
    /// There is no such account.
    #[error("there is no {what} at {address}; check the address and the cluster")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
    },
    /// An account is not what it should be.
    #[error("account {address}: expected {expected}, found {found}")]
    Account {
        /// The account.
        address: Pubkey,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A request makes no sense; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A job specification is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A job ended before all its units could be collected.
    #[error("job {job} ended with {missing} of {units} units not collected{detail}")]
    Incomplete {
        /// The job.
        job: Pubkey,
        /// Units without a valid output.
        missing: u64,
        /// All units.
        units: u64,
        /// What was wrong with the outputs that were found, or nothing.
        detail: String,
    },
    /// The providers of a lease found that its units have no result.
    #[error(
        "lease {index} of job {job}: the market found that this module cannot be computed; it has a race, reads what nobody wrote, leaves its buffers, or spends more gas than the job allows: run its units with `tessera estimate --checks`"
    )]
    NotComputable {
        /// The job.
        job: Pubkey,
        /// Number of the lease.
        index: u32,
    },
    /// The caller's own function failed.
    #[error(transparent)]
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The name of the error that a program refused with, for example `LeaseFull`.
    #[must_use]
    pub fn program_error(&self) -> Option<&str> {
        match self {
            Self::Program { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Expired { .. } | Self::Unknown { .. } => true,
            Self::Store(e) => e.is_transient(),
            _ => false,
        }
    }
}
