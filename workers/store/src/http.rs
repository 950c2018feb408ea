//! Routes, and what every answer has in common.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;

use crate::{Blobs, StoreError, membership::Membership, places::Places, quota::Quota, server::ServeConfig};

mod read;
mod write;

/// What the handlers share.
pub(crate) struct Service {
    config: ServeConfig,
    host: String,
    blobs: Blobs,
    members: Arc<dyn Membership>,
    quota: Quota,
    /// Kibibytes of memory, by key.
    puts: Places<Pubkey>,
    /// Readers, by address.
    gets: Places<IpAddr>,
}

impl Service {
    pub(crate) fn new(config: ServeConfig, host: String, blobs: Blobs, members: Arc<dyn Membership>) -> Arc<Self> {
        Arc::new(Self {
            quota: Quota::new(config.quota_per_key_per_day),
            puts: Places::new(u32::try_from(config.put_memory / KIB).unwrap_or(u32::MAX)),
            gets: Places::new(config.max_gets),
            config,
            host,
            blobs,
            members,
        })
    }

    /// The time that a body of `len` bytes is given.
    fn whole(&self, len: u64) -> Duration {
        self.config.idle + Duration::from_secs(len / self.config.min_bytes_per_second)
    }
}

/// What memory of puts is counted in.
const KIB: u64 = 1024;

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/blobs/{cid}", get(read::get).head(read::head).put(write::put))
        .layer(tower_http::trace::TraceLayer::new_for_http())
        .with_state(service)
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    // Any answer of the object store will do, also that there is no such blob.
    let answer = tokio::time::timeout(service.config.idle, service.blobs.len(&Cid::of(b""))).await;
    let (status, text) = match answer {
        Ok(Ok(_)) => (StatusCode::OK, "ok".to_owned()),
        Ok(Err(e)) => (StatusCode::SERVICE_UNAVAILABLE, e.to_string()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the object store does not answer".to_owned()),
    };
    let body = json!({
        "status": text,
        "version": env!("CARGO_PKG_VERSION"),
        "host": service.host,
        "market": service.config.market.to_string(),
        "max_blob_len": service.config.max_blob_len,
    });
    (status, Json(body)).into_response()
}

/// A refusal: a status and a sentence.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    fn busy(what: &str) -> Self {
        let text = format!("the store already serves as many {what} as it can: try again");
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.text }))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        let status = match &e {
            StoreError::WrongContent { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            StoreError::WrongLength { .. } | StoreError::BrokenBody { .. } => StatusCode::BAD_REQUEST,
            StoreError::Stalled { .. } | StoreError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            StoreError::Membership { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(error = %e, "request failed");
        }
        Self::new(status, e.to_string())
    }
}

fn parse_cid(Path(text): Path<String>) -> Result<Cid, Refusal> {
    text.parse().map_err(|e: tessera_protocol::cid::ParseCidError| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
