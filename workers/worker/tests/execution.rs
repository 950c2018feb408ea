//! The execution process as the worker uses it: the real binary, on the processor.

use std::{path::Path, time::Duration};

use tessera_protocol::{
    capability::is_proof,
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};
use tessera_worker::{
    execution::{ChildCommand, ExecutionError, Limits, Runner, Verdict, Work, sandbox},
    proof::{self, REHEARSAL, Unproven},
    self_test::Depth,
};
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
            repeats: vec![],
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

/// A runner whose child is locked in, and may read from `readable`.
fn runner_locked_in(readable: &Path) -> Runner {
    runner_with(Duration::from_secs(60), "60", &["--sandbox", "require", "--readable", &readable.to_string_lossy()])
}

/// A runner whose child finds the stand-in driver `tessera-fakecuda`, and keeps compiled modules in `dir`.
fn runner_on_a_gpu(dir: &Path) -> Runner {
    runner_on_gpus(dir, 1, &[])
}

/// The same with several GPUs, and further arguments.
fn runner_on_gpus(dir: &Path, count: u8, more: &[&str]) -> Runner {
    // Cargo has built the library beside this test.
    let exe = std::env::current_exe().unwrap();
    let library = exe.parent().unwrap().join("libtessera_fakecuda.so");
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::copy(&library, dir.join(name)).unwrap();
    }
    let variables = [format!("LD_LIBRARY_PATH={}", dir.display()), format!("FAKE_CUDA_DEVICES={count}")];
    let mut arguments = [&variables[..], &[env!("CARGO_BIN_EXE_tessera-worker").into()]].concat();
    arguments.extend(["execute", "--backend", "cuda", "--unit-seconds", "60", "--cubins-mib", "1"].map(str::to_owned));
    arguments.extend(["--cubins".into(), dir.join("cubins").to_string_lossy().into_owned()]);
    arguments.extend(more.iter().copied().map(str::to_owned));
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

#[tokio::test]
async fn a_child_that_is_locked_in_computes_on_the_processor_and_on_a_gpu() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    let on_a_gpu =
        runner_on_gpus(dir.path(), 1, &["--sandbox", "require", "--readable", &dir.path().to_string_lossy()]);
    std::fs::create_dir(dir.path().join("cubins")).unwrap();
    for mut runner in [runner_locked_in(dir.path()), on_a_gpu] {
        assert_eq!(runner.test(Depth::Quick).await.unwrap()[0].1, Verdict::Good);
        assert_eq!(runner.unlocked(), [""; 0]);
        let mut outputs = Vec::new();
        runner.run(&work, 3, 2, by(), |output| outputs.push(output)).await.unwrap();
        assert_eq!(outputs, [expected(3), expected(4)]);
    }
    assert_eq!(std::fs::read_dir(dir.path().join("cubins")).unwrap().count(), 2, "compiled modules are kept");
}

#[tokio::test]
async fn a_child_that_is_locked_in_cannot_read_the_operators_key() {
    let (dir, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut work = work(dir.path(), MODULE);
    work.inputs[0] = secret.path().join("operator.json");
    std::fs::write(&work.inputs[0], [7; 256]).unwrap();
    let e = runner_locked_in(dir.path()).check(&work, by()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Device(reason) if reason.contains("ermission denied")), "{e}");
    // It is the sandbox that forbids it.
    runner(Duration::from_secs(60), "60").check(&work, by()).await.unwrap();
}

/// Runs one test of this binary in a process of its own.
fn in_a_process(test: &str, variable: (&str, &Path)) -> String {
    let exe = std::env::current_exe().unwrap();
    // One thread runs the tests, and the test itself: only a process of one thread can be locked in.
    let arguments = ["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"];
    let output = std::process::Command::new(exe).args(arguments).env(variable.0, variable.1).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
    text
}

const FOLDER: &str = "TESSERA_TEST_FOLDER";

#[test]
fn what_is_locked_in_stays_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "s").unwrap();
    for folder in ["readable", "writable"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join("file"), "f").unwrap();
    }
    let text = in_a_process("inner_locked_in", (FOLDER, dir.path()));
    assert!(text.contains("locked in"), "{text}");
}

/// Locks its own process in, and tries to get out.
#[test]
#[ignore = "runs in a process of its own, started by what_is_locked_in_stays_in"]
fn inner_locked_in() {
    use std::{fs, io::ErrorKind::PermissionDenied, net, os::unix::net::UnixDatagram, process::Command};
    let Some(dir) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else { return };
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let room = sandbox::Room { readable: vec![dir.join("readable")], writable: vec![dir.join("writable")] };
    assert_eq!(sandbox::enter(tessera_worker::config::Sandbox::Require, &room).unwrap(), [""; 0]);

    for (what, result) in [
        ("connect", net::TcpStream::connect(address).map(drop)),
        ("listen", net::TcpListener::bind("127.0.0.1:0").map(drop)),
        ("datagrams", net::UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("local sockets", UnixDatagram::unbound().map(drop)),
        ("programs", Command::new("/bin/true").status().map(drop)),
        ("the secret", fs::read(dir.join("secret")).map(drop)),
        ("passwords", fs::read("/etc/passwd").map(drop)),
        ("write", fs::write(dir.join("readable/new"), "n")),
        ("remove", fs::remove_file(dir.join("readable/file"))),
        ("the parent's memory", fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id())).map(drop)),
    ] {
        assert!(matches!(&result, Err(e) if e.kind() == PermissionDenied), "{what}: {result:?}");
    }
    let parent = nix::unistd::Pid::from_raw(std::os::unix::process::parent_id() as i32);
    assert_eq!(nix::sys::signal::kill(parent, None), Err(nix::errno::Errno::EPERM));
    // What a job needs still works: files, threads, time, memory.
    assert_eq!(fs::read(dir.join("readable/file")).unwrap(), b"f");
    fs::write(dir.join("writable/new"), "n").unwrap();
    fs::remove_file(dir.join("writable/file")).unwrap();
    assert_eq!(std::thread::spawn(|| vec![1u8; 1 << 20].len()).join().unwrap(), 1 << 20);
    fs::read_to_string("/proc/meminfo").unwrap();
    println!("locked in");
}

#[tokio::test]
async fn a_gpu_that_gives_wrong_bits_is_found_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    let mut runner = runner_on_gpus(dir.path(), 2, &[]);
    let verdicts = runner.test(Depth::Quick).await.unwrap();
    assert!(verdicts.len() == 2 && verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Good), "{verdicts:?}");

    // From now on, in the same process.
    std::fs::write(dir.path().join("faults"), "flip1").unwrap();
    let verdicts = runner.test(Depth::Quick).await.unwrap();
    assert_eq!(verdicts[0].1, Verdict::Good);
    assert!(matches!(&verdicts[1].1, Verdict::Faulty(reason) if reason.contains("unit 0")), "{verdicts:?}");

    let bad = verdicts[1].0.id.clone();
    let mut runner = runner_on_gpus(dir.path(), 2, &["--without", &bad]);
    let mut outputs = Vec::new();
    runner.run(&work, 3, 4, by(), |output| outputs.push(output)).await.unwrap();
    assert_eq!(outputs, (3..7).map(expected).collect::<Vec<_>>());
    assert_eq!(runner.devices().len(), 1);
    let good = &verdicts[0].0.id;
    let mut none = runner_on_gpus(dir.path(), 2, &["--without", &bad, "--without", good]);
    let e = none.ready().await.unwrap_err();
    assert!(e.to_string().contains("every GPU of this machine is left out"), "{e}");
    let mut only = runner_on_gpus(dir.path(), 2, &["--only", good]);
    only.ready().await.unwrap();
    assert_eq!(only.devices()[0].id, *good);
}

#[tokio::test]
async fn memory_is_filled_with_proofs_between_the_units_of_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), MODULE);
    let on_a_gpu =
        runner_on_gpus(dir.path(), 1, &["--sandbox", "require", "--readable", &dir.path().to_string_lossy()]);
    std::fs::create_dir(dir.path().join("cubins")).unwrap();
    for mut runner in [runner_locked_in(dir.path()), on_a_gpu] {
        let room = runner.room().await.unwrap();
        assert!(room.len() == 1 && room[0] > 1 << 30, "{room:?}");
        let (seed, mib) = ([7; 32], 2);
        for _ in 0..2 {
            let places = runner.prove(0, &seed, mib, by()).await.unwrap();
            assert!(is_proof(&seed, mib, &proof::choose(&seed, mib, &places).unwrap()));
            let mut outputs = Vec::new();
            runner.run(&work, 3, 1, by(), |output| outputs.push(output)).await.unwrap();
            assert_eq!(outputs, [expected(3)]);
        }
    }
}

#[tokio::test]
async fn a_proof_of_memory_that_is_not_there_fails_and_the_next_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner_on_a_gpu(dir.path());
    let e = runner.prove(0, &REHEARSAL, 1 << 18, by()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Device(reason) if reason.contains("memory")), "{e}");
    proof::choose(&REHEARSAL, 1, &runner.prove(0, &REHEARSAL, 1, by()).await.unwrap()).unwrap();
    let e = runner.prove(1, &REHEARSAL, 1, by()).await.unwrap_err();
    assert!(matches!(&e, ExecutionError::Device(reason) if reason.contains("device 1 does not exist")), "{e}");
}

#[tokio::test]
async fn a_gpu_that_gives_wrong_bits_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner_on_gpus(dir.path(), 2, &[]);
    runner.ready().await.unwrap();
    std::fs::write(dir.path().join("faults"), "flip1").unwrap();
    for (device, is_right) in [(0, true), (1, false)] {
        let places = runner.prove(device, &REHEARSAL, 1, by()).await.unwrap();
        match proof::choose(&REHEARSAL, 1, &places) {
            Ok(_) => assert!(is_right),
            Err(e) => assert!(!is_right && matches!(e, Unproven::Wrong { memory_mib: 1, .. }), "{e}"),
        }
    }
}
