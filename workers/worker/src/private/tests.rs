use std::fs;

use tessera_protocol::spec::{Buffer, BufferInit, FrontEnd, LaunchPlan, SPEC_VERSION, Visibility};

use super::*;
use crate::config::PrivateInput;

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const OTHER: Pubkey = Pubkey::new_from_array([2; 32]);

fn spec(inputs: &[&[u8]]) -> JobSpec {
    let input = |bytes: &&[u8]| Input { name: String::new(), cid: Cid::of(bytes), len: bytes.len() as u64 };
    JobSpec {
        version: SPEC_VERSION,
        module: Cid::of(b"module"),
        inputs: inputs.iter().map(input).collect(),
        plan: LaunchPlan {
            buffers: vec![Buffer { len: 4, init: BufferInit::Input(0) }],
            launches: vec![],
            repeats: vec![],
            output: 0,
        },
        units: 1,
        unit_gas: 0,
        visibility: Visibility::Public,
        front_end: FrontEnd::default(),
    }
}

fn allowance(inputs: &[(u16, &str, bool)]) -> Allowance {
    let input = |(number, folder, once): &(u16, &str, bool)| PrivateInput {
        number: *number,
        folder: folder.into(),
        once: *once,
    };
    let (client, module) = (OTHER, Cid::of(b"module"));
    let inputs = inputs.iter().map(input).collect();
    Allowance { client, module, plan: None, max_units: 1, inputs, of_training: false }
}

/// The private files of a machine, and the folders where they are and where it keeps its own things.
struct Machine {
    dir: tempfile::TempDir,
    private: Private,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("own/data")).unwrap();
        let private = Self::open(dir.path());
        Self { dir, private }
    }

    fn open(dir: &Path) -> Private {
        let settings = PrivateSettings { folder: Some(dir.join("own")), ..PrivateSettings::default() };
        Private::open(&settings, &dir.join("data")).unwrap()
    }

    fn own(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join("own").join(name)
    }

    fn inputs(&self, allowance: &Allowance, job: &Pubkey, inputs: &[&[u8]]) -> Result<Inputs, PrivateError> {
        self.private.inputs(allowance, job, &spec(inputs))
    }
}

#[test]
fn files_are_found_by_what_is_in_them_whenever_they_come() {
    let machine = Machine::new();
    let any = allowance(&[]);
    let files = |inputs: &[&[u8]]| machine.inputs(&any, &JOB, inputs).unwrap().files;
    assert_eq!(files(&[b"shard", b"weights"]), [None, None]);
    fs::write(machine.own("data/7.bin"), b"shard").unwrap();
    assert_eq!(files(&[b"shard", b"weights"]), [Some(machine.own("data/7.bin")), None]);
    assert_eq!(machine.private.count(), 1);
    // Another content under the same name, of the same length; and one that is gone.
    fs::remove_file(machine.own("data/7.bin")).unwrap();
    fs::write(machine.own("data/7.bin"), b"other").unwrap();
    assert_eq!(files(&[b"shard", b"other"]), [None, Some(machine.own("data/7.bin"))]);
    fs::remove_dir_all(machine.own("data")).unwrap();
    assert_eq!(files(&[b"other"]), [None]);
}

#[test]
fn what_is_being_written_or_lies_elsewhere_is_not_there() {
    let machine = Machine::new();
    let outside = machine.dir.path().join("outside");
    fs::write(&outside, b"shard").unwrap();
    std::os::unix::fs::symlink(&outside, machine.own("link")).unwrap();
    std::os::unix::fs::symlink(machine.dir.path(), machine.own("folder")).unwrap();
    for name in [".shard", "shard.part"] {
        fs::write(machine.own(name), b"shard").unwrap();
    }
    assert_eq!(machine.inputs(&allowance(&[]), &JOB, &[b"shard"]).unwrap().files, [None]);
    let cid = put(&machine.own("data"), b"shard").unwrap();
    let found = machine.inputs(&allowance(&[]), &JOB, &[b"shard"]).unwrap();
    assert_eq!(found.file(0), Some(&*machine.own("data").join(cid.to_string())));
    assert_eq!(machine.private.count(), 1, "{found:?}");
}

#[test]
fn a_file_cannot_be_had_in_the_place_of_another() {
    let machine = Machine::new();
    put(&machine.own("data"), b"shard").unwrap();
    put(&machine.own("masks"), b"mask").unwrap();
    let strict = allowance(&[(0, "data", false), (1, "masks", false)]);
    machine.inputs(&strict, &JOB, &[b"shard", b"mask", b"weights"]).unwrap();
    for swapped in [[b"mask".as_slice(), b"shard"], [b"shard", b"zeros"], [b"shard", b"shard"]] {
        let missing = machine.inputs(&strict, &JOB, &swapped).unwrap_err();
        assert!(matches!(&missing, PrivateError::Missing(text) if text.contains("input")), "{missing}");
    }
    // What is not named comes from the store, even if it is here.
    let found = machine.inputs(&strict, &JOB, &[b"shard", b"mask", b"shard"]).unwrap();
    assert_eq!((found.file(2), found.all().count()), (None, 2));
}

#[test]
fn what_serves_one_job_serves_no_other_also_after_a_restart() {
    let machine = Machine::new();
    put(&machine.own("masks"), b"mask").unwrap();
    let strict = allowance(&[(0, "masks", true)]);
    let ask = |job: &Pubkey| machine.inputs(&strict, job, &[b"mask"]);
    let (one, two) = (ask(&JOB).unwrap(), ask(&OTHER).unwrap());
    assert_eq!(one.once, [Cid::of(b"mask")]);
    machine.private.use_up(&one.once, &JOB).unwrap();
    machine.private.use_up(&one.once, &JOB).unwrap();
    let refused = machine.private.use_up(&two.once, &OTHER).unwrap_err();
    assert!(matches!(&refused, UsedError::Used { job, .. } if *job == JOB.to_string()), "{refused}");
    let restarted = Machine::open(machine.dir.path());
    restarted.inputs(&strict, &JOB, &spec(&[b"mask"])).unwrap();
    let refused = restarted.inputs(&strict, &OTHER, &spec(&[b"mask"])).unwrap_err();
    assert!(refused.to_string().contains("has served"), "{refused}");
    assert_eq!(restarted.served(&Cid::of(b"mask")).unwrap(), Some(JOB));
    assert_eq!(restarted.served(&Cid::of(b"shard")).unwrap(), None);
    // What is gone does not come again.
    fs::remove_dir_all(machine.own("masks")).unwrap();
    assert!(matches!(ask(&JOB), Err(PrivateError::Gone(_))));
}

/// An entry for another plan of the same client, say, which knows masks and shards by their content ids.
#[test]
fn what_trainings_have_is_not_for_other_jobs() {
    let machine = Machine::new();
    let key = |n| Pubkey::new_from_array([n; 32]);
    let text = format!(
        "folder = {:?}\n[[training]]\nname = \"t\"\nclient = \"{}\"\ncoordinator = \"http://127.0.0.1:1\"\n\
         plan = \"plan.toml\"\nshard = \"data/shard\"\npeers = [\"{}\", \"{}\"]\n",
        machine.dir.path().join("own"),
        key(1),
        key(2),
        key(3)
    );
    fs::write(machine.own("data/shard"), b"shard").unwrap();
    fs::write(machine.own("data/else"), b"else").unwrap();
    let settings: PrivateSettings = toml::from_str(&text).unwrap();
    put(&machine.own("").join(settings.training[0].masks()), b"mask").unwrap();
    let private = Private::open(&settings, &machine.dir.path().join("data")).unwrap();
    let named = allowance(&[(0, "", false), (1, "", false)]);
    for (allowed, all) in [(allowance(&[]), 3), (named, 2)] {
        let ask = |allowed: &Allowance, inputs: &[&[u8]]| private.inputs(allowed, &JOB, &spec(inputs));
        let files = |found: Result<Inputs, PrivateError>| found.map_or(0, |found| found.all().count());
        assert_eq!(files(ask(&allowed, &[b"else", b"else", b"else"])), all);
        for own in [b"shard".as_slice(), b"mask"] {
            assert_eq!(files(ask(&allowed, &[own, own])), 0);
            assert_eq!(files(ask(&Allowance { of_training: true, ..allowed.clone() }, &[own, own])), 2);
        }
    }
}

#[test]
fn mistakes_and_broken_disks_are_named() {
    let machine = Machine::new();
    put(&machine.own("data"), b"shard").unwrap();
    let mut lies = spec(&[b"shard"]);
    lies.inputs[0].len = 6;
    let refused = machine.private.inputs(&allowance(&[]), &JOB, &lies).unwrap_err();
    assert!(matches!(&refused, PrivateError::Refused(text) if text.contains("5 bytes")), "{refused}");
    let nowhere = Private::open(&PrivateSettings::default(), machine.dir.path()).unwrap();
    assert!(matches!(nowhere.inputs(&allowance(&[]), &JOB, &lies), Err(PrivateError::Refused(_))));
    fs::remove_dir_all(machine.own("")).unwrap();
    let broken = machine.inputs(&allowance(&[]), &JOB, &[b"shard"]).unwrap_err();
    assert!(matches!(&broken, PrivateError::Io { folder, .. } if folder.ends_with("own")), "{broken}");
    let settings = PrivateSettings { folder: Some(machine.dir.path().join("none")), ..PrivateSettings::default() };
    assert!(Private::open(&settings, machine.dir.path()).is_err());
}
