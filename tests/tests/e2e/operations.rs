//! A provider's days: setting up, changing settings, watching, several workers, a GPU that breaks.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Output},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;

use crate::{
    faults::NO_CHANCE,
    history::{count, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    pictures,
    process::{PATIENCE, Process, until, wait_for},
};

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Runs a command of worker `n`, which has to end as `succeeds` says; returns what it said.
#[track_caller]
pub fn command(network: &Network, n: u16, arguments: &[&str], succeeds: bool) -> String {
    let output = network.worker("tessera-worker", n).args(arguments).output().unwrap();
    assert_eq!(output.status.success(), succeeds, "{arguments:?}: {}", text(&output));
    text(&output)
}

/// Sets settings of worker `n`, given as lines of TOML by section.
pub fn configure(network: &Network, n: u16, settings: &[(&str, &str)]) {
    let path = network.config(n);
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    for (section, lines) in settings {
        let new: toml::Table = lines.parse().unwrap();
        let section = config.entry(*section).or_insert_with(|| toml::Table::new().into());
        section.as_table_mut().unwrap().extend(new);
    }
    fs::write(path, config.to_string()).unwrap();
}

fn status(network: &Network, n: u16) -> Value {
    serde_json::from_str(&command(network, n, &["status", "--json"], true)).unwrap()
}

/// What the log of worker `n` says so far.
pub fn log(network: &Network, n: u16) -> String {
    fs::read_to_string(network.path(&format!("worker-{n}.log"))).unwrap_or_default()
}

/// What `path` answers at the monitor of worker `n`, if it does.
async fn get(address: &str, path: &str) -> Option<String> {
    let response = reqwest::get(format!("http://{address}{path}")).await.ok()?;
    response.status().is_success().then_some(response.text().await.ok()?)
}

/// A service manager that always listens, at this socket; what it is told comes out of the channel.
fn manager(socket: &Path) -> Receiver<String> {
    let socket = UnixDatagram::bind(socket).unwrap();
    let (told, said) = channel();
    thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(len) = socket.recv(&mut message)
            && told.send(String::from_utf8_lossy(&message[..len]).into_owned()).is_ok()
        {}
    });
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_sets_up_works_and_watches() {
    let network = Network::start(2, Ledger::InMemory);
    network.update_market(&NO_CHANCE);
    sets_up_and_goes_on(&network);
    network.register(2);

    let monitor = format!("127.0.0.1:{}", crate::network::free_port());
    configure(
        &network,
        1,
        &[
            ("cluster", &format!("websocket = {:?}\npoll_seconds = 0.5", network.env("TESSERA_WS"))),
            ("executor", "backend = \"cpu\"\nsandbox = \"require\""),
            ("work", "kinds = [\"nothing\"]"),
            ("monitor", &format!("listen = {monitor:?}")),
        ],
    );
    let manager = manager(&network.path("notify"));
    let mut worker = network.worker("tessera-worker", 1);
    worker.arg("run").env("NOTIFY_SOCKET", network.path("notify"));
    let mut worker = Process::start("worker 1", worker, &network.path("worker-1.log"));
    let heard = |what: &str| {
        let mut said = String::new();
        while !said.contains(what) {
            said += &manager.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("no {what}: {e}; {said}"));
        }
    };
    heard("READY=1");
    heard("WATCHDOG=1");

    // A job of a kind that it does not take, until it is told otherwise.
    let tessera = network.connect().await;
    let rendering = network.render_by("picture", &pictures::scene(), 1, &[1]);
    wait_for("the refusal", PATIENCE, || log(&network, 1).contains("is not in work.kinds"));
    configure(&network, 1, &[("work", "kinds = 7")]);
    worker.signal("HUP");
    wait_for("the complaint", PATIENCE, || log(&network, 1).contains("goes on with what it had"));
    configure(&network, 1, &[("work", "kinds = []\nunit_seconds = 599")]);
    worker.signal("HUP");
    let (job, stem) = rendering.wait();
    pictures::assert_as_computed_here(&stem);
    let said = log(&network, 1);
    assert!(said.contains("counts only after a restart") && said.contains("work.unit_seconds"), "{said}");

    let paid = format!("tessera_worker_leases_settled_total {LEASES}");
    let metrics =
        until("the metrics", PATIENCE, async || get(&monitor, "/metrics").await.filter(|text| text.contains(&paid)));
    let metrics = metrics.await;
    for line in
        ["tessera_worker_working 1.0", "tessera_worker_sandbox_gaps 0.0", "tessera_worker_quarantined_devices 0.0"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    let health: Value = serde_json::from_str(&get(&monitor, "/health").await.unwrap()).unwrap();
    assert_eq!(health["healthy"], true);

    // What the record of earnings says is what the chain has paid.
    let history = tessera.job_history(&job).await.unwrap();
    let provider = network.provider(1);
    let pay: u64 = settlements(&history).iter().filter(|seat| seat.provider == provider).map(|seat| seat.pay).sum();
    let csv = command(&network, 1, &["earnings", "--csv"], true);
    let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((row[1], row[5]), (&*LEASES.to_string(), &*pay.to_string()), "{csv}");

    worker.signal("TERM");
    heard("STOPPING=1");
    assert!(worker.wait(PATIENCE).success());
    assert!(get(&monitor, "/health").await.is_none());
}

/// From nothing to registered and staked, through what may be missing.
fn sets_up_and_goes_on(network: &Network) {
    let authority = network.authority_file(1);
    let authority = authority.to_str().unwrap();
    let market = network.market().to_string();
    let data = network.path("worker-1");
    let missing = command(network, 1, &["setup", "--url", network.env("TESSERA_URL"), "--yes"], false);
    assert!(missing.contains("--market"), "{missing}");
    assert!(!network.config(1).exists());
    let all = [
        "setup",
        "--url",
        network.env("TESSERA_URL"),
        "--market",
        &market,
        "--keypair",
        authority,
        "--data-dir",
        data.to_str().unwrap(),
    ];
    // Without a terminal nobody can be asked.
    let unasked = command(network, 1, &all, false);
    assert!(unasked.contains("--yes"), "{unasked}");
    let rich = command(network, 1, &[&all[..], &["--yes", "--stake", "99999999"]].concat(), false);
    assert!(rich.contains("tokens of mint") && rich.contains("needs 99999999"), "{rich}");
    let done = command(network, 1, &[&all[..], &["--yes", "--stake", "1000", "--fund", "2"]].concat(), true);
    assert!(done.contains("signature") && done.contains("All is ready"), "{done}");
    let again = command(network, 1, &["setup", "--yes", "--keypair", authority], true);
    assert!(again.contains("going on") && again.contains("registered, funded and staked already"), "{again}");
    let provider = status(network, 1);
    assert_eq!(
        (&provider["stake"], &provider["operator_lamports"]),
        (&crate::network::STAKED.into(), &2_000_000_000u64.into())
    );
    let other = command(network, 1, &["setup", "--yes", "--market", "11111111111111111111111111111111"], false);
    assert!(other.contains("is for market"), "{other}");
    let unit = command(network, 1, &["unit"], true);
    assert!(unit.contains(&format!("--config {} run", network.config(1).display())), "{unit}");
}

/// Two workers of one provider, each with a data directory of its own, share the leases of a job and claim none twice.
#[tokio::test(flavor = "multi_thread")]
async fn workers_of_one_provider_share_the_work() {
    let network = Network::start(2, Ledger::InMemory);
    network.update_market(&NO_CHANCE);
    (1..=2).for_each(|n| network.register(n));
    // The third worker is one of provider 1, with its operator key.
    let twin = fs::read_to_string(network.config(1)).unwrap();
    let data = network.path("worker-1").display().to_string();
    fs::write(network.config(3), twin.replace(&data, &network.path("worker-3").display().to_string())).unwrap();
    let _workers = [1, 2, 3].map(|n| network.run_worker(n));
    let tessera = network.connect().await;
    let shared = async |name: &str| {
        let (job, stem) = network.render_by(name, &pictures::scene(), 2, &[1, 2]).wait();
        pictures::assert_as_computed_here(&stem);
        let history = tessera.job_history(&job).await.unwrap();
        assert_eq!(settlements(&history).len(), 2 * LEASES);
        let twice = count(&history, |event| matches!(event, tessera_sdk::Event::LeaseClaimed(_))) - 2 * LEASES;
        assert_eq!(twice, 0, "a lease was claimed twice");
        assert!(tessera.ledger(&job).await.unwrap().balances());
    };
    shared("first").await;
    shared("second").await;
    let settled = |n: u16| log(&network, n).matches(" settled ").count();
    // Who has settled sees it on the chain a little later than the client.
    wait_for("the last settlement", PATIENCE, || settled(1) + settled(3) >= 2 * LEASES);
    assert_eq!(settled(1) + settled(3), 2 * LEASES, "each lease is settled by the worker that has it");
    let provider = tessera.provider(&network.provider(1)).await.unwrap().unwrap();
    assert_eq!((provider.open_leases, provider.faults, provider.expiries, provider.locked), (0, 0, 0, 0));
}

/// A GPU (the stand-in driver) begins to give wrong bits, is found out before it costs a lock, and is mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_gpu_that_gives_wrong_bits_is_left_alone_until_it_is_mended() {
    let network = Network::start(2, Ledger::InMemory);
    network.update_market(&NO_CHANCE);
    (1..=2).for_each(|n| network.register(n));
    let driver = network.path("driver");
    fs::create_dir(&driver).unwrap();
    // Cargo has built it beside this test.
    let library = std::env::current_exe().unwrap().with_file_name("libtessera_fakecuda.so");
    for name in ["libcuda.so", "libcuda.so.1"] {
        fs::copy(&library, driver.join(name)).unwrap();
    }
    configure(&network, 1, &[("executor", "backend = \"cuda\"\nsandbox = \"require\"")]);
    let start = |driver: &Path| {
        let mut command: Command = network.worker("tessera-worker", 1);
        command.arg("run").env("LD_LIBRARY_PATH", driver);
        Process::start("worker 1", command, &network.path("worker-1.log"))
    };
    let faults = driver.join("faults");
    fs::write(&faults, "flip").unwrap();
    let _other = network.run_worker(2);
    let mut worker = start(&driver);
    wait_for("the quarantine", PATIENCE, || {
        status(&network, 1)["quarantine"].as_object().is_some_and(|all| all.len() == 1)
    });
    let tessera = network.connect().await;
    let rendering = network.render_by("picture", &pictures::scene(), 1, &[1]);
    wait_for("the pause", PATIENCE, || command(&network, 1, &["status"], true).contains("claiming pauses"));
    assert!(command(&network, 1, &["status"], true).contains("wrong bits in unit 0"));
    // Still broken.
    command(&network, 1, &["release-device", "GPU-0"], false);
    assert!(command(&network, 1, &["release-device"], true).contains("tested thoroughly"));
    let quarantines = || log(&network, 1).matches("device in quarantine").count();
    wait_for("the second quarantine", PATIENCE, || quarantines() >= 2);
    assert_eq!(quarantines(), 2);
    worker.assert_running();
    let provider = async || tessera.provider(&network.provider(1)).await.unwrap().unwrap();
    assert_eq!(provider().await.open_leases, 0);

    fs::remove_file(&faults).unwrap();
    worker.stop();
    let mut worker = start(&driver);
    let (job, stem) = rendering.wait();
    pictures::assert_as_computed_here(&stem);
    worker.assert_running();
    assert!(tessera.ledger(&job).await.unwrap().balances());
    assert_eq!(status(&network, 1)["quarantine"].as_object().map(|all| all.len()), Some(0));
    assert_eq!((provider().await.faults, provider().await.slashed), (0, 0));
}
