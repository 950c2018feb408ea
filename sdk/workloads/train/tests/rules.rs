//! Rules against poison: what updates come to that are not what they should be.

mod support;

use bytes::Bytes;
use support::{Folder, MLP, SGD, floats, plan, round};
use tessera_executor::Checks;
use tessera_train::Training;

/// A scaled update moves a mean, and hardly a robust one.
#[test]
fn robust_rules_bound_what_one_update_does() {
    let folder = Folder::new();
    let moved = |rule: &str, poison: f32| {
        let mut training =
            folder.training(&plan(MLP, SGD, &format!("aggregation = {{ rule = \"{rule}\", cut = 1 }}\n")));
        let start = training.weights().to_vec();
        let tamper = |updates: &mut Vec<Option<Bytes>>| {
            let values: Vec<f32> = floats(updates[1].as_ref().unwrap()).iter().map(|value| value * poison).collect();
            updates[1] = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        };
        round(&mut training, tamper, Checks::NONE);
        training.weights().iter().zip(&start).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    assert!(moved("mean", -1000.0) > 100.0 * moved("mean", 1.0));
    for rule in ["norm-bound", "trimmed-mean", "centered-clip", "agreement", "standing"] {
        assert!(moved(rule, -1000.0) < 2.0 * moved("mean", 1.0), "{rule}");
    }
}

/// Under `agreement` an update that points away from the others counts nothing: the change is the one without it.
#[test]
fn who_points_away_is_left_out() {
    let folder = Folder::new();
    let moved = |rule: &str, tamper: &dyn Fn(&mut Vec<Option<Bytes>>)| -> Vec<f32> {
        let rule = format!("aggregation = {{ rule = \"{rule}\", factor = 1000.0, iterations = 50 }}\n");
        let mut training = folder.training(&plan(MLP, SGD, &rule).replace("count = 3 }\n", "count = 5 }\n"));
        let start = training.weights().to_vec();
        round(&mut training, tamper, Checks::NONE);
        training.weights().iter().zip(&start).map(|(weight, start)| weight - start).collect()
    };
    let turned = |updates: &mut Vec<Option<Bytes>>| {
        let values = floats(updates[1].as_ref().unwrap());
        updates[1] = Some(values.iter().flat_map(|value| (-value).to_le_bytes()).collect());
    };
    let absent = |updates: &mut Vec<Option<Bytes>>| updates[1] = None;
    let length = |of: &[f32]| of.iter().map(|value| value.powi(2)).sum::<f32>().sqrt();
    let apart = |rule: &str| {
        let (lied, without) = (moved(rule, &turned), moved(rule, &absent));
        length(&lied.iter().zip(&without).map(|(a, b)| a - b).collect::<Vec<_>>()) / length(&without)
    };
    assert!(apart("agreement") < 1e-4, "{}", apart("agreement"));
    assert!(apart("mean") > 0.1, "{}", apart("mean"));
}

/// What `standing` makes of known updates over some rounds, one of which comes later and two of which are now true, now turned, by its
/// definition in floats of 64 bits.
#[test]
fn standing_leaves_out_who_pointed_elsewhere() {
    const ITERATIONS: u32 = 2;
    let folder = Folder::new();
    let home = folder.path("saved");
    let rule = format!("aggregation = {{ rule = \"standing\", factor = 2.0, iterations = {ITERATIONS} }}\n");
    let text = plan(MLP, SGD, &rule).replace("count = 3 }\n", "count = 5 }\n");
    let mut training = folder.training(&text);
    let (mut standings, mut left_out) = ([0.0f64; 5], vec![]);
    for now in 0..9u32 {
        let sign = if now % 3 == 2 { -1.0 } else { 1.0 };
        let given = [[1.0f32, 0.0], [0.8, 0.9], [0.7 * sign, -0.1], [-sign, 0.2], [3.0, 1.0]];
        let present: Vec<usize> = (0..5).filter(|shard| now > 3 || *shard != 1).collect();
        let start = training.weights().to_vec();
        let tamper = |updates: &mut Vec<Option<Bytes>>| {
            for (shard, (update, values)) in updates.iter_mut().zip(given).enumerate() {
                let len = update.as_ref().unwrap().len() / 4;
                let words = (0..len).map(|i| i.checked_sub(4).and_then(|i| values.get(i)).copied().unwrap_or(0.0));
                *update = present.contains(&shard).then(|| words.flat_map(f32::to_le_bytes).collect());
            }
        };
        round(&mut training, tamper, Checks::ALL);

        let length = |[x, y]: [f64; 2]| x.hypot(y);
        let updates: Vec<[f64; 2]> = present.iter().map(|shard| given[*shard].map(f64::from)).collect();
        let mut lengths: Vec<f64> = updates.iter().copied().map(length).collect();
        lengths.sort_by(f64::total_cmp);
        let most = 2.0 * lengths[(lengths.len() - 1) / 2];
        let parts = |weights: &[f64]| -> Vec<[f64; 2]> {
            let total: f64 = weights.iter().sum();
            let part = |(update, weight): (&[f64; 2], &f64)| {
                update.map(|x| x * (most / length(*update)).min(1.0) * weight / total)
            };
            updates.iter().zip(weights).map(part).collect()
        };
        let sum = |parts: &[[f64; 2]]| parts.iter().fold([0.0; 2], |[x, y], part| [x + part[0], y + part[1]]);
        let cosines = |parts: &[[f64; 2]]| -> Vec<f64> {
            let [all_x, all_y] = sum(parts);
            let cosine = |(update, part): (&[f64; 2], &[f64; 2])| {
                let others = [all_x - part[0], all_y - part[1]];
                (update[0] * others[0] + update[1] * others[1]) / length(*update) / length(others)
            };
            updates.iter().zip(parts).map(cosine).collect()
        };
        let mut mean = parts(&vec![1.0; updates.len()]);
        for _ in 0..ITERATIONS {
            let weights: Vec<f64> = cosines(&mean).iter().map(|cosine| cosine.max(0.0).powi(2)).collect();
            mean = parts(&weights);
        }
        for (shard, cosine) in present.iter().zip(cosines(&mean)) {
            standings[*shard] += 0.1 * (cosine - standings[*shard]);
        }
        let weights: Vec<f64> = present.iter().map(|shard| f64::from(standings[*shard] > 0.0)).collect();
        left_out.push(weights.iter().filter(|weight| **weight == 0.0).count());
        let expected = sum(&parts(&weights));
        for (i, (weight, start)) in training.weights().iter().zip(&start).enumerate() {
            let (moved, expected) = (f64::from(weight - start), expected.get(i).copied().unwrap_or(0.0));
            assert!((moved - expected).abs() < 1e-5, "round {now}, {i}: {moved} in the place of {expected}");
        }
        // What is known of shards goes on with the training.
        training.save(&home).unwrap();
        training = Training::resume(folder.plan(&text), &home).unwrap();
    }
    // Who is turned one time in three stays, who is turned two times in three is out.
    assert_eq!(left_out, [1; 9]);
}
