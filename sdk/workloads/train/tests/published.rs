//! Trained weights in published formats.

mod support;

use std::fs;

use safetensors::SafeTensors;
use support::{ADAMW, CNN, DECODER, Folder, MLP, SGD, plan, round, run};
use tessera_executor::{Backend, Checks, Program, open, outputs};
use tessera_nn::{Logits, Model, Precision};

/// A decoder as `tessera-nn` reads it gives each byte the probability that the trial gave it.
#[test]
fn decoders_are_those_that_inference_loads() {
    let folder = Folder::new();
    // What is held out is one text: 12 bytes, and those that follow each of them.
    let text = "the cat sees the dog and the red moon. ".repeat(120)[..4096].to_string();
    fs::write(folder.path("text.txt"), &text).unwrap();
    let held_out = 13.0 / 4096.0;
    let text_of_plan = plan(DECODER, ADAMW, "").replace("held_out = 0.2", &format!("held_out = {held_out}"));
    let mut training = folder.training(&text_of_plan);
    round(&mut training, |_| (), Checks::NONE);
    let trial = training.trial().unwrap().unwrap();
    let trial = training.evaluated(&run(&trial, Checks::NONE)).unwrap();
    assert_eq!(trial.count, 12);
    let home = folder.path("model");
    training.checkpoint(&home).unwrap();

    let model = Model::load(&home, Precision::F32).unwrap();
    let last = &text[4096 - 13..];
    let prefixes: Vec<&str> = (1..13).map(|len| &last[..len]).collect();
    let job = Logits::job(&model, &prefixes, 5).unwrap();
    let executor = open(Backend::Cpu).unwrap();
    let (inputs, unit_time) = (job.inputs().unwrap(), std::time::Duration::from_secs(600));
    let program = Program { module: tessera_nn::MODULE, plan: &job.spec.plan, inputs: &inputs, unit_gas: 0, unit_time };
    let mut merged = Logits::merge(&job.spec).unwrap();
    for (unit, output) in outputs(&*executor, 0, &program, 0..job.spec.units).unwrap().iter().enumerate() {
        merged.add(unit as u64, output).unwrap();
    }
    let loss = |(row, next): (&Vec<f32>, u8)| {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        sum.ln() - f64::from(row[usize::from(next)])
    };
    let rows = merged.rows().unwrap();
    let mean = rows.iter().zip(last.bytes().skip(1)).map(loss).sum::<f64>() / 12.0;
    assert!((mean - trial.loss).abs() < 1e-5, "{mean}, {}", trial.loss);
}

/// Names and shapes are those of PyTorch's `Sequential`.
#[test]
fn tensors_are_named_as_elsewhere() {
    let folder = Folder::new();
    let shapes = |model: &str| {
        let training = folder.training(&plan(model, SGD, ""));
        training.checkpoint(&folder.path("model")).unwrap();
        let bytes = fs::read(folder.path("model/model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut shapes: Vec<String> =
            file.tensors().iter().map(|(name, view)| format!("{name} {:?}", view.shape())).collect();
        shapes.sort_unstable();
        shapes
    };
    let mlp =
        ["0.bias [24]", "0.weight [24, 32]", "2.bias [10]", "2.weight [10, 24]", "4.bias [3]", "4.weight [3, 10]"];
    assert_eq!(shapes(MLP), mlp);
    // Convolution, activation, pool, convolution, activation, pool, flatten, linear: the images have 2 channels of 4 x 4 pixels.
    let cnn =
        ["0.bias [4]", "0.weight [4, 2, 3, 3]", "3.bias [6]", "3.weight [6, 4, 3, 3]", "7.bias [3]", "7.weight [3, 6]"];
    assert_eq!(shapes(CNN), cnn);
}
