//! Models through the network: strangers read texts, and what they answer is, bit for bit, what is computed here, whatever
//! the batches and whoever is stopped.

#[allow(dead_code, reason = "its own main is another")]
#[path = "../../../sdk/client/examples/embed.rs"]
mod embed;
#[path = "../../../sdk/workloads/nn/tests/support/mod.rs"]
mod support;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use support::Folder;
use tessera_executor::Checks;
use tessera_nn::{Answers, Embedding, Generation, Likelihood, Model, Precision, Sampling, Scores, Scoring, Vectors};
use tessera_sdk::{JobFilter, Tessera};

use crate::{
    faults::network,
    history::{Settlement, replicas},
    network::Network,
    process::{PATIENCE, Process, answer, wait_for},
};

const TEXTS: [&str; 7] = [
    "the cat sees the dog",
    "sun",
    "a red car runs fast on the slow river",
    "the moon is in the blue river",
    "it has a green house",
    "Blue and red and green and unknown",
    "the dog runs to the tree",
];
/// Most tokens of an answer.
const MOST: u32 = 12;

/// The vectors as this process computes them by itself, in batches of another size than any other here.
fn vectors_here(model: &Model) -> Vec<Vec<f32>> {
    let job = Embedding::job(model, &TEXTS, 5).unwrap();
    let mut vectors = Vectors::new(&job.spec).unwrap();
    for (unit, output) in (0..).zip(support::run(&job, Checks::NONE)) {
        vectors.add(unit, &output).unwrap();
    }
    vectors.rows().unwrap()
}

/// The lines with answers as this process computes them by itself.
fn lines_here(model: &Model, sampling: &Sampling) -> Vec<Value> {
    let job = Generation::job(model, &TEXTS, 5, MOST, sampling).unwrap();
    let mut answers = Answers::new(&job.spec).unwrap();
    for (unit, output) in (0..).zip(support::run(&job, Checks::NONE)) {
        answers.add(unit, &output).unwrap();
    }
    let line = |(number, answer): (usize, tessera_nn::Answer)| {
        let text = model.text(&answer.tokens).unwrap();
        let mut line = json!({"text": text, "tokens": answer.tokens, "ended": answer.ended});
        if let Some(id) = id(number) {
            line["id"] = id;
        }
        line
    };
    answers.answers().unwrap().into_iter().enumerate().map(line).collect()
}

/// How likely each text is as this process finds by itself, and all of them together.
fn scores_here(model: &Model) -> (Vec<Likelihood>, Likelihood) {
    let job = Scoring::job(model, &TEXTS, 5).unwrap();
    let mut scores = Scores::new(&job.spec).unwrap();
    for (unit, output) in (0..).zip(support::run(&job, Checks::NONE)) {
        scores.add(unit, &output).unwrap();
    }
    let texts = scores.texts().unwrap().iter().map(|text| text.iter().collect()).collect();
    (texts, scores.total().unwrap())
}

/// A number as it is read from what a command has printed.
fn printed(number: f64) -> Value {
    serde_json::from_str(&json!(number).to_string()).unwrap()
}

/// What the line of a text calls it: every other one has a name.
fn id(number: usize) -> Option<Value> {
    number.is_multiple_of(2).then(|| json!(format!("text {number}")))
}

/// Writes the texts as lines of both forms.
fn write_texts(network: &Network) -> PathBuf {
    let path = network.path("texts.jsonl");
    let line = |(number, text): (usize, &&str)| match id(number) {
        Some(id) => json!({"id": id, "prompt": text}).to_string() + "\n",
        None => json!(text).to_string() + "\n",
    };
    fs::write(&path, TEXTS.iter().enumerate().map(line).collect::<String>()).unwrap();
    path
}

fn command(network: &Network, name: &str, input: &Path, model: &Path, out: &Path, options: &[&str]) -> Command {
    let mut command = network.tessera();
    command.args(["--json", name]).arg(input).arg("--model").arg(model).arg("--out").arg(out);
    command.args(["--price", "0.01", "--lease-seconds", "60", "--yes"]).args(options);
    command
}

fn read_vectors(path: &Path) -> Vec<Vec<f32>> {
    let file = fs::read(path).unwrap();
    let array = npyz::NpyFile::new(&file[..]).unwrap();
    let width = usize::try_from(array.shape()[1]).unwrap();
    let rows = array.shape()[0];
    let values: Vec<f32> = array.into_vec().unwrap();
    assert_eq!(values.len() / width, usize::try_from(rows).unwrap());
    values.chunks(width).map(<[f32]>::to_vec).collect()
}

fn read_lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect()
}

/// The file of a model's weights that a worker keeps: it is another one when they were fetched again.
fn cached(network: &Network, worker: u16, model: &Model) -> u64 {
    let path = network.path(&format!("worker-{worker}/cache/{}", model.weights_cid()));
    fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).ino()
}

/// Seats of a job that were paid.
async fn paid(tessera: &Tessera, job: &Value) -> Vec<Settlement> {
    let job = job.as_str().unwrap().parse().unwrap();
    assert!(tessera.ledger(&job).await.unwrap().balances());
    replicas(&tessera.job_history(&job).await.unwrap())
}

async fn no_job_is_open(network: &Network, tessera: &Tessera) {
    assert!(tessera.jobs(&network.market(), JobFilter::All).await.unwrap().is_empty(), "a job is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_read_texts_with_the_same_bits() {
    let (network, mut workers) = network(3, [1], &[]);
    let tessera = network.connect().await;
    let texts = write_texts(&network);
    let (encoder, decoder) = (support::encoder(), support::decoder());
    nothing_is_posted_that_cannot_be_read(&network, &texts, &encoder, &decoder);
    no_job_is_open(&network, &tessera).await;

    // One worker, then three, in other batches: the same file, and the weights are fetched once.
    let model = encoder.load(Precision::F32);
    let expected = vectors_here(&model);
    let out = [network.path("one.npy"), network.path("three.npy")];
    let embed = |out: &Path, options: &[&str]| command(&network, "embed", &texts, encoder.path(), out, options);
    let (good, made, said) = answer(&mut embed(&out[0], &["--replicas", "1", "--batch", "2"]));
    assert!(good, "{said}");
    assert_eq!(bits(&read_vectors(&out[0])), bits(&expected));
    assert_eq!((made["texts"].as_u64(), made["jobs"].as_array().unwrap().len()), (Some(7), 1));
    assert!(made["tokens"].as_u64() > Some(7) && made["tokens_per_second"].as_f64() > Some(0.0), "{made}");
    assert!(made["made"].is_null() && made["spent"].is_string(), "{made}");
    assert_eq!(paid(&tessera, &made["jobs"][0]).await.len(), 4);
    let before = cached(&network, 1, &model);

    workers.extend([2, 3].map(|n| network.run_worker(n)));
    let options = ["--replicas", "3", "--batch", "3", "--texts-per-job", "4", "--units-per-lease", "1"];
    let (good, made, said) = answer(&mut embed(&out[1], &options));
    assert!(good, "{said}");
    assert!(fs::read(&out[0]).unwrap() == fs::read(&out[1]).unwrap(), "other bits in other batches");
    assert_eq!(made["jobs"].as_array().unwrap().len(), 2, "of one unit, and of two");
    let mut seats = vec![];
    for job in made["jobs"].as_array().unwrap() {
        seats.extend(paid(&tessera, job).await);
    }
    assert!(seats.len() == 9 && seats.iter().any(|seat| seat.provider == network.provider(1)), "{seats:?}");
    assert_eq!(cached(&network, 1, &model), before, "the weights were fetched twice");

    // All is there: nothing is posted any more.
    let (good, again, said) = answer(&mut embed(&out[1], &options));
    assert!(good && again["spent"].is_null() && again["jobs"] == made["jobs"], "{said}");

    texts_are_scored(&network, &tessera, &texts, &decoder).await;

    // The same from a program.
    let texts: Vec<String> = TEXTS.map(str::to_owned).to_vec();
    let (wallet, store) = (network.client(), network.env("TESSERA_STORE"));
    let rows = embed::run(&tessera, &wallet, &network.market(), store, encoder.path(), &texts).await.unwrap();
    assert_eq!(bits(&rows), bits(&expected));
    assert_eq!(cached(&network, 1, &model), before);
}

/// Scores in other batches, and by plans of another kind, are those that are computed here; with a file and without.
async fn texts_are_scored(network: &Network, tessera: &Tessera, texts: &Path, decoder: &Folder) {
    let (lines, total) = scores_here(&decoder.load(Precision::Int8));
    let out = network.path("scores.jsonl");
    let plain = ["--int8", "--no-tensor-cores", "--replicas", "1", "--batch", "3"];
    let mut score = command(network, "score", texts, decoder.path(), &out, &plain);
    let (good, made, said) = answer(&mut score);
    assert!(good, "{said}");
    let expected = lines.iter().enumerate().map(|(number, text)| {
        let perplexity = if text.count > 0 { printed(text.perplexity()) } else { Value::Null };
        let mut line = json!({"tokens": text.count, "log_likelihood": printed(text.sum), "perplexity": perplexity});
        if let Some(id) = id(number) {
            line["id"] = id;
        }
        line
    });
    assert_eq!(read_lines(&out), expected.collect::<Vec<_>>());
    let is = |made: &Value, total: Likelihood| {
        assert_eq!(made["scored"].as_u64(), Some(total.count));
        assert_eq!(made["perplexity"], printed(total.perplexity()));
        assert_eq!(made["mean_log_likelihood"], printed(total.sum / total.count as f64));
    };
    is(&made, total);
    assert_eq!(paid(tessera, &made["jobs"][0]).await.len(), 3);
    let (good, again, said) = answer(&mut score);
    assert!(good && again["spent"].is_null() && again["jobs"] == made["jobs"], "{said}");
    is(&again, total);

    let mut score = network.tessera();
    score.args(["--json", "score"]).arg(texts).arg("--model").arg(decoder.path());
    score.args(["--price", "0.01", "--lease-seconds", "60", "--yes", "--batch", "4", "--replicas", "1"]);
    let (good, made, said) = answer(&mut score);
    assert!(good && made["file"].is_null(), "{said}");
    is(&made, scores_here(&decoder.load(Precision::F32)).1);
    let (good, again, said) = answer(&mut score);
    assert!(good && again["spent"].is_null() && again["perplexity"] == made["perplexity"], "{said}");
}

/// What cannot be read is refused with its place, before any money moves.
fn nothing_is_posted_that_cannot_be_read(network: &Network, texts: &Path, encoder: &Folder, decoder: &Folder) {
    let out = network.path("refused");
    let refused = |name: &str, input: &Path, model: &Folder, options: &[&str], words: &[&str]| {
        let (good, _, said) = answer(&mut command(network, name, input, model.path(), &out, options));
        assert!(!good, "{words:?}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!out.exists());
    };
    let bad = network.path("bad.jsonl");
    fs::write(&bad, "\"the cat\"\n{\"txt\": \"the dog\"}\n").unwrap();
    refused("embed", &bad, encoder, &[], &["bad.jsonl, line 2", "\"text\" or \"prompt\""]);
    fs::write(&bad, format!("\"the cat\"\n\"{}\"\n", "sun ".repeat(19))).unwrap();
    refused("embed", &bad, encoder, &[], &["bad.jsonl, line 2", "at most 20 tokens", "found 21"]);
    refused("embed", texts, decoder, &[], &["expected an encoder", "tessera generate"]);
    refused("generate", texts, encoder, &["--max-tokens", "4"], &["expected a decoder", "tessera embed"]);
    refused("score", texts, encoder, &[], &["expected a decoder"]);
    refused("generate", texts, decoder, &["--max-tokens", "64"], &["--max-tokens is 64", "1 to 63"]);
    // Seven units, two replicas, a fee.
    let little = ["--batch", "1", "--max-price", "0.14"];
    refused("embed", texts, encoder, &little, &["--max-price is 0.14", "nothing more was posted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_where_somebody_was_killed() {
    let (network, mut workers) = network(3, [1, 2], &[]);
    let tessera = network.connect().await;
    let texts = write_texts(&network);
    let decoder = support::decoder();
    let model = decoder.load(Precision::F32);
    let expected = lines_here(&model, &Sampling::default());
    let out = network.path("answers.jsonl");
    let most = MOST.to_string();
    let generate = |out: &Path, options: &[&str]| {
        let options = [&["--max-tokens", &most], options].concat();
        command(&network, "generate", &texts, decoder.path(), out, &options)
    };
    let options = ["--batch", "1", "--units-per-lease", "1"];
    let mut killed = Process::start("generate", generate(&out, &options), &network.path("generate.log"));
    let count = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    wait_for("the first answers", PATIENCE, || {
        if count() < 2 {
            killed.assert_running();
        }
        count() >= 2
    });
    killed.signal("KILL");
    assert!(!killed.wait(PATIENCE).success());
    let lines = fs::read_to_string(&out).unwrap();
    let whole = lines.lines().take(count() - 1).map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(whole.collect::<Vec<Value>>(), expected[..count() - 1], "not in the order of the prompts");
    // As if it had been killed while it wrote.
    fs::write(&out, format!("{lines}{{\"text\": \"hal")).unwrap();

    let (good, _, said) = answer(&mut generate(&out, &["--batch", "2"]));
    assert!(!good && said.contains("--batch 1 (now 2)") && said.contains("--restart"), "{said}");
    let (good, made, said) = answer(&mut generate(&out, &options));
    assert!(good, "{said}");
    assert_eq!(read_lines(&out), expected);
    assert_eq!(made["jobs"].as_array().unwrap().len(), 1, "it was paid twice");
    assert_eq!(paid(&tessera, &made["jobs"][0]).await.len(), 2 * TEXTS.len());
    let tokens: usize = expected.iter().map(|line| line["tokens"].as_array().unwrap().len()).sum();
    assert_eq!(made["made"].as_u64(), Some(tokens as u64));
    let before = [1, 2].map(|n| cached(&network, n, &model));

    // What somebody else has written is not touched.
    let other = network.path("other.jsonl");
    fs::write(&other, "mine").unwrap();
    let (good, _, said) = answer(&mut generate(&other, &options));
    assert!(!good && said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");

    // Answers that are drawn, by one worker more, in other batches. With the job of before the weights were there.
    workers.push(network.run_worker(3));
    let sampling = Sampling { temperature: 1.5, top_k: 9, top_p: 0.9, seed: 7 };
    let draws = ["--temperature", "1.5", "--top-k", "9", "--top-p", "0.9", "--seed", "7", "--batch", "3", "--restart"];
    let (good, made, said) = answer(&mut generate(&other, &draws));
    assert!(good, "{said}");
    assert_eq!(read_lines(&other), lines_here(&model, &sampling));
    assert_ne!(read_lines(&other), expected);
    assert_eq!(paid(&tessera, &made["jobs"][0]).await.len(), 6);
    assert_eq!([1, 2].map(|n| cached(&network, n, &model)), before, "the weights were fetched twice");

    // In 8 bits they are others, and as exact; in fixed point, too.
    for (option, precision) in [("--int8", Precision::Int8), ("--fixed-point", Precision::FixedPoint)] {
        let out = network.path(&format!("{option}.jsonl"));
        let (good, _, said) = answer(&mut generate(&out, &[option, "--replicas", "1"]));
        assert!(good, "{said}");
        assert_eq!(read_lines(&out), lines_here(&decoder.load(precision), &Sampling::default()), "{option}");
    }
    no_job_is_open(&network, &tessera).await;
}
