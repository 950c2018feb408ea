//! What can go wrong between participants and the coordinator.

use std::{path::PathBuf, time::Duration};

use tessera_secure_sum::Key;

use crate::auth::{AuthError, name};

/// Why a round, a request or a service fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The protocol refuses.
    #[error(transparent)]
    Sum(#[from] tessera_secure_sum::Error),
    /// There is no sum, and some have said why they do not take part.
    #[error("{error}; {}", said(.refused))]
    Unwilling {
        /// Why there is no sum.
        error: tessera_secure_sum::Error,
        /// Who does not take part, and why.
        refused: Vec<(Key, String)>,
    },
    /// A setting that makes no sense.
    #[error("{0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; another process may, or choose another one")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A member of the group is in a round that has not ended.
    #[error("participant {0} is in another round that has not ended; finish or drop that one first")]
    Busy(String),
    /// A key that the coordinator does not know.
    #[error("{0} is not a participant of this training")]
    Stranger(String),
    /// The request is not signed as it should be.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The coordinator cannot be reached.
    #[error("no answer from {url} within {waited:?}: {reason}")]
    Unreachable {
        /// Which was asked.
        url: String,
        /// How long it was tried.
        waited: Duration,
        /// How the last try failed.
        reason: String,
    },
    /// The coordinator does not take a request, and would not a second time.
    #[error("the coordinator refuses ({status}): {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says.
        text: String,
    },
    /// The coordinator answers something that is no answer.
    #[error("the coordinator's answer cannot be read: {0}")]
    Answer(String),
    /// Nothing came in time.
    #[error("no {expected} came within {waited:?}; the round goes on without this participant")]
    Silence {
        /// What was waited for.
        expected: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The round is over.
    #[error("the round is over for this participant: {0}")]
    Over(String),
    /// The file with the rounds that were taken part in.
    #[error("cannot {action} {path}: {reason}; rounds are not taken part in without it")]
    Rounds {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What those say who do not take part.
fn said(refused: &[(Key, String)]) -> String {
    let line = |(key, reason): &(Key, String)| format!("{} does not take part: {reason}", name(key));
    refused.iter().map(line).collect::<Vec<_>>().join("; ")
}
