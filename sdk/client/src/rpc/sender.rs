//! The way to one endpoint. It looks at what passes: how long answers take, of which slot they are, and when the endpoint asks for
//! a pause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use reqwest::{Request, Response, StatusCode, header::RETRY_AFTER};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use serde_json::Value;
use solana_rpc_client::{
    http_sender::HttpSender,
    rpc_sender::{RpcSender, RpcTransportStats},
};
use solana_rpc_client_api::{
    client_error::{self, ErrorKind},
    request::RpcRequest,
};
use tokio::time::Instant;

use super::{endpoint::Health, fault::Fault};
use crate::Error;

/// The newest slot that any answer of the configured commitment was of. Answers of earlier ones are not taken: what has been seen
/// stays seen, whichever endpoint answers next.
#[derive(Default)]
pub(super) struct Floor(AtomicU64);

impl Floor {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn raise(&self, slot: u64) {
        self.0.fetch_max(slot, Ordering::Relaxed);
    }

    /// For a cluster that begins anew.
    pub fn lower(&self, slot: u64) {
        self.0.store(slot, Ordering::Relaxed);
    }
}

pub(super) struct Sender {
    http: HttpSender,
    health: Arc<Health>,
    floor: Arc<Floor>,
}

impl Sender {
    pub fn new(url: &str, timeout: Duration, health: Arc<Health>, floor: Arc<Floor>) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .default_headers(HttpSender::default_headers())
            .timeout(timeout)
            .pool_idle_timeout(timeout)
            .build()
            .map_err(|e| Error::Config(format!("cannot make an HTTP client: {e}")))?;
        let client = ClientBuilder::new(client).with(Pauses).build();
        Ok(Self { http: HttpSender::new_with_client_with_middleware(url, client), health, floor })
    }
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> client_error::Result<Value> {
        let (floor, started) = (self.floor.get(), Instant::now());
        self.health.asked();
        let answer = self.http.send(request, params).await.map_err(nameless)?;
        self.health.answered(started.elapsed());
        let (context, newest) = (context_of(&answer), request == RpcRequest::GetSignatureStatuses);
        let slot = if request == RpcRequest::GetSlot { answer.as_u64() } else { context.filter(|_| !newest) };
        if let Some(slot) = slot {
            self.health.saw(slot);
        }
        match context {
            Some(slot) if slot < floor => return Err(Fault::Behind { slot, floor }.into()),
            // Statuses are of the newest block, whether it is confirmed or not.
            Some(slot) if !newest => self.floor.raise(slot),
            _ => {}
        }
        Ok(answer)
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        self.http.get_transport_stats()
    }

    fn url(&self) -> String {
        self.health.name().to_owned()
    }
}

/// The slot that an answer is of.
fn context_of(answer: &Value) -> Option<u64> {
    answer.get("context")?.get("slot")?.as_u64()
}

/// Addresses may hold keys for which somebody pays; errors are shown and logged.
fn nameless(error: client_error::Error) -> client_error::Error {
    let client_error::Error { request, kind } = error;
    let kind = match *kind {
        ErrorKind::Reqwest(e) => ErrorKind::Reqwest(e.without_url()),
        other => other,
    };
    client_error::Error { request, kind: Box::new(kind) }
}

/// Returns answers that ask for a pause as errors, for the HTTP client would wait in secret, and for one request only.
struct Pauses;

#[async_trait]
impl Middleware for Pauses {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let response = next.run(request, extensions).await?;
        let wait = || response.headers().get(RETRY_AFTER)?.to_str().ok().and_then(|text| wait(text, SystemTime::now()));
        match (response.status(), wait()) {
            (StatusCode::TOO_MANY_REQUESTS, wait) => Err(reqwest_middleware::Error::middleware(Fault::Limited(wait))),
            (StatusCode::SERVICE_UNAVAILABLE, wait @ Some(_)) => {
                Err(reqwest_middleware::Error::middleware(Fault::Limited(wait)))
            }
            _ => Ok(response),
        }
    }
}

/// What `Retry-After` says: seconds, or a date.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pauses_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(wait("120", now), Some(Duration::from_secs(120)));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:30 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:10 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("soon", now), None);
    }

    #[test]
    fn answers_are_of_slots() {
        assert_eq!(context_of(&json!({ "context": { "slot": 9 }, "value": [] })), Some(9));
        assert_eq!(context_of(&json!([{ "slot": 9 }])), None);
    }
}
