//! What a process takes for its machine: its clock, and the room on its disk.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// A machine of one process, as `machine.c` shows it.
pub struct Machine {
    state: File,
    path: PathBuf,
}

impl Machine {
    /// A sound one, whose state lies in a file.
    pub fn new(path: &Path) -> Self {
        let state = File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        state.set_len(16).unwrap();
        Self { state, path: path.to_owned() }
    }

    /// Runs a command on this machine.
    pub fn host(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("TESSERA_TEST_MACHINE", &self.path);
    }

    /// From now on the clock is ahead by so much.
    pub fn set_clock(&self, seconds: i64) {
        self.state.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// From now on there is no room on the disk, or there is again.
    pub fn set_full(&self, is_full: bool) {
        self.state.write_all_at(&i64::from(is_full).to_ne_bytes(), 8).unwrap();
    }
}

/// The compiled `machine.c`.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let source = dir.path().join("machine.c");
        fs::write(&source, include_str!("machine.c")).unwrap();
        let path = dir.path().join("machine.so");
        crate::process::run({
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&path).arg(&source).arg("-ldl");
            cc
        });
        (dir, path)
    });
    path
}

#[test]
fn a_machine_goes_wrong_and_is_well_again() {
    let dir = TempDir::new().unwrap();
    let machine = Machine::new(&dir.path().join("machine"));
    let output = |script: &str| {
        let mut command = Command::new("sh");
        machine.host(command.args(["-c", script]).current_dir(dir.path()));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let days = || output("date -u +%s").1.trim().parse::<u64>().unwrap() / 86_400;
    fs::write(dir.path().join("from"), [0; 10]).unwrap();
    let copy = || output("cp from to 2>/dev/null").0;
    // Midnight may come in between.
    let is = |day: u64| (day..=day + 1).contains(&days());
    let (today, later) = (days(), 366i64);
    assert!(copy());
    machine.set_clock(later * 86_400);
    machine.set_full(true);
    assert!(is(today + later.unsigned_abs()) && !copy());
    machine.set_clock(0);
    machine.set_full(false);
    assert!(is(today) && copy());
}
