//! `tessera render`.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::{base_units, tokens};
use tessera_protocol::{
    cid::Cid,
    constants::MAX_LEASES,
    routing::Requirements,
    spec::{JobSpec, MAX_SPEC_LEN},
};
use tessera_render::{CameraChoice, EnvironmentChoice, Exposure, Merge, PreparedJob, Scene, Settings};
use tessera_sdk::{Account, Event, JobTerms, Posted, StoreClient, Tessera, accounts};
use tokio::time::{Instant, sleep};

use crate::{
    options::Options,
    output::{line, print},
    progress::Progress,
};

/// How long the last replicas may take to be paid after the outputs are there.
const LAST_PAY: Duration = Duration::from_secs(90);

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub picture: Picture,
    #[command(flatten)]
    pub terms: Terms,
    /// Tokens that one replica of one unit pays
    #[arg(long, value_name = "TOKENS", required_unless_present = "resume")]
    price: Option<String>,
    /// URL of the store; providers must reach it under the same address
    #[arg(long, value_name = "URL", env = "TESSERA_STORE")]
    store: Option<String>,
    /// Go on with a job that was posted before: only collect and merge
    #[arg(long, value_name = "JOB")]
    resume: Option<Pubkey>,
    /// Leave the job open instead of closing it when the picture is there
    #[arg(long)]
    keep_open: bool,
}

/// What the picture is.
#[derive(clap::Args, Debug)]
pub struct Picture {
    /// The scene: a .gltf or .glb file
    #[arg(long, value_name = "FILE")]
    pub scene: Option<PathBuf>,
    /// Pixels across [default: 640, in the demo 480]
    #[arg(long)]
    width: Option<u32>,
    /// Pixels down [default: 360, in the demo 270]
    #[arg(long)]
    height: Option<u32>,
    /// Samples of a pixel [default: 32, in the demo 16]
    #[arg(long)]
    samples: Option<u32>,
    /// Samples of a pixel in one unit [default: as --samples]
    #[arg(long)]
    samples_per_unit: Option<u32>,
    /// Side of a tile in pixels, a multiple of 8
    #[arg(long, default_value_t = 32)]
    tile: u32,
    /// Surface scatterings of a path
    #[arg(long, default_value_t = 4)]
    bounces: u32,
    /// Frames; more than one is a turntable around the scene
    #[arg(long, default_value_t = 1)]
    frames: u32,
    /// Light from all around: `sky`, `black`, or an equirectangular .hdr file [default: sky for scenes without lights]
    #[arg(long, value_name = "sky|black|FILE")]
    environment: Option<String>,
    /// Name of the scene's camera to use [default: the first, or one that shows the whole scene]
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Brightness of the PNG in stops [default: from the picture itself]
    #[arg(long, value_name = "STOPS", allow_hyphen_values = true)]
    exposure: Option<f32>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the picture goes: X writes X.png and X.exr [default: the name of the scene]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is offered to providers besides the price.
#[derive(clap::Args, Debug)]
pub struct Terms {
    /// Providers that must agree on each lease
    #[arg(long, default_value_t = 2)]
    pub replicas: u8,
    /// Units in a lease [default: from the number of units]
    #[arg(long)]
    units_per_lease: Option<u32>,
    /// Seconds that a provider has from claim to commit
    #[arg(long, default_value_t = 600)]
    lease_seconds: u32,
    /// Seconds from now to the job's deadline
    #[arg(long, default_value_t = 86_400)]
    deadline_seconds: u32,
    /// Device memory that providers must have, in MiB
    #[arg(long, default_value_t = 0)]
    memory_mib: u32,
    /// Hardware class that providers must have: 0 CPU, else compute capability times ten
    #[arg(long, default_value_t = 0)]
    class: u8,
}

/// Size of a picture, where nothing else is asked for.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: u32,
    pub height: u32,
    pub samples: u32,
}

/// What `tessera render` makes by default.
const SIZE: Size = Size { width: 640, height: 360, samples: 32 };

impl Picture {
    fn settings(&self, default: Size) -> Settings {
        let samples = self.samples.unwrap_or(default.samples);
        Settings {
            width: self.width.unwrap_or(default.width),
            height: self.height.unwrap_or(default.height),
            samples,
            samples_per_unit: self.samples_per_unit.unwrap_or(samples),
            tile: self.tile,
            seed: self.seed,
            max_bounces: self.bounces,
            frames: self.frames,
            camera: self.camera.clone().map_or(CameraChoice::Auto, CameraChoice::Named),
            environment: match self.environment.as_deref() {
                None => EnvironmentChoice::Auto,
                Some("sky") => EnvironmentChoice::Sky(tessera_render::Sky::default()),
                Some("black") => EnvironmentChoice::Black,
                Some(file) => EnvironmentChoice::File(file.into()),
            },
            exposure: self.exposure.map_or(Exposure::Auto, Exposure::Stops),
            ..Settings::default()
        }
    }

    /// Reads the scene and makes the job.
    pub async fn prepare(&self, default: Size) -> Result<PreparedJob> {
        let scene = self.scene.clone().context("which scene? give --scene FILE, a .gltf or .glb file")?;
        let settings = self.settings(default);
        let made = tokio::task::spawn_blocking(move || {
            let scene = Scene::load(&scene)?;
            tessera_render::prepare(&scene, &settings)
        });
        Ok(made.await.context("reading the scene failed")??)
    }

    /// The path of the picture without its extension.
    pub fn stem(&self) -> Result<PathBuf> {
        let path = match (&self.out, &self.scene) {
            (Some(out), _) => out.clone(),
            (None, Some(scene)) => PathBuf::from(scene.file_stem().context("--scene names no file")?),
            (None, None) => bail!("where to? give --out FILE"),
        };
        let known = path.extension().is_some_and(|extension| extension == "png" || extension == "exr");
        Ok(if known { path.with_extension("") } else { path })
    }
}

impl Terms {
    /// The terms of a job of `units` that pays `price_per_unit` base units.
    pub fn of(&self, units: u64, price_per_unit: u64, store_url: &str) -> JobTerms {
        JobTerms {
            price_per_unit,
            replicas: self.replicas,
            units_per_lease: self.units_per_lease.unwrap_or_else(|| units_per_lease(units)),
            lease_seconds: self.lease_seconds,
            deadline_seconds: self.deadline_seconds,
            requirements: Requirements { memory_mib: self.memory_mib, class: self.class, regions: 0 },
            store_url: store_url.to_owned(),
        }
    }
}

/// Enough leases to keep many providers busy, few enough that transactions cost little; never more than a job may have.
fn units_per_lease(units: u64) -> u32 {
    let wanted = units.div_ceil(64).clamp(1, 16);
    u32::try_from(wanted.max(units.div_ceil(u64::from(MAX_LEASES)))).unwrap_or(u32::MAX)
}

/// Posts a prepared job.
pub async fn post(
    tessera: &Tessera,
    wallet: &Keypair,
    market: &Pubkey,
    job: PreparedJob,
    terms: JobTerms,
) -> Result<(JobSpec, Posted)> {
    let blobs = job.blobs.into_iter().map(|(_, bytes)| Bytes::from(bytes)).collect();
    let posted = tessera.post_job(wallet, market, &job.spec, blobs, terms).await.context("cannot post the job")?;
    Ok((job.spec, posted))
}

/// Collects the outputs of a job, merges them and writes the pictures; returns the files.
pub async fn collect(
    tessera: &Tessera,
    job: &Pubkey,
    spec: &JobSpec,
    store: &StoreClient,
    stem: &Path,
) -> Result<Vec<PathBuf>> {
    let mut merge = Merge::new(spec)?;
    let mut written = BTreeSet::new();
    let mut files = vec![];
    let mut progress = Progress::new("rendering", spec.units);
    let nothing_yet = HashSet::new();
    let collected = tessera.collect(job, spec, store, &nothing_yet, |lease| {
        let mut frames = BTreeSet::new();
        for (unit, output) in lease.units() {
            merge.add(unit, output)?;
            frames.extend(merge.picture().unit(unit).map(|place| place.frame));
        }
        progress.note(format!("lease {}", lease.index));
        progress.add(lease.outputs.len() as u64);
        for frame in frames {
            if merge.is_complete(frame) && written.insert(frame) {
                files.extend(write(&merge, frame, stem)?);
                merge.release(frame);
            }
        }
        Ok(())
    });
    collected.await.context("cannot collect the outputs")?;
    drop(progress);
    Ok(files)
}

/// Writes a frame as PNG and EXR.
fn write(merge: &Merge, frame: u32, stem: &Path) -> Result<[PathBuf; 2], Box<dyn std::error::Error + Send + Sync>> {
    let picture = merge.picture();
    let image = merge.image(frame).ok_or("the frame does not exist")?;
    let named = |extension: &str| {
        let mut name = stem.file_name().unwrap_or_default().to_os_string();
        if picture.frames > 1 {
            name.push(format!("-{frame:04}"));
        }
        name.push(format!(".{extension}"));
        stem.with_file_name(name)
    };
    let files = [named("png"), named("exr")];
    for file in &files {
        image.save(file, picture.exposure)?;
    }
    Ok(files)
}

/// Waits until every provider of a job whose leases have settled is paid, then closes it: the rest goes back to the wallet.
pub async fn close(tessera: &Tessera, payer: &Keypair, job: &Pubkey) -> Result<()> {
    let give_up = Instant::now() + LAST_PAY;
    loop {
        match tessera.job(job).await? {
            None => return Ok(()),
            Some(found) if found.is_complete() && found.owed == 0 => break,
            Some(_) if Instant::now() > give_up => {
                bail!(
                    "not every provider was paid within {} s; close the job later with `tessera job close {job}`",
                    LAST_PAY.as_secs()
                )
            }
            Some(_) => sleep(Duration::from_millis(500)).await,
        }
    }
    match tessera.close_job(payer, job).await {
        // Somebody else was faster, as anybody may be.
        Err(_) if tessera.job(job).await?.is_none() => Ok(()),
        closed => closed.map(drop).context("cannot close the job"),
    }
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let tessera = options.connect().await?;
    let stem = args.picture.stem()?;
    let wallet = options.wallet()?;
    let (job, spec, store) = match args.resume {
        Some(job) => resume(&tessera, &job, args.store.as_deref()).await?,
        None => begin(options, &tessera, &wallet, &args).await?,
    };
    let files = collect(&tessera, &job, &spec, &store, &stem).await;
    let files = files.with_context(|| {
        format!("job {job} goes on without this program; go on with `tessera render --resume {job}`")
    })?;
    if !args.keep_open {
        // The picture is there, which is what was asked for.
        if let Err(error) = close(&tessera, &wallet, &job).await {
            eprintln!("warning: {error:#}");
        }
    }
    let result = serde_json::json!({ "job": job.to_string(), "files": files });
    print(options.json, &result, |_| files.iter().map(|file| format!("{}\n", file.display())).collect())
}

async fn begin(
    options: &Options,
    tessera: &Tessera,
    wallet: &Keypair,
    args: &Args,
) -> Result<(Pubkey, JobSpec, StoreClient)> {
    let url = args.store.as_deref().context("which store? give --store URL or set TESSERA_STORE")?;
    let store = StoreClient::new(url)?;
    let market: Account<accounts::Market> = options.market(tessera).await?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let price = base_units(args.price.as_deref().context("at what price? give --price TOKENS")?, decimals)?;
    let prepared = args.picture.prepare(SIZE).await?;
    let terms = args.terms.of(prepared.spec.units, price, url);
    let (spec, posted) = post(tessera, wallet, &market.address, prepared, terms).await?;
    if !options.json {
        let (job, deposited) = (posted.job, tokens(posted.deposited, decimals));
        line(&format!("job {job}: {} units, {deposited} tokens in escrow from {}", spec.units, wallet.pubkey()))?;
    }
    Ok((posted.job, spec, store))
}

/// Finds specification and store of a job that was posted before.
async fn resume(tessera: &Tessera, job: &Pubkey, store: Option<&str>) -> Result<(Pubkey, JobSpec, StoreClient)> {
    let (spec, url) = match tessera.job(job).await? {
        Some(found) => (Cid(found.spec), store.map_or_else(|| found.store_url(), str::to_owned)),
        None => {
            let history = tessera.history(job).await?;
            let posted = history.iter().find_map(|recorded| match &recorded.event {
                Event::JobPosted(posted) => Some(Cid(posted.spec)),
                _ => None,
            });
            let spec =
                posted.with_context(|| format!("there is and was no job at {job}; check the address and --url"))?;
            (spec, store.context("the job is closed; give the --store that it used")?.to_owned())
        }
    };
    let store = StoreClient::new(&url)?;
    let bytes = store.get(&spec, MAX_SPEC_LEN as u64).await.context("cannot get the job's specification")?;
    Ok((*job, JobSpec::decode(&bytes)?, store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_neither_too_many_nor_too_few() {
        assert_eq!(units_per_lease(1), 1);
        assert_eq!(units_per_lease(240), 4);
        assert_eq!(units_per_lease(100_000), 16);
        for units in [1, 64, 1 << 20, 1 << 21, 1 << 31] {
            assert!(tessera_protocol::lease::count(units, units_per_lease(units)) <= u64::from(MAX_LEASES));
        }
    }
}
