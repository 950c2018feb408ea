//! `tessera demo`: the whole network at work on one machine.

mod accounting;
mod workers;

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tempfile::TempDir;
use tessera_migrate::amount::base_units;
use tessera_render::Work;
use tessera_sdk::StoreClient;

use super::render::{self, Picture, Roll, Size};
use crate::{
    network::{self, DECIMALS, Network, Node, Plan, SLOT_TIME, SOL, TOKEN},
    options::Options,
    output::{print, table},
    posting::{self, Terms},
};
use accounting::{Audit, Costs, Holdings};

/// What two processor cores render in a minute or two.
const SIZE: Size = Size { width: 480, height: 270, samples: 16 };

/// What a provider has from claim to commit, unless something else is asked for.
const LEASE_SECONDS: u32 = 120;

#[derive(clap::Args, Debug)]
#[command(args_override_self = true)]
pub struct Args {
    /// The scene: a .gltf or .glb file [default: that of this checkout]
    #[arg(value_name = "SCENE")]
    scene: Option<PathBuf>,
    #[command(flatten)]
    picture: Picture,
    #[command(flatten)]
    terms: Terms,
    /// Providers, with one worker each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Tokens that one replica of one unit pays
    #[arg(long, value_name = "TOKENS", default_value = "0.01")]
    price: String,
    /// What the workers compute on: auto, cuda or cpu
    #[arg(long, value_name = "BACKEND", default_value = "auto", value_parser = ["auto", "cuda", "cpu"])]
    backend: String,
    /// The program as built by scripts/build-program [default: that of this checkout]
    #[arg(long, value_name = "FILE", env = "TESSERA_PROGRAM")]
    program: Option<PathBuf>,
    /// Directory for keys, logs and blobs, which is kept [default: a temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// How long each stage took.
#[derive(Serialize)]
struct Stages(Vec<(&'static str, f64)>);

impl Stages {
    fn done(&mut self, name: &'static str, since: &mut Instant) {
        self.0.push((name, since.elapsed().as_secs_f64()));
        *since = Instant::now();
    }
}

/// What the demo found out.
#[derive(Serialize)]
struct Report {
    job: String,
    files: Vec<PathBuf>,
    units: u64,
    leases: u32,
    replicas: u8,
    #[serde(flatten)]
    audit: Audit,
    compute_units: Costs,
    seconds: Stages,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    if usize::from(args.workers) < usize::from(args.terms.replicas) {
        bail!(
            "{} replicas need as many providers; give --workers {} or more",
            args.terms.replicas,
            args.terms.replicas
        );
    }
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new().prefix("tessera-demo-").tempdir().context("cannot make a temporary directory")?,
        ),
    };
    let dir =
        args.dir.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).context("no directory")?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let dir = dir.canonicalize().with_context(|| format!("cannot use {}", dir.display()))?;
    let plan = Plan {
        dir,
        program: network::program(args.program.clone())?,
        store: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        node: Node::InMemory { ports: (0, 0) },
        slot_time: SLOT_TIME,
        reset: true,
    };
    let shown = super::unless_stopped(show(&plan, &args), "stopped before the picture was there").await;
    match shown {
        Ok(report) => print(options.json, &report, text),
        Err(error) => {
            // The logs are what is needed now.
            let logs = plan.logs();
            temporary.map(TempDir::keep);
            Err(error.context(format!("the demo failed (logs are in {})", logs.display())))
        }
    }
}

/// Everything from the node to the ledger. Whatever it started has ended when it returns or is dropped.
async fn show(plan: &Plan, args: &Args) -> Result<Report> {
    let say = |text: String| eprintln!("demo: {text}");
    let (mut stages, mut since) = (Stages(vec![]), Instant::now());
    // First what can fail without anything running.
    let scene = args.scene.clone().or_else(default_scene).context("which scene? give a .gltf or .glb file")?;
    let reel = render::open(&scene, &args.picture, args.picture.settings(SIZE, false)?).await?;
    let target = render::target(&scene, &args.picture, &reel, true)?;
    target.create()?;
    let settings = reel.settings();
    let prepared = tokio::task::block_in_place(|| {
        reel.pack(reel.frames())?
            .job(&Work::whole(reel.frames().iter().copied(), settings.samples))
            .map(|job| job.prepared)
            .map_err(anyhow::Error::from)
    })?;
    let roll = Roll::new(target.clone(), settings.clone(), true, BTreeSet::new());
    let files = reel.frames().iter().flat_map(|frame| target.paths(*frame)).collect();
    say(format!("scene read: {} units, {} blobs", prepared.spec.units, prepared.blobs().len()));
    stages.done("read the scene", &mut since);

    let (network, mut services) = Network::start(plan, &mut |text| say(text)).await?;
    stages.done("node, program, market, store", &mut since);

    let (providers, mut workers) = workers::start(plan, &network, args.workers, &args.backend, &say).await?;
    stages.done("providers and workers", &mut since);

    let report = tokio::select! {
        report = work(args, &network, &providers, prepared, (roll, files), &mut stages, &say) => report,
        error = services.failed() => Err(error),
        error = workers.failed() => Err(error),
    };
    let mut since = Instant::now();
    workers.stop().await;
    let stopped = services.stop().await;
    let mut report = report?;
    stopped?;
    stages.done("stop", &mut since);
    report.seconds = stages;
    if !report.audit.holds() {
        bail!("the ledger does not agree with the token accounts:\n{}", report.audit.text());
    }
    Ok(report)
}

async fn work(
    args: &Args,
    network: &Network,
    providers: &[Pubkey],
    prepared: tessera_render::PreparedJob,
    (mut roll, files): (Roll, Vec<PathBuf>),
    stages: &mut Stages,
    say: &(impl Fn(String) + Sync),
) -> Result<Report> {
    let mut since = Instant::now();
    let (tessera, market) = (&network.tessera, &network.market);
    let wallet = solana_keypair::Keypair::new();
    let price = base_units(&args.price, DECIMALS)?;
    let mut terms = args.terms.of(prepared.spec.units, price, DECIMALS, &network.store_url)?;
    // A lease that wants more auditors than there are providers waits for so long, and a minute.
    terms.lease_seconds = args.terms.lease_seconds.unwrap_or(LEASE_SECONDS);
    network.fund(&wallet.pubkey(), 100 * SOL, 1_000_000 * TOKEN).await?;
    let before = Holdings::read(tessera, market, &wallet.pubkey(), providers).await?;
    let posted = tessera.post_job(&wallet, &market.address, &prepared.spec, prepared.blobs(), terms).await;
    let posted = posted.context("cannot post the job")?;
    let job = tessera.job(&posted.job).await?.context("the job was posted, but the node does not show it")?;
    say(format!(
        "job {} posted: {} units in {} leases, {} replicas each",
        posted.job, job.units, job.leases, job.replicas
    ));
    stages.done("upload and post", &mut since);

    let store = StoreClient::new(&network.store_url)?;
    let status = |roll: &Roll, frame: u32, _| format!("frame {frame}, {} finished", roll.done().len());
    let collected = roll.collect(tessera, &posted.job, &prepared.spec, &store, status, |_| Ok(())).await;
    collected.context("cannot collect the outputs")?;
    roll.end().await;
    stages.done("render and collect", &mut since);

    posting::close(tessera, &wallet, &posted.job).await?;
    stages.done("last payments and closing", &mut since);

    let ledger = tessera.ledger(&posted.job).await?;
    let after = Holdings::read(tessera, market, &wallet.pubkey(), providers).await?;
    let audit = Audit::new(ledger, &before, &after);
    let compute_units = Costs::read(tessera, &posted.job, &market.address, providers).await?;
    stages.done("ledger", &mut since);
    Ok(Report {
        job: posted.job.to_string(),
        files,
        units: job.units,
        leases: job.leases,
        replicas: job.replicas,
        audit,
        compute_units,
        seconds: Stages(vec![]),
    })
}

/// The scene of this checkout, if this binary was built in one.
fn default_scene() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let scene = this.parent()?.parent()?.parent()?.join("scenes").join("mosaic.glb");
    scene.is_file().then_some(scene)
}

fn text(report: &Report) -> String {
    let rows: Vec<Vec<String>> =
        report.seconds.0.iter().map(|(name, seconds)| vec![(*name).to_owned(), format!("{seconds:.1}")]).collect();
    let total: f64 = report.seconds.0.iter().map(|(_, seconds)| seconds).sum();
    let files: String = report.files.iter().map(|file| format!("{}\n", file.display())).collect();
    format!(
        "job {}: {} units in {} leases, {} replicas each\n\nLedger, in tokens\n{}\nCompute units\n{}\nTime\n{}{:.1} s in all\n\n{}",
        report.job,
        report.units,
        report.leases,
        report.replicas,
        report.audit.text(),
        report.compute_units.text(),
        table(&["stage", "seconds"], &rows),
        total,
        files
    )
}
