use super::*;

/// A child of a few lines of shell. `frame N BYTES` writes a frame of N bytes, the bytes given in octal.
fn runner(script: &str, limits: Limits) -> Runner {
    let prelude = r#"frame() { printf "\\$(printf %03o $1)\\0\\0\\0$2"; }
        hello() { frame 21 '\0\4\0\0\0\4\0\0\0fake\0\0\0\0\0\0\0\0'; }
        order() { head -c "$1" >/dev/null; }
        loaded() { frame 1 '\1'; }
        unit() { frame 17 "\\2\\$1\\0\\0\\0\\0\\0\\0\\0\\4\\0\\0\\0$2"; }
        "#;
    let arguments = vec!["-c".to_owned(), format!("{prelude}{script}")];
    Runner::new(ChildCommand { program: "/bin/sh".into(), arguments }, limits)
}

fn limits() -> Limits {
    Limits { start: Duration::from_secs(30), unit: Duration::from_secs(30), memory: 1 << 40 }
}

fn work() -> Work {
    Work { spec_cid: Cid::of(b"spec"), spec: vec![9], module: "/m".into(), inputs: vec!["/i".into()], output_len: 4 }
}

/// Length of the `Load` of [`work`] and of a `Run`, as frames.
fn orders() -> (usize, usize) {
    let load = Order::Load { spec: vec![9], module: "/m".into(), inputs: vec!["/i".into()] };
    (frames::encode(&load).unwrap().len(), frames::encode(&Order::Run { first: 5, count: 2 }).unwrap().len())
}

/// Runs units 5 and 6 in a child that says hello, takes the job, and then does `script`.
async fn run(script: &str, limits: Limits) -> (Result<(), ExecutionError>, Vec<Vec<u8>>, Runner) {
    let (load, run) = orders();
    let mut runner = runner(&format!("hello; order {load}; loaded; order {run}; {script}"), limits);
    let mut outputs = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    let result = runner.run(&work(), 5, 2, until, |output| outputs.push(output)).await;
    (result, outputs, runner)
}

#[tokio::test]
async fn outputs_arrive_in_order_and_the_child_is_kept() {
    let (_, order) = orders();
    let script = format!("unit 5 abcd; unit 6 efgh; order {order}; unit 5 ijkl; unit 6 mnop; cat");
    let (result, outputs, mut runner) = run(&script, limits()).await;
    result.unwrap();
    assert_eq!(outputs, [b"abcd", b"efgh"]);
    assert_eq!(runner.device(), Some("fake"));
    let mut second = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    runner.run(&work(), 5, 2, until, |output| second.push(output)).await.unwrap();
    assert_eq!(second, [b"ijkl", b"mnop"]);
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let short = Limits { unit: Duration::from_millis(300), ..limits() };
    let (result, _, runner) = run("unit 5 abcd; exec sleep 600", short).await;
    assert!(matches!(result, Err(ExecutionError::TooLong { what: "computing a unit", .. })), "{result:?}");
    assert!(runner.child.is_none());
}

#[tokio::test]
async fn a_child_that_never_starts_is_killed() {
    let short = Limits { start: Duration::from_millis(300), ..limits() };
    let mut runner = runner("exec sleep 600", short);
    let until = Instant::now() + Duration::from_secs(60);
    let result = runner.run(&work(), 5, 2, until, |_| ()).await;
    assert!(matches!(result, Err(ExecutionError::TooLong { what: "starting", .. })), "{result:?}");
}

#[tokio::test]
async fn a_child_that_crashes_is_reported_with_its_status() {
    let (result, outputs, _) = run("unit 5 abcd; kill -SEGV $$", limits()).await;
    assert!(matches!(&result, Err(ExecutionError::Died(how)) if how.contains("signal: 11")), "{result:?}");
    assert_eq!(outputs.len(), 1);
}

#[tokio::test]
async fn a_child_that_eats_memory_is_killed() {
    let small = Limits { memory: 64 << 20, ..limits() };
    // `tail` keeps its only line, without an end, in memory.
    let (result, ..) = run("exec tail -n 1 /dev/zero", small).await;
    assert!(matches!(result, Err(ExecutionError::Memory { used, most: 67_108_864 }) if used > 64 << 20), "{result:?}");
}

#[tokio::test]
async fn a_child_that_lies_about_lengths_is_killed() {
    for (lie, says) in [
        (r"printf '\377\377\377\177'; cat", "a frame of 2147483647 bytes"),
        (r"frame 16 '\2\5\0\0\0\0\0\0\0\3\0\0\0abc'; cat", "unit 5 with 3 bytes"),
        (r"frame 17 '\2\5\0\0\0\0\0\0\0\5\0\0\0abcd'; cat", "no message"),
        (r"unit 6 abcd; cat", "unit 6"),
        (r"loaded; cat", "not asked for"),
        (r"frame 1 '\77'; cat", "no message"),
    ] {
        let (result, outputs, _) = run(lie, limits()).await;
        let Err(ExecutionError::Answer(text)) = &result else { panic!("{lie}: {result:?}") };
        assert!(text.contains(says), "{lie}: {text}");
        assert!(outputs.is_empty());
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_computed_is_not_tried_again() {
    let (result, ..) = run(r"frame 9 '\3\3\0\0\0bad\1'; cat", limits()).await;
    let e = result.unwrap_err();
    assert!(matches!(&e, ExecutionError::Job(reason) if reason == "bad"), "{e}");
    assert!(!e.worth_retrying());
}

#[tokio::test]
async fn what_the_interpreter_finds_void_is_void_and_what_a_gpu_says_is_not() {
    let failed = |blame| frames::encode(&Answer::Failed { reason: "bad".into(), blame }).unwrap();
    let printed = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    let say = |blame| format!("printf '{}'; cat", printed(failed(blame)));
    let (result, _, runner) = run(&say(Blame::Void), limits()).await;
    let e = result.unwrap_err();
    assert!(matches!(&e, ExecutionError::Void(reason) if reason == "bad") && !e.worth_retrying(), "{e}");
    assert!(runner.child.is_some_and(|child| child.loaded.is_none()), "it serves again, from the beginning");
    let (result, _, runner) = run(&say(Blame::Suspected(vec![5, 6])), limits()).await;
    let e = result.unwrap_err();
    assert!(matches!(&e, ExecutionError::Suspected { units, .. } if *units == [5, 6]) && e.worth_retrying(), "{e}");
    assert!(runner.child.is_none());
}

#[tokio::test]
async fn the_child_is_restarted_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("once");
    let script = format!("[ -e {0} ] || {{ touch {0}; exit 3; }}; unit 5 abcd; unit 6 efgh; cat", marker.display());
    let (result, _, mut runner) = run(&script, limits()).await;
    assert!(matches!(&result, Err(ExecutionError::Died(how)) if how.contains("exit status: 3")), "{result:?}");
    let until = Instant::now() + Duration::from_secs(60);
    runner.run(&work(), 5, 2, until, |_| ()).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let command = ChildCommand { program: "/no/such/worker".into(), arguments: vec![] };
    let mut runner = Runner::new(command, limits());
    let e = runner.run(&work(), 5, 2, Instant::now() + Duration::from_secs(9), |_| ()).await.unwrap_err();
    assert!(matches!(e, ExecutionError::Start { .. }) && e.to_string().contains("/no/such/worker"), "{e}");
}

#[tokio::test]
async fn a_proof_is_what_was_asked_for() {
    let printed = |answer: &Answer| {
        let bytes = frames::encode(answer).unwrap();
        format!("printf '{}'", bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>())
    };
    let order = Order::Prove { device: 0, seed: [7; 32], memory_mib: 3 };
    let len = |order: &Order| frames::encode(order).unwrap().len();
    let until = || Instant::now() + Duration::from_secs(60);
    let proved = printed(&Answer::Proved { places: vec![3, 9] });
    let room = printed(&Answer::Room { bytes: vec![5] });
    let script = format!("hello; order {}; {room}; order {}; {proved}; cat", len(&Order::Room), len(&order));
    let mut asked = runner(&script, limits());
    assert_eq!(asked.room().await.unwrap(), [5]);
    assert_eq!(asked.prove(0, &[7; 32], 3, until()).await.unwrap(), [3, 9]);
    assert!(asked.child.is_some(), "it is kept");

    let failed = Answer::Failed { reason: "no memory".into(), blame: Blame::Machine };
    for (answer, says) in [(failed, "no memory"), (Answer::Loaded, "not asked for")] {
        let mut asked = runner(&format!("hello; order {}; {}; cat", len(&order), printed(&answer)), limits());
        let e = asked.prove(0, &[7; 32], 3, until()).await.unwrap_err();
        assert!(e.to_string().contains(says) && asked.child.is_none(), "{e}");
    }
    let mut other = runner(&format!("hello; order {}; {room}; cat", len(&order)), limits());
    assert!(matches!(other.prove(0, &[7; 32], 3, until()).await, Err(ExecutionError::Answer(_))));
    assert!(other.child.is_none());
    let soon = Instant::now() + Duration::from_millis(300);
    let e = runner("hello; exec sleep 600", limits()).prove(0, &[7; 32], 3, soon).await.unwrap_err();
    assert!(matches!(e, ExecutionError::TooLong { what: "computing a proof", .. }), "{e}");
}
