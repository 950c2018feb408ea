//! What is wrong when a request fails: the request, the endpoint, or the way to it.

use std::{error::Error as _, time::Duration};

use solana_message::Hash;
use solana_rpc_client_api::{
    client_error::{self, ErrorKind},
    request::RpcError,
};

/// Answers by which a node says that it is behind, or does not have yet what is asked for: block not available, node behind, slot
/// not available, no snapshot, minimum context slot not reached.
const BEHIND: [i64; 5] = [-32004, -32005, -32007, -32014, -32016];
/// Answers by which nodes and those who let nodes say "too many requests" where HTTP says "OK".
const LIMITED: [i64; 3] = [-32429, -32029, 429];
/// Answers that say more of the node than of the request: invalid request, no such method, internal error, no history.
const UNABLE: [i64; 4] = [-32600, -32601, INTERNAL, -32011];
/// An error in the middle of whatever the node did.
const INTERNAL: i64 = -32603;

/// What this crate finds wrong with an endpoint; travels as the cause of a client error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("too many requests{}", .0.map_or_else(String::new, |wait| format!(": it asks to wait for {} s", wait.as_secs())))]
    Limited(Option<Duration>),
    #[error("it answers for slot {slot}, though slot {floor} has been seen")]
    Behind { slot: u64, floor: u64 },
    #[error("it belongs to another cluster: its genesis hash is {found}, expected {expected}")]
    OtherCluster { found: Hash, expected: Hash },
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
}

impl From<Fault> for client_error::Error {
    fn from(fault: Fault) -> Self {
        ErrorKind::Middleware(fault.into()).into()
    }
}

/// Whose fault a failed request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request's: no endpoint will take it.
    Request,
    /// This endpoint does not serve this request; another may.
    Elsewhere,
    /// This endpoint does not serve us.
    Refused,
    /// The endpoint or the way to it is out of order.
    Failed,
    /// What it answers is no answer.
    Nonsense,
    /// It asks for a pause.
    Limited(Option<Duration>),
    /// It has not seen yet what others have; by so many slots, where that is known.
    Behind(Option<u64>),
    /// It belongs to another cluster.
    OtherCluster,
}

impl Verdict {
    /// Whether the same endpoint may take the same request later.
    pub const fn is_passing(self) -> bool {
        !matches!(self, Self::Request | Self::Elsewhere | Self::Refused)
    }

    pub fn of(error: &client_error::Error) -> Self {
        match error.kind() {
            ErrorKind::Middleware(cause) => match cause.downcast_ref() {
                Some(Fault::Limited(wait)) => Self::Limited(*wait),
                Some(Fault::Behind { slot, floor }) => Self::Behind(Some(floor.saturating_sub(*slot))),
                Some(Fault::OtherCluster { .. }) => Self::OtherCluster,
                Some(Fault::Silent(_)) | None => Self::Failed,
            },
            ErrorKind::Reqwest(e) => match e.status().map(|status| status.as_u16()) {
                Some(401 | 402 | 403 | 404 | 410) => Self::Refused,
                Some(408 | 425) => Self::Failed,
                Some(429) => Self::Limited(None),
                Some(400..=499) => Self::Elsewhere,
                None if is_no_json(e) => Self::Nonsense,
                _ => Self::Failed,
            },
            ErrorKind::Io(_) => Self::Failed,
            ErrorKind::SerdeJson(_) | ErrorKind::RpcError(RpcError::RpcRequestError(_) | RpcError::ParseError(_)) => {
                Self::Nonsense
            }
            ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) => match code {
                code if BEHIND.contains(code) => Self::Behind(None),
                code if LIMITED.contains(code) => Self::Limited(None),
                code if UNABLE.contains(code) => Self::Elsewhere,
                _ => Self::Request,
            },
            _ => Self::Request,
        }
    }
}

/// Whether a request may have had its effect although it failed.
pub(super) fn is_unclear(error: &client_error::Error, verdict: Verdict) -> bool {
    let internal = matches!(error.kind(), ErrorKind::RpcError(RpcError::RpcResponseError { code: INTERNAL, .. }));
    internal || verdict.is_passing()
}

/// Whether the whole of an answer came and was no JSON; one that was cut off is no fault of who wrote it.
fn is_no_json(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(e) = cause {
        if let Some(e) = e.downcast_ref::<serde_json::Error>() {
            return !e.is_io();
        }
        cause = e.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: i64) -> client_error::Error {
        let data = solana_rpc_client_api::request::RpcResponseErrorData::Empty;
        ErrorKind::from(RpcError::RpcResponseError { code, message: String::new(), data }).into()
    }

    #[test]
    fn answers_say_whose_fault_it_is() {
        assert_eq!(Verdict::of(&answered(-32602)), Verdict::Request);
        assert_eq!(Verdict::of(&answered(-32005)), Verdict::Behind(None));
        assert_eq!(Verdict::of(&answered(-32429)), Verdict::Limited(None));
        assert_eq!(Verdict::of(&answered(-32601)), Verdict::Elsewhere);
        for (code, unclear) in [(-32601, false), (-32002, false), (-32603, true), (-32005, true)] {
            let error = answered(code);
            assert_eq!(is_unclear(&error, Verdict::of(&error)), unclear, "{code}");
        }
        let refused: client_error::Error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        assert_eq!(Verdict::of(&refused), Verdict::Failed);
        let nonsense = serde_json::from_str::<u64>("<html>").unwrap_err();
        assert_eq!(Verdict::of(&nonsense.into()), Verdict::Nonsense);
    }

    #[test]
    fn own_findings_travel_as_causes() {
        let wait = Some(Duration::from_secs(7));
        let error: client_error::Error = Fault::Limited(wait).into();
        assert_eq!(Verdict::of(&error), Verdict::Limited(wait));
        assert!(error.to_string().contains("wait for 7 s"));
        assert_eq!(Verdict::of(&Fault::Behind { slot: 5, floor: 9 }.into()), Verdict::Behind(Some(4)));
    }
}
