//! Weights in published formats.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use crate::{
    error::{Result, TrainError},
    model::{Decoder, Model, THETA, WORDS},
    network::EPSILON,
    store,
};

/// Writes `model.safetensors`, and what a decoder needs beside it.
pub(crate) fn write(folder: &Path, model: &Model, weights: &[f32]) -> Result<()> {
    store::make(folder)?;
    let path = folder.join("model.safetensors");
    let damaged = |error: safetensors::SafeTensorError| TrainError::Content {
        path: path.clone(),
        reason: format!("cannot be made: {error}"),
    };
    let bytes: Vec<Vec<u8>> = (model.parameters.tensors.iter())
        .map(|tensor| weights[tensor.first..][..tensor.len()].iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = model.parameters.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(damaged)?;
        Ok((tensor.name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    // What readers of published models look for.
    let notes = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    store::write(&path, &safetensors::serialize(views, Some(notes)).map_err(damaged)?)?;
    match model.decoder() {
        None => Ok(()),
        Some(decoder) => {
            store::write(&folder.join("config.json"), config(decoder).to_string().as_bytes())?;
            store::write(&folder.join("tokenizer.json"), tokenizer().to_string().as_bytes())
        }
    }
}

/// The configuration of a published Llama.
fn config(decoder: &Decoder) -> Value {
    let sizes = &decoder.sizes;
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": WORDS, "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads, "num_key_value_heads": sizes.key_heads,
        "head_dim": sizes.head(), "intermediate_size": sizes.inner, "max_position_embeddings": sizes.context,
        "hidden_act": "silu", "rms_norm_eps": EPSILON, "rope_theta": THETA, "tie_word_embeddings": false,
        // A byte that no text has.
        "eos_token_id": 0, "bos_token_id": null, "torch_dtype": "float32",
    })
}

/// A tokenizer whose tokens are bytes: token n is byte n. Bytes that are no letters have stand-ins, as in GPT-2's.
fn tokenizer() -> Value {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256u32;
    let vocabulary: BTreeMap<String, u32> = (0..=255u8)
        .map(|byte| {
            let letter = if plain(byte) {
                u32::from(byte)
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(letter).unwrap_or('?').to_string(), u32::from(byte))
        })
        .collect();
    let by_bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": by_bytes, "post_processor": null, "decoder": by_bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []},
    })
}
