//! BERT-style encoders: what their tensors are called, and how their rows become one vector for each text.

use std::path::Path;

use serde::Deserialize;

use crate::{
    config::EncoderConfig,
    error::{NnError, Result},
    files,
    pack::{Blob, Linear, Place, Precision},
    tensors::Tensors,
};

/// Places of an encoder's weights in the blob.
pub(crate) struct Encoder {
    pub config: EncoderConfig,
    pub words: Place,
    pub positions: Place,
    /// The row of the first token type: texts are one segment.
    pub segment: Place,
    pub norm: Norm,
    pub layers: Vec<EncoderLayer>,
    pub pooling: Pooling,
}

/// One layer; norms come after what they normalise.
pub(crate) struct EncoderLayer {
    /// Queries, keys and values, one below the other.
    pub project: Linear,
    pub out: Linear,
    pub attention_norm: Norm,
    pub up: Linear,
    pub down: Linear,
    pub norm: Norm,
}

/// A layer norm.
#[derive(Clone, Copy)]
pub(crate) struct Norm {
    pub scale: Place,
    pub bias: Place,
}

/// How the rows of a text become its vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub mode: PoolingMode,
    /// Whether the vector is divided by its length.
    pub normalise: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolingMode {
    Mean,
    /// The row of the first token.
    First,
}

#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(flatten)]
    others: std::collections::BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct ModuleEntry {
    #[serde(rename = "type")]
    kind: String,
}

impl Encoder {
    pub fn new(
        folder: &Path,
        config: EncoderConfig,
        tensors: &Tensors<'_>,
        blob: &mut Blob,
        precision: Precision,
    ) -> Result<Self> {
        let pooling = Pooling::read(folder)?;
        let width = config.width;
        let mut table = |name: &str, rows: usize| blob.floats(&tensors.get(name, &[rows, width])?);
        let words = table("embeddings.word_embeddings.weight", config.vocabulary)?;
        let positions = table("embeddings.position_embeddings.weight", config.positions)?;
        let segment = table("embeddings.token_type_embeddings.weight", config.token_types)?;
        let mut reader = Reader { tensors, blob, precision };
        let norm = reader.norm("embeddings.LayerNorm", width)?;
        let layers = (0..config.layers).map(|i| reader.layer(&format!("encoder.layer.{i}"), &config)).collect();
        let layers: Result<Vec<EncoderLayer>> = layers;
        Ok(Self { words, positions, segment, norm, layers: layers?, pooling, config })
    }
}

struct Reader<'a> {
    tensors: &'a Tensors<'a>,
    blob: &'a mut Blob,
    precision: Precision,
}

impl Reader<'_> {
    fn norm(&mut self, name: &str, width: usize) -> Result<Norm> {
        // What files of the first years call it.
        let old = !self.tensors.has(&format!("{name}.weight")) && self.tensors.has(&format!("{name}.gamma"));
        let [scale, bias] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let scale = self.tensors.get(&format!("{name}.{scale}"), &[width])?;
        let bias = self.tensors.get(&format!("{name}.{bias}"), &[width])?;
        Ok(Norm { scale: self.blob.floats(&scale)?, bias: self.blob.floats(&bias)? })
    }

    /// Several linear layers of the same inputs as one.
    fn linear(&mut self, names: &[String], n: usize, k: usize) -> Result<Linear> {
        let (mut weights, mut bias) = (vec![], vec![]);
        for name in names {
            weights.push(self.tensors.get(&format!("{name}.weight"), &[n, k])?);
            bias.extend(self.tensors.get(&format!("{name}.bias"), &[n])?);
        }
        let matrix = self.blob.matrix(&weights, k, self.precision)?;
        Ok(Linear { matrix, bias: Some(self.blob.floats(&bias)?) })
    }

    fn layer(&mut self, name: &str, config: &EncoderConfig) -> Result<EncoderLayer> {
        let (width, inner) = (config.width, config.inner);
        let three = ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        Ok(EncoderLayer {
            project: self.linear(&three, width, width)?,
            out: self.linear(&[format!("{name}.attention.output.dense")], width, width)?,
            attention_norm: self.norm(&format!("{name}.attention.output.LayerNorm"), width)?,
            up: self.linear(&[format!("{name}.intermediate.dense")], inner, width)?,
            down: self.linear(&[format!("{name}.output.dense")], width, inner)?,
            norm: self.norm(&format!("{name}.output.LayerNorm"), width)?,
        })
    }
}

impl Pooling {
    /// What the folder says, else the mean of all tokens, of length 1.
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("modules.json");
        let modules: Option<Vec<ModuleEntry>> = files::json_if_there(&path)?;
        let mut normalise = modules.is_none();
        for module in modules.iter().flatten() {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" | "Pooling" => {}
                "Normalize" => normalise = true,
                other => {
                    let what = format!("a module {other:?} behind the encoder");
                    return Err(NnError::Unsupported { path, what });
                }
            }
        }
        let path = folder.join("1_Pooling/config.json");
        let Some(file) = files::json_if_there::<PoolingFile>(&path)? else {
            return Ok(Self { mode: PoolingMode::Mean, normalise });
        };
        let other = file.others.iter().find(|(key, value)| key.starts_with("pooling_mode_") && **value == true);
        let mode = match (file.pooling_mode_mean_tokens, file.pooling_mode_cls_token, other) {
            (true, false, None) => PoolingMode::Mean,
            (false, true, None) => PoolingMode::First,
            _ => {
                let what = "pooling that is neither the mean of all tokens alone nor the first token alone".into();
                return Err(NnError::Unsupported { path, what });
            }
        };
        Ok(Self { mode, normalise })
    }
}
