//! Clients that keep to the rules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, StatusCode};
use solana_keypair::Keypair;
use tessera_protocol::cid::Cid;
use tessera_sdk::store::{StoreClient, auth};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::{PATIENCE, store::Store};

/// Transfers at once, of which half are puts.
pub const TRANSFERS: usize = 500;
/// Sizes of blobs: around the chunks of content ids, the parts that the store stages, and what it stages at all.
pub const SIZES: [usize; 10] = [0, 1, 1_023, 1_025, 20_000, 65_536, 300_000, 1_048_576, 1_500_000, 3_000_000];
/// Length of the blobs that are put by all at the same time.
const LONG: usize = 400_000;
/// Pause of those who wait for others.
const STEP: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Blob {
    pub cid: Cid,
    pub bytes: Bytes,
}

impl Blob {
    pub fn new(seed: usize, len: usize) -> Self {
        let mut bytes = BytesMut::zeroed(len);
        fastrand::Rng::with_seed(seed as u64).fill(&mut bytes);
        Self { cid: Cid::of(&bytes), bytes: bytes.freeze() }
    }
}

/// Blobs of all sizes, each of which nobody else makes.
pub fn blobs(first: usize, count: usize) -> Vec<Blob> {
    (0..count).map(|n| Blob::new(first + n, SIZES[n % SIZES.len()])).collect()
}

pub fn url(store: &Store, cid: &Cid) -> String {
    format!("{}/v1/blobs/{cid}", store.url())
}

pub fn signed(store: &Store, key: &Keypair, cid: &Cid, len: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    auth::header(key, &store.host, cid, len as u64, now).unwrap()
}

/// Where transfers wait for each other.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn arrive(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn is_complete(&self) -> bool {
        self.0.load(Ordering::SeqCst) == TRANSFERS
    }
}

/// Every transfer waits in its middle until all others are there too. Returns what was put.
pub async fn all_at_once(store: &Arc<Store>, there: &[Blob]) -> Vec<Blob> {
    let (http, meeting) = (Client::new(), Arc::new(Meeting::default()));
    let largest = there.iter().max_by_key(|blob| blob.bytes.len()).unwrap();
    let new: Vec<_> = (0..TRANSFERS / 2).map(|n| Blob::new(10_000 + n, LONG + n)).collect();
    let mut transfers = JoinSet::new();
    for blob in &new {
        transfers.spawn(put(Arc::clone(store), blob.clone(), Arc::clone(&meeting)));
        transfers.spawn(get(http.clone(), url(store, &largest.cid), largest.clone(), Arc::clone(&meeting)));
    }
    finish(transfers).await;
    new
}

async fn put(store: Arc<Store>, blob: Blob, meeting: Arc<Meeting>) {
    let len = blob.bytes.len();
    // The store says this when it begins to read the body: the put has its place then.
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    let mut socket = loop {
        if let Some((socket, first)) = ask(&store, &blob).await {
            go_on[0] = first;
            break socket;
        }
        sleep(STEP).await;
    };
    socket.read_exact(&mut go_on[1..]).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
    let mut sent = len / 2;
    socket.write_all(&blob.bytes[..sent]).await.unwrap();
    meeting.arrive();
    while !meeting.is_complete() {
        sleep(STEP).await;
        socket.write_all(&blob.bytes[sent..sent + 64]).await.unwrap();
        sent += 64;
    }
    socket.write_all(&blob.bytes[sent..]).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

/// Sends the head of a put; returns the connection and the first byte of what the store says. `None` if the store closes the
/// connection before, as it does to make room while the head has not been read yet: then anybody asks once more.
async fn ask(store: &Store, blob: &Blob) -> Option<(TcpStream, u8)> {
    let mut socket = TcpStream::connect(&store.host).await.unwrap();
    let (host, len) = (&store.host, blob.bytes.len());
    let authorization = signed(store, &store.member, &blob.cid, len);
    let head = format!(
        "PUT /v1/blobs/{} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\nAuthorization: {authorization}\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n",
        blob.cid
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    let first = socket.read_u8().await.ok()?;
    Some((socket, first))
}

async fn get(http: Client, url: String, blob: Blob, meeting: Arc<Meeting>) {
    let mut answer = loop {
        match http.get(&url).send().await {
            Ok(answer) => break answer,
            // As with puts: closed before there was an answer.
            Err(_) => sleep(STEP).await,
        }
    };
    assert_eq!(answer.status(), StatusCode::OK);
    let mut bytes = BytesMut::from(&answer.chunk().await.unwrap().unwrap()[..]);
    meeting.arrive();
    while !meeting.is_complete() {
        sleep(STEP).await;
    }
    while let Some(piece) = answer.chunk().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes == blob.bytes, "{} bytes of {}", bytes.len(), blob.bytes.len());
}

/// As clients and workers do it: whole blobs of all sizes, all begun at once. Returns what was put.
pub async fn as_they_come(store: &Arc<Store>, there: &[Blob]) -> Vec<Blob> {
    let client = StoreClient::new(&store.url()).unwrap();
    let new = blobs(20_000, TRANSFERS / 2);
    let mut transfers = JoinSet::new();
    for (new, old) in new.iter().cloned().zip(there.iter().cycle().cloned()) {
        let (store, putting, getting) = (Arc::clone(store), client.clone(), client.clone());
        transfers.spawn(async move { assert_eq!(putting.put(&store.member, new.bytes).await.unwrap(), new.cid) });
        transfers.spawn(async move {
            let len = old.bytes.len() as u64;
            assert!(getting.get(&old.cid, len).await.unwrap() == old.bytes);
            let part = getting.part(&old.cid, len / 3..len / 2).await;
            assert!(len < 6 || part.unwrap() == old.bytes[(len / 3) as usize..(len / 2) as usize]);
        });
    }
    finish(transfers).await;
    new
}

async fn finish(mut transfers: JoinSet<()>) {
    let all = async {
        while let Some(done) = transfers.join_next().await {
            done.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("transfers come to their end");
}
