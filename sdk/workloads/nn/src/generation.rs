//! Text generation: an answer for each prompt.

use tessera_front_end::PreparedJob;
use tessera_protocol::spec::JobSpec;

use crate::{
    embedding::Vectors,
    error::{NnError, Result},
    job::{self, Gathered, Notes},
    model::Model,
    passes::Writer,
    plan::{Choice, MAX_KEYS},
};

/// Name of this front end in job specifications.
pub const GENERATE_FRONT_END: &str = "generate";
/// Name of the front end of [`Logits`] in job specifications.
pub const LOGITS_FRONT_END: &str = "logits";
/// Words of an answer before its tokens, as in `kernels/choose.cuh`.
const ANSWER_HEAD: usize = 2;

/// How answers are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0: always the most likely token. Above: logits are divided by it, and a token is drawn.
    pub temperature: f32,
    /// Only so many of the most likely tokens are drawn from, and those as likely as the last of them; 0: all.
    pub top_k: u32,
    /// Only the most likely tokens that together have this probability are drawn from, and those as likely as the last of
    /// them; 1: all.
    pub top_p: f64,
    /// Decides what is drawn, together with the number of the prompt in the job and the place in the answer.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

/// Makes jobs that answer prompts.
#[derive(Clone, Copy, Debug)]
pub struct Generation;

impl Generation {
    /// Makes a job whose units are `batch` prompts each; an answer has at most `max_tokens` tokens. The answer to a prompt depends
    /// on the prompt, `max_tokens` and `sampling` alone, and where tokens are drawn on its number in the job.
    ///
    /// # Errors
    /// If the model is no decoder, there is no prompt, one is too long for the model with its answer, a setting is out of range, or
    /// the job is too large.
    pub fn job<T: AsRef<str>>(
        model: &Model,
        prompts: &[T],
        batch: usize,
        max_tokens: u32,
        sampling: &Sampling,
    ) -> Result<PreparedJob> {
        let decoder = model.decoder()?;
        let config = &decoder.config;
        let most = config.positions.min(MAX_KEYS).saturating_sub(max_tokens as usize);
        if max_tokens == 0 || most == 0 {
            let limit = config.positions.min(MAX_KEYS) - 1;
            return Err(NnError::Setting(format!("max_tokens: expected 1 to {limit}, found {max_tokens}")));
        }
        let choice = sampling.choice(config.vocabulary, max_tokens)?;
        let texts = model.pack(prompts, batch, &config.ends, most)?;
        let mut writer = Writer::new(model, decoder, &texts, max_tokens);
        let logits = writer.prompts();
        let words = ANSWER_HEAD + max_tokens as usize;
        let answers = writer.planner.buffer(u64::from(texts.batch) * words as u64 * 4);
        let drawn = if sampling.temperature > 0.0 { config.vocabulary as u64 * u64::from(texts.batch) } else { 1 };
        let weights = writer.planner.buffer(drawn * 8);
        writer.planner.choose(logits, weights, answers, &choice);
        if max_tokens > 1 {
            let first = writer.planner.position();
            writer.planner.next_rows(answers, max_tokens);
            writer.layers();
            writer.logits(logits);
            writer.planner.choose(logits, weights, answers, &choice);
            writer.planner.repeat(first, max_tokens - 1);
        }
        let notes = Notes { texts: prompts.len() as u64, batch: texts.batch, words: words as u32 };
        let turns = vec![("turns", writer.turns)];
        job::job(model, &texts, turns, writer.planner.finish(answers), GENERATE_FRONT_END, &notes)
    }
}

/// Makes jobs that give the logits of the token that follows each text.
#[derive(Clone, Copy, Debug)]
pub struct Logits;

impl Logits {
    /// Makes a job whose units are `batch` texts each.
    ///
    /// # Errors
    /// As [`Generation::job`].
    pub fn job<T: AsRef<str>>(model: &Model, texts: &[T], batch: usize) -> Result<PreparedJob> {
        let decoder = model.decoder()?;
        let packed = model.pack(texts, batch, &[], decoder.config.positions.min(MAX_KEYS))?;
        let mut writer = Writer::new(model, decoder, &packed, 0);
        let logits = writer.prompts();
        let words = decoder.config.vocabulary as u32;
        let notes = Notes { texts: texts.len() as u64, batch: packed.batch, words };
        let turns = vec![("turns", writer.turns)];
        job::job(model, &packed, turns, writer.planner.finish(logits), LOGITS_FRONT_END, &notes)
    }

    /// Puts the outputs of a job's units together.
    ///
    /// # Errors
    /// If another front end made the job.
    pub fn merge(spec: &JobSpec) -> Result<Vectors> {
        Vectors::of(spec, LOGITS_FRONT_END)
    }
}

impl Sampling {
    fn choice(&self, vocabulary: usize, most: u32) -> Result<Choice> {
        let Self { temperature, top_k, top_p, seed } = *self;
        let inverse = if temperature == 0.0 { 0.0 } else { 1.0 / temperature };
        if !(temperature >= 0.0 && inverse.is_finite() && (temperature == 0.0 || inverse > 0.0)) {
            return Err(NnError::Setting(format!("temperature: expected 0 or a positive number, found {temperature}")));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(NnError::Setting(format!("top_p: expected a number above 0, at most 1, found {top_p}")));
        }
        let part = ((top_p * 2f64.powi(32)) as u64).max(1);
        Ok(Choice { vocabulary: vocabulary as u32, most, inverse, top: top_k, part, seed })
    }
}

/// An answer to a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its tokens, without that which ended it; [`Model::text`] makes text of them.
    pub tokens: Vec<u32>,
    /// Whether the model ended it, and not the limit of tokens.
    pub ended: bool,
}

/// Puts the outputs of a job's units together.
#[derive(Debug)]
pub struct Answers {
    gathered: Gathered,
}

impl Answers {
    /// For a job of [`Generation::job`].
    ///
    /// # Errors
    /// If another front end made the job.
    pub fn new(spec: &JobSpec) -> Result<Self> {
        let gathered = Gathered::new(spec, GENERATE_FRONT_END)?;
        if gathered.words() <= ANSWER_HEAD {
            return Err(NnError::Merge("the front end's notes leave no room for answers".into()));
        }
        Ok(Self { gathered })
    }

    /// Takes the output of a unit, in any order; whether it was not there yet.
    ///
    /// # Errors
    /// If the job has no such unit, or the output has another length.
    pub fn add(&mut self, unit: u64, output: &[u8]) -> Result<bool> {
        self.gathered.add(unit, output)
    }

    /// The answers of a unit; `None` if it is not there. For whoever does not wait for all.
    ///
    /// # Errors
    /// If the output is none of these kernels.
    pub fn unit(&self, unit: u64) -> Result<Option<Vec<Answer>>> {
        self.gathered.unit(unit).map(|answers| answers.map(Answer::read).collect()).transpose()
    }

    /// The answers, in the order of the prompts.
    ///
    /// # Errors
    /// If units are missing, or an output is none of these kernels.
    pub fn answers(&self) -> Result<Vec<Answer>> {
        self.gathered.texts()?.map(Answer::read).collect()
    }
}

impl Answer {
    /// An answer as `kernels/choose.cuh` writes it.
    fn read(words: &[u32]) -> Result<Self> {
        let most = words.len() - ANSWER_HEAD;
        let (count, ended) = (words[0] as usize, words[1] != 0);
        if !(1..=most).contains(&count) {
            return Err(NnError::Merge(format!("an answer of {count} tokens, expected 1 to {most}")));
        }
        let kept = count - usize::from(ended);
        Ok(Self { tokens: words[ANSWER_HEAD..][..kept].to_vec(), ended })
    }
}
