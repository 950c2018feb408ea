//! Whatever strangers send, reading and checking it ends without a panic and soon: modules broken at random.
//!
//! Each input is made from its number: a module of this repository or a random program, of which lines, words and bytes
//! are left out, repeated, exchanged or changed.

mod mutate;

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use tessera_ptx::Module;

use crate::work::panic_text;

pub use mutate::input;

/// Longest time for an input: so much, and so much for each of its bytes.
const TIME: Duration = Duration::from_millis(100);
const TIME_OF_BYTE: Duration = Duration::from_micros(2);
/// After so many failures it is no use to look on.
const ENOUGH: usize = 8;

/// An input that was not read as it should be.
#[derive(Debug)]
pub struct Failure {
    /// Its number.
    pub number: u64,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {}: {}\n{}", self.number, self.what, input(self.number))
    }
}

/// What came of a range of inputs.
#[derive(Debug, Default)]
pub struct Report {
    /// Inputs that are modules.
    pub modules: u64,
    /// Modules that the profile allows.
    pub allowed: u64,
    /// The longest time, and the number of the input that took it.
    pub slowest: (Duration, u64),
    /// Inputs that made the reader panic, or were refused without a place.
    pub failures: Vec<Failure>,
    /// Inputs that took long.
    pub slow: Vec<Failure>,
}

impl Report {
    /// Adds what came of other inputs.
    pub fn add(&mut self, other: Self) {
        self.modules += other.modules;
        self.allowed += other.allowed;
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
        self.slow.extend(other.slow);
    }
}

/// What an input is.
enum Read {
    Broken,
    Refused,
    Allowed,
}

/// Reads the inputs of a range of numbers. `progress` is told how many are done.
pub fn fuzz(numbers: Range<u64>, progress: impl Fn(u64) + Sync) -> Report {
    let (report, done) = (Mutex::new(Report::default()), AtomicU64::new(0));
    numbers.into_par_iter().for_each(|number| {
        let text = input(number);
        let (took, read) = timed(&text);
        let slow = took > limit(&text);
        if let Ok(mut report) = report.lock() {
            match read {
                Ok(Read::Broken) => {}
                Ok(Read::Refused) => report.modules += 1,
                Ok(Read::Allowed) => {
                    report.modules += 1;
                    report.allowed += 1;
                }
                Err(what) if report.failures.len() < ENOUGH => report.failures.push(Failure { number, what }),
                Err(_) => {}
            }
            if slow && report.slow.len() < ENOUGH {
                let what = format!("reading {} bytes takes {took:?}", text.len());
                report.slow.push(Failure { number, what });
            }
            report.slowest = report.slowest.max((took, number));
        }
        progress(done.fetch_add(1, Relaxed) + 1);
    });
    let mut report = report.into_inner().unwrap_or_default();
    report.failures.sort_by_key(|failure| failure.number);
    report.slow.sort_by_key(|failure| failure.number);
    report
}

/// How long an input may take.
fn limit(text: &str) -> Duration {
    TIME + TIME_OF_BYTE * text.len() as u32
}

/// Reads an input, up to three times while it takes long: another program may have had the processor. The least time counts.
fn timed(text: &str) -> (Duration, Result<Read, String>) {
    let once = || {
        let start = Instant::now();
        let before = spent(start);
        let result = read(text);
        (spent(start).saturating_sub(before), result)
    };
    let (mut least, result) = once();
    for _ in 0..2 {
        if least > limit(text) && result.is_ok() {
            least = least.min(once().0);
        }
    }
    (least, result)
}

/// How long this thread has had a processor, where the host tells; else how long ago `start` was.
fn spent(start: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|number| number.parse().ok());
    spent.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

fn read(text: &str) -> Result<Read, String> {
    let done = catch_unwind(AssertUnwindSafe(|| match Module::parse(text) {
        Ok(module) => {
            let refusals = module.check();
            // What concerns the whole module has no line.
            match refusals.iter().find(|refusal| refusal.line == 0 && !refusal.reason.contains("line")) {
                Some(refusal) => Err(format!("refused without a place: {refusal}")),
                None if refusals.is_empty() => Ok(Read::Allowed),
                None => Ok(Read::Refused),
            }
        }
        Err(error) if error.line() == 0 => Err(format!("an error without a place: {error}")),
        Err(_) => Ok(Read::Broken),
    }));
    done.unwrap_or_else(|panic| Err(format!("PANIC: {}", panic_text(&*panic))))
}
