//! Requests of a participant: outward only, each with a time limit, tried again while that makes sense.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use ed25519_dalek::SigningKey;
use reqwest::{Client as Http, Method, Response, StatusCode, header, redirect};
use tessera_protocol::hash::Digest;
use tessera_secure_sum::message::{Signed, to_bytes};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::{
    Error,
    auth::{self, Signable, unix_now},
    letter::{Letter, MAX_LETTER_LEN, Offer, Position},
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to leave the coordinator alone when somebody else reads with the same key.
const OTHER_READER: Duration = Duration::from_secs(1);
/// Longest text of a refusal that is read.
const MAX_TEXT: usize = 1 << 10;

/// What came of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is in, now or since an earlier try.
    In,
    /// It came too late.
    Late(String),
}

impl Sent {
    /// [`Error::Over`] if it came too late.
    pub(crate) fn in_time(self) -> Result<(), Error> {
        match self {
            Self::In => Ok(()),
            Self::Late(text) => Err(Error::Over(text)),
        }
    }
}

pub(crate) struct Client {
    http: Http,
    base: Url,
    training: String,
    key: SigningKey,
    request: Duration,
}

impl Client {
    /// Of the coordinator at `base`; `request` is how long one request may take, longer than a coordinator's poll.
    pub(crate) fn new(base: Url, training: &Digest, key: SigningKey, request: Duration) -> Result<Self, Error> {
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Error::Config(format!(
                "{base} is no address of a coordinator, expected http(s)://HOST[:PORT]"
            )));
        }
        let http = Http::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT).timeout(request);
        let http = http.build().map_err(|e| Error::Config(format!("cannot make requests: {e}")))?;
        Ok(Self { http, base, training: hex::encode(training), key, request })
    }

    /// Sends one request. A path that stands before those of the service, as behind a proxy, is not part of what is signed.
    async fn send(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Response, reqwest::Error> {
        let signable = Signable { method: method.as_str(), path, body: &body };
        let value = auth::header(&self.key, signable, unix_now());
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        self.http.request(method.clone(), url).header(header::AUTHORIZATION, value).body(body).send().await
    }

    /// Sends a request until there is an answer that a second try would not better. `None` if it is `until` before the last try is
    /// answered.
    async fn persist(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
        until: Instant,
    ) -> Result<Option<Response>, Error> {
        let began = Instant::now();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .without_max_times()
            .with_jitter();
        let mut pauses = pauses.build();
        loop {
            let rest = until.saturating_duration_since(Instant::now()).min(self.request);
            let reason = match tokio::time::timeout(rest, self.send(&method, path, body.to_vec())).await {
                Ok(Ok(response)) if !passing(response.status()) => return Ok(Some(response)),
                Ok(Ok(response)) => format!("status {}", response.status()),
                Ok(Err(error)) => chain(&error),
                Err(_) if Instant::now() >= until => return Ok(None),
                Err(_) => "no answer in time".into(),
            };
            tracing::debug!(path, reason, "a request failed");
            let pause = pauses.next().unwrap_or(CONNECT);
            if Instant::now() + pause >= until {
                return Err(Error::Unreachable { url: self.base.to_string(), waited: began.elapsed(), reason });
            }
            sleep(pause).await;
        }
    }

    /// The first letter after a position. `None` if there is none yet, after a while.
    pub(crate) async fn letter(&self, after: Position, until: Instant) -> Result<Option<Letter>, Error> {
        let Position { epoch, number } = after;
        let path = format!("/v1/trainings/{}/letters?epoch={epoch}&after={number}", self.training);
        let Some(response) = self.persist(Method::GET, &path, &[], until).await? else { return Ok(None) };
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            // Perhaps an earlier try that was overtaken; perhaps a second process.
            StatusCode::CONFLICT => {
                tracing::warn!("{}", text(response).await);
                sleep(OTHER_READER).await;
                Ok(None)
            }
            StatusCode::OK => {
                let bytes = read(response, MAX_LETTER_LEN).await?;
                borsh::from_slice(&bytes).map(Some).map_err(|e| Error::Answer(e.to_string()))
            }
            _ => Err(refusal(response).await),
        }
    }

    /// Says something in the round called `round`.
    pub(crate) async fn say(&self, round: &Digest, signed: &Signed, until: Instant) -> Result<Sent, Error> {
        self.post(round, "messages", &to_bytes(signed), until).await
    }

    /// Offers inputs in the round called `round`.
    pub(crate) async fn offer(&self, round: &Digest, offers: &Vec<Offer>, until: Instant) -> Result<Sent, Error> {
        self.post(round, "offers", &to_bytes(offers), until).await
    }

    /// Says why the round called `round` is not taken part in.
    pub(crate) async fn refuse(&self, round: &Digest, reason: &str, until: Instant) -> Result<Sent, Error> {
        self.post(round, "refusals", reason.as_bytes(), until).await
    }

    async fn post(&self, round: &Digest, what: &str, body: &[u8], until: Instant) -> Result<Sent, Error> {
        let path = format!("/v1/trainings/{}/rounds/{}/{what}", self.training, hex::encode(round));
        let began = Instant::now();
        let unanswered = || Error::Unreachable {
            url: self.base.to_string(),
            waited: began.elapsed(),
            reason: "no answer in time".into(),
        };
        let response = self.persist(Method::POST, &path, body, until).await?.ok_or_else(unanswered)?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(Sent::In),
            // An earlier try whose answer was lost.
            StatusCode::CONFLICT => Ok(Sent::In),
            StatusCode::GONE => Ok(Sent::Late(text(response).await)),
            _ => Err(refusal(response).await),
        }
    }
}

/// Whether a later try may be answered otherwise.
fn passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// Reads a body of at most `most` bytes.
async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Error::Answer(chain(&e)))? {
        if bytes.len() + chunk.len() > most {
            return Err(Error::Answer(format!("more than {most} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The beginning of what a refusal says, or nothing if that cannot be read.
async fn text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_TEXT - bytes.len())]);
        if bytes.len() == MAX_TEXT {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn refusal(response: Response) -> Error {
    Error::Refused { status: response.status().as_u16(), text: text(response).await }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
