//! A model: its configuration, its tokenizer and the blob of its weights.

use std::path::Path;

use bytes::Bytes;
use tessera_protocol::cid::Cid;

use crate::{
    config::Config,
    decoder::Decoder,
    encoder::Encoder,
    error::{NnError, Result},
    pack::{Blob, Precision},
    plan::MAX_KEYS,
    tensors::WeightFiles,
    texts::Texts,
    tokens::Tokens,
};

/// A model in memory, ready for jobs. All its jobs read the same blob of weights.
pub struct Model {
    pub(crate) network: Network,
    pub(crate) tokens: Tokens,
    pub(crate) weights: Bytes,
    pub(crate) cid: Cid,
    precision: Precision,
    pub(crate) tensor_cores: bool,
}

/// What the weights in the blob make.
pub(crate) enum Network {
    Encoder(Encoder),
    Decoder(Decoder),
}

impl Model {
    /// Reads a folder in the published form: `config.json`, `tokenizer.json`, `model.safetensors` or several such files
    /// with their index, and for sentence embeddings `modules.json` and `1_Pooling/config.json` if they are there.
    ///
    /// # Errors
    /// If a file is missing, damaged or too large, the model is of a kind that is not supported, or a tensor is missing or of another
    /// shape than the configuration says.
    pub fn load(folder: &Path, precision: Precision) -> Result<Self> {
        let config = Config::read(folder)?;
        let files = WeightFiles::read(folder)?;
        let mut blob = Blob::default();
        let (network, vocabulary) = match config {
            Config::Encoder(config) => {
                let vocabulary = config.vocabulary;
                let tensors = files.tensors(&["bert."])?;
                (Network::Encoder(Encoder::new(folder, config, &tensors, &mut blob, precision)?), vocabulary)
            }
            Config::Decoder(config) => {
                let vocabulary = config.vocabulary;
                let tensors = files.tensors(&["model."])?;
                (Network::Decoder(Decoder::new(config, &tensors, &mut blob, precision)?), vocabulary)
            }
        };
        let tokens = Tokens::read(folder, vocabulary)?;
        let weights = Bytes::from(blob.bytes);
        let cid = Cid::of(&weights);
        Ok(Self { network, tokens, weights, cid, precision, tensor_cores: true })
    }

    /// Jobs that are made from now on multiply without tensor cores, for which processors have no like: the same bits from the same
    /// weights in less time there. Changes nothing in [`Precision::F32`].
    #[must_use]
    pub fn without_tensor_cores(mut self) -> Self {
        self.tensor_cores = false;
        self
    }

    /// How its matrices are kept.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Content id of the blob of its weights.
    #[must_use]
    pub fn weights_cid(&self) -> Cid {
        self.cid
    }

    /// Whether it is a decoder, which generates text, and no encoder, which makes embeddings.
    #[must_use]
    pub fn generates(&self) -> bool {
        matches!(self.network, Network::Decoder(_))
    }

    /// Most tokens of a text; for a decoder, together with those of its answer.
    #[must_use]
    pub fn context(&self) -> usize {
        let positions = match &self.network {
            Network::Encoder(encoder) => encoder.config.positions,
            Network::Decoder(decoder) => decoder.config.positions,
        };
        positions.min(MAX_KEYS)
    }

    /// The tokens of a text, with those that the model wants around it.
    ///
    /// # Errors
    /// If the text is too large for a tokenizer, or has a token that is none of the model's.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        self.tokens.of(text).map_err(NnError::Setting)
    }

    /// The text of some tokens.
    ///
    /// # Errors
    /// If they are none of the model's.
    pub fn text(&self, tokens: &[u32]) -> Result<String> {
        self.tokens.decode(tokens)
    }

    /// The tokens of texts, in units of `batch` texts; `ends` are those that end an answer, `most` is how many a text may have.
    pub(crate) fn pack<T: AsRef<str>>(&self, texts: &[T], batch: usize, ends: &[u32], most: usize) -> Result<Texts> {
        let tokens: Result<Vec<Vec<u32>>> =
            texts.iter().enumerate().map(|(number, text)| self.tokens.encode(text.as_ref(), number)).collect();
        Texts::pack(&tokens?, batch, ends, most)
    }

    pub(crate) fn encoder(&self) -> Result<&Encoder> {
        match &self.network {
            Network::Encoder(encoder) => Ok(encoder),
            Network::Decoder(_) => Err(NnError::Setting(
                "embeddings need a BERT-style encoder; this model is a decoder, which generates text".into(),
            )),
        }
    }

    pub(crate) fn decoder(&self) -> Result<&Decoder> {
        match &self.network {
            Network::Decoder(decoder) => Ok(decoder),
            Network::Encoder(_) => Err(NnError::Setting(
                "generation needs a Llama-style decoder; this model is an encoder, which makes embeddings".into(),
            )),
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("weights", &self.cid).field("precision", &self.precision).finish_non_exhaustive()
    }
}
