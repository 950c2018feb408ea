//! Why a node does not start, or does not stop.

use std::{io, path::PathBuf, time::Duration};

/// Why a node does not start, or does not stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens on a port.
    #[error(
        "cannot listen on 127.0.0.1:{port} for {what}: {source}; choose another port or end the process that has it"
    )]
    Port {
        /// What the port is for.
        what: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// Both services were given one port.
    #[error("RPC and WebSocket were both given port {0}: give them different ones")]
    SamePort(u16),
    /// The ledger directory cannot be used.
    #[error("cannot {action} {path}: {source}")]
    Ledger {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A character of the path means something else to the database.
    #[error("ledger path {0:?} is not plain text, or has one of the characters ? # %: choose another directory")]
    LedgerPath(PathBuf),
    /// Another node runs on this ledger.
    #[error("another node is running on the ledger in {0}: stop it, or choose another directory")]
    LedgerInUse(PathBuf),
    /// The node refused its ledger or its settings.
    #[error("the node does not start: {0}")]
    Start(String),
    /// The node said nothing for too long.
    #[error("the node was not ready after {0:?}; a large ledger can be dropped with --reset")]
    StartTimeout(Duration),
    /// The node ended by itself.
    #[error("the node ended: {0}")]
    Ended(String),
    /// The node did not end when told to.
    #[error("the node did not stop within {0:?}; its ledger is safe, end the process")]
    StopTimeout(Duration),
}
