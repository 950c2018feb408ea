//! `tessera render`: pictures and animations, rendered by strangers.

mod cost;
mod movie;
mod picture;
mod reel;
mod roll;
mod state;
mod target;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tessera_render::{Rounds, Settings, Shot};

pub use self::{
    picture::{Picture, Size},
    reel::Reel,
    roll::Roll,
    target::Target,
};
use self::{state::Kept, work::Rendering};
use crate::{
    commands::unless_stopped,
    options::Options,
    output::print,
    session::{Jobs, Session, Work as _},
};

/// What `tessera render` makes by default.
const SIZE: Size = Size { width: 640, height: 360, samples: 32 };
/// Least and most samples of the first of several rounds, and which share of all it is.
const FIRST_ROUND: (u32, u32, u32) = (4, 32, 8);

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The scene: a .gltf or .glb file
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    #[command(flatten)]
    picture: Picture,
    #[command(flatten)]
    jobs: Jobs,
    /// Noise at which a tile is done, as a share of its brightness, such as 0.01: samples are spread over rounds, a job each,
    /// and go where there is noise. The first round of all frames must fit --max-price; later rounds that do not are left out
    #[arg(long, value_name = "SHARE")]
    noise: Option<f32>,
    /// Most rounds of a frame
    #[arg(long, value_name = "N", default_value_t = 6, requires = "noise", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Most frames of one job [default: as many as fit into memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    frames_per_job: Option<u32>,
    /// Tiles to render here before anything is posted, to say how long a unit takes and what its gas is
    #[arg(long = "try", value_name = "N", default_value_t = 3)]
    tries: u64,
    /// Also make a movie of the frames, when they are there
    #[arg(long, value_name = "FILE")]
    mp4: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    /// Jobs that were posted, now or earlier.
    jobs: Vec<String>,
    frames: usize,
    /// Files that are there now.
    files: Vec<PathBuf>,
    movie: Option<PathBuf>,
    /// Tokens that the jobs have cost; nothing if none was needed.
    spent: Option<String>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let rounds = args.noise.map(|noise| rounds(noise, args.picture.settings(SIZE, true)?.samples)).transpose()?;
    let settings = args.picture.settings(SIZE, rounds.is_some())?;
    // First what can be refused without asking anybody, and before any money moves.
    let reel = open(&args.scene, &args.picture, settings).await?;
    let target = target(&args.scene, &args.picture, &reel, false)?;
    if args.mp4.is_some() {
        movie::check(reel.settings().width, reel.settings().height)?;
    }
    let Some(first) = reel.frames().first().copied() else { bail!("no frames") };
    let shot = tokio::task::block_in_place(|| reel.pack(&BTreeSet::from([first])))?;
    target.create()?;
    let mut kept = Kept::open(&target.state(), begun_with(&args, &reel, &shot, first)?, args.jobs.restart)?;
    let mapped = target.is_mapped() || args.mp4.is_some();
    if reel.frames().len() > 1
        && mapped
        && kept.state().exposure.is_none()
        && reel.settings().exposure == tessera_render::Exposure::Auto
    {
        let stops = cost::meter(&reel, first).await?;
        kept.change(|state| state.exposure = Some(stops))?;
    }
    // A file that is gone is rendered again.
    let lost = |frame: &u32| !target.paths(*frame).iter().all(|path| path.is_file());
    if kept.state().done.iter().any(lost) {
        kept.change(|state| state.done.retain(|frame| !lost(frame)))?;
    }
    let mut roll = Roll::new(target.clone(), reel.settings().clone(), rounds.is_none(), kept.state().done.clone());
    roll.expose(cost::exposure(reel.settings(), kept.state().exposure));
    kept.restore(&mut roll)?;

    let mut spent = None;
    if !reel.frames().is_subset(roll.done()) {
        let session = Session::start(options, &args.jobs).await?;
        let mut rendering = Rendering { args: &args, reel: &reel, rounds, kept, roll };
        let ended = unless_stopped(
            rendering.work(&session, shot),
            "stopped; a job that was posted goes on without this program, and the same command goes on with it",
        )
        .await;
        let saved = rendering.save();
        ended?;
        saved?;
        (kept, roll) = (rendering.kept, rendering.roll);
        spent = Some(session.shown(kept.begun().spent()));
        roll.end().await;
    }
    let exposure = cost::exposure(reel.settings(), kept.state().exposure);
    if let Some(path) = &args.mp4 {
        let files: Vec<PathBuf> = reel.frames().iter().filter_map(|frame| target.shown(*frame)).collect();
        let (path, fps) = (path.clone(), args.picture.fps);
        let made = tokio::task::spawn_blocking(move || movie::write(&path, &files, fps, exposure));
        made.await.context("making the movie failed")??;
    }
    let made = Made {
        jobs: kept.begun().jobs().to_vec(),
        frames: reel.frames().len(),
        files: reel.frames().iter().flat_map(|frame| target.paths(*frame)).collect(),
        movie: args.mp4.clone(),
        spent,
    };
    print(options.json, &made, |made| {
        let files = made.files.iter().chain(&made.movie).map(|file| format!("{}\n", file.display()));
        files.collect::<String>() + &made.spent.as_ref().map_or_else(String::new, |spent| format!("{spent} tokens"))
    })
}

/// Reads a scene and finds its frames.
pub async fn open(scene: &Path, picture: &Picture, settings: Settings) -> Result<Reel> {
    let (scene, picture) = (scene.to_owned(), picture.clone());
    let opened = tokio::task::spawn_blocking(move || Reel::open(&scene, &picture, settings));
    opened.await.context("reading the scene failed")?
}

/// Where the pictures of a scene go, and `both` kinds of files where nothing is said.
pub fn target(scene: &Path, picture: &Picture, reel: &Reel, both: bool) -> Result<Target> {
    let frames = reel.frames().len();
    let mut out = picture.out.clone();
    if out.is_empty() {
        let stem = scene.file_stem().context("the scene's path names no file")?.to_string_lossy().replace('%', "_");
        let name = |extension| match frames {
            1 => PathBuf::from(format!("{stem}.{extension}")),
            _ => Path::new(&stem).join(format!("%04d.{extension}")),
        };
        out.push(name(if picture.aovs && !both { "exr" } else { "png" }));
        out.extend(both.then(|| name("exr")));
    }
    Target::new(&out, frames, picture.aovs)
}

/// How samples are spread where noise decides.
fn rounds(noise: f32, samples: u32) -> Result<Rounds> {
    if !(noise > 0.0 && noise < 1.0) {
        bail!("--noise is {noise}, expected a share of the brightness, more than 0 and less than 1, such as 0.01");
    }
    let (least, most, share) = FIRST_ROUND;
    let first = (samples / share).clamp(least, most).min(samples);
    Ok(Rounds { first, most: samples, noise: Some(noise) })
}

/// What the pictures depend on, to notice when something changed between two commands.
fn begun_with(args: &Args, reel: &Reel, shot: &Shot, first: u32) -> Result<BTreeMap<String, String>> {
    let mut options: BTreeMap<String, String> =
        args.picture.options(reel.settings()).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let noise = args.noise.map_or_else(|| "not given".into(), |noise| format!("{noise} --rounds {}", args.rounds));
    options.insert("--noise".into(), noise);
    if args.picture.turntable {
        let last = reel.frames().last().copied().unwrap_or(first);
        options.insert("--frames".into(), format!("{first}-{last}"));
    }
    // Whatever else there is that changes the first frame: files that the scene names, the renderer itself.
    let identity = shot.frame(first).context("the first frame was not packed")?.identity;
    options.insert("scene".into(), reel.digest().to_owned());
    options.insert(format!("look of frame {first}"), identity.iter().map(|byte| format!("{byte:02x}")).collect());
    Ok(options)
}
