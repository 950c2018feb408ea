//! Damaged and strange files: each is an error that says what is wrong, never a panic.

mod support;

use std::fs;

use proptest::prelude::*;
use safetensors::Dtype;
use serde_json::{Value, json};
use support::{Folder, decoder, encoder, serialised};
use tessera_nn::{Answers, Embedding, Generation, Logits, Model, NnError, Precision, Sampling, Vectors};

fn refused(folder: &Folder) -> String {
    Model::load(folder.path(), Precision::F32).unwrap_err().to_string()
}

/// What a model with one other key in its configuration says.
fn with(make: fn() -> Folder, key: &str, value: Value) -> String {
    let mut folder = make();
    folder.config[key] = value;
    folder.store(Dtype::F32);
    refused(&folder)
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let mut folder = encoder();
    let name = "encoder.layer.1.output.dense.weight";
    let (shape, values) = folder.weights[name].clone();
    for (shape, found) in [(vec![40, 24], "[40, 24]"), (vec![960], "[960]")] {
        folder.weights.insert(name.into(), (shape, values.clone()));
        folder.store(Dtype::F32);
        let error = refused(&folder);
        for part in ["model.safetensors", name, "expected shape [24, 40]", found] {
            assert!(error.contains(part), "{error}");
        }
    }
    folder.weights.remove(name);
    folder.store(Dtype::F32);
    assert!(refused(&folder).contains(&format!("{name}: expected shape [24, 40], found no such tensor")));
    let mut strange = values;
    strange[7] = f32::NAN;
    folder.weights.insert(name.into(), (shape, strange));
    folder.store(Dtype::F32);
    assert!(refused(&folder).contains("finite values, found NaN in place 7"));
}

#[test]
fn types_other_than_floats_are_named() {
    let folder = encoder();
    let data = vec![0u8; 32 * 24];
    let view = safetensors::tensor::TensorView::new(Dtype::I8, vec![32, 24], &data).unwrap();
    let bytes = safetensors::serialize([("embeddings.word_embeddings.weight", view)], None).unwrap();
    folder.write("model.safetensors", bytes);
    assert!(refused(&folder).contains("F32, F16 or BF16, found type I8"), "{}", refused(&folder));
}

#[test]
fn configurations_that_are_not_supported_say_so() {
    for (make, key, value, parts) in [
        (encoder as fn() -> Folder, "model_type", json!("gpt2"), ["gpt2", "not supported"]),
        (encoder, "hidden_act", json!("relu"), ["relu", "not supported"]),
        (encoder, "hidden_size", json!(0), ["hidden_size", "found 0"]),
        (encoder, "hidden_size", json!("wide"), ["config.json", "invalid type"]),
        (encoder, "num_hidden_layers", json!(1_000_000_000), ["num_hidden_layers", "found 1000000000"]),
        (encoder, "num_attention_heads", json!(5), ["24", "5 heads"]),
        (encoder, "max_position_embeddings", json!(u64::MAX), ["max_position_embeddings", "1 to"]),
        (encoder, "vocab_size", json!(16_000_000), ["word_embeddings", "[16000000, 24]"]),
        (encoder, "layer_norm_eps", json!(-1.0), ["layer_norm_eps", "-1"]),
        (encoder, "position_embedding_type", json!("relative_key"), ["relative_key", "not supported"]),
        (encoder, "quantization_config", json!({}), ["quantised", "not supported"]),
        (decoder, "num_key_value_heads", json!(3), ["num_attention_heads 4", "num_key_value_heads 3"]),
        (decoder, "head_dim", json!(6), ["6 values", "not supported"]),
        (decoder, "rope_scaling", json!({"rope_type": "yarn", "factor": 2.0}), ["yarn", "not supported"]),
        (decoder, "rope_scaling", json!({"rope_type": "linear"}), ["factor", "positive"]),
        (decoder, "rope_theta", json!(-3.0), ["rope_theta", "-3"]),
        (decoder, "mlp_bias", json!(true), ["mlp_bias", "not supported"]),
        (decoder, "eos_token_id", json!(vec![1; 16]), ["16 tokens", "not supported"]),
        (decoder, "hidden_act", json!("gelu"), ["gelu", "not supported"]),
    ] {
        let error = with(make, key, value);
        assert!(parts.iter().all(|part| error.contains(part)), "{key}: {error}");
    }
}

#[test]
fn missing_files_are_named() {
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let folder = encoder();
        fs::remove_file(folder.path().join(file)).unwrap();
        assert!(refused(&folder).contains(file), "{}", refused(&folder));
    }
}

#[test]
fn an_index_stays_in_its_folder() {
    let folder = decoder();
    let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    for name in ["../model.safetensors", "/etc/passwd", "a/b", ".."] {
        folder.write("model.safetensors.index.json", json!({"weight_map": {"x": name}}).to_string());
        assert!(refused(&folder).contains("plain name"), "{}", refused(&folder));
    }
    // Two halves make the whole.
    let (mut first, mut second) = (folder.weights.clone(), folder.weights.clone());
    first.retain(|name, _| name.contains("layers.0"));
    second.retain(|name, _| !name.contains("layers.0"));
    folder.write("one.safetensors", serialised(&first, Dtype::F32));
    folder.write("two.safetensors", serialised(&second, Dtype::F32));
    let map: std::collections::BTreeMap<&String, &str> = folder
        .weights
        .keys()
        .map(|name| (name, if first.contains_key(name) { "one.safetensors" } else { "two.safetensors" }))
        .collect();
    folder.write("model.safetensors.index.json", json!({ "weight_map": map }).to_string());
    let cid = folder.load(Precision::F32).weights_cid();
    folder.write("model.safetensors", bytes);
    assert_eq!(folder.load(Precision::F32).weights_cid(), cid);
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let folder = encoder();
    for head in [u64::MAX, 1 << 40, 99_000_000, 0] {
        let mut bytes = head.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        folder.write("model.safetensors", bytes);
        assert!(refused(&folder).contains("safetensors"), "{}", refused(&folder));
    }
    let text = br#"{"embeddings.word_embeddings.weight":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}"#;
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend([0; 16]);
    folder.write("model.safetensors", bytes);
    assert!(refused(&folder).contains("safetensors"), "{}", refused(&folder));
}

#[test]
fn texts_and_settings_that_do_not_fit_say_so() {
    let (encoder, decoder) = (encoder().load(Precision::F32), decoder().load(Precision::F32));
    let none: [&str; 0] = [];
    let long = "cat ".repeat(65);
    let said = |error: NnError| error.to_string();
    assert!(said(Embedding::job(&encoder, &none, 4).unwrap_err()).contains("found 0"));
    assert!(said(Embedding::job(&encoder, &[&long], 4).unwrap_err()).contains("at most 20 tokens, found 67"));
    assert!(said(Embedding::job(&encoder, &["cat"], 0).unwrap_err()).contains("batch"));
    assert!(said(Embedding::job(&decoder, &["cat"], 1).unwrap_err()).contains("decoder"));
    let generate = |prompt: &str, most, sampling: Sampling| {
        said(Generation::job(&decoder, &[prompt], 1, most, &sampling).unwrap_err())
    };
    assert!(said(Logits::job(&encoder, &["cat"], 1).unwrap_err()).contains("encoder"));
    assert!(generate(&long, 10, Sampling::default()).contains("at most 54 tokens"));
    assert!(generate("cat", 0, Sampling::default()).contains("max_tokens"));
    assert!(generate("cat", 64, Sampling::default()).contains("expected 1 to 63"));
    for temperature in [-1.0, f32::NAN, f32::INFINITY, 1e-42] {
        assert!(generate("cat", 1, Sampling { temperature, ..Sampling::default() }).contains("temperature"));
    }
    for top_p in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(generate("cat", 1, Sampling { top_p, ..Sampling::default() }).contains("top_p"));
    }
}

#[test]
fn outputs_that_do_not_fit_the_job_say_so() {
    let model = decoder().load(Precision::F32);
    let job = Generation::job(&model, &["cat", "dog", "sun"], 2, 4, &Sampling::default()).unwrap();
    assert!(Vectors::new(&job.spec).unwrap_err().to_string().contains("\"generate\", expected \"embed\""));
    let mut answers = Answers::new(&job.spec).unwrap();
    assert!(answers.answers().unwrap_err().to_string().contains("2 of 2 units are missing"));
    assert!(answers.add(2, &[0; 48]).unwrap_err().to_string().contains("unit 2"));
    assert!(answers.add(0, &[0; 47]).unwrap_err().to_string().contains("expected 48 bytes, found 47"));
    for unit in 0..2 {
        answers.add(unit, &[255; 48]).unwrap();
    }
    assert!(answers.answers().unwrap_err().to_string().contains("expected 1 to 4"));
    let mut spec = job.spec.clone();
    spec.units = 3;
    assert!(Answers::new(&spec).is_err());
    for len in 0..job.spec.front_end.data.len() {
        spec = job.spec.clone();
        spec.front_end.data.truncate(len);
        assert!(Answers::new(&spec).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// A byte of a file is another one, or the file ends early: a model or an error.
    #[test]
    fn damaged_files_never_panic(of_decoder: bool, file in 0usize..3, at: usize, value: u8, cut: bool) {
        let folder = if of_decoder { decoder() } else { encoder() };
        let name = ["config.json", "tokenizer.json", "model.safetensors"][file];
        let mut bytes = fs::read(folder.path().join(name)).unwrap();
        // Where the header of weights is; the numbers behind it may be any.
        let at = at % bytes.len().min(4000);
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = value;
        }
        folder.write(name, bytes);
        if let Ok(model) = Model::load(folder.path(), Precision::F32) {
            let _ = Embedding::job(&model, &["the cat sees"], 1);
            let _ = Generation::job(&model, &["the cat sees"], 1, 3, &Sampling::default());
        }
    }
}
