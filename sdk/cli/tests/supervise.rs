//! Child processes end with whoever started them.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

fn supervise(script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tessera"))
        .args(["supervise", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether a process runs. One that has ended and waits to be reaped does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_child_and_its_children_end_when_the_parent_does() {
    let mut supervisor = supervise("trap '' TERM; sleep 1000 & echo $$ $!; wait");
    let mut line = String::new();
    BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<&str> = line.split_whitespace().collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| runs(pid)));
    // As when the parent is killed: the system closes its end of the pipe.
    drop(supervisor.stdin.take());
    supervisor.wait().unwrap();
    // What was killed last may be about to go.
    let end = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| runs(pid)) {
        assert!(Instant::now() < end, "{line} outlived the parent");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_exit_status_of_the_child_is_passed_on() {
    let mut supervisor = supervise("exit 7");
    // Kept open: the child ends by itself.
    let lifeline = supervisor.stdin.take();
    assert_eq!(supervisor.wait().unwrap().code(), Some(7));
    drop(lifeline);
}

#[test]
fn a_failure_is_one_line_that_says_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_tessera"))
        .args(["job", "list", "--url", "nonsense", "--market", "11111111111111111111111111111111"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.starts_with("error: ") && text.trim_end().lines().count() == 1, "{text}");
    assert!(text.contains("expected http://host:port"), "{text}");
}
