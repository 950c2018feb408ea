//! What a participant with a private shard checks before its data is read, and what is made of the sums of groups.

mod support;

use bytes::Bytes;
use support::{ADAMW, Folder, MLP, SGD, SMALL_CODE, bits, plan, run, run_with, with_own};
use tessera_executor::Checks;
use tessera_protocol::{
    cid::Cid,
    spec::{BufferInit, JobSpec},
};
use tessera_train::{Agreement, Own, Training, private_inputs, private_task};

const PRIVATE: &str = "private = { clip = 0.1, steps = 65536.0 }\n";

fn own(blob: &Bytes) -> Own {
    (Cid::of(blob), blob.len() as u64)
}

/// A mask: here only so that it is known.
fn mask(training: &Training, seed: u32) -> (Vec<u32>, Bytes) {
    let words: Vec<u32> = (0..training.private_words() as u32).map(|i| (i ^ seed).wrapping_mul(0x9e37_79b9)).collect();
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    (words, bytes)
}

/// The update of a shard, without its mask.
fn update(training: &Training, shard: usize) -> Vec<u32> {
    let data = training.shard_data(shard, 7 + shard as u64).unwrap();
    let (words, bytes) = mask(training, shard as u32);
    let job = training.private_job(own(&data), Cid::of(&bytes)).unwrap();
    let output = run_with(&job, &with_own(&job, &data, &bytes), Checks::NONE).remove(0);
    support::words(&output).iter().zip(&words).map(|(masked, mask)| masked.wrapping_sub(*mask)).collect()
}

fn sum(updates: &[Vec<u32>]) -> Vec<u32> {
    let len = updates[0].len();
    (0..len).map(|i| updates.iter().fold(0u32, |sum, update| sum.wrapping_add(update[i]))).collect()
}

/// A training that has had a round.
fn second_round(folder: &Folder, text: &str) -> Training {
    let mut training = folder.training(text);
    let updates: Vec<_> = (0..3).map(|shard| update(&training, shard)).collect();
    let job = training.groups_aggregation(&[(sum(&updates), 3)]).unwrap();
    training.advance(&run(&job, Checks::NONE)[0], 3).unwrap();
    training
}

#[test]
fn a_participant_computes_what_was_agreed_and_nothing_else() {
    let folder = Folder::new();
    for text in [plan(MLP, SGD, PRIVATE), plan(MLP, ADAMW, &format!("base_every = 1\n{PRIVATE}"))] {
        let training = second_round(&folder, &text);
        let agreement = Agreement::new(folder.plan(&text));
        let data = own(&training.shard_data(0, 99).unwrap());
        let (_, bytes) = mask(&training, 3);
        let (mask, task) = (own(&bytes), training.task().unwrap());
        let spec = training.private_job(data, mask.0).unwrap().spec;
        agreement.check(&spec, &task, data, mask).unwrap();
        agreement.check(&JobSpec { unit_gas: 1 << 40, ..spec.clone() }, &task, data, mask).unwrap();
        // Another participant's job has the same task.
        let longer = own(&training.shard_data(1, 98).unwrap());
        assert_eq!(private_task(&training.private_job((longer.0, longer.1 + 64), data.0).unwrap().spec), task);

        let refused = |change: &dyn Fn(&mut JobSpec), with_task: bool, part: &str| {
            let mut spec = spec.clone();
            change(&mut spec);
            // Even where all members were invited to it.
            let task = if with_task { private_task(&spec) } else { task };
            let error = agreement.check(&spec, &task, data, mask).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        };
        let [at_data, at_mask] = private_inputs(&spec).unwrap().map(usize::from);
        // Other weights for one of them, or rates of its own.
        for number in (0..spec.inputs.len()).filter(|n| ![at_data, at_mask].contains(n)) {
            refused(&|spec| spec.inputs[number].cid = Cid::of(b"other"), false, "something else than what its round");
        }
        let schedule = spec.inputs.iter().position(|input| input.name == "schedule").unwrap();
        refused(&|spec| spec.inputs[schedule].cid = Cid::of(b"other"), true, "another inputs");
        // Zeros for the mask, or somebody else's data.
        refused(&|spec| spec.inputs[at_mask].cid = Cid::of(b"zeros"), true, "another inputs");
        refused(&|spec| spec.inputs[at_data].cid = Cid::of(b"other"), true, "another inputs");
        // A plan that puts something else out.
        let of_data = |init| matches!(init, BufferInit::Input(n) | BufferInit::Copy(n) if usize::from(n) == at_data);
        let out = spec.plan.buffers.iter().position(|buffer| of_data(buffer.init)).unwrap() as u16;
        refused(&|spec| spec.plan.output = out, true, "another launch plan");
        refused(&|spec| drop(spec.plan.launches.pop()), true, "another launch plan");
        refused(&|spec| spec.module = Cid::of(b"other"), true, "another module");
        refused(&|spec| spec.units = 2, true, "another units");
        refused(&|spec| spec.front_end.data = vec![0; 11], true, "notes of 11 bytes");
        refused(&|spec| spec.front_end.data[..4].fill(0xff), true, "the plan has 3");
        refused(&|spec| spec.front_end.data[4..].fill(0), true, "samples of 0 values");
        // Another plan, of which nobody has spoken.
        let other = Agreement::new(folder.plan(&text.replace("batch = 4", "batch = 5")));
        assert!(other.check(&spec, &task, data, mask).is_err());
    }
}

/// Sums of groups, each of so many updates.
type Groups = Vec<(Vec<u32>, usize)>;

#[test]
fn rules_are_applied_to_groups() {
    let folder = Folder::new();
    let changed = |more: &str, groups: &dyn Fn(&[Vec<u32>]) -> Groups| {
        let mut training = folder.training(&plan(MLP, SGD, &format!("{more}{PRIVATE}")));
        let updates: Vec<_> = (0..3).map(|shard| update(&training, shard)).collect();
        let job = training.groups_aggregation(&groups(&updates)).unwrap();
        let outputs = run(&job, Checks::ALL);
        assert_eq!(outputs, run(&job, Checks::NONE));
        // Of no group is told what its losses were.
        assert_eq!(training.advance(&outputs[0], 3).unwrap().loss, None);
        training
    };
    let one = changed("", &|updates| vec![(sum(updates), 3)]);
    let two = changed("", &|updates| vec![(sum(&updates[..2]), 2), (sum(&updates[2..]), 1)]);
    // The same mean, rounded in another order.
    for (one, two) in one.weights().iter().zip(two.weights()) {
        assert!((one - two).abs() < 1e-6, "{one} {two}");
    }
    // A group that lies counts nothing where the rule leaves it out.
    let trimmed = "aggregation = { rule = \"trimmed-mean\", cut = 1 }\n";
    let good = |updates: &[Vec<u32>]| updates.iter().map(|update| (update.clone(), 1)).collect::<Vec<_>>();
    let honest = changed(trimmed, &good);
    let poisoned = changed(trimmed, &|updates| {
        let mut groups = good(updates);
        groups[1].0.fill(1 << 28);
        groups
    });
    let far = |training: &Training| training.weights().iter().map(|weight| weight.abs()).fold(0.0, f32::max);
    assert!(far(&poisoned) < far(&honest) + 0.2 && bits(poisoned.weights()) != bits(honest.weights()));
    let mean = changed("", &|updates| {
        let mut groups = good(updates);
        groups[1].0.fill(1 << 28);
        groups
    });
    assert!(far(&mean) > 100.0);

    let training = folder.training(&plan(MLP, SGD, &format!("{SMALL_CODE}{PRIVATE}")));
    let zeros = vec![0; training.private_words()];
    assert!(training.groups_aggregation(&[]).is_err());
    assert!(training.groups_aggregation(&[(zeros.clone(), 0)]).is_err());
    assert!(training.groups_aggregation(&[(zeros.clone(), 1), (zeros[1..].to_vec(), 1)]).is_err());
}

#[test]
fn a_blob_of_files_holds_all_of_them() {
    let folder = Folder::new();
    let plan = folder.plan(&plan(MLP, SGD, PRIVATE));
    let blob = Training::shard_of_files(&plan, 5).unwrap();
    // 96 samples of 32 values and a label, behind 32 bytes that say so.
    assert_eq!(blob.len(), 32 + 96 * 33 * 4);
    assert_ne!(blob, Training::shard_of_files(&plan, 6).unwrap());
}
