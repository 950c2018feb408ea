//! Scores of texts: how likely a decoder finds each of their tokens, from which follows its perplexity.

use tessera_front_end::PreparedJob;
use tessera_protocol::spec::JobSpec;

use crate::{
    error::{NnError, Result},
    job::{self, Gathered, Notes},
    model::Model,
    passes::Writer,
    plan::MAX_KEYS,
};

/// Name of this front end in job specifications.
pub const SCORE_FRONT_END: &str = "score";
/// Words of a text's scores before those of its tokens, and words of a token, as in `kernels/score.cuh`.
const SCORE_HEAD: usize = 1;
const SCORE_WORDS: usize = 2;

/// Makes jobs that say how likely each token of a text is after those before it.
#[derive(Clone, Copy, Debug)]
pub struct Scoring;

impl Scoring {
    /// Makes a job whose units are `batch` texts each. The scores of a text do not depend on the other texts, nor on `batch`.
    /// The first token of a text, which many tokenizers put before all texts, has no score.
    ///
    /// # Errors
    /// If the model is no decoder, there is no text, one is longer than the model can read, or the job is too large.
    pub fn job<T: AsRef<str>>(model: &Model, texts: &[T], batch: usize) -> Result<PreparedJob> {
        let decoder = model.decoder()?;
        let packed = model.pack(texts, batch, &[], decoder.config.positions.min(MAX_KEYS))?;
        let words = SCORE_HEAD + SCORE_WORDS * (packed.longest as usize - 1);
        let mut writer = Writer::new(model, decoder, &packed, 0);
        let output = writer.scores(words as u32);
        let notes = Notes { texts: texts.len() as u64, batch: packed.batch, words: words as u32 };
        let turns = vec![("turns", writer.turns)];
        job::job(model, &packed, turns, writer.planner.finish(output), SCORE_FRONT_END, &notes)
    }
}

/// How likely a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// Natural logarithm of its probability after the tokens before it, which is at most 0.
    pub log_likelihood: f32,
    /// The most likely token in its place: that which a greedy answer would have there.
    pub most_likely: u32,
}

impl TokenScore {
    /// The scores of a text as `kernels/score.cuh` writes them: their number, then two words for each.
    fn read(words: &[u32]) -> Result<Vec<Self>> {
        let (count, tokens) = (words[0] as usize, words[SCORE_HEAD..].as_chunks::<SCORE_WORDS>().0);
        let scored = tokens.get(..count).ok_or_else(|| {
            let most = tokens.len();
            NnError::Merge(format!("a text of {count} scores, expected at most {most}"))
        })?;
        let score = |[bits, most_likely]: &[u32; SCORE_WORDS]| Self {
            log_likelihood: f32::from_bits(*bits),
            most_likely: *most_likely,
        };
        Ok(scored.iter().map(score).collect())
    }
}

/// Puts the outputs of a job's units together.
#[derive(Debug)]
pub struct Scores {
    gathered: Gathered,
}

impl Scores {
    /// For a job of [`Scoring::job`].
    ///
    /// # Errors
    /// If another front end made the job.
    pub fn new(spec: &JobSpec) -> Result<Self> {
        let gathered = Gathered::new(spec, SCORE_FRONT_END)?;
        if gathered.words() % SCORE_WORDS != SCORE_HEAD {
            return Err(NnError::Merge("the front end's notes do not fit scores of tokens".into()));
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

    /// The scores of each text's tokens from the second on, in the order of the texts.
    ///
    /// # Errors
    /// If units are missing, or an output is none of these kernels.
    pub fn texts(&self) -> Result<Vec<Vec<TokenScore>>> {
        self.gathered.texts()?.map(TokenScore::read).collect()
    }

    /// The scores of the texts of a unit; `None` if it is not there. For whoever does not wait for all.
    ///
    /// # Errors
    /// If the output is none of these kernels.
    pub fn unit(&self, unit: u64) -> Result<Option<Vec<Vec<TokenScore>>>> {
        self.gathered.unit(unit).map(|texts| texts.map(TokenScore::read).collect()).transpose()
    }

    /// How likely all texts are together.
    ///
    /// # Errors
    /// As [`texts`](Self::texts).
    pub fn total(&self) -> Result<Likelihood> {
        Ok(self.texts()?.iter().flatten().collect())
    }
}

/// How likely some tokens are together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Sum of the natural logarithms, added in the order of the tokens in double precision.
    pub sum: f64,
    /// Number of tokens.
    pub count: u64,
}

impl Likelihood {
    /// The number of tokens among which a choice by chance would be as good; NaN where there are no tokens.
    #[must_use]
    pub fn perplexity(self) -> f64 {
        libm::exp(-self.sum / self.count as f64)
    }
}

impl<'a> FromIterator<&'a TokenScore> for Likelihood {
    fn from_iter<I: IntoIterator<Item = &'a TokenScore>>(tokens: I) -> Self {
        tokens.into_iter().fold(Self::default(), |total, token| Self {
            sum: total.sum + f64::from(token.log_likelihood),
            count: total.count + 1,
        })
    }
}
