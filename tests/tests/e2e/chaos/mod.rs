//! Networks of real processes in which things go wrong at random: everybody is killed, stopped, out of disk, wrong about the time or
//! badly connected. Every job ends, completed or refunded, the sums are right, and nobody has to do anything about it.
//!
//! What happens follows from a seed. `scripts/chaos` makes hundreds of runs; two short ones are among the tests.

mod actor;
mod books;
mod incident;
mod machine;
mod run;
mod world;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use self::{
    incident::Plan,
    run::Outcome,
    world::{World, locked},
};
use crate::process::last_lines;

/// How many runs `scripts/chaos` makes, from which seed on, in how many networks at a time, and where it writes what it sees.
const RUNS: &str = "TESSERA_CHAOS_RUNS";
const SEED: &str = "TESSERA_CHAOS_SEED";
const NETWORKS: &str = "TESSERA_CHAOS_NETWORKS";
const OUT: &str = "TESSERA_CHAOS_OUT";
/// Longest that an incident lasts: in earnest, and among the tests.
const LONGEST: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(8);
/// Lines of each log that are kept of a run that failed.
const LINES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_well_whatever_goes_wrong() {
    let _place = crate::place::Place::take();
    let world = World::start(1).await;
    for seed in [1, 2] {
        let plan = Plan::new(seed, SHORT);
        if let Err(why) = run::run(&world, &plan).await {
            panic!("{}: {why}\n{}", describe(&plan), logs(&world, 30));
        }
    }
}

#[test]
#[ignore = "an hour, which scripts/chaos takes"]
fn hundreds_of_runs() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (runs, first) = (number(RUNS).unwrap_or(200), number(SEED).unwrap_or(1));
    let out = std::env::var_os(OUT).map_or_else(|| std::env::temp_dir().join("tessera-chaos"), PathBuf::from);
    fs::create_dir_all(&out).unwrap();
    let mut table = File::create(out.join("chaos.csv")).unwrap();
    writeln!(table, "seed,course,replicas,incidents,seconds,client_starts,restarts,paid,refunded,outcome").unwrap();
    let (table, next, failed) = (Mutex::new(table), AtomicU64::new(first), AtomicU64::new(0));
    thread::scope(|scope| {
        for n in 0..number(NETWORKS).unwrap_or(4) {
            let (table, next, failed, out) = (&table, &next, &failed, &out);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                let seeds = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < first + runs);
                runtime.unwrap().block_on(make_runs(n, seeds, table, failed, out));
            });
        }
    });
    let failed = failed.into_inner();
    assert_eq!(failed, 0, "{failed} of {runs} runs failed; see {}", out.display());
}

/// Makes runs in one network after the other: a new one follows one in which something failed.
async fn make_runs(n: u64, seeds: impl Fn() -> Option<u64>, table: &Mutex<File>, failed: &AtomicU64, out: &Path) {
    let mut world = None;
    while let Some(seed) = seeds() {
        let plan = Plan::new(seed, LONGEST);
        let here = match world.take() {
            Some(world) => world,
            None => World::start(n << 32 | seed).await,
        };
        let outcome = run::run(&here, &plan).await;
        let row = row(&plan, &outcome);
        println!("{row}");
        writeln!(locked(table), "{row}").unwrap();
        match outcome {
            Ok(_) => world = Some(here),
            Err(why) => {
                failed.fetch_add(1, Ordering::Relaxed);
                let text = format!("{}: {why}\n{}", describe(&plan), logs(&here, LINES));
                fs::write(out.join(format!("failed-{seed}.txt")), text).unwrap();
            }
        }
    }
}

fn describe(plan: &Plan) -> String {
    format!("seed {} {:?} {} replicas; {}", plan.seed, plan.course, plan.replicas, plan.story())
}

fn row(plan: &Plan, outcome: &Result<Outcome, String>) -> String {
    let begin = format!("{},\"{:?}\",{},\"{}\"", plan.seed, plan.course, plan.replicas, plan.story());
    match outcome {
        Ok(Outcome { seconds, client_starts, restarts, ledger }) => {
            let (paid, refunded) = (ledger.paid_sum(), ledger.refunded);
            format!("{begin},{seconds:.1},{client_starts},{restarts},{paid},{refunded},ok")
        }
        Err(why) => format!("{begin},,,,,,\"{}\"", why.replace(['"', '\n'], " ")),
    }
}

/// What everybody wrote last, clients too.
fn logs(world: &World, count: usize) -> String {
    let dir = world.network.path("");
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths.iter().map(|path| format!("--- {}\n{}\n", path.display(), last_lines(path, count))).collect()
}
