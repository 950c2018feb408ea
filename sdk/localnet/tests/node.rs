//! The binary, as people run it: started, killed, started again on the same ledger.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use solana_clock::Clock;
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_rpc_client::rpc_client::RpcClient;
use solana_signer::Signer;
use solana_transaction::Transaction;

const PATIENCE: Duration = Duration::from_secs(60);
const SOL: u64 = 1_000_000_000;

struct Node {
    process: Child,
    rpc: RpcClient,
}

impl Node {
    fn start(ledger: &Path) -> Self {
        let mut process = command(ledger, "0").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.split(' ').find_map(|word| word.strip_prefix("rpc=")).unwrap_or_else(|| panic!("found {line:?}"));
        let rpc = RpcClient::new_with_timeout_and_commitment(url, PATIENCE, CommitmentConfig::confirmed());
        Self { process, rpc }
    }

    fn airdrop(&self, to: &Keypair, lamports: u64) {
        let signature = self.rpc.request_airdrop(&to.pubkey(), lamports).unwrap();
        wait_for("the airdrop", || self.rpc.confirm_transaction(&signature).unwrap());
    }

    fn clock(&self) -> Clock {
        bincode::deserialize(&self.rpc.get_account(&solana_sdk_ids::sysvar::clock::ID).unwrap().data).unwrap()
    }

    fn terminate(&mut self) -> std::process::ExitStatus {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        wait_for("the node to stop", || self.process.try_wait().unwrap().is_some());
        self.process.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(ledger: &Path, rpc_port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-localnet"));
    command.arg("--ledger").arg(ledger).args(["--rpc-port", rpc_port, "--ws-port", "0", "--slot-time", "100"]);
    command.arg("--ready-file").arg(ledger.join("ready.json"));
    command
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn state_survives_kill_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (payer, data, owner) = (Keypair::new(), Keypair::new(), Keypair::new().pubkey());
    let mut node = Node::start(dir.path());
    node.rpc.get_health().unwrap();
    node.airdrop(&payer, 5 * SOL);
    let create = solana_system_interface::instruction::create_account(&payer.pubkey(), &data.pubkey(), SOL, 64, &owner);
    let blockhash = node.rpc.get_latest_blockhash().unwrap();
    let transaction = Transaction::new_signed_with_payer(&[create], Some(&payer.pubkey()), &[&payer, &data], blockhash);
    let signature = node.rpc.send_and_confirm_transaction(&transaction).unwrap();
    let (balance, clock) = (node.rpc.get_balance(&payer.pubkey()).unwrap(), node.clock());
    assert!(balance < 4 * SOL);
    node.process.kill().unwrap();
    node.process.wait().unwrap();

    let mut node = Node::start(dir.path());
    assert_eq!(node.rpc.get_balance(&payer.pubkey()).unwrap(), balance);
    assert_eq!(node.rpc.get_program_accounts(&owner).unwrap()[0].0, data.pubkey());
    let status =
        node.rpc.get_signature_status_with_commitment_and_history(&signature, CommitmentConfig::processed(), true);
    assert_eq!(status.unwrap(), Some(Ok(())));
    // Slots without transactions are not written one by one: after a kill, a few of them come again. Time does not.
    assert!(node.clock().unix_timestamp >= clock.unix_timestamp);
    node.airdrop(&payer, SOL);
    assert_eq!(node.rpc.get_balance(&payer.pubkey()).unwrap(), balance + SOL);

    let ready = dir.path().join("ready.json");
    let announced: serde_json::Value = serde_json::from_str(&fs::read_to_string(&ready).unwrap()).unwrap();
    assert_eq!(announced["rpc_url"], node.rpc.url());
    assert!(node.terminate().success());
    assert!(!ready.exists());
    let node = Node::start(dir.path());
    assert_eq!(node.rpc.get_balance(&payer.pubkey()).unwrap(), balance + SOL);
}

#[test]
fn refuses_a_taken_port_and_a_ledger_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(dir.path(), &port).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");

    let _node = Node::start(dir.path());
    let output = command(dir.path(), "0").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("another node is running"), "{text}");
}
