//! What commands share that have a model read texts: the input, the jobs, what is there of the answers.

mod input;
mod kept;
mod plan;
mod work;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tessera_nn::{MODULE, Model, Precision, PreparedJob};
use tessera_protocol::{
    cid::{Cid, CidHasher},
    spec::JobSpec,
};

use self::{input::Input, plan::Plan, work::Reading};
pub use self::{
    input::Text,
    kept::{Kept, whole},
};
use crate::{
    begun::Begun,
    commands::unless_stopped,
    options::Options,
    output::print,
    session::{Jobs, Session},
};

/// The file in which it is noted what the job at work computes, and whether all is done.
const FILE: &str = "texts.json";
/// The folder of the units that are there.
const UNITS: &str = "units";

/// Texts, a model, and how jobs are made of them.
#[derive(clap::Args, Debug)]
pub struct TextArgs {
    /// The texts, one on each line: a JSON string, or an object with `text` or `prompt` and, if it has one, an `id`, which is
    /// copied to its answer; - reads standard input
    #[arg(value_name = "INPUT.jsonl")]
    input: PathBuf,
    /// The model as it was published: a folder with config.json, tokenizer.json and model.safetensors
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Compute products in 8 bits: less memory, and faster where there are tensor cores; the answers are others
    #[arg(long, group = "integers")]
    int8: bool,
    /// Compute products in whole numbers of 26 to 30 bits, on tensor cores where there are some: about as exact as floats
    #[arg(long, group = "integers")]
    fixed_point: bool,
    /// With --int8 or --fixed-point: post plans without tensor cores, which take less time where providers compute on
    /// processors; the answers are the same
    #[arg(long, requires = "integers")]
    no_tensor_cores: bool,
    /// Texts of a unit; answers do not depend on it
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Most texts of one job [default: as many as have 4 million tokens]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    texts_per_job: Option<u32>,
    /// Texts to try here before anything is posted, to say how long all take and what their gas is
    #[arg(long = "try", value_name = "N", default_value_t = 1)]
    tries: u64,
    #[command(flatten)]
    jobs: Jobs,
}

/// What becomes of texts.
pub trait Front {
    /// The command's name.
    const NAME: &'static str;
    /// What it does, for the progress.
    const DOING: &'static str;
    /// What it makes, for messages about what was begun.
    const MADE: &'static str;
    /// Whether answers are written one by one, as they come.
    const IS_STREAMED: bool;

    /// Options that answers depend on, by their names.
    fn options(&self) -> Vec<(&'static str, String)> {
        vec![]
    }

    /// Refuses models of another kind; returns the most tokens of a text.
    fn longest(&self, model: &Model) -> Result<usize>;

    /// Most tokens that are made for a text.
    fn made(&self) -> u32 {
        0
    }

    /// Whether answers depend on the places of their texts in the job.
    fn is_drawn(&self) -> bool {
        false
    }

    /// A job in which at most `made` tokens are made for a text. `first` is the place of its first text among all.
    fn job(&self, model: &Model, texts: &[&str], batch: usize, first: u64, made: u32) -> Result<PreparedJob>;

    /// What reads the outputs of a job.
    fn reader(&self, spec: &JobSpec) -> Result<Self::Reader>;

    /// Puts the outputs of units together.
    type Reader: Reader;

    /// Tokens that were made, in what a unit became.
    fn tokens(&self, _unit: &[u8]) -> Result<u64> {
        Ok(0)
    }

    /// What all texts come to, where that is asked for.
    fn total(&self, _kept: &Kept) -> Result<Option<Total>> {
        Ok(None)
    }

    /// Writes the whole file, where it is not written as answers come.
    fn write(&self, out: &Path, texts: &[Text], kept: &Kept) -> Result<()>;
}

/// Reads the outputs of a job's units.
pub trait Reader {
    /// What is kept of the output of a unit with these texts.
    fn unit(&mut self, model: &Model, unit: u64, output: &[u8], texts: &[Text]) -> Result<Vec<u8>>;
}

/// What is noted besides how it was begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Units of the job that was posted last: first ones, and ones behind the last.
    posted: Vec<(u64, u64)>,
    /// Whether all is written.
    done: bool,
    /// What all texts came to.
    #[serde(default)]
    total: Option<Total>,
}

/// How likely a model finds all texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Tokens that have a score: all but the first of each text.
    pub scored: u64,
    /// Mean of the natural logarithms of their probabilities.
    pub mean_log_likelihood: f64,
    pub perplexity: f64,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    /// Jobs that were posted, now or earlier.
    jobs: Vec<String>,
    texts: usize,
    /// The file that is there now, if one was asked for.
    file: Option<PathBuf>,
    /// Tokens of the texts.
    tokens: u64,
    /// Tokens that were made for them, where any are.
    made: Option<u64>,
    /// What was collected now: seconds, and tokens a second, of those that were made where any are, else of those of the texts.
    seconds: Option<f64>,
    tokens_per_second: Option<f64>,
    /// What all texts come to, of a command that asks for it.
    #[serde(flatten)]
    total: Option<Total>,
    /// Tokens that the jobs have cost; nothing if none was needed.
    spent: Option<String>,
}

/// Has all texts read by providers, as far as that was not done before, and writes what comes of it to `out`.
pub async fn run<F: Front>(options: &Options, args: &TextArgs, out: Option<&Path>, front: F) -> Result<()> {
    // First what can be refused without asking anybody, and before any money moves.
    let input = Input::new(&args.input);
    let (plan, texts) = tokio::task::block_in_place(|| prepare(args, &front, &input))?;
    let begun_with = begun_with(args, &front, &plan, &texts)?;
    let path = match out {
        Some(out) => state_folder(out, F::NAME)?,
        None => unnamed_folder(&begun_with, F::NAME)?,
    };
    let begun = Begun::open(&path, F::MADE, begun_with, args.jobs.restart)?;
    if let Some(out) = out.filter(|out| begun.is_new() && !args.jobs.restart && out.exists()) {
        bail!(
            "{} is there already, and no such command has begun it: give another --out, remove it, or give --restart to have it overwritten",
            out.display()
        );
    }
    let mut state: State = if args.jobs.restart {
        discard(&path)?;
        State::default()
    } else {
        begun.folder().read(FILE, "what `tessera` knows of answers to texts")?.unwrap_or_default()
    };
    // A file that is gone is made again.
    state.done &= out.is_none_or(Path::is_file);
    let mut made = Made {
        jobs: begun.jobs().to_vec(),
        texts: texts.len(),
        file: out.map(Path::to_owned),
        tokens: plan.tokens(),
        made: None,
        seconds: None,
        tokens_per_second: None,
        total: state.total,
        spent: None,
    };
    if !state.done {
        let kept = Kept::open(&path.join(UNITS), plan.units())?;
        let session = Session::start(options, &args.jobs).await?;
        let mut reading = Reading::new((args, out), &front, (&plan, &texts), begun, state, kept);
        unless_stopped(
            reading.work(&session),
            "stopped; a job that was posted goes on without this program, and the same command goes on with it",
        )
        .await?;
        tokio::task::block_in_place(|| reading.finish(&mut made))?;
        made.spent = Some(session.shown(reading.spent()));
    }
    print(options.json, &made, plain)
}

/// Reads model and texts, and checks all of them.
fn prepare<F: Front>(args: &TextArgs, front: &F, input: &Input) -> Result<(Plan, Vec<Text>)> {
    let texts = input.read()?;
    let precision = match (args.int8, args.fixed_point) {
        (true, _) => Precision::Int8,
        (false, true) => Precision::FixedPoint,
        (false, false) => Precision::F32,
    };
    let model = Model::load(&args.model, precision)?;
    let model = if args.no_tensor_cores { model.without_tensor_cores() } else { model };
    let longest = front.longest(&model).with_context(|| format!("{}", args.model.display()))?;
    let mut counts = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        let tokens = model.tokens(&text.text).with_context(|| input.line(number))?.len();
        match tokens {
            0 => bail!("{}: the text has no tokens; leave it out", input.line(number)),
            _ if tokens > longest => {
                let room = if front.made() > 0 { ", with room for its answer," } else { "" };
                bail!(
                    "{}: expected a text of at most {longest} tokens{room} as the model takes them, found {tokens}; shorten it",
                    input.line(number)
                )
            }
            _ => counts.push(tokens as u64),
        }
    }
    let plan = Plan::new(model, usize::from(args.batch), args.texts_per_job, &counts);
    // Jobs may be refused for their size; nothing is posted before that is known of all.
    for part in plan.parts() {
        let units: Vec<u64> = part.clone().collect();
        plan.job(front, &texts, &units)?;
    }
    Ok((plan, texts))
}

/// Where the command keeps what it must know when it is started again.
fn state_folder(out: &Path, name: &str) -> Result<PathBuf> {
    let file = out.file_name().with_context(|| format!("--out {} names no file", out.display()))?;
    let parent = out.parent().unwrap_or(Path::new(""));
    if !parent.as_os_str().is_empty() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    Ok(parent.join(format!(".tessera-{name}")).join(file))
}

/// The same for a command that writes no file: in the working directory, by what the result depends on.
fn unnamed_folder(begun_with: &BTreeMap<String, String>, name: &str) -> Result<PathBuf> {
    let text = serde_json::to_vec(begun_with).context("cannot write JSON")?;
    Ok(Path::new(&format!(".tessera-{name}")).join(Cid::of(&text).to_string()))
}

/// Removes what an earlier command has kept in its folder.
fn discard(path: &Path) -> Result<()> {
    let (file, units) = (path.join(FILE), path.join(UNITS));
    for (path, removed) in [(&file, fs::remove_file(&file)), (&units, fs::remove_dir_all(&units))] {
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the answers depend on, to notice when something changed between two commands.
fn begun_with<F: Front>(args: &TextArgs, front: &F, plan: &Plan, texts: &[Text]) -> Result<BTreeMap<String, String>> {
    let mut input = CidHasher::default();
    for text in texts {
        let line = serde_json::to_vec(&(&text.id, &text.text)).context("cannot write JSON")?;
        input.update(&line);
    }
    let mut options: BTreeMap<String, String> =
        front.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    options.insert("--batch".into(), args.batch.to_string());
    options.insert("--int8".into(), if args.int8 { "given" } else { "not given" }.into());
    // What was begun before there was such an option has no word of it.
    if args.fixed_point {
        options.insert("--fixed-point".into(), "given".into());
    }
    if front.is_drawn() {
        let count = args.texts_per_job.map_or_else(|| "not given".into(), |count| count.to_string());
        options.insert("--texts-per-job".into(), count);
    }
    options.insert("input".into(), input.finish().to_string());
    options.insert("model".into(), plan.model().weights_cid().to_string());
    options.insert("version of the kernels".into(), Cid::of(MODULE.as_bytes()).to_string());
    Ok(options)
}

fn plain(made: &Made) -> String {
    let file = made.file.as_ref().map_or_else(String::new, |file| format!("{}: ", file.display()));
    let mut text = format!("{file}{} texts with {} tokens", made.texts, made.tokens);
    if let Some(tokens) = made.made {
        text += &format!(", {tokens} tokens made");
    }
    if let (Some(seconds), Some(speed)) = (made.seconds, made.tokens_per_second) {
        text += &format!("; {seconds:.1} s, {speed:.1} tokens a second");
    }
    if let Some(spent) = &made.spent {
        text += &format!("; {spent} tokens paid");
    }
    if let Some(Total { scored, mean_log_likelihood, perplexity }) = &made.total {
        text += &format!(
            "\n{scored} tokens scored, mean log-likelihood {mean_log_likelihood:.6}, perplexity {perplexity:.4}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_lies_beside_the_file() {
        let folder = |out: &str| state_folder(Path::new(out), "embed");
        assert_eq!(folder("v.npy").unwrap(), Path::new(".tessera-embed/v.npy"));
        let dir = tempfile::TempDir::new().unwrap();
        let out = dir.path().join("a/v.npy");
        assert_eq!(state_folder(&out, "generate").unwrap(), dir.path().join("a/.tessera-generate/v.npy"));
        assert!(dir.path().join("a").is_dir());
        let unnamed =
            |batch: &str| unnamed_folder(&BTreeMap::from([("--batch".into(), batch.into())]), "score").unwrap();
        assert!(unnamed("8").starts_with(".tessera-score") && unnamed("8") != unnamed("9"));
        assert!(folder("/").unwrap_err().to_string().contains("names no file"));

        let kept = dir.path().join("kept");
        discard(&kept).unwrap();
        fs::create_dir_all(kept.join(UNITS)).unwrap();
        fs::write(kept.join(FILE), "{}").unwrap();
        discard(&kept).unwrap();
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    }

    #[test]
    fn the_end_is_summed_up() {
        let made = Made {
            jobs: vec![],
            texts: 3,
            file: Some("a.jsonl".into()),
            tokens: 12,
            made: Some(30),
            seconds: Some(2.0),
            tokens_per_second: Some(15.0),
            total: None,
            spent: Some("0.5".into()),
        };
        let text = "a.jsonl: 3 texts with 12 tokens, 30 tokens made; 2.0 s, 15.0 tokens a second; 0.5 tokens paid";
        assert_eq!(plain(&made), text);
        let total = Total { scored: 9, mean_log_likelihood: -0.5, perplexity: 1.648_721 };
        let again = Made { made: None, seconds: None, tokens_per_second: None, spent: None, ..made };
        assert_eq!(plain(&again), "a.jsonl: 3 texts with 12 tokens");
        let json = serde_json::to_value(&again).unwrap();
        assert!(json["made"].is_null() && json.get("perplexity").is_none(), "{json}");
        let scored = Made { file: None, total: Some(total), ..again };
        let text = "3 texts with 12 tokens\n9 tokens scored, mean log-likelihood -0.500000, perplexity 1.6487";
        assert_eq!(plain(&scored), text);
        assert_eq!(serde_json::to_value(&scored).unwrap()["scored"], 9);
    }
}
