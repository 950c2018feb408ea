//! Rounds of small models: bits, resuming, what strangers may send.

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::{ADAMW, CNN, DECODER, Folder, MLP, SGD, SMALL_CODE, bits, floats, plan, round, run, words};
use tessera_executor::Checks;
use tessera_train::{TrainError, Training};

/// Every job of a round, of every model: operation by operation with all checks, and as compiled code.
#[test]
fn bits_are_those_of_the_interpreter() {
    let folder = Folder::new();
    let robust = |rule: &str| SMALL_CODE.replace("rate = 0.7", &format!("rule = \"{rule}\", cut = 1, rate = 0.7"));
    let plans = [
        plan(MLP, SGD, ""),
        plan(MLP, ADAMW, &robust("norm-bound")),
        plan(MLP, SGD, &robust("agreement")),
        plan(MLP, SGD, &robust("standing")),
        plan(CNN, SGD, &robust("trimmed-mean")),
        plan(&CNN.replace("[4, 4]", "[4, 8]").replace("max", "average"), ADAMW, &robust("centered-clip")),
        plan(DECODER, ADAMW, SMALL_CODE),
        plan(DECODER, SGD, "rotation = 7\ngather = 2\nupdates = { bits = 1 }\nchanges = { bits = 3, density = 0.2 }\n"),
    ];
    for text in plans {
        let mut trainings = [folder.training(&text), folder.training(&text)];
        for _ in 0..2 {
            let [checked, compiled] = &mut trainings;
            let progress = round(checked, |_| (), Checks::ALL);
            assert_eq!(progress, round(compiled, |_| (), Checks::NONE), "{text}");
            assert_eq!(bits(checked.weights()), bits(compiled.weights()), "{text}");
        }
        let [checked, compiled] = &mut trainings;
        let (one, two) = (checked.evaluation().unwrap().unwrap(), compiled.evaluation().unwrap().unwrap());
        let outputs = run(&one, Checks::ALL);
        assert_eq!(outputs, run(&two, Checks::NONE), "{text}");
        assert!(checked.weights().iter().all(|weight| weight.is_finite()));
        let trial = checked.evaluated(&outputs).unwrap();
        assert!(trial.loss > 0.0 && trial.count > 0 && (0.0..=1.0).contains(&trial.accuracy), "{trial:?}");
    }
}

/// A trial does not depend on how it is cut into units; losses are sums in one order within a unit only, so they may differ in their
/// last bits.
#[test]
fn trials_do_not_depend_on_their_batch() {
    let folder = Folder::new();
    for model in [MLP, DECODER] {
        let text = plan(model, SGD, "");
        let trials = [1, 3, 7, 500].map(|batch| {
            let text = text.replace("batch = 7", &format!("batch = {batch}"));
            let mut training = folder.training(&text);
            let outputs = run(&training.trial().unwrap().unwrap(), Checks::NONE);
            training.evaluated(&outputs).unwrap()
        });
        for trial in &trials[1..] {
            assert_eq!((trial.accuracy, trial.count), (trials[0].accuracy, trials[0].count));
            assert!((trial.loss - trials[0].loss).abs() < 1e-6, "{trials:?}");
        }
    }
}

/// A dense copy of the weights now and then, or changes put together, alter nothing: what the kernels decode is what the host decodes.
#[test]
fn bases_and_runs_of_changes_alter_no_bit() {
    let folder = Folder::new();
    for changes in ["bits = 2, block = 64", "density = 0.2, bits = 3, block = 128", "bits = 32"] {
        let trained = |every: u32, gather: u32| {
            let more = format!("rotation = 3\nbase_every = {every}\ngather = {gather}\nchanges = {{ {changes} }}\n");
            let mut training = folder.training(&plan(MLP, SGD, &more));
            let traffic: Vec<_> = (0..6).map(|_| round(&mut training, |_| (), Checks::NONE).traffic).collect();
            (bits(training.weights()), traffic)
        };
        let ((weights, sent), (same, bases), (alike, runs)) = (trained(200, 0), trained(1, 0), trained(200, 2));
        assert_eq!((&weights, &weights), (&same, &alike), "{changes}");
        assert_eq!(bases[0].down * 2, bases[0].dense);
        let down: Vec<u64> = sent.iter().map(|traffic| traffic.down).collect();
        let one = down[0];
        assert!(down.iter().all(|down| *down == one) && one < bases[0].down && bases[5].down == one);
        // What is put together is fetched anew; where that would be as long as a dense copy there is one.
        let expected = [1, 2, 1, 4, 1, 2].map(|count| if count < 3 { count * one } else { bases[0].down });
        let down: Vec<u64> = runs.iter().map(|traffic| traffic.down).collect();
        if changes.contains("32") {
            assert_eq!(down, expected);
        } else {
            assert_eq!(down, [1, 2, 1, 4, 1, 2].map(|count| count * one));
            assert!(runs[5].specification < sent[5].specification && runs[0].specification == sent[0].specification);
        }
    }
}

/// What the plan of docs/training.md sends: less than a hundredth of a dense one. Where changes are put together specifications stay
/// short, and all is less.
#[test]
fn a_rotating_plan_sends_a_hundredth() {
    let folder = Folder::new();
    let plan = include_str!("../examples/decoder-rotating.toml");
    // Bytes sent and got, of a dense plan, of all specifications, of the longest one beyond the first.
    let bytes_of = |text: &str| {
        let mut training = folder.training(text);
        let (mut sent, mut dense, mut specifications) = (0, 0, vec![]);
        while training.round() < training.rounds() {
            let steps = training.steps().unwrap().spec;
            let update = Bytes::from(vec![0; steps.output_len() as usize]);
            let aggregation = training.aggregation(&vec![Some(update); 8]).unwrap().spec;
            // Lengths do not depend on what is computed.
            let change = vec![0; aggregation.output_len() as usize];
            let traffic = training.advance(&change, 8).unwrap().traffic;
            let expected = (steps.output_len(), steps.encode().unwrap().len() as u64);
            assert_eq!((traffic.up, traffic.specification), expected);
            sent += traffic.up + traffic.down;
            dense += traffic.dense;
            specifications.push(traffic.specification);
        }
        let growth = specifications.iter().max().map_or(0, |longest| longest - specifications[0]);
        [sent, dense, specifications.iter().sum(), growth]
    };
    let [sent, dense, specifications, growth] = bytes_of(plan);
    assert!(100 * sent <= dense, "{sent} bytes of {dense}");
    let [more, _, shorter, bounded] = bytes_of(&plan.replace("gather = 0", "gather = 16"));
    assert!(sent < more && sent + specifications > more + shorter, "{sent} {specifications} {more} {shorter}");
    assert!(bounded <= 18 * 200 && growth > 2 * bounded, "{growth} {bounded}");
}

#[test]
fn a_resumed_training_has_the_same_bits() {
    let folder = Folder::new();
    let text = plan(MLP, ADAMW, &format!("rotation = 2\nbase_every = 2\n{SMALL_CODE}"));
    let mut whole = folder.training(&text);
    for _ in 0..3 {
        round(&mut whole, |_| (), Checks::NONE);
    }
    let home = folder.path("saved");
    folder.training(&text).save(&home).unwrap();
    for done in 0..3 {
        let mut training = Training::resume(folder.plan(&text), &home).unwrap();
        assert_eq!(training.round(), done);
        round(&mut training, |_| (), Checks::NONE);
        training.save(&home).unwrap();
    }
    let resumed = Training::resume(folder.plan(&text), &home).unwrap();
    assert_eq!(bits(resumed.weights()), bits(whole.weights()));
    assert_eq!(resumed.history(), whole.history());
    // What a crash leaves behind is no obstacle, and goes.
    std::fs::write(home.join("blobs/half"), "").unwrap();
    resumed.save(&home).unwrap();
    assert!(!home.join("blobs/half").exists());

    let other = folder.plan(&text.replace("seed = 5", "seed = 6"));
    assert!(Training::resume(other, &home).unwrap_err().to_string().contains("another plan"));
    let blob = std::fs::read_dir(home.join("blobs")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&blob, "damaged").unwrap();
    let error = Training::resume(folder.plan(&text), &home).unwrap_err().to_string();
    assert!(error.contains("not what its name says"), "{error}");
}

#[test]
fn shards_that_do_not_answer_count_nothing() {
    let folder = Folder::new();
    let text = plan(MLP, SGD, "");
    let mut training = folder.training(&text);
    let progress = round(&mut training, |updates| updates[1] = None, Checks::NONE);
    assert_eq!(progress.updates, 2);
    // The mean of the other two, by their number of samples.
    let updates = run(&folder.training(&text).steps().unwrap(), Checks::NONE);
    let start = folder.training(&text);
    for (i, weight) in training.weights().iter().enumerate() {
        let mean = (floats(&updates[0])[4 + i] * 24.0 + floats(&updates[2])[4 + i] * 24.0) / 48.0;
        assert!((start.weights()[i] + mean - weight).abs() < 1e-6, "{i}");
    }
    assert!(matches!(training.aggregation(&[None, None, None]), Err(TrainError::Output(_))));
    assert!(training.aggregation(&[None, None]).is_err());
    assert!(training.aggregation(&[None, None, Some(Bytes::from_static(b"short"))]).is_err());
    assert!(training.advance(&[0; 5], 1).is_err());
}

/// What is left of the updates after their compression is what they sent.
#[test]
fn the_largest_values_are_sent() {
    let folder = Folder::new();
    let dense = run(&folder.training(&plan(MLP, SGD, "")).steps().unwrap(), Checks::NONE);
    let code = "updates = { density = 0.1, bits = 8, block = 256 }\n";
    let mut training = folder.training(&plan(MLP, SGD, code));
    let start = training.weights().to_vec();
    round(&mut training, |updates| (updates[1], updates[2]) = (None, None), Checks::NONE);
    let update = &floats(&dense[0])[4..];
    for ((update, start), weights) in update.chunks(256).zip(start.chunks(256)).zip(training.weights().chunks(256)) {
        let sent: Vec<f32> = weights.iter().zip(start).map(|(weight, start)| weight - start).collect();
        let mut order: Vec<usize> = (0..update.len()).collect();
        order.sort_by(|a, b| update[*b].abs().total_cmp(&update[*a].abs()));
        let most = order.iter().take(26.min(update.len())).copied().collect::<Vec<_>>();
        let step = update[order[0]].abs() / 128.0 * 1.01;
        for (i, sent) in sent.iter().enumerate() {
            if most.contains(&i) {
                assert!((sent - update[i]).abs() <= 2.0 * step, "{i}: {sent}, {}", update[i]);
            } else {
                assert_eq!(*sent, 0.0, "{i}");
            }
        }
    }
}

/// Private steps: masked whole numbers, whose sum without the masks is the sum of the clipped updates.
#[test]
fn masked_updates_add_up() {
    let folder = Folder::new();
    let text = plan(MLP, SGD, "private = { clip = 0.1, steps = 65536.0 }\n");
    let mut training = folder.training(&text);
    let dense = run(&training.steps().unwrap(), Checks::NONE);
    let count = training.private_words();
    let mut sum = vec![0u32; count];
    let mut expected = vec![0.0f64; count];
    for shard in 0..3 {
        let data = training.shard_data(shard, 77 + shard as u64).unwrap();
        let mask: Vec<u32> = (0..count as u32).map(|i| (i + shard as u32).wrapping_mul(2_654_435_761)).collect();
        let mask_bytes: Bytes = mask.iter().flat_map(|word| word.to_le_bytes()).collect();
        let of = |bytes: &Bytes| tessera_protocol::cid::Cid::of(bytes);
        let job = training.private_steps((of(&data), data.len() as u64), of(&mask_bytes)).unwrap();
        let inputs = support::with_own(&job, &data, &mask_bytes);
        assert_eq!(job.spec.units, 1);
        let output = support::run_with(&job, &inputs, Checks::NONE);
        assert_eq!(output, support::run_with(&job, &inputs, Checks::ALL));
        for ((sum, word), mask) in sum.iter_mut().zip(words(&output[0])).zip(&mask) {
            *sum = sum.wrapping_add(word.wrapping_sub(*mask));
        }
        // Unit 0 of the private job draws what unit 0 of the public one does: only shard 0 has the same update.
        if shard == 0 {
            let update = &floats(&dense[0])[4..];
            let length = update.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            assert!(length > 0.1, "{length}: not clipped");
            for (i, value) in update.iter().enumerate() {
                expected[i] = f64::from(*value) * 0.1 / length * 65536.0;
                let found = f64::from(words(&output[0])[i].wrapping_sub(mask[i]).cast_signed());
                assert!((found - expected[i]).abs() < 1.01, "{i}: {found}, {}", expected[i]);
            }
        }
    }
    let start = training.weights().to_vec();
    let change = run(&training.private_aggregation(&sum, 3).unwrap(), Checks::ALL);
    training.advance(&change[0], 3).unwrap();
    for (i, weight) in training.weights().iter().enumerate() {
        let mean = sum[i].cast_signed() as f32 / (3.0 * 65536.0);
        assert!((weight - start[i] - mean).abs() < 1e-6);
    }
    assert!(training.private_aggregation(&sum[1..], 3).is_err());
    assert!(training.private_aggregation(&sum, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever bytes an update has, the aggregation comes to an end, and the weights stay finite and bounded.
    #[test]
    fn damaged_updates_do_no_harm(seed in any::<u64>(), part in 0.0f64..1.0, rule in 0usize..6, code in 0usize..3) {
        let folder = Folder::new();
        let rule = ["mean", "norm-bound", "trimmed-mean", "centered-clip", "agreement", "standing"][rule];
        let code = ["", "updates = { density = 0.1, bits = 3, block = 256 }\n", "updates = { bits = 3 }\n"][code];
        let text = plan("{ kind = \"mlp\", hidden = [8] }", SGD, &format!("{code}aggregation = {{ rule = \"{rule}\", cut = 1 }}\n"));
        let mut training = folder.training(&text);
        let mut state = seed | 1;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let len = training.steps().unwrap().spec.output_len() as usize;
        let updates: Vec<Option<Bytes>> = (0..3)
            .map(|_| Some((0..len).map(|_| if f64::from(byte()) < 256.0 * part { byte() } else { 0 }).collect()))
            .collect();
        let job = training.aggregation(&updates).unwrap();
        let outputs = run(&job, Checks::NONE);
        prop_assert_eq!(&outputs, &run(&job, Checks::ALL));
        let progress = training.advance(&outputs[0], 3).unwrap();
        prop_assert!(progress.loss.is_some_and(f32::is_finite));
        prop_assert!(training.weights().iter().all(|weight| weight.abs() <= 70_000.0));
    }
}
