//! Why a network does not start, or does not stop.

use std::{io, path::PathBuf};

use tokio::task::JoinError;

/// Why a network does not start, or does not stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program cannot be read, most often since it has not been built.
    #[error(
        "cannot read the program {}: {source}; build it with scripts/build-program, or give the path of a built one in Options::program",
        path.display()
    )]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The node does not start or stop.
    #[error(transparent)]
    Node(#[from] tessera_localnet::Error),
    /// The thread that starts or stops the node has panicked.
    #[error("the node did not start or stop: {0}")]
    Thread(#[from] JoinError),
    /// The parameters of the market are broken.
    #[error(transparent)]
    Parameters(#[from] tessera_migrate::Error),
    /// The node does not take what the network is made of.
    #[error("cannot set up the network: {0}")]
    SetUp(#[from] tessera_sdk::Error),
    /// The store does not start, or had failed.
    #[error(transparent)]
    Store(#[from] tessera_store::StoreError),
}
