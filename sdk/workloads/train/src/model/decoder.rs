//! Llama-style decoders of bytes, with the tensors of published ones.

use crate::{
    error::{Result, setting},
    model::Batch,
    network::{Heads, Linear, Network, Value},
    parameters::{Parameters, Start},
    plan::Model as Shape,
};

/// Tokens: one for each byte.
pub(crate) const WORDS: usize = 256;
/// How quickly positions turn: the slowest pair turns once in about so many tokens.
pub(crate) const THETA: f64 = 10_000.0;
/// What embeddings start from.
const EMBEDDING: f32 = 0.2;

/// Sizes of a decoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub key_heads: usize,
    pub inner: usize,
    pub context: usize,
}

impl Sizes {
    /// Values of a head.
    pub fn head(&self) -> usize {
        self.width / self.heads
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub sizes: Sizes,
    table: usize,
    layers: Vec<Layer>,
    norm: usize,
    head: Linear,
}

#[derive(Clone, Debug)]
struct Layer {
    attention_norm: usize,
    /// Queries, keys and values, one below the other.
    project: Linear,
    out: Linear,
    norm: usize,
    /// The gates, and below them what they let through.
    up: Linear,
    down: Linear,
}

/// Several matrices of the same inputs, one below the other.
fn stacked(parameters: &mut Parameters, parts: &[(String, usize)], inputs: usize) -> Linear {
    let bound = Start::Uniform((1.0 / libm::sqrt(inputs as f64)) as f32);
    let places: Vec<usize> = parts
        .iter()
        .map(|(name, outputs)| parameters.add(format!("{name}.weight"), &[*outputs, inputs], bound))
        .collect();
    Linear { weight: places[0], bias: None, outputs: parts.iter().map(|(_, outputs)| outputs).sum(), inputs }
}

impl Decoder {
    pub fn new(parameters: &mut Parameters, shape: &Shape) -> Result<Self> {
        let &Shape::Decoder { width, layers, heads, key_heads, inner, context } = shape else {
            return setting("model.kind: expected a decoder");
        };
        let key_heads = key_heads.unwrap_or(heads);
        let fits = (1..=16_384).contains(&width)
            && (1..=128).contains(&layers)
            && heads > 0
            && key_heads > 0
            && heads.is_multiple_of(key_heads)
            && width.is_multiple_of(heads)
            && (width / heads).is_multiple_of(4)
            && (4..=65_536).contains(&inner)
            && inner.is_multiple_of(4)
            && (1..=4096).contains(&context);
        if !fits {
            return setting(format!(
                "model: a decoder has a width of at most 16384, 1 to 128 layers, heads that divide the width into \
                 multiples of 4, key_heads that divide heads, an inner width that is a multiple of 4, and a context of \
                 at most 4096; found {shape:?}"
            ));
        }
        let sizes = Sizes { width, layers, heads, key_heads, inner, context };
        let keys = key_heads * sizes.head();
        let table = parameters.add("model.embed_tokens.weight", &[WORDS, width], Start::Uniform(EMBEDDING));
        let norm = |parameters: &mut Parameters, name: &str| {
            parameters.add(format!("{name}.weight"), &[width], Start::Value(1.0))
        };
        let layers = (0..layers)
            .map(|i| {
                let name = |part: &str| format!("model.layers.{i}.{part}");
                let attention = |part: &str, outputs| (name(&format!("self_attn.{part}_proj")), outputs);
                let mlp = |part: &str, outputs| (name(&format!("mlp.{part}_proj")), outputs);
                let three = [attention("q", width), attention("k", keys), attention("v", keys)];
                Layer {
                    attention_norm: norm(parameters, &name("input_layernorm")),
                    project: stacked(parameters, &three, width),
                    out: stacked(parameters, &[attention("o", width)], width),
                    norm: norm(parameters, &name("post_attention_layernorm")),
                    up: stacked(parameters, &[mlp("gate", inner), mlp("up", inner)], width),
                    down: stacked(parameters, &[mlp("down", width)], inner),
                }
            })
            .collect();
        let norm = norm(parameters, "model.norm");
        let head = stacked(parameters, &[("lm_head".into(), WORDS)], width);
        Ok(Self { sizes, table, layers, norm, head })
    }

    pub fn forward(&self, network: &mut Network<'_>, batch: Batch) -> Value {
        let sizes = &self.sizes;
        let (head, context) = (sizes.head(), sizes.context);
        let heads = Heads { queries: sizes.width, keys: sizes.key_heads * head, head, context };
        let mut x = network.embed(batch.inputs, batch.count * context, self.table, WORDS, sizes.width);
        for layer in &self.layers {
            let y = network.norm(x, layer.attention_norm);
            let parts = network.linear(y, layer.project, None);
            network.turn(parts, batch.turns, heads);
            let y = network.attend(parts, heads);
            x = network.linear(y, layer.out, Some(x));
            let y = network.norm(x, layer.norm);
            let y = network.linear(y, layer.up, None);
            let y = network.gate(y);
            x = network.linear(y, layer.down, Some(x));
        }
        let y = network.norm(x, self.norm);
        network.linear(y, self.head, None)
    }

    /// Cosines and sines of each position and pair, rounded as published code rounds them.
    pub fn turns(&self) -> Vec<f32> {
        let head = self.sizes.head();
        let mut turns = vec![];
        for position in 0..self.sizes.context {
            for pair in 0..head / 2 {
                let frequency = libm::pow(THETA, -((2 * pair) as f64) / head as f64) as f32;
                let angle = position as f32 * frequency;
                turns.extend([libm::cos(f64::from(angle)) as f32, libm::sin(f64::from(angle)) as f32]);
            }
        }
        turns
    }
}
