//! The machine on which it is measured, and how busy it is with other things.

use std::process::Command;

use tessera_executor::{Backend, open};
use tessera_kernel_tests::host::{Compiler, compilers};

/// What figures depend on besides the code.
pub struct Setting {
    pub date: String,
    pub commit: String,
    pub processor: String,
    /// Threads that share the blocks of a launch, in compiled code and in host programs.
    pub threads: usize,
    pub compilers: Vec<Compiler>,
    pub rustc: String,
}

impl Setting {
    pub fn of_this_machine() -> Self {
        let cpu = open(Backend::Cpu).unwrap_or_else(|error| panic!("{error}"));
        Self {
            date: said("date", &["-u", "+%F"]),
            commit: said("git", &["describe", "--always", "--dirty", "--exclude=*"]),
            processor: cpu.devices()[0].name.clone(),
            threads: rayon::current_num_threads(),
            compilers: compilers(),
            rustc: said("rustc", &["--version"]),
        }
    }
}

/// The first line that a command prints.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_string()
}

/// Processor time since the machine started, in the system's ticks.
pub struct Busy {
    all: i64,
    idle: i64,
    own: i64,
}

impl Busy {
    /// As Linux tells it.
    pub fn now() -> Option<Self> {
        // Some are negative, such as the terminal of a process without one.
        let numbers = |text: &str| text.split_whitespace().map_while(|word| word.parse().ok()).collect::<Vec<i64>>();
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
        let system = numbers(stat.lines().next()?.strip_prefix("cpu")?);
        let (all, idle) = (system.iter().take(8).sum(), system.get(3)? + system.get(4)?);
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // After the name and the state: of this process and of the children that it waited for, fields 14 to 17.
        let own = numbers(stat.rsplit_once(") ")?.1.get(2..)?).get(10..14)?.iter().sum();
        Some(Self { all, idle, own })
    }

    /// The part of all processor time until `later` that neither this process took nor was idle.
    pub fn others(&self, later: &Self) -> Option<f64> {
        let [all, idle, own] = [later.all - self.all, later.idle - self.idle, later.own - self.own];
        (all > 0).then(|| (all - idle - own).max(0) as f64 / all as f64)
    }
}
