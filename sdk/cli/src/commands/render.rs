//! `tessera render`.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_migrate::amount::tokens;
use tessera_protocol::spec::JobSpec;
use tessera_render::{
    CameraChoice, EnvironmentChoice, Exposure, Merge, Picture as Pictures, PreparedJob, Scene, Settings,
};
use tessera_sdk::{JobTerms, Posted, StoreClient, Tessera};

use crate::{
    options::Options,
    output::{line, print},
    posting::{Deal, Offer, close, tend},
    progress::Progress,
};

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub picture: Picture,
    #[command(flatten)]
    offer: Offer,
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

/// Posts a prepared job.
pub async fn post(
    tessera: &Tessera,
    wallet: &Keypair,
    market: &Pubkey,
    job: PreparedJob,
    terms: JobTerms,
) -> Result<(JobSpec, Posted)> {
    let blobs = job.blobs.into_iter().map(|(_, bytes)| bytes).collect();
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
    let pictures = Pictures::from_spec(spec)?;
    let mut merge = Merge::on(pictures.film);
    let mut written = BTreeSet::new();
    let mut files = vec![];
    let mut progress = Progress::new("rendering", spec.units);
    let nothing_yet = HashSet::new();
    let collected = tessera.collect(job, spec, store, &nothing_yet, |lease| {
        let mut frames = BTreeSet::new();
        for (unit, output) in lease.units() {
            merge.add(&pictures, unit, output)?;
            frames.extend(pictures.unit(unit).map(|place| place.frame));
        }
        progress.note(format!("lease {}", lease.index));
        progress.add(lease.outputs.len() as u64);
        for frame in frames {
            if merge.is_complete(&pictures, frame) && written.insert(frame) {
                files.extend(write(&merge, &pictures, frame, stem)?);
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
fn write(
    merge: &Merge,
    picture: &Pictures,
    frame: u32,
    stem: &Path,
) -> Result<[PathBuf; 2], Box<dyn std::error::Error + Send + Sync>> {
    let image = merge.image(frame);
    let named = |extension: &str| {
        let mut name = stem.file_name().unwrap_or_default().to_os_string();
        if picture.frames.len() > 1 {
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

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let tessera = options.connect().await?;
    let stem = args.picture.stem()?;
    let wallet = options.wallet()?;
    let (job, spec, store) = match args.resume {
        Some(job) => {
            let found = tessera.job_spec(&job, args.offer.store.as_deref()).await;
            let (spec, store) = found.context("cannot go on with the job")?;
            (job, spec, store)
        }
        None => begin(options, &tessera, &wallet, &args).await?,
    };
    let files = tokio::select! {
        files = collect(&tessera, &job, &spec, &store, &stem) => files,
        () = tend(&tessera, &wallet, &job) => bail!("the job is not looked after any more"),
    };
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
    let store = StoreClient::new(args.offer.store()?)?;
    let prepared = args.picture.prepare(SIZE).await?;
    let deal = args.offer.deal(options, tessera, prepared.spec.units).await?;
    if !options.json {
        line(&deal.cost(prepared.spec.units))?;
    }
    let Deal { market, decimals, terms, .. } = deal;
    let (spec, posted) = post(tessera, wallet, &market, prepared, terms).await?;
    if !options.json {
        let (job, deposited) = (posted.job, tokens(posted.deposited, decimals));
        line(&format!("job {job}: {} units, {deposited} tokens in escrow from {}", spec.units, wallet.pubkey()))?;
    }
    Ok((posted.job, spec, store))
}
