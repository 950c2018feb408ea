//! `tessera denoise`: what noise is left in finished pictures is removed, by strangers too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tessera_kernels::PreparedJob;
use tessera_protocol::cid::Cid;
use tessera_render::{DENOISE_MODULE, DenoiseJob, Exposure, Layers, prepare_denoise};

use super::run::{Posting, compute};
use crate::{options::Options, output::print, outputs::Outputs};

/// Bytes that the job has for a pixel, and most for all pictures of one job, unless the user says otherwise: every provider
/// gets all of them.
const PIXEL: usize = 48;
const MOST: usize = 512 << 20;
/// Folder in `--out` for what is under way.
const UNDER_WAY: &str = ".tessera-denoise";

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Pictures of equal size with the layers of `tessera render --aovs`
    #[arg(value_name = "FILE.exr", required = true)]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    posting: Posting,
    /// Folder for the pictures without noise, under the names of the noisy ones; the same command goes on where an earlier one
    /// was stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write a .png of each
    #[arg(long)]
    png: bool,
    /// Brightness of the .pngs in stops [default: from the first picture]
    #[arg(long, value_name = "STOPS", requires = "png", allow_hyphen_values = true)]
    exposure: Option<f32>,
    /// Most pictures of one job [default: as many as have 512 MiB]
    #[arg(long, value_name = "N")]
    pictures_per_job: Option<std::num::NonZeroUsize>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    /// Jobs that were posted, now or earlier.
    jobs: Vec<String>,
    /// Files that are there now.
    files: Vec<PathBuf>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let clean = places(&args)?;
    let first = read(&args.pictures[0])?;
    let bytes = first.image.pixels.len().saturating_mul(PIXEL).max(1);
    let together = args.pictures_per_job.map_or_else(|| (MOST / bytes).max(1), std::num::NonZeroUsize::get);
    let exposure = args.exposure.unwrap_or_else(|| first.image.auto_exposure().log2());
    drop(first);
    let mut made = Made { jobs: Vec::new(), files: Vec::new() };
    for (noisy, clean) in args.pictures.chunks(together).zip(clean.chunks(together)) {
        if !noisy.iter().zip(clean).all(|(noisy, clean)| is_newer(clean, noisy)) {
            made.jobs.push(remove_noise(options, &args, noisy, clean).await?);
        }
        for path in clean {
            made.files.push(path.clone());
            if args.png {
                let png = path.with_extension("png");
                read(path)?.image.save(&png, Exposure::Stops(exposure))?;
                made.files.push(png);
            }
        }
    }
    print(options.json, &made, |made| {
        made.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n")
    })
}

/// Where each picture goes.
fn places(args: &Args) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let out = args.out.canonicalize().with_context(|| format!("cannot open {}", args.out.display()))?;
    let mut names = BTreeSet::new();
    let place = |picture: &PathBuf| {
        let shown = picture.display();
        let name = picture.file_name().with_context(|| format!("{shown} names no file"))?;
        let from = picture.canonicalize().with_context(|| format!("cannot read {shown}"))?;
        if from == out.join(name) {
            bail!("{shown} would be overwritten; give another --out");
        }
        if !names.insert(name.to_owned()) {
            bail!("two pictures have the name of {shown}; give each of them a name of its own");
        }
        Ok(args.out.join(name))
    };
    args.pictures.iter().map(place).collect()
}

/// Whether a file is there and was written after another.
fn is_newer(file: &Path, than: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    written(file).zip(written(than)).is_some_and(|(file, than)| file > than)
}

fn read(path: &Path) -> Result<Layers> {
    tokio::task::block_in_place(|| Layers::open(path)).map_err(Into::into)
}

/// Has the noise of some pictures removed by one job, whose address is returned.
async fn remove_noise(options: &Options, args: &Args, noisy: &[PathBuf], clean: &[PathBuf]) -> Result<String> {
    let layers: Vec<Layers> = noisy.iter().map(|path| read(path)).collect::<Result<_>>()?;
    let job: DenoiseJob = tokio::task::block_in_place(|| prepare_denoise(&layers))?;
    let mut prepared = PreparedJob {
        name: "noise removal".into(),
        spec: job.spec.clone(),
        module: DENOISE_MODULE.into(),
        inputs: job.blobs.iter().skip(1).map(|(_, bytes)| bytes.clone()).collect(),
    };
    // Other pictures have a folder of their own.
    let folder = args.out.join(UNDER_WAY);
    let own = folder.join(Cid::of(&job.spec.encode()?).to_string());
    let outputs = Outputs::create(&own)?;
    let (address, _) = compute(options, &args.posting, 1, &mut prepared, &outputs).await?;
    for (unit, (layers, path)) in (0..).zip(layers.into_iter().zip(clean)) {
        let image = job.image(&outputs.read(unit)?)?;
        // How much noise is left is not known.
        let error = vec![0.0; image.pixels.len()];
        tokio::task::block_in_place(|| Layers { image, error, ..layers }.save(path))?;
    }
    drop(outputs);
    fs::remove_dir_all(&own).with_context(|| format!("cannot remove {}", own.display()))?;
    // Something else may be under way in it.
    let _ = fs::remove_dir(&folder);
    Ok(address.to_string())
}
