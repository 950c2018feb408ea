//! The store that is put to the test.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use solana_keypair::Keypair;
use solana_signer::Signer as _;
use tessera_protocol::cid::Cid;
use tokio::time::{Duration, Instant, sleep};

/// Largest blob that it takes, in MiB.
pub const MAX_BLOB: usize = 24;
/// Most connections.
const CONNECTIONS: usize = 1_000;

pub struct Store {
    process: Child,
    dir: tempfile::TempDir,
    /// `host:port`.
    pub host: String,
    /// A member who keeps to the rules, and one who does not.
    pub member: Keypair,
    pub rogue: Keypair,
}

impl Store {
    pub fn start() -> Self {
        let (dir, member, rogue) = (tempfile::tempdir().unwrap(), Keypair::new(), Keypair::new());
        let members = dir.path().join("members");
        fs::write(&members, format!("{}\n{}\n", member.pubkey(), rogue.pubkey())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-store"));
        command.args(["--listen", "127.0.0.1:0", "--market", &Keypair::new().pubkey().to_string()]);
        command.arg("--location").arg(dir.path().join("store")).arg("--members").arg(members);
        command.args(["--max-connections", &CONNECTIONS.to_string(), "--max-blob", &MAX_BLOB.to_string()]);
        command.args(["--put-memory", "256", "--head", "10", "--idle", "30", "--min-rate", "16"]);
        let mut process = command.env("RUST_LOG", "warn").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let host = line.trim().rsplit_once("http://").expect("the address of the store").1.to_owned();
        Self { process, dir, host, member, rogue }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    fn proc(&self, what: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(what)
    }

    /// Open files and connections.
    pub fn handles(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("the store runs").count()
    }

    /// The most bytes that were resident at any time.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Fails unless the store has blobs with these names, each with the content that its name says, and nothing else.
    pub async fn assert_holds(&self, expected: BTreeSet<String>) {
        let root = self.dir.path().join("store");
        eventually("nothing staged", async || files(&root).iter().all(|path| !name(path).contains('#'))).await;
        let found = files(&root);
        for path in &found {
            assert_eq!(Cid::of(&fs::read(path).unwrap()).to_string(), name(path));
        }
        assert_eq!(found.iter().map(|path| name(path)).collect::<BTreeSet<_>>(), expected);
    }

    /// Asks it to stop, which it must do in order.
    pub fn stop(mut self) {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Of a test that failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Waits until `holds`, and fails if that takes too long.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + crate::PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "{what} does not come about");
        sleep(Duration::from_millis(50)).await;
    }
}
