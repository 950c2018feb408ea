//! A client that looks after its money: what it holds, raises, cancels and gets back, to the base unit.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::payout;
use tessera_sdk::{Tessera, token};

use crate::{
    attacker::Attacker,
    examples::post_and_await::MODULE,
    faults::network,
    network::{Network, TOKEN},
    process::{PATIENCE, Process, run, until, wait_for},
};

/// What the client was told, at its least price.
const PRICE: u64 = TOKEN / 2;

struct Client<'a> {
    network: &'a Network,
    tessera: Tessera,
    account: Pubkey,
}

impl Client<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.network.tessera();
        command.arg("--json").args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed; returns what it printed.
    fn run(&self, args: &[&str]) -> Value {
        let [printed] = self.run_all([args]);
        printed
    }

    /// The same for several commands beside each other.
    fn run_all<const N: usize>(&self, commands: [&[&str]; N]) -> [Value; N] {
        let begun = commands.map(|args| {
            let mut command = self.command(args);
            (args, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        });
        begun.map(|(args, child)| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        })
    }

    /// Runs a command that must be refused; returns why.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    async fn tokens(&self) -> u64 {
        self.tessera.token_balance(&self.account).await.unwrap().unwrap()
    }

    async fn lamports(&self) -> u64 {
        self.tessera.balance(&self.network.client().pubkey()).await.unwrap()
    }

    /// Starts a command that posts a job of two leases, or goes on with it.
    fn start(&self, name: &str, more: &[&str]) -> Process {
        let options = ["run", "--price", "0.5", "--replicas", "1", "--units-per-lease", "2", "--yes", "--out"];
        let mut command = self.command(&options);
        command.arg(self.network.path(name)).arg(self.network.path("fill.toml")).args(more);
        Process::start(name, command, &self.network.path(&format!("{name}.log")))
    }

    /// Posts a job of two leases, by a command that is stopped when it has.
    fn post(&self, name: &str, more: &[&str]) -> Pubkey {
        let out = self.network.path(name);
        let mut run = self.start(name, more);
        let posted = || {
            let note: Value = serde_json::from_slice(&fs::read(out.join("job.json")).ok()?).ok()?;
            note["job"].as_str()?.parse().ok()
        };
        wait_for("the job", PATIENCE, || {
            if posted().is_none() {
                run.assert_running();
            }
            posted().is_some()
        });
        run.stop();
        posted().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_back_what_nobody_earned() {
    let (network, _) = network(1, [], &[]);
    let tessera = network.connect().await;
    network.plan("fill", MODULE);
    let account = token::ata(&network.client().pubkey(), &network.mint(&tessera).await);
    let client = Client { network: &network, tessera: tessera.clone(), account };
    a_wallet_is_funded(&client).await;
    several_begin_at_once(&client).await;
    nobody_comes(&client).await;
    somebody_comes_and_goes(&client, &Attacker::new(&network, &tessera, 1)).await;
}

/// A wallet of one's own gets SOL and tokens where the network is one's own.
async fn a_wallet_is_funded(client: &Client<'_>) {
    let (network, wallet) = (client.network, Keypair::new().pubkey());
    let mut airdrop = network.tessera();
    airdrop.args(["localnet", "airdrop", &wallet.to_string(), "--sol", "1.5", "--tokens", "2.25", "--dir"]);
    airdrop.arg(network.path("net"));
    run(airdrop);
    let account = token::ata(&wallet, &network.mint(&client.tessera).await);
    assert_eq!(client.tessera.balance(&wallet).await.unwrap(), 1_500_000_000);
    assert_eq!(client.tessera.token_balance(&account).await.unwrap(), Some(9 * TOKEN / 4));
}

/// Programs of one new wallet that start within a slot or two of each other: all of them find it registered.
async fn several_begin_at_once(client: &Client<'_>) {
    let (wallet, market) = (client.network.client(), client.network.market());
    let begin = async |millis: u64| {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        client.network.connect().await.register_client(&wallet, &market).await.unwrap();
    };
    tokio::join!(begin(0), begin(100), begin(250), begin(500), begin(900));
}

/// A job that nobody takes: its price rises, and all of it comes back at once.
async fn nobody_comes(client: &Client<'_>) {
    let before = client.tokens().await;
    let limits = client.network.path("limits.toml");
    fs::write(&limits, "[limits]\nper_job = \"8\"\nper_day = \"10\"\n").unwrap();
    let limited = ["--limits", limits.to_str().unwrap()];
    let address = client.post("raised", &limited);
    let job = client.tessera.job(&address).await.unwrap().unwrap();
    let text = address.to_string();

    // The same command goes on with it, and says who could come.
    let mut waiting = client.start("raised", &limited);
    wait_for("the word that nobody comes", PATIENCE, || {
        waiting.assert_running();
        waiting.log().contains("nobody has taken a lease")
    });
    let said = waiting.log();
    assert!(said.contains("Of 1 provider in the market 1 could") && said.contains("job raise"), "{said}");
    waiting.stop();

    let wallet = client.run(&["wallet"]);
    let held = &wallet["jobs"][0];
    assert_eq!((held["job"].as_str(), held["escrow"].as_u64()), (Some(text.as_str()), Some(job.deposited)));
    assert_eq!((held["refund_least"].as_u64(), held["refund_most"].as_u64()), (Some(0), Some(job.deposited)));
    assert_eq!(wallet["tokens"][0]["amount"].as_u64(), Some(before - job.deposited));
    assert_eq!((wallet["due"].as_u64(), wallet["rent"]["later"].as_u64()), (Some(0), held["rent"].as_u64()));

    // Limits hold for jobs, days and commands, and what they refuse is not paid.
    let raise = |price: &str, more: &[&str]| {
        let args = [&["job", "raise", &text, "--price", price, "--yes"], more].concat();
        client.refused(&args)
    };
    assert!(raise("0.6", &["--max-spend", "0.1"]).contains("--max-spend"));
    assert!(raise("2", &limited).contains("limits.per_job"));
    assert!(raise("0.4", &[]).contains("never lowered"));
    let run = ["run", "--price", "0.5", "--replicas", "1", "--yes", "--out", "other", "fill.toml"];
    let said = client.refused(&[&run, &limited[..]].concat());
    assert!(said.contains("limits.per_day"), "{said}");
    assert_eq!(client.tokens().await, before - job.deposited);

    let raised = client.run(&["job", "raise", &text, "--price", "0.6", "--deadline-seconds", "100000", "--yes"]);
    let params = job.audit_params();
    let cost = payout::top_up(TOKEN / 10, 4, 2, 1, &params, job.fee_bps).unwrap().total().unwrap();
    assert_eq!((raised["added"].as_u64(), raised["price_per_unit"].as_u64()), (Some(cost), Some(PRICE + TOKEN / 10)));
    assert!(raised["deadline"].as_i64() > Some(job.deadline));
    assert_eq!(client.tokens().await, before - job.deposited - cost);

    // Watched, the price rises by itself to its end.
    let watched = client.network.path("watch.json");
    let mut watch = client.command(&["job", "watch", &text, "--raise-to", "0.7", "--raise-by", "0.08", "--every", "5"]);
    watch.stdout(fs::File::create(&watched).unwrap());
    let mut watch = Process::start_with_output("watch", watch, &client.network.path("watch.log"));
    let price = 7 * TOKEN / 10;
    let job = until("the highest price", PATIENCE, async || {
        let job = client.tessera.job(&address).await.unwrap().unwrap();
        (job.price_per_unit == price).then_some(job)
    })
    .await;
    assert_eq!(client.tokens().await, before - job.deposited);

    let cancelled = client.run(&["job", "cancel", &text]);
    assert_eq!((cancelled["closed"].as_bool(), cancelled["refunded"].as_u64()), (Some(true), Some(job.deposited)));
    assert_eq!((cancelled["received"].as_u64(), cancelled["paid"].as_u64()), (Some(job.deposited), Some(0)));
    assert_eq!(client.tokens().await, before);
    assert!(client.tessera.job(&address).await.unwrap().is_none());

    assert!(watch.wait(PATIENCE).success(), "{}", watch.log());
    let lines = fs::read_to_string(&watched).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<&Value> = lines.iter().filter_map(|line| line.get("status")).collect();
    assert!(statuses.iter().all(|status| status["free_leases"] == 2), "{statuses:?}");
    assert_eq!(lines.iter().filter(|line| line["event"] == "JobToppedUp").count(), 3);
    let end = lines.last().unwrap();
    assert_eq!(
        (end["closed"]["refunded"].as_u64(), end["closed"]["in_escrow"].as_u64()),
        (Some(job.deposited), Some(0))
    );
}

/// A job with a lease that is taken and never computed: nothing comes back before its window has passed, and then all.
async fn somebody_comes_and_goes(client: &Client<'_>, provider: &Attacker) {
    let (before, sol) = (client.tokens().await, client.lamports().await);
    // Enough for all that is looked at before it has passed.
    let address = client.post("taken", &["--lease-seconds", "25"]);
    let text = address.to_string();
    provider.seed(&address).await;
    provider.send(&[provider.claiming(&address, 1)]).await;
    let job = client.tessera.job(&address).await.unwrap().unwrap();

    let cancelled = client.run(&["job", "cancel", &text]);
    assert_eq!((cancelled["closed"].as_bool(), cancelled["refund_most"].as_u64()), (Some(false), Some(job.deposited)));
    let most = 2 * PRICE + job.audit_reserve;
    let least = job.deposited - most - payout::share(most, job.fee_bps);
    assert_eq!(cancelled["refund_least"].as_u64(), Some(least));
    let [planned, wallet] = client.run_all([&["reclaim", "--dry-run"], &["wallet"]]);
    assert_eq!(planned["pending"][0]["about"].as_str(), Some(text.as_str()), "{planned}");
    let rent = wallet["rent"]["later"].as_u64().unwrap();
    assert!(rent > 0);
    let (mut tokens, mut lamports, mut fees) = (0, 0, 0);
    until("the end of the job", PATIENCE, async || {
        let report = client.run(&["reclaim", "--yes"]);
        tokens += report["tokens"].as_object().unwrap().values().map(|sum| sum.as_u64().unwrap()).sum::<u64>();
        lamports += report["rent"].as_i64().unwrap();
        fees += report["fees"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.tessera.job(&address).await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!((tokens, lamports), (job.deposited, i64::try_from(rent).unwrap()));
    assert_eq!(client.tokens().await, before);
    let spent = sol - client.lamports().await;
    // Posting and cancelling cost the fee of a signature each, once the client has its account.
    assert_eq!(spent - fees, 2 * 5_000, "all rent of the job came back");
    let ledger = client.tessera.ledger(&address).await.unwrap();
    assert!(ledger.closed && ledger.balances() && ledger.paid_sum() == 0, "{ledger:?}");

    // The lease is its provider's to close, and its rent the provider's: by the same command, with its key.
    let operator = client.network.path("operator-1.json");
    let with = ["--keypair", operator.to_str().unwrap()];
    let due = client.run(&[&["wallet"], &with[..]].concat());
    assert!(due["rent"]["now"].as_u64() > Some(0), "{due}");
    let report = client.run(&[&["reclaim", "--yes"], &with[..]].concat());
    assert_eq!(report["rent"].as_u64(), due["rent"]["now"].as_u64(), "{report}");
    assert!(client.tessera.lease(&address, 1).await.unwrap().is_none());
}
