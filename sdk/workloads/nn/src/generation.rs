//! Text generation: an answer for each prompt.

use bytes::Bytes;
use tessera_protocol::spec::JobSpec;

use crate::{
    config::DecoderConfig,
    decoder::Decoder,
    embedding::Vectors,
    error::{NnError, Result},
    job::{Gathered, Notes, PreparedJob},
    model::Model,
    pack::{Linear, Precision},
    plan::{Attention, Choice, MAX_KEYS, Planner},
    texts::Texts,
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
        let texts = encode(model, prompts, batch, most)?;
        let mut writer = Writer::new(model, decoder, &texts, max_tokens);
        let logits = writer.prompts()?;
        let words = ANSWER_HEAD + max_tokens as usize;
        let answers = writer.planner.buffer(u64::from(texts.batch) * words as u64 * 4);
        let drawn = if sampling.temperature > 0.0 { config.vocabulary as u64 * u64::from(texts.batch) } else { 1 };
        let weights = writer.planner.buffer(drawn * 8);
        writer.planner.choose(logits, weights, answers, &choice);
        if max_tokens > 1 {
            let first = writer.planner.position();
            writer.planner.next_rows(answers, max_tokens);
            writer.layers()?;
            writer.logits(logits)?;
            writer.planner.choose(logits, weights, answers, &choice);
            writer.planner.repeat(first, max_tokens - 1);
        }
        let notes = Notes { texts: prompts.len() as u64, batch: texts.batch, words: words as u32 };
        let turns = vec![("turns", writer.turns)];
        PreparedJob::new(model, &texts, turns, writer.planner.finish(answers), GENERATE_FRONT_END, &notes)
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
        let packed = encode(model, texts, batch, decoder.config.positions.min(MAX_KEYS))?;
        let mut writer = Writer::new(model, decoder, &packed, 0);
        let logits = writer.prompts()?;
        let words = decoder.config.vocabulary as u32;
        let notes = Notes { texts: texts.len() as u64, batch: packed.batch, words };
        let turns = vec![("turns", writer.turns)];
        PreparedJob::new(model, &packed, turns, writer.planner.finish(logits), LOGITS_FRONT_END, &notes)
    }

    /// Puts the outputs of a job's units together.
    ///
    /// # Errors
    /// If another front end made the job.
    pub fn merge(spec: &JobSpec) -> Result<Vectors> {
        Vectors::of(spec, LOGITS_FRONT_END)
    }
}

fn encode<T: AsRef<str>>(model: &Model, texts: &[T], batch: usize, most: usize) -> Result<Texts> {
    let tokens: Result<Vec<Vec<u32>>> =
        texts.iter().enumerate().map(|(number, text)| model.tokens.encode(text.as_ref(), number)).collect();
    Texts::pack(&tokens?, batch, &model.decoder()?.config.ends, most)
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

/// The plan of a decoder being written.
struct Writer<'a> {
    decoder: &'a Decoder,
    planner: Planner,
    shape: Attention,
    batch: u32,
    /// Cosines and sines of all positions, and the buffer that holds them.
    turns: Bytes,
    turns_at: u16,
    x: u16,
    normed: u16,
    attended: u16,
    parts: u16,
    double: u16,
    between: u16,
    caches: [u16; 2],
}

impl<'a> Writer<'a> {
    fn new(model: &Model, decoder: &'a Decoder, texts: &Texts, max_tokens: u32) -> Self {
        let config = &decoder.config;
        let (width, inner) = (config.width, config.inner);
        let (queries, keys) = (config.heads * config.head, config.key_heads * config.head);
        let shape = Attention {
            queries: queries as u32,
            keys: keys as u32,
            head: config.head as u32,
            context: texts.longest + max_tokens,
            causal: true,
        };
        let mut planner = Planner::new(model.weights.len(), texts);
        let turns = turns(config, shape.context);
        let turns_at = planner.input(2, turns.len());
        let [x, normed] = [(); 2].map(|()| planner.row_buffer(width));
        let attended = planner.row_buffer(queries);
        let parts = planner.row_buffer(queries + 2 * keys);
        let double = planner.row_buffer(2 * inner);
        let between = planner.row_buffer(inner);
        let cache = shape.cache_len(texts.batch) * config.layers as u64;
        let caches = [(); 2].map(|()| planner.buffer(cache));
        if model.precision() == Precision::Int8 {
            planner.bytes_buffers(width.max(inner).max(queries));
        }
        let batch = texts.batch;
        Self { decoder, planner, shape, batch, turns, turns_at, x, normed, attended, parts, double, between, caches }
    }

    /// All rows of the prompts, and the logits behind the last one of each; the buffer of these.
    fn prompts(&mut self) -> Result<u16> {
        self.layers()?;
        self.planner.last_rows();
        let logits = self.planner.row_buffer(self.decoder.config.vocabulary);
        self.logits(logits)?;
        Ok(logits)
    }

    /// The rows at work through all layers.
    fn layers(&mut self) -> Result<()> {
        let Self { decoder, planner, shape, batch, x, normed, attended, parts, double, between, caches, .. } = self;
        let DecoderConfig { width, inner, epsilon, .. } = decoder.config;
        let (x, normed) = (*x, *normed);
        planner.embed_decoder(decoder.words, x, width);
        for (number, layer) in decoder.layers.iter().enumerate() {
            let offset = shape.cache_len(*batch) * number as u64;
            let caches = caches.map(|index| tessera_protocol::spec::Arg::Buffer { index, offset });
            planner.rms_norm(x, layer.attention_norm, normed, width, epsilon);
            planner.linear(&layer.project, normed, *parts, None)?;
            planner.attention(shape, *parts, Some(self.turns_at), caches, *attended);
            planner.linear(&layer.out, *attended, x, Some(x))?;
            planner.rms_norm(x, layer.norm, normed, width, epsilon);
            planner.linear(&layer.up, normed, *double, None)?;
            planner.gate(*double, *between, inner);
            planner.linear(&layer.down, *between, x, Some(x))?;
        }
        Ok(())
    }

    /// What the rows at work say about the next token.
    fn logits(&mut self, logits: u16) -> Result<()> {
        let Self { decoder, planner, x, normed, .. } = self;
        planner.rms_norm(*x, decoder.norm, *normed, decoder.config.width, decoder.config.epsilon);
        planner.linear(&Linear { matrix: decoder.head, bias: None }, *normed, logits, None)
    }
}

/// Cosine and sine by which each position turns each pair of values. The angle is rounded to 32 bits, as published models
/// were trained; its cosine and sine are those of `libm`, the same everywhere.
fn turns(config: &DecoderConfig, context: u32) -> Bytes {
    let frequencies = config.rope.frequencies(config.head);
    let mut bytes = Vec::with_capacity(context as usize * config.head * 4);
    for position in 0..context {
        for frequency in &frequencies {
            let angle = f64::from(position as f32 * frequency);
            for value in [libm::cos(angle) as f32, libm::sin(angle) as f32] {
                bytes.extend(value.to_le_bytes());
            }
        }
    }
    bytes.into()
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
