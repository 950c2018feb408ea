//! What the CUDA backend does beside computing, on the stand-in driver: the cache of compiled modules, graphs, several
//! units at once, the pool of memory, and what it says when something fails. Tests that begin with `inner_` run in
//! processes that the others start, with the stand-in as their driver.

mod common;

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use common::stand_in::{StandIn, count};
use common::{MODULE, at, cases, input, launch, random, zero};
use tessera_executor::{Backend, Cubins, ExecError, Executor, Graphs, Options, Program, open, open_with, outputs};
use tessera_protocol::spec::{Arg, Buffer, BufferInit, LaunchPlan, Repeat};

/// Options of the backend, for the inner tests.
const CUBINS: &str = "TESSERA_TEST_CUBINS";
const QUOTA: &str = "TESSERA_TEST_QUOTA";
const GRAPHS: &str = "TESSERA_TEST_GRAPHS";
const MOST: &str = "TESSERA_TEST_MOST";

fn options() -> Options {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let graphs = match std::env::var(GRAPHS).as_deref() {
        Ok("always") => Graphs::Always,
        Ok("never") => Graphs::Never,
        _ => Graphs::Auto,
    };
    let cubins = std::env::var_os(CUBINS)
        .map(|directory| Cubins { directory: directory.into(), quota: number(QUOTA).unwrap_or(1 << 20) });
    Options { cubins, graphs, most_in_flight: number(MOST).unwrap_or(8) as usize, ..Options::default() }
}

fn cuda() -> Box<dyn Executor> {
    let cuda = open_with(Backend::Cuda, &options()).unwrap();
    assert!(cuda.devices()[0].name.starts_with("Fake GPU"), "this test is for the stand-in driver");
    cuda
}

fn program<'a>(plan: &'a LaunchPlan, inputs: &'a [Bytes]) -> Program<'a> {
    Program { module: MODULE, plan, inputs, unit_gas: 0, unit_time: Duration::from_secs(60) }
}

/// `n` words; each unit another output. The buffers are a few bytes longer than what the kernel touches.
fn steps(n: u32, rest: u64) -> (LaunchPlan, Vec<Bytes>) {
    let mut state: Vec<u8> = random(n as usize, 7).into_iter().flat_map(u32::to_le_bytes).collect();
    state.extend((0..rest).map(|i| i as u8));
    let len = state.len() as u64;
    let args = vec![Arg::Unit32, Arg::Unit64, at(0), at(1), Arg::Bits32(n)];
    let plan = LaunchPlan {
        buffers: vec![Buffer { len, init: BufferInit::Copy(0) }, zero(len)],
        launches: vec![launch("step", n.div_ceil(128), 128, args)],
        repeats: vec![],
        output: 1,
    };
    (plan, vec![state.into()])
}

/// Lines of the driver's log so far.
fn log() -> Vec<String> {
    let log = fs::read_to_string(std::env::var_os("FAKE_CUDA_LOG").unwrap()).unwrap();
    log.lines().map(str::to_owned).collect()
}

/// Cases and shapes on every device, with the options that the environment says: the bits are those of the processor.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_bits() {
    let (cpu, cuda) = (open(Backend::Cpu).unwrap(), cuda());
    let compare = |name: &str, plan: &LaunchPlan, inputs: &[Bytes], units: std::ops::Range<u64>| {
        let program = program(plan, inputs);
        let expected = outputs(&*cpu, 0, &program, units.clone()).unwrap();
        assert_eq!(expected.len() as u64, units.end - units.start);
        for device in 0..cuda.devices().len() {
            let found = outputs(&*cuda, device, &program, units.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(found == expected, "{name}: the outputs differ from the processor's");
        }
    };
    for case in cases() {
        compare(case.name, &case.plan, &case.inputs, 0..case.expected.len() as u64 + 3);
    }
    // One word, odd lengths below and above a chunk.
    for (n, rest) in [(1, 0), (1, 3), (200, 1), (255, 3), (256, 0), (257, 2), (5000, 1)] {
        let (plan, inputs) = steps(n, rest);
        compare("steps", &plan, &inputs, 1_000_000_007..1_000_000_012);
    }
    let (plan, inputs) = steps(3, 0);
    compare("no units", &plan, &inputs, 9..9);
}

/// Many units, and large ones.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_many() {
    let (cpu, cuda) = (open(Backend::Cpu).unwrap(), cuda());
    for (n, units) in [(333, 3..203), (1_000_000, 0..4)] {
        let (plan, inputs) = steps(n, 1);
        let program = program(&plan, &inputs);
        let expected = outputs(&*cpu, 0, &program, units.clone()).unwrap();
        assert!(outputs(&*cuda, 0, &program, units).unwrap() == expected, "{n} words");
    }
}

/// Launches of the seven units that are too long for a graph.
const LONG: usize = 7 * (2 + 2 * 600);

#[test]
fn neither_graphs_nor_slots_change_a_bit() {
    let driver = StandIn::new();
    let launches = |graphs, most, more: &[(&str, &str)]| {
        let variables = [&[(GRAPHS, graphs), (MOST, most), ("FAKE_CUDA_JITTER", "300")], more].concat();
        let outcome = driver.passes("inner_bits", &variables);
        (outcome.count("graph"), outcome.count("launch "))
    };
    for most in ["1", "2", "3", "8"] {
        assert!(matches!(launches("always", most, &[]), (1.., LONG)), "{most}");
        assert!(matches!(launches("never", most, &[]), (0, 1..)), "{most}");
        // Plans with few steps are started one by one, others by graphs.
        assert!(matches!(launches("auto", most, &[]), (1.., 1..)), "{most}");
    }
    // A driver without graphs.
    assert!(matches!(launches("always", "8", &[("FAKE_CUDA_FAULTS", "graph")]), (0, 1..)));
    // Larger GPUs, on which more units fit, and two of them.
    launches("auto", "8", &[("FAKE_CUDA_MULTIPROCESSORS", "64"), ("FAKE_CUDA_DEVICES", "2")]);
    for graphs in ["always", "never"] {
        driver.passes("inner_many", &[(GRAPHS, graphs), ("FAKE_CUDA_JITTER", "300")]);
        let large = [(GRAPHS, graphs), ("FAKE_CUDA_JITTER", "300"), ("FAKE_CUDA_MULTIPROCESSORS", "100000")];
        driver.passes("inner_many", &large);
    }
}

#[test]
fn a_wrong_bit_is_seen() {
    let outcome = StandIn::new().run("inner_bits", &[("FAKE_CUDA_FAULTS", "flip")]);
    assert!(!outcome.success && outcome.text.contains("differ from the processor's"), "{}", outcome.text);
}

#[test]
fn modules_are_compiled_once() {
    let driver = StandIn::new();
    let folder = driver.path("cubins");
    let directory = folder.to_str().unwrap();
    let run = |more: &[(&str, &str)]| {
        let outcome = driver.passes("inner_bits", &[&[(CUBINS, directory)], more].concat());
        (outcome.count("link"), outcome.count("load image"), outcome.count("load ptx"))
    };
    let files = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    // A session of each case and shape; two devices of one model share what is compiled.
    let sessions = cases().len() + 8;
    assert_eq!(run(&[]), (1, sessions, 0));
    assert_eq!(run(&[]), (0, sessions, 0));
    assert_eq!(run(&[("FAKE_CUDA_DEVICES", "2")]), (0, 2 * sessions, 0));
    assert_eq!(files().len(), 1);
    // Another driver compiles anew, and what the first compiled stays.
    assert_eq!(run(&[("FAKE_CUDA_VERSION", "12040")]), (1, sessions, 0));
    assert_eq!(files().len(), 2);
    assert_eq!(run(&[]), (0, sessions, 0));
    // Damaged and cut files are compiled again, and never loaded.
    for damage in [|bytes: &mut Vec<u8>| bytes.truncate(500), |bytes: &mut Vec<u8>| bytes[300] ^= 4] {
        for file in files() {
            let mut bytes = fs::read(&file).unwrap();
            damage(&mut bytes);
            fs::write(&file, bytes).unwrap();
        }
        assert_eq!(run(&[]), (1, sessions, 0));
        assert_eq!(run(&[]), (0, sessions, 0));
    }
    // A driver that cannot link loads the text; one that could before still has what was compiled.
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(run(&[("FAKE_CUDA_FAULTS", "link")]), (0, 0, sessions));
    assert!(!folder.exists());
    assert_eq!(run(&[]), (1, sessions, 0));
    assert_eq!(run(&[("FAKE_CUDA_FAULTS", "link")]), (0, sessions, 0));
    // Nothing that is larger than the quota is kept; nor is anything where no directory can be made.
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(run(&[(QUOTA, "1000")]), (sessions, sessions, 0));
    fs::write(&folder, "a file").unwrap();
    assert_eq!(run(&[]), (sessions, sessions, 0));
}

/// Of units 985 to 1000, those from 993 on write behind their buffer.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_fault() {
    let plan = LaunchPlan {
        buffers: vec![zero(4096)],
        launches: vec![launch("far_away", 1, 32, vec![at(0), Arg::Unit64])],
        repeats: vec![],
        output: 0,
    };
    let cuda = cuda();
    let mut session = cuda.prepare(0, &program(&plan, &[])).unwrap();
    let mut seen = Vec::new();
    let error = session.run(985..1000, &mut |unit, _| {
        seen.push(unit);
        Ok(())
    });
    let error = error.unwrap_err();
    assert!(error.blames_job() && error.to_string().contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{error}");
    let ExecError::GpuFault { units, .. } = &error else { panic!("{error}") };
    assert!(seen.iter().copied().eq(985..985 + seen.len() as u64) && seen.len() <= 8, "{seen:?}");
    // One of those that were on their way; alone where one computes at a time.
    assert!(units.iter().any(|unit| *unit >= 993) && units.iter().all(|unit| !seen.contains(unit)), "{units:?}");
    match session.in_flight() {
        1 | 2 => assert_eq!((units.as_slice(), error.to_string().contains("unit 993:")), (&[993][..], true)),
        many => assert!(units.len() <= many && units.iter().all(|unit| (985..1000).contains(unit)), "{units:?}"),
    }
    assert!(matches!(session.run(0..1, &mut |_, _| Ok(())), Err(ExecError::Broken)));
}

/// How often `inner_hang` repeats its launch.
const TIMES: &str = "TESSERA_TEST_TIMES";

/// Unit 1 ends, unit 2 never does.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_hang() {
    let plan = LaunchPlan {
        buffers: vec![zero(4096)],
        launches: vec![launch("for_ever", 1, 32, vec![at(0), Arg::Unit32])],
        repeats: vec![Repeat {
            first: 0,
            count: 1,
            times: std::env::var(TIMES).map_or(1, |times| times.parse().unwrap()),
        }],
        output: 0,
    };
    let cuda = cuda();
    let program = Program { unit_time: Duration::from_secs(1), ..program(&plan, &[]) };
    let mut session = cuda.prepare(0, &program).unwrap();
    let mut seen = Vec::new();
    let error = session.run(1..3, &mut |unit, _| {
        seen.push(unit);
        Ok(())
    });
    assert!(matches!(error, Err(ExecError::TimedOut { unit: 2, .. })), "{error:?}");
    // The stand-in copies nothing while a kernel runs, so the output of unit 1 may have stayed with it.
    assert!(seen.is_empty() || seen == [1], "{seen:?}");
    assert!(matches!(session.run(5..6, &mut |_, _| Ok(())), Err(ExecError::Broken)));
}

#[test]
fn faults_are_laid_at_the_right_door() {
    let driver = StandIn::new();
    for (most, processors) in [("1", "1"), ("2", "0"), ("8", "1"), ("3", "64")] {
        for graphs in ["always", "never"] {
            let variables = [(MOST, most), ("FAKE_CUDA_MULTIPROCESSORS", processors), (GRAPHS, graphs)];
            driver.passes("inner_fault", &[&variables[..], &[("FAKE_CUDA_JITTER", "500")]].concat());
        }
    }
    driver.passes("inner_hang", &[(MOST, "1")]);
    driver.passes("inner_hang", &[("FAKE_CUDA_MULTIPROCESSORS", "0")]);
    // So many launches that the host does not hand all of them to the driver at once.
    for most in ["1", "2"] {
        driver.passes("inner_hang", &[(MOST, most), (TIMES, "5000")]);
    }
}

/// While the sink has one unit, the next was given to the device.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_ahead() {
    let cuda = cuda();
    let (plan, inputs) = steps(333, 0);
    let mut session = cuda.prepare(0, &program(&plan, &inputs)).unwrap();
    let slots = session.in_flight() as u64;
    let mut first = 0;
    session
        .run(0..20, &mut |unit, _| {
            first += 1;
            // Of units that compute at the same time, the first goes alone.
            let concurrent = slots > 1 && std::env::var("FAKE_CUDA_MULTIPROCESSORS").as_deref() != Ok("0");
            let ahead = if concurrent && unit == 0 { 1 } else { 20.min(unit + slots) };
            assert_eq!(count(&log(), "launch step") as u64, ahead, "unit {unit}");
            if slots >= 2 && unit + 1 < ahead {
                // The next one is computed to its end while this one is still in our hands.
                let by = std::time::Instant::now() + Duration::from_secs(60);
                while (count(&log(), "ran step") as u64) < unit + 2 {
                    assert!(std::time::Instant::now() < by, "unit {} waits for the sink", unit + 1);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(first, 20);
}

#[test]
fn the_next_unit_computes_while_an_output_is_taken() {
    let driver = StandIn::new();
    for (most, processors) in [("8", "1"), ("8", "0"), ("2", "1"), ("1", "1")] {
        driver.passes("inner_ahead", &[(GRAPHS, "never"), (MOST, most), ("FAKE_CUDA_MULTIPROCESSORS", processors)]);
    }
}

/// What is left in memory by one job is not seen by the next, not even behind the end of its buffers.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_strangers() {
    let cuda = cuda();
    let allocated = || (count(&log(), "alloc"), count(&log(), "pin"));
    let secret = vec![0xa5u8; 4096];
    let inputs = [Bytes::from(secret)];
    // It fills blocks of 4 KiB: an input, a copy of it, and the output.
    let (mut plan, _) = steps(1024, 0);
    plan.buffers.push(input(&inputs[0], 0));
    let first = outputs(&*cuda, 0, &program(&plan, &inputs), 0..9).unwrap();
    let before = allocated();
    assert_eq!(outputs(&*cuda, 0, &program(&plan, &inputs), 0..9).unwrap(), first);
    assert_eq!(allocated(), before, "the second session takes what the first left");
    // It reads its buffers of 3900 bytes up to 4096, as a GPU lets it: the interpreter would call it void.
    let strange = LaunchPlan {
        buffers: vec![zero(3900), zero(4096)],
        launches: vec![launch(
            "saxpy",
            8,
            128,
            vec![at(0), at(0), at(1), Arg::Bits32(1f32.to_bits()), Arg::Bits32(1024)],
        )],
        repeats: vec![],
        output: 1,
    };
    let mut session = cuda.prepare(0, &program(&strange, &[])).unwrap();
    assert_eq!(allocated().0, before.0, "the blocks are those of the job before");
    session
        .run(0..3, &mut |unit, output| {
            assert!(output.bytes.iter().all(|byte| *byte == 0), "unit {unit} sees bytes of a stranger");
            Ok(())
        })
        .unwrap();
}

/// Memory for one job at a time: what lies unused is freed for the next.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_short_of_memory() {
    let cuda = cuda();
    let available = || cuda.available(0).unwrap();
    assert_eq!(available(), 4 << 20);
    assert!(matches!(cuda.available(1), Err(ExecError::UnknownDevice { device: 1, count: 1 })));
    // 3 blocks of 768 KiB of 4 MiB, then of 1 MiB, then more than there is.
    for n in [190_000, 260_000] {
        let (plan, inputs) = steps(n, 0);
        outputs(&*cuda, 0, &program(&plan, &inputs), 0..2).unwrap();
    }
    assert!(count(&log(), "free") > 0);
    assert_eq!(available(), 4 << 20, "what lies unused is there for others");
    let (plan, inputs) = steps(190_000, 0);
    let mut session = cuda.prepare(0, &program(&plan, &inputs)).unwrap();
    assert!(available() < 2 << 20, "{}", available());
    session.run(0..1, &mut |_, _| Ok(())).unwrap();
    drop(session);
    let (plan, inputs) = steps(500_000, 0);
    let error = cuda.prepare(0, &program(&plan, &inputs)).map(|_| ()).unwrap_err();
    assert!(matches!(error, ExecError::Memory { .. }), "{error}");
}

/// Two sessions at a time on each of two devices, from threads of their own; a sink that refuses.
#[test]
#[ignore = "runs on the stand-in driver"]
fn inner_together() {
    let (cpu, cuda) = (open(Backend::Cpu).unwrap(), cuda());
    assert_eq!(cuda.devices().len(), 2);
    let (plan, inputs) = steps(333, 2);
    let program = program(&plan, &inputs);
    let expected = outputs(&*cpu, 0, &program, 0..40).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cuda, program, expected) = (&*cuda, &program, &expected);
            scope.spawn(move || {
                for _ in 0..3 {
                    let mut session = cuda.prepare(thread % 2, program).unwrap();
                    let refused = session.run(0..40, &mut |unit, output| {
                        assert!(output.bytes == expected[unit as usize], "unit {unit}");
                        if unit == 7 { Err(ExecError::Sink("full".into())) } else { Ok(()) }
                    });
                    assert!(matches!(refused, Err(ExecError::Sink(_))));
                    let mut seen = 20;
                    session
                        .run(20..40, &mut |unit, output| {
                            assert!(unit == seen && output.bytes == expected[unit as usize], "unit {unit}");
                            seen += 1;
                            Ok(())
                        })
                        .unwrap();
                    assert_eq!(seen, 40);
                }
            });
        }
    });
}

#[test]
fn memory_goes_from_job_to_job_but_its_contents_do_not() {
    let driver = StandIn::new();
    for processors in ["1", "0"] {
        driver.passes("inner_strangers", &[("FAKE_CUDA_MULTIPROCESSORS", processors)]);
    }
    driver.passes("inner_short_of_memory", &[("FAKE_CUDA_MEMORY", "4194304")]);
}

#[test]
fn devices_and_sessions_do_not_meet() {
    let driver = StandIn::new();
    for graphs in ["always", "never"] {
        driver.passes("inner_together", &[("FAKE_CUDA_DEVICES", "2"), ("FAKE_CUDA_JITTER", "200"), (GRAPHS, graphs)]);
    }
}
