//! `PUT`: who may, how much, and that nothing but the named bytes is ever kept.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    body::{Body, HttpBody},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde_json::json;
use solana_pubkey::Pubkey;
use tessera_protocol::cid::Cid;

use super::{KIB, Refusal, Service, parse_cid, text};
use crate::{StoreError, blobs::Pace, quota::Quota};

/// How much of the body of a refused put is read, so that its sender gets to read the answer.
const DRAIN: u64 = 1 << 20;
/// And for how long.
const COURTESY: Duration = Duration::from_secs(2);
/// What a put takes besides the bytes it holds.
const TASK: u64 = 32 << 10;

pub(crate) async fn put(
    State(service): State<Arc<Service>>,
    path: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // In a task of its own: a connection that breaks must not stop the tidying up.
    let work = tokio::spawn(async move {
        let cid = parse_cid(path)?;
        // That of Content-Length; a request without one and without chunks has an empty body.
        let len = body.size_hint().exact();
        match admit(&service, &cid, &headers, len).await {
            Ok(Admitted::New { key, len }) => receive(&service, cid, key, len, body).await,
            Ok(Admitted::Known { len }) => {
                drain(body, len, service.config.idle, service.whole(len)).await;
                Ok((StatusCode::OK, Json(json!({ "cid": cid.to_string(), "len": len }))).into_response())
            }
            Err(refusal) => {
                drain(body, DRAIN, COURTESY, COURTESY).await;
                Err(refusal)
            }
        }
    });
    match work.await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => refusal.into_response(),
        Err(e) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the put crashed: {e}")).into_response(),
    }
}

enum Admitted {
    New { key: Pubkey, len: u64 },
    Known { len: u64 },
}

/// Everything that can be decided before the body.
async fn admit(service: &Service, cid: &Cid, headers: &HeaderMap, len: Option<u64>) -> Result<Admitted, Refusal> {
    let len = len.ok_or_else(|| {
        Refusal::new(StatusCode::LENGTH_REQUIRED, "expected a Content-Length: signatures cover the length")
    })?;
    let most = service.config.max_blob_len;
    if len > most {
        let text = format!("a blob of {len} bytes, at most {most} are taken here");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let value = text(headers, &header::AUTHORIZATION);
    let value = value.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "expected an Authorization header"))?;
    let key = tessera_sdk::store::auth::verify(value, &service.host, cid, len, unix_now())
        .map_err(|e| Refusal::new(StatusCode::UNAUTHORIZED, e.to_string()))?;
    if !service.members.is_member(&key).await? {
        let market = service.config.market;
        let text = format!("{key} is neither a client nor an operator of market {market}: register there first");
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    match service.blobs.len(cid).await? {
        Some(_) => Ok(Admitted::Known { len }),
        None => Ok(Admitted::New { key, len }),
    }
}

async fn receive(service: &Service, cid: Cid, key: Pubkey, len: u64, body: Body) -> Result<Response, Refusal> {
    let config = &service.config;
    let kib = u32::try_from((TASK + service.blobs.memory(len)).div_ceil(KIB)).unwrap_or(u32::MAX);
    let _place = service.puts.take(key, kib, config.idle).await.ok_or_else(|| Refusal::busy("writers"))?;
    let now = unix_now();
    if !service.quota.take(&key, len, now) {
        let text = format!("{key} has used up its {} bytes for today", config.quota_per_key_per_day);
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, text);
        return Err(Refusal { retry_after: Some(Quota::renews_in(now)), ..refusal });
    }
    let pace = Pace { idle: config.idle, whole: service.whole(len) };
    match service.blobs.write(&cid, len, body.into_data_stream(), pace).await {
        Ok(()) => {
            tracing::info!(%cid, len, %key, "stored");
            Ok((StatusCode::CREATED, Json(json!({ "cid": cid.to_string(), "len": len }))).into_response())
        }
        Err(e) => {
            if matches!(e, StoreError::Backend(_) | StoreError::Write(_)) {
                service.quota.give_back(&key, len, now);
            }
            Err(e.into())
        }
    }
}

/// Reads what the sender still sends: up to `most` bytes, for no pause longer than `idle` and no longer than `whole`.
async fn drain(body: Body, most: u64, idle: Duration, whole: Duration) {
    let mut stream = body.into_data_stream();
    let mut left = most;
    let reading = async {
        while let Ok(Some(Ok(bytes))) = tokio::time::timeout(idle, stream.next()).await {
            match left.checked_sub(bytes.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whatever is left is not read: the answer goes out, and the connection ends.
    let _ = tokio::time::timeout(whole, reading).await;
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
