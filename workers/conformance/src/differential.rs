//! Runs random programs in two executors and keeps what differs.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;
use tessera_ptx::FaultKind;

use crate::minimise::minimise;
use crate::program::{Case, Purpose};
use crate::work::{Engine, Outcome, in_profile};

/// After so many differences it is no use to look on.
const ENOUGH: usize = 8;

/// A program on which two executors disagree.
#[derive(Debug)]
pub struct Difference {
    /// The program as it was found, by its number.
    pub seed: u64,
    /// As little of it as still differs.
    pub smallest: Case,
    /// What the reference makes of that.
    pub expected: Outcome,
    /// What the other makes of it.
    pub found: Outcome,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.smallest.work();
        writeln!(f, "seed {}, grid {:?}, block {:?}, gas limit {}", self.seed, work.grid, work.block, work.gas)?;
        writeln!(f, "expected: {}", self.expected.describe(&self.found))?;
        writeln!(f, "found:    {}", self.found.describe(&self.expected))?;
        write!(f, "{}", work.text)
    }
}

/// What came of a range of programs.
#[derive(Debug, Default)]
pub struct Report {
    /// Programs that ran.
    pub cases: u64,
    /// Programs that were left out, because the profile refuses them.
    pub skipped: u64,
    /// How programs ended, and how many did.
    pub ends: BTreeMap<String, u64>,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Adds what came of other programs.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.skipped += other.skipped;
        other.ends.into_iter().for_each(|(end, count)| *self.ends.entry(end).or_default() += count);
        self.differences.extend(other.differences);
    }
}

/// Compares two executors on the programs of a range of numbers. `progress` is told of every program.
pub fn compare(
    seeds: Range<u64>,
    purpose: Purpose,
    expected: Engine<'_>,
    found: Engine<'_>,
    progress: impl Fn(u64) + Sync,
) -> Report {
    let (report, done) = (Mutex::new(Report::default()), AtomicU64::new(0));
    let keep = |change: &dyn Fn(&mut Report)| {
        if let Ok(mut report) = report.lock() {
            change(&mut report);
        }
    };
    let one = |seed: u64| {
        let case = Case::new(seed, purpose);
        let work = case.work();
        if purpose == Purpose::Devices && !in_profile(&work.text) {
            keep(&|report| report.skipped += 1);
            return;
        }
        let results = [expected.run(&work), found.run(&work)];
        let end = end(&results[0]);
        keep(&|report| {
            report.cases += 1;
            *report.ends.entry(end.clone()).or_default() += 1;
        });
        progress(done.fetch_add(1, Relaxed) + 1);
        let crowded = report.lock().is_ok_and(|report| report.differences.len() >= ENOUGH);
        if !results[0].agrees(&results[1]) && !crowded {
            let both = |case: &Case| {
                let work = case.work();
                (expected.run(&work), found.run(&work))
            };
            let smallest = minimise(&case, |case| {
                let (expected, found) = both(case);
                !expected.agrees(&found)
            });
            let (expected, found) = both(&smallest);
            if let Ok(mut report) = report.lock() {
                report.differences.push(Difference { seed, smallest, expected, found });
            }
        }
    };
    // A GPU runs one program after the other.
    if matches!(found, Engine::Device(..)) {
        seeds.into_iter().for_each(one);
    } else {
        seeds.into_par_iter().for_each(one);
    }
    let mut report = report.into_inner().unwrap_or_default();
    report.differences.sort_by_key(|difference| difference.seed);
    report
}

/// How a program ended, without numbers.
fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "done".into(),
        Outcome::Fault(fault) => {
            let text = format!("{:?}", fault.kind);
            if let FaultKind::Launch(why) = &fault.kind {
                return format!("launch: {why}");
            }
            text.split([' ', '(', '{']).next().unwrap_or_default().to_string()
        }
        Outcome::Error(text) => format!("error: {text}"),
        Outcome::Panic(_) => "panic".into(),
    }
}
