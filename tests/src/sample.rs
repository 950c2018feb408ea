//! A sample of the leases that `tessera simulate` played, played again on the built program: whoever is paid there must be
//! paid here, and lose here what it lost there, to the last base unit.
//!
//! The simulation says who takes which seat, who is silent and what is drawn; the program must ask for the same seats, come to
//! the same verdict and move the same amounts. Not compared is who gets a seat, because a replay waits until all may, and
//! when: a replay lets as much time pass as the program needs.

use std::collections::BTreeMap;

use tessera_simulate::{Story, Strategy};

use crate::{compare::Difference, world::World};

mod books;
mod replay;
mod stage;

pub use stage::stage;

/// What came of a story.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Instructions that were sent.
    pub sent: u64,
    /// Compute units that they took.
    pub compute_units: u64,
    /// The first thing that the program does in another way.
    pub difference: Option<Difference>,
}

/// Plays a story on a [`stage`], which is left as it is.
#[must_use]
pub fn play(stage: &World, story: &Story) -> Replayed {
    let mut replay = replay::Replay::new(stage.clone(), story);
    let difference = replay.play().err();
    Replayed { sent: replay.sent, compute_units: replay.compute_units, difference }
}

/// What came of all stories from markets of one strategy.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// How many they were.
    pub stories: u64,
    /// Seats that were taken in them.
    pub seats: u64,
    /// Instructions that were sent.
    pub sent: u64,
    /// Compute units that they took.
    pub compute_units: u64,
    /// What the program does in another way, and where.
    pub differences: Vec<Difference>,
}

impl Row {
    /// Adds what came of other stories.
    pub fn add(&mut self, other: Self) {
        self.stories += other.stories;
        self.seats += other.seats;
        self.sent += other.sent;
        self.compute_units += other.compute_units;
        self.differences.extend(other.differences);
    }
}

/// Plays all `stories`, and says what came of them.
#[must_use]
pub fn run(stories: &[Story]) -> BTreeMap<Strategy, Row> {
    let (stage, mut rows) = (stage(), BTreeMap::<Strategy, Row>::new());
    for story in stories {
        let replayed = play(&stage, story);
        let difference = replayed.difference.map(|difference| {
            let Story { strategy, replicas, seed, lease, .. } = story;
            format!("{}, {replicas} replicas, seed {seed}, lease {lease}: {difference}", strategy.name())
        });
        rows.entry(story.strategy).or_default().add(Row {
            stories: 1,
            seats: story.seats.len() as u64,
            sent: replayed.sent,
            compute_units: replayed.compute_units,
            differences: difference.into_iter().collect(),
        });
    }
    rows
}
