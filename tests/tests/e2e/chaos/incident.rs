//! What goes wrong in a run, to whom, and when: all of it follows from a seed.

use std::{fmt, time::Duration};

use tessera_tests::{
    proxy::{Fault, Rule},
    rng::Rng,
};

/// Workers of a network.
pub const WORKERS: usize = 3;
/// Ways of each worker to the node.
pub const WAYS: usize = 2;

/// Who can have an accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    Node,
    Store,
    Client,
    /// By its number, from 0.
    Worker(usize),
}

/// A connection that can be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Everybody's to the store.
    Store,
    /// The store's to the node.
    StoreToNode,
    /// The client's to the node.
    ClientToNode,
    /// A worker's to the node: one of its ways, or all.
    WorkerToNode(usize, Option<usize>),
    /// Everybody's to the node.
    Node,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Killed, and away for the time that the incident lasts.
    Kill(Whom),
    /// Stopped, and then it goes on.
    Pause(Whom),
    /// No room on the disk.
    DiskFull(Whom),
    /// A clock that is ahead by so many seconds.
    Clock(Whom, i64),
    /// A bad connection.
    Bad(Link, Rule),
}

/// Something that happens at a time and lasts for some.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub at: Duration,
    pub lasts: Duration,
    pub what: What,
}

/// How a client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It stays until all outputs are there, however often it has to begin again.
    Finish,
    /// It cancels the job so long after it was posted.
    Cancel(Duration),
    /// It is gone so long after it was posted, and asks for what is left when all is over.
    Vanish(Duration),
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub course: Course,
    pub replicas: u8,
    pub incidents: Vec<Incident>,
}

impl Plan {
    /// The run of a seed. Nothing lasts longer than `longest`.
    pub fn new(seed: u64, longest: Duration) -> Self {
        let rng = &mut Rng::new(seed);
        let later = Duration::from_millis(rng.between(0, 12_000));
        let course = match rng.below(8) {
            0 => Course::Cancel(later),
            1 => Course::Vanish(later),
            _ => Course::Finish,
        };
        let replicas = rng.between(1, 2) as u8;
        let mut incidents: Vec<Incident> =
            (0..rng.between(3, 5)).map(|_| Incident::random(rng, course, longest)).collect();
        incidents.sort_by_key(|incident| incident.at);
        Self { seed, course, replicas, incidents }
    }

    /// What goes wrong, in order.
    pub fn story(&self) -> String {
        self.incidents.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// When the last incident is over.
    pub fn end(&self) -> Duration {
        self.incidents.iter().map(|incident| incident.at + incident.lasts).max().unwrap_or_default()
    }
}

impl Incident {
    fn random(rng: &mut Rng, course: Course, longest: Duration) -> Self {
        let at = Duration::from_millis(rng.between(0, 15_000));
        let mut seconds = |low, high| Duration::from_secs(rng.between(low, high)).min(longest);
        let (away, pause, while_) = (seconds(0, 10), Duration::from_secs(60).min(longest), seconds(5, 40));
        let whom = |rng: &mut Rng| match rng.below(7) {
            0 => Whom::Node,
            1 => Whom::Store,
            // One that leaves by itself is not made to.
            2 | 3 if course == Course::Finish => Whom::Client,
            _ => Whom::Worker(rng.index(WORKERS)),
        };
        let (lasts, what) = match rng.below(12) {
            0..=2 => (away, What::Kill(whom(rng))),
            3 | 4 => (pause, What::Pause(whom(rng))),
            // A node that cannot write is one that forgets: a cluster has others, this network has none.
            5 => match whom(rng) {
                Whom::Node => (while_, What::DiskFull(Whom::Store)),
                other => (while_, What::DiskFull(other)),
            },
            6 => {
                let whom = whom(rng);
                let ahead = match whom {
                    // Time on the chain leaps, as after a halt of the cluster, and never goes back.
                    Whom::Node => rng.between(5, 90).cast_signed(),
                    _ => *rng.pick(&[-86_400, -3_600, -90, -20, 20, 90, 3_600, 86_400]),
                };
                (while_, What::Clock(whom, ahead))
            }
            _ => (while_, Self::bad(rng)),
        };
        Self { at, lasts, what }
    }

    fn bad(rng: &mut Rng) -> What {
        let link = match rng.below(8) {
            0 | 1 => Link::Store,
            2 => Link::StoreToNode,
            3 | 4 => Link::ClientToNode,
            5 => Link::WorkerToNode(rng.index(WORKERS), None),
            6 => Link::WorkerToNode(rng.index(WORKERS), Some(rng.index(WAYS))),
            _ => Link::Node,
        };
        let fault = match rng.below(12) {
            0 => Fault::Refuse,
            1 => Fault::Cut { within: rng.below(5_000) },
            2 => Fault::Delay { ms: rng.between(100, 2_000), jitter_ms: 1_000 },
            3 => Fault::Stall,
            4 => Fault::Lossy { percent: rng.between(5, 40) as u8 },
            5 => Fault::Throttle { bytes_per_second: rng.between(2_000, 50_000) },
            6 => Fault::Limit { retry_after: [None, Some(1), Some(5)][rng.index(3)], date: rng.one_in(2) },
            7 => Fault::Status { code: *rng.pick(&[500, 502, 503]) },
            // Blobs are what they are called by: an old one is none.
            8 if link != Link::Store => Fault::Stale,
            9 => Fault::Silent,
            10 => Fault::LoseAnswer,
            _ => Fault::Garble,
        };
        // Half of the faults of requests hit only some.
        let percent = if rng.one_in(2) { 100 } else { rng.between(20, 80) as u8 };
        What::Bad(link, Rule::from(fault).percent(percent))
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, what } = self;
        write!(f, "{:.1}+{:.0}s ", at.as_secs_f64(), lasts.as_secs_f64())?;
        match what {
            What::Kill(whom) => write!(f, "kill {whom:?}"),
            What::Pause(whom) => write!(f, "pause {whom:?}"),
            What::DiskFull(whom) => write!(f, "disk full {whom:?}"),
            What::Clock(whom, seconds) => write!(f, "clock {whom:?} {seconds:+}"),
            What::Bad(link, rule) => write!(f, "{link:?} {:?} {} %", rule.fault, rule.percent),
        }
    }
}

#[test]
fn runs_follow_from_their_seeds() {
    let longest = Duration::from_secs(60);
    let plans: Vec<Plan> = (0..500).map(|seed| Plan::new(seed, longest)).collect();
    assert!(plans.iter().all(|plan| plan.incidents.len() >= 3 && plan.end() <= Duration::from_secs(75)));
    assert_eq!(plans[7].incidents, Plan::new(7, longest).incidents);
    let said: Vec<String> = plans.iter().flat_map(|plan| &plan.incidents).map(Incident::to_string).collect();
    for what in [
        "kill Node",
        "kill Store",
        "kill Client",
        "kill Worker(2)",
        "pause Node",
        "pause Store",
        "pause Client",
        "pause Worker(0)",
        "disk full Store",
        "disk full Client",
        "disk full Worker(1)",
        "clock Node +",
        "clock Store -",
        "clock Client",
        "clock Worker",
        "Store Garble",
        "ClientToNode Stale",
        "Limit",
        "Silent",
        "LoseAnswer",
        "Throttle",
        "Node Stall",
        "WorkerToNode(1, Some(0))",
        "WorkerToNode(2, None)",
        "StoreToNode",
    ] {
        assert!(said.iter().any(|text| text.contains(what)), "no run has {what}");
    }
}
