//! Why a migration is refused or fails.

use std::{io, path::PathBuf};

use solana_pubkey::Pubkey;
use solana_rpc_client_api::client_error;

/// Why a migration is refused or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The settings file is not as it should be.
    #[error("{path}: {reason}")]
    Settings {
        /// The settings file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A value of the settings is not possible.
    #[error("{0}")]
    Value(String),
    /// A key file is not as it should be.
    #[error("{path} is not a keypair file: {reason}; make one with solana-keygen")]
    Keypair {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings would do harm on this cluster.
    #[error("{0}")]
    Forbidden(String),
    /// What is on the cluster does not fit the settings, and no transaction of ours can change that.
    #[error("{0}")]
    Conflict(String),
    /// The payer cannot pay for the plan.
    #[error("payer {payer} has {have} lamports, the plan needs up to {need}: send it {} more", need.saturating_sub(*have))]
    Funds {
        /// Who pays.
        payer: Pubkey,
        /// Its balance.
        have: u64,
        /// What the plan needs at its most expensive moment.
        need: u64,
    },
    /// The cluster does not answer as it should.
    #[error("{what}: {source}")]
    Rpc {
        /// What was asked.
        what: String,
        /// What came back.
        source: Box<client_error::Error>,
    },
    /// What the SDK reports.
    #[error(transparent)]
    Sdk(#[from] tessera_sdk::Error),
    /// A transaction was refused.
    #[error("{what}: refused: {reason}{}", logs.iter().map(|line| format!("\n    {line}")).collect::<String>())]
    Refused {
        /// What the transaction was for.
        what: String,
        /// Why.
        reason: String,
        /// What the programs logged.
        logs: Vec<String>,
    },
    /// Something did not happen for too long.
    #[error("{what}: nothing happened for too long; run the same command again, it goes on where it stopped")]
    Stuck {
        /// What was waited for.
        what: String,
    },
}

impl Error {
    /// For `map_err` on a file operation.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` on a request.
    pub(crate) fn rpc(what: impl Into<String>) -> impl FnOnce(client_error::Error) -> Self {
        let what = what.into();
        move |source| Self::Rpc { what, source: Box::new(source) }
    }
}
