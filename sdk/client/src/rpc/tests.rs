//! What the pool makes of endpoints that fail, hang, lag and ask for pauses; the endpoints are in this process.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};
use solana_rpc_client_api::client_error::ErrorKind;
use tokio::net::TcpListener;

use super::*;
use crate::Standing;

/// How an endpoint answers.
#[derive(Clone)]
struct Manner {
    /// The slot that it knows.
    slot: u64,
    genesis: u8,
    /// How long it takes.
    delay: Duration,
    /// Its status and how long it wants to be left alone, if it refuses.
    refuses: Option<(u16, Option<&'static str>)>,
    /// Whether answers make no sense.
    nonsense: bool,
    asked: u64,
}

type Shared = Arc<Mutex<Manner>>;

impl Default for Manner {
    fn default() -> Self {
        Self { slot: 100, genesis: 1, delay: Duration::ZERO, refuses: None, nonsense: false, asked: 0 }
    }
}

async fn answer(State(manner): State<Shared>, Json(request): Json<Value>) -> axum::response::Response {
    let Manner { slot, genesis, delay, refuses, nonsense, .. } = manner.lock().unwrap().clone();
    if request["method"] == "getBalance" {
        manner.lock().unwrap().asked += 1;
    }
    tokio::time::sleep(delay).await;
    if let Some((status, pause)) = refuses {
        let headers = pause.map(|pause| [("retry-after", pause)]);
        let status = StatusCode::from_u16(status).unwrap();
        return headers.map_or_else(|| status.into_response(), |headers| (status, headers).into_response());
    }
    let result = match request["method"].as_str().unwrap() {
        _ if nonsense => json!("nonsense"),
        "getGenesisHash" => json!(bs58::encode([genesis; 32]).into_string()),
        "getSlot" => json!(slot),
        "getBalance" => json!({ "context": { "slot": slot }, "value": slot }),
        other => panic!("the test node does not know {other}"),
    };
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).into_response()
}

/// Endpoints with these manners, and a pool of them.
async fn pool(manners: &[Manner], patience: Duration) -> (Pool, Vec<Shared>) {
    let mut config = Config::localnet();
    config.rpc_urls.clear();
    config.patience = patience;
    config.timeout = Duration::from_secs(6);
    config.max_lag = 5;
    let mut shared = vec![];
    for manner in manners {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.rpc_urls.push(format!("http://{}", listener.local_addr().unwrap()));
        let manner = Arc::new(Mutex::new(manner.clone()));
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&manner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        shared.push(manner);
    }
    (Pool::new(&config).unwrap(), shared)
}

async fn balance(pool: &Pool) -> Result<u64, Error> {
    let address = solana_pubkey::Pubkey::default();
    pool.call(|rpc| async move { rpc.get_balance(&address).await }).await
}

fn standings(pool: &Pool) -> Vec<Standing> {
    pool.health().into_iter().map(|health| health.standing).collect()
}

const SOME: Duration = Duration::from_secs(5);

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_next_endpoint_is_asked_and_the_first_again_when_it_is_well() {
    let bad = Manner { refuses: Some((502, None)), ..Manner::default() };
    let (pool, manners) = pool(&[bad, Manner::default()], SOME).await;
    for _ in 0..3 {
        assert_eq!(balance(&pool).await.unwrap(), 100);
    }
    assert!(manners[0].lock().unwrap().asked <= 1 && manners[1].lock().unwrap().asked == 3);
    assert_eq!(standings(&pool), [Standing::Failing, Standing::Ready]);
    manners[0].lock().unwrap().refuses = None;
    until("the first is well", || {
        pool.look_after();
        standings(&pool)[0] == Standing::Ready
    })
    .await;
    let before = manners[1].lock().unwrap().asked;
    balance(&pool).await.unwrap();
    assert_eq!(manners[1].lock().unwrap().asked, before);
}

#[tokio::test]
async fn a_pause_that_one_asks_for_keeps_no_other_waiting() {
    let busy = Manner { refuses: Some((429, Some("600"))), ..Manner::default() };
    let (pool, manners) = pool(&[busy.clone(), Manner::default()], SOME).await;
    for _ in 0..3 {
        assert_eq!(balance(&pool).await.unwrap(), 100);
    }
    assert!(manners[0].lock().unwrap().asked <= 1);
    let health = &pool.health()[0];
    assert_eq!(health.standing, Standing::Limited);
    // Once by who asked, and at most once by who looked at the same time how it is doing.
    assert!((1..=2).contains(&health.limited));
    assert!(health.retry_in.unwrap() > Duration::from_secs(200));

    // Alone, it is left in peace, and the error tells why.
    let (pool, manners) = self::pool(&[busy], Duration::from_millis(300)).await;
    let error = balance(&pool).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.to_string().contains("too many requests"), "{error}");
    assert!(balance(&pool).await.is_err());
    assert_eq!(manners[0].lock().unwrap().asked, 1);
}

#[tokio::test]
async fn a_short_pause_is_waited_for() {
    let busy = Manner { refuses: Some((429, Some("1"))), ..Manner::default() };
    let (pool, manners) = pool(&[busy], SOME).await;
    let later = Arc::clone(&manners[0]);
    tokio::spawn(async move {
        until("it was asked", || later.lock().unwrap().asked > 0).await;
        later.lock().unwrap().refuses = None;
    });
    assert_eq!(balance(&pool).await.unwrap(), 100);
    assert_eq!(manners[0].lock().unwrap().asked, 2);
}

#[tokio::test]
async fn one_that_hangs_is_overtaken() {
    let slow = Manner { delay: Duration::from_secs(600), ..Manner::default() };
    let (pool, _manners) = pool(&[slow.clone(), Manner::default()], SOME).await;
    assert_eq!(balance(&pool).await.unwrap(), 100);
    assert_eq!(standings(&pool), [Standing::Failing, Standing::Ready]);
    let (pool, _manners) = self::pool(&[slow.clone(), slow], Duration::from_millis(10)).await;
    let error = balance(&pool).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.to_string().contains("no answer"), "{error}");
}

#[tokio::test]
async fn what_was_seen_stays_seen() {
    let (pool, manners) = pool(&[Manner::default(), Manner { slot: 99, ..Manner::default() }], SOME).await;
    assert_eq!(balance(&pool).await.unwrap(), 100);
    manners[0].lock().unwrap().refuses = Some((502, None));
    let behind = Arc::clone(&manners[1]);
    tokio::spawn(async move {
        sleep(Duration::from_millis(500)).await;
        behind.lock().unwrap().slot = 101;
    });
    assert_eq!(balance(&pool).await.unwrap(), 101);
    assert_eq!(standings(&pool)[1], Standing::Ready);
}

#[tokio::test]
async fn who_lags_too_much_is_not_asked_until_it_has_caught_up() {
    let (pool, manners) = pool(&[Manner { slot: 90, ..Manner::default() }, Manner::default()], SOME).await;
    pool.survey(SOME).await;
    assert_eq!(standings(&pool), [Standing::Behind, Standing::Ready]);
    assert_eq!(balance(&pool).await.unwrap(), 100);
    assert_eq!((manners[0].lock().unwrap().asked, pool.health()[0].behind), (0, Some(10)));
    manners[0].lock().unwrap().slot = 98;
    until("it has caught up", || {
        pool.look_after();
        standings(&pool)[0] == Standing::Ready
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_begins_anew_is_followed() {
    let (pool, manners) = pool(&[Manner::default()], Duration::from_millis(300)).await;
    balance(&pool).await.unwrap();
    manners[0].lock().unwrap().slot = 3;
    let error = balance(&pool).await.unwrap_err();
    assert!(error.to_string().contains("slot 3, though slot 100 has been seen"), "{error}");
    assert_eq!(balance(&pool).await.unwrap(), 3);
}

#[tokio::test]
async fn other_clusters_are_not_used() {
    let foreign = Manner { genesis: 2, slot: 1_000_000, ..Manner::default() };
    let (pool, manners) = pool(&[Manner::default(), foreign, Manner::default()], SOME).await;
    pool.survey(SOME).await;
    assert_eq!(standings(&pool)[1], Standing::OtherCluster);
    assert_eq!(balance(&pool).await.unwrap(), 100);
    assert_eq!(pool.health()[0].behind, Some(0));
    for manner in [0, 2] {
        manners[manner].lock().unwrap().refuses = Some((502, None));
    }
    let error = balance(&pool).await.unwrap_err().to_string();
    assert!(error.contains("another cluster"), "{error}");
    assert_eq!(manners[1].lock().unwrap().asked, 0);
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    let (pool, manners) = pool(&[Manner::default(), Manner::default()], SOME).await;
    balance(&pool).await.unwrap();
    manners[0].lock().unwrap().nonsense = true;
    assert_eq!(balance(&pool).await.unwrap(), 100);
    assert_eq!(standings(&pool), [Standing::Failing, Standing::Ready]);
    manners[1].lock().unwrap().nonsense = true;
    assert!(matches!(balance(&pool).await, Err(Error::Unreachable { .. })));
    assert_eq!(standings(&pool), [Standing::Nonsense; 2]);
}

#[tokio::test]
async fn a_wrong_request_is_asked_once() {
    let (pool, _manners) = pool(&[Manner::default(), Manner::default()], SOME).await;
    let asked = Mutex::new(0);
    let answer = pool.call(|_| {
        *asked.lock().unwrap() += 1;
        async { Err::<(), _>(ErrorKind::Custom("wrong".into()).into()) }
    });
    assert!(matches!(answer.await, Err(Error::Rpc { .. })));
    assert_eq!(*asked.lock().unwrap(), 1);
    let mut config = Config::localnet();
    config.rpc_urls.clear();
    assert!(Pool::new(&config).is_err());
}

#[tokio::test]
async fn everybody_is_asked_and_somebody_has_it() {
    let absent = Manner { slot: 100, ..Manner::default() };
    let present = Manner { slot: 105, ..Manner::default() };
    let (pool, _manners) = pool(&[absent, present], SOME).await;
    let found = pool.find(|rpc| async move {
        let address = solana_pubkey::Pubkey::default();
        Ok(Some(rpc.get_balance(&address).await?).filter(|balance| *balance > 100))
    });
    assert_eq!(found.await.unwrap(), Some(105));
}
