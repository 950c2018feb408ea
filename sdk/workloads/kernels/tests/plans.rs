//! Plans: what a good one becomes, and what each mistake in one is told.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tessera_kernels::{FRONT_END, KernelsError, Plan, PreparedJob, name_of};
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, BufferInit, Repeat},
};

/// PTX that need not be looked into by whoever makes a plan.
const PTX: &str = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n    ret;\n}\n";

/// A plan that is right in all parts, line by line.
const GOOD: &str = r#"name = "options"
module = "m.ptx"
units = 64
output = "prices"
[inputs]
market = "market.bin"
table = "table.bin"
[[buffer]]
name = "market"
input = "market"
[[buffer]]
name = "state"
copy = "table"
[[buffer]]
name = "prices"
len = 4096
[[step]]
times = 2
[[step.launch]]
kernel = "a"
grid = [64]
block = [16, 8]
shared = 128
args = [{ buffer = "market" }, { buffer = "prices", offset = 8 }, { unit = "u32" }, { unit = "u64" }, { u32 = 100 }, { i32 = -1 }, { f32 = 0.05 }, { u64 = 18446744073709551615 }, { i64 = -2 }, { f64 = 0.5 }, { bytes = "0aff" }]
[[step.launch]]
kernel = "b"
grid = [1, 2, 3]
block = [1]
[[step]]
[[step.launch]]
kernel = "c"
grid = [1]
block = [1]
args = [{ buffer = "state" }]
"#;

struct World(TempDir);

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for (name, bytes) in [("m.ptx", PTX.as_bytes()), ("market.bin", &[1; 100]), ("table.bin", &[2; 50])] {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn prepare(&self, text: &str, replaced: &[(&str, &Path)]) -> Result<PreparedJob, KernelsError> {
        let replaced: BTreeMap<String, PathBuf> =
            replaced.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
        Plan::parse(&self.path("plan.toml"), text.to_owned())?.prepare(&replaced)
    }
}

#[test]
fn a_plan_becomes_the_job_that_it_describes() {
    let job = World::new().prepare(GOOD, &[]).unwrap();
    assert_eq!((job.spec.units, job.spec.unit_gas, job.spec.output_len()), (64, 0, 4096));
    assert_eq!(name_of(&job.spec), "options");
    assert_eq!(
        (job.spec.front_end.name.as_str(), job.spec.front_end.data.as_slice()),
        (FRONT_END, b"options".as_slice())
    );
    let blobs: Vec<Cid> = job.blobs().iter().map(|blob| Cid::of(blob)).collect();
    assert_eq!(blobs, [job.spec.module, job.spec.inputs[0].cid, job.spec.inputs[1].cid]);
    let inits: Vec<_> = job.spec.plan.buffers.iter().map(|buffer| (buffer.len, buffer.init)).collect();
    assert_eq!(inits, [(100, BufferInit::Input(0)), (50, BufferInit::Copy(1)), (4096, BufferInit::Zero)]);
    let kernels: Vec<&str> = job.spec.plan.launches.iter().map(|launch| launch.kernel.as_str()).collect();
    assert_eq!(kernels, ["a", "b", "c"]);
    assert_eq!(job.spec.plan.repeats, [Repeat { first: 0, count: 2, times: 2 }]);
    let first = &job.spec.plan.launches[0];
    assert_eq!((first.grid, first.block, first.shared_len), ([64, 1, 1], [16, 8, 1], 128));
    assert_eq!(
        first.args,
        [
            Arg::Buffer { index: 0, offset: 0 },
            Arg::Buffer { index: 2, offset: 8 },
            Arg::Unit32,
            Arg::Unit64,
            Arg::Bits32(100),
            Arg::Bits32(u32::MAX),
            Arg::Bits32(0.05f32.to_bits()),
            Arg::Bits64(u64::MAX),
            Arg::Bits64(u64::MAX - 1),
            Arg::Bits64(0.5f64.to_bits()),
            Arg::Bytes(vec![0x0a, 0xff]),
        ]
    );
    assert_eq!(job.spec.plan.launches[1].grid, [1, 2, 3]);
}

#[test]
fn inputs_may_be_replaced() {
    let world = World::new();
    let other = world.path("other.bin");
    fs::write(&other, [3; 7]).unwrap();
    let job = world.prepare(GOOD, &[("market", &other)]).unwrap();
    assert_eq!((job.inputs().unwrap()[0].as_ref(), job.spec.plan.buffers[0].len), ([3; 7].as_slice(), 7));
    let error = world.prepare(GOOD, &[("rates", &other)]).unwrap_err().to_string();
    assert!(error.contains("no input \"rates\"") && error.contains("market, table"), "{error}");
    let error = world.prepare(GOOD, &[("market", &world.path("none.bin"))]).unwrap_err().to_string();
    assert!(error.contains("none.bin") && error.contains("--in market=FILE"), "{error}");
    fs::write(&other, []).unwrap();
    let error = world.prepare(GOOD, &[("market", &other)]).unwrap_err().to_string();
    assert!(error.contains("found none"), "{error}");
}

#[test]
fn a_module_that_was_compiled_before_needs_no_compiler() {
    let world = World::new();
    let text = GOOD.replace("m.ptx", "not-there.cu");
    let plan = Plan::parse(&world.path("plan.toml"), text).unwrap();
    let job = plan.prepare_with(PTX.to_owned(), &BTreeMap::new()).unwrap();
    assert_eq!((job.module(), job.spec.module), (PTX, Cid::of(PTX.as_bytes())));
    let long = " ".repeat(tessera_protocol::spec::MAX_MODULE_LEN as usize + 1);
    let error = plan.prepare_with(long, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("not-there.cu") && error.contains("at most"), "{error}");
}

/// Mistakes: what is changed in [`GOOD`], the line that is blamed, and words of the message.
const MISTAKES: &[(&str, &str, usize, &[&str])] = &[
    ("name = \"options\"", "name = \"options", 1, &["docs/kernels.md"]),
    ("name = \"options\"", "name = \"\"", 1, &["name", "1 to 64", "found 0"]),
    ("name = \"options\"\n", "", 1, &["missing field `name`"]),
    ("units = 64", "units = 0", 3, &["units", "at least 1", "found 0"]),
    ("units = 64", "units = -1", 3, &["-1", "u64"]),
    ("units = 64", "units = \"many\"", 3, &["many", "u64"]),
    ("units = 64", "unit = 64", 3, &["unknown field `unit`", "`units`"]),
    ("units = 64", "units = 4294967297", 24, &["kernel a, argument 2", "u64", "4294967297"]),
    ("output = \"prices\"", "output = \"price\"", 4, &["\"price\"", "market, prices, state"]),
    ("output = \"prices\"", "output = \"market\"", 4, &["read-only", "copy"]),
    ("table = \"table.bin\"", "table = \"table.bin\"\nspare = \"m.ptx\"", 8, &["\"spare\"", "no buffer", "remove"]),
    ("input = \"market\"", "input = \"rates\"", 8, &["\"rates\"", "market, table"]),
    ("input = \"market\"", "", 8, &["exactly one of input, copy and len", "found 0"]),
    ("copy = \"table\"", "copy = \"table\"\nlen = 5", 11, &["exactly one", "found 2"]),
    ("len = 4096", "len = 0", 14, &["\"prices\"", "at least 1"]),
    ("len = 4096", "size = 4096", 16, &["unknown field `size`", "`len`"]),
    ("name = \"state\"", "name = \"market\"", 11, &["\"market\"", "twice"]),
    ("times = 2", "times = 0", 17, &["times", "at least 1"]),
    ("times = 2", "times = 524289", 17, &["1048578 with repetitions", "at most 1048576"]),
    ("{ unit = \"u32\" }", "{ round = \"u64\" }", 24, &["kernel a, argument 2", "round", "u32"]),
    ("grid = [64]", "grid = []", 21, &["grid", "1 to 3", "found 0"]),
    ("grid = [64]", "grid = [1, 2, 3, 4]", 21, &["grid", "found 4"]),
    ("grid = [64]", "grid = [0]", 19, &["kernel a", "grid"]),
    ("grid = [64]", "grid = 64", 21, &["64", "sequence"]),
    ("grid = [64]\n", "", 19, &["missing field `grid`"]),
    ("block = [16, 8]", "block = [1025]", 19, &["kernel a", "block", "1024"]),
    ("shared = 128", "shared = 65536", 19, &["kernel a", "shared memory", "49152"]),
    (
        "{ buffer = \"market\" }",
        "{ buffer = \"rates\" }",
        24,
        &["kernel a, argument 0", "\"rates\"", "market, prices, state"],
    ),
    ("offset = 8", "offset = 4097", 19, &["4097", "4096"]),
    ("{ u32 = 100 }", "{ u32 = 100, f32 = 1.0 }", 24, &["argument 4", "exactly one", "found 2"]),
    ("{ u32 = 100 }", "{}", 24, &["argument 4", "found 0"]),
    ("{ u32 = 100 }", "{ u32 = 100, offset = 1 }", 24, &["offset goes with buffer"]),
    ("{ u32 = 100 }", "{ u32 = -100 }", 24, &["-100", "u32"]),
    ("{ u32 = 100 }", "{ u16 = 100 }", 24, &["unknown field `u16`"]),
    ("{ unit = \"u32\" }", "{ unit = \"u16\" }", 24, &["\"u16\"", "\"u32\" or \"u64\""]),
    ("{ f32 = 0.05 }", "{ f32 = nan }", 24, &["bit patterns", "0x7fffffff"]),
    ("{ f32 = 0.05 }", "{ f32 = 1e99 }", 24, &["beyond", "f64"]),
    ("{ f64 = 0.5 }", "{ f64 = nan }", 24, &["u64"]),
    ("{ bytes = \"0aff\" }", "{ bytes = \"0ag\" }", 24, &["hexadecimal", "0ag"]),
    ("{ bytes = \"0aff\" }", "{ bytes = \"\" }", 24, &["at least one byte"]),
];

#[test]
fn each_mistake_is_named_with_its_line() {
    let world = World::new();
    let mut wrong = vec![];
    for (good, bad, line, words) in MISTAKES {
        assert!(GOOD.contains(good), "{good:?} is not in the plan");
        let error = match world.prepare(&GOOD.replacen(good, bad, 1), &[]) {
            Err(error) => error.to_string(),
            Ok(_) => "accepted".into(),
        };
        let place = format!("plan.toml, line {line}: ");
        if !error.contains(&place) || !words.iter().all(|word| error.contains(word)) {
            wrong.push(format!("{bad:?}, expected line {line} and {words:?}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_missing_as_a_whole_is_named() {
    let world = World::new();
    let without_steps = &GOOD[..GOOD.find("[[step]]").unwrap()];
    assert!(world.prepare(without_steps, &[]).unwrap_err().to_string().contains("[[step.launch]]"));
    let empty = GOOD
        .replace("[[step]]\n[[step.launch]]\nkernel = \"c\"", "[[step]]\n[[step]]\n[[step.launch]]\nkernel = \"c\"");
    assert!(world.prepare(&empty, &[]).unwrap_err().to_string().contains("a step needs"));
    let error = world.prepare(&GOOD.replace("m.ptx", "n.ptx"), &[]).unwrap_err().to_string();
    assert!(error.contains("cannot read module") && error.contains("n.ptx"), "{error}");
    let error = world.prepare(&GOOD.replace("m.ptx", "market.bin"), &[]).unwrap_err().to_string();
    assert!(error.contains(".cu") && error.contains(".ptx"), "{error}");
    let error = Plan::load(&world.path("none.toml")).unwrap_err().to_string();
    assert!(error.contains("none.toml"), "{error}");
    fs::remove_file(world.path("table.bin")).unwrap();
    let error = world.prepare(GOOD, &[]).unwrap_err().to_string();
    assert!(error.contains("input table") && error.contains("--in table=FILE"), "{error}");
}
