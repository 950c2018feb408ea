//! `GET` and `HEAD`: ranges, validators, and a stream that a stalled reader cannot hold for ever.

use std::{ops::Range, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tessera_protocol::cid::Cid;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{Refusal, Service, parse_cid, text};
use crate::{
    blobs::Piece,
    range::{self, Wanted},
};

/// Pieces read ahead of a reader.
const AHEAD: usize = 4;

pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    path: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let cid = parse_cid(path)?;
    let permit = Arc::clone(&service.gets).try_acquire_owned();
    let permit = permit.map_err(|_| Refusal::busy("readers", service.config.max_gets))?;
    let plain = !headers.contains_key(header::RANGE) && !headers.contains_key(header::IF_NONE_MATCH);
    let part = if plain {
        None
    } else {
        let len = service.blobs.len(&cid).await?.ok_or_else(|| missing(&cid))?;
        match answer(&headers, &cid, len) {
            Answer::Empty(response) => return Ok(response),
            Answer::Bytes(part) => part,
        }
    };
    let piece = service.blobs.read(&cid, part.clone()).await?.ok_or_else(|| missing(&cid))?;
    let mut response = describe(&cid, piece.total, part.as_ref());
    *response.body_mut() = Body::from_stream(ReceiverStream::new(pump(piece, permit, service.config.idle)));
    Ok(response)
}

pub(crate) async fn head(
    State(service): State<Arc<Service>>,
    path: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let cid = parse_cid(path)?;
    let len = service.blobs.len(&cid).await?.ok_or_else(|| missing(&cid))?;
    Ok(match answer(&headers, &cid, len) {
        Answer::Empty(response) => response,
        Answer::Bytes(part) => describe(&cid, len, part.as_ref()),
    })
}

enum Answer {
    /// 304 or 416.
    Empty(Response),
    /// 200 or 206.
    Bytes(Option<Range<u64>>),
}

fn answer(headers: &HeaderMap, cid: &Cid, len: u64) -> Answer {
    let tag = format!("\"{cid}\"");
    let known = |list: &str| list.trim() == "*" || list.split(',').any(|t| t.trim().trim_start_matches("W/") == tag);
    if text(headers, &header::IF_NONE_MATCH).is_some_and(known) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        mark(response.headers_mut(), cid);
        return Answer::Empty(response);
    }
    match range::parse(text(headers, &header::RANGE), len) {
        Wanted::Whole => Answer::Bytes(None),
        Wanted::Part(part) => Answer::Bytes(Some(part)),
        Wanted::Unsatisfiable => {
            let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the blob has {len} bytes"));
            let mut response = refusal.into_response();
            insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{len}"));
            Answer::Empty(response)
        }
    }
}

/// Status and headers of a blob or a part of it.
fn describe(cid: &Cid, len: u64, part: Option<&Range<u64>>) -> Response {
    let mut response = Response::new(Body::empty());
    let mut count = len;
    if let Some(part) = part {
        count = part.end - part.start;
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{len}", part.start, part.end.saturating_sub(1));
        insert(response.headers_mut(), header::CONTENT_RANGE, text);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, count.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    mark(headers, cid);
    response
}

fn mark(headers: &mut HeaderMap, cid: &Cid) {
    insert(headers, header::ETAG, format!("\"{cid}\""));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // The address names the content: it can never change.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn missing(cid: &Cid) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no blob {cid} here"))
}

/// Reads `piece` in a task of its own, which ends, and frees its place, when the reader stalls for `idle`.
fn pump(
    mut piece: Piece,
    permit: OwnedSemaphorePermit,
    idle: Duration,
) -> mpsc::Receiver<Result<Bytes, object_store::Error>> {
    let (to, from) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = permit;
        while let Ok(Some(bytes)) = tokio::time::timeout(idle, piece.stream.next()).await {
            let broken = bytes.is_err();
            // The reader left, or has not taken a byte for too long; the body then ends short of its Content-Length.
            if !matches!(tokio::time::timeout(idle, to.send(bytes)).await, Ok(Ok(()))) || broken {
                return;
            }
        }
    });
    from
}
