//! Runs a model on this machine's processor: `nn embed|logits|score|generate FOLDER TEXTS.jsonl OUT [--int8 | --fixed-point]
//! [--no-tensor-cores] [--batch N] [--max-tokens N] [--runs N] [--only KERNEL,...]`. A line of the input is a JSON string.
//! Prints the gas of all units and the seconds that this thread worked on them once compiled, the least of some runs: of all
//! work with RAYON_NUM_THREADS=1. With `--only` all kernels but these, and those that say which rows are at work, have one
//! thread: the time is what these take, and the answers are wrong.

use std::{
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use tessera_executor::{Backend, Program, open};
use tessera_nn::{
    Answers, Embedding, Generation, Logits, MODULE, Model, Precision, PreparedJob, Sampling, Scores, Scoring, Vectors,
};

/// Kernels without which units would have no rows, or none after the first token.
const ROWS: [&str; 5] = ["begin", "last_rows", "next_rows", "choose", "rows_to_score"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    let int8 = flag(&mut given, "--int8", 0).is_some();
    let fixed_point = flag(&mut given, "--fixed-point", 0).is_some();
    let no_tensor_cores = flag(&mut given, "--no-tensor-cores", 0).is_some();
    let batch = number(&mut given, "--batch", 16)?;
    let most = number(&mut given, "--max-tokens", 32)?;
    let runs = number(&mut given, "--runs", 3)?;
    let only = flag(&mut given, "--only", 1);
    let [what, folder, texts, out] = given.as_slice() else {
        return Err("expected embed, logits, score or generate, a folder, a file of texts and a file to write".into());
    };
    let precision = match (int8, fixed_point) {
        (false, false) => Precision::F32,
        (true, false) => Precision::Int8,
        (false, true) => Precision::FixedPoint,
        (true, true) => return Err("expected one of --int8 and --fixed-point, found both".into()),
    };
    let model = Model::load(Path::new(folder), precision)?;
    let model = if no_tensor_cores { model.without_tensor_cores() } else { model };
    let texts: Vec<String> = fs::read_to_string(texts)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut job = match what.as_str() {
        "embed" => Embedding::job(&model, &texts, batch)?,
        "logits" => Logits::job(&model, &texts, batch)?,
        "score" => Scoring::job(&model, &texts, batch)?,
        "generate" => Generation::job(&model, &texts, batch, most as u32, &Sampling::default())?,
        other => return Err(format!("expected embed, logits, score or generate, found {other}").into()),
    };
    if let Some(only) = only {
        let kept: Vec<&str> = only.iter().flat_map(|names| names.split(',')).chain(ROWS).collect();
        for launch in job.spec.plan.launches.iter_mut().filter(|launch| !kept.contains(&launch.kernel.as_str())) {
            (launch.grid, launch.block) = ([1; 3], [1; 3]);
        }
    }
    let outputs = outputs(&job, runs)?;
    if what == "generate" {
        let mut answers = Answers::new(&job.spec)?;
        for (unit, output) in outputs.iter().enumerate() {
            answers.add(unit as u64, output)?;
        }
        let mut file = BufWriter::new(File::create(out)?);
        for answer in answers.answers()? {
            let line = serde_json::json!({ "text": model.text(&answer.tokens)?, "tokens": answer.tokens });
            writeln!(file, "{line}")?;
        }
        return Ok(());
    }
    if what == "score" {
        let mut scores = Scores::new(&job.spec)?;
        for (unit, output) in outputs.iter().enumerate() {
            scores.add(unit as u64, output)?;
        }
        let mut file = BufWriter::new(File::create(out)?);
        for text in scores.texts()? {
            let likelihoods: Vec<f32> = text.iter().map(|token| token.log_likelihood).collect();
            writeln!(file, "{}", serde_json::to_string(&likelihoods)?)?;
        }
        return Ok(());
    }
    let mut vectors = if what == "embed" { Vectors::new(&job.spec)? } else { Logits::merge(&job.spec)? };
    for (unit, output) in outputs.iter().enumerate() {
        vectors.add(unit as u64, output)?;
    }
    Ok(vectors.write_npy(Path::new(out))?)
}

fn outputs(job: &PreparedJob, runs: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let executor = open(Backend::Cpu)?;
    let inputs = job.inputs()?;
    let plan = &job.spec.plan;
    let program = Program { module: MODULE, plan, inputs: &inputs, unit_gas: 0, unit_time: Duration::from_secs(3600) };
    let mut session = executor.prepare(0, &program)?;
    // The first unit compiles the kernels.
    session.run(0..1, &mut |_, _| Ok(()))?;
    let (mut outputs, mut gas, mut seconds) = (vec![], 0u64, f64::MAX);
    for _ in 0..runs.max(1) {
        outputs.clear();
        gas = 0;
        let start = on_processor()?;
        session.run(0..job.spec.units, &mut |_, output| {
            outputs.push(output.bytes.to_vec());
            gas += output.gas.unwrap_or_default();
            Ok(())
        })?;
        seconds = seconds.min(on_processor()? - start);
    }
    println!("{}", serde_json::json!({ "units": job.spec.units, "seconds": seconds, "gas": gas }));
    Ok(outputs)
}

/// Seconds that this thread has had a processor. It does all the work where rayon has one thread.
fn on_processor() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().ok_or("an empty schedstat")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}

fn flag(given: &mut Vec<String>, name: &str, more: usize) -> Option<Vec<String>> {
    let at = given.iter().position(|word| word == name)?;
    let end = (at + 1 + more).min(given.len());
    Some(given.drain(at..end).skip(1).collect())
}

fn number(given: &mut Vec<String>, name: &str, default: usize) -> Result<usize, Box<dyn Error>> {
    match flag(given, name, 1) {
        None => Ok(default),
        Some(words) => Ok(words.first().ok_or(format!("{name} needs a number"))?.parse()?),
    }
}
