//! `GET` and `HEAD`: ranges, validators, and a stream that a stalled reader cannot hold for ever.

use std::{ops::Range, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tessera_protocol::cid::Cid;
use tokio::{
    sync::mpsc,
    time::{error::Elapsed, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{Refusal, Service, parse_cid, text};
use crate::{
    blobs::{Pace, Piece},
    connections::Peer,
    places::Place,
    range::{self, Wanted},
};

/// Pieces read ahead of a reader.
const AHEAD: usize = 4;

pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    Extension(peer): Extension<Peer>,
    path: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let cid = parse_cid(path)?;
    let idle = service.config.idle;
    let place = service.gets.take(peer.address, 1, idle).await.ok_or_else(|| Refusal::busy("readers"))?;
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
    let pace = Pace { idle, whole: service.whole(piece.range.end - piece.range.start) };
    *response.body_mut() = Body::from_stream(ReceiverStream::new(pump(piece, place, pace, move || peer.cut())));
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

/// Reads `piece` in a task of its own, which ends, and frees its place, when the reader stalls or is too slow. `cut` is called
/// then, for what is already on its way to such a reader would hold the connection.
fn pump(
    mut piece: Piece,
    place: Place,
    pace: Pace,
    cut: impl FnOnce() + Send + 'static,
) -> mpsc::Receiver<Result<Bytes, object_store::Error>> {
    let (to, from) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        let reading = async {
            while let Some(bytes) = timeout(pace.idle, piece.stream.next()).await? {
                let broken = bytes.is_err();
                if timeout(pace.idle, to.send(bytes)).await?.is_err() || broken {
                    return Ok(());
                }
            }
            Ok::<(), Elapsed>(())
        };
        if !matches!(timeout(pace.whole, reading).await, Ok(Ok(()))) {
            tracing::debug!("a reader is too slow");
            cut();
        }
    });
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;
    use futures_util::stream;
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    /// What a reader gets that waits `pause` before every piece of an endless blob, and whether it was cut.
    async fn read(pause: Duration) -> (usize, bool) {
        let pace = Pace { idle: Duration::from_secs(5), whole: Duration::from_secs(60) };
        let piece =
            Piece { total: 1, range: 0..1, stream: stream::repeat_with(|| Ok(Bytes::from_static(b"x"))).boxed() };
        let (places, cut) = (Places::new(2), Arc::new(AtomicBool::new(false)));
        let place = places.take((), 1, pace.idle).await.unwrap();
        let seen = Arc::clone(&cut);
        let mut pieces = pump(piece, place, pace, move || seen.store(true, Ordering::SeqCst));
        let mut count = 0;
        loop {
            tokio::time::sleep(pause).await;
            if pieces.recv().await.is_none() {
                break;
            }
            count += 1;
        }
        assert!(places.take((), 1, Duration::ZERO).await.is_some(), "its place is free");
        (count, cut.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stalls_or_trickles_is_cut() {
        assert_eq!(read(Duration::from_secs(6)).await, (AHEAD, true), "no more than what was read ahead");
        let (count, cut) = read(Duration::from_secs(4)).await;
        assert!(cut && (15..=16 + AHEAD).contains(&count), "{count} pieces in a minute, and what was read ahead");
    }
}
