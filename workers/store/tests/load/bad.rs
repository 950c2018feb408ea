//! Clients that do harm. Each does one kind of it again and again, and looks whether the store does what it should.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode, header};
use solana_keypair::Keypair;
use tessera_protocol::cid::Cid;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    PATIENCE,
    good::{Blob, signed, url},
    store::{MAX_BLOB, Store},
};

/// Clients of each kind, and of those that only hold connections.
const EACH: usize = 6;
const IDLE: usize = 600;
/// What the rogue is told while it takes more than its share.
const BUSY: &str = "503";
/// How long those who say nothing wait for the end of their connection.
const UNHEARD: Duration = Duration::from_secs(20);
/// Pause between two attempts: the machine has to serve those who do no harm as well.
const BETWEEN: Duration = Duration::from_millis(300);
/// Pause of those who send a byte now and then.
const STEP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    WrongBytes,
    TooLarge,
    BadSignature,
    Stranger,
    CutShort,
    Paths,
    Noise,
    SlowHead,
    SlowBody,
    StalledBody,
}

const KINDS: [Kind; 10] = [
    Kind::WrongBytes,
    Kind::TooLarge,
    Kind::BadSignature,
    Kind::Stranger,
    Kind::CutShort,
    Kind::Paths,
    Kind::Noise,
    Kind::SlowHead,
    Kind::SlowBody,
    Kind::StalledBody,
];

/// Everybody who does harm.
pub struct Harm {
    over: Arc<AtomicBool>,
    clients: JoinSet<()>,
    /// Attempts that the store has met as it should.
    met: Arc<Mutex<BTreeMap<Kind, usize>>>,
    /// Those who connect and say nothing, and those who ask and then take nothing.
    holders: JoinSet<TcpStream>,
    held: Vec<TcpStream>,
}

/// Begins to do harm.
pub fn begin(store: &Arc<Store>, there: &[Blob]) -> Harm {
    let (over, met) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<BTreeMap<Kind, usize>>>::default());
    let (mut clients, mut holders) = (JoinSet::new(), JoinSet::new());
    // One connection for each request: the store closes what is idle for long.
    let http = Client::builder().pool_max_idle_per_host(0).build().unwrap();
    for (n, kind) in KINDS.into_iter().cycle().take(EACH * KINDS.len()).enumerate() {
        let (store, http, over, met) = (Arc::clone(store), http.clone(), Arc::clone(&over), Arc::clone(&met));
        clients.spawn(async move {
            let (mut round, mut once) = (0, false);
            while !once || !over.load(Ordering::SeqCst) {
                let blob = Blob::new(1_000_000 + n * 1_000 + round, 200_000);
                let seen = timeout(PATIENCE, attempt(kind, &store, &http, &blob))
                    .await
                    .unwrap_or_else(|_| panic!("{kind:?} hangs"));
                if seen {
                    *met.lock().unwrap().entry(kind).or_default() += 1;
                    once = true;
                }
                round += 1;
                sleep(BETWEEN).await;
            }
        });
    }
    let large = there.iter().max_by_key(|blob| blob.bytes.len()).unwrap().cid;
    for n in 0..IDLE {
        let (store, over) = (Arc::clone(store), Arc::clone(&over));
        holders.spawn(async move {
            loop {
                let mut socket = TcpStream::connect(&store.host).await.unwrap();
                if n < EACH {
                    let request = format!("GET /v1/blobs/{large} HTTP/1.1\r\nHost: {}\r\n\r\n", store.host);
                    // The store may have closed it for another that came later.
                    if socket.write_all(request.as_bytes()).await.is_ok() {
                        return socket;
                    }
                }
                // A connection that the system of the store has dropped before the store saw it is not closed.
                let closed = timeout(UNHEARD, socket.read(&mut [0])).await;
                assert!(matches!(closed, Ok(Ok(0) | Err(_)) | Err(_)), "the store speaks first");
                if over.load(Ordering::SeqCst) {
                    return socket;
                }
                sleep(BETWEEN).await;
            }
        });
    }
    Harm { over, clients, met, holders, held: vec![] }
}

impl Harm {
    /// Ends what is done again and again; connections are held until this is dropped.
    pub async fn end(&mut self) -> BTreeMap<Kind, usize> {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        while let Some(ended) = self.holders.join_next().await {
            self.held.push(ended.unwrap());
        }
        self.met.lock().unwrap().clone()
    }
}

/// Whether the store has met it, as it should. It may also have closed the connection before it read what was asked for, to make room
/// for others, as it does on a busy machine: then nothing is seen.
async fn attempt(kind: Kind, store: &Store, http: &Client, blob: &Blob) -> bool {
    let len = blob.bytes.len();
    match kind {
        Kind::WrongBytes => {
            let other = Cid::of(b"other");
            let signature = signed(store, &store.rogue, &other, len);
            return refused(http, url(store, &other), &signature, blob, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        Kind::TooLarge => {
            let len = (MAX_BLOB << 20) + 1;
            let mut socket = put(store, &blob.cid, len, &[]).await;
            return has_status(&answer(&mut socket).await, &["413"]);
        }
        Kind::BadSignature => {
            let signature = signed(store, &store.rogue, &blob.cid, len + 1);
            return refused(http, url(store, &blob.cid), &signature, blob, StatusCode::UNAUTHORIZED).await;
        }
        Kind::Stranger => {
            let signature = signed(store, &Keypair::new(), &blob.cid, len);
            return refused(http, url(store, &blob.cid), &signature, blob, StatusCode::FORBIDDEN).await;
        }
        Kind::CutShort => {
            let len = 3_000_000;
            drop(put(store, &blob.cid, len, &vec![7; len - 1]).await);
        }
        Kind::Paths => paths(store).await,
        Kind::Noise => noise(store).await,
        Kind::SlowHead => {
            let mut socket = TcpStream::connect(&store.host).await.unwrap();
            trickle(&mut socket, "GET /v1/health HTTP/1.1\r\nX-Long: ".bytes().chain(std::iter::repeat(b'x'))).await;
        }
        Kind::SlowBody => {
            let len = 20_000;
            let mut socket = put(store, &blob.cid, len, &[]).await;
            // Long before all of it is there its time is over.
            trickle(&mut socket, blob.bytes.iter().copied()).await;
        }
        Kind::StalledBody => {
            let mut socket = put(store, &blob.cid, len, &blob.bytes[..len / 2]).await;
            return has_status(&answer(&mut socket).await, &["408", BUSY]);
        }
    }
    true
}

/// Whether an answer is seen, which must have this status, or say that the rogue takes too much.
async fn refused(http: &Client, url: String, signature: &str, blob: &Blob, status: StatusCode) -> bool {
    let request = http.put(url).header(header::AUTHORIZATION, signature).body(blob.bytes.clone());
    // The store reads on for two seconds, so that the answer is seen; on a busy machine that may not be enough.
    let Ok(answer) = request.send().await else { return false };
    let found = answer.status();
    let text = answer.text().await.unwrap_or_default();
    assert!(found == status || found.as_str() == BUSY, "expected {status}, found {found}: {text}");
    true
}

/// Begins a put that the rogue has signed.
async fn put(store: &Store, cid: &Cid, len: usize, body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(&store.host).await.unwrap();
    let (host, authorization) = (&store.host, signed(store, &store.rogue, cid, len));
    let head = format!(
        "PUT /v1/blobs/{cid} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\nAuthorization: {authorization}\r\n\
         Connection: close\r\n\r\n"
    );
    // What the store does not want, or has no room for, it may close the connection for.
    if socket.write_all(head.as_bytes()).await.is_ok() {
        let _ = socket.write_all(body).await;
    }
    socket
}

/// What the store says until it closes the connection.
async fn answer(socket: &mut TcpStream) -> String {
    let mut bytes = vec![];
    // A connection that is reset has been closed too; what came before counts.
    let _ = socket.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether there is an answer, which must have one of these statuses.
fn has_status(answer: &str, expected: &[&str]) -> bool {
    if !answer.is_empty() {
        assert_status(answer, expected);
    }
    !answer.is_empty()
}

fn assert_status(answer: &str, expected: &[&str]) {
    let found = answer.strip_prefix("HTTP/1.1 ");
    assert!(
        found.is_some_and(|found| expected.iter().any(|status| found.starts_with(status))),
        "{expected:?}: {answer:?}"
    );
}

/// Sends byte after byte until the store has had enough of it.
async fn trickle(socket: &mut TcpStream, bytes: impl Iterator<Item = u8>) {
    let (mut from, mut to) = socket.split();
    let sending = async {
        for byte in bytes {
            if to.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(STEP).await;
        }
        panic!("the store has taken all of it");
    };
    let mut rest = vec![];
    tokio::select! {
        () = sending => {}
        _ = from.read_to_end(&mut rest) => {}
    }
    let rest = String::from_utf8_lossy(&rest);
    has_status(&rest, &["408", BUSY]);
}

/// Addresses of files that no blob is.
async fn paths(store: &Store) {
    let cid = Cid::of(b"other");
    let long = "a".repeat(20_000);
    let targets = [
        "/v1/blobs/../../../../etc/passwd",
        "/v1/blobs/..%2f..%2f..%2fmembers",
        "/v1/blobs/%2e%2e/%2e%2e/members",
        "/v1/blobs/....//....//members",
        "/v1/blobs/%00",
        "/v1/blobs/C:%5cboot.ini",
        "/../members",
        "//etc/passwd",
        "http://other.example/v1/blobs/x",
        "*",
        &format!("/v1/blobs/{cid}/../../members"),
        &format!("/v1/blobs/{cid}%00.png"),
        &format!("/v1/blobs/{cid}#1"),
        &format!("/v1/blobs/{cid}%231"),
        &format!("/v1/blobs/{long}"),
    ];
    for target in targets {
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                store.host
            );
            let mut socket = TcpStream::connect(&store.host).await.unwrap();
            // A connection that is slow to ask, on a busy machine, is closed to make room for others.
            let _ = socket.write_all(request.as_bytes()).await;
            let answer = answer(&mut socket).await;
            has_status(&answer, &["4"]);
            assert!(!answer.contains("root:"), "{target}: {answer}");
        }
    }
}

/// What is no HTTP at all, or too much of it.
async fn noise(store: &Store) {
    let heads = (0..2_000).map(|n| format!("X-{n}: {}\r\n", "y".repeat(100))).collect::<String>();
    let smuggled = format!(
        "PUT /v1/blobs/{} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        Cid::of(b"")
    );
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0; 100_000],
        format!("GET /v1/health HTTP/1.1\r\n{heads}\r\n").into_bytes(),
        smuggled.into_bytes(),
    ] {
        let mut socket = TcpStream::connect(&store.host).await.unwrap();
        // It may be closed before all is sent.
        let _ = socket.write_all(&bytes).await;
        let answer = answer(&mut socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    }
}
