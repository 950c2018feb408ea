//! Llama-style decoders: what their tensors are called.

use crate::{
    config::DecoderConfig,
    error::Result,
    pack::{Blob, Linear, Matrix, Place, Precision},
    tensors::Tensors,
};

/// Places of a decoder's weights in the blob.
pub(crate) struct Decoder {
    pub config: DecoderConfig,
    pub words: Place,
    pub layers: Vec<DecoderLayer>,
    /// Scale of the last norm.
    pub norm: Place,
    pub head: Matrix,
}

/// One layer; norms come before what reads them.
pub(crate) struct DecoderLayer {
    pub attention_norm: Place,
    /// Queries, keys and values, one below the other.
    pub project: Linear,
    pub out: Linear,
    pub norm: Place,
    /// The gates, and below them what they let through.
    pub up: Linear,
    pub down: Linear,
}

impl Decoder {
    pub fn new(config: DecoderConfig, tensors: &Tensors<'_>, blob: &mut Blob, precision: Precision) -> Result<Self> {
        let (vocabulary, width) = (config.vocabulary, config.width);
        let table = tensors.get("embed_tokens.weight", &[vocabulary, width])?;
        let words = blob.floats(&table)?;
        // Some files are tied without saying so; others hold the table twice.
        let tied = config.tied || !tensors.has("lm_head.weight");
        let head = if tied { table } else { tensors.get("lm_head.weight", &[vocabulary, width])? };
        let head = blob.matrix(&[head], width, precision.of_head())?;
        let norm = blob.floats(&tensors.get("norm.weight", &[width])?)?;
        let mut reader = Reader { tensors, blob, precision };
        let layers: Result<Vec<DecoderLayer>> =
            (0..config.layers).map(|i| reader.layer(&format!("layers.{i}"), &config)).collect();
        Ok(Self { words, layers: layers?, norm, head, config })
    }
}

struct Reader<'a> {
    tensors: &'a Tensors<'a>,
    blob: &'a mut Blob,
    precision: Precision,
}

impl Reader<'_> {
    fn norm(&mut self, name: &str, width: usize) -> Result<Place> {
        self.blob.floats(&self.tensors.get(&format!("{name}.weight"), &[width])?)
    }

    /// Several linear layers of the same inputs as one, each with its number of outputs. Where one has a bias, all must.
    fn linear(&mut self, parts: &[(String, usize)], k: usize) -> Result<Linear> {
        let (mut weights, mut bias) = (vec![], vec![]);
        let biased = parts.iter().any(|(name, _)| self.tensors.has(&format!("{name}.bias")));
        for (name, n) in parts {
            weights.push(self.tensors.get(&format!("{name}.weight"), &[*n, k])?);
            if biased {
                bias.extend(self.tensors.get(&format!("{name}.bias"), &[*n])?);
            }
        }
        let matrix = self.blob.matrix(&weights, k, self.precision)?;
        let bias = if biased { Some(self.blob.floats(&bias)?) } else { None };
        Ok(Linear { matrix, bias })
    }

    fn layer(&mut self, name: &str, config: &DecoderConfig) -> Result<DecoderLayer> {
        let (width, inner) = (config.width, config.inner);
        let (queries, keys) = (config.heads * config.head, config.key_heads * config.head);
        let attention = |part: &str| format!("{name}.self_attn.{part}_proj");
        let mlp = |part: &str| format!("{name}.mlp.{part}_proj");
        Ok(DecoderLayer {
            attention_norm: self.norm(&format!("{name}.input_layernorm"), width)?,
            project: self
                .linear(&[(attention("q"), queries), (attention("k"), keys), (attention("v"), keys)], width)?,
            out: self.linear(&[(attention("o"), width)], queries)?,
            norm: self.norm(&format!("{name}.post_attention_layernorm"), width)?,
            up: self.linear(&[(mlp("gate"), inner), (mlp("up"), inner)], width)?,
            down: self.linear(&[(mlp("down"), width)], inner)?,
        })
    }
}
