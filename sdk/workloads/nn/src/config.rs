//! `config.json`: what a model is made of.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::{NnError, Result},
    files,
};

/// Most of anything that a configuration counts: layers, heads, values of a row, tokens.
const MAX_COUNT: usize = 1 << 24;
/// Most layers: their launches must fit a plan.
pub(crate) const MAX_LAYERS: usize = 128;
/// Most values of one head.
pub(crate) const MAX_HEAD: usize = 256;

/// What the first lines of `config.json` decide.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Config {
    Encoder(EncoderConfig),
    Decoder(DecoderConfig),
}

/// A BERT-style encoder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncoderConfig {
    pub vocabulary: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    /// Longest text in tokens.
    pub positions: usize,
    pub token_types: usize,
    pub epsilon: f32,
}

/// A Llama-style decoder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DecoderConfig {
    pub vocabulary: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    /// Heads of keys and values, which divide `heads`.
    pub key_heads: usize,
    /// Values of one head.
    pub head: usize,
    pub inner: usize,
    /// Longest text in tokens.
    pub positions: usize,
    pub epsilon: f32,
    pub rope: Rope,
    /// Whether the head is the table of embeddings.
    pub tied: bool,
    /// Tokens that end an answer.
    pub ends: Vec<u32>,
}

/// How positions turn queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    pub theta: f64,
    pub scaling: Scaling,
}

/// What is done to the frequencies for texts longer than those of the first training.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scaling {
    None,
    Linear { factor: f64 },
    Llama3 { factor: f64, low: f64, high: f64, positions: f64 },
}

#[derive(Deserialize)]
struct Raw {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawScaling>,
    // What newer files say in place of the two above.
    rope_parameters: Option<RawScaling>,
    tie_word_embeddings: Option<bool>,
    position_embedding_type: Option<String>,
    mlp_bias: Option<bool>,
    sliding_window: Option<Value>,
    use_sliding_window: Option<bool>,
    is_decoder: Option<bool>,
    eos_token_id: Option<Ends>,
    quantization_config: Option<Value>,
}

#[derive(Clone, Deserialize)]
struct RawScaling {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    rope_theta: Option<f64>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Ends {
    One(u32),
    Several(Vec<u32>),
}

#[derive(Deserialize)]
struct GenerationFile {
    eos_token_id: Option<Ends>,
}

impl Config {
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let raw: Raw = files::json(&path)?;
        let reader = Reader { path: &path };
        reader.check_common(&raw)?;
        match raw.model_type.as_str() {
            "bert" => reader.encoder(&raw).map(Self::Encoder),
            "llama" | "mistral" | "qwen2" => {
                let generation: Option<GenerationFile> = files::json_if_there(&folder.join("generation_config.json"))?;
                reader.decoder(&raw, generation).map(Self::Decoder)
            }
            other => Err(reader.unsupported(format!("model_type {other:?}"))),
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn unsupported(&self, what: String) -> NnError {
        NnError::Unsupported { path: self.path.into(), what }
    }

    fn wrong(&self, reason: String) -> NnError {
        NnError::Content { path: self.path.into(), reason }
    }

    fn count(&self, key: &str, value: usize, most: usize) -> Result<usize> {
        if (1..=most).contains(&value) {
            return Ok(value);
        }
        Err(self.wrong(format!("{key}: expected 1 to {most}, found {value}")))
    }

    fn epsilon(&self, key: &str, value: Option<f64>, default: f64) -> Result<f32> {
        let value = value.unwrap_or(default);
        // As a float of 32 bits, which the kernels add to what they normalise.
        if value > 0.0 && value < 1.0 && value as f32 > 0.0 {
            return Ok(value as f32);
        }
        Err(self.wrong(format!("{key}: expected a number between 0 and 1, found {value}")))
    }

    fn check_common(&self, raw: &Raw) -> Result<()> {
        self.count("vocab_size", raw.vocab_size, MAX_COUNT)?;
        self.count("hidden_size", raw.hidden_size, 1 << 16)?;
        self.count("num_hidden_layers", raw.num_hidden_layers, MAX_LAYERS)?;
        self.count("num_attention_heads", raw.num_attention_heads, 1 << 12)?;
        self.count("intermediate_size", raw.intermediate_size, 1 << 20)?;
        self.count("max_position_embeddings", raw.max_position_embeddings, MAX_COUNT)?;
        if raw.quantization_config.is_some() {
            return Err(self.unsupported("a model that is quantised already".into()));
        }
        for (key, value) in [("hidden_size", raw.hidden_size), ("intermediate_size", raw.intermediate_size)] {
            if !value.is_multiple_of(4) {
                return Err(self.unsupported(format!("a {key} of {value}, no multiple of 4,")));
            }
        }
        Ok(())
    }

    fn head(&self, raw: &Raw) -> Result<usize> {
        let (width, heads) = (raw.hidden_size, raw.num_attention_heads);
        let head = match raw.head_dim {
            Some(head) => head,
            None if width.is_multiple_of(heads) => width / heads,
            None => return Err(self.wrong(format!("hidden_size {width} is no multiple of {heads} heads"))),
        };
        self.count("head_dim", head, MAX_HEAD)?;
        if !head.is_multiple_of(4) {
            return Err(self.unsupported(format!("a head of {head} values, no multiple of 4,")));
        }
        Ok(head)
    }

    fn encoder(&self, raw: &Raw) -> Result<EncoderConfig> {
        // Erf, as the published models have it.
        if raw.hidden_act != "gelu" {
            return Err(self.unsupported(format!("hidden_act {:?} in an encoder", raw.hidden_act)));
        }
        if raw.position_embedding_type.as_deref().is_some_and(|kind| kind != "absolute") {
            return Err(self.unsupported(format!("position_embedding_type {:?}", raw.position_embedding_type)));
        }
        if raw.is_decoder == Some(true) {
            return Err(self.unsupported("a BERT that is a decoder".into()));
        }
        if self.head(raw)? * raw.num_attention_heads != raw.hidden_size {
            return Err(self.unsupported("heads that are not as wide as the model".into()));
        }
        Ok(EncoderConfig {
            vocabulary: raw.vocab_size,
            width: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            inner: raw.intermediate_size,
            positions: raw.max_position_embeddings,
            token_types: self.count("type_vocab_size", raw.type_vocab_size.unwrap_or(2), 1 << 12)?,
            epsilon: self.epsilon("layer_norm_eps", raw.layer_norm_eps, 1e-12)?,
        })
    }

    fn decoder(&self, raw: &Raw, generation: Option<GenerationFile>) -> Result<DecoderConfig> {
        if raw.hidden_act != "silu" {
            return Err(self.unsupported(format!("hidden_act {:?} in a decoder", raw.hidden_act)));
        }
        if raw.mlp_bias == Some(true) {
            return Err(self.unsupported("mlp_bias".into()));
        }
        let mut positions = raw.max_position_embeddings;
        // Within the window attention sees everything, as here.
        if raw.use_sliding_window != Some(false)
            && let Some(window) = raw.sliding_window.as_ref().and_then(Value::as_u64)
        {
            positions = self.count("sliding_window", window as usize, MAX_COUNT)?.min(positions);
        }
        let heads = raw.num_attention_heads;
        let key_heads = self.count("num_key_value_heads", raw.num_key_value_heads.unwrap_or(heads), heads)?;
        if !heads.is_multiple_of(key_heads) {
            let reason = format!("num_attention_heads {heads} is no multiple of num_key_value_heads {key_heads}");
            return Err(self.wrong(reason));
        }
        let ends = generation.and_then(|file| file.eos_token_id).or_else(|| raw.eos_token_id.clone());
        let ends = match ends {
            None => vec![],
            Some(Ends::One(end)) => vec![end],
            Some(Ends::Several(ends)) => ends,
        };
        if ends.len() > MAX_ENDS {
            return Err(self.unsupported(format!("{} tokens that end an answer, more than {MAX_ENDS},", ends.len())));
        }
        Ok(DecoderConfig {
            vocabulary: raw.vocab_size,
            width: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads,
            key_heads,
            head: self.head(raw)?,
            inner: raw.intermediate_size,
            positions,
            epsilon: self.epsilon("rms_norm_eps", raw.rms_norm_eps, 1e-6)?,
            rope: self.rope(raw)?,
            tied: raw.tie_word_embeddings.unwrap_or(false),
            ends,
        })
    }

    fn rope(&self, raw: &Raw) -> Result<Rope> {
        let given = raw.rope_parameters.clone().or_else(|| raw.rope_scaling.clone());
        let of_file = given.as_ref().and_then(|given| given.rope_theta).or(raw.rope_theta);
        let positive = |key: &str, value: Option<f64>| match value {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            _ => Err(self.wrong(format!("{key}: expected a positive number, found {value:?}"))),
        };
        let theta = positive("rope_theta", Some(of_file.unwrap_or(10_000.0)))?;
        let Some(given) = given else { return Ok(Rope { theta, scaling: Scaling::None }) };
        let scaling = match given.rope_type.as_deref() {
            None | Some("default") => Scaling::None,
            Some("linear") => Scaling::Linear { factor: positive("factor", given.factor)? },
            Some("llama3") => {
                let (low, high) = (
                    positive("low_freq_factor", given.low_freq_factor)?,
                    positive("high_freq_factor", given.high_freq_factor)?,
                );
                if low >= high {
                    return Err(self.wrong(format!("low_freq_factor {low} is not below high_freq_factor {high}")));
                }
                let positions = positive("original_max_position_embeddings", given.original_max_position_embeddings)?;
                Scaling::Llama3 { factor: positive("factor", given.factor)?, low, high, positions }
            }
            Some(other) => return Err(self.unsupported(format!("rope_type {other:?}"))),
        };
        Ok(Rope { theta, scaling })
    }
}

/// Most tokens that end an answer.
pub(crate) const MAX_ENDS: usize = 15;

impl Rope {
    /// For each pair of values of a head, by how much a position turns it, in radians. Rounded to 32 bits where the
    /// published code does.
    pub fn frequencies(&self, head: usize) -> Vec<f32> {
        let frequency = |i: usize| {
            let exponent = (2 * i) as f32 / head as f32;
            1.0 / libm::pow(self.theta, exponent.into()) as f32
        };
        (0..head / 2).map(|i| self.scaled(frequency(i))).collect()
    }

    fn scaled(&self, frequency: f32) -> f32 {
        match self.scaling {
            Scaling::None => frequency,
            Scaling::Linear { factor } => frequency / factor as f32,
            Scaling::Llama3 { factor, low, high, positions } => {
                let turns = positions as f32 * frequency / std::f32::consts::TAU;
                let slow = frequency / factor as f32;
                let smooth = ((turns - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
                // The ends exactly, so that nothing is lost where nothing is scaled.
                if turns >= high as f32 {
                    frequency
                } else if turns <= low as f32 {
                    slow
                } else {
                    (1.0 - smooth) * slow + smooth * frequency
                }
            }
        }
    }
}
