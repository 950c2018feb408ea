//! Following a job through a node in this process that has no WebSocket, repeats itself and fails now and then.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anchor_lang::{AnchorSerialize, Discriminator};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::StreamExt;
use serde_json::{Value, json};
use solana_pubkey::Pubkey;
use tessera_sdk::{
    Config, Event, ID, JobUpdate, Tessera, accounts,
    program_events::{JobCancelled, JobClosed},
};
use tokio::{net::TcpListener, time::timeout};

const JOB: Pubkey = Pubkey::new_from_array([5; 32]);
const FOREIGN: Pubkey = Pubkey::new_from_array([6; 32]);
/// Transactions before the job account is closed.
const LIFE: u64 = 12;

/// So many looks after it has happened, a transaction is known.
const LAG: u64 = 2;

/// A node on which every look at the account makes another transaction happen.
#[derive(Default)]
struct Node {
    requests: u64,
    looks: u64,
}

fn signature(number: u64) -> String {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bs58::encode(bytes).into_string()
}

fn number(signature: &str) -> u64 {
    let bytes = bs58::decode(signature).into_vec().unwrap();
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// The log of a transaction whose event carries its number, after one about a job of somebody else: anybody may put the
/// address of any job into a transaction.
fn log(number: u64) -> Value {
    let data = |job: Pubkey, number: u64| {
        let mut event;
        if number == LIFE {
            event = JobClosed::DISCRIMINATOR.to_vec();
            let (deposited, paid, treasury, burned, refunded, surplus) = (number, 0, 0, 0, number, 0);
            let (audit_reserve, audits_paid) = (0, 0);
            let closed =
                JobClosed { job, deposited, paid, treasury, burned, audit_reserve, audits_paid, refunded, surplus };
            closed.serialize(&mut event).unwrap();
        } else {
            event = JobCancelled::DISCRIMINATOR.to_vec();
            JobCancelled { job, deadline: i64::try_from(number).unwrap() }.serialize(&mut event).unwrap();
        }
        format!("Program data: {}", BASE64_STANDARD.encode(event))
    };
    json!([
        format!("Program {ID} invoke [1]"),
        data(FOREIGN, 1000 + number),
        format!("Program {ID} success"),
        format!("Program {ID} invoke [1]"),
        data(JOB, number),
        format!("Program {ID} success")
    ])
}

fn account(looks: u64) -> Value {
    let mut bytes = vec![0; 600];
    bytes[..8].copy_from_slice(accounts::Job::DISCRIMINATOR);
    bytes[8] = 1;
    // The number of the job: so that every look finds the account changed.
    bytes[208..216].copy_from_slice(&looks.to_le_bytes());
    json!({ "lamports": 1, "owner": ID.to_string(), "data": [BASE64_STANDARD.encode(bytes), "base64"], "executable": false, "rentEpoch": 0, "space": 600 })
}

impl Node {
    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, StatusCode> {
        self.requests += 1;
        if self.requests.is_multiple_of(5) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        // The last of them are known later than what they did.
        let transactions = self.looks.saturating_sub(LAG).min(LIFE);
        Ok(match method {
            "getMultipleAccounts" => {
                self.looks += 1;
                let account = if self.looks > LIFE { Value::Null } else { account(self.looks) };
                json!({ "context": { "slot": self.looks }, "value": [account] })
            }
            // Newest first, all of them every time.
            "getSignaturesForAddress" => {
                let entry = |number| json!({ "signature": signature(number), "slot": 1000 + number, "err": null, "memo": null, "blockTime": null, "confirmationStatus": "confirmed" });
                (1..=transactions).rev().map(entry).collect()
            }
            "getTransaction" => json!({
                "slot": 1,
                "blockTime": null,
                "transaction": ["AA==", "base64"],
                "meta": {
                    "err": null, "status": { "Ok": null }, "fee": 5000, "preBalances": [], "postBalances": [],
                    "logMessages": log(number(params[0].as_str().unwrap())), "computeUnitsConsumed": 1,
                },
            }),
            other => panic!("the test node does not know {other}"),
        })
    }
}

async fn rpc(State(node): State<Arc<Mutex<Node>>>, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let answer = node.lock().unwrap().answer(request["method"].as_str().unwrap(), &request["params"])?;
    Ok(Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": answer })))
}

#[tokio::test]
async fn every_event_comes_once_and_in_order_until_the_job_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new(format!("http://{}", listener.local_addr().unwrap()));
    // A port that nobody listens on.
    config.ws_urls = vec!["ws://127.0.0.1:1".into()];
    config.patience = Duration::from_millis(1);
    config.poll = Duration::from_millis(10);
    let router = Router::new().route("/", post(rpc)).with_state(Arc::<Mutex<Node>>::default());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let tessera = Tessera::new(config.clone()).unwrap();
    let updates = tessera.watch_job(&JOB).collect::<Vec<_>>();
    let updates = timeout(Duration::from_secs(120), updates).await.expect("the stream ends with the job");
    let mut events = vec![];
    let mut states = vec![];
    for update in &updates {
        match update {
            JobUpdate::Event(recorded) => match &recorded.event {
                Event::JobCancelled(event) => events.push(u64::try_from(event.deadline).unwrap()),
                Event::JobClosed(event) => events.push(event.deposited),
                other => panic!("{}", other.name()),
            },
            JobUpdate::Job(job) => states.push(job.number),
            JobUpdate::Closed => {}
        }
    }
    assert_eq!(events, (1..=LIFE).collect::<Vec<_>>());
    assert!(!states.is_empty() && states.is_sorted());
    assert!(matches!(updates.last(), Some(JobUpdate::Closed)));
    assert_eq!(updates.iter().filter(|update| matches!(update, JobUpdate::Closed)).count(), 1);

    // Afterwards the same, and nothing of the other job; who does not follow needs patience with such a node.
    config.patience = Duration::from_secs(30);
    let tessera = Tessera::new(config).unwrap();
    let history = tessera.job_history(&JOB).await.unwrap();
    assert_eq!(history.len() as u64, LIFE);
    assert!(history.iter().all(|recorded| recorded.event.job() == Some(JOB)));
    assert_eq!(tessera.history(&JOB).await.unwrap().len() as u64, 2 * LIFE);
}
