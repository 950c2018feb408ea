//! Small models through the interpreter with all checks, as compiled code, in batches of different sizes, and against double
//! precision.

mod support;

use safetensors::Dtype;
use support::{
    Folder, TEXTS, bits, decoder, encoder,
    reference::{self, error},
    run, the_same, tokens,
};
use tessera_executor::Checks;
use tessera_nn::{Answer, Answers, Embedding, Generation, Logits, Model, Precision, PreparedJob, Sampling, Vectors};
use tessera_protocol::cid::Cid;

fn vectors(mut merge: Vectors, outputs: &[Vec<u8>]) -> Vec<Vec<f32>> {
    for (unit, output) in outputs.iter().enumerate().rev() {
        assert_eq!(merge.unit(unit as u64), None);
        assert!(merge.add(unit as u64, output).unwrap());
        assert!(!merge.add(unit as u64, output).unwrap());
    }
    let rows = merge.rows().unwrap();
    let units: Vec<Vec<f32>> = (0..outputs.len() as u64).flat_map(|unit| merge.unit(unit).unwrap()).collect();
    assert_eq!(bits(&units), bits(&rows), "unit by unit");
    rows
}

fn embed(model: &Model, texts: &[&str], batch: usize, checks: Checks) -> Vec<Vec<f32>> {
    let job = Embedding::job(model, texts, batch).unwrap();
    vectors(Vectors::new(&job.spec).unwrap(), &run(&job, checks))
}

fn logits(model: &Model, texts: &[&str], batch: usize, checks: Checks) -> Vec<Vec<f32>> {
    let job = Logits::job(model, texts, batch).unwrap();
    vectors(Logits::merge(&job.spec).unwrap(), &run(&job, checks))
}

fn merged(job: &PreparedJob, checks: Checks) -> Vec<Answer> {
    let mut answers = Answers::new(&job.spec).unwrap();
    let mut units = vec![];
    for (unit, output) in run(job, checks).iter().enumerate() {
        assert_eq!(answers.unit(unit as u64).unwrap(), None);
        answers.add(unit as u64, output).unwrap();
        units.extend(answers.unit(unit as u64).unwrap().unwrap());
    }
    let all = answers.answers().unwrap();
    assert_eq!(units, all, "unit by unit");
    all
}

fn generate(model: &Model, prompts: &[&str], batch: usize, most: u32, sampling: &Sampling) -> Vec<Answer> {
    merged(&Generation::job(model, prompts, batch, most, sampling).unwrap(), Checks::NONE)
}

#[test]
fn embeddings_are_exact_and_right() {
    let folder = encoder();
    let model = folder.load(Precision::F32);
    let rows = the_same(|texts, batch, checks| embed(&model, texts, batch, checks));
    for (text, row) in TEXTS.iter().zip(&rows) {
        let expected = reference::embedding(&folder, &tokens(&text.to_lowercase(), &[1], &[2]));
        let error = error(row, &expected);
        assert!(error < 1e-5, "{text}: {error:e}");
    }
}

#[test]
fn pooling_is_what_the_folder_says() {
    let folder = encoder();
    let mean = embed(&folder.load(Precision::F32), &TEXTS, 3, Checks::NONE);
    folder.write("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#);
    let first = embed(&folder.load(Precision::F32), &TEXTS, 3, Checks::ALL);
    assert!(bits(&first).iter().zip(bits(&mean)).all(|(a, b)| *a != b));
    let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!(first.iter().all(|row| (length(row) - 1.0).abs() < 1e-6));
    folder.write(
        "modules.json",
        r#"[{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}]"#,
    );
    let long = embed(&folder.load(Precision::F32), &TEXTS, 3, Checks::NONE);
    for (long, unit) in long.iter().zip(&first) {
        assert!((length(long) - 1.0).abs() > 1e-3);
        assert!(long.iter().zip(unit).all(|(a, b)| (a / length(long) - b).abs() < 1e-6));
    }
}

#[test]
fn logits_are_exact_and_right() {
    let folder = decoder();
    let model = folder.load(Precision::F32);
    let rows = the_same(|texts, batch, checks| logits(&model, texts, batch, checks));
    for (text, row) in TEXTS.iter().zip(&rows) {
        let expected = reference::logits(&folder, &tokens(&text.to_lowercase(), &[1], &[]));
        let error = error(row, &expected);
        assert!(error < 1e-5, "{text}: {error:e}");
    }
}

/// Token by token with the cache, as the reference does it without.
#[test]
fn greedy_answers_are_those_of_the_reference() {
    let folder = decoder();
    let model = folder.load(Precision::F32);
    let greedy = Sampling::default();
    let answers = generate(&model, &TEXTS, 3, 12, &greedy);
    for (text, answer) in TEXTS.iter().zip(&answers) {
        let mut seen = tokens(&text.to_lowercase(), &[1], &[]);
        let mut expected = vec![];
        let mut ended = false;
        while expected.len() < 12 && !ended {
            let logits = reference::logits(&folder, &seen);
            let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) as u32;
            ended = best == 2;
            seen.push(best);
            expected.extend(Some(best).filter(|_| !ended));
        }
        assert_eq!(*answer, Answer { tokens: expected, ended }, "{text}");
    }
    for batch in [1, 7] {
        assert_eq!(generate(&model, &TEXTS, batch, 12, &greedy), answers, "batch {batch}");
    }
    let job = Generation::job(&model, &TEXTS, 4, 5, &greedy).unwrap();
    assert_eq!(run(&job, Checks::ALL), run(&job, Checks::NONE));
}

/// An answer that goes on from half of itself is the same: rows of the prompt and rows of the answer round alike.
#[test]
fn answers_go_on_from_any_place() {
    let model = decoder().load(Precision::F32);
    let whole = generate(&model, &["the cat"], 1, 10, &Sampling::default());
    let known: Vec<u32> = whole[0].tokens.iter().copied().take_while(|token| *token > 2).collect();
    assert!(known.len() >= 4, "{:?}", whole[0]);
    for cut in 1..known.len().min(6) {
        let prompt = format!("the cat {}", model.text(&known[..cut]).unwrap());
        let rest = generate(&model, &[&prompt], 1, 10 - cut as u32, &Sampling::default());
        assert_eq!(rest[0].tokens, whole[0].tokens[cut..]);
    }
}

#[test]
fn ends_end_answers() {
    let mut folder = decoder();
    let free = generate(&folder.load(Precision::F32), &TEXTS, 3, 12, &Sampling::default());
    // What the first answer has in fourth place ends answers now.
    let end = free[0].tokens[3];
    folder.config["eos_token_id"] = serde_json::json!([2, end]);
    folder.store(Dtype::F32);
    for batch in [1, 3, 7] {
        let ended = generate(&folder.load(Precision::F32), &TEXTS, batch, 12, &Sampling::default());
        for (answer, free) in ended.iter().zip(&free) {
            let kept: Vec<u32> = free.tokens.iter().copied().take_while(|token| *token != end).collect();
            let expected = Answer { ended: free.ended || kept.len() < free.tokens.len(), tokens: kept };
            assert_eq!(*answer, expected, "batch {batch}");
        }
        assert!(ended[0].ended && ended[0].tokens.len() <= 3);
    }
}

#[test]
fn draws_depend_on_seed_and_prompt_alone() {
    let model = decoder().load(Precision::F32);
    let sampling = Sampling { temperature: 1.5, top_k: 9, top_p: 0.9, seed: 7 };
    let answers = generate(&model, &TEXTS, 1, 8, &sampling);
    for batch in [3, 7] {
        assert_eq!(generate(&model, &TEXTS, batch, 8, &sampling), answers, "batch {batch}");
    }
    let other = Sampling { seed: 8, ..sampling.clone() };
    assert_ne!(generate(&model, &TEXTS, 3, 8, &other), answers);
    let job = Generation::job(&model, &TEXTS[..3], 2, 4, &sampling).unwrap();
    assert_eq!(run(&job, Checks::ALL), run(&job, Checks::NONE));
    // One candidate is the most likely one, whichever way it is left over.
    let greedy = generate(&model, &TEXTS, 3, 8, &Sampling::default());
    for single in [Sampling { top_k: 1, ..sampling.clone() }, Sampling { top_k: 0, top_p: 1e-9, ..sampling.clone() }] {
        assert_eq!(generate(&model, &TEXTS, 3, 8, &single), greedy);
    }
}

/// Frequencies of what is drawn first are the probabilities, cut to the most likely tokens.
#[test]
fn draws_have_the_right_probabilities() {
    let folder = decoder();
    let model = folder.load(Precision::F32);
    let count = 3000;
    let prompts = vec!["the cat sees"; count];
    let logits = reference::logits(&folder, &tokens("the cat sees", &[1], &[]));
    let temperature = 2.0f64;
    let most = logits.iter().copied().fold(f64::MIN, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| ((l - most) / temperature).exp()).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    let nucleus = |part: f64, of: &[usize]| -> Vec<usize> {
        let total: f64 = of.iter().map(|i| weights[*i]).sum();
        let mut sum = 0.0;
        of.iter()
            .copied()
            .take_while(|i| {
                let more = sum < part * total;
                sum += weights[*i];
                more
            })
            .collect()
    };
    for (top_k, top_p, kept) in [
        (0, 1.0, order.clone()),
        (5, 1.0, order[..5].to_vec()),
        (0, 0.6, nucleus(0.6, &order)),
        (8, 0.7, nucleus(0.7, &order[..8])),
    ] {
        let sampling = Sampling { temperature: temperature as f32, top_k, top_p, seed: 3 };
        let answers = generate(&model, &prompts, 1000, 1, &sampling);
        let mut found = vec![0u32; weights.len()];
        for answer in &answers {
            // An end is drawn too; it is not among the tokens.
            found[answer.tokens.first().map_or(2, |token| *token as usize)] += 1;
        }
        let total: f64 = kept.iter().map(|i| weights[*i]).sum();
        for (token, found) in found.into_iter().enumerate() {
            let p = if kept.contains(&token) { weights[token] / total } else { 0.0 };
            let (mean, deviation) = (p * count as f64, (count as f64 * p * (1.0 - p)).sqrt());
            let off = (f64::from(found) - mean).abs();
            assert!(off <= 5.0 * deviation, "top_k {top_k}, top_p {top_p}: token {token}: {found}, expected {mean}");
        }
    }
}

#[test]
fn bytes_are_exact_and_near() {
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let folder = encoder();
    let exact = embed(&folder.load(Precision::F32), &TEXTS, 3, Checks::NONE);
    let model = folder.load(Precision::Int8);
    let rows = the_same(|texts, batch, checks| embed(&model, texts, batch, checks));
    for (row, exact) in rows.iter().zip(&exact) {
        let cosine = cosine(row, exact);
        assert!(cosine > 0.999 && row != exact, "{cosine}");
    }
    let plain = folder.load(Precision::Int8).without_tensor_cores();
    let job = Embedding::job(&plain, &TEXTS, 7).unwrap();
    assert!(!job.spec.plan.launches.iter().any(|launch| launch.kernel == "multiply_bytes"));
    assert_eq!(bits(&embed(&plain, &TEXTS, 7, Checks::NONE)), bits(&rows), "without tensor cores");
    let folder = decoder();
    let exact = logits(&folder.load(Precision::F32), &TEXTS, 3, Checks::NONE);
    let model = folder.load(Precision::Int8);
    let rows = the_same(|texts, batch, checks| logits(&model, texts, batch, checks));
    for (row, exact) in rows.iter().zip(&exact) {
        let cosine = cosine(row, exact);
        assert!(cosine > 0.99 && row != exact, "{cosine}");
    }
    let answers = generate(&model, &TEXTS, 1, 8, &Sampling::default());
    assert_eq!(generate(&model, &TEXTS, 7, 8, &Sampling::default()), answers);
    let job = Generation::job(&model, &TEXTS, 4, 3, &Sampling::default()).unwrap();
    assert_eq!(run(&job, Checks::ALL), run(&job, Checks::NONE));
}

/// Products in fixed point are those of floats but for the last rounding: with tensor cores and without, for few rows and for many.
#[test]
fn fixed_point_is_exact_and_right() {
    let close = |found: &[Vec<f32>], expected: &[Vec<f64>]| {
        for ((found, expected), text) in found.iter().zip(expected).zip(TEXTS) {
            let error = error(found, expected);
            assert!(error < 2e-6, "{text}: {error:e}");
        }
    };
    let folder = encoder();
    let model = folder.load(Precision::FixedPoint);
    let rows = embed(&model, &TEXTS, 7, Checks::NONE);
    assert_eq!(bits(&embed(&model, &TEXTS, 1, Checks::NONE)), bits(&rows), "one by one");
    close(&rows, &TEXTS.map(|text| reference::embedding(&folder, &tokens(&text.to_lowercase(), &[1], &[2]))));
    let plain = folder.load(Precision::FixedPoint).without_tensor_cores();
    let kernels = |model: &Model| {
        let job = Embedding::job(model, &TEXTS, 7).unwrap();
        job.spec.plan.launches.iter().any(|launch| launch.kernel == "multiply_residues")
    };
    assert!(kernels(&model) && !kernels(&plain));
    assert_eq!(bits(&embed(&plain, &TEXTS, 7, Checks::NONE)), bits(&rows), "without tensor cores");
    let folder = decoder();
    let model = folder.load(Precision::FixedPoint);
    let rows = the_same(|texts, batch, checks| logits(&model, texts, batch, checks));
    close(&rows, &TEXTS.map(|text| reference::logits(&folder, &tokens(&text.to_lowercase(), &[1], &[]))));
    let greedy = |model: &Model, batch| generate(model, &TEXTS, batch, 12, &Sampling::default());
    let answers = greedy(&model, 7);
    assert_eq!(greedy(&folder.load(Precision::F32), 7), answers, "floats");
    assert_eq!(greedy(&model, 1), answers, "one by one");
    assert_eq!(greedy(&model.without_tensor_cores(), 7), answers, "without tensor cores");
}

#[test]
fn models_say_what_they_take() {
    let encoder = encoder().load(Precision::F32);
    assert!(!encoder.generates() && encoder.context() == 20);
    assert_eq!(encoder.tokens("The cat").unwrap(), tokens("the cat", &[1], &[2]));
    let decoder = decoder().load(Precision::F32);
    assert!(decoder.generates() && decoder.context() == 64);
    assert_eq!(decoder.tokens("the cat").unwrap(), tokens("the cat", &[1], &[]));
    let error = decoder.tokens(&"cat ".repeat((1 << 18) + 1)).unwrap_err().to_string();
    assert!(error.starts_with("expected at most 1048576 bytes"), "{error}");
}

/// What 16 bits hold becomes the same floats, and the same blob; jobs of a model name the same weights.
#[test]
fn weights_are_one_blob() {
    let same = |folder: &Folder| {
        let cid = folder.load(Precision::F32).weights_cid();
        for dtype in [Dtype::F16, Dtype::BF16] {
            folder.store(dtype);
            assert_eq!(folder.load(Precision::F32).weights_cid(), cid, "{dtype:?}");
        }
        assert_ne!(folder.load(Precision::Int8).weights_cid(), cid);
        cid
    };
    same(&encoder());
    let folder = decoder();
    let cid = same(&folder);
    let model = folder.load(Precision::F32);
    let jobs = [
        Logits::job(&model, &TEXTS, 2).unwrap(),
        Generation::job(&model, &TEXTS[1..], 3, 4, &Sampling::default()).unwrap(),
    ];
    for job in jobs {
        assert_eq!((job.spec.inputs[0].name.as_str(), job.spec.inputs[0].cid), ("weights", cid));
        for (input, bytes) in job.spec.inputs.iter().zip(&job.blobs()[1..]) {
            assert_eq!((input.cid, input.len), (Cid::of(bytes), bytes.len() as u64));
        }
    }
}
