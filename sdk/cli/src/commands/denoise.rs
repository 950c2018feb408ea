//! `tessera denoise`: what noise is left in finished pictures is removed, by strangers too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tessera_kernels::PreparedJob;
use tessera_protocol::cid::{Cid, CidHasher};
use tessera_render::{DENOISE_MODULE, DenoiseJob, Exposure, Layers, prepare_denoise};

use super::run::limit_gas;
use crate::{
    begun::Begun,
    commands::unless_stopped,
    computing::Computing,
    options::Options,
    output::print,
    posted,
    posting::confirm,
    session::{Jobs, Session},
};

/// Bytes that the job has for a pixel, and most for all pictures of one job, unless the user says otherwise: every provider
/// gets all of them.
const PIXEL: usize = 48;
const MOST: usize = 512 << 20;
/// Folder in `--out` for what is under way.
const UNDER_WAY: &str = ".tessera-denoise";
/// The file in which it is noted which of the jobs was posted last.
const FILE: &str = "part.json";
/// What makes it cheaper.
const LOWER: &str = "--price, --replicas or the number of pictures";

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Pictures of equal size with the layers of `tessera render --aovs`
    #[arg(value_name = "FILE.exr", required = true)]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
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
    /// Tokens that the jobs have cost; nothing if none was needed.
    spent: Option<String>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let clean = places(&args)?;
    let first = read(&args.pictures[0])?;
    let bytes = first.image.pixels.len().saturating_mul(PIXEL).max(1);
    let together = args.pictures_per_job.map_or_else(|| (MOST / bytes).max(1), std::num::NonZeroUsize::get);
    let exposure = args.exposure.unwrap_or_else(|| first.image.auto_exposure().log2());
    drop(first);
    let mut made = Made { jobs: Vec::new(), files: Vec::new(), spent: None };
    if args.jobs.restart || !are_there(&args.pictures, &clean) {
        let mut cleaning = tokio::task::block_in_place(|| Cleaning::open(&args, &clean, together))?;
        let session = Session::start(options, &args.jobs).await?;
        unless_stopped(
            cleaning.work(&session),
            "stopped; a job that was posted goes on without this program, and the same command goes on with it",
        )
        .await?;
        let computing = cleaning.computing;
        made.jobs = computing.jobs().to_vec();
        made.spent = Some(session.shown(computing.spent()));
        let folder = computing.outputs().folder().path();
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        // Something else may be under way in it.
        let _ = fs::remove_dir(args.out.join(UNDER_WAY));
    }
    for path in &clean {
        made.files.push(path.clone());
        if args.png {
            let png = path.with_extension("png");
            read(path)?.image.save(&png, Exposure::Stops(exposure))?;
            made.files.push(png);
        }
    }
    print(options.json, &made, |made| {
        let files = made.files.iter().map(|file| format!("{}\n", file.display()));
        files.collect::<String>() + &made.spent.as_ref().map_or_else(String::new, |spent| format!("{spent} tokens"))
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

/// Whether all clean pictures are there.
fn are_there(noisy: &[PathBuf], clean: &[PathBuf]) -> bool {
    noisy.iter().zip(clean).all(|(noisy, clean)| is_newer(clean, noisy))
}

/// Whether a file is there and was written after another.
fn is_newer(file: &Path, than: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    written(file).zip(written(than)).is_some_and(|(file, than)| file > than)
}

fn read(path: &Path) -> Result<Layers> {
    tokio::task::block_in_place(|| Layers::open(path)).map_err(Into::into)
}

/// Pictures from which the noise goes, and what there is of it.
struct Cleaning<'a> {
    args: &'a Args,
    parts: Vec<Part<'a>>,
    computing: Computing,
}

/// Pictures of one job.
struct Part<'a> {
    noisy: &'a [PathBuf],
    clean: &'a [PathBuf],
    is_done: bool,
}

impl<'a> Cleaning<'a> {
    fn open(args: &'a Args, clean: &'a [PathBuf], together: usize) -> Result<Self> {
        // Other pictures have another folder.
        let mut named = CidHasher::default();
        named.update(DENOISE_MODULE.as_bytes());
        named.update(&together.to_le_bytes());
        for path in &args.pictures {
            let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default();
            [Cid::of(name.as_bytes()), Cid::of(&bytes)].iter().for_each(|cid| named.update(&cid.0));
        }
        let folder = args.out.join(UNDER_WAY).join(named.finish().to_string());
        let begun = Begun::open(&folder, "these pictures were", BTreeMap::new(), args.jobs.restart)?;
        let part = |(noisy, clean)| Part { noisy, clean, is_done: !args.jobs.restart && are_there(noisy, clean) };
        let parts = args.pictures.chunks(together).zip(clean.chunks(together)).map(part).collect();
        Ok(Self { args, parts, computing: Computing::new(begun) })
    }

    /// Removes the noise from all pictures that are left.
    async fn work(&mut self, session: &Session<'_>) -> Result<()> {
        let posted: Option<usize> = self.computing.outputs().folder().read(FILE, "which pictures a job is for")?;
        if let Some(place) = posted.filter(|place| *place < self.parts.len())
            && session.go_on(&mut self.computing).await?
        {
            self.write(place)?;
        }
        let left: Vec<usize> = (0..self.parts.len()).filter(|place| !self.parts[*place].is_done).collect();
        if left.is_empty() {
            return Ok(());
        }
        self.agree(session, &left).await?;
        for place in left {
            let deal = session.deal(self.parts[place].noisy.len() as u64)?;
            session.check(self.computing.spent(), deal.deposit, LOWER)?;
            let (_, DenoiseJob { spec, blobs, .. }) = self.parts[place].prepare()?;
            let inputs = blobs.into_iter().skip(1).map(|(_, bytes)| bytes).collect();
            let mut job = PreparedJob { name: "noise removal".into(), spec, module: DENOISE_MODULE.into(), inputs };
            limit_gas(&mut job, 1).await?;
            self.computing.outputs().folder().keep(FILE, &place)?;
            session.post(&mut self.computing, deal, &job.spec, job.blobs()).await?;
            self.write(place)?;
        }
        Ok(())
    }

    /// Says what it costs, and asks.
    async fn agree(&self, session: &Session<'_>, left: &[usize]) -> Result<()> {
        let jobs: Vec<u64> = left.iter().map(|place| self.parts[*place].noisy.len() as u64).collect();
        let (deposit, spent) = (session.deposits(&jobs)?, self.computing.spent());
        session.check(spent, deposit, LOWER)?;
        let (pictures, all) = (jobs.iter().sum::<u64>(), self.args.pictures.len());
        let noun = if jobs.len() == 1 { "job" } else { "jobs" };
        session.say(&format!("{pictures} of {all} pictures, a unit each, in {} {noun}", jobs.len()))?;
        session.say(&session.offered(deposit, spent))?;
        if !self.args.jobs.yes {
            confirm("remove their noise?").await?;
        }
        Ok(())
    }

    /// Writes the pictures of a job whose outputs are there, which are of no use then.
    fn write(&mut self, place: usize) -> Result<()> {
        let part = &mut self.parts[place];
        let (layers, job) = part.prepare()?;
        let outputs = self.computing.outputs();
        for (unit, (layers, path)) in (0..).zip(layers.into_iter().zip(part.clean)) {
            let image = job.image(&outputs.read(unit)?)?;
            // How much noise is left is not known.
            let error = vec![0.0; image.pixels.len()];
            tokio::task::block_in_place(|| Layers { image, error, ..layers }.save(path))?;
        }
        (0..part.noisy.len() as u64).try_for_each(|unit| outputs.remove(unit))?;
        part.is_done = true;
        posted::forget(outputs.folder())
    }
}

impl Part<'_> {
    fn prepare(&self) -> Result<(Vec<Layers>, DenoiseJob)> {
        let layers: Vec<Layers> = self.noisy.iter().map(|path| read(path)).collect::<Result<_>>()?;
        let job = tokio::task::block_in_place(|| prepare_denoise(&layers))?;
        Ok((layers, job))
    }
}
