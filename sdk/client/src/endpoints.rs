//! How the endpoints of a cluster are doing.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::Tessera;

/// How long endpoints are waited for that let wait, while others have answered.
const LOOK: Duration = Duration::from_secs(5);

/// What an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// Requests: JSON-RPC over HTTP.
    Rpc,
    /// Notifications over WebSocket.
    WebSocket,
}

/// How an endpoint is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was not asked anything yet.
    #[default]
    Untried,
    /// It answers.
    Ready,
    /// It cannot be reached, does not answer, or breaks off.
    Failing,
    /// It said "too many requests", and rests for as long as it asked for.
    Limited,
    /// It is further behind the others than is allowed, and is not asked until it has caught up.
    Behind,
    /// It does not serve us: the key in its address may be wrong or used up.
    Refusing,
    /// It answered nonsense several times, and is left alone for a while.
    Nonsense,
    /// It belongs to another cluster than the others, and is not used.
    OtherCluster,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untried => "not asked yet",
            Self::Ready => "ready",
            Self::Failing => "fails",
            Self::Limited => "asks for fewer requests",
            Self::Behind => "is behind",
            Self::Refusing => "refuses to serve us",
            Self::Nonsense => "answers nonsense",
            Self::OtherCluster => "belongs to another cluster",
        })
    }
}

/// What is known of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointHealth {
    /// Its address, without user, path and query: there may be keys in them.
    pub url: String,
    /// What it is for.
    pub kind: EndpointKind,
    /// How it is doing.
    pub standing: Standing,
    /// The newest slot that it showed to know.
    pub slot: Option<u64>,
    /// By how many slots that is behind what others showed, at whatever time each was asked last.
    pub behind: Option<u64>,
    /// How long its answers have taken lately.
    #[serde(rename = "latency_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub latency: Option<Duration>,
    /// Requests sent to it, or connections made.
    pub requests: u64,
    /// Those among them that failed for a reason that lies with the endpoint.
    pub failures: u64,
    /// Those among these that it refused as too many.
    pub limited: u64,
    /// How long it rests before somebody looks at it again.
    #[serde(rename = "retry_in_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub retry_in: Option<Duration>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

fn from_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

impl EndpointHealth {
    /// Whether it is used.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Untried | Standing::Ready)
    }
}

impl fmt::Display for EndpointHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.url, self.standing)?;
        if let Some(latency) = self.latency {
            write!(f, ", {} ms", latency.as_millis())?;
        }
        if let Some(slot) = self.slot {
            write!(f, ", slot {slot}")?;
        }
        match &self.last_error {
            Some(error) if !self.is_ready() => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}

/// An address without what may be secret in it.
pub(crate) fn name(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let more = !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), if more { "/…" } else { "" })
}

/// The address of an endpoint as it may be shown: what stands behind host and port may be a key, and is left out. What is no
/// URL stays as it is.
#[must_use]
pub fn endpoint_name(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| name(&url))
}

impl Tessera {
    /// How the endpoints have been doing, in the order of the configuration: first those for requests, then those for
    /// notifications. Asks none of them anything; see [`Self::check_endpoints`].
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointHealth> {
        [self.rpc().health(), self.sockets().health()].concat()
    }

    /// Asks all endpoints at once to which cluster they belong and how far they are, waits a few seconds at most, and tells how
    /// they are doing.
    pub async fn check_endpoints(&self) -> Vec<EndpointHealth> {
        tokio::join!(self.rpc().survey(LOOK), self.sockets().survey());
        self.endpoints()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_secrets() {
        let name = |url: &str| name(&Url::parse(url).unwrap());
        assert_eq!(name("http://127.0.0.1:8899"), "http://127.0.0.1:8899");
        assert_eq!(name("https://rpc.example/"), "https://rpc.example");
        for secret in ["https://rpc.example/v2/KEY", "https://rpc.example?key=KEY", "https://KEY@rpc.example"] {
            assert_eq!(name(secret), "https://rpc.example/…");
        }
        assert_eq!(endpoint_name("https://rpc.example/v2/KEY"), "https://rpc.example/…");
        assert_eq!(endpoint_name("devnet"), "devnet");
    }
}
