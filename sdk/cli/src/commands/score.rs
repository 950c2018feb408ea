//! `tessera score`: how likely a model finds texts, computed by strangers.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tessera_nn::{Likelihood, Model, PreparedJob, Scores, Scoring, TokenScore};
use tessera_protocol::spec::JobSpec;

use super::texts::{self, Front, Kept, Reader, Text, Total};
use crate::options::Options;

/// Bytes of a number in what is kept of a unit.
const WORD: usize = 4;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    texts: texts::TextArgs,
    /// File with a line for each text, if one is wanted; the same command goes on where an earlier one was stopped
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Scores texts.
struct Score;

/// A line of the file that is written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    /// Tokens that have a score: all but the first.
    tokens: u64,
    /// Sum of the natural logarithms of their probabilities.
    log_likelihood: f64,
    /// Nothing for a text of one token.
    perplexity: Option<f64>,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    texts::run(options, &args.texts, args.out.as_deref(), Score).await
}

impl Front for Score {
    const NAME: &'static str = "score";
    const DOING: &'static str = "scoring";
    const MADE: &'static str = "these scores were";
    const IS_STREAMED: bool = false;
    type Reader = Scores;

    fn longest(&self, model: &Model) -> Result<usize> {
        if !model.generates() {
            bail!("expected a decoder such as Llama, found an encoder, which has no perplexity");
        }
        Ok(model.context())
    }

    fn job(&self, model: &Model, texts: &[&str], batch: usize, _first: u64, _made: u32) -> Result<PreparedJob> {
        Ok(Scoring::job(model, texts, batch)?)
    }

    fn reader(&self, spec: &JobSpec) -> Result<Scores> {
        Ok(Scores::new(spec)?)
    }

    fn total(&self, kept: &Kept) -> Result<Option<Total>> {
        let mut all = Likelihood::default();
        for unit in 0..kept.units() {
            for text in read(&kept.read(unit)?)? {
                // Token by token, as `Scores::total` does: the sum is the same to the last bit.
                all = text.iter().fold(all, add);
            }
        }
        let mean_log_likelihood = all.sum / all.count as f64;
        Ok(Some(Total { scored: all.count, mean_log_likelihood, perplexity: all.perplexity() }))
    }

    /// A line for each text. The file is there whole or not at all.
    fn write(&self, out: &Path, texts: &[Text], kept: &Kept) -> Result<()> {
        let written = texts::whole(out, |file| {
            let mut left = texts.iter();
            for unit in 0..kept.units() {
                for scores in read(&kept.read(unit)?)? {
                    let text = left.next().context("there are more scores than texts")?;
                    serde_json::to_writer(&mut *file, &Line::new(text.id.as_ref(), &scores))?;
                    file.write_all(b"\n")?;
                }
            }
            match left.len() {
                0 => Ok(()),
                missing => bail!("{missing} texts have no scores"),
            }
        });
        written.with_context(|| format!("cannot write {}", out.display()))
    }
}

impl Reader for Scores {
    /// For each text a count and so many logarithms.
    fn unit(&mut self, _model: &Model, unit: u64, output: &[u8], texts: &[Text]) -> Result<Vec<u8>> {
        self.add(unit, output)?;
        let found = Self::unit(self, unit)?.context("a unit that was added is not there")?;
        if found.len() != texts.len() {
            bail!("unit {unit} has scores of {} texts, expected {}", found.len(), texts.len());
        }
        Ok(found.iter().flat_map(|scores| keep(scores)).collect())
    }
}

impl<'a> Line<'a> {
    fn new(id: Option<&'a Value>, scores: &[f32]) -> Self {
        let all = scores.iter().fold(Likelihood::default(), add);
        let perplexity = (all.count > 0).then(|| all.perplexity());
        Self { id, tokens: all.count, log_likelihood: all.sum, perplexity }
    }
}

fn add(all: Likelihood, score: &f32) -> Likelihood {
    Likelihood { sum: all.sum + f64::from(*score), count: all.count + 1 }
}

/// What is kept of a text's scores: their number and their logarithms.
fn keep(scores: &[TokenScore]) -> Vec<u8> {
    let logarithms = scores.iter().flat_map(|score| score.log_likelihood.to_le_bytes());
    (scores.len() as u32).to_le_bytes().into_iter().chain(logarithms).collect()
}

/// The logarithms of each text of a unit that was kept.
fn read(kept: &[u8]) -> Result<Vec<Vec<f32>>> {
    let mut words = kept.as_chunks::<WORD>().0;
    let mut texts = vec![];
    while let Some((count, rest)) = words.split_first() {
        let scores = rest.split_at_checked(u32::from_le_bytes(*count) as usize);
        let (scores, rest) = scores.context("scores that were kept are damaged; --restart begins anew")?;
        texts.push(scores.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect());
        words = rest;
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn unit(texts: &[&[f32]]) -> Vec<u8> {
        let scores = |text: &&[f32]| -> Vec<_> {
            text.iter().map(|log| TokenScore { log_likelihood: *log, most_likely: 7 }).collect()
        };
        texts.iter().flat_map(|text| keep(&scores(text))).collect()
    }

    #[test]
    fn scores_are_read_as_they_were_kept() {
        let kept = unit(&[&[-1.5, -0.25], &[]]);
        assert_eq!(read(&kept).unwrap(), [vec![-1.5, -0.25], vec![]]);
        assert!(read(&kept[..8]).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn lines_are_those_of_the_texts_and_the_total_is_of_all_tokens() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut kept = Kept::open(&dir.path().join("units"), 2).unwrap();
        kept.put(0, &unit(&[&[-1.5, -0.25], &[]])).unwrap();
        kept.put(1, &unit(&[&[-1.5, -0.25]])).unwrap();
        let text = |id| Text { id, text: "a".into() };
        let texts = [text(Some(Value::from("b"))), text(None), text(None)];
        let out = dir.path().join("scores.jsonl");
        Score.write(&out, &texts, &kept).unwrap();
        let lines = fs::read_to_string(&out).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["id"], &lines[0]["tokens"]), (&Value::from("b"), &Value::from(2)));
        assert_eq!((lines[0]["log_likelihood"].as_f64(), lines[1].get("id")), (Some(-1.75), None));
        assert!(lines[1]["perplexity"].is_null() && lines[2]["perplexity"] == lines[0]["perplexity"]);
        let total = Score.total(&kept).unwrap().unwrap();
        assert_eq!((total.scored, total.mean_log_likelihood), (4, -0.875));
        assert!((total.perplexity - 0.875f64.exp()).abs() < 1e-12);
        let error = format!("{:#}", Score.write(&out, &texts[..2], &kept).unwrap_err());
        assert!(error.contains("more scores than texts"), "{error}");
    }
}
