//! Blobs by content id, over HTTP. Nothing that a store says is believed: every byte is checked against the content id.
//!
//! ```
//! use tessera_sdk::StoreClient;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let network = tessera_testing::Network::start().await?;
//! # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
//! # let store_url = network.store_url();
//! let store = StoreClient::new(store_url)?;
//! // Everybody may get blobs; a store takes them from the clients and the workers of its market.
//! tessera.register_client(wallet, market).await?;
//! let cid = store.put(wallet, "a blob".into()).await?;
//! assert_eq!(store.get(&cid, 1 << 20).await?, "a blob");
//! # Ok(())
//! # }
//! ```

pub mod auth;
pub mod grant;
mod transfer;

use std::{
    future::Future,
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode, header, redirect};
use solana_pubkey::Pubkey;
use solana_signer::SignerError;
use tessera_protocol::cid::{Cid, CidHasher};
use url::Url;

pub(crate) use grant::Grants;

use crate::{AnySigner, signing};
use grant::Grant;

/// How often a request is made before it fails.
const ATTEMPTS: u32 = 5;
/// Pause before the second attempt; it doubles with every further one.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest silence during an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for a request without its blob, and the slowest that a blob may come on top of that.
const WHOLE: Duration = Duration::from_secs(600);
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;
/// How far the clock of a store that refuses a signature must be from the one here to be tried instead of it.
const SKEW: Duration = Duration::from_secs(auth::MAX_SKEW_SECONDS / 2);
/// Bytes of a refusal that are shown.
const SHOWN: usize = 300;

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not an HTTP address.
    #[error("store {url:?}: {why}; expected http://host:port or https://host")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store does not have the blob.
    #[error("store {url} has no blob {cid}")]
    NotFound {
        /// The store.
        url: String,
        /// The blob.
        cid: Cid,
    },
    /// The blob is longer than the caller takes.
    #[error("blob {cid} is longer than the {limit} bytes expected")]
    TooLong {
        /// The blob.
        cid: Cid,
        /// The longest that is taken.
        limit: u64,
    },
    /// The store sent other bytes than those named.
    #[error("store {url} sent other bytes than those named {cid}; use another store")]
    Corrupt {
        /// The store.
        url: String,
        /// The blob.
        cid: Cid,
    },
    /// The store refused.
    #[error("store {url} refused with {status}: {answer}")]
    Refused {
        /// The store.
        url: String,
        /// HTTP status.
        status: StatusCode,
        /// Start of its answer.
        answer: String,
    },
    /// An answer that no store gives: something else stands there, or between.
    #[error("store {url} answers for blob {cid} as no store does; check that the address is a store's")]
    Nonsense {
        /// The store.
        url: String,
        /// The blob.
        cid: Cid,
    },
    /// The store takes nothing of a blob any more, or has all of it and says nothing.
    #[error("store {url} fell silent while blob {cid} was put; check the connection")]
    Silent {
        /// The store.
        url: String,
        /// The blob.
        cid: Cid,
    },
    /// The store could not be reached, or fell silent.
    #[error("store {url} does not answer ({source}); check that it runs and that the address is right")]
    Unreachable {
        /// The store.
        url: String,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
    /// The key has not signed for a blob: it was not put.
    #[error("{signer} has not signed for a blob, so it was not put: {source}; {}", signing::advice(source))]
    Signer {
        /// The signer's address.
        signer: Pubkey,
        /// Why.
        #[source]
        source: SignerError,
    },
}

/// What a store says of a blob that it has put away.
#[derive(serde::Deserialize)]
struct Stored {
    cid: String,
}

impl StoreError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Nonsense { .. } => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => false,
        }
    }
}

/// A store.
#[derive(Clone, Debug)]
pub struct StoreClient {
    http: Client,
    /// For what takes as long as it takes: a time limit for reading would be one for all of the sending before it.
    uploads: Client,
    url: Url,
    host: String,
}

impl StoreClient {
    /// A client of the store at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// If `url` is not an HTTP address.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::Url { url: url.into(), why };
        let mut parsed = Url::parse(url).map_err(|e| bad(e.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(bad("not an http address".into()));
        }
        if !parsed.path().ends_with('/') {
            parsed.set_path(&format!("{}/", parsed.path()));
        }
        let client = || {
            let client = Client::builder().connect_timeout(Duration::from_secs(10)).timeout(WHOLE);
            client.redirect(redirect::Policy::none())
        };
        let http = client().read_timeout(SILENCE).build().map_err(|e| bad(e.to_string()))?;
        let uploads = client().build().map_err(|e| bad(e.to_string()))?;
        Ok(Self { http, uploads, host: auth::host_of(&parsed), url: parsed })
    }

    /// The store's address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    fn blob(&self, cid: &Cid) -> Result<Url, StoreError> {
        let path = format!("v1/blobs/{cid}");
        self.url.join(&path).map_err(|e| StoreError::Url { url: self.url.to_string(), why: e.to_string() })
    }

    fn unreachable(&self, source: reqwest::Error) -> StoreError {
        StoreError::Unreachable { url: self.url.to_string(), source: source.without_url() }
    }

    fn nonsense(&self, cid: &Cid) -> StoreError {
        StoreError::Nonsense { url: self.url.to_string(), cid: *cid }
    }

    /// Refusals as errors, with the start of what the store says.
    async fn accepted(&self, mut response: Response, cid: &Cid) -> Result<Response, StoreError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::NOT_FOUND {
            return Err(StoreError::NotFound { url: self.url.to_string(), cid: *cid });
        }
        let mut answer = BytesMut::new();
        while answer.len() < SHOWN
            && let Ok(Some(piece)) = response.chunk().await
        {
            answer.extend_from_slice(&piece);
        }
        answer.truncate(SHOWN);
        let answer = String::from_utf8_lossy(&answer).trim().to_owned();
        Err(StoreError::Refused { url: self.url.to_string(), status, answer })
    }

    /// The host that signatures name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Puts a blob, signed by `key`, and returns its content id.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached, or `key` does not sign.
    pub async fn put(&self, key: &AnySigner, blob: Bytes) -> Result<Cid, StoreError> {
        let sign = |cid: &Cid, len, now| {
            let signed = auth::header(key, &self.host, cid, len, now);
            signed.map_err(|source| StoreError::Signer { signer: key.pubkey(), source })
        };
        self.put_signed(&sign, blob).await
    }

    /// As [`Self::put`], signed by a key to which a wallet has granted that.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn put_granted(&self, grant: &Grant, blob: Bytes) -> Result<Cid, StoreError> {
        let sign = |cid: &Cid, len, now| {
            let signed = grant.header(cid, len, now);
            signed.map_err(|source| StoreError::Signer { signer: grant.key(), source })
        };
        self.put_signed(&sign, blob).await
    }

    /// Puts a blob with the header that `sign` makes of content id, length and Unix time.
    async fn put_signed(
        &self,
        sign: &(dyn Fn(&Cid, u64, u64) -> Result<String, StoreError> + Sync),
        blob: Bytes,
    ) -> Result<Cid, StoreError> {
        let cid = Cid::of(&blob);
        let (url, len) = (self.blob(&cid)?, blob.len() as u64);
        let send = async |now: u64| {
            let authorization = sign(&cid, len, now)?;
            let request =
                self.uploads.put(url.clone()).header(header::AUTHORIZATION, authorization).timeout(whole(len));
            let sent = transfer::send(request, blob.clone(), SILENCE).await;
            let silent = || StoreError::Silent { url: self.url.to_string(), cid };
            sent.ok_or_else(silent)?.map_err(|e| self.unreachable(e))
        };
        again(|| async {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
            let mut response = send(now).await?;
            // A clock that is wrong here should not keep a result from being put. What is signed for another time is good for
            // this blob at this store all the same, and for nothing else.
            if response.status() == StatusCode::UNAUTHORIZED
                && let Some(theirs) = transfer::date(&response)
                && theirs.abs_diff(now) > SKEW.as_secs()
            {
                tracing::warn!(here = now, store = theirs, "this clock and the store's differ; the store's is used");
                response = send(theirs).await?;
            }
            let response = self.accepted(response, &cid).await?;
            let text = response.bytes().await.map_err(|e| self.unreachable(e))?;
            // Who holds the blob, and not only some proxy that is glad to have it, says so.
            serde_json::from_slice(&text)
                .is_ok_and(|Stored { cid: stored }| stored == cid.to_string())
                .then_some(())
                .ok_or_else(|| self.nonsense(&cid))
        })
        .await?;
        Ok(cid)
    }

    /// Gets a blob of at most `max_len` bytes, checked against its content id while it streams in.
    ///
    /// # Errors
    /// If the store does not have it, sends something else, or cannot be reached.
    pub async fn get(&self, cid: &Cid, max_len: u64) -> Result<Bytes, StoreError> {
        let url = self.blob(cid)?;
        again(|| async {
            let request = self.http.get(url.clone()).timeout(whole(max_len));
            let response = request.send().await.map_err(|e| self.unreachable(e))?;
            let mut response = self.accepted(response, cid).await?;
            let too_long = || StoreError::TooLong { cid: *cid, limit: max_len };
            let announced = response.content_length().unwrap_or(0);
            if announced > max_len {
                return Err(too_long());
            }
            let mut hasher = CidHasher::default();
            let mut blob = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
            while let Some(piece) = response.chunk().await.map_err(|e| self.unreachable(e))? {
                hasher.update(&piece);
                if hasher.len() > max_len {
                    return Err(too_long());
                }
                blob.extend_from_slice(&piece);
            }
            if hasher.finish() != *cid {
                return Err(StoreError::Corrupt { url: self.url.to_string(), cid: *cid });
            }
            Ok(blob.freeze())
        })
        .await
    }

    /// Gets a part of a blob. A part by itself says nothing of the whole: the caller has to know what it must be.
    ///
    /// # Errors
    /// If the store does not have the blob, or not such a part of it, or cannot be reached.
    pub async fn part(&self, cid: &Cid, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (url, len) = (self.blob(cid)?, range.end.saturating_sub(range.start));
        let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        again(|| async {
            let request = self.http.get(url.clone()).header(header::RANGE, &wanted).timeout(whole(len));
            let response = request.send().await.map_err(|e| self.unreachable(e))?;
            let mut response = self.accepted(response, cid).await?;
            let status = response.status();
            let mut part = BytesMut::new();
            while status == StatusCode::PARTIAL_CONTENT
                && part.len() as u64 <= len
                && let Some(piece) = response.chunk().await.map_err(|e| self.unreachable(e))?
            {
                part.extend_from_slice(&piece);
            }
            if part.len() as u64 != len {
                let answer = format!("asked for {len} bytes from {}", range.start);
                return Err(StoreError::Refused { url: self.url.to_string(), status, answer });
            }
            Ok(part.freeze())
        })
        .await
    }

    /// Whether the store has a blob.
    ///
    /// # Errors
    /// If the store refuses or cannot be reached.
    pub async fn exists(&self, cid: &Cid) -> Result<bool, StoreError> {
        let url = self.blob(cid)?;
        let tag = format!("\"{cid}\"");
        let found = again(|| async {
            let response = self.http.head(url.clone()).send().await.map_err(|e| self.unreachable(e))?;
            let response = self.accepted(response, cid).await?;
            // What is taken for stored is not put again: any answer at all is not enough for that.
            let is_it = response.headers().get(header::ETAG).is_some_and(|found| found.as_bytes() == tag.as_bytes());
            is_it.then_some(()).ok_or_else(|| self.nonsense(cid))
        });
        match found.await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether the store is up.
    ///
    /// # Errors
    /// If it is not, with the reason.
    pub async fn health(&self) -> Result<(), StoreError> {
        let url = self
            .url
            .join("v1/health")
            .map_err(|e| StoreError::Url { url: self.url.to_string(), why: e.to_string() })?;
        let response = self.http.get(url).send().await.map_err(|e| self.unreachable(e))?;
        self.accepted(response, &Cid::default()).await.map(drop)
    }
}

/// Longest time for a request with a blob of `len` bytes.
fn whole(len: u64) -> Duration {
    WHOLE + Duration::from_secs(len / SLOWEST_BYTES_PER_SECOND)
}

/// Makes a request until it succeeds, fails for good, or has been made [`ATTEMPTS`] times.
async fn again<T, F, Fut>(request: F) -> Result<T, StoreError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, StoreError>>,
{
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match request().await {
            Err(error) if error.is_transient() => tracing::debug!(%error, "store request failed, trying again"),
            done => return done,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    request().await
}

#[cfg(test)]
mod tests;
