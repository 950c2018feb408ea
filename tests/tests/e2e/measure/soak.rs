//! Hours of work: nothing is lost, and no process grows.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tessera_sdk::{JobFilter, JobTerms, StoreClient};
use tokio::{
    task::LocalSet,
    time::{Instant, sleep},
};

use super::{
    plot, spin, terms,
    usage::{Usage, descendant, disk},
};
use crate::{
    faults::network,
    network::Network,
    process::{Process, until},
};

/// How long it goes on, in minutes, and where the figures go.
const MINUTES: &str = "TESSERA_SOAK_MINUTES";
const OUT: &str = "TESSERA_SOAK_OUT";
/// Leases that an hour must have at least.
const LEASES_AN_HOUR: f64 = 2_000.0;
/// Clients, and what each posts again and again.
const CLIENTS: u32 = 3;
const LEASES: u64 = 24;
const UNITS_PER_LEASE: u32 = 4;
/// Seconds that a unit takes.
const UNIT: f64 = 0.03;
/// How often processes are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How long the last replicas of a job may take to be paid.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is watched of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Memory,
    Handles,
    Threads,
    Disk,
}

impl Figure {
    pub const ALL: [Self; 4] = [Self::Memory, Self::Handles, Self::Threads, Self::Disk];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory, MiB",
            Self::Handles => "open files and connections",
            Self::Threads => "threads",
            Self::Disk => "disk, MiB",
        }
    }

    /// What a process may have more in the last quarter than in the second, besides a tenth: what comes and goes.
    fn slack(self) -> f64 {
        match self {
            Self::Memory | Self::Disk => 16.0,
            Self::Handles => 12.0,
            Self::Threads => 6.0,
        }
    }
}

/// A process, and what it took at some times.
pub struct Series {
    pub name: String,
    /// Seconds since the start, and the figures in the order of [`Figure::ALL`].
    pub samples: Vec<(f64, [f64; 4])>,
    /// Figures that grow with the work, by what the process is for.
    pub grows: &'static [Figure],
}

/// A process to watch, and where its files lie.
struct Watched {
    id: u32,
    dir: PathBuf,
    /// Whether what it has started is another process of the network.
    alone: bool,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "as long as one likes: scripts/soak runs it"]
async fn nothing_grows_and_nothing_is_lost() {
    let minutes: f64 = std::env::var(MINUTES).map_or(10.0, |text| text.parse().expect(MINUTES));
    let out = std::env::var_os(OUT).map_or_else(|| std::env::temp_dir().join("tessera-soak"), PathBuf::from);
    fs::create_dir_all(&out).unwrap();
    let (network, mut workers) = network(4, 1..=4, &[]);
    let network = Arc::new(network);
    let over = Arc::new(AtomicBool::new(false));
    let leases = Arc::new(AtomicU32::new(0));
    let rounds = tokio::task::block_in_place(|| spin::rounds(&network.path(""), UNIT));

    let local = LocalSet::new();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| local.spawn_local(post(Arc::clone(&network), n, rounds, Arc::clone(&over), Arc::clone(&leases))))
        .collect();
    let watching = async {
        let series = record(&network, &mut workers, &out, Duration::from_secs_f64(60.0 * minutes)).await;
        over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.expect("a client loses nothing");
        }
        series
    };
    let series = local.run_until(watching).await;
    workers.iter_mut().for_each(|worker| worker.assert_running());
    plot::write(&series, &out.join("soak.svg"));

    let leases = leases.load(Ordering::SeqCst);
    println!("{leases} leases in {minutes} minutes; figures in {}", out.display());
    let tessera = network.connect().await;
    assert!(tessera.jobs(&network.market(), JobFilter::All).await.unwrap().is_empty(), "every job is closed");
    for n in 1..=4 {
        let provider = tessera.provider(&network.provider(n)).await.unwrap().unwrap();
        assert_eq!((provider.faults, provider.expiries, provider.lost, provider.locked), (0, 0, 0, 0), "provider {n}");
    }
    assert!(f64::from(leases) >= LEASES_AN_HOUR * minutes / 60.0, "{leases} leases are too few");
    let grown: Vec<String> = series.iter().flat_map(growth).collect();
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}

/// Posts jobs one after the other, collects their outputs, closes them and does the sums.
async fn post(network: Arc<Network>, client: u32, rounds: u32, over: Arc<AtomicBool>, leases: Arc<AtomicU32>) {
    let tessera = network.connect().await;
    let (wallet, market) = (network.client(), network.market());
    let store = StoreClient::new(network.env("TESSERA_STORE")).unwrap();
    let dir = network.path(&format!("client-{client}"));
    fs::create_dir_all(&dir).unwrap();
    for n in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let units = LEASES * u64::from(UNITS_PER_LEASE);
        let job = spin::job(&dir, units, rounds + n * CLIENTS + client);
        // Every other job wants two providers for each lease.
        let terms = JobTerms { replicas: 1 + (n % 2) as u8, ..terms(&network, UNITS_PER_LEASE) };
        let replicas = u32::from(terms.replicas);
        let posted = tessera.post_job(&wallet, &market, &job.spec, job.blobs(), terms).await.unwrap();
        let collected = tessera.collect(&posted.job, &job.spec, &store, &HashSet::new(), |_| Ok(())).await.unwrap();
        assert_eq!((collected.units, u64::from(collected.leases)), (units, LEASES));
        until(format!("the pay of job {}", posted.job), PATIENCE, async || {
            let job = tessera.job(&posted.job).await.unwrap().unwrap();
            (job.is_complete() && job.owed == 0).then_some(())
        })
        .await;
        tessera.close_job(&wallet, &posted.job).await.unwrap();
        let ledger = tessera.ledger(&posted.job).await.unwrap();
        assert!(ledger.closed && ledger.balances(), "{ledger:?}");
        leases.fetch_add(LEASES as u32 * replicas, Ordering::SeqCst);
    }
}

/// Looks at all processes for so long, and writes what it sees to `soak.csv`.
async fn record(network: &Network, workers: &mut [Process], out: &Path, time: Duration) -> Vec<Series> {
    let net = network.path("net");
    let localnet = network.localnet_id();
    let node = descendant(localnet, "tessera-localnet").expect("the node runs");
    let mut watched = vec![
        // The blobs of the store and the chain of the node grow with the work: that is what they are for.
        (Watched { id: localnet, dir: net.join("store"), alone: true }, "store", &[Figure::Disk][..]),
        (Watched { id: node, dir: net.join("ledger"), alone: false }, "node", &[Figure::Memory, Figure::Disk][..]),
    ];
    for (n, worker) in (1..).zip(workers.iter()) {
        let dir = network.path(&format!("worker-{n}"));
        let name = ["worker 1", "worker 2", "worker 3", "worker 4"][n - 1];
        watched.push((Watched { id: worker.id(), dir, alone: false }, name, &[][..]));
    }
    let mut series: Vec<Series> =
        watched.iter().map(|(_, name, grows)| Series { name: (*name).to_owned(), samples: vec![], grows }).collect();
    let mut csv = File::create(out.join("soak.csv")).unwrap();
    writeln!(csv, "seconds,process,memory_mib,handles,threads,disk_mib,cpu_seconds").unwrap();
    let began = Instant::now();
    while began.elapsed() < time {
        sleep(EVERY).await;
        workers.iter_mut().for_each(|worker| worker.assert_running());
        let seconds = began.elapsed().as_secs_f64();
        for ((process, name, _), series) in watched.iter().zip(&mut series) {
            let usage = Usage::of(process.id, process.alone);
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let disk = mib(disk(&process.dir));
            let figures = [mib(usage.memory), usage.handles as f64, usage.threads as f64, disk];
            let [memory, handles, threads, disk] = figures;
            let cpu = usage.cpu;
            writeln!(csv, "{seconds:.0},{name},{memory:.1},{handles},{threads},{disk:.1},{cpu:.2}").unwrap();
            series.samples.push((seconds, figures));
        }
    }
    series
}

/// Which figures of a process are higher at the end than they were after the warm-up.
fn growth(series: &Series) -> Vec<String> {
    let count = series.samples.len();
    let mean = |quarter: usize, figure: usize| {
        let part = &series.samples[quarter * count / 4..(quarter + 1) * count / 4];
        part.iter().map(|(_, figures)| figures[figure]).sum::<f64>() / part.len() as f64
    };
    let grown = Figure::ALL.into_iter().enumerate().filter(|(_, figure)| !series.grows.contains(figure));
    let grown = grown.filter_map(|(n, figure)| {
        let (before, after) = (mean(1, n), mean(3, n));
        let grown = after > before * 1.1 + figure.slack();
        grown.then(|| format!("{}: {} grew from {before:.1} to {after:.1}", series.name, figure.name()))
    });
    grown.collect()
}
