//! The execution process as the worker uses it: the real binary, on the processor.

use std::{path::Path, time::Duration};

use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};
use tessera_worker::execution::{ChildCommand, ExecutionError, Limits, Runner, Work};
use tokio::time::Instant;

/// Each of 64 threads adds its number and the unit's to a word of the input. With unit 666 it never ends.
const MODULE: &str = r"
.version 7.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 in, .param .u64 out, .param .u32 unit)
{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<8>;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    ld.param.u32 %r1, [unit];
    cvta.to.global.u64 %rd3, %rd1;
    cvta.to.global.u64 %rd4, %rd2;
    setp.ne.u32 %p1, %r1, 666;
    @%p1 bra GO;
HANG:
    bra HANG;
GO:
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd5, %r2, 4;
    add.s64 %rd6, %rd3, %rd5;
    ld.global.u32 %r3, [%rd6];
    add.s32 %r4, %r3, %r1;
    add.s32 %r5, %r4, %r2;
    add.s64 %rd7, %rd4, %rd5;
    st.global.u32 [%rd7], %r5;
    ret;
}
";

fn work(dir: &Path, module: &str) -> Work {
    let input: Vec<u8> = (0..64u32).flat_map(|i| (i * 1000).to_le_bytes()).collect();
    let spec = JobSpec {
        version: SPEC_VERSION,
        module: Cid::of(module.as_bytes()),
        inputs: vec![Input { name: "words".into(), cid: Cid::of(&input), len: 256 }],
        plan: LaunchPlan {
            buffers: vec![Buffer { len: 256, init: BufferInit::Input(0) }, Buffer { len: 256, init: BufferInit::Zero }],
            launches: vec![Launch {
                kernel: "add".into(),
                grid: [1, 1, 1],
                block: [64, 1, 1],
                shared_len: 0,
                args: vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Buffer { index: 1, offset: 0 }, Arg::Unit32],
            }],
            output: 1,
        },
        units: 1000,
        unit_gas: 0,
        visibility: Visibility::Public,
        front_end: FrontEnd::default(),
    };
    let spec = spec.encode().unwrap();
    let (file, words) = (dir.join("module"), dir.join("words"));
    std::fs::write(&file, module).unwrap();
    std::fs::write(&words, input).unwrap();
    Work { spec_cid: Cid::of(&spec), spec, module: file, inputs: vec![words], output_len: 256 }
}

fn runner(unit: Duration, child_unit_seconds: &str) -> Runner {
    runner_with(unit, child_unit_seconds, &[])
}

/// The same with further arguments.
fn runner_with(unit: Duration, child_unit_seconds: &str, more: &[&str]) -> Runner {
    let arguments = [&["execute", "--backend", "cpu", "--unit-seconds", child_unit_seconds], more].concat();
    let arguments = arguments.into_iter().map(str::to_owned).collect();
    let command = ChildCommand { program: env!("CARGO_BIN_EXE_tessera-worker").into(), arguments };
    Runner::new(command, Limits { start: Duration::from_secs(60), unit, memory: 4 << 30 })
}

/// A runner whose child finds the stand-in driver `tessera-fakecuda`, and keeps compiled modules in `dir`.
fn runner_on_a_gpu(dir: &Path) -> Runner {
    // Cargo has built the library beside this test.
    let exe = std::env::current_exe().unwrap();
    let library = exe.parent().unwrap().join("libtessera_fakecuda.so");
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::copy(&library, dir.join(name)).unwrap();
    }
    let mut arguments = vec![format!("LD_LIBRARY_PATH={}", dir.display()), env!("CARGO_BIN_EXE_tessera-worker").into()];
    arguments.extend(["execute", "--backend", "cuda", "--unit-seconds", "60", "--cubins-mib", "1"].map(str::to_owned));
    arguments.extend(["--cubins".into(), dir.join("cubins").to_string_lossy().into_owned()]);
    let limits = Limits { start: Duration::from_secs(60), unit: Duration::from_secs(60), memory: 4 << 30 };
    Runner::new(ChildCommand { program: "/usr/bin/env".into(), arguments }, limits)
}

/// A runner whose child looks for everything that makes a unit void.
fn runner_with_checks() -> Runner {
    runner_with(Duration::from_secs(60), "60", &["--checks"])
}

fn expected(unit: u32) -> Vec<u8> {
    (0..64u32).flat_map(|i| (i * 1000 + i + unit).to_le_bytes()).collect()
}

fn by() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

#[tokio::test]
async fn computes_units_and_goes_on_after_a_unit_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    let mut runner = runner(Duration::from_secs(2), "60");
    for first in [3, 500] {
        let mut outputs = Vec::new();
        runner.run(&work, first, 4, by(), |output| outputs.push(output)).await.unwrap();
        let expected: Vec<_> = (first as u32..first as u32 + 4).map(expected).collect();
        assert_eq!(outputs, expected);
    }
    // The child's own limit is long: the worker has to kill it.
    let hung = runner.run(&work, 665, 2, by(), |_| ()).await.unwrap_err();
    assert!(matches!(hung, ExecutionError::TooLong { .. }), "{hung}");
    assert!(runner.device().is_none());
    let mut outputs = Vec::new();
    runner.run(&work, 7, 1, by(), |output| outputs.push(output)).await.unwrap();
    assert_eq!(outputs, [expected(7)]);
}

#[tokio::test]
async fn a_gpu_computes_many_units_and_its_compiled_module_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    let kept = || std::fs::read_dir(dir.path().join("cubins")).map_or(0, Iterator::count);
    for first in [3, 700] {
        let mut runner = runner_on_a_gpu(dir.path());
        let mut outputs = Vec::new();
        runner.run(&work, first, 50, by(), |output| outputs.push(output)).await.unwrap();
        assert!(runner.device().unwrap().contains("Fake GPU"), "{:?}", runner.device());
        assert_eq!(outputs, (first as u32..first as u32 + 50).map(expected).collect::<Vec<_>>());
        assert_eq!(kept(), 1);
    }
}

#[tokio::test]
async fn the_child_ends_a_unit_that_takes_too_long_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(Duration::from_secs(60), "1");
    let e = runner.run(&work(dir.path(), MODULE), 666, 1, by(), |_| ()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Device(reason) if reason.contains("unit 666")), "{e}");
}

#[tokio::test]
async fn a_module_outside_the_profile_is_the_jobs_fault() {
    let dir = tempfile::tempdir().unwrap();
    let clock = MODULE.replace("mov.u32 %r2, %tid.x;", "mov.u32 %r2, %clock;");
    let runner = runner(Duration::from_secs(60), "60");
    let e = runner.check(&work(dir.path(), &clock), by()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Job(reason) if reason.contains("clock")), "{e}");
    runner.check(&work(dir.path(), MODULE), by()).await.unwrap();
}

#[tokio::test]
async fn files_that_are_gone_are_not_the_jobs_fault() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    std::fs::remove_file(&work.inputs[0]).unwrap();
    let e = runner(Duration::from_secs(60), "60").check(&work, by()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Device(reason) if reason.contains("words")), "{e}");
}

/// Leaves its buffers with unit 5.
fn escaping() -> String {
    MODULE.replace(
        "mov.u32 %r2, %tid.x;",
        "setp.eq.u32 %p1, %r1, 5;\n@%p1 add.s64 %rd4, %rd4, 1048576;\nmov.u32 %r2, %tid.x;",
    )
}

/// All threads write the same word.
fn racing() -> String {
    MODULE.replace("add.s64 %rd7, %rd4, %rd5;", "mov.u64 %rd7, %rd4;")
}

#[tokio::test]
async fn a_unit_that_leaves_its_buffers_is_void_and_the_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), &escaping());
    let mut runner = runner(Duration::from_secs(60), "60");
    let mut outputs = Vec::new();
    let e = runner.run(&work, 3, 4, by(), |output| outputs.push(output)).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Void(reason) if reason.contains("unit 5")), "{e}");
    assert_eq!(outputs, [expected(3), expected(4)]);
    runner.run(&work, 6, 1, by(), |output| outputs.push(output)).await.unwrap();
    assert_eq!(outputs[2], expected(6));
}

#[tokio::test]
async fn a_gpu_is_believed_only_where_the_processor_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), &escaping());
    let e = runner_on_a_gpu(dir.path()).run(&work, 5, 1, by(), |_| ()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Suspected { units, .. } if *units == [5]), "{e}");
    let mut processor = runner(Duration::from_secs(60), "60");
    let confirmed = processor.confirm(&work, &[4, 5], by(), "a fault").await;
    assert!(matches!(&confirmed, ExecutionError::Void(reason) if reason.contains("unit 5")), "{confirmed}");
    let refuted = processor.confirm(&work, &[4, 6], by(), "a fault").await;
    assert!(matches!(&refuted, ExecutionError::Device(reason) if reason.starts_with("a fault, but")), "{refuted}");
}

#[tokio::test]
async fn races_are_seen_by_who_looks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), &racing());
    runner(Duration::from_secs(60), "60").run(&work, 3, 1, by(), |_| ()).await.unwrap();
    let e = runner_with_checks().run(&work, 3, 1, by(), |_| ()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Void(reason) if reason.contains("race")), "{e}");
}
