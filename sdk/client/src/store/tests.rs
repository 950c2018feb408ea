//! The store client against a store in this process that can be told to misbehave.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Bytes as Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode as Status},
    response::IntoResponse,
    routing::get,
};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tokio::net::TcpListener;

use super::*;

/// A store that answers its first `failures` requests with 503, and every get with `blob`.
struct Store {
    blob: Vec<u8>,
    failures: AtomicU32,
    put_by: std::sync::Mutex<Option<String>>,
    host: String,
    /// Seconds by which its clock is ahead.
    ahead: u64,
    /// Whether it answers as no store does.
    is_strange: bool,
}

impl Store {
    fn fails(&self) -> bool {
        self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

async fn serve(blob: &[u8], failures: u32) -> (StoreClient, Arc<Store>) {
    serve_as(blob, failures, 0, false).await
}

async fn serve_as(blob: &[u8], failures: u32, ahead: u64, is_strange: bool) -> (StoreClient, Arc<Store>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let client = StoreClient::new(&format!("http://{host}")).unwrap();
    let store =
        Arc::new(Store { blob: blob.into(), failures: failures.into(), put_by: None.into(), host, ahead, is_strange });
    let read = |State(store): State<Arc<Store>>, Path(cid): Path<String>, headers: HeaderMap| async move {
        if store.fails() {
            Err(Status::SERVICE_UNAVAILABLE)
        } else if cid == Cid::of(b"missing").to_string() {
            Err(Status::NOT_FOUND)
        } else if let Some(range) = headers.get(header::RANGE) {
            let (first, last) = range.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            let part = store.blob.get(first..store.blob.len().min(last + 1)).ok_or(Status::RANGE_NOT_SATISFIABLE)?;
            Ok((Status::PARTIAL_CONTENT, part.to_vec()).into_response())
        } else {
            let tag = format!("\"{cid}\"");
            let tag = (!store.is_strange).then_some([(header::ETAG, tag)]);
            Ok((Status::OK, tag, store.blob.clone()).into_response())
        }
    };
    let write = |State(store): State<Arc<Store>>, Path(cid): Path<Cid2>, headers: HeaderMap, body: Body| async move {
        let now = SystemTime::now() + Duration::from_secs(store.ahead);
        let date = [(header::DATE, httpdate::fmt_http_date(now))];
        if store.fails() {
            return (Status::SERVICE_UNAVAILABLE, date, String::new());
        }
        let value = headers[header::AUTHORIZATION].to_str().unwrap();
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        match auth::verify(value, &store.host, &cid.0, body.len() as u64, now) {
            Ok(key) => {
                *store.put_by.lock().unwrap() = Some(key.to_string());
                let cid = if store.is_strange { Cid::default() } else { cid.0 };
                (Status::CREATED, date, format!("{{\"cid\":\"{cid}\",\"len\":{}}}", body.len()))
            }
            Err(_) => (Status::UNAUTHORIZED, date, String::new()),
        }
    };
    let router = Router::new().route("/v1/blobs/{cid}", get(read).put(write)).with_state(Arc::clone(&store));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (client, store)
}

/// A content id in a path.
struct Cid2(Cid);

impl<'de> serde::Deserialize<'de> for Cid2 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[tokio::test]
async fn parts_are_as_long_as_was_asked_for() {
    let (client, _) = serve(b"hello", 2).await;
    let cid = Cid::of(b"hello");
    assert_eq!(client.part(&cid, 1..3).await.unwrap(), "el");
    assert!(matches!(client.part(&cid, 3..6).await, Err(StoreError::Refused { .. })));
    let beyond = client.part(&cid, 6..7).await;
    assert!(matches!(beyond, Err(StoreError::Refused { status: Status::RANGE_NOT_SATISFIABLE, .. })), "{beyond:?}");
    assert!(matches!(client.part(&Cid::of(b"missing"), 0..1).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn blobs_are_checked_and_bounded() {
    let (client, _) = serve(b"hello", 0).await;
    assert_eq!(client.get(&Cid::of(b"hello"), 5).await.unwrap(), "hello");
    assert!(matches!(client.get(&Cid::of(b"hello"), 4).await, Err(StoreError::TooLong { limit: 4, .. })));
    assert!(matches!(client.get(&Cid::of(b"other"), 9).await, Err(StoreError::Corrupt { .. })));
    assert!(matches!(client.get(&Cid::of(b"missing"), 9).await, Err(StoreError::NotFound { .. })));
    assert!(client.exists(&Cid::of(b"hello")).await.unwrap());
    assert!(!client.exists(&Cid::of(b"missing")).await.unwrap());
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again_but_not_forever() {
    let (client, _) = serve(b"hello", 2).await;
    assert_eq!(client.get(&Cid::of(b"hello"), 5).await.unwrap(), "hello");
    let (client, store) = serve(b"hello", 100).await;
    assert!(client.get(&Cid::of(b"hello"), 5).await.unwrap_err().is_transient());
    assert_eq!(store.failures.load(Ordering::SeqCst), 100 - ATTEMPTS);
}

#[tokio::test]
async fn puts_are_signed() {
    let (client, store) = serve(b"", 1).await;
    let key = Keypair::new();
    assert_eq!(client.put(&key, Bytes::from_static(b"new")).await.unwrap(), Cid::of(b"new"));
    assert_eq!(*store.put_by.lock().unwrap(), Some(key.pubkey().to_string()));
}

#[tokio::test]
async fn a_clock_that_is_wrong_here_keeps_nobody_from_putting() {
    let (client, store) = serve_as(b"", 0, 86_400, false).await;
    let key = Keypair::new();
    client.put(&key, Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(*store.put_by.lock().unwrap(), Some(key.pubkey().to_string()));
}

#[tokio::test]
async fn a_wallet_puts_by_the_hand_of_a_key() {
    let (client, store) = serve(b"", 0).await;
    let wallet = Keypair::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let grant = Grant::ask(&wallet, client.host(), now).unwrap();
    client.put_granted(&grant, Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(*store.put_by.lock().unwrap(), Some(wallet.pubkey().to_string()));
}

#[tokio::test]
async fn who_does_not_sign_puts_nothing() {
    let (client, store) = serve(b"", 0).await;
    let nobody = solana_signer::null_signer::NullSigner::new(&Pubkey::new_from_array([5; 32]));
    assert!(client.put(&nobody, Bytes::from_static(b"new")).await.is_err(), "a signature of zeros");
    let error = client.put(&Unwilling, Bytes::from_static(b"new")).await.unwrap_err();
    assert!(matches!(error, StoreError::Signer { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("connect and unlock the device"), "{error}");
    assert_eq!(*store.put_by.lock().unwrap(), None);
}

/// A signer whose device is gone.
struct Unwilling;

impl Signer for Unwilling {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        Ok(Pubkey::new_from_array([6; 32]))
    }

    fn try_sign_message(&self, _: &[u8]) -> Result<solana_signature::Signature, SignerError> {
        Err(SignerError::NoDeviceFound)
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn not_every_answer_is_a_stores() {
    let (client, _) = serve_as(b"hello", 0, 0, true).await;
    assert!(matches!(client.exists(&Cid::of(b"hello")).await, Err(StoreError::Nonsense { .. })));
    let put = client.put(&Keypair::new(), Bytes::from_static(b"hello")).await;
    assert!(matches!(put, Err(StoreError::Nonsense { .. })), "{put:?}");
}

#[tokio::test]
async fn addresses_are_checked() {
    assert!(matches!(StoreClient::new("ftp://host"), Err(StoreError::Url { .. })));
    assert!(matches!(StoreClient::new("host:80"), Err(StoreError::Url { .. })));
    assert_eq!(
        StoreClient::new("http://host/base").unwrap().blob(&Cid::default()).unwrap().path(),
        format!("/base/v1/blobs/{}", Cid::default())
    );
}
