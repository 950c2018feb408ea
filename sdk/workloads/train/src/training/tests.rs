//! What needs to see inside a training: gradients, shapes of launches, starting weights.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use tessera_executor::{Backend, Program, open, outputs};
use tessera_front_end::Blob;

use super::Training;
use crate::{MODULE, Plan, PreparedJob, job::words, planner::Shape};

/// Two kinds of data, written once for each test.
fn training(model: &str, batch: u32, rate: f32) -> Training {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let samples: String = (0..40u32)
        .map(|i| {
            let values = (0..32u32).map(|k| format!("{},", ((i * 37 + k * 101) % 29) as f32 / 14.0 - 1.0));
            values.collect::<String>() + &format!("{}\n", i % 5)
        })
        .collect();
    std::fs::write(path("samples.csv"), samples).unwrap();
    std::fs::write(path("text.txt"), "a cat, a dog and the moon; ".repeat(30)).unwrap();
    let data = match model.contains("decoder") {
        true => "data = { kind = \"text\", files = [\"text.txt\"] }",
        false => "data = { kind = \"samples\", files = [\"samples.csv\"] }",
    };
    let optimiser = format!("{{ kind = \"sgd\", rate = {rate} }}");
    let plan = format!(
        "name = \"small\"\nrounds = 1\nmodel = {model}\n{data}\nshards = {{ count = 2 }}\n\
         steps = {{ count = 1, batch = {batch}, optimiser = {optimiser} }}"
    );
    std::fs::write(path("plan.toml"), plan).unwrap();
    Training::start(Plan::load(&path("plan.toml")).unwrap()).unwrap()
}

fn run(job: &PreparedJob) -> Vec<Vec<u32>> {
    let executor = open(Backend::Cpu).unwrap();
    let inputs = job.inputs().unwrap();
    let unit_time = Duration::from_secs(600);
    let program = Program { module: MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time };
    outputs(&*executor, 0, &program, 0..job.spec.units).unwrap().iter().map(|output| words(output)).collect()
}

fn bytes(weights: &[f32]) -> Bytes {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

const MODELS: [&str; 6] = [
    "{ kind = \"mlp\", hidden = [12, 7] }",
    "{ kind = \"mlp\", hidden = [8], activation = \"gelu\" }",
    "{ kind = \"cnn\", image = [4, 4], channels = [4, 5], pool = \"average\", activation = \"gelu\" }",
    "{ kind = \"cnn\", image = [4, 8], channels = [3, 4, 4] }",
    "{ kind = \"cnn\", image = [4, 4], channels = [] }",
    "{ kind = \"decoder\", width = 16, layers = 2, heads = 4, key_heads = 2, inner = 12, context = 9 }",
];

/// With one step of rate 1 an update is the gradient, negated. Along a direction within each tensor it is the slope of the loss.
#[test]
fn gradients_are_slopes_of_the_loss() {
    for model in MODELS {
        let mut training = training(model, 6, 1.0);
        let start = training.weights.clone();
        let gradient: Vec<f64> =
            run(&training.steps().unwrap())[0][4..].iter().map(|bits| -f64::from(f32::from_bits(*bits))).collect();
        let mut loss_at = |weights: Vec<f32>| {
            training.lineage.base = Some(Blob::of(&bytes(&weights)));
            f64::from(f32::from_bits(run(&training.steps().unwrap())[0][0]))
        };
        // Where slopes jump, a sample may lie between both places: then all parameters move together, so that one sample counts little.
        let smooth = ["gelu", "decoder", "[] }"].iter().any(|word| model.contains(word));
        let (most, tensors) = match smooth {
            true => (0.02, training_tensors(model)),
            false => (0.1, vec![("all".into(), 0, start.len())]),
        };
        for (name, first, len) in tensors {
            // Along the signs of the gradient, so that nothing cancels.
            let size = gradient[first..first + len].iter().map(|g| g.abs()).sum::<f64>();
            assert!(size > 1e-4, "{model} {name}: {size}");
            let reach = (3e-4 / size).min(1e-3);
            let moved = |by: f64| -> Vec<f32> {
                let mut weights = start.clone();
                for (weight, g) in weights[first..first + len].iter_mut().zip(&gradient[first..]) {
                    *weight += (by * g.signum() * f64::from(*g != 0.0)) as f32;
                }
                weights
            };
            let (ahead, behind) = (moved(reach), moved(-reach));
            let expected: f64 =
                (first..first + len).map(|i| gradient[i] * (f64::from(ahead[i]) - f64::from(behind[i]))).sum();
            let found = loss_at(ahead) - loss_at(behind);
            assert!((found / expected - 1.0).abs() < most, "{model} {name}: {found}, expected {expected}");
        }
    }
}

fn training_tensors(model: &str) -> Vec<(String, usize, usize)> {
    let training = training(model, 1, 1.0);
    let tensors = training.model.parameters.tensors.iter();
    tensors.map(|tensor| (tensor.name.clone(), tensor.first, tensor.len())).collect()
}

/// Products element by element and small blocks give the same bits as tiles.
#[test]
fn shapes_of_launches_change_no_bit() {
    for model in MODELS {
        for batch in [4, 7] {
            let mut training = training(model, batch, 0.1);
            let tiles = run(&training.steps().unwrap());
            training.shape = Shape::Small;
            assert_eq!(run(&training.steps().unwrap()), tiles, "{model}");
        }
    }
}

/// What the kernels draw is what the host draws; units and shards differ.
#[test]
fn starting_weights_are_drawn_alike() {
    for model in MODELS {
        let mut training = training(model, 4, 0.1);
        let drawn = run(&training.steps().unwrap());
        assert_ne!(drawn[0], drawn[1]);
        training.lineage.base = Some(Blob::of(&bytes(&training.weights)));
        assert_eq!(run(&training.steps().unwrap()), drawn, "{model}");
    }
}
