//! Small models that are made here, number by number, and ways to run jobs on the CPU.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod reference;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use tessera_executor::{Backend, Checks, Options, Program, open_with, outputs};
use tessera_nn::{MODULE, Model, Precision, PreparedJob};

/// Words that the small models know, behind three tokens that are no text.
pub const WORDS: [&str; 29] = [
    "a", "and", "blue", "car", "cat", "day", "dog", "fast", "for", "green", "has", "house", "in", "is", "it", "moon",
    "no", "of", "on", "red", "river", "runs", "sees", "slow", "sun", "the", "to", "tree", "with",
];

/// Texts of different lengths.
pub const TEXTS: [&str; 7] = [
    "the cat sees the dog",
    "sun",
    "a red car runs fast on the slow river with no house and no tree for it",
    "the moon is in the blue river",
    "it has a green house",
    "Blue and red and green and unknown",
    "the dog runs to the tree",
];

/// Tensors of a model by name, with their shapes.
pub type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A model in a folder.
pub struct Folder {
    dir: TempDir,
    pub config: Value,
    pub weights: Weights,
}

/// Numbers that look random, the same everywhere. Each has few bits, so that 16 bits hold it.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, around: f32, spread: f32) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let step = (self.0 >> 58) as f32 / 32.0 - 1.0;
        around + spread * step
    }

    fn add(&mut self, weights: &mut Weights, name: &str, shape: &[usize], around: f32, spread: f32) {
        let values = (0..shape.iter().product()).map(|_| self.next(around, spread)).collect();
        weights.insert(name.into(), (shape.into(), values));
    }
}

impl Folder {
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn load(&self, precision: Precision) -> Model {
        Model::load(self.path(), precision).unwrap()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes configuration and weights anew, the latter in this type.
    pub fn store(&self, dtype: Dtype) {
        self.write("config.json", self.config.to_string());
        self.write("model.safetensors", serialised(&self.weights, dtype));
    }
}

/// A `safetensors` file.
pub fn serialised(weights: &Weights, dtype: Dtype) -> Vec<u8> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = match dtype {
                Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
                Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            };
            (name, shape, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| (*name, TensorView::new(dtype, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// Adds a tensor: its name and shape, around what its numbers lie, and how far.
type Add<'a> = dyn FnMut(&str, &[usize], f32, f32) + 'a;

/// A tokenizer of whole words. `around`: what stands before and behind a text.
fn tokenizer(special: [&str; 3], around: Value) -> Value {
    let vocabulary: BTreeMap<&str, usize> =
        special.iter().chain(&WORDS).enumerate().map(|(id, word)| (*word, id)).collect();
    let added: Vec<Value> = special
        .iter()
        .enumerate()
        .map(|(id, word)| {
            json!({"id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let ids: BTreeMap<&str, Value> = special
        .iter()
        .enumerate()
        .map(|(id, word)| (*word, json!({"id": word, "ids": [id], "tokens": [word]})))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "TemplateProcessing", "single": around, "pair": around, "special_tokens": ids},
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": special[0]},
    })
}

/// A BERT of two layers, with an odd number of words and heads of 8 values.
pub fn encoder() -> Folder {
    let (words, width, inner, positions) = (32, 24, 40, 20);
    let mut weights = Weights::new();
    let mut numbers = Numbers(1);
    let mut add = |name: &str, shape: &[usize], around, spread| numbers.add(&mut weights, name, shape, around, spread);
    add("embeddings.word_embeddings.weight", &[words, width], 0.0, 1.0);
    add("embeddings.position_embeddings.weight", &[positions, width], 0.0, 0.5);
    add("embeddings.token_type_embeddings.weight", &[2, width], 0.0, 0.25);
    let norm = |add: &mut Add<'_>, name: &str| {
        add(&format!("{name}.weight"), &[width], 1.0, 0.25);
        add(&format!("{name}.bias"), &[width], 0.0, 0.25);
    };
    norm(&mut add, "embeddings.LayerNorm");
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let linear = [
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width),
            ("output.dense", width, inner),
        ];
        for (part, n, k) in linear {
            add(&name(&format!("{part}.weight")), &[n, k], 0.0, 0.25);
            add(&name(&format!("{part}.bias")), &[n], 0.0, 0.125);
        }
        norm(&mut add, &name("attention.output.LayerNorm"));
        norm(&mut add, &name("output.LayerNorm"));
    }
    let config = json!({
        "model_type": "bert", "vocab_size": words, "hidden_size": width, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": inner, "max_position_embeddings": positions,
        "hidden_act": "gelu", "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    });
    let around = json!([{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]);
    let folder = Folder { dir: TempDir::new().unwrap(), config, weights };
    folder.store(Dtype::F32);
    folder.write("tokenizer.json", tokenizer(["[UNK]", "[CLS]", "[SEP]"], around).to_string());
    folder
}

/// A Llama of two layers, whose two heads of keys serve four heads of queries, with a head of its own.
pub fn decoder() -> Folder {
    let (words, width, inner, head) = (32, 24, 36, 8);
    let (queries, keys) = (4 * head, 2 * head);
    let mut weights = Weights::new();
    let mut numbers = Numbers(2);
    let mut add = |name: &str, shape: &[usize], around, spread| numbers.add(&mut weights, name, shape, around, spread);
    add("model.embed_tokens.weight", &[words, width], 0.0, 1.0);
    add("lm_head.weight", &[words, width], 0.0, 0.5);
    add("model.norm.weight", &[width], 1.0, 0.25);
    for layer in 0..2 {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        add(&name("input_layernorm"), &[width], 1.0, 0.25);
        add(&name("post_attention_layernorm"), &[width], 1.0, 0.25);
        let linear = [
            ("self_attn.q_proj", queries, width),
            ("self_attn.k_proj", keys, width),
            ("self_attn.v_proj", keys, width),
            ("self_attn.o_proj", width, queries),
            ("mlp.gate_proj", inner, width),
            ("mlp.up_proj", inner, width),
            ("mlp.down_proj", width, inner),
        ];
        for (part, n, k) in linear {
            add(&name(part), &[n, k], 0.0, 0.5);
        }
    }
    let config = json!({
        "model_type": "llama", "vocab_size": words, "hidden_size": width, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": head, "intermediate_size": inner,
        "max_position_embeddings": 64, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": false, "eos_token_id": 2,
    });
    let around = json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]);
    let folder = Folder { dir: TempDir::new().unwrap(), config, weights };
    folder.store(Dtype::F32);
    folder.write("tokenizer.json", tokenizer(["<unk>", "<s>", "</s>"], around).to_string());
    folder
}

/// The tokens of a text, as the small models have them.
pub fn tokens(text: &str, before: &[u32], behind: &[u32]) -> Vec<u32> {
    let id = |word: &str| WORDS.iter().position(|known| *known == word).map_or(0, |id| id as u32 + 3);
    before.iter().copied().chain(text.split_whitespace().map(id)).chain(behind.iter().copied()).collect()
}

/// Outputs of all units: as compiled code, or operation by operation with all checks.
pub fn run(job: &PreparedJob, checks: Checks) -> Vec<Vec<u8>> {
    let executor = open_with(Backend::Cpu, &Options { checks, ..Options::default() }).unwrap();
    let inputs = job.inputs().unwrap();
    let program = Program {
        module: MODULE,
        plan: &job.spec.plan,
        inputs: &inputs,
        unit_gas: 0,
        unit_time: Duration::from_secs(600),
    };
    outputs(&*executor, 0, &program, 0..job.spec.units).unwrap()
}

pub fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect()
}

/// The same rows for every batch, every order of the texts and both engines; returns them.
pub fn the_same(make: impl Fn(&[&str], usize, Checks) -> Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let one = make(&TEXTS, 1, Checks::NONE);
    assert_eq!(one.len(), TEXTS.len());
    for batch in [2, 3, 7, 100] {
        assert_eq!(bits(&make(&TEXTS, batch, Checks::NONE)), bits(&one), "batch {batch}");
    }
    assert_eq!(bits(&make(&TEXTS, 4, Checks::ALL)), bits(&one), "interpreter");
    let mut reversed = TEXTS;
    reversed.reverse();
    let mut rows = make(&reversed, 3, Checks::NONE);
    rows.reverse();
    assert_eq!(bits(&rows), bits(&one), "other order");
    one
}
