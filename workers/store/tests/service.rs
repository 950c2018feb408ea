//! The service as its users meet it: over a real socket.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, Response, StatusCode, header};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::cid::Cid;
use tessera_sdk::store::{auth, grant::Grant};
use tessera_store::{
    blobs::Blobs,
    server::{Running, ServeConfig, serve_members},
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

struct World {
    dir: tempfile::TempDir,
    running: Running,
    member: Keypair,
    http: Client,
}

/// A service with one member, after `change` to its settings.
async fn world(change: impl FnOnce(&mut ServeConfig)) -> World {
    let (dir, member) = (tempfile::tempdir().unwrap(), Keypair::new());
    let mut config = ServeConfig::new(dir.path().to_str().unwrap(), Pubkey::new_from_array([1; 32]));
    config.listen = "127.0.0.1:0".parse().unwrap();
    change(&mut config);
    let members = HashSet::from([member.pubkey()]);
    let running = serve_members(config, Arc::new(members)).await.unwrap();
    World { dir, running, member, http: Client::new() }
}

impl World {
    fn host(&self) -> String {
        self.running.address().to_string()
    }

    fn url(&self, cid: &Cid) -> String {
        format!("http://{}/v1/blobs/{cid}", self.host())
    }

    fn sign(&self, key: &Keypair, cid: &Cid, len: usize, age: i64) -> String {
        auth::header(key, &self.host(), cid, len as u64, now().saturating_add_signed(-age)).unwrap()
    }

    async fn put_as(&self, authorization: String, cid: &Cid, body: Vec<u8>) -> Response {
        let request = self.http.put(self.url(cid)).header(header::AUTHORIZATION, authorization);
        request.body(body).send().await.unwrap()
    }

    async fn put(&self, blob: &[u8]) -> Response {
        let cid = Cid::of(blob);
        self.put_as(self.sign(&self.member, &cid, blob.len(), 0), &cid, blob.to_vec()).await
    }

    async fn get(&self, cid: &Cid, headers: &[(header::HeaderName, &str)]) -> Response {
        let request = headers.iter().fold(self.http.get(self.url(cid)), |r, (name, value)| r.header(name, *value));
        request.send().await.unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        files(self.dir.path())
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Waits until `holds`, and fails if that takes a minute.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} does not come about");
}

fn blob(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn refused(response: Response, status: StatusCode, says: &str) {
    let found = response.status();
    let text = response.text().await.unwrap();
    assert!(found == status && text.contains(says), "expected {status} with {says:?}, found {found}: {text}");
}

#[tokio::test]
async fn round_trip() {
    let world = world(|_| ()).await;
    for len in [0, 1, 1024, 300_000, 20_000_000] {
        let blob = blob(len);
        let cid = Cid::of(&blob);
        refused(world.get(&cid, &[]).await, StatusCode::NOT_FOUND, &cid.to_string()).await;
        assert_eq!(world.http.head(world.url(&cid)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(world.put(&blob).await.status(), StatusCode::CREATED);
        assert_eq!(world.put(&blob).await.status(), StatusCode::OK, "the second time it is there");

        let head = world.http.head(world.url(&cid)).send().await.unwrap();
        assert_eq!(head.headers()[header::CONTENT_LENGTH], len.to_string());
        let got = world.get(&cid, &[]).await;
        assert_eq!(got.headers()[header::ETAG], format!("\"{cid}\""));
        assert!(got.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(got.bytes().await.unwrap(), blob);
    }
}

#[tokio::test]
async fn ranges_and_validators() {
    let world = world(|_| ()).await;
    let blob = blob(5000);
    let cid = Cid::of(&blob);
    world.put(&blob).await;
    for (range, part) in
        [("bytes=0-9", 0..10), ("bytes=1024-2047", 1024..2048), ("bytes=4990-", 4990..5000), ("bytes=-5", 4995..5000)]
    {
        let got = world.get(&cid, &[(header::RANGE, range)]).await;
        assert_eq!(got.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(got.headers()[header::CONTENT_RANGE], format!("bytes {}-{}/5000", part.start, part.end - 1));
        assert_eq!(got.bytes().await.unwrap(), blob[part]);
    }
    let outside = world.get(&cid, &[(header::RANGE, "bytes=5000-")]).await;
    assert_eq!(outside.headers()[header::CONTENT_RANGE], "bytes */5000");
    refused(outside, StatusCode::RANGE_NOT_SATISFIABLE, "5000").await;
    let tag = format!("\"{cid}\"");
    let known = world.get(&cid, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert!(known.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_named_bytes_are_kept() {
    let world = world(|config| config.max_blob_len = 1000).await;
    let cid = Cid::of(&blob(900));
    let sign = |len| world.sign(&world.member, &cid, len, 0);
    refused(world.put_as(sign(900), &cid, vec![0; 900]).await, StatusCode::UNPROCESSABLE_ENTITY, "content id").await;
    refused(world.put_as(sign(1001), &cid, vec![0; 1001]).await, StatusCode::PAYLOAD_TOO_LARGE, "1000").await;
    let url = format!("http://{}/v1/blobs/nonsense", world.host());
    refused(world.http.put(url).body("x").send().await.unwrap(), StatusCode::BAD_REQUEST, "64 hexadecimal").await;
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[tokio::test]
async fn a_put_needs_a_length() {
    let world = world(|_| ()).await;
    let (blob, cid) = (blob(100), Cid::of(&blob(100)));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(blob)]));
    let request =
        world.http.put(world.url(&cid)).header(header::AUTHORIZATION, world.sign(&world.member, &cid, 100, 0));
    refused(request.body(body).send().await.unwrap(), StatusCode::LENGTH_REQUIRED, "Content-Length").await;
}

#[tokio::test]
async fn signatures_decide() {
    let world = world(|_| ()).await;
    let blob = blob(100);
    let cid = Cid::of(&blob);
    let (member, stranger) = (&world.member, Keypair::new());
    let unauthorized = [
        "Tessera nonsense".to_owned(),
        world.sign(member, &cid, 99, 0),
        world.sign(member, &Cid::of(b"other"), 100, 0),
        world.sign(member, &cid, 100, 301),
        world.sign(member, &cid, 100, -310),
        auth::header(member, "other.example", &cid, 100, now()).unwrap(),
        world.sign(&stranger, &cid, 100, 0).replace(&stranger.pubkey().to_string(), &member.pubkey().to_string()),
    ];
    for header in unauthorized {
        let answer = world.put_as(header.clone(), &cid, blob.clone()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    let none = world.http.put(world.url(&cid)).body(blob.clone()).send().await.unwrap();
    refused(none, StatusCode::UNAUTHORIZED, "Authorization").await;
    let unknown = world.put_as(world.sign(&stranger, &cid, 100, 0), &cid, blob.clone()).await;
    refused(unknown, StatusCode::FORBIDDEN, &stranger.pubkey().to_string()).await;
    assert!(world.files().is_empty());
    assert_eq!(world.put_as(world.sign(member, &cid, 100, 290), &cid, blob).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn members_let_keys_put_for_them() {
    let world = world(|_| ()).await;
    let (blob, stranger) = (blob(100), Keypair::new());
    let cid = Cid::of(&blob);
    let put = async |wallet: &Keypair, host: &str, at: u64| {
        let grant = Grant::ask(wallet, host, at).unwrap();
        world.put_as(grant.header(&cid, 100, now()).unwrap(), &cid, blob.clone()).await
    };
    let host = world.host();
    refused(put(&stranger, &host, now()).await, StatusCode::FORBIDDEN, &stranger.pubkey().to_string()).await;
    refused(put(&world.member, "other.example", now()).await, StatusCode::UNAUTHORIZED, "not signed").await;
    refused(put(&world.member, &host, now() - 86_400).await, StatusCode::UNAUTHORIZED, "grant ends").await;
    assert!(world.files().is_empty());
    assert_eq!(put(&world.member, &host, now()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_cut_connection_leaves_nothing() {
    let world = world(|_| ()).await;
    // Large enough that parts are staged on disk before the cut.
    let blob = blob(20_000_000);
    let cid = Cid::of(&blob);
    let mut socket = TcpStream::connect(world.running.address()).await.unwrap();
    let (host, authorization) = (world.host(), world.sign(&world.member, &cid, blob.len(), 0));
    let head = format!(
        "PUT /v1/blobs/{cid} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nAuthorization: {authorization}\r\n\r\n",
        blob.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&blob[..18_000_000]).await.unwrap();
    eventually("a staged part", async || !world.files().is_empty()).await;
    drop(socket);
    eventually("tidying up", async || world.files().is_empty()).await;
    assert_eq!(world.get(&cid, &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.put(&blob).await.status(), StatusCode::CREATED);
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn concurrent_puts_of_equal_and_different_blobs() {
    let world = Arc::new(world(|_| ()).await);
    let puts = (0..24u32).map(|i| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.put(&blob(1_000_000 + i % 4)).await.status() })
    });
    for put in puts.collect::<Vec<_>>() {
        let status = put.await.unwrap();
        assert!(status.is_success(), "{status}");
    }
    assert_eq!(world.files().len(), 4);
    for i in 0..4 {
        let blob = blob(1_000_000 + i);
        assert_eq!(world.get(&Cid::of(&blob), &[]).await.bytes().await.unwrap(), blob);
    }
}

#[tokio::test]
async fn quotas_run_out() {
    let world = world(|config| config.quota_per_key_per_day = 150).await;
    assert_eq!(world.put(&blob(100)).await.status(), StatusCode::CREATED);
    let over = world.put(&blob(51)).await;
    assert!(over.headers().contains_key(header::RETRY_AFTER));
    refused(over, StatusCode::TOO_MANY_REQUESTS, "150").await;
    assert_eq!(world.put(&blob(100)).await.status(), StatusCode::OK, "what is there costs nothing");
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one() {
    let world = world(|config| {
        // A key gets half of it, which one put takes.
        config.put_memory = 64 << 10;
        config.idle = Duration::from_secs(2);
        config.min_bytes_per_second = 1;
    })
    .await;
    let slow = blob(40);
    let cid = Cid::of(&slow);
    let mut socket = TcpStream::connect(world.running.address()).await.unwrap();
    let (host, authorization) = (world.host(), world.sign(&world.member, &cid, slow.len(), 0));
    let head = format!(
        "PUT /v1/blobs/{cid} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 40\r\nAuthorization: {authorization}\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // "100 Continue" is sent when the handler asks for the body: from then on it holds the only place.
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    let (other, waiting) = (blob(10), blob(20));
    let sending = async {
        let mut sent = 0;
        let mut put = std::pin::pin!(world.put(&other));
        let refusal = loop {
            tokio::select! {
                answer = &mut put => break answer,
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    socket.write_all(&slow[sent..=sent]).await.unwrap();
                    sent += 1;
                }
            }
        };
        refused(refusal, StatusCode::SERVICE_UNAVAILABLE, "try again").await;
        let (answer, sent) = tokio::join!(world.put(&waiting), socket.write_all(&slow[sent..]));
        sent.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "the place was free in time");
    };
    sending.await;
    eventually("the blob", async || world.get(&cid, &[]).await.status() == StatusCode::OK).await;
}

#[tokio::test]
async fn health_and_shutdown() {
    let world = world(|_| ()).await;
    let url = format!("http://{}/v1/health", world.host());
    let health: serde_json::Value = world.http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["host"], world.host());
    let World { running, http, .. } = world;
    running.shutdown(Duration::from_secs(5)).await.unwrap();
    assert!(http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn settings_are_checked() {
    let mut config = ServeConfig::new("x", Pubkey::new_from_array([1; 32]));
    config.put_memory = 0;
    let e = serve_members(config, Arc::new(HashSet::new())).await.err().unwrap();
    assert!(e.to_string().contains("put_memory"), "{e}");
    assert!(Blobs::open("nowhere://x").is_err());
}
