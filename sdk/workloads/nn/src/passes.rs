//! The launches that take rows through a decoder.

use bytes::Bytes;
use tessera_protocol::spec::Arg;

use crate::{
    config::DecoderConfig,
    decoder::Decoder,
    model::Model,
    pack::Linear,
    plan::{Attention, Memory, Planner},
    texts::Texts,
};

/// The plan of a decoder being written.
pub(crate) struct Writer<'a> {
    decoder: &'a Decoder,
    pub planner: Planner,
    shape: Attention,
    batch: u32,
    /// Cosines and sines of all positions, and the buffer that holds them.
    pub turns: Bytes,
    turns_at: Memory,
    x: Memory,
    normed: Memory,
    attended: Memory,
    parts: Memory,
    double: Memory,
    between: Memory,
    caches: [Memory; 2],
}

impl<'a> Writer<'a> {
    pub fn new(model: &Model, decoder: &'a Decoder, texts: &Texts, max_tokens: u32) -> Self {
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
        let mut planner = Planner::new(model.weights.len(), model.tensor_cores, texts);
        let turns = turns(config, shape.context);
        let turns_at = planner.input(2, turns.len());
        let [x, normed] = [(); 2].map(|()| planner.row_buffer(width));
        let attended = planner.row_buffer(queries);
        let parts = planner.row_buffer(queries + 2 * keys);
        let double = planner.row_buffer(2 * inner);
        let between = planner.row_buffer(inner);
        let cache = shape.cache_len(texts.batch) * config.layers as u64;
        let caches = [(); 2].map(|()| planner.buffer(cache));
        let batch = texts.batch;
        Self { decoder, planner, shape, batch, turns, turns_at, x, normed, attended, parts, double, between, caches }
    }

    /// All rows of the prompts, and the logits behind the last one of each; the buffer of these.
    pub fn prompts(&mut self) -> Memory {
        self.layers();
        self.planner.last_rows();
        let logits = self.planner.row_buffer(self.decoder.config.vocabulary);
        self.logits(logits);
        logits
    }

    /// How likely each token of the texts is, in `words` for each text; the buffer of these.
    pub fn scores(&mut self, words: u32) -> Memory {
        let vocabulary = self.decoder.config.vocabulary;
        self.layers();
        let scores = self.planner.buffer(u64::from(self.batch) * u64::from(words) * 4);
        let first = self.planner.position();
        let times = self.planner.rows_to_score(vocabulary);
        let logits = self.planner.row_buffer(vocabulary);
        self.logits(logits);
        self.planner.score(logits, scores, vocabulary, words);
        self.planner.repeat(first, times);
        scores
    }

    /// The rows at work through all layers.
    pub fn layers(&mut self) {
        let Self { decoder, planner, shape, batch, x, normed, attended, parts, double, between, caches, .. } = self;
        let DecoderConfig { width, inner, epsilon, .. } = decoder.config;
        let (x, normed) = (*x, *normed);
        planner.embed_decoder(decoder.words, x, width);
        for (number, layer) in decoder.layers.iter().enumerate() {
            let offset = shape.cache_len(*batch) * number as u64;
            let caches = caches.map(|index| Arg::Buffer { index, offset });
            planner.rms_norm(x, layer.attention_norm, normed, width, epsilon);
            planner.linear(&layer.project, normed, *parts, None);
            planner.attention(shape, *parts, Some(self.turns_at), caches, *attended);
            planner.linear(&layer.out, *attended, x, Some(x));
            planner.rms_norm(x, layer.norm, normed, width, epsilon);
            planner.linear(&layer.up, normed, *double, None);
            planner.gate(*double, *between, inner);
            planner.linear(&layer.down, *between, x, Some(x));
        }
    }

    /// What the rows at work say about the next token.
    pub fn logits(&mut self, logits: Memory) {
        let Self { decoder, planner, x, normed, .. } = self;
        planner.rms_norm(*x, decoder.norm, *normed, decoder.config.width, decoder.config.epsilon);
        planner.linear(&Linear { matrix: decoder.head, bias: None }, *normed, logits, None);
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
