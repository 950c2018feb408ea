use std::fs;

use solana_pubkey::Pubkey;
use tessera_train::{PRIVATE_FRONT_END, Plan, Training};

use super::*;
use crate::{config::PrivateSettings, run::trainings::Trainings};

const PLAN: &str = r#"
    name = "small"
    rounds = 2
    model = { kind = "mlp", hidden = [4] }
    data = { kind = "samples", files = ["samples.csv"], held_out = 0.0 }
    shards = { count = 1 }
    steps = { count = 1, batch = 2, optimiser = { kind = "sgd", rate = 0.1 } }
"#;

/// A machine with a shard, whose mask of a turn is where it should be.
struct Machine {
    dir: tempfile::TempDir,
    settings: PrivateSettings,
    training: Training,
    data: Own,
    mask: Own,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("samples.csv"), "1,2,0\n3,4,1\n5,6,0\n").unwrap();
        fs::write(dir.path().join("plan.toml"), PLAN).unwrap();
        let plan = dir.path().join("plan.toml");
        let training = Training::start(Plan::load(&plan).unwrap()).unwrap();
        let own = dir.path().join("own");
        let blob = training.shard_data(0, 7).unwrap();
        let data_cid = private::put(&own.join("data"), &blob).unwrap();
        let keys = [1, 2, 3].map(|n| Pubkey::new_from_array([n; 32]).to_string());
        let [client, one, two] = keys;
        let text = format!(
            "folder = {own:?}\n[[training]]\nname = \"t\"\nclient = \"{client}\"\ncoordinator = \"http://127.0.0.1:1\"\n\
             plan = {plan:?}\nshard = \"data/{data_cid}\"\npeers = [\"{one}\", \"{two}\"]\nhonest_others = 1\n"
        );
        let settings = toml::from_str(&text).unwrap();
        let mask = vec![7; 4 * training.private_words()];
        let mask = (Cid::of(&mask), mask.len() as u64);
        Self { dir, settings, training, data: (data_cid, blob.len() as u64), mask }
    }

    fn trainings(&self) -> Trainings {
        fs::create_dir_all(self.dir.path().join("data")).unwrap();
        Trainings::open(&self.settings, &self.dir.path().join("data")).unwrap()
    }

    fn shape(&self) -> Shape {
        Shape::read(&self.dir.path().join("own/data").join(self.data.0.to_string()), self.training.plan()).unwrap()
    }

    fn client(&self) -> Pubkey {
        self.settings.training[0].client
    }
}

#[test]
fn the_job_of_a_turn_is_allowed_and_no_other() {
    let machine = Machine::new();
    let Machine { training, data, mask, .. } = &machine;
    let spec = training.private_job(*data, mask.0).unwrap().spec;
    let client = machine.client();
    // Nobody was invited yet.
    assert!(machine.trainings().allowance(&client, &spec).is_none());
    let kept = Kept::new(training.task().unwrap(), *data, machine.shape(), *mask);
    let masks = machine.trainings().0[0].masks.clone();
    masks.keep(&kept).unwrap();

    // A worker that is started anew goes on with the turn.
    let trainings = machine.trainings();
    let allowed = trainings.allowance(&client, &spec).unwrap().unwrap();
    assert_eq!((allowed.max_units, allowed.plan, allowed.inputs.len()), (1, Some(spec.plan.cid()), 2));
    let numbers = private_inputs(&spec).unwrap();
    assert_eq!((allowed.inputs[0].number, allowed.inputs[0].folder.as_path()), (numbers[0], Path::new("data")));
    assert_eq!((allowed.inputs[1].number, allowed.inputs[1].once), (numbers[1], true));
    assert!(allowed.inputs[1].folder.starts_with("masks"));

    assert!(trainings.allowance(&Pubkey::new_from_array([9; 32]), &spec).is_none());
    let mut other = spec.clone();
    other.front_end.name = "other".into();
    assert!(trainings.allowance(&client, &other).is_none());
    let mut unmasked = spec.clone();
    unmasked.inputs[usize::from(numbers[1])].cid = Cid([0; 32]);
    assert!(trainings.allowance(&client, &unmasked).is_none());
    let mut bare = spec.clone();
    bare.plan.output = 1;
    let refused = trainings.allowance(&client, &bare).unwrap().unwrap_err();
    assert!(refused.contains("of training t") && bare.front_end.name == PRIVATE_FRONT_END, "{refused}");

    masks.clear().unwrap();
    masks.clear().unwrap();
    assert!(machine.trainings().allowance(&client, &spec).is_none());
}

/// A worker that was killed with a mask in hand, and whose last round that was.
#[test]
fn what_is_left_of_a_turn_goes_when_nobody_can_need_it() {
    let machine = Machine::new();
    let masks = machine.trainings().0[0].masks.clone();
    let leave = || {
        private::put(&masks.path(), b"mask").unwrap();
        masks.keep(&Kept::new([0; 32], machine.data, machine.shape(), machine.mask)).unwrap();
        machine.trainings()
    };
    let left = || (masks.path().exists(), masks.read().unwrap().is_some());
    // It may have leased the job.
    let trainings = leave();
    trainings.0[0].clear_left(false);
    assert_eq!((left(), trainings.0[0].left()), ((true, true), Some(machine.mask.0)));
    trainings.0[0].clear_left(true);
    assert_eq!((left(), trainings.0[0].left()), ((false, false), None), "the job is gone");
    drop(leave());
    let note = fs::File::options().write(true).open(note(&machine)).unwrap();
    note.set_modified(SystemTime::now() - 2 * WORK).unwrap();
    machine.trainings().0[0].clear_left(false);
    assert_eq!(left(), (false, false), "too old");
}

#[test]
fn what_is_damaged_is_named() {
    let mut machine = Machine::new();
    let masks = machine.trainings().0[0].masks.clone();
    fs::write(note(&machine), "x").unwrap();
    assert!(masks.read().unwrap_err().to_string().contains("is damaged"));
    masks.clear().unwrap();
    machine.settings.training[0].plan = machine.dir.path().join("none.toml");
    let opened = Trainings::open(&machine.settings, &machine.dir.path().join("data"));
    assert!(format!("{:#}", opened.err().unwrap()).contains("none.toml"));
}

/// Where the note of the turn is.
fn note(machine: &Machine) -> PathBuf {
    let id = machine.settings.training[0].id_text();
    machine.dir.path().join(format!("data/trainings/{id}.turn"))
}
