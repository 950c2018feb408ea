//! `tessera generate`: answers to prompts, computed by strangers.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tessera_nn::{Answer, Answers, Generation, Model, PreparedJob, Sampling};
use tessera_protocol::spec::JobSpec;

use super::texts::{self, Front, Kept, Reader, Text};
use crate::options::Options;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    texts: texts::TextArgs,
    /// File that is written; the same command goes on where an earlier one was stopped
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Most tokens of an answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Draw tokens, by logits divided by this; 0: always take the most likely token
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Draw from so many of the most likely tokens only; 0: from all
    #[arg(long, value_name = "N", default_value_t = 0, requires = "temperature")]
    top_k: u32,
    /// Draw from the most likely tokens only that together have this probability
    #[arg(long, value_name = "P", default_value_t = 1.0, requires = "temperature")]
    top_p: f64,
    /// Decides what is drawn, together with a prompt's place in its job
    #[arg(long, value_name = "N", default_value_t = 0, requires = "temperature")]
    seed: u64,
}

/// Answers prompts.
struct Generate {
    max_tokens: u32,
    sampling: Sampling,
}

/// A line of the file that is written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    text: String,
    tokens: &'a [u32],
    /// Whether the model ended the answer, and not the limit of tokens.
    ended: bool,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let Args { texts, out, max_tokens, temperature, top_k, top_p, seed } = args;
    let sampling = Sampling { temperature, top_k, top_p, seed };
    texts::run(options, &texts, Some(&out), Generate { max_tokens, sampling }).await
}

impl Front for Generate {
    const NAME: &'static str = "generate";
    const DOING: &'static str = "generating";
    const MADE: &'static str = "these answers were";
    const IS_STREAMED: bool = true;
    type Reader = Answers;

    fn options(&self) -> Vec<(&'static str, String)> {
        let Sampling { temperature, top_k, top_p, seed } = &self.sampling;
        vec![
            ("--max-tokens", self.max_tokens.to_string()),
            ("--temperature", temperature.to_string()),
            ("--top-k", top_k.to_string()),
            ("--top-p", top_p.to_string()),
            ("--seed", seed.to_string()),
        ]
    }

    fn longest(&self, model: &Model) -> Result<usize> {
        if !model.generates() {
            bail!(
                "expected a decoder such as Llama, found an encoder, which makes embeddings: `tessera embed` takes it"
            );
        }
        let context = model.context();
        match context.checked_sub(self.max_tokens as usize) {
            None | Some(0) => bail!(
                "--max-tokens is {}, expected 1 to {}: the model reads {context} tokens, those of the prompt among them",
                self.max_tokens,
                context.saturating_sub(1)
            ),
            Some(longest) => Ok(longest),
        }
    }

    fn made(&self) -> u32 {
        self.max_tokens
    }

    fn is_drawn(&self) -> bool {
        self.sampling.temperature > 0.0
    }

    fn job(&self, model: &Model, texts: &[&str], batch: usize, first: u64, made: u32) -> Result<PreparedJob> {
        // Places count from 0 in each job, and other prompts are to be answered by other draws.
        let seed = self.sampling.seed.wrapping_add(first);
        Ok(Generation::job(model, texts, batch, made, &Sampling { seed, ..self.sampling.clone() })?)
    }

    fn reader(&self, spec: &JobSpec) -> Result<Answers> {
        Ok(Answers::new(spec)?)
    }

    /// Tokens of the answers in some lines.
    fn tokens(&self, unit: &[u8]) -> Result<u64> {
        #[derive(Deserialize)]
        struct Tokens {
            tokens: Vec<u32>,
        }
        let lines = serde_json::Deserializer::from_slice(unit).into_iter::<Tokens>();
        lines.map(|line| Ok(line.context("an answer that was kept is damaged")?.tokens.len() as u64)).sum()
    }

    fn write(&self, _out: &Path, _texts: &[Text], _kept: &Kept) -> Result<()> {
        Ok(())
    }
}

impl Reader for Answers {
    /// A line for each prompt.
    fn unit(&mut self, model: &Model, unit: u64, output: &[u8], texts: &[Text]) -> Result<Vec<u8>> {
        self.add(unit, output)?;
        let answers = Self::unit(self, unit)?.context("a unit that was added is not there")?;
        if answers.len() != texts.len() {
            bail!("unit {unit} has {} answers, expected {}", answers.len(), texts.len());
        }
        let mut lines = Vec::new();
        for (Answer { tokens, ended }, prompt) in answers.iter().zip(texts) {
            let line = Line { id: prompt.id.as_ref(), text: model.text(tokens)?, tokens, ended: *ended };
            serde_json::to_writer(&mut lines, &line).context("cannot write JSON")?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_was_asked_and_how_it_ended() {
        let id = Value::from("a\nb");
        let line = Line { id: Some(&id), text: "two\nlines".into(), tokens: &[3, 4], ended: true };
        let text = r#"{"id":"a\nb","text":"two\nlines","tokens":[3,4],"ended":true}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
        let other = serde_json::to_string(&Line { id: None, tokens: &[], ..line }).unwrap();
        assert_eq!(other, r#"{"text":"two\nlines","tokens":[],"ended":true}"#);
        let front = Generate { max_tokens: 1, sampling: Sampling::default() };
        assert_eq!(front.tokens(format!("{text}\n{other}\n{text}\n").as_bytes()).unwrap(), 4);
        assert!(front.tokens(b"{\"tokens\":[1").is_err());
    }
}
