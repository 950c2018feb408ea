//! The same networks in double precision, as a textbook has them.

use super::{Folder, Weights};

type Row = Vec<f64>;

fn tensor<'a>(weights: &'a Weights, name: &str) -> &'a [f32] {
    &weights[name].1
}

fn row(weights: &Weights, name: &str, i: u32) -> Row {
    let (shape, values) = &weights[name];
    values[i as usize * shape[1]..][..shape[1]].iter().map(|v| f64::from(*v)).collect()
}

fn linear(weights: &Weights, name: &str, x: &[f64]) -> Row {
    let (shape, values) = &weights[&format!("{name}.weight")];
    let bias = weights.get(&format!("{name}.bias"));
    (0..shape[0])
        .map(|n| {
            let row = &values[n * shape[1]..][..shape[1]];
            let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
            sum + bias.map_or(0.0, |(_, bias)| f64::from(bias[n]))
        })
        .collect()
}

fn add(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Softmax attention of one head.
fn attend(q: &[f64], keys: &[&[f64]], values: &[&[f64]]) -> Row {
    let scale = (q.len() as f64).sqrt();
    let scores: Row = keys.iter().map(|k| k.iter().zip(q).map(|(k, q)| k * q).sum::<f64>() / scale).collect();
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let weights: Row = scores.iter().map(|s| (s - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    (0..q.len()).map(|d| weights.iter().zip(values).map(|(w, v)| w * v[d]).sum::<f64>() / total).collect()
}

fn layer_norm(weights: &Weights, name: &str, x: &[f64]) -> Row {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let (scale, bias) = (tensor(weights, &format!("{name}.weight")), tensor(weights, &format!("{name}.bias")));
    x.iter()
        .zip(scale.iter().zip(bias))
        .map(|(x, (s, b))| (x - mean) / (variance + 1e-12).sqrt() * f64::from(*s) + f64::from(*b))
        .collect()
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))
}

/// The mean of all rows, of length 1.
pub fn embedding(folder: &Folder, tokens: &[u32]) -> Row {
    let weights = &folder.weights;
    let heads = folder.config["num_attention_heads"].as_u64().unwrap() as usize;
    let segment = row(weights, "embeddings.token_type_embeddings.weight", 0);
    let mut rows: Vec<Row> = tokens
        .iter()
        .enumerate()
        .map(|(position, token)| {
            let word = row(weights, "embeddings.word_embeddings.weight", *token);
            let place = row(weights, "embeddings.position_embeddings.weight", position as u32);
            layer_norm(weights, "embeddings.LayerNorm", &add(&add(&word, &segment), &place))
        })
        .collect();
    let head = rows[0].len() / heads;
    for layer in 0..folder.config["num_hidden_layers"].as_u64().unwrap() {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let project = |part: &str| -> Vec<Row> {
            rows.iter().map(|x| linear(weights, &name(&format!("attention.self.{part}")), x)).collect()
        };
        let (q, k, v) = (project("query"), project("key"), project("value"));
        rows = rows
            .iter()
            .zip(&q)
            .map(|(x, q)| {
                let attended: Row = (0..heads)
                    .flat_map(|h| {
                        let part = |row: &Row| row[h * head..(h + 1) * head].to_vec();
                        let (k, v): (Vec<Row>, Vec<Row>) = (k.iter().map(part).collect(), v.iter().map(part).collect());
                        let (k, v): (Vec<&[f64]>, Vec<&[f64]>) =
                            (k.iter().map(Vec::as_slice).collect(), v.iter().map(Vec::as_slice).collect());
                        attend(&q[h * head..(h + 1) * head], &k, &v)
                    })
                    .collect();
                let x = add(x, &linear(weights, &name("attention.output.dense"), &attended));
                let x = layer_norm(weights, &name("attention.output.LayerNorm"), &x);
                let up: Row = linear(weights, &name("intermediate.dense"), &x).into_iter().map(gelu).collect();
                let x = add(&x, &linear(weights, &name("output.dense"), &up));
                layer_norm(weights, &name("output.LayerNorm"), &x)
            })
            .collect();
    }
    let mean: Row =
        (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).collect();
    let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
    mean.iter().map(|x| x / length).collect()
}

fn rms_norm(weights: &Weights, name: &str, x: &[f64]) -> Row {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = tensor(weights, &format!("{name}.weight"));
    x.iter().zip(scale).map(|(x, s)| x / (mean + f64::from(1e-5f32)).sqrt() * f64::from(*s)).collect()
}

fn turned(x: &[f64], position: usize, head: usize) -> Row {
    let mut out = x.to_vec();
    for start in (0..x.len()).step_by(head) {
        for i in 0..head / 2 {
            let frequency = 1.0 / 10_000f64.powf(2.0 * i as f64 / head as f64);
            let (sine, cosine) = (position as f64 * frequency).sin_cos();
            let (a, b) = (x[start + i], x[start + i + head / 2]);
            out[start + i] = a * cosine - b * sine;
            out[start + i + head / 2] = b * cosine + a * sine;
        }
    }
    out
}

/// Logits of the token that follows.
pub fn logits(folder: &Folder, tokens: &[u32]) -> Row {
    let weights = &folder.weights;
    let number = |key: &str| folder.config[key].as_u64().unwrap() as usize;
    let (heads, key_heads, head) = (number("num_attention_heads"), number("num_key_value_heads"), number("head_dim"));
    let mut rows: Vec<Row> = tokens.iter().map(|token| row(weights, "model.embed_tokens.weight", *token)).collect();
    for layer in 0..number("num_hidden_layers") {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let normed: Vec<Row> = rows.iter().map(|x| rms_norm(weights, &name("input_layernorm"), x)).collect();
        let project = |part: &str| -> Vec<Row> {
            normed.iter().map(|x| linear(weights, &name(&format!("self_attn.{part}_proj")), x)).collect()
        };
        let turn = |rows: Vec<Row>| -> Vec<Row> {
            rows.iter().enumerate().map(|(position, x)| turned(x, position, head)).collect()
        };
        let (q, k, v) = (turn(project("q")), turn(project("k")), project("v"));
        rows = rows
            .iter()
            .enumerate()
            .map(|(position, x)| {
                let attended: Row = (0..heads)
                    .flat_map(|h| {
                        let of = h / (heads / key_heads) * head;
                        let seen = |rows: &'_ [Row]| -> Vec<Row> {
                            rows[..=position].iter().map(|row| row[of..of + head].to_vec()).collect()
                        };
                        let (k, v) = (seen(&k), seen(&v));
                        let (k, v): (Vec<&[f64]>, Vec<&[f64]>) =
                            (k.iter().map(Vec::as_slice).collect(), v.iter().map(Vec::as_slice).collect());
                        attend(&q[position][h * head..(h + 1) * head], &k, &v)
                    })
                    .collect();
                let x = add(x, &linear(weights, &name("self_attn.o_proj"), &attended));
                let normed = rms_norm(weights, &name("post_attention_layernorm"), &x);
                let gates = linear(weights, &name("mlp.gate_proj"), &normed);
                let ups = linear(weights, &name("mlp.up_proj"), &normed);
                let between: Row = gates.iter().zip(&ups).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                add(&x, &linear(weights, &name("mlp.down_proj"), &between))
            })
            .collect();
    }
    linear(weights, "lm_head", &rms_norm(weights, "model.norm", &rows[rows.len() - 1]))
}

/// The largest difference, as a part of the largest value.
pub fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let most = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs() / most).fold(0.0, f64::max)
}
