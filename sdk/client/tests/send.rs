//! Sending through a node in this process that loses answers, drops transactions and fails them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use tessera_sdk::{ComputeUnits, Config, Error, ID, Tessera};
use tokio::net::TcpListener;

/// What the node does with a transaction that is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Lands it and says so.
    Land,
    /// Lands it, but the answer is lost.
    LoseAnswer,
    /// Says yes and forgets it; its blockhash expires.
    Drop,
    /// Lands it so late that only a search of the ledger finds it.
    LandLate,
    /// Lands it; the program refuses it.
    Fail,
}

#[derive(Default)]
struct Node {
    fates: Vec<Fate>,
    /// Blockhashes given out so far, and how often each is given.
    blockhashes: u64,
    repeat: u64,
    /// Until which height each may be used.
    last_valid: HashMap<String, u64>,
    height: u64,
    simulation_fails: bool,
    /// Lamports of a transfer that simulations refuse.
    refuses: Option<u64>,
    /// Whether the cluster takes transactions of version 1.
    version_1: bool,
    /// Whether each transaction received was of version 1.
    versions: Vec<bool>,
    /// Signatures received, in order, without repetitions.
    received: Vec<String>,
    /// What became of them.
    landed: HashMap<String, Fate>,
}

type Shared = Arc<Mutex<Node>>;

const LIFE: u64 = 3;
/// The slot in which everything lands.
const SLOT: u64 = 7;

fn custom_error() -> Value {
    json!({ "InstructionError": [1, { "Custom": 6000 }] })
}

fn failure_logs() -> Value {
    json!([
        format!("Program {ID} invoke [1]"),
        "Program log: AnchorError occurred. Error Code: JustATest. Error Number: 6000. Error Message: It is just a test.",
        format!("Program {ID} failed: custom program error: 0x1770"),
    ])
}

impl Node {
    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, StatusCode> {
        let search = params[1]["searchTransactionHistory"].as_bool().unwrap_or(false);
        let context = json!({ "slot": SLOT + self.height });
        let with_context = |value: Value| json!({ "context": context, "value": value });
        Ok(match method {
            "getLatestBlockhash" => {
                self.blockhashes += 1;
                let number = self.blockhashes / self.repeat.max(1);
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                let (blockhash, last_valid) = (bs58::encode(bytes).into_string(), self.height + LIFE);
                self.last_valid.insert(blockhash.clone(), last_valid);
                with_context(json!({ "blockhash": blockhash, "lastValidBlockHeight": last_valid }))
            }
            "getMultipleAccounts" => {
                let feature = json!({
                    "lamports": 1, "owner": "Feature111111111111111111111111111111111111", "executable": false,
                    "data": [BASE64_STANDARD.encode([1, 7, 0, 0, 0, 0, 0, 0, 0]), "base64"], "rentEpoch": 0, "space": 9,
                });
                with_context(json!([if self.version_1 { feature } else { Value::Null }]))
            }
            "simulateTransaction" => {
                let bytes = BASE64_STANDARD.decode(params[0].as_str().unwrap()).unwrap();
                let refused = self
                    .refuses
                    .is_some_and(|lamports| bytes.windows(8).any(|window| window == lamports.to_le_bytes()));
                let (err, logs) = if self.simulation_fails || refused {
                    (custom_error(), failure_logs())
                } else {
                    (Value::Null, json!([]))
                };
                with_context(json!({ "err": err, "logs": logs, "unitsConsumed": 1000 }))
            }
            "sendTransaction" => {
                let bytes = BASE64_STANDARD.decode(params[0].as_str().unwrap()).unwrap();
                // Version 1 has the signatures behind the message.
                let v1 = bytes[0] == 0x81;
                self.versions.push(v1);
                let signature = if v1 { &bytes[bytes.len() - 64..] } else { &bytes[1..65] };
                let signature = bs58::encode(signature).into_string();
                if !self.received.contains(&signature) {
                    let fate = if self.fates.is_empty() { Fate::Land } else { self.fates.remove(0) };
                    self.received.push(signature.clone());
                    self.landed.insert(signature.clone(), fate);
                    if fate == Fate::LoseAnswer {
                        return Err(StatusCode::BAD_GATEWAY);
                    }
                }
                json!(signature)
            }
            "getRecentPrioritizationFees" => json!([]),
            "isBlockhashValid" => {
                self.height += 1;
                with_context(json!(self.height <= self.last_valid[params[0].as_str().unwrap()]))
            }
            "getSignatureStatuses" => {
                let signature = params[0][0].as_str().unwrap();
                let status = |err: Value| json!({ "slot": SLOT, "confirmations": 1, "err": err, "status": { "Ok": null }, "confirmationStatus": "confirmed" });
                let value = match self.landed.get(signature) {
                    Some(Fate::Land | Fate::LoseAnswer) => status(Value::Null),
                    Some(Fate::LandLate) if search => status(Value::Null),
                    Some(Fate::Fail) => status(custom_error()),
                    _ => Value::Null,
                };
                with_context(json!([value]))
            }
            "getTransaction" => {
                let failed = self.landed.get(params[0].as_str().unwrap()) == Some(&Fate::Fail);
                let (err, status) = if failed {
                    (custom_error(), json!({ "Err": custom_error() }))
                } else {
                    (Value::Null, json!({ "Ok": null }))
                };
                let logs = if failed {
                    failure_logs()
                } else {
                    json!([format!("Program {ID} invoke [1]"), format!("Program {ID} success")])
                };
                json!({
                    "slot": SLOT,
                    "blockTime": null,
                    "transaction": ["AA==", "base64"],
                    "meta": {
                        "err": err, "status": status, "fee": 5000, "preBalances": [], "postBalances": [],
                        "logMessages": logs, "computeUnitsConsumed": 777,
                    },
                })
            }
            other => panic!("the test node does not know {other}"),
        })
    }
}

async fn rpc(State(node): State<Shared>, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let answer = node.lock().unwrap().answer(request["method"].as_str().unwrap(), &request["params"])?;
    Ok(Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": answer })))
}

async fn start(node: Node) -> (Tessera, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let node = Arc::new(Mutex::new(node));
    let router = Router::new().route("/", post(rpc)).with_state(Arc::clone(&node));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = Config::new(url);
    config.patience = Duration::from_millis(10);
    (Tessera::new(config).unwrap(), node)
}

/// A wallet that asks somebody, who signs so many times and then refuses.
struct Hand {
    key: Keypair,
    willing: u32,
    asked: AtomicU32,
}

impl Hand {
    fn new(willing: u32) -> Self {
        Self { key: Keypair::new(), willing, asked: AtomicU32::new(0) }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Signer for Hand {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        self.key.try_pubkey()
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) >= self.willing {
            return Err(SignerError::UserCancel("refused on the device".into()));
        }
        self.key.try_sign_message(message)
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

fn transfer(from: &Keypair) -> solana_instruction::Instruction {
    solana_system_interface::instruction::transfer(&from.pubkey(), &solana_pubkey::Pubkey::new_from_array([9; 32]), 1)
}

/// Groups of one transfer each, of so many lamports.
fn groups(from: &Keypair, lamports: &[u64]) -> Vec<Vec<solana_instruction::Instruction>> {
    let to = solana_pubkey::Pubkey::new_from_array([9; 32]);
    let transfer = |lamports: &u64| solana_system_interface::instruction::transfer(&from.pubkey(), &to, *lamports);
    lamports.iter().map(|lamports| vec![transfer(lamports)]).collect()
}

async fn send_one(node: Node) -> (Result<tessera_sdk::Receipt, Error>, Shared) {
    let (tessera, node) = start(node).await;
    let payer = Keypair::new();
    (tessera.send(&[transfer(&payer)], &payer, &[]).await, node)
}

fn fates(fates: &[Fate]) -> Node {
    Node { fates: fates.to_vec(), ..Node::default() }
}

#[tokio::test]
async fn a_transaction_that_lands_is_reported() {
    let (receipt, _) = send_one(fates(&[Fate::Land])).await;
    let receipt = receipt.unwrap();
    assert_eq!((receipt.slot, receipt.compute_units, receipt.fee, receipt.logs.len()), (SLOT, 777, 5000, 2));
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_nothing_signed_again() {
    let (receipt, node) = send_one(fates(&[Fate::LoseAnswer])).await;
    let node = node.lock().unwrap();
    assert_eq!(node.received, [receipt.unwrap().signature.to_string()]);
}

#[tokio::test]
async fn what_was_dropped_is_signed_anew_once_it_cannot_land() {
    let (receipt, node) = send_one(fates(&[Fate::Drop, Fate::Land])).await;
    let node = node.lock().unwrap();
    assert_eq!(node.received.len(), 2);
    assert_eq!(node.received[1], receipt.unwrap().signature.to_string());
    assert!(node.height > LIFE, "signed anew before the first could no longer land");
}

#[tokio::test]
async fn what_landed_in_the_last_moment_is_not_sent_again() {
    let (receipt, node) = send_one(fates(&[Fate::LandLate])).await;
    assert_eq!(node.lock().unwrap().received, [receipt.unwrap().signature.to_string()]);
}

#[tokio::test]
async fn it_ends_when_nothing_lands() {
    let (receipt, node) = send_one(fates(&[Fate::Drop; 9])).await;
    let error = receipt.unwrap_err();
    assert!(matches!(error, Error::Expired { attempts: 5, .. }) && error.is_transient());
    assert_eq!(node.lock().unwrap().received.iter().collect::<BTreeSet<_>>().len(), 5);
}

#[tokio::test]
async fn what_the_program_refuses_is_named_and_not_sent() {
    let (receipt, node) = send_one(Node { simulation_fails: true, ..Node::default() }).await;
    assert_eq!(receipt.unwrap_err().program_error(), Some("JustATest"));
    assert!(node.lock().unwrap().received.is_empty());
}

#[tokio::test]
async fn what_fails_on_chain_is_named() {
    let (tessera, _node) = start(fates(&[Fate::Fail])).await;
    let mut config = tessera.config().clone();
    config.compute_units = ComputeUnits::Fixed(1000);
    let tessera = Tessera::new(config).unwrap();
    let payer = Keypair::new();
    let error = tessera.send(&[transfer(&payer)], &payer, &[]).await.unwrap_err();
    let Error::Program { code: 6000, name, message, .. } = &error else { panic!("{error}") };
    assert_eq!((name.as_str(), message.as_str()), ("JustATest", "It is just a test"));
}

#[tokio::test]
async fn two_equal_transactions_are_two() {
    let (tessera, node) = start(Node { repeat: 3, ..Node::default() }).await;
    let payer = Keypair::new();
    let transfers = [transfer(&payer)];
    let first = tessera.send(&transfers, &payer, &[]).await.unwrap();
    let second = tessera.send(&transfers, &payer, &[]).await.unwrap();
    assert_ne!(first.signature, second.signature);
    assert_eq!(node.lock().unwrap().received.len(), 2);
}

#[tokio::test]
async fn groups_that_fit_share_a_transaction() {
    for version_1 in [false, true] {
        let (tessera, node) = start(Node { version_1, ..Node::default() }).await;
        let payer = Keypair::new();
        assert!(tessera.send_all(&[], &payer).await.is_empty());
        let outcomes = tessera.send_all(&groups(&payer, &[1, 2, 3]), &payer).await;
        let signatures: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().signature.to_string()).collect();
        let node = node.lock().unwrap();
        assert_eq!(node.received.len(), 1);
        assert!(signatures.iter().all(|signature| *signature == node.received[0]));
        assert_eq!(node.versions, [version_1]);
    }
}

#[tokio::test]
async fn a_group_that_is_refused_keeps_no_other_back() {
    let bad = 0xdead_beef_0000_0001;
    let (tessera, node) = start(Node { refuses: Some(bad), ..Node::default() }).await;
    let payer = Keypair::new();
    let outcomes = tessera.send_all(&groups(&payer, &[1, 2, bad, 4, 5]), &payer).await;
    let errors: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().and_then(|e| e.program_error())).collect();
    assert_eq!(errors, [None, None, Some("JustATest"), None, None]);
    // Both before it, and both behind it.
    assert_eq!(node.lock().unwrap().received.len(), 2);
}

#[tokio::test]
async fn what_is_not_signed_is_not_sent() {
    let (tessera, node) = start(Node::default()).await;
    let wallet = Hand::new(0);
    let error = tessera.send(&[transfer(&wallet.key)], &wallet, &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Signer { signer, .. } if *signer == wallet.pubkey()), "{error}");
    let text = error.to_string();
    assert!(text.contains("nothing was sent: refused on the device; run the same command again"), "{text}");
    assert!(!error.is_transient(), "nobody is asked again without wanting it");
    assert_eq!(wallet.asked(), 1);
    assert!(node.lock().unwrap().received.is_empty());
}

#[tokio::test]
async fn nobody_is_asked_for_what_the_program_refuses() {
    let (tessera, _node) = start(Node { simulation_fails: true, ..Node::default() }).await;
    let wallet = Hand::new(1);
    let error = tessera.send(&[transfer(&wallet.key)], &wallet, &[]).await.unwrap_err();
    assert_eq!((error.program_error(), wallet.asked()), (Some("JustATest"), 0));
}

#[tokio::test]
async fn a_wallet_is_asked_last() {
    let (tessera, _node) = start(Node::default()).await;
    let (wallet, stranger) = (Hand::new(9), Keypair::new());
    // The key that must sign besides was not given: nobody has to press anything to learn that.
    let error = tessera.send(&[transfer(&stranger)], &wallet, &[]).await.unwrap_err();
    assert!(error.to_string().contains(&stranger.pubkey().to_string()), "{error}");
    assert_eq!(wallet.asked(), 0);
    tessera.send(&[transfer(&stranger)], &wallet, &[&stranger]).await.unwrap();
    assert_eq!(wallet.asked(), 1);
}

#[tokio::test]
async fn who_is_asked_once_more_may_refuse_and_nothing_lands() {
    let (tessera, node) = start(fates(&[Fate::Drop, Fate::Land])).await;
    let wallet = Hand::new(1);
    let error = tessera.send(&[transfer(&wallet.key)], &wallet, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Signer { .. }), "{error}");
    let node = node.lock().unwrap();
    assert_eq!((wallet.asked(), node.received.len()), (2, 1));
    assert!(node.height > LIFE, "asked again before the first could no longer land");
}

#[tokio::test]
async fn nobody_is_asked_for_ever() {
    let (tessera, _node) = start(fates(&[Fate::Drop; 9])).await;
    let wallet = Hand::new(9);
    let error = tessera.send(&[transfer(&wallet.key)], &wallet, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Expired { attempts: 3, .. }), "{error}");
    assert_eq!(wallet.asked(), 3);
}

#[tokio::test]
async fn a_wallet_is_asked_once_for_each_of_two_equal_transactions() {
    let (tessera, node) = start(Node { repeat: 3, ..Node::default() }).await;
    let wallet = Hand::new(9);
    for _ in 0..2 {
        tessera.send(&[transfer(&wallet.key)], &wallet, &[]).await.unwrap();
    }
    assert_eq!((wallet.asked(), node.lock().unwrap().received.len()), (2, 2));
}

#[tokio::test]
async fn after_a_refusal_no_further_transaction_is_shown() {
    let (tessera, node) = start(Node { version_1: true, ..Node::default() }).await;
    let wallet = Hand::new(1);
    let lamports: Vec<u64> = (1..=40).collect();
    let outcomes = tessera.send_all(&groups(&wallet.key, &lamports), &wallet).await;
    let sent = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    let refused = |outcome: &tessera_sdk::batch::Outcome| {
        outcome.as_ref().is_err_and(|error| matches!(**error, Error::Signer { .. }))
    };
    assert!((1..20).contains(&sent) && outcomes[sent..].iter().all(refused), "{sent} of {}", outcomes.len());
    assert!(matches!(tessera_sdk::batch::unsigned(&outcomes), Some(Error::Signer { .. })));
    assert!(tessera_sdk::batch::unsigned(&outcomes[..sent]).is_none());
    let node = node.lock().unwrap();
    assert_eq!((wallet.asked(), node.received.len()), (2, 1));
    assert_eq!(node.versions, [false], "devices do not know version 1");
}
